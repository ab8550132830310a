package schedule

import (
	"slices"
	"testing"
	"time"

	"github.com/gaikei/gaikei/internal/bubble"
)

func TestClockSteps(t *testing.T) {
	// At 23 s the wall clock is set by step, with tasks every 10 s; records up to a while later. The watchdog
	// looks every second.
	for _, c := range []struct {
		name  string
		step  time.Duration
		after time.Duration // true time after the step
		want  []string
		lags  []int64
		steps uint64
	}{
		{
			name: "ahead over slots: they are skipped, as one range", step: 34 * time.Second, after: 15 * time.Second,
			// 57 s on the clock, 58 when it is noticed
			want: []string{"a 30s..50s late", "a 1m0s", "a 1m10s"}, lags: []int64{0, 0}, steps: 1,
		},
		{
			name: "ahead, just over a slot: it is run, late", step: 8 * time.Second, after: 10 * time.Second,
			want: []string{"a 30s", "a 40s"}, lags: []int64{2000, 0}, steps: 1,
		},
		{
			name: "ahead without a slot in between: nothing is lost", step: 4 * time.Second, after: 10 * time.Second,
			want: []string{"a 30s"}, lags: []int64{0}, steps: 1,
		},
		{
			name: "ahead by a week: one range", step: 7 * 24 * time.Hour, after: 10 * time.Second,
			want: []string{"a 30s..168h0m20s late", "a 168h0m30s"}, lags: []int64{0}, steps: 1,
		},
		{
			name: "back within a cell: the next slot is later", step: -2 * time.Second, after: 10 * time.Second,
			want: []string{"a 30s"}, lags: []int64{0}, steps: 1,
		},
		{
			name: "back over slots: they are not repeated", step: -15 * time.Second, after: 35 * time.Second,
			want: []string{"a 30s", "a 40s"}, lags: []int64{0, 0}, steps: 1,
		},
		{
			name: "ahead by a little: the waves follow", step: 20 * time.Millisecond, after: 10 * time.Second,
			want: []string{"a 30s"}, lags: []int64{0}, steps: 1,
		},
		{
			name: "back by less than a step: nothing is lost", step: -4 * time.Millisecond, after: 20 * time.Second,
			want: []string{"a 30s", "a 40s"}, lags: []int64{0, 0},
		},
		{
			name: "back by next to nothing: nothing is lost", step: -400 * time.Microsecond, after: 20 * time.Second,
			want: []string{"a 30s", "a 40s"}, lags: []int64{0, 0},
		},
		{
			name: "back by little more: nothing is lost", step: -600 * time.Microsecond, after: 20 * time.Second,
			want: []string{"a 30s", "a 40s"}, lags: []int64{0, 0},
		},
		{
			name: "ahead by less than a step: a little late", step: 4 * time.Millisecond, after: 20 * time.Second,
			want: []string{"a 30s", "a 40s"}, lags: []int64{4, 4},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				s := start(t, nil)
				s.Set([]Task{every("a", 10*time.Second, 0)})
				s.until(23 * time.Second)
				diff(t, "before", []string{"a 10s", "a 20s"}, s.told())
				s.recorder.lags = nil
				s.step(c.step)
				s.until(23*time.Second + c.after)
				diff(t, "records", c.want, order(s.told()))
				diff(t, "lags", c.lags, s.recorder.lags)
				diff(t, "steps", c.steps, s.Status().Steps)
			})
		})
	}
}

// A suspended machine: wall time passes, the monotonic clock and all timers stand still.
func TestSuspend(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Set([]Task{every("a", 10*time.Second, 0), every("b", time.Minute, 30*time.Second), every("c", time.Hour, 0)})
		s.until(13 * time.Second)
		s.step(8 * time.Minute) // 8m13s on waking, noticed by 8m14s
		s.until(30 * time.Second)
		want := []string{"a 10s", "a 20s..8m10s late", "a 8m20s", "a 8m30s", "b 30s..7m30s late", "b 8m30s"}
		got := s.told()
		slices.Sort(got)
		diff(t, "records", want, got)
	})
}

func TestSmallStepsAddUp(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Set([]Task{every("a", 10*time.Second, 0)})
		for i := range 20 {
			s.until(time.Duration(i)*10*time.Second + 5*time.Second)
			s.step(2 * time.Millisecond)
		}
		for _, lag := range s.recorder.lags {
			if lag >= stepFrom.Milliseconds() {
				t.Errorf("lags %v: want all below %v", s.recorder.lags, stepFrom)
				break
			}
		}
	})
}

func TestBehindTellsOfAClockSetBack(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Set([]Task{every("a", 10*time.Second, 0)})
		s.until(25 * time.Second)
		diff(t, "behind", time.Duration(0), s.Status().Behind)
		s.step(-time.Hour)
		diff(t, "behind, set back", time.Hour-5*time.Second, s.Status().Behind)
		s.until(time.Hour + 35*time.Second)
		diff(t, "records", []string{"a 10s", "a 20s", "a 30s"}, s.told())
		diff(t, "behind, caught up", time.Duration(0), s.Status().Behind)
	})
}

// A new grid of a check whose slots are ahead of the clock must not come upon one of them again.
func TestSetBackAndNewGrid(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Set([]Task{every("a", 10*time.Second, 0)})
		s.until(35 * time.Second)
		s.step(-20 * time.Second)
		s.Set([]Task{every("a", 5*time.Second, 0), every("b", 10*time.Second, 0)})
		s.until(57 * time.Second) // 37 s on the clock
		want := []string{"a 10s", "a 20s", "a 30s", "b 20s", "b 30s", "a 35s"}
		diff(t, "records", want, s.told())
	})
}
