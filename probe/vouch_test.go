package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gaikei/gaikei/internal/bubble"
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
			bubble.Test(t, func(t *testing.T) {
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
	bubble.Test(t, func(t *testing.T) {
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

// TestClaims says for each way of failing or succeeding which sightings are enough. Times are in ms since the
// attempt began; every sighting is by a host of its own, and the quorum is one.
func TestClaims(t *testing.T) {
	const ms = time.Millisecond
	silent := Attempt{Reason: Timeout}
	route := Attempt{Reason: NetworkUnreachable}
	host := Attempt{Reason: HostUnreachable}
	routeAfterName := Attempt{Reason: NetworkUnreachable, Spans: []Span{{Phase: PhaseResolve, For: 300 * ms}, {Phase: PhaseConnect, At: 300 * ms, For: ms}}}
	silentAfterName := Attempt{Reason: Timeout, Spans: []Span{{Phase: PhaseResolve, For: 1100 * ms}, {Phase: PhaseConnect, At: 1100 * ms, For: 900 * ms}}}
	refused, lookup, servfail := Attempt{Reason: Refused}, Attempt{Reason: DNSTimeout}, Attempt{Reason: DNSServfail}
	hung := Attempt{Reason: ResponseTimeout}
	late := Attempt{Reason: ResponseTimeout, Lost: 1}
	stuck := Attempt{Reason: ResponseTimeout, Lost: 1, Pending: true}
	query := Attempt{Reason: ResponseTimeout, Lost: 1, Datagram: true}
	waited := Attempt{Latency: 5 * time.Second}
	lost := Attempt{Latency: time.Second, Lost: 1}
	syn := Attempt{Latency: time.Second, Spans: []Span{{Phase: PhaseConnect, For: time.Second}}}
	rows := []struct {
		name     string
		a        Attempt
		end      int
		controls []int
		checks   []int
		blind    []int
		want     bool
	}{
		{"silence, seen at both ends and between", silent, 2000, []int{1000, 2000}, nil, nil, true},
		{"silence, seen a little late", silent, 2000, []int{1150, 2150}, nil, nil, true},
		{"silence, not seen before the second SYN", silent, 2000, []int{1300, 2300}, nil, nil, false},
		{"silence, not seen after its end", silent, 2000, []int{1000, 1999}, nil, nil, false},
		{"silence, seen only long after its end", silent, 2000, []int{1000, 4001}, nil, nil, false},
		{"silence, seen by checks alone", silent, 2000, nil, []int{900, 2500}, nil, true},
		{"silence, blind at the first round and seen just after", silent, 2000, []int{2000}, []int{1100, 1150}, []int{1000}, false},
		{"silence, blind before it began", silent, 2000, []int{1000, 2000}, nil, []int{-10}, true},
		{"silence, blind in between", silent, 9000, []int{1000, 2000, 4000, 5000, 6000, 7000, 8000, 9000}, nil, []int{3000}, false},
		{"silence, unseen for two seconds in between", silent, 9000, []int{1000, 2000, 3000, 5100, 7000, 9000}, nil, nil, false},
		{"silence, dead controls among busy checks", silent, 2000, nil, []int{800, 900, 1100, 1900, 2100}, []int{1000, 2000}, true},
		{"no route, seen at once", route, 1, []int{2}, nil, nil, true},
		{"no route, seen at once by a check", route, 1, nil, []int{2}, nil, false},
		{"no route, seen a little later", route, 1, []int{100}, nil, nil, false},
		{"no route, seen at once but blind before", route, 1, []int{2}, nil, []int{-1000}, false},
		{"no route, seen at once and blind long before", route, 1, []int{2}, nil, []int{-1300}, true},
		{"no route, among busy checks", route, 1, nil, []int{-300, 100, 400}, nil, true},
		{"no route, checks only after it", route, 1, nil, []int{100, 400}, nil, false},
		{"no route, checks too far apart", route, 1, nil, []int{-300, 201, 450}, nil, false},
		{"refused, seen within two seconds", refused, 1, []int{1900}, nil, nil, true},
		{"refused, seen only before", refused, 100, []int{50}, nil, nil, false},
		{"refused, blind after it", refused, 1, []int{1900}, nil, []int{500}, false},
		{"no route, told after a while", route, 50, []int{51}, nil, nil, false},
		{"no route, told after a while among busy checks", route, 50, nil, []int{-300, 100, 500}, nil, true},
		{"no route, told at once after a name was found", routeAfterName, 301, []int{302}, nil, nil, true},
		{"no route, told after a second", route, 1000, []int{1000, 2000}, nil, nil, true},
		{"no host, told after a second", host, 1000, []int{1000, 2000}, nil, nil, true},
		{"no host, told after a second, blind when it was first asked for", host, 1000, []int{1000, 2000}, nil, []int{-2100}, false},
		{"no host, told after a second, blind long before", host, 1000, []int{1000, 2000}, nil, []int{-2300}, true},
		{"no host, told at once, blind when it was first asked for", host, 1, []int{2}, nil, []int{-3100}, false},
		{"no host, told at once, blind long before", host, 1, []int{2}, nil, []int{-3300}, true},
		{"silence for half a second, seen at once after", silent, 500, []int{501}, nil, nil, false},
		{"silence for half a second, seen as it began and at once after", silent, 500, []int{0, 501}, nil, nil, false},
		{"silence for half a second among busy checks", silent, 500, nil, []int{-100, 300, 700, 1000}, nil, true},
		{"silence for a moment, seen at once after", silent, 10, []int{11}, nil, nil, false},
		{"silence until just before the answer to a second SYN may come", silent, 1399, []int{1000, 2000}, nil, nil, false},
		{"silence until then", silent, 1400, []int{1000, 2000}, nil, nil, true},
		{"silence for less than that after a name was found", silentAfterName, 2000, []int{1000, 2000, 3000}, nil, nil, false},
		{"a name that is not found in nearly two seconds", lookup, 1899, []int{1000, 1900, 2900}, nil, nil, false},
		{"a name that is not found in two seconds", lookup, 1900, []int{1000, 2000, 3000}, nil, nil, true},
		{"SERVFAIL, seen at once", servfail, 300, []int{301}, nil, nil, true},
		{"SERVFAIL, seen a little later", servfail, 300, []int{400}, nil, nil, false},
		{"SERVFAIL, seen at once but blind minutes before", servfail, 300, []int{301}, nil, []int{-359000}, false},
		{"SERVFAIL, seen at once and blind long before", servfail, 300, []int{301}, nil, []int{-361000}, true},
		{"hung after accepting", hung, 2000, []int{1000, 2000}, nil, nil, true},
		{"hung after a loss that was made good", late, 2000, []int{1000, 2000}, nil, nil, false},
		{"the same, among busy checks", late, 2000, []int{1000, 2000}, []int{-200, 100, 400, 700, 1300, 1600, 1900}, nil, true},
		{"hung with a loss to the end", stuck, 2600, []int{1000, 2000, 3000}, nil, nil, true},
		{"hung with a loss that a blip may have made longer", stuck, 2599, []int{1000, 2000, 3000}, nil, nil, false},
		{"a silent datagram", query, 2000, []int{1000, 2000}, nil, nil, true},
		{"a long success, seen throughout", waited, 5000, []int{1000, 2000, 3000, 4000}, nil, nil, true},
		{"a long success, seen every other second", waited, 5000, []int{1000, 2900, 4800}, nil, nil, true},
		{"a long success, unseen for a while", waited, 5000, []int{1000, 4000}, nil, nil, false},
		{"a long success, unseen at first", waited, 5000, []int{1300, 2000, 3000, 4000}, nil, nil, false},
		{"a loss, seen by a round", lost, 1010, []int{1000}, nil, nil, false},
		{"a loss among busy checks", lost, 1010, nil, []int{-300, 100, 500, 900}, nil, true},
		{"a loss, unseen before", lost, 1010, nil, []int{10, 400, 800}, nil, false},
		{"a loss, unseen after", lost, 1010, nil, []int{-300, 10, 400}, nil, false},
		{"a connection of a second, seen by a round", syn, 1010, []int{1000}, nil, nil, false},
		{"a connection of a second among busy checks", syn, 1010, nil, []int{-300, 100, 500, 900}, nil, true},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			m := remembering(r.controls, r.checks, r.blind)
			r.a.Host = "target"
			claim := claimOf(&r.a, at(0), at(r.end), time.Time{})
			if got := claim.held(m, 1); got != r.want {
				t.Errorf("got %v, want %v", got, r.want)
			}
		})
	}
}

// remembering makes a memory of instants in ms, every sighting by a host of its own.
func remembering(controls, checks, blind []int) *memory {
	m := new(memory)
	for i, ms := range controls {
		m.note(sighting{at: at(ms), host: fmt.Sprint("control", i), control: true})
	}
	for i, ms := range checks {
		m.note(sighting{at: at(ms), host: fmt.Sprint("check", i)})
	}
	for _, ms := range blind {
		m.noteBlind(at(ms))
	}
	return m
}

// TestClaimsAfterALapse: what a second lapse in a row takes, and which failures are none. Times are as in TestClaims;
// before is by when others had been seen after the first.
func TestClaimsAfterALapse(t *testing.T) {
	silent := Attempt{Reason: Timeout}
	route := Attempt{Reason: NetworkUnreachable}
	datagram := Attempt{Reason: ResponseTimeout, Datagram: true}
	never, first := []int(nil), []int{-400}
	rows := []struct {
		name   string
		a      Attempt
		end    int
		before []int // none or one
		checks []int
		blind  []int
		lapse  bool
		want   bool
	}{
		{"seen between the two and after", silent, 500, first, []int{1900}, nil, true, true},
		{"seen as it begins, and two seconds after its end", silent, 500, []int{0}, []int{2500}, nil, true, true},
		{"seen long ago", silent, 500, []int{-600000}, []int{1900}, nil, true, true},
		{"the first one, or not seen since", silent, 500, never, []int{1900}, nil, true, false},
		{"seen only since it began", silent, 500, []int{1}, []int{1900}, nil, true, false},
		{"not seen after", silent, 500, first, []int{499}, nil, true, false},
		{"seen too late after", silent, 500, first, []int{2501}, nil, true, false},
		{"blind after it", silent, 500, first, []int{1900}, []int{1500}, true, false},
		{"blind while it lasted", silent, 500, first, []int{1900}, []int{100}, true, false},
		{"blind just before it", silent, 500, first, []int{1900}, []int{-1000}, true, false},
		{"blind long before it", silent, 500, first, []int{1900}, []int{-1300}, true, true},
		{"dead controls among busy checks", silent, 500, first, []int{1300, 1400, 1600}, []int{1500}, true, true},
		{"no route", route, 1, first, []int{1900}, nil, true, true},
		{"a silent datagram", datagram, 500, first, []int{1900}, nil, true, true},
		{"a silent datagram, blind when its host may have been asked for first", datagram, 500, first, []int{1900}, []int{-3100}, true, false},
		{"a silent datagram, blind long before", datagram, 500, first, []int{1900}, []int{-3300}, true, true},
		{"a body that stops", Attempt{Reason: TooSlow}, 500, first, []int{1900}, nil, true, true},
		{"silence of a second", silent, 1000, first, []int{2900}, nil, true, true},
		{"silence of two", silent, 2000, first, []int{3900}, nil, false, false},
		{"a loss that was made good", Attempt{Reason: ResponseTimeout, Lost: 1}, 500, first, []int{1900}, nil, false, false},
		{"a success after a loss", Attempt{Lost: 1}, 500, first, []int{1900}, nil, false, false},
		{"a refusal is believed anyhow", Attempt{Reason: Refused}, 500, never, []int{1900}, nil, false, true},
		{"a name that does not resolve in time", Attempt{Reason: DNSTimeout}, 500, first, []int{1900}, nil, true, false},
		{"the same, as a resolver may just remember", Attempt{Reason: DNSTimeout}, 500, []int{-359999}, []int{1900}, nil, true, false},
		{"the same, as none remembers any more", Attempt{Reason: DNSTimeout}, 500, []int{-360000}, []int{1900}, nil, true, true},
		{"a resolver's SERVFAIL", Attempt{Reason: DNSServfail}, 500, first, []int{1900}, nil, true, false},
		{"the same, as no resolver remembers any more", Attempt{Reason: DNSServfail}, 500, []int{-360000}, []int{1900}, nil, true, true},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			var before time.Time
			for _, ms := range r.before {
				before = at(ms)
			}
			claim := claimOf(&r.a, at(0), at(r.end), before)
			if got := claim.held(remembering(nil, r.checks, r.blind), 1); got != r.want || claim.lapse != r.lapse {
				t.Errorf("held: %v, want %v; a lapse: %v, want %v", got, r.want, claim.lapse, r.lapse)
			}
		})
	}
}
