package schedule

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/internal/bubble"
	"github.com/gaikei/gaikei/probe"
)

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestSlotsRunAtTheirInstants(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Set([]Task{every("a", 10*time.Second, 2*time.Second), every("b", 4*time.Second, 0)})
		s.until(13 * time.Second)
		diff(t, "records", []string{"a 2s", "b 4s", "b 8s", "a 12s", "b 12s"}, sorted(s.told()))
		diff(t, "lags", []int64{0, 0, 0, 0, 0}, s.recorder.lags)
	})
}

// sorted brings records of one instant in the order of their ids: that of their calls is not defined.
func sorted(rs []string) []string {
	at := func(r string) string { _, at, _ := strings.Cut(r, " "); return at }
	for i := range rs {
		for j := i; j > 0 && at(rs[j]) == at(rs[j-1]) && rs[j] < rs[j-1]; j-- {
			rs[j], rs[j-1] = rs[j-1], rs[j]
		}
	}
	return rs
}

func TestSpanIsHalfOpen(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		old, next := every("a", 10*time.Second, 0), every("a", 4*time.Second, 0)
		old.Until, next.From = s.recorder.start+20_000, s.recorder.start+20_000
		next.Until = s.recorder.start + 28_000
		s.Set([]Task{old, next})
		s.until(time.Minute)
		diff(t, "records", []string{"a 10s", "a 20s", "a 24s"}, s.told())
	})
}

func TestTasksBeforeRun(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		rec := newRecorder()
		s := New(rec, rec.options())
		s.Set([]Task{every("a", 10*time.Second, 0), every("b", time.Minute, 0)})
		time.Sleep(12 * time.Second)
		s.Set([]Task{every("a", 10*time.Second, 0), every("b", time.Minute, 0)})
		diff(t, "due at a Set", []string{"a 10s..10s stopped"}, rec.told())
		time.Sleep(30 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		diff(t, "Run", []string{"a 20s..30s late", "a 40s", "a 50s"}, order(rec.told()))
	})
}

// order puts the records of missed slots first.
func order(rs []string) []string {
	var missed, runs []string
	for _, r := range rs {
		if strings.Contains(r, "..") {
			missed = append(missed, r)
		} else {
			runs = append(runs, r)
		}
	}
	return append(missed, runs...)
}

func TestRunEnds(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var ended atomic.Int32
		s := start(t, func(r *recorder, _ *Options) {
			r.look = func(ctx context.Context, _ string, _ int64) {
				<-ctx.Done()
				time.Sleep(3 * time.Second) // cleaning up
				ended.Add(1)
			}
		})
		s.Set([]Task{every("a", 10*time.Second, 0), every("b", 10*time.Second, 0)})
		s.until(15 * time.Second)
		diff(t, "running", 2, s.Running())
		s.stop()
		diff(t, "ended before Run returned", int32(2), ended.Load())
		diff(t, "running after Run", 0, s.Running())
		time.Sleep(time.Minute)
		diff(t, "started after Run", []string{"a 10s", "b 10s"}, sorted(s.told()))
	})
}

// What the timer still says when Run is ending has no effect: the slot is left to whoever runs next.
func TestNothingIsSettledAfterRun(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		task := every("a", 10*time.Second, 0)
		s.Set([]Task{task})
		s.until(5 * time.Second)
		s.stop()
		s.until(12 * time.Second)
		s.fire(task.Grid)
		diff(t, "records", []string(nil), s.told())
	})
}

// A goroutine that gets no processor for long starts too late, even if its wave fired in time.
func TestLateOnTheWay(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		rec := newRecorder()
		s := New(rec, rec.options())
		task := every("a", 10*time.Second, 0)
		s.Set([]Task{task})
		for _, c := range []struct {
			lag  time.Duration
			want string
		}{
			{2500 * time.Millisecond, "a 10s"},
			{2501 * time.Millisecond, "a 10s..10s late"},
		} {
			rec.step(10*time.Second + c.lag - rec.shifted())
			k := s.book.checks["a"]
			s.book.begin(k)
			s.group.Add(1)
			s.run(t.Context(), run{check: k, grid: task.Grid, slot: rec.start + 10_000})
			diff(t, c.lag.String(), []string{c.want}, rec.told())
		}
		st := s.Status()
		diff(t, "started, late, running", [3]uint64{1, 1, 0}, [3]uint64{st.Started, st.Late, uint64(st.Running)})
	})
}

// wakerOf makes a waker that is closed when the test ends.
func wakerOf(t *testing.T, s *Scheduler) *waker {
	t.Helper()
	w, err := newWaker(s.woken)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func TestWavesAreArmedAndDisarmed(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		rec := newRecorder()
		s := New(rec, rec.options())
		w := wakerOf(t, s)
		for _, tasks := range [][]Task{
			{every("a", time.Second, 0), every("b", 2*time.Second, 0), every("c", time.Second, 0)},
			{every("b", 2*time.Second, 0), every("d", 3*time.Second, 0), every("e", 4*time.Second, 0)},
			{every("d", 3*time.Second, 0)},
			nil,
		} {
			s.Set(tasks)
			if err := s.align(w, s.clock.offset()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.resync(w, s.clock.offset(), 0); err != nil { // every wave anew
				t.Fatal(err)
			}
			armed := map[probe.Grid]struct{}{}
			for g := range w.jobs {
				armed[g] = struct{}{}
			}
			diff(t, "armed", s.upcoming(), armed)
			diff(t, "gocron's jobs", len(armed), len(w.cron.Jobs()))
		}
	})
}

// A job takes memory, so a wave has one only around its instants; those it has all the same.
func TestWavesFarAwayAreNotArmed(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		rec := newRecorder()
		s := New(rec, rec.options())
		w := wakerOf(t, s)
		s.Set([]Task{every("a", time.Hour, 0)})
		begun := time.Now()
		for _, c := range []struct {
			at   time.Duration
			jobs int
		}{{time.Minute, 0}, {57 * time.Minute, 0}, {59 * time.Minute, 1}, {61 * time.Minute, 0}, {119 * time.Minute, 1}} {
			time.Sleep(c.at - time.Since(begun))
			if err := s.align(w, s.clock.offset()); err != nil {
				t.Fatal(err)
			}
			diff(t, c.at.String(), [2]int{c.jobs, c.jobs}, [2]int{len(w.jobs), len(w.cron.Jobs())})
		}
	})
}

func TestWavesFarAwayComeInTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Set([]Task{every("a", time.Hour, 0), every("b", 150*time.Second, 0)})
		s.until(8*time.Minute + 30*time.Second)
		diff(t, "before the hour", []string{"b 2m30s", "b 5m0s", "b 7m30s"}, s.told())
		s.until(3*time.Hour + time.Second)
		s.stop()
		at := slices.DeleteFunc(s.told(), func(what string) bool { return strings.HasPrefix(what, "b") })
		diff(t, "hours", []string{"a 1h0m0s", "a 2h0m0s", "a 3h0m0s"}, at)
		diff(t, "late", uint64(0), s.Status().Late)
	})
}

// A clock that is set forward passes the instants of waves that were not armed.
func TestClockSetForwardOverWavesFarAway(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Set([]Task{every("a", time.Hour, 0)})
		s.until(10 * time.Minute)
		s.recorder.step(90 * time.Minute)
		s.until(10*time.Minute + 2*time.Second)
		diff(t, "soon after", []string{"a 1h0m0s..1h0m0s late"}, s.told())
		s.until(30*time.Minute + 2*time.Second)
		s.stop()
		diff(t, "in time", []string{"a 2h0m0s"}, s.told())
	})
}

func TestStoppedRangesCloseTheGap(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		task := every("a", 10*time.Second, 0)
		first := start(t, nil)
		task.From = first.Set([]Task{task}) + 1
		first.until(25 * time.Second)
		first.stop()
		last := first.slots["a"][len(first.slots["a"])-1]

		time.Sleep(25 * time.Second) // now 50 s, at a slot
		second := start(t, nil)
		second.recorder.start = first.recorder.start
		gap, ok := Stopped(task, last, second.Set([]Task{task}))
		if !ok {
			t.Fatal("Stopped found no gap")
		}
		second.until(75 * time.Second)
		at := func(d time.Duration) int64 { return first.recorder.start + d.Milliseconds() }
		want := probe.MissedRange{Check: "a", From: at(30 * time.Second), To: at(50*time.Second) + 1, Reason: probe.Stopped}
		diff(t, "first", []string{"a 10s", "a 20s"}, first.told())
		diff(t, "gap", want, gap)
		diff(t, "second", []string{"a 1m0s", "a 1m10s"}, second.told())
	})
}

func TestStopped(t *testing.T) {
	g := probe.Grid{Interval: 10, Offset: 3}
	missed := func(from, to int64) probe.MissedRange {
		return probe.MissedRange{Check: "a", From: from, To: to, Reason: probe.Stopped}
	}
	for _, c := range []struct {
		name        string
		task        Task
		last, start int64
		want        probe.MissedRange
		ok          bool
	}{
		{"between", Task{ID: "a", Grid: g}, 23, 50, missed(33, 44), true},
		{"the last is not repeated, the start is included", Task{ID: "a", Grid: g}, 33, 43, missed(43, 44), true},
		{"none", Task{ID: "a", Grid: g}, 33, 42, probe.MissedRange{}, false},
		{"not before the span", Task{ID: "a", Grid: g, From: 40}, 3, 70, missed(43, 64), true},
		{"not after the span", Task{ID: "a", Grid: g, Until: 43}, 3, 70, missed(13, 34), true},
		{"the clock was set back", Task{ID: "a", Grid: g}, 70, 20, probe.MissedRange{}, false},
		{"no grid", Task{ID: "a"}, 3, 70, probe.MissedRange{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := Stopped(c.task, c.last, c.start)
			diff(t, "range", c.want, got)
			diff(t, "found", c.ok, ok)
		})
	}
}

func TestPanicEndsOneRunOnly(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := start(t, func(r *recorder, o *Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			r.look = func(_ context.Context, id string, _ int64) {
				if id == "bad" {
					panic("no such thing")
				}
			}
		})
		s.Set([]Task{every("bad", 10*time.Second, 0), every("good", 10*time.Second, 0)})
		s.until(25 * time.Second)
		diff(t, "records", []string{"bad 10s", "good 10s", "bad 20s", "good 20s"}, sorted(s.told()))
		st := s.Status()
		diff(t, "panics", uint64(2), st.Panics)
		diff(t, "running", 0, st.Running)
		if !strings.Contains(log.String(), "no such thing") {
			t.Errorf("the log does not tell of the panic: %s", &log)
		}
	})
}

func TestGridWithoutIntervalIsRefused(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := start(t, func(_ *recorder, o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		s.Set([]Task{{ID: "none"}, every("a", 10*time.Second, 0)})
		s.until(15 * time.Second)
		diff(t, "records", []string{"a 10s"}, s.told())
		if !strings.Contains(log.String(), "check=none") {
			t.Errorf("the log does not name the task: %s", &log)
		}
	})
}

func TestStatus(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, func(r *recorder, o *Options) {
			o.MaxRunning = 1
			r.look = func(context.Context, string, int64) { time.Sleep(25 * time.Second) }
		})
		s.Set([]Task{every("a", 10*time.Second, 0), every("b", 10*time.Second, 5*time.Second)})
		s.until(24 * time.Second) // running: b since 5 s and 15 s, a since 10 s
		st := s.Status()
		diff(t, "tasks, waves, running, overlapping", [4]int{2, 2, 3, 1},
			[4]int{st.Tasks, st.Waves, st.Running, st.Overlapping})
		diff(t, "started, overload, late", [3]uint64{3, 1, 0}, [3]uint64{st.Started, st.Overload, st.Late})
		diff(t, "lags up to 1 ms", uint64(3), st.Lag.Counts[0])
		diff(t, "records", []string{"b 5s", "a 10s", "b 15s", "a 20s..20s overload"}, s.told())
	})
}
