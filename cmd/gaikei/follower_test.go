package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/wire"
)

// A pupil is a follower with a real station, queue and folder, and an aggregator that answers with the plans that it is
// given.
type pupil struct {
	*follower
	t     *testing.T
	ctx   context.Context
	pulse *pulse
	group *errgroup.Group
	log   *syncBuffer

	mu   sync.Mutex        // guards what follows
	pack *wire.Pack        // newest
	seen map[string]string // outcome and reason of the newest result of each check
}

func newPupil(t *testing.T) *pupil {
	t.Helper()
	dir := t.TempDir()
	p := &pupil{t: t, log: &syncBuffer{}, seen: map[string]string{}, pulse: new(pulse)}
	log := slog.New(slog.NewTextHandler(p.log, nil))
	q, err := relay.Open(t.Context(), relay.Options{Dir: filepath.Join(dir, "queue")})
	if err != nil {
		t.Fatal(err)
	}
	st := newStation(stationOptions{data: dir, prober: "p1", maxRunning: 10, world: p.pulse.clock.world(nil)}, q, log)
	p.follower = newFollower(st, "tokyo", func(_ context.Context, question []byte) ([]byte, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return wire.Plans{
			Manifest: func() (wire.Manifest, error) { return p.pack.Manifest, nil },
			Chunk:    func(name string) ([]byte, error) { return p.pack.Chunks[name], nil },
		}.Answer(question), nil
	})
	p.pulse.follower, p.pulse.log = p.follower, log
	ctx, cancel := context.WithCancel(t.Context())
	p.group, p.ctx = errgroup.WithContext(ctx)
	p.group.Go(func() error { return q.Run(ctx) })
	p.group.Go(func() error { return q.Consume(ctx, p.take) })
	t.Cleanup(func() {
		cancel()
		if err := p.group.Wait(); err != nil {
			t.Error(err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// take reads what the station has seen.
func (p *pupil) take(_ context.Context, ms []relay.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range ms {
		b, err := wire.Unmarshal(m.Payload)
		if err != nil {
			return err
		}
		for _, r := range b.Results {
			p.seen[r.Check] = r.Outcome.String() + " " + r.Reason.String()
		}
	}
	return nil
}

// give makes the aggregator have a plan.
func (p *pupil) give(plan *probe.Plan) {
	p.t.Helper()
	pack, err := wire.PackPlan(plan)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pack = pack
}

// sees waits until the newest result of a check is of this outcome and reason.
func (p *pupil) sees(check, want string) {
	p.t.Helper()
	got := ""
	for range 300 {
		p.mu.Lock()
		got = p.seen[check]
		p.mu.Unlock()
		if got == want {
			return
		}
		wait(p.t, 100*time.Millisecond)
	}
	p.t.Fatalf("%s: got %q, want %q\n%s", check, got, want, p.log)
}

// planOf is the plan that an aggregator makes of a configuration.
func planOf(t *testing.T, text string, revision int64) *probe.Plan {
	t.Helper()
	file, err := config.Parse("gaikei.yaml", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plan := file.Planner().Plan("tokyo", 0)
	plan.Revision, plan.Activation = revision, time.Now().UnixMilli()
	return plan
}

// TestUnsupportedCheck: of a newer aggregator's plan, what is not understood is refused alone if it is a check, and
// with it the whole plan if it says what a verdict means.
func TestUnsupportedCheck(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	p := newPupil(t)
	plan := planOf(t, l.config("tokyo: {}", "fine", "odd"), 1)
	for i, c := range plan.Checks {
		if c.ID == "odd" {
			plan.Checks[i].Block = []byte(strings.TrimRight(string(c.Block), "\n") + "\nmoods: [good]\n")
		}
	}
	p.give(plan)
	if err := p.look(p.ctx, p.group); err != nil {
		t.Fatal(err)
	}
	p.sees("odd", "inconclusive unsupported")
	p.sees("fine", "up ")
	if b := p.pulse.state(); b.Refused != 1 || b.Checks != 2 || b.Revision != 1 || b.PlanError != "" {
		t.Errorf("the heartbeat says %+v, want revision 1 with two checks, one of them refused", b)
	}
	if text := p.log.String(); !strings.Contains(text, "moods") {
		t.Errorf("the log does not say what is not understood:\n%s", text)
	}

	next := planOf(t, l.config("tokyo: {}", "fine", "another"), 2)
	next.Controls = []byte(strings.TrimRight(string(next.Controls), "\n") + "\noracle: delphi\n")
	p.give(next)
	err := p.look(p.ctx, p.group)
	p.note(err)
	if err == nil || !strings.Contains(err.Error(), "oracle") {
		t.Errorf("controls that are not understood: got %v, want an error that names the key", err)
	}
	if b := p.pulse.state(); b.Revision != 1 || !strings.Contains(b.PlanError, "is this prober older than the aggregator?") {
		t.Errorf("the heartbeat says %+v, want revision 1 and why not 2", b)
	}
	if m, err := p.kept.manifest(); err != nil || m == nil || m.Revision != 1 {
		t.Errorf("kept is %v, error %v; want revision 1: the next start must not begin with what cannot be followed", m, err)
	}

	p.give(planOf(t, l.config("tokyo: {}", "fine", "another"), 3))
	if err := p.look(p.ctx, p.group); err != nil {
		t.Fatal(err)
	}
	p.note(nil)
	p.sees("another", "up ")
	if b := p.pulse.state(); b.Revision != 3 || b.PlanError != "" || b.Refused != 0 {
		t.Errorf("the heartbeat says %+v, want revision 3 and nothing refused", b)
	}
}

// TestNewerPlan follows a plan that was kept as a newer aggregator could make it, and tells what it leaves out.
func TestNewerPlan(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "probe", "wire", "testdata", "newer")
	manifest, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	p := newPupil(t)
	p.pack = &wire.Pack{Chunks: map[string][]byte{}}
	if p.pack.Manifest, err = wire.ReadManifest(manifest); err != nil {
		t.Fatal(err)
	}
	for _, name := range p.pack.Manifest.Chunks {
		if p.pack.Chunks[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.look(p.ctx, p.group); err != nil {
		t.Fatal(err)
	}
	p.note(nil)
	if b := p.pulse.state(); b.Revision != 9 || b.Checks != 2 || b.Refused != 1 || b.PlanError != "" {
		t.Errorf("the heartbeat says %+v, want revision 9 with two checks, one of them refused", b)
	}
	if text := p.log.String(); !strings.Contains(text, "fast_open") || strings.Contains(text, "check=known") {
		t.Errorf("the log does not say what is not understood, or of too much:\n%s", text)
	}
}

// TestSkewedClock: while the clock is off the aggregator's by more than half an interval nothing is decided, and the
// aggregator is told by how much.
func TestSkewedClock(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	p := newPupil(t)
	skew := 3 * time.Second
	p.pulse.beat = func(_ context.Context, beat []byte) ([]byte, error) {
		if _, err := wire.ReadBeat(beat); err != nil {
			return nil, err
		}
		return wire.BeatAnswer{Now: time.Now().Add(-skew), Revision: 1}.Marshal(), nil
	}
	p.give(planOf(t, l.config("tokyo: {}", "web"), 1))
	if err := p.look(p.ctx, p.group); err != nil {
		t.Fatal(err)
	}
	p.sees("web", "up ")
	p.pulse.once(p.ctx)
	p.sees("web", "inconclusive clock")
	if b := p.pulse.state(); b.ClockOffset == nil || *b.ClockOffset < 2.5 || *b.ClockOffset > 3.5 {
		t.Errorf("the heartbeat says an offset of %v, want about 3 s", b.ClockOffset)
	}
	if text := p.log.String(); !strings.Contains(text, "the clock is off the aggregator's") {
		t.Errorf("the log does not tell of the clock:\n%s", text)
	}
	skew = 0
	p.pulse.once(p.ctx)
	p.sees("web", "up ")
	if text := p.log.String(); !strings.Contains(text, "the clock agrees with the aggregator's again") {
		t.Errorf("the log does not tell that the clock agrees again:\n%s", text)
	}
}

// A plan that is for another region, or that changed on its way, is not followed.
func TestOddPlans(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	p := newPupil(t)
	good := planOf(t, l.config("tokyo: {}", "web"), 1)
	for name, spoil := range map[string]func(){
		"for region osaka": func() { p.pack.Manifest.Region = "osaka" },
		"SHA-256": func() {
			for n := range p.pack.Chunks {
				p.pack.Chunks[n] = append([]byte{}, "something else"...)
			}
		},
	} {
		p.give(good)
		spoil()
		if err := p.look(p.ctx, p.group); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
	if f := p.following(); f.revision != 0 {
		t.Errorf("followed is %s, want nothing", fmt.Sprint(f))
	}
}

// A plan of more chunks than the aggregator gives at once is asked for at a pace, and again where it was refused.
func TestPacedQuestions(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	p := newPupil(t)
	var checks []string
	for i := range 1500 {
		checks = append(checks, fmt.Sprintf("c%d: enabled: true, interval: 1h", i))
	}
	p.give(planOf(t, l.config("tokyo: {}", checks...), 1))
	room := rate.NewLimiter(5, 10)
	ask, refusals := p.ask, 0
	p.ask = func(ctx context.Context, question []byte) ([]byte, error) {
		if refusals == 0 || !room.Allow() {
			refusals++
			return nil, &relay.RefusedError{Reason: relay.RefusedTooFast}
		}
		return ask(ctx, question)
	}
	if n := len(p.pack.Manifest.Chunks); n <= 11 {
		t.Fatalf("the plan has %d chunks: too few for this test", n)
	}
	if err := p.look(p.ctx, p.group); err != nil {
		t.Fatal(err)
	}
	if refusals != 1 || p.following().revision != 1 {
		t.Errorf("refused %d times, want the one that this test makes; followed is revision %d, want 1", refusals, p.following().revision)
	}
}
