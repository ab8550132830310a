package schedule

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/internal/bubble"
	"github.com/gaikei/gaikei/probe"
)

// An event of a script: time passes, then the clock may be set ahead, then there may be a new plan.
type event struct {
	pass, step time.Duration
	plan       []Task // nil: none
}

// drawScript makes events of a clock that starts at now, in ms.
func drawScript(t *rapid.T, now int64) (es []event) {
	grids := []probe.Grid{
		{Interval: 1000}, {Interval: 1000, Offset: 25}, {Interval: 4000, Offset: 500}, {Interval: 10_000, Offset: 9975},
	}
	for range rapid.IntRange(1, 12).Draw(t, "events") {
		e := event{pass: time.Duration(rapid.IntRange(0, 15_000).Draw(t, "pass")) * time.Millisecond}
		if rapid.IntRange(0, 3).Draw(t, "steps") == 0 {
			e.step = time.Duration(rapid.IntRange(0, 40_000).Draw(t, "step")) * time.Millisecond
		}
		now += (e.pass + e.step).Milliseconds()
		if rapid.Bool().Draw(t, "plans") {
			e.plan = append([]Task{}, drawTasks(t, now, grids)...)
		}
		es = append(es, e)
	}
	return es
}

// A set is a plan in force: for the slots after the instant at and up to that of the next one.
type set struct {
	at    int64
	tasks []Task
}

// act plays the script to a scheduler in a bubble, and returns the sets that were in force.
func act(s *stage, script []event) (sets []set) {
	for _, e := range script {
		time.Sleep(e.pass)
		s.step(e.step)
		if e.plan != nil {
			sets = append(sets, set{s.Set(e.plan), e.plan})
		}
	}
	time.Sleep(20 * time.Second)
	sets = append(sets, set{at: s.Set(nil)})
	s.stop()
	return sets
}

// audit compares what the runner was told with the sets in force: it says what is wrong, or nothing.
func (r *recorder) audit(sets []set) error {
	times := map[slotOf]int{} // how often each due slot was accounted for
	for i, s := range sets[:len(sets)-1] {
		for _, t := range s.tasks {
			end := sets[i+1].at + 1
			if t.Until != 0 {
				end = min(end, t.Until)
			}
			for at := t.Grid.Next(max(s.at+1, t.From)); at < end; at += t.Grid.Interval {
				times[slotOf{t.ID, at}] = 0
			}
		}
	}
	for id, slots := range r.slots {
		for _, at := range slots {
			if _, due := times[slotOf{id, at}]; !due {
				return fmt.Errorf("%s was run at %d, which is not due", id, at)
			}
			times[slotOf{id, at}]++
		}
	}
	for _, m := range r.missed {
		for _, end := range []int64{m.From, m.To - 1} {
			if _, due := times[slotOf{m.Check, end}]; !due {
				return fmt.Errorf("%+v: %d is not due", m, end)
			}
		}
		for s := range times {
			if s.id == m.Check && m.From <= s.at && s.at < m.To {
				times[s]++
			}
		}
	}
	for s, n := range times {
		if n != 1 {
			return fmt.Errorf("%v is accounted for %d times, want 1", s, n)
		}
	}
	return nil
}

// Whatever the plans, the steps ahead and the runs that hang, every slot that comes due is run once or is in one
// missed range: the whole scheduler, gocron included.
func TestSchedulerAccountsForEverySlot(t *testing.T) {
	epoch := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	rapid.Check(t, func(rt *rapid.T) {
		script := drawScript(rt, epoch)
		maxRunning := rapid.IntRange(-1, 3).Draw(rt, "max running")
		hang := time.Duration(rapid.IntRange(0, 30).Draw(rt, "hang")) * time.Second
		var err error
		bubble.Test(t, func(t *testing.T) {
			s := start(t, func(r *recorder, o *Options) {
				o.MaxRunning = maxRunning
				r.look = func(ctx context.Context, _ string, slot int64) {
					if slot/1000%3 == 0 {
						select {
						case <-ctx.Done():
						case <-time.After(hang):
						}
					}
				}
			})
			err = s.audit(act(s, script))
			if st := s.Status(); err == nil && st.Running != 0 {
				err = fmt.Errorf("%d running at the end, want 0", st.Running)
			}
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// The slots of 20 checks over a day are all run, none a millisecond late.
func TestADay(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		tasks := fleet(20, time.Minute)
		at := s.Set(tasks)
		time.Sleep(24 * time.Hour)
		end := s.Set(nil)
		s.stop()
		if err := s.audit([]set{{at, tasks}, {at: end}}); err != nil {
			t.Error(err)
		}
		diff(t, "missed", 0, len(s.recorder.missed))
		diff(t, "latest", time.Duration(0), s.Status().Lag.Max)
	})
}
