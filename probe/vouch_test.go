package probe

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestResolveFailures: they are vouched for by the resolver alone, past its cache, for another registered domain.
func TestResolveFailures(t *testing.T) {
	all := func(string) (bool, bool) { return true, true }
	nothing := func(string) (bool, bool) { return false, false }
	// It denies that anything exists, as one whose upstream is gone may.
	denier := func(string) (bool, bool) { return true, false }
	usual := func(name string) (bool, bool) { return true, !strings.HasPrefix(name, "gaikei-") }
	cached := func(name string) (bool, bool) { return !strings.HasPrefix(name, "gaikei-"), true }
	rows := []struct {
		name     string
		control  string
		resolver func(name string) (bool, bool)
		reason   Reason
		after    time.Duration
		want     Outcome
	}{
		{"NXDOMAIN from a usual resolver", "www.example.org", usual, DNSNXDomain, 0, Down},
		{"NXDOMAIN from one that answers everything", "www.example.org", all, DNSNXDomain, 0, Down},
		{"NXDOMAIN from one that denies everything", "www.example.org", denier, DNSNXDomain, 0, Inconclusive},
		{"no data from one that denies everything", "www.example.org", denier, DNSNoData, 0, Inconclusive},
		{"no data from a usual resolver", "www.example.org", usual, DNSNoData, 0, Down},
		{"SERVFAIL from a usual resolver", "www.example.org", usual, DNSServfail, 0, Down},
		{"SERVFAIL from one that knows only its cache", "www.example.org", cached, DNSServfail, 0, Inconclusive},
		{"SERVFAIL from one that denies everything", "www.example.org", denier, DNSServfail, 0, Down},
		{"refused by a dead resolver", "www.example.org", nothing, DNSRefused, 0, Inconclusive},
		{"time-out of a usual resolver", "www.example.org", usual, DNSTimeout, 5 * time.Second, Down},
		{"time-out of a dead resolver", "www.example.org", nothing, DNSTimeout, 5 * time.Second, Inconclusive},
		{"the only control is in the same domain", "www.example.com", usual, DNSServfail, 0, Inconclusive},
		{"the same suffix is not the same domain", "www.example.co.uk", usual, DNSServfail, 0, Down},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := NewControls(ControlOptions{Targets: []Kind{&fake{target: named(r.control), do: after(time.Hour, ReasonNone)}}})
				c.resolve = func(ctx context.Context, name string) (bool, bool) {
					pause(ctx, 10*time.Millisecond)
					return r.resolver(name)
				}
				k := &fake{target: named("shop.example.com"), do: after(r.after, r.reason)}
				got, ev := lookNow(t.Context(), NewLooker(nil, c, "here"), checkOf(k, 10*time.Second))
				if got.Outcome != r.want {
					t.Errorf("got %v{%v}, suspected %q, want %v", got.Outcome, got.Reason, ev.Suspected, r.want)
				}
				time.Sleep(3 * time.Second)
			})
		})
	}
}

// TestResolverIsAskedPastItsCache: no label is asked for twice.
func TestResolverIsAskedPastItsCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewControls(ControlOptions{Targets: []Kind{
			&fake{target: named("www.example.org"), do: after(0, ReasonNone)},
			&fake{target: named("api.example.org"), do: after(0, ReasonNone)},
		}})
		var mu sync.Mutex
		labels := map[string]int{}
		c.resolve = func(_ context.Context, name string) (bool, bool) {
			mu.Lock()
			defer mu.Unlock()
			if label, ok := strings.CutSuffix(name, ".example.org"); ok && strings.HasPrefix(label, "gaikei-") {
				labels[label]++
			}
			return true, true
		}
		k := &fake{target: named("shop.example.com"), do: after(5*time.Second, DNSTimeout)}
		lookNow(t.Context(), NewLooker(nil, c, "here"), checkOf(k, 10*time.Second))
		time.Sleep(3 * time.Second)
		if len(labels) < 5 || len(labels) > 7 {
			t.Errorf("%d labels in rounds over 5 s, want one a round: %v", len(labels), labels)
		}
		for label, n := range labels {
			if n != 1 || len(label) < 20 {
				t.Errorf("label %q was asked for %d times", label, n)
			}
		}
	})
}

func TestRegistrable(t *testing.T) {
	for name, want := range map[string]string{
		"www.example.com": "example.com", "WWW.Example.COM.": "example.com", "a.b.example.co.uk": "example.co.uk",
		"localhost": "localhost", "db.internal": "db.internal", "com": "com", "x.github.io": "x.github.io",
	} {
		if got := registrable(name); got != want {
			t.Errorf("registrable(%q) = %q, want %q", name, got, want)
		}
	}
}
