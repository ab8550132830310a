package probe

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/internal/bubble"
)

// A forgetter is a simulated resolver. Without a way out it says so at once, or asks again and again until it gives up; then
// it remembers for a while that it could not find the name.
type forgetter struct {
	net       *blip
	remembers time.Duration
	givesUp   time.Duration // after so long; zero: at once

	mu    sync.Mutex // guards what is below
	until map[string]time.Time
}

// askAgain is after how long a resolver asks for a second time, and so on.
const askAgain = 800 * time.Millisecond

// ask asks for a name, and reports what came of it. The resolver goes on when nobody waits any more.
func (f *forgetter) ask(ctx context.Context, name string) Reason {
	f.mu.Lock()
	remembered := time.Now().Before(f.until[name])
	f.mu.Unlock()
	if remembered {
		return DNSServfail
	}
	found := make(chan Reason, 1)
	go func() { found <- f.find(name) }()
	select {
	case r := <-found:
		return r
	case <-ctx.Done():
		return DNSTimeout
	}
}

// find is what the resolver does for a name that it does not know.
func (f *forgetter) find(name string) Reason {
	for began := time.Now(); ; time.Sleep(askAgain) {
		if f.net.alive(time.Now()) {
			time.Sleep(sceneRTT)
			return ReasonNone
		}
		if time.Since(began)+askAgain > f.givesUp {
			break
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.until[name] = time.Now().Add(f.remembers)
	return DNSServfail
}

// looker makes a Looker whose controls know the resolver by a domain of their own.
func (f *forgetter) looker() *Looker {
	f.until = map[string]time.Time{}
	c := NewControls(ControlOptions{Targets: []Kind{&fake{target: named("www.example.org"), do: after(0, ReasonNone)}}})
	c.resolve = func(ctx context.Context, name string) (bool, bool) {
		ok := f.ask(ctx, name) == ReasonNone
		return ok, ok
	}
	return NewLooker(nil, c, "here")
}

// TestNamesThatDoNotResolve: a name that the resolver cannot find, while it finds others, is decided: at once if it says so
// and a round can follow, and otherwise from when no resolver remembers a blip any more that might have been before the
// first failure.
func TestNamesThatDoNotResolve(t *testing.T) {
	const ms = time.Millisecond
	servfail := after(300*ms, DNSServfail)
	silence := func(ctx context.Context) Attempt {
		<-ctx.Done()
		return Attempt{Reason: DNSTimeout}
	}
	rows := []struct {
		name    string
		do      func(context.Context) Attempt
		timeout time.Duration
		checks  int // at the same instants
		open    int // slots of all that stay undecided, out of 16 of each, 30 s apart
	}{
		{"SERVFAIL", servfail, 2 * time.Second, 1, 0},
		{"SERVFAIL, many at a time", servfail, 2 * time.Second, 4, 0},
		{"silence for half a second", silence, 500 * ms, 1, 13},
		{"silence for half a second, many at a time", silence, 500 * ms, 4, 52},
		{"silence for two seconds", silence, 2 * time.Second, 4, 0},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				l := (&forgetter{net: new(blip)}).looker()
				open := 0
				var all []*slotRow
				var wg sync.WaitGroup
				for i := range r.checks {
					row := rowOf(Check{ID: fmt.Sprint("c", i), Interval: 30 * time.Second, Timeout: r.timeout}, "203.0.113.1", r.do)
					row.check.Kind.(*fake).target = named("shop.example.com")
					row.count = 16
					all = append(all, row)
					wg.Go(func() { row.run(t.Context(), l) })
				}
				wg.Wait()
				for _, row := range all {
					for i, slot := range row.slots {
						if slot.Outcome == Inconclusive {
							open++
						}
						if i >= 13 && slot.Outcome != Down {
							t.Errorf("slot %d: %v{%v}, want down", i, slot.Outcome, slot.Reason)
						}
					}
				}
				if open != r.open {
					t.Errorf("%d slots undecided, want %d", open, r.open)
				}
				time.Sleep(3 * time.Second)
			})
		})
	}
}

// TestResolverRemembers: what a resolver remembers of a blip is not booked to a name that it could find before and after,
// nor that it did not find it within a shorter time-out than ShortLookup.
func TestResolverRemembers(t *testing.T) {
	failures := 0
	rapid.Check(t, func(rt *rapid.T) {
		ms := func(label string, from, to int) time.Duration {
			return time.Duration(rapid.IntRange(from, to).Draw(rt, label)) * time.Millisecond
		}
		f := &forgetter{remembers: ms("remembers", 0, 300000), givesUp: ms("gives up", 5000, 30000)}
		if rapid.Bool().Draw(rt, "at once") {
			f.givesUp = 0
		}
		check := Check{ID: "c", Interval: ms("interval", 2000, 60000), Timeout: ms("timeout", 300, 1899)}
		begins, lasts := ms("begins", -1000, 30000), ms("lasts", 500, 90000)
		var booked []string
		bubble.Test(t, func(t *testing.T) {
			f.net = &blip{from: time.Now().Add(begins), to: time.Now().Add(begins + lasts)}
			row := rowOf(check, "203.0.113.1", func(ctx context.Context) Attempt {
				return Attempt{Reason: f.ask(ctx, "shop.example.com")}
			})
			row.check.Kind.(*fake).target = named("shop.example.com")
			row.count = int(10 * time.Minute / check.Interval)
			row.run(t.Context(), f.looker())
			for i, slot := range row.slots {
				if slot.Outcome == Inconclusive {
					failures++
				} else if slot.Outcome != Up {
					booked = append(booked, fmt.Sprintf("slot %d: %v{%v}", i, slot.Outcome, slot.Reason))
				}
			}
			time.Sleep(time.Minute) // let everything end
		})
		if len(booked) > 0 {
			rt.Fatalf("booked to the target: %v", booked)
		}
	})
	if failures == 0 {
		t.Error("no blip made a look fail")
	}
}
