package timeline

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/probe"
)

// What is sustained: 10,000 checks in 20 regions at 10 s, which is 20 messages of 1,000 results in every second.
const (
	sustainedChecks  = 10_000
	sustainedRegions = 20
	sustainedSeries  = sustainedChecks * sustainedRegions
	sustainedPeriod  = 10 // seconds
	sustainedTail    = 10 * time.Minute
)

// A burden is what the probers of BenchmarkSustained send, and the store they send it to. Its clock runs in real time from
// an instant that puts a midnight in the middle.
type burden struct {
	tb     testing.TB
	s      *Store
	begin  time.Time // by the store's clock
	ticked time.Time // when the store's clock began to run; zero: it stands at begin
	checks []string
	shape  [sustainedPeriod]probe.Batch // the results of each second of a period; their slots are to be set
}

func newBurden(tb testing.TB, p place, long time.Duration) *burden {
	tb.Helper()
	midnight := time.UnixMilli((day20000 + 1) * dayMillis)
	l := &burden{tb: tb, begin: midnight.Add(-long / 2)}
	o := p.Options
	o.Now = l.now
	for i := range sustainedChecks {
		l.checks = append(l.checks, fmt.Sprintf("shop-%05d.frontend", i))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i, check := range l.checks {
		x := up(check, l.begin)
		x.Phases = somePhases(r)
		x.Latency = probe.IndexOf(time.Duration(80+r.IntN(40)) * time.Millisecond)
		b := &l.shape[i%sustainedPeriod]
		b.Results = append(b.Results, x)
	}
	s, err := Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.SetMaintenance(tb.Context(), nil, nil); err != nil { // so that it counts
		tb.Fatal(err)
	}
	l.s = s
	return l
}

func (l *burden) now() time.Time {
	if l.ticked.IsZero() {
		return l.begin
	}
	return l.begin.Add(time.Since(l.ticked))
}

// regionName names a region, and its one prober.
func regionName(i int) string { return fmt.Sprintf("region-%02d", i) }

// announce has every prober say what it follows, a thousand checks a message, from a day before the load on.
func (l *burden) announce() {
	l.tb.Helper()
	for region := range sustainedRegions {
		for from := 0; from < sustainedChecks; from += 1000 {
			var b probe.Batch
			for i := from; i < from+1000; i++ {
				offset := int64(i % sustainedPeriod * 1000)
				b.Epochs = append(b.Epochs, probe.Epoch{
					Check: l.checks[i], From: day20000*dayMillis + offset, Grid: probe.Grid{Interval: sustainedPeriod * 1000, Offset: offset},
					Budget: time.Second, Under: 300 * time.Millisecond, Expected: true,
				})
			}
			ingest(l.tb, l.s, l.message(region, b, l.begin))
		}
	}
}

func (l *burden) message(region int, b probe.Batch, at time.Time) Message {
	m := message(l.tb, regionName(region), b)
	m.Region, m.Received = regionName(region), at
	return m
}

// second is what all regions send of the slots of one second.
func (l *burden) second(at time.Time) []Message {
	at = at.Truncate(time.Second)
	b := l.shape[at.Unix()%sustainedPeriod]
	for i := range b.Results {
		b.Results[i].Slot = at.UnixMilli()
	}
	ms := make([]Message, sustainedRegions)
	for region := range ms {
		ms[region] = l.message(region, b, at.Add(time.Second))
	}
	return ms
}

// fillBlocks stores what a day of it that was folded up to the tails would be: a fold late in the day is the dearest.
func (l *burden) fillBlocks() {
	l.tb.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	until := l.begin.Add(-sustainedTail).UnixMilli()
	for region := range sustainedRegions {
		p := l.s.probers.id(regionName(region))
		for second := range sustainedPeriod {
			offset := int64(second * 1000)
			day := slots{}
			var looks []look
			for _, e := range fullDay(r, p, sustainedPeriod*1000).entries {
				if e.at = e.at - 25 + offset; e.at < until {
					day.entries = append(day.entries, e)
					looks = append(looks, look{at: e.at, prober: p, phases: somePhases(r)})
				}
			}
			of := new(phases)
			of.take(looks)
			l.putAlike(region, second, l.s.codec.encode(day20000, day), l.s.codec.encodePhases(day20000, of))
		}
	}
}

// putAlike gives the checks of a region that share a second the same rows.
func (l *burden) putAlike(region, second int, block, phases []byte) {
	l.tb.Helper()
	l.s.writing.Lock()
	defer l.s.writing.Unlock()
	if led, err := l.s.lead(l.tb.Context()); !led {
		l.tb.Fatalf("lead: got %v, %v, want nobody else to", led, err)
	}
	err := l.s.folding(l.tb.Context(), func(tx *transaction) error {
		for i := second; i < sustainedChecks; i += sustainedPeriod {
			var id int64
			if err := tx.one("series", []any{l.checks[i], regionName(region)}, &id); err != nil {
				return err
			}
			for _, row := range []struct {
				table string
				data  []byte
			}{{"put block", block}, {"put phases", phases}} {
				if err := tx.put(row.table, dayKey{id, day20000}, row.data); err != nil {
					return err
				}
			}
		}
		if err := l.s.noteChange(tx); err != nil {
			return err
		}
		return tx.putBundle()
	})
	if err != nil {
		l.tb.Fatal(err)
	}
}

// fillTails takes in ten minutes that nobody has folded, and returns how many results that is.
func (l *burden) fillTails() int {
	l.tb.Helper()
	n := 0
	for at := l.begin.Add(-sustainedTail); at.Before(l.begin); at = at.Add(time.Second) {
		ms := l.second(at)
		ingest(l.tb, l.s, ms...)
		n += len(ms) * 1000
	}
	return n
}

// A strain is what was seen while the load was sustained.
type strain struct {
	lags    []time.Duration // of each second, from when its messages were there until they were committed
	results int
	cpu     time.Duration
}

// reportLags tells how long commits lagged behind.
func reportLags(b *testing.B, lags []time.Duration, suffix string) {
	b.Helper()
	slices.Sort(lags)
	b.ReportMetric(lags[len(lags)/2].Seconds(), "s-lag-p50"+suffix)
	b.ReportMetric(lags[len(lags)*99/100].Seconds(), "s-lag-p99"+suffix)
	b.ReportMetric(lags[len(lags)-1].Seconds(), "s-lag-max"+suffix)
}

// sustain sends in real time while the store's steps are made as its Run makes them.
func (l *burden) sustain(long time.Duration) strain {
	l.tb.Helper()
	var st strain
	l.ticked = time.Now()
	before := processorTime(l.tb)
	var g errgroup.Group
	stop := make(chan struct{})
	if l.s.shared != nil {
		g.Go(func() error { return every(tailTick, stop, func(int) error { return l.s.follow(l.tb.Context()) }) })
	}
	g.Go(func() error {
		return every(foldTick, stop, func(n int) error { return l.s.step(l.tb.Context(), uint32(n)) })
	})
	first := l.begin.Truncate(time.Second)
	for n := range int(long / time.Second) {
		due := l.ticked.Add(time.Duration(n+1) * time.Second)
		ms := l.second(first.Add(time.Duration(n) * time.Second))
		time.Sleep(time.Until(due))
		if err := l.s.Ingest(l.tb.Context(), ms); err != nil {
			l.tb.Fatal(err)
		}
		st.lags = append(st.lags, time.Since(due))
		st.results += len(ms) * 1000
	}
	st.cpu = processorTime(l.tb) - before
	close(stop)
	if err := g.Wait(); err != nil {
		l.tb.Fatal(err)
	}
	return st
}

// dropTails leaves what is in memory of timelines without tails. The store is of no use any more.
func (l *burden) dropTails() {
	l.s.writing.Lock()
	defer l.s.writing.Unlock()
	for t := range l.s.timelines.all() {
		t.tail = nil
	}
}

// every calls f at every tick until stop is closed. As with a ticker, what comes too late is left out.
func every(d time.Duration, stop <-chan struct{}, f func(n int) error) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-stop:
			return nil
		case <-tick.C:
			if err := f(n); err != nil {
				return err
			}
		}
	}
}

// processorTime is what this process has used; a database beside it is not in it.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// liveHeap is what is in use of the heap after a collection.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC() // what the first one found to finalise or to empty from pools is gone after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// sustainedFor is how long the load is sustained: a minute, or GAIKEI_BENCH_SUSTAINED.
func sustainedFor(b *testing.B) time.Duration {
	b.Helper()
	s := os.Getenv("GAIKEI_BENCH_SUSTAINED")
	if s == "" {
		return time.Minute
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// BenchmarkSustained holds 10,000 checks in 20 regions at 10 s, with a UTC midnight in the middle, folding on time, starting
// with tails of ten minutes and the day's blocks full up to them. Promises, for ten minutes of it
// (GAIKEI_BENCH_SUSTAINED=10m): what is there is committed within 5 s, and a timeline whose tail is empty takes at most
// 200 bytes of the heap.
func BenchmarkSustained(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkSustained(b, place{Options{Dir: b.TempDir()}}) })
	b.Run("postgres", func(b *testing.B) { benchmarkSustained(b, place{Options{Database: cluster.Database(b)}}) })
}

func benchmarkSustained(b *testing.B, p place) {
	long := sustainedFor(b)
	for b.Loop() {
		l := newBurden(b, p, long)
		empty := liveHeap()
		l.announce()
		l.fillBlocks()
		base := liveHeap()
		n := l.fillTails()
		b.ReportMetric((liveHeap()-base)/float64(n), "B/tail-result")
		st := l.sustain(long)
		reportLags(b, st.lags, "")
		b.ReportMetric(liveHeap()/1e6, "MB-heap")
		l.dropTails()
		b.ReportMetric((liveHeap()-empty)/sustainedSeries, "B/timeline")
		b.ReportMetric(100*st.cpu.Seconds()/long.Seconds(), "%-of-a-core")
		if err := l.s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTimelineMemory tells what a live timeline takes of the heap whose tail is folded: it is announced, has been
// seen for two periods, and has a block. Promise: at most 200 bytes.
func BenchmarkTimelineMemory(b *testing.B) {
	for b.Loop() {
		l := newBurden(b, place{Options{Dir: b.TempDir()}}, time.Minute)
		empty := liveHeap()
		l.announce()
		for k := range 2 * sustainedPeriod {
			ingest(b, l.s, l.second(l.begin.Add(time.Duration(k)*time.Second))...)
		}
		foldAll(b, l.s)
		b.ReportMetric((liveHeap()-empty)/sustainedSeries, "B/timeline")
		if err := l.s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
