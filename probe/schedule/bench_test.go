package schedule

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// A stopwatch notes how late the slots start, in real time.
type stopwatch struct {
	hang func(id string) bool // nil: none

	mu   sync.Mutex
	lags []time.Duration
	lost int
}

func (w *stopwatch) Run(ctx context.Context, id string, slot int64) {
	lag := time.Since(time.UnixMilli(slot))
	w.mu.Lock()
	w.lags = append(w.lags, lag)
	w.mu.Unlock()
	if w.hang != nil && w.hang(id) {
		<-ctx.Done()
	}
}

func (w *stopwatch) Missed(string, int64, int64, probe.Reason) {
	w.mu.Lock()
	w.lost++
	w.mu.Unlock()
}

// reset forgets what was noted, and makes room.
func (w *stopwatch) reset(room int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lags, w.lost = make([]time.Duration, 0, room), 0
}

// report gives the lags as metrics and returns the number of slots.
func (w *stopwatch) report(b *testing.B) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.lags)
	n := len(w.lags)
	if n == 0 {
		b.Fatal("no slot was run")
	}
	b.ReportMetric(ms(w.lags[n/2]), "p50-lag-ms")
	b.ReportMetric(ms(w.lags[n*99/100]), "p99-lag-ms")
	b.ReportMetric(ms(w.lags[n-1]), "max-lag-ms")
	b.ReportMetric(float64(w.lost), "missed")
	return n
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// idle notes how late a goroutine wakes that does nothing but sleep, in between the instants of waves, until ctx
// ends: a lag that is the machine's, and that of what else runs on it.
func idle(ctx context.Context) (lags []time.Duration) {
	const grain = offset * time.Millisecond
	for ctx.Err() == nil {
		next := time.Now().Truncate(grain).Add(grain + grain/2)
		time.Sleep(time.Until(next))
		lags = append(lags, time.Since(next))
	}
	return lags
}

// during returns what idle notes while f runs, as a quantile of 99 %.
func during(b *testing.B, f func()) time.Duration {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan []time.Duration)
	go func() { done <- idle(ctx) }()
	f()
	cancel()
	lags := <-done
	slices.Sort(lags)
	return lags[len(lags)*99/100]
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

func fleet(n int, interval time.Duration) []Task {
	tasks := make([]Task, n)
	for i := range tasks {
		id := fmt.Sprintf("check-%s-%06d", interval, i)
		tasks[i] = Task{ID: id, Grid: probe.GridOf(id, 0, interval)}
	}
	return tasks
}

// serve runs a scheduler of tasks until the benchmark ends.
func serve(b *testing.B, w *stopwatch, tasks []Task) *Scheduler {
	s := New(w, Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	s.Set(tasks)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return s
}

// BenchmarkScheduler100k is the promise of 100,000 checks at 10 s: start lag below 10 ms for 99 of 100
// slots, and less than 5 µs of CPU a slot. One iteration is 20 s of real time.
func BenchmarkScheduler100k(b *testing.B) {
	const n, interval = 100_000, 10 * time.Second
	w := &stopwatch{}
	tasks := fleet(n, interval)
	empty := heap()
	serve(b, w, tasks)
	time.Sleep(interval / 2) // the waves are armed, the heap has settled
	full := heap()
	for b.Loop() {
		w.reset(3 * n)
		before := cpu(b)
		asleep := during(b, func() { time.Sleep(2 * interval) })
		used := cpu(b) - before
		b.ReportMetric(float64(used.Nanoseconds())/1000/float64(w.report(b)), "cpu-us/slot")
		b.ReportMetric(ms(asleep), "p99-idle-ms")
	}
	b.ReportMetric((full-empty)/n, "B/task") // last: Loop forgets what was reported before it
}

// BenchmarkHung is the lag of 2,000 checks at 1 s beside 800 that hang for ever, with every place of
// overlapping runs taken.
func BenchmarkHung(b *testing.B) {
	const hung, well = 800, 2000
	tasks := fleet(hung+well, time.Second)
	bad := map[string]bool{}
	for _, t := range tasks[:hung] {
		bad[t.ID] = true
	}
	w := &stopwatch{hang: func(id string) bool { return bad[id] }}
	s := serve(b, w, tasks)
	time.Sleep(4 * time.Second)
	for b.Loop() {
		w.reset(10 * (hung + well))
		asleep := during(b, func() { time.Sleep(5 * time.Second) })
		w.report(b)
		b.ReportMetric(ms(asleep), "p99-idle-ms")
	}
	b.ReportMetric(float64(s.Running()), "running")
}

// BenchmarkSet is one reload of 100,000 tasks of which one in a hundred changes, while none is due.
func BenchmarkSet(b *testing.B) {
	tasks := fleet(100_000, time.Hour)
	s := New(&stopwatch{}, Options{})
	s.Set(tasks)
	for i := 0; b.Loop(); i++ {
		for k := i % 100; k < len(tasks); k += 100 {
			tasks[k].Grid.Offset = (tasks[k].Grid.Offset + offset) % tasks[k].Grid.Interval
		}
		s.Set(tasks)
	}
}

// offset is the grain of a grid's offset, ms.
const offset = 25

// BenchmarkFarAway is the lag of 2,000 checks at 1 s beside 100,000 that come due rarely, while the waves of these are looked for
// that have come near. One iteration is 130 s of real time, two such looks.
func BenchmarkFarAway(b *testing.B) {
	for _, rare := range []time.Duration{5 * time.Minute, 24 * time.Hour} {
		b.Run(rare.String(), func(b *testing.B) {
			w := &stopwatch{}
			serve(b, w, append(fleet(2000, time.Second), fleet(100_000, rare)...))
			time.Sleep(10 * time.Second)
			for b.Loop() {
				w.reset(400_000)
				before := cpu(b)
				asleep := during(b, func() { time.Sleep(130 * time.Second) })
				used := cpu(b) - before
				b.ReportMetric(float64(used.Nanoseconds())/1000/float64(w.report(b)), "cpu-us/slot")
				b.ReportMetric(ms(asleep), "p99-idle-ms")
			}
		})
	}
}
