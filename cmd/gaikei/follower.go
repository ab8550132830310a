package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/wire"
)

// planEvery is about how often a prober asks for a newer plan. It also does when a heartbeat is told of one.
const planEvery = 10 * time.Second

// planTimeout bounds one question, and its repetition while the aggregator is asked too often.
const planTimeout = 15 * time.Second

// questions that a prober asks a second, and how many at once: the aggregator answers few more of one prober, and
// those of its heartbeats are among them.
const (
	askRate  = 3
	askBurst = 5
)

// A follower makes a station do what the aggregator plans for its region, with the last plan that is known while the
// aggregator is away.
type follower struct {
	station *station
	region  string
	kept    planFolder
	ask     func(ctx context.Context, question []byte) ([]byte, error)
	pace    *rate.Limiter
	log     *slog.Logger
	hint    chan struct{} // holds one when there seems to be a newer plan
	news    chan struct{} // holds one when another plan is followed

	mu    sync.Mutex
	state following // guarded by mu
}

// following is what a prober follows, for its heartbeat.
type following struct {
	revision int64
	checks   int
	refused  []string // checks that are not understood
	err      error    // why the newest plan is not followed; nil: it is, as far as is known
}

func newFollower(st *station, region string, ask func(context.Context, []byte) ([]byte, error)) *follower {
	return &follower{
		station: st, region: region, kept: planFolderIn(st.opts.data), ask: ask, pace: rate.NewLimiter(askRate, askBurst), log: st.log, hint: make(chan struct{}, 1),
		news: make(chan struct{}, 1),
	}
}

// run follows the plan on the disk, and each newer one, until ctx ends and the probers have come to rest.
func (f *follower) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if err := f.station.retire(ctx, []string{f.region}); err != nil {
		return err
	}
	if err := f.resume(ctx, g); err != nil {
		g.Go(func() error { return err }) // which ends what has started
		return g.Wait()
	}
	for {
		if err := f.look(ctx, g); ctx.Err() == nil {
			f.note(err)
		}
		// Spread, so that all probers do not ask at once after an aggregator's restart.
		wait := time.NewTimer(planEvery/2 + rand.N(planEvery))
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-f.hint:
		case <-wait.C:
		}
		wait.Stop()
	}
}

// newer tells that there seems to be a plan of this revision.
func (f *follower) newer(revision int64) {
	if revision == f.following().revision {
		return
	}
	tell(f.hint)
}

// tell puts one into a channel that holds one, unless it is there.
func tell(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (f *follower) following() following {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// note remembers how asking for a plan went, and tells when that changes. That the aggregator is away is told by
// who is connected to it, or not.
func (f *follower) note(err error) {
	f.mu.Lock()
	was, revision := f.state.err, f.state.revision
	f.state.err = err
	f.mu.Unlock()
	stays := "the old one stays in force"
	if revision == 0 {
		stays = "there is no other yet"
	}
	switch {
	case err != nil && !isAway(err) && (was == nil || was.Error() != err.Error()):
		f.log.Error("the newest plan is not followed, "+stays, "region", f.region, "error", err)
	case err == nil && was != nil && !isAway(was):
		f.log.Info("the newest plan is followed again", "region", f.region)
	}
}

// resume follows the plan that was kept, if there is one. One that cannot be read any more is told and left.
func (f *follower) resume(ctx context.Context, g *errgroup.Group) error {
	m, err := f.kept.manifest()
	if err == nil && m == nil {
		f.log.Info("there is no plan yet; probing begins when the aggregator has given one", "region", f.region)
		return nil
	}
	if err == nil && m.Region != f.region {
		err = fmt.Errorf("it is for region %s", m.Region)
	}
	var plan *probe.Plan
	if err == nil {
		plan, err = m.Open(f.kept.chunk)
	}
	if err == nil {
		return f.follow(ctx, g, plan)
	}
	f.log.Error("the plan that was kept cannot be followed; probing begins when the aggregator has given another", "folder", string(f.kept), "error", err)
	return nil
}

// look asks for a newer plan, and follows it.
func (f *follower) look(ctx context.Context, g *errgroup.Group) error {
	answer, err := f.question(ctx, wire.AskManifest(f.following().revision))
	if err != nil {
		return err
	}
	m, err := wire.ReadManifestAnswer(answer)
	if err != nil || m == nil {
		return err
	}
	if m.Region != f.region {
		return fmt.Errorf("the aggregator gave a plan for region %s", m.Region)
	}
	if err := f.fetch(ctx, m); err != nil {
		return err
	}
	plan, err := m.Open(f.kept.chunk)
	if err != nil {
		return err
	}
	if err := f.follow(ctx, g, plan); err != nil {
		return err
	}
	// After it is followed: what cannot be followed must not be what the next start begins with.
	return f.kept.keep(m)
}

// fetch gets the chunks of a plan that are not here yet.
func (f *follower) fetch(ctx context.Context, m *wire.Manifest) error {
	for _, name := range m.Chunks {
		if data, err := f.kept.chunk(name); err == nil && wire.CheckChunk(name, data) == nil {
			continue
		}
		answer, err := f.question(ctx, wire.AskChunk(name))
		if err != nil {
			return err
		}
		data, err := wire.ReadChunkAnswer(name, answer)
		if err != nil {
			return err
		}
		if err := f.kept.put(name, data); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) question(ctx context.Context, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	for {
		if err := f.pace.Wait(ctx); err != nil {
			return nil, fmt.Errorf("ask for the plan: %w", err)
		}
		answer, err := f.ask(ctx, question)
		if refused := new(relay.RefusedError); !errors.As(err, &refused) || refused.Reason != relay.RefusedTooFast {
			return answer, err
		}
		f.pace.ReserveN(time.Now(), askBurst) // somebody else asks in this prober's name, or did just before
	}
}

// follow makes the station do what a plan says. A check that is not understood is refused alone; controls that are
// not, and with them what any verdict means, refuse the plan.
func (f *follower) follow(ctx context.Context, g *errgroup.Group, plan *probe.Plan) error {
	controls, err := config.ParseControls("controls", plan.Controls)
	if err != nil {
		return fmt.Errorf("plan %d: its controls are not understood; is this prober older than the aggregator? %w", plan.Revision, err)
	}
	o := order{region: f.region, ordinal: plan.Ordinal, at: plan.Activation, controls: controls.Options()}
	next := following{revision: plan.Revision, checks: len(plan.Checks)}
	for _, p := range plan.Checks {
		c, err := config.ParseCheck(p.ID, p.Block)
		if err == nil && c.ID != p.ID {
			err = fmt.Errorf("its block is about %q", c.ID)
		}
		if err != nil {
			next.refused = append(next.refused, p.ID)
			f.log.Error("a check of the plan is not understood; its slots are inconclusive{unsupported}", "check", p.ID, "error", err)
			c = p.Refused(err)
		}
		o.checks = append(o.checks, c)
	}
	if err := f.station.follow(ctx, g, []order{o}); err != nil {
		return fmt.Errorf("plan %d: %w", plan.Revision, err)
	}
	f.log.Info("following a plan", "region", f.region, "revision", plan.Revision, "checks", len(plan.Checks), "refused", len(next.refused))
	f.mu.Lock()
	f.state = next
	f.mu.Unlock()
	tell(f.news)
	return nil
}

// errText is the text of an error; empty for none.
func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// errNoPlan is why a prober that was never given a plan does nothing.
var errNoPlan = errors.New("there is no plan yet")

// isAway reports whether an error only says that the aggregator is not there.
func isAway(err error) bool {
	return errors.Is(err, relay.ErrAway) || errors.Is(err, context.DeadlineExceeded)
}
