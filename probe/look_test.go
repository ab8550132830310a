package probe

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/internal/bubble"
)

// healthy is a region with two controls that answer in 20 ms.
func healthy() *Controls {
	return NewControls(ControlOptions{Targets: []Kind{
		&fake{target: host("192.0.2.1"), do: after(20*time.Millisecond, ReasonNone)},
		&fake{target: host("192.0.2.2"), do: after(20*time.Millisecond, ReasonNone)},
	}})
}

// severed is a region with two controls that never answer.
func severed() *Controls {
	return NewControls(ControlOptions{Targets: []Kind{
		&fake{target: host("192.0.2.1"), do: after(time.Hour, ReasonNone)},
		&fake{target: host("192.0.2.2"), do: after(time.Hour, ReasonNone)},
	}})
}

// TestLookVerdicts looks at simple targets from a region that can see, one that cannot, and one that does not
// know. The last column is the longest that a verdict may take after the attempt.
func TestLookVerdicts(t *testing.T) {
	const ms = time.Millisecond
	rows := []struct {
		name                  string
		do                    func(context.Context) Attempt
		timeout               time.Duration
		healthy, severed, off string
	}{
		{"fast success", after(50*ms, ReasonNone), 2 * time.Second, "up", "up", "up"},
		{"slow success", after(1500*ms, ReasonNone), 2 * time.Second, "up", "inconclusive{no_vouch}", "up"},
		{"very slow success", after(9*time.Second, ReasonNone), 10 * time.Second, "up", "inconclusive{no_vouch}", "up"},
		{"success a moment after a second", after(time.Second+ms, ReasonNone), 2 * time.Second, "up", "inconclusive{no_vouch}", "up"},
		{"refused", after(5*ms, Refused), 2 * time.Second, "down{refused}", "inconclusive{no_vouch}", "down{refused} unvouched"},
		{"refused in the end", after(3*time.Second, Refused), 10 * time.Second, "down{refused}", "inconclusive{no_vouch}", "down{refused} unvouched"},
		{"no route at once", after(0, NetworkUnreachable), 2 * time.Second, "down{network_unreachable}", "inconclusive{no_vouch}", "down{network_unreachable} unvouched"},
		{"silence for half a second", after(time.Hour, ReasonNone), 500 * ms, "inconclusive{no_vouch}", "inconclusive{no_vouch}", "down{timeout} unvouched"},
		{"silence for a second", after(time.Hour, ReasonNone), time.Second, "inconclusive{no_vouch}", "inconclusive{no_vouch}", "down{timeout} unvouched"},
		{"silence for a second and a half", after(time.Hour, ReasonNone), ShortSilence, "down{timeout}", "inconclusive{no_vouch}", "down{timeout} unvouched"},
		{"silence for two", after(time.Hour, ReasonNone), 2 * time.Second, "down{timeout}", "inconclusive{no_vouch}", "down{timeout} unvouched"},
		{"silence for ten", after(time.Hour, ReasonNone), 10 * time.Second, "down{timeout}", "inconclusive{no_vouch}", "down{timeout} unvouched"},
		{"silence for a minute", after(time.Hour, ReasonNone), time.Minute, "down{timeout}", "inconclusive{no_vouch}", "down{timeout} unvouched"},
		{"a 500", after(50*ms, Status), 2 * time.Second, "down{status}", "down{status}", "down{status}"},
		{"a slow 500", after(1500*ms, Status), 2 * time.Second, "down{status}", "down{status}", "down{status}"},
		{"no secret", after(0, Secret), 2 * time.Second, "inconclusive{secret}", "inconclusive{secret}", "inconclusive{secret}"},
	}
	for _, r := range rows {
		for _, region := range []struct {
			name     string
			controls *Controls
			want     string
		}{{"healthy", nil, r.healthy}, {"severed", nil, r.severed}, {"none", nil, r.off}} {
			t.Run(r.name+"/"+region.name, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					var c *Controls
					switch region.name {
					case "healthy":
						c = healthy()
					case "severed":
						c = severed()
					}
					kind := &fake{target: host("203.0.113.1"), do: r.do}
					start := time.Now()
					got, ev := lookNow(t.Context(), NewLooker(nil, c, "here"), checkOf(kind, r.timeout))
					text := verdictText(Verdict{Outcome: got.Outcome, Reason: got.Reason, Unvouched: got.Unvouched})
					if diff := cmp.Diff(region.want, text); diff != "" {
						t.Errorf("suspected %q (-want +got):\n%s", ev.Suspected, diff)
					}
					if over := time.Since(start) - min(ev.Latency, r.timeout); over > verdictLimit {
						t.Errorf("the verdict took %v more than the attempt", over)
					}
					if region.name == "healthy" && time.Since(start)-min(ev.Latency, r.timeout) > 1200*ms {
						t.Errorf("a healthy region's verdict took %v", time.Since(start))
					}
					time.Sleep(2 * time.Second)
				})
			})
		}
	}
}

// TestLookResult holds a result field by field.
func TestLookResult(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		k := &fake{target: host("203.0.113.1"), do: func(context.Context) Attempt {
			time.Sleep(300 * time.Millisecond)
			return Attempt{Latency: 250 * time.Millisecond, Answered: true, Spans: []Span{
				{Phase: PhaseConnect, For: 20 * time.Millisecond},
				{Phase: PhaseConnect, Hop: 1, At: 100 * time.Millisecond, For: 30 * time.Millisecond},
				{Phase: PhaseWait, For: 100 * time.Millisecond},
			}}
		}}
		c := checkOf(k, 2*time.Second)
		c.Latency.Under = 250*time.Millisecond + 1
		slot := time.Now().UnixMilli()
		time.Sleep(7 * time.Millisecond)
		got, ev := NewLooker(nil, nil, "here").Look(t.Context(), c, slot)
		want := Result{
			Check: "c", Slot: slot, Outcome: Up, Lag: 7 * time.Millisecond, Attempts: 1, Under: true,
			Latency: IndexOf(250 * time.Millisecond), Phases: noPhases(),
		}
		want.Phases[PhaseConnect], want.Phases[PhaseWait] = IndexOf(50*time.Millisecond), IndexOf(100*time.Millisecond)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
		wantEv := &Evidence{
			Check: "c", Slot: slot, Outcome: "up", Target: "203.0.113.1", Dialled: "203.0.113.1:80", Latency: 250 * time.Millisecond,
			Spans: []SpanDetail{
				{Phase: "connect", For: 20 * time.Millisecond},
				{Phase: "connect", Hop: 1, At: 100 * time.Millisecond, For: 30 * time.Millisecond},
				{Phase: "wait", For: 100 * time.Millisecond},
			},
		}
		if diff := cmp.Diff(wantEv, ev); diff != "" {
			t.Errorf("evidence (-want +got):\n%s", diff)
		}
		c.Latency.Under--
		if got, _ := lookNow(t.Context(), NewLooker(nil, nil, "here"), c); got.Under {
			t.Error("a latency that equals the threshold is not under it")
		}
	})
}

func TestLookRetries(t *testing.T) {
	const ms = time.Millisecond
	bubble.Test(t, func(t *testing.T) {
		var tries int
		k := &fake{target: host("203.0.113.1"), do: func(ctx context.Context) Attempt {
			tries++
			if tries < 3 {
				return after(100*ms, Status)(ctx)
			}
			return after(50*ms, ReasonNone)(ctx)
		}}
		c := checkOf(k, 2*time.Second)
		c.Client = Client{Retries: 2, After: 300 * ms}
		got, ev := lookNow(t.Context(), NewLooker(nil, severed(), "here"), c)
		if got.Outcome != Up || got.Attempts != 3 || ev.Latency != 850*ms {
			t.Errorf("got %v, %d attempts, %v; want up after 3, 850ms", got.Outcome, got.Attempts, ev.Latency)
		}
		tries = 0
		c.Client.Retries = 1
		got, _ = lookNow(t.Context(), NewLooker(nil, severed(), "here"), c)
		if got.Outcome != Down || got.Reason != Status || got.Attempts != 2 || got.Latency != NoLatency {
			t.Errorf("got %+v, want down{status} after 2 attempts without a latency", got)
		}
	})
}

// TestLookRetriesBlind: a first attempt that we may have spoilt takes the latency with it, and the retry does
// not wait for the verdict on it.
func TestLookRetriesBlind(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var starts []time.Time
		k := &fake{target: host("203.0.113.1"), do: func(ctx context.Context) Attempt {
			starts = append(starts, time.Now())
			if len(starts) == 1 {
				return after(10*time.Millisecond, Refused)(ctx)
			}
			return after(10*time.Millisecond, ReasonNone)(ctx)
		}}
		c := checkOf(k, 2*time.Second)
		c.Client = Client{Retries: 1, After: 100 * time.Millisecond}
		got, ev := lookNow(t.Context(), NewLooker(nil, severed(), "here"), c)
		if got.Outcome != Inconclusive || got.Reason != NoVouch || ev.Suspected != "refused" {
			t.Errorf("got %v{%v}, suspected %q; want inconclusive{no_vouch}, refused", got.Outcome, got.Reason, ev.Suspected)
		}
		if d := starts[1].Sub(starts[0]); d != 110*time.Millisecond {
			t.Errorf("the retry began after %v, want 110ms", d)
		}
		time.Sleep(2 * time.Second)
	})
}

func TestLookUnreachable(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		tries := 0
		k := &fake{target: host("203.0.113.1"), do: func(ctx context.Context) Attempt {
			tries++
			if tries == 2 {
				return after(10*time.Millisecond, ReasonNone)(ctx)
			}
			return after(10*time.Millisecond, Refused)(ctx)
		}}
		c := checkOf(k, 2*time.Second)
		c.Expect = Expect{Unreachable: []string{"here"}}
		l := NewLooker(nil, healthy(), "here")
		got, _ := lookNow(t.Context(), l, c)
		if got.Outcome != ExpectedUnreachable || got.Reason != Refused {
			t.Errorf("got %v{%v}, want expected_unreachable{refused}", got.Outcome, got.Reason)
		}
		tries, c.Client = 0, Client{Retries: 4, After: 100 * time.Millisecond}
		got, _ = lookNow(t.Context(), l, c)
		if got.Outcome != Unexpected || got.Reason != Reached || got.Attempts != 2 {
			t.Errorf("got %v{%v} after %d attempts, want unexpected{reached} after 2", got.Outcome, got.Reason, got.Attempts)
		}
		tries = 0
		got, _ = lookNow(t.Context(), NewLooker(nil, healthy(), "elsewhere"), c)
		if got.Outcome != Up {
			t.Errorf("elsewhere: got %v{%v}, want up", got.Outcome, got.Reason)
		}
		time.Sleep(2 * time.Second)
	})
}

func TestLookPanic(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		k := &fake{target: host("203.0.113.1"), do: func(context.Context) Attempt { panic("as the test wants") }}
		got, ev := lookNow(t.Context(), NewLooker(nil, healthy(), "here"), checkOf(k, time.Second))
		if got.Outcome != Inconclusive || got.Reason != Internal {
			t.Errorf("got %v{%v}, want inconclusive{internal}", got.Outcome, got.Reason)
		}
		for _, want := range []string{"as the test wants", "look_test.go"} {
			if !strings.Contains(ev.Detail.Error, want) {
				t.Errorf("evidence lacks %q:\n%s", want, ev.Detail.Error)
			}
		}
	})
}

func TestLookClockStep(t *testing.T) {
	for _, r := range []struct {
		name string
		step time.Duration
		want Outcome
	}{
		{"forward", 1100 * time.Millisecond, Inconclusive},
		{"back", -time.Hour, Inconclusive},
		{"slewed", 900 * time.Millisecond, Down},
	} {
		t.Run(r.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				var step time.Duration
				l := NewLooker(nil, healthy(), "here")
				l.wall = func() time.Time { return time.Now().Add(step) }
				k := &fake{target: host("203.0.113.1"), do: func(context.Context) Attempt {
					step = r.step
					return Attempt{Reason: TLSExpired, Answered: true}
				}}
				got, ev := lookNow(t.Context(), l, checkOf(k, time.Second))
				if got.Outcome != r.want {
					t.Errorf("got %v{%v} (%s), want %v", got.Outcome, got.Reason, ev.Detail.Error, r.want)
				}
				if r.want == Inconclusive && got.Reason != Clock {
					t.Errorf("got reason %v, want clock", got.Reason)
				}
			})
		})
	}
}

func TestLookStopped(t *testing.T) {
	rows := []struct {
		name string
		stop time.Duration
		do   func(context.Context) Attempt
		want string
	}{
		{"within the attempt", 500 * time.Millisecond, after(time.Hour, ReasonNone), "missed{stopped}"},
		{"while rounds run", 2500 * time.Millisecond, after(time.Hour, ReasonNone), "missed{stopped}"},
		{"between attempts", 150 * time.Millisecond, after(100*time.Millisecond, Status), "missed{stopped}"},
		{"as the answer comes", 100 * time.Millisecond, func(context.Context) Attempt {
			time.Sleep(100 * time.Millisecond)
			return Attempt{Answered: true}
		}, "up"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), r.stop)
				defer cancel()
				start := time.Now()
				c := checkOf(&fake{target: host("203.0.113.1"), do: r.do}, 2*time.Second)
				c.Client = Client{Retries: 1, After: time.Second}
				got, _ := lookNow(ctx, NewLooker(nil, severed(), "here"), c)
				if diff := cmp.Diff(r.want, verdictText(Verdict{Outcome: got.Outcome, Reason: got.Reason})); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if d := time.Since(start); d != r.stop {
					t.Errorf("it took %v to stop, want %v", d, r.stop)
				}
				time.Sleep(2 * time.Second)
			})
		})
	}
}

func TestLookLate(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		k := &fake{target: host("203.0.113.1"), do: func(context.Context) Attempt { panic("it must not be tried") }}
		c := checkOf(k, time.Second)
		c.Interval = 8 * time.Second
		slot := time.Now().UnixMilli()
		time.Sleep(2*time.Second + time.Millisecond)
		got, ev := NewLooker(nil, nil, "here").Look(t.Context(), c, slot)
		want := Result{Check: "c", Slot: slot, Outcome: Missed, Reason: Late, Lag: 2001 * time.Millisecond, Latency: NoLatency, Phases: noPhases()}
		if diff := cmp.Diff(want, got); diff != "" || ev == nil {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for interval, want := range map[time.Duration]time.Duration{time.Second: 250 * time.Millisecond, time.Hour: 5 * time.Second} {
			c.Interval = interval
			if got := c.LatestLag(); got != want {
				t.Errorf("interval %v: latest lag %v, want %v", interval, got, want)
			}
		}
	})
}

// TestLookCountsRepeatedQueries: a UDP query that had to be repeated is an attempt of its own.
func TestLookCountsRepeatedQueries(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		k := &fake{target: host("203.0.113.1"), do: func(context.Context) Attempt {
			return Attempt{Datagram: true, Lost: 1, Answered: true}
		}}
		got, _ := lookNow(t.Context(), NewLooker(nil, nil, "here"), checkOf(k, 2*time.Second))
		if got.Attempts != 2 {
			t.Errorf("got %d attempts, want 2", got.Attempts)
		}
	})
}

func BenchmarkLookUp(b *testing.B) {
	k := &fake{target: host("203.0.113.1"), do: func(context.Context) Attempt {
		return Attempt{Answered: true, Latency: time.Millisecond, Spans: []Span{{Phase: PhaseConnect, For: 1}, {Phase: PhaseWait, For: 1}, {Phase: PhaseRead, For: 1}}}
	}}
	l, c := NewLooker(nil, healthy(), "here"), checkOf(k, 10*time.Second)
	b.ReportAllocs()
	for b.Loop() {
		lookNow(b.Context(), l, c)
	}
}

// A clock that is off the aggregator's is the prober's fault, and only beyond half an interval or five seconds.
func TestClockOffset(t *testing.T) {
	for _, x := range []struct {
		interval, offset time.Duration
		want             Outcome
	}{
		{time.Minute, 5 * time.Second, Up},
		{time.Minute, 5*time.Second + 1, Inconclusive},
		{time.Minute, -5*time.Second - 1, Inconclusive},
		{4 * time.Second, 2 * time.Second, Up},
		{4 * time.Second, -2*time.Second - 1, Inconclusive},
	} {
		w := &World{ClockOffset: func() time.Duration { return x.offset }}
		c := checkOf(&fake{target: host("192.0.2.1"), do: after(0, ReasonNone)}, time.Second)
		c.Interval = x.interval
		got, ev := NewLooker(w, nil, "here").Look(t.Context(), c, time.Now().UnixMilli())
		if got.Outcome != x.want || got.Outcome == Inconclusive && (got.Reason != Clock || ev.Detail.Error == "") {
			t.Errorf("off by %v at %v: got %v{%v}, evidence %q, want %v", x.offset, x.interval, got.Outcome, got.Reason, ev.Detail.Error, x.want)
		}
	}
}

// A wall clock that is set during an attempt leaves it without a verdict, whichever clock that is.
func TestWall(t *testing.T) {
	off := time.Hour
	w := &World{Wall: func() time.Time { return time.Now().Add(off) }}
	k := &fake{target: host("192.0.2.1"), do: after(0, ReasonNone)}
	look := func() Result {
		r, _ := NewLooker(w, nil, "here").Look(t.Context(), checkOf(k, time.Second), time.Now().Add(time.Hour).UnixMilli())
		return r
	}
	if got := look(); got.Outcome != Up {
		t.Errorf("a clock that is an hour ahead: got %v{%v}, want up", got.Outcome, got.Reason)
	}
	answer := k.do
	k.do = func(ctx context.Context) Attempt {
		off += 2 * time.Second
		return answer(ctx)
	}
	if got := look(); got.Outcome != Inconclusive || got.Reason != Clock {
		t.Errorf("a clock that is set on by 2s: got %v{%v}, want inconclusive{clock}", got.Outcome, got.Reason)
	}
}
