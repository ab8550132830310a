package schedule

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gaikei/gaikei/internal/bubble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSetLeavesUnchangedTasksAlone(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		tasks := []Task{every("a", 10*time.Second, 0), every("b", 10*time.Second, 0)}
		// Also at the very instants of slots, before and after the wave has fired.
		for d := 500 * time.Millisecond; d < 31*time.Second; d += 500 * time.Millisecond {
			s.Set(tasks)
			time.Sleep(500 * time.Millisecond)
			s.Set(tasks)
		}
		s.until(35 * time.Second)
		diff(t, "records", []string{"a 10s", "b 10s", "a 20s", "b 20s", "a 30s", "b 30s"}, sorted(s.told()))
	})
}

func TestSetMovesFromGridToGrid(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Set([]Task{every("a", 10*time.Second, 0), every("gone", 10*time.Second, time.Second)})
		s.until(12 * time.Second)
		old, next := every("a", 10*time.Second, 0), every("a", 4*time.Second, time.Second)
		old.Until, next.From = s.recorder.start+25_000, s.recorder.start+25_000
		s.Set([]Task{old, next})
		diff(t, "waves", 2, s.Status().Waves)
		s.until(26 * time.Second)
		s.Set([]Task{next, every("new", 10*time.Second, 0)})
		s.until(34 * time.Second)
		s.Set(nil)
		s.until(time.Minute)
		want := []string{"gone 1s", "a 10s", "gone 11s", "a 20s", "a 25s", "a 29s", "new 30s", "a 33s"}
		diff(t, "records", want, s.told())
		diff(t, "tasks", 0, s.Status().Tasks)
	})
}

// What is due of a task that goes belongs to the old set, also if the timer has not fired yet.
func TestSetSettlesWhatIsDue(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Set([]Task{every("a", 10*time.Second, 0)})
		s.until(15 * time.Second)
		s.step(6 * time.Second) // 21 s, which the watchdog has not seen
		at := s.Set(nil)
		diff(t, "instant", s.recorder.start+21_000, at)
		s.until(time.Minute)
		diff(t, "records", []string{"a 10s", "a 20s"}, s.told())
	})
}

func TestRunsOutliveTheirTask(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, func(r *recorder, o *Options) {
			o.MaxRunning = -1
			r.look = func(context.Context, string, int64) { time.Sleep(15 * time.Second) }
		})
		s.Set([]Task{every("a", 10*time.Second, 0)})
		s.until(12 * time.Second)
		s.Set(nil)
		diff(t, "running", 1, s.Running())
		s.Set([]Task{every("a", 10*time.Second, 0)})
		s.until(35 * time.Second)
		diff(t, "records", []string{"a 10s", "a 20s..20s overload", "a 30s"}, s.told())
	})
}

// A reload is called from many sides while slots run; run it with the race detector.
func TestSetFromManySides(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var s *stage
		s = start(t, func(r *recorder, _ *Options) {
			r.look = func(context.Context, string, int64) { _ = s.Running() }
		})
		tasks := make([]Task, 100)
		for i := range tasks {
			tasks[i] = every(fmt.Sprintf("c%02d", i), time.Second, time.Duration(i%4)*250*time.Millisecond)
		}
		s.Set(tasks)
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for range 50 {
					time.Sleep(time.Duration(i+1) * 30 * time.Millisecond)
					s.Set(tasks)
					_ = s.Status()
				}
			})
		}
		group.Wait()
		s.until(20*time.Second - time.Millisecond)
		for i, task := range tasks {
			want := 20
			if i%4 == 0 { // the slot at 0 s is not after the first Set
				want = 19
			}
			diff(t, task.ID, want, len(s.slots[task.ID]))
		}
		diff(t, "missed", 0, len(s.recorder.missed))
	})
}
