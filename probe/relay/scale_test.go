package relay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/internal/pgtest"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// A fleet is a centre with a hub and a store, joined as the aggregator joins them, and probers that reach it over
// loopback. It is in this package because only here can messages of a given shape be sent.
type fleet struct {
	tb      testing.TB
	hub     *Hub
	store   *timeline.Store
	probers []*sender
	g       *errgroup.Group
	ctx     context.Context
	stop    context.CancelFunc
	ended   sync.Once
}

// A sender is a prober without a near queue.
type sender struct {
	*Uplink
	mu   sync.Mutex
	sent []time.Time // of what was sent on Live and is not committed, in order
}

// newFleet starts a centre and n probers; share is by how many probers a lane is divided.
func newFleet(tb testing.TB, o timeline.Options, n, share int) *fleet {
	tb.Helper()
	f := &fleet{tb: tb}
	f.ctx, f.stop = context.WithCancel(tb.Context())
	f.g = new(errgroup.Group)
	tb.Cleanup(f.end) // if it fails before its end
	var keys register
	var err error
	if f.store, err = timeline.Open(tb.Context(), o); err != nil {
		tb.Fatal(err)
	}
	f.hub, err = OpenHub(tb.Context(), HubOptions{
		Dir: tb.TempDir(), Listen: "127.0.0.1:0", Admit: keys.admit, MaxBytes: 1 << 30, Probers: share,
	})
	if err != nil {
		tb.Fatal(err)
	}
	f.run(f.hub.Run)
	f.run(f.store.Run)
	for i := range n {
		creds, err := NewCredentials(fmt.Sprintf("region-%03d", i), "p", f.hub.URLs(), nil)
		if err != nil {
			tb.Fatal(err)
		}
		keys.add(creds)
		u, err := NewUplink(UplinkOptions{Credentials: creds})
		if err != nil {
			tb.Fatal(err)
		}
		if u.link, err = u.connect(); err != nil {
			tb.Fatal(err)
		}
		f.probers = append(f.probers, &sender{Uplink: u})
	}
	return f
}

func (f *fleet) run(stage func(context.Context) error) {
	f.g.Go(func() error { return stage(f.ctx) })
}

func (f *fleet) end() { f.ended.Do(f.shut) }

func (f *fleet) shut() {
	f.stop()
	if err := f.g.Wait(); err != nil {
		f.tb.Error(err)
	}
	for _, p := range f.probers {
		p.link.close()
	}
	if f.hub != nil {
		if err := f.hub.Close(); err != nil {
			f.tb.Error(err)
		}
	}
	if f.store != nil {
		if err := f.store.Close(); err != nil {
			f.tb.Error(err)
		}
	}
}

// take takes a lane in until the fleet ends, and then calls done with each batch that is committed.
func (f *fleet) take(lane Lane, done func([]Message)) {
	ingest := f.store.Ingest
	if lane == Live {
		ingest = f.store.IngestFresh
	}
	f.run(func(ctx context.Context) error {
		return f.hub.Consume(ctx, lane, func(ctx context.Context, ms []Message) error {
			if err := ingest(ctx, inStore(ms)); err != nil {
				return err
			}
			done(ms)
			return nil
		})
	})
}

// takeAll takes a lane in as take does, and tells when so many messages of it are committed.
func (f *fleet) takeAll(lane Lane, messages int64) <-chan struct{} {
	var taken atomic.Int64
	all := make(chan struct{})
	f.take(lane, func(ms []Message) {
		if taken.Add(int64(len(ms))) == messages {
			close(all)
		}
	})
	return all
}

func inStore(ms []Message) []timeline.Message {
	in := make([]timeline.Message, len(ms))
	for i, m := range ms {
		in[i] = timeline.Message{Region: m.Region, Prober: m.Prober, Received: m.Stored, Payload: m.Payload}
	}
	return in
}

// scaleChecks is how many checks a prober of a fleet has.
const scaleChecks = 1000

// following is a prober's word that it follows its checks at 10 s, from a day ago on.
func following(tb testing.TB, checks int, from time.Time) []byte {
	var b probe.Batch
	for i := range checks {
		offset := int64(i % 10 * 1000)
		b.Epochs = append(b.Epochs, probe.Epoch{
			Check: fmt.Sprintf("shop-%04d.frontend", i), From: from.Truncate(10*time.Second).UnixMilli() + offset,
			Grid: probe.Grid{Interval: 10_000, Offset: offset}, Budget: time.Second, Under: 300 * time.Millisecond, Expected: true,
		})
	}
	return packed(tb, &b)
}

// results are those of checks first, first+step, … at an instant. How long they and their phases took is random, since how
// small messages become counts.
func results(tb testing.TB, first, step, checks int, at time.Time) []byte {
	var b probe.Batch
	random := rand.New(rand.NewPCG(uint64(first), uint64(at.Unix())))
	for i := first; i < checks; i += step {
		x := probe.Result{
			Check: fmt.Sprintf("shop-%04d.frontend", i), Slot: at.UnixMilli(), Outcome: probe.Up, Attempts: 1, Under: true,
			Latency: probe.IndexOf(time.Duration((20 + 200*random.Float64()) * float64(time.Millisecond))),
		}
		for p := range x.Phases {
			x.Phases[p] = probe.NoLatency
			if p < 5 {
				x.Phases[p] = x.Latency - probe.LatencyIndex(20+random.IntN(100))
			}
		}
		b.Results = append(b.Results, x)
	}
	return packed(tb, &b)
}

// ofSecond are the results of the checks whose slot a second is, of probers with so many checks at 10 s.
func ofSecond(tb testing.TB, checks int, at time.Time) []byte {
	return results(tb, int(at.Unix()%10), 10, checks, at.Truncate(time.Second))
}

func packed(tb testing.TB, b *probe.Batch) []byte {
	ms, err := wire.Marshal(b)
	if err != nil || len(ms) != 1 {
		tb.Fatalf("marshal: got %d messages, error %v, want one", len(ms), err)
	}
	return ms[0]
}

// send sends a message on a lane and returns when the far queue has it.
func (p *sender) send(ctx context.Context, lane Lane, payload []byte) error {
	q, err := p.link.asker.send(laneSubject(p.id, lane), payload)
	if err != nil {
		return err
	}
	return q.within(ctx, liveTimeout)
}

// everyProber calls f for all probers at once.
func (f *fleet) everyProber(call func(p *sender) error) {
	f.tb.Helper()
	var g errgroup.Group
	for _, p := range f.probers {
		g.Go(func() error { return call(p) })
	}
	if err := g.Wait(); err != nil {
		f.tb.Fatal(err)
	}
}

// BenchmarkEndToEnd has messages of 1,000 series with one result each go from the far queue into the store: read, committed,
// visible and acknowledged, while the store runs. It says how many results a second that is, and what part of the
// promise: 1,000,000 with SQLite and 500,000 with PostgreSQL, on two cores.
func BenchmarkEndToEnd(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		benchmarkEndToEnd(b, func(b *testing.B) timeline.Options { return timeline.Options{Dir: b.TempDir()} }, 1_000_000)
	})
	b.Run("postgres", func(b *testing.B) {
		benchmarkEndToEnd(b, func(b *testing.B) timeline.Options { return timeline.Options{Database: postgres(b).Database(b)} }, 500_000)
	})
}

// postgres is a PostgreSQL server until the benchmark ends.
func postgres(b *testing.B) *pgtest.Cluster {
	c := new(pgtest.Cluster)
	b.Cleanup(func() {
		if err := c.Stop(); err != nil {
			b.Error(err)
		}
	})
	return c
}

func benchmarkEndToEnd(b *testing.B, options func(*testing.B) timeline.Options, promised float64) {
	const probers, seconds = 20, 100
	for b.Loop() {
		b.StopTimer()
		f := newFleet(b, options(b), probers, 1)
		begin := time.Now().Add(-time.Hour)
		f.everyProber(func(p *sender) error {
			err := p.send(f.ctx, Late, following(b, scaleChecks, begin))
			for k := 0; k < seconds && err == nil; k++ {
				err = p.send(f.ctx, Live, results(b, 0, 1, scaleChecks, begin.Truncate(time.Second).Add(time.Duration(k)*time.Second)))
			}
			return err
		})
		<-f.takeAll(Late, probers) // their words that they follow the checks are no results
		b.StartTimer()
		begun := time.Now()
		<-f.takeAll(Live, probers*seconds)
		rate := probers * seconds * scaleChecks / time.Since(begun).Seconds()
		b.StopTimer()
		b.ReportMetric(rate, "results/s")
		b.ReportMetric(rate/promised, "of-promise")
		b.ReportMetric(float64(len(results(b, 0, 1, scaleChecks, begin)))/scaleChecks, "B/result")
		f.end()
		b.StartTimer()
	}
}

// backlogFor is how long a backlog is worked off: ten seconds, or GAIKEI_BENCH_BACKLOG. From a minute on tails are crowded by it.
func backlogFor(b *testing.B) time.Duration {
	b.Helper()
	s := os.Getenv("GAIKEI_BENCH_BACKLOG")
	if s == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// BenchmarkBacklog has 100 probers with 1,000 checks at 10 s come back after a day, while what is fresh goes on: each
// sends on Late as fast as it may, and a message on Live every second. It tells from when a fresh message was sent until
// it was committed, alone and beside the backlog, how many seconds of backlog are worked off in one, and how many hours a day
// of it takes so. Promise: what is fresh is not delayed.
func BenchmarkBacklog(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkBacklog(b, timeline.Options{Dir: b.TempDir()}) })
	b.Run("postgres", func(b *testing.B) { benchmarkBacklog(b, timeline.Options{Database: postgres(b).Database(b)}) })
}

func benchmarkBacklog(b *testing.B, o timeline.Options) {
	const probers = 100
	long := backlogFor(b)
	for b.Loop() {
		f := newFleet(b, o, probers, probers)
		yesterday := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
		f.everyProber(func(p *sender) error { return p.send(f.ctx, Live, following(b, scaleChecks, yesterday)) })
		var caught atomic.Int64
		f.take(Late, func(ms []Message) { caught.Add(int64(len(ms))) })
		lags := f.fresh(b)
		reportLags(b, lags(long), "-alone")
		stop := f.late(b, yesterday)
		begun, before := time.Now(), caught.Load()
		reportLags(b, lags(long), "-beside")
		rate := float64(caught.Load()-before) / time.Since(begun).Seconds()
		stop()
		b.ReportMetric(rate/probers, "backlog-s/s")
		b.ReportMetric(rate*scaleChecks/10, "late-results/s")
		b.ReportMetric(24/(rate/probers), "h-for-a-day")
		f.end()
	}
}

// fresh has every prober send its results every second. It returns a function that waits and returns how long it took
// meanwhile from sending a message until its commit.
func (f *fleet) fresh(b *testing.B) func(time.Duration) []time.Duration {
	byRegion := map[string]*sender{}
	for _, p := range f.probers {
		byRegion[p.id.Region] = p
		f.run(func(ctx context.Context) error { return f.sendFresh(ctx, b, p) })
	}
	var mu sync.Mutex
	var lags []time.Duration
	announced := map[string]bool{}
	f.take(Live, func(ms []Message) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range ms {
			if !announced[m.Region] { // the first message is that of the epochs
				announced[m.Region] = true
				continue
			}
			p := byRegion[m.Region]
			p.mu.Lock()
			lags = append(lags, time.Since(p.sent[0]))
			p.sent = p.sent[1:]
			p.mu.Unlock()
		}
	})
	return func(long time.Duration) []time.Duration {
		pause(f.ctx, long)
		mu.Lock()
		defer mu.Unlock()
		seen := lags
		lags = nil
		return seen
	}
}

func (f *fleet) sendFresh(ctx context.Context, b *testing.B, p *sender) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case at := <-tick.C:
			payload := ofSecond(b, scaleChecks, at)
			p.mu.Lock()
			p.sent = append(p.sent, time.Now())
			p.mu.Unlock()
			if err := p.send(ctx, Live, payload); err != nil && ctx.Err() == nil {
				return fmt.Errorf("send what is fresh: %w", err)
			}
		}
	}
}

// late has every prober send what it has of the time from an instant on, a message for each second, as an uplink sends it.
// It returns how to end that.
func (f *fleet) late(b *testing.B, from time.Time) (stop func()) {
	ctx, cancel := context.WithCancel(f.ctx)
	var all sync.WaitGroup
	for _, p := range f.probers {
		all.Go(func() {
			for at := from; ctx.Err() == nil; {
				var ms []Message
				for range lateMessages {
					ms = append(ms, Message{Region: p.id.Region, Prober: p.id.Prober, Payload: ofSecond(b, scaleChecks, at)})
					at = at.Add(time.Second)
				}
				p.sendLate(ctx, ms)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

func reportLags(b *testing.B, lags []time.Duration, suffix string) {
	b.Helper()
	if len(lags) == 0 {
		b.Fatal("nothing that was fresh has been committed")
	}
	slices.Sort(lags)
	b.ReportMetric(lags[len(lags)/2].Seconds(), "s-lag-p50"+suffix)
	b.ReportMetric(lags[len(lags)*99/100].Seconds(), "s-lag-p99"+suffix)
	b.ReportMetric(lags[len(lags)-1].Seconds(), "s-lag-max"+suffix)
}

// What is fresh is committed while a backlog is not taken at all, and in the end every slot of both is there.
func TestBacklogDoesNotHoldUpWhatIsFresh(t *testing.T) {
	const probers, checks, behind = 3, 20, 120 // seconds
	f := newFleet(t, timeline.Options{Dir: t.TempDir()}, probers, 1)
	now := time.Now().Truncate(time.Second).Add(-time.Minute)
	fresh, late := make(chan struct{}), make(chan struct{})
	var taken atomic.Int64
	f.everyProber(func(p *sender) error {
		if err := p.send(t.Context(), Live, following(t, checks, now.Add(-behind*time.Second))); err != nil {
			return err
		}
		for k := range 2 * behind {
			lane := Late
			if k%2 == 0 {
				lane = Live // some that is live already arrives while the rest is late
			}
			if err := p.send(t.Context(), lane, ofSecond(t, checks, now.Add(time.Duration(k/2-behind)*time.Second))); err != nil {
				return err
			}
		}
		return p.send(t.Context(), Late, ofSecond(t, checks, now))
	})
	f.run(func(ctx context.Context) error {
		return f.hub.Consume(ctx, Late, func(ctx context.Context, ms []Message) error {
			select {
			case <-fresh:
			case <-ctx.Done():
				return nil
			}
			err := f.store.Ingest(ctx, inStore(ms))
			if err == nil && taken.Add(int64(len(ms))) == probers*(behind+1) {
				close(late)
			}
			return err
		})
	})
	<-f.takeAll(Live, probers*(behind+1))
	close(fresh)
	<-late
	wantAll(t, f.store, probers*checks*behind/10, sli.Query{From: now.Add(-behind * time.Second), To: now})
}

// wantAll checks that all that was due in a window is up, and how much that is.
func wantAll(t *testing.T, s *timeline.Store, want int, q sli.Query) {
	t.Helper()
	rs, err := s.Reports(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	due, good := int64(0), int64(0)
	for _, r := range rs {
		if r.Region != nil {
			due, good = due+r.Slots.Scheduled, good+r.Slots.Good
		}
	}
	if due != int64(want) || good != due {
		t.Errorf("got %d slots due and %d good, want %d and all of them", due, good, want)
	}
}
