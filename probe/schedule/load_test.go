package schedule

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/internal/bubble"
)

func TestOverload(t *testing.T) {
	for _, c := range []struct {
		name string
		max  int
		want []string
	}{
		{
			// The first run of an id needs no place; the second of "b" takes the only one, at 15 s.
			name: "one place", max: 1,
			want: []string{
				"b 5s", "a 10s", "b 15s", "a 20s..20s overload", "b 25s..25s overload", "a 30s..30s overload",
				"b 35s..35s overload",
			},
		},
		{
			name: "none", max: -1,
			want: []string{
				"b 5s", "a 10s", "b 15s..15s overload", "a 20s..20s overload", "b 25s..25s overload",
				"a 30s..30s overload", "b 35s..35s overload",
			},
		},
		{
			name: "enough", max: 0,
			want: []string{"b 5s", "a 10s", "b 15s", "a 20s", "b 25s", "a 30s", "b 35s"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				s := start(t, func(r *recorder, o *Options) {
					o.MaxRunning = c.max
					r.look = func(ctx context.Context, _ string, _ int64) { <-ctx.Done() }
				})
				s.Set([]Task{every("a", 10*time.Second, 0), every("b", 10*time.Second, 5*time.Second)})
				s.until(39 * time.Second)
				diff(t, "records", c.want, s.told())
			})
		})
	}
}

// A place comes back when any run of the id ends, whichever began first.
func TestPlacesComeBack(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		took := map[string]time.Duration{"a 10s": 25 * time.Second, "a 20s": 2 * time.Second, "b 25s": 10 * time.Second}
		var rec *recorder
		s := start(t, func(r *recorder, o *Options) {
			rec, o.MaxRunning = r, 1
			r.look = func(_ context.Context, id string, slot int64) { time.Sleep(took[id+" "+rec.since(slot)]) }
		})
		s.Set([]Task{every("a", 10*time.Second, 0), every("b", 10*time.Second, 5*time.Second)})
		s.until(36 * time.Second)
		st := s.Status()
		diff(t, "records", []string{"b 5s", "a 10s", "b 15s", "a 20s", "b 25s", "a 30s", "b 35s"}, order(s.told()))
		diff(t, "running, overlapping", [2]int{0, 0}, [2]int{st.Running, st.Overlapping})
	})
}

// An id has one place of its own, whatever number of tasks it has.
func TestOverlapIsByID(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := start(t, func(r *recorder, o *Options) {
			o.MaxRunning = -1
			r.look = func(context.Context, string, int64) { time.Sleep(16 * time.Second) }
		})
		cut := s.recorder.start + 20_000
		old, next := every("a", 10*time.Second, 0), every("a", 6*time.Second, time.Second)
		old.Until, next.From = cut, cut
		s.Set([]Task{old, next})
		s.until(40 * time.Second)
		want := []string{"a 10s", "a 25s..25s overload", "a 31s", "a 37s..37s overload"}
		diff(t, "records", want, s.told())
	})
}

// Hundreds of hung runs, old ones and new ones, keep no other check waiting.
func TestHungRunsDelayNobody(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		const each = 600
		s := start(t, func(r *recorder, o *Options) {
			o.MaxRunning = 1000
			r.look = func(ctx context.Context, id string, _ int64) {
				if strings.HasPrefix(id, "hung") {
					<-ctx.Done()
				}
			}
		})
		var tasks []Task
		for i := range each {
			off := time.Duration(i%40) * 25 * time.Millisecond
			tasks = append(tasks, every(fmt.Sprint("hung", i), time.Second, off), every(fmt.Sprint("well", i), time.Second, off))
		}
		s.Set(tasks)
		s.until(10*time.Second - time.Millisecond)
		for i, lag := range s.recorder.lags {
			if lag != 0 {
				t.Fatalf("run %d started %d ms late, want 0", i, lag)
			}
		}
		st := s.Status()
		diff(t, "running, overlapping", [2]int{each + 1000, 1000}, [2]int{st.Running, st.Overlapping})
		// a slot at 0 s is not after Set; then one a second
		due := uint64(each*10 - each/40)
		diff(t, "slots of the others", int(due), len(slotsOf(s.recorder, "well")))
		diff(t, "slots in all", 2*due, st.Started+st.Overload+st.Late)
		diff(t, "late", uint64(0), st.Late)
	})
}

func slotsOf(r *recorder, prefix string) []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []int64
	for id, slots := range r.slots {
		if strings.HasPrefix(id, prefix) {
			all = append(all, slots...)
		}
	}
	return all
}
