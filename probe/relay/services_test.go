package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
)

// services starts both of the centre's services. They answer with whom they believe to answer.
func (c *centre) services(t *testing.T) {
	t.Helper()
	c.run(t, func(ctx context.Context) error {
		return c.ServePlans(ctx, func(_ context.Context, region string, request []byte) []byte {
			if string(request) == "large" {
				return bytes.Repeat([]byte("x"), maxAnswer)
			}
			return fmt.Appendf(nil, "plan of %s for %s", region, request)
		})
	})
	c.run(t, func(ctx context.Context) error {
		return c.ServeBeats(ctx, func(_ context.Context, region, prober string, beat []byte) []byte {
			switch string(beat) {
			case "nothing":
				return nil
			case "too large":
				return make([]byte, maxAnswer+1)
			}
			return fmt.Appendf(nil, "%s/%s says %s", region, prober, beat)
		})
	})
}

// answer asks until the services have begun.
func answer(t *testing.T, f func(context.Context, []byte) ([]byte, error), request string) string {
	t.Helper()
	var got []byte
	until(t, "an answer", func() bool {
		var err error
		got, err = f(t.Context(), []byte(request))
		if err != nil && !errors.Is(err, ErrAway) {
			t.Fatal(err)
		}
		return err == nil
	})
	return string(got)
}

func TestServices(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.services(t)
	heard := make(chan string, 100)
	c.run(t, func(ctx context.Context) error {
		return c.HearBeats(ctx, func(region, prober string, beat []byte) {
			select {
			case heard <- fmt.Sprintf("%s/%s said %s", region, prober, beat):
			default:
			}
		})
	})
	r := connect(t, c.enrol(t, "eu.west", "p.1"))
	until(t, "a heartbeat is heard", func() bool {
		answer(t, r.up.Beat, "heard")
		select {
		case got := <-heard:
			return got == "eu.west/p.1 said heard"
		default:
			return false
		}
	})
	if got, want := answer(t, r.up.Plan, "rev 1"), "plan of eu.west for rev 1"; got != want {
		t.Errorf("got plan %q, want %q", got, want)
	}
	if got, want := answer(t, r.up.Beat, "hello"), "eu.west/p.1 says hello"; got != want {
		t.Errorf("got answer %q, want %q", got, want)
	}
	if got := answer(t, r.up.Plan, "large"); len(got) != maxAnswer {
		t.Errorf("got a plan of %d bytes, want %d", len(got), maxAnswer)
	}
	var refused *RefusedError
	for _, beat := range []string{"nothing", "too large"} {
		if _, err := r.up.Beat(t.Context(), []byte(beat)); !errors.As(err, &refused) || refused.Reason != RefusedUnanswered {
			t.Errorf("beat %q: got error %v, want refused as unanswered", beat, err)
		}
	}
	if _, err := r.up.Beat(t.Context(), make([]byte, maxRequest+1)); !errors.As(err, &refused) || refused.Reason != RefusedTooBig {
		t.Errorf("got error %v, want refused as too big", err)
	}
	for range 3 * peerRequests * peerBurst {
		if _, err := r.up.Beat(t.Context(), []byte("x")); err != nil {
			if !errors.As(err, &refused) || refused.Reason != RefusedTooFast {
				t.Errorf("got error %v, want refused as too fast", err)
			}
			return
		}
	}
	t.Error("asked as fast as can be, and nothing was refused")
}

func TestNoService(t *testing.T) {
	c := openHub(t, HubOptions{})
	r := connect(t, c.enrol(t, "tokyo", "p"))
	r.isUp(t)
	if _, err := r.up.Plan(t.Context(), []byte("x")); !errors.Is(err, ErrAway) {
		t.Errorf("got error %v, want ErrAway", err)
	}
	c.end(t)
	until(t, "the loss is noticed", func() bool { return !r.up.Status().Connected })
	if _, err := r.up.Plan(t.Context(), []byte("x")); !errors.Is(err, ErrAway) {
		t.Errorf("got error %v, want ErrAway", err)
	}
}

// A revoked key is out at once and stays out; the prober's other key goes on. So a key is rotated without a gap.
func TestRevoke(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.consume(t)
	c.services(t)
	older, newer := c.enrol(t, "tokyo", "p"), c.enrol(t, "tokyo", "p")
	a, b := connect(t, older), connect(t, newer)
	answer(t, a.up.Beat, "old")
	answer(t, b.up.Beat, "new")
	st := c.Status()
	if len(st.Probers) != 1 || st.Probers[0].Connections != 2 || st.Probers[0].Since.IsZero() {
		t.Errorf("got probers %+v, want one with two connections", st.Probers)
	}
	c.register.remove(older.PublicKey())
	c.Revoke(older.PublicKey())
	until(t, "the old key is out", func() bool { return !a.up.Status().Connected })
	until(t, "it tries again", func() bool { return c.Status().Refused[RefusedUnknownKey] > 2 })
	if st := a.up.Status(); st.Connected || st.LastError != "the aggregator does not admit these credentials" {
		t.Errorf("got status %+v, want not connected for the credentials", st)
	}
	if got := answer(t, b.up.Beat, "still here"); got != "tokyo/p says still here" {
		t.Errorf("got %q", got)
	}
	if n := c.log.count("unknown_key"); n != 1 {
		t.Errorf("got %d lines about the key, want 1:\n%s", n, c.log)
	}
	if n := a.log.count("does not admit"); n != 1 {
		t.Errorf("got %d lines about the key at the prober, want 1:\n%s", n, a.log)
	}
	// Enrolled again, it comes back by itself, with what it put meanwhile.
	a.put(t, 0, 5)
	c.register.add(older)
	until(t, "back, with its results", func() bool { return covers(append(c.late.got(), c.live.got()...), 0, 5) })
}

func TestHubStatus(t *testing.T) {
	c := openHub(t, HubOptions{})
	r := connect(t, c.enrol(t, "tokyo", "p"))
	r.put(t, 0, 3)
	until(t, "three messages stored", func() bool { st := c.Status(); return len(st.Probers) == 1 && st.Probers[0].Messages == 3 })
	r.Evidence(evidence(1))
	run(t, r.Queue.Run)
	until(t, "evidence stored", func() bool { st := c.Status(); return len(st.Lanes) == 3 && st.Lanes[2].Messages == 1 })
	st := c.Status()
	if st.Broken || st.LastError != "" || len(st.Refused) != 0 {
		t.Errorf("got status %+v, want all well", st)
	}
	if n := st.Lanes[0].Messages + st.Lanes[1].Messages; n != 3 || st.Lanes[0].Lane != Live || st.Lanes[0].MaxBytes != c.o.MaxBytes {
		t.Errorf("got lanes %+v, want 3 messages in the first two", st.Lanes)
	}
	if l := st.Lanes[2]; l.Oldest <= 0 || l.Bytes == 0 {
		t.Errorf("got lane %+v, want some age and bytes", l)
	}
	p := st.Probers[0]
	if p.Heard.IsZero() || p.Bytes == 0 || p.Connections != 1 || len(p.Refused) != 0 {
		t.Errorf("got prober %+v, want one that is connected and was heard", p)
	}
	c.end(t)
	if got := c.Status().Lanes; got != nil {
		t.Errorf("got lanes %+v of a closed hub, want none", got)
	}
}
