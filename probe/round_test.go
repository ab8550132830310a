package probe

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/internal/bubble"
)

// A diary notes when controls are asked, since the beginning of the test.
type diary struct {
	begun time.Time

	mu    sync.Mutex // guards what is below
	asked []time.Duration
	names map[string]int
}

func newDiary() *diary { return &diary{begun: time.Now(), names: map[string]int{}} }

// control makes one that does something, once it is noted.
func (d *diary) control(t Target, do func(context.Context) Attempt) Kind {
	return &fake{target: t, do: func(ctx context.Context) Attempt {
		d.mu.Lock()
		d.asked = append(d.asked, time.Since(d.begun))
		d.names[t.Host]++
		d.mu.Unlock()
		return do(ctx)
	}}
}

func (d *diary) times() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]time.Duration{}, d.asked...)
}

// TestRoundsRunWhileAnAttemptWaits: the first at one second, then one a second, the last after the end; and none
// for an attempt that is quick.
func TestRoundsRunWhileAnAttemptWaits(t *testing.T) {
	const ms = time.Millisecond
	rows := []struct {
		name    string
		do      func(context.Context) Attempt
		timeout time.Duration
		want    []time.Duration
	}{
		{"a quick success", after(999*ms, ReasonNone), 5 * time.Second, []time.Duration{}},
		{"a quick answer", after(999*ms, Status), 5 * time.Second, []time.Duration{}},
		{"a quick failure", after(100*ms, Refused), 5 * time.Second, []time.Duration{100 * ms}},
		{"a slow success", after(2500*ms, ReasonNone), 5 * time.Second, []time.Duration{1000 * ms, 2000 * ms}},
		{"a slow answer", after(1500*ms, Status), 5 * time.Second, []time.Duration{1000 * ms}},
		{"a slow failure", after(1500*ms, Refused), 5 * time.Second, []time.Duration{1000 * ms, 2000 * ms}},
		{"silence", after(time.Hour, ReasonNone), 2500 * ms, []time.Duration{1000 * ms, 2000 * ms, 3000 * ms}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				d := newDiary()
				c := NewControls(ControlOptions{Targets: []Kind{d.control(host("192.0.2.1"), after(10*ms, ReasonNone))}})
				lookNow(t.Context(), NewLooker(nil, c, "here"), checkOf(&fake{target: host("203.0.113.1"), do: r.do}, r.timeout))
				time.Sleep(10 * time.Second)
				if diff := cmp.Diff(r.want, d.times()); diff != "" {
					t.Errorf("rounds (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestRoundsAreShared: a hundred attempts that fail at odd moments cost one round a second.
func TestRoundsAreShared(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		d := newDiary()
		c := NewControls(ControlOptions{Targets: []Kind{d.control(host("192.0.2.1"), after(850*time.Millisecond, ReasonNone))}})
		l := NewLooker(nil, c, "here")
		var wg sync.WaitGroup
		outcomes := make([]Result, 100)
		for i := range outcomes {
			wg.Go(func() {
				pause(t.Context(), time.Duration(i)*37*time.Millisecond)
				k := &fake{target: host(fmt.Sprintf("203.0.113.%d", i)), do: after(5*time.Millisecond, Refused)}
				outcomes[i], _ = lookNow(t.Context(), l, checkOf(k, 2*time.Second))
			})
		}
		wg.Wait()
		time.Sleep(5 * time.Second)
		for i, r := range outcomes {
			if r.Outcome != Down {
				t.Errorf("target %d: %v{%v}, want down", i, r.Outcome, r.Reason)
			}
		}
		times := d.times()
		for i := 1; i < len(times); i++ {
			if gap := times[i] - times[i-1]; gap < roundEvery {
				t.Errorf("rounds %v apart, want at least %v", gap, roundEvery)
			}
		}
		if len(times) < 4 || len(times) > 7 {
			t.Errorf("%d rounds in about 5 s", len(times))
		}
	})
}

// TestRoundsWithBadControls: one that hangs, one that panics and one that answers too late delay nothing, and do
// not vouch.
func TestRoundsWithBadControls(t *testing.T) {
	deaf := func(context.Context) Attempt { time.Sleep(time.Minute); return Attempt{} }
	rows := []struct {
		name string
		bad  func(context.Context) Attempt
		want Reason
	}{
		{"hangs and ignores its context", deaf, Timeout},
		{"panics", func(context.Context) Attempt { panic("as the test wants") }, Internal},
		{"answers after the limit", func(context.Context) Attempt { time.Sleep(950 * time.Millisecond); return Attempt{} }, Timeout},
		{"answers with a portal's page", after(10*time.Millisecond, Body), Body},
		{"is refused", after(10*time.Millisecond, Refused), Refused},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				good := []Kind{
					&fake{target: host("192.0.2.1"), do: after(10*time.Millisecond, ReasonNone)},
					&fake{target: host("192.0.2.2"), do: after(10*time.Millisecond, ReasonNone)},
				}
				bad := &fake{target: host("192.0.2.3"), do: r.bad}
				target := checkOf(&fake{target: host("203.0.113.1"), do: after(10*time.Millisecond, Refused)}, time.Second)

				enough := NewControls(ControlOptions{Targets: append(good[:2:2], bad)})
				start := time.Now()
				got, _ := lookNow(t.Context(), NewLooker(nil, enough, "here"), target)
				if got.Outcome != Down || time.Since(start) > time.Second {
					t.Errorf("beside two good controls: %v{%v} after %v, want down within 1s", got.Outcome, got.Reason, time.Since(start))
				}
				time.Sleep(2 * time.Minute)
				if s := enough.Status().Controls[2]; s.Reason != r.want || s.FailingAlone.IsZero() || !s.LastSuccess.IsZero() {
					t.Errorf("its status is %+v, want reason %v, failing alone", s, r.want)
				}

				short := NewControls(ControlOptions{Targets: append(good[:1:1], bad)})
				start = time.Now()
				got, _ = lookNow(t.Context(), NewLooker(nil, short, "here"), target)
				if got.Outcome != Inconclusive || time.Since(start) > verdictLimit {
					t.Errorf("beside one good control: %v{%v} after %v, want inconclusive", got.Outcome, got.Reason, time.Since(start))
				}
				time.Sleep(2 * time.Minute)
			})
		})
	}
}

// TestRoundsDoNotPileUp: a control that hangs is asked again only when it is back.
func TestRoundsDoNotPileUp(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		d := newDiary()
		deaf := func(context.Context) Attempt { time.Sleep(time.Minute); return Attempt{} }
		c := NewControls(ControlOptions{Targets: []Kind{d.control(host("192.0.2.1"), deaf)}})
		l := NewLooker(nil, c, "here")
		lookNow(t.Context(), l, checkOf(&fake{target: host("203.0.113.1"), do: after(time.Hour, ReasonNone)}, 30*time.Second))
		if got := len(d.times()); got != 1 {
			t.Errorf("a hanging control was asked %d times, want 1", got)
		}
		time.Sleep(time.Minute)
	})
}

// TestRoundsAskFewOfMany: of many controls a round asks a quorum and two more, by turns; everybody when
// too few work.
func TestRoundsAskFewOfMany(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		d := newDiary()
		dead := false
		var targets []Kind
		for i := range 13 {
			targets = append(targets, d.control(host(fmt.Sprintf("192.0.2.%d", i+1)), func(ctx context.Context) Attempt {
				if dead {
					return after(10*time.Millisecond, Timeout)(ctx)
				}
				return after(10*time.Millisecond, ReasonNone)(ctx)
			}))
		}
		c := NewControls(ControlOptions{Targets: targets})
		l := NewLooker(nil, c, "here")
		fail := func() Result {
			before := len(d.times())
			r, _ := lookNow(t.Context(), l, checkOf(&fake{target: host("203.0.113.1"), do: after(5*time.Millisecond, Refused)}, time.Second))
			time.Sleep(2 * time.Second)
			t.Logf("%v{%v}, %d asked", r.Outcome, r.Reason, len(d.times())-before)
			return r
		}
		for range 13 {
			fail()
		}
		for name, n := range d.names {
			if n < 3 || n > 5 {
				t.Errorf("%s was asked %d times in 13 rounds of 4 among 13, want about 4", name, n)
			}
		}
		dead = true
		for range 5 {
			if r := fail(); r.Outcome != Inconclusive {
				t.Errorf("with all controls dead: %v", r.Outcome)
			}
		}
		dead = false
		if r := fail(); r.Outcome != Down {
			t.Errorf("with the network back: %v{%v}, want a verdict at once", r.Outcome, r.Reason)
		}
	})
}

// TestRoundsByFamily: an IPv6 target is vouched for over IPv6 only.
func TestRoundsByFamily(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		c := NewControls(ControlOptions{Targets: []Kind{
			&fake{target: host("192.0.2.1"), do: after(10*time.Millisecond, ReasonNone)},
			&fake{target: host("2001:db8::1"), do: after(10*time.Millisecond, NetworkUnreachable)},
		}})
		l := NewLooker(nil, c, "here")
		for address, want := range map[string]Outcome{"203.0.113.1": Down, "2001:db8::53": Inconclusive} {
			got, _ := lookNow(t.Context(), l, checkOf(&fake{target: host(address), do: after(time.Millisecond, Refused)}, time.Second))
			if got.Outcome != want {
				t.Errorf("%s: %v{%v}, want %v", address, got.Outcome, got.Reason, want)
			}
		}
		time.Sleep(3 * time.Second)
	})
}

// TestControlsDoNotVouchForThemselves: neither for their name nor for their address.
func TestControlsDoNotVouchForThemselves(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		c := NewControls(ControlOptions{Targets: []Kind{&fake{target: host("192.0.2.1"), do: after(10*time.Millisecond, ReasonNone)}}})
		l := NewLooker(nil, c, "here")
		same := &fake{target: host("192.0.2.1"), do: after(time.Millisecond, Refused)}
		if got, _ := lookNow(t.Context(), l, checkOf(same, time.Second)); got.Outcome != Inconclusive {
			t.Errorf("the same host: %v{%v}, want inconclusive", got.Outcome, got.Reason)
		}
		alias := &fake{target: named("alias.example.com"), do: func(ctx context.Context) Attempt {
			a := after(time.Millisecond, Refused)(ctx)
			a.Addr = same.Attempt(ctx, nil).Addr
			return a
		}}
		if got, _ := lookNow(t.Context(), l, checkOf(alias, time.Second)); got.Outcome != Inconclusive {
			t.Errorf("another name of the same address: %v{%v}, want inconclusive", got.Outcome, got.Reason)
		}
		time.Sleep(3 * time.Second)
	})
}

// TestOtherChecksVouch: with all controls dead, successes of checks on other hosts do, if they look often.
func TestOtherChecksVouch(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := NewLooker(nil, severed(), "here")
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 8 {
			other := checkOf(&fake{target: host(fmt.Sprintf("198.51.100.%d", i+1)), do: after(10*time.Millisecond, ReasonNone)}, time.Second)
			go func() {
				for ctx.Err() == nil {
					lookNow(ctx, l, other)
					pause(ctx, 190*time.Millisecond)
				}
			}()
		}
		time.Sleep(3 * time.Second)
		for _, do := range []func(context.Context) Attempt{after(time.Millisecond, Refused), after(0, NetworkUnreachable), after(time.Hour, ReasonNone)} {
			if got, _ := lookNow(ctx, l, checkOf(&fake{target: host("203.0.113.1"), do: do}, 3*time.Second)); got.Outcome != Down {
				t.Errorf("%v{%v}, want down", got.Outcome, got.Reason)
			}
		}
		if s := l.controls.Status().Sights[0]; !s.BlindSince.IsZero() {
			t.Errorf("blind since %v, though checks succeed", s.BlindSince)
		}
		cancel()
		time.Sleep(3 * time.Second)
	})
}

// TestLossAmongOtherChecks: a success that lost a packet stands where others look often enough.
func TestLossAmongOtherChecks(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := NewLooker(nil, healthy(), "here")
		lossy := checkOf(&fake{target: host("203.0.113.1"), do: func(ctx context.Context) Attempt {
			a := after(1020*time.Millisecond, ReasonNone)(ctx)
			a.Lost = 1
			return a
		}}, 3*time.Second)
		if got, _ := lookNow(t.Context(), l, lossy); got.Outcome != Inconclusive {
			t.Errorf("alone: %v, want inconclusive", got.Outcome)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 4 {
			other := checkOf(&fake{target: host(fmt.Sprintf("198.51.100.%d", i+1)), do: after(10*time.Millisecond, ReasonNone)}, time.Second)
			go func() {
				for ctx.Err() == nil {
					lookNow(ctx, l, other)
					pause(ctx, 200*time.Millisecond)
				}
			}()
		}
		time.Sleep(3 * time.Second)
		if got, _ := lookNow(ctx, l, lossy); got.Outcome != Up {
			t.Errorf("among others: %v{%v}, want up", got.Outcome, got.Reason)
		}
		cancel()
		time.Sleep(3 * time.Second)
	})
}

func TestControlsStatus(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		alive := true
		do := func(ctx context.Context) Attempt {
			if !alive {
				return after(time.Hour, ReasonNone)(ctx)
			}
			return after(10*time.Millisecond, ReasonNone)(ctx)
		}
		c := NewControls(ControlOptions{Targets: []Kind{
			&fake{target: host("192.0.2.1"), do: do}, &fake{target: host("192.0.2.2"), do: do}, &fake{target: host("192.0.2.3"), do: do},
		}})
		l := NewLooker(nil, c, "here")
		failing := checkOf(&fake{target: host("203.0.113.1"), do: after(time.Millisecond, Refused)}, time.Second)
		if s := c.Status().Sights[0]; s.Quorum != 2 || s.Controls != 3 || s.Rounds != 0 || !s.BlindSince.IsZero() {
			t.Errorf("at first: %+v", s)
		}
		lookNow(t.Context(), l, failing)
		s := c.Status()
		if s.Sights[0].LastSeen.IsZero() || !s.Sights[0].BlindSince.IsZero() || s.Controls[0].LastSuccess.IsZero() {
			t.Errorf("after a good round: %+v", s)
		}
		time.Sleep(time.Minute)
		alive = false
		began := time.Now()
		for range 8 {
			lookNow(t.Context(), l, failing)
			time.Sleep(time.Minute)
		}
		s = c.Status()
		if d := s.Sights[0].BlindSince.Sub(began); d < 0 || d > 2*time.Second {
			t.Errorf("blind since %v after the network went", d)
		}
		if !s.Controls[0].FailingAlone.IsZero() {
			t.Errorf("a control is failing alone since %v, but all are", s.Controls[0].FailingAlone)
		}
		alive = true
		for i := range 2 {
			ok := &fake{target: host(fmt.Sprintf("198.51.100.%d", i+1)), do: after(10*time.Millisecond, ReasonNone)}
			lookNow(t.Context(), l, checkOf(ok, time.Second))
		}
		if s = c.Status(); !s.Sights[0].BlindSince.IsZero() {
			t.Error("two checks have succeeded, and the region is still called blind")
		}
		time.Sleep(3 * time.Second)
	})
	if s := NewControls(ControlOptions{None: true}).Status(); !s.None {
		t.Errorf("none: %+v", s)
	}
	var none *Controls
	if s := none.Status(); !s.None {
		t.Errorf("nil: %+v", s)
	}
}

// TestControlThatLostAPacket: it works, but does not show that the network was alive when it began.
func TestControlThatLostAPacket(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		c := NewControls(ControlOptions{Targets: []Kind{&fake{target: host("192.0.2.1"), do: func(ctx context.Context) Attempt {
			a := after(300*time.Millisecond, ReasonNone)(ctx)
			a.Lost = 1
			return a
		}}}})
		failing := checkOf(&fake{target: host("203.0.113.1"), do: after(time.Millisecond, Refused)}, time.Second)
		if got, _ := lookNow(t.Context(), NewLooker(nil, c, "here"), failing); got.Outcome != Inconclusive {
			t.Errorf("%v{%v}, want inconclusive", got.Outcome, got.Reason)
		}
		if s := c.Status(); s.Controls[0].LastSuccess.IsZero() || s.Controls[0].Reason != ReasonNone {
			t.Errorf("its status is %+v, want a success", s.Controls[0])
		}
		time.Sleep(3 * time.Second)
	})
}
