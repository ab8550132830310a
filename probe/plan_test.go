package probe

import (
	"errors"
	"testing"
	"time"
)

// A check that is not understood keeps its slots, its epoch, and blames the prober.
func TestRefusedCheck(t *testing.T) {
	for _, expect := range []Expect{{}, {Unreachable: []string{"here"}}} {
		c := &Check{
			Name: "Shop", ID: "shop", Interval: 20 * time.Second, Timeout: 5 * time.Second, Client: Client{Retries: 2, After: time.Second},
			Expect: expect, Latency: LatencyObjective{Under: time.Second, Of: OfUp}, Enabled: true,
		}
		p := PlanOf(c, "here", []byte("name: Shop\n"))
		r := p.Refused(errors.New("line 1: unknown key"))
		if r.ID != c.ID || r.Interval != c.Interval || r.Budget() != c.Budget() || r.Latency != c.Latency || !r.Enabled ||
			r.Expect.In("here").Unreachable != c.Expect.In("here").Unreachable {
			t.Errorf("got %+v, want the epoch of %+v", r, c)
		}
		if ps := r.Kind.Validate(); len(ps) > 0 {
			t.Errorf("got problems %v, want none", ps)
		}
		got, ev := lookNow(t.Context(), NewLooker(nil, nil, "here"), r)
		if got.Outcome != Inconclusive || got.Reason != Unsupported || ev.Detail.Error != "line 1: unknown key" {
			t.Errorf("got %v{%v}, evidence %q, want inconclusive{unsupported} and why", got.Outcome, got.Reason, ev.Detail.Error)
		}
	}
}
