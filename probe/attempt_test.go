package probe

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPhases(t *testing.T) {
	want := []string{"resolve", "connect", "tls", "wait", "read", "exchange", "phase?"}
	var got []string
	for p := range NumPhases + 1 {
		got = append(got, p.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a := Attempt{Spans: []Span{{Phase: PhaseWait, For: time.Second}, {Phase: PhaseTLS, For: 5}, {Phase: PhaseWait, Hop: 1, For: 2 * time.Second}}}
	if got := a.PhaseTime(PhaseWait); got != 3*time.Second {
		t.Errorf("wait took %v, want 3s", got)
	}
	if got := a.PhaseTime(PhaseRead); got != 0 {
		t.Errorf("read took %v, want 0s", got)
	}
}

func TestFamilyOf(t *testing.T) {
	for text, want := range map[string]Family{"192.0.2.1": IPv4, "::ffff:192.0.2.1": IPv4, "2001:db8::1": IPv6, "fe80::1%eth0": IPv6} {
		if got := FamilyOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("FamilyOf(%s) = %d, want %d", text, got, want)
		}
	}
	if got := FamilyOf(netip.Addr{}); got != FamilyUnknown {
		t.Errorf("FamilyOf of nothing = %d", got)
	}
}

func TestBudget(t *testing.T) {
	c := &Check{Timeout: 10 * time.Second, Client: Client{Retries: 2, After: time.Second}}
	if got, want := c.Budget(), 32*time.Second; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	c.Client = Client{}
	if got, want := c.Budget(), 10*time.Second; got != want {
		t.Errorf("without retries: got %v, want %v", got, want)
	}
}
