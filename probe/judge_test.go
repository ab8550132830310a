package probe

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestJudgeTable holds every reason against every expectation and witness. Each row gives, for the witnesses
// vouched, blind and no controls, the outcome and the reason.
func TestJudgeTable(t *testing.T) {
	type row [3]string // by witness
	const up, late = "up", "inconclusive{no_vouch}"
	self := func(text string) row { return row{text, text, text} }
	down := func(r Reason) row { return row{fmt.Sprintf("down{%v}", r), late, fmt.Sprintf("down{%v} unvouched", r)} }
	good := func(r Reason) row { return row{fmt.Sprintf("expected_unreachable{%v}", r), late, late} }
	bad := func(r Reason) row { return row{fmt.Sprintf("unexpected{%v}", r), late, late} }
	reached := self("unexpected{reached}")

	type want struct{ reachable, byPath, byRefusedNX row }
	table := map[Reason]want{
		ReasonNone: {self(up), reached, reached},
		TooSlow:    {down(TooSlow), reached, reached},

		DNSNXDomain: {down(DNSNXDomain), bad(DNSNXDomain), good(DNSNXDomain)},
		DNSNoData:   {down(DNSNoData), bad(DNSNoData), bad(DNSNoData)},
		DNSServfail: {down(DNSServfail), bad(DNSServfail), bad(DNSServfail)},
		DNSRefused:  {down(DNSRefused), bad(DNSRefused), bad(DNSRefused)},
		DNSTimeout:  {down(DNSTimeout), bad(DNSTimeout), bad(DNSTimeout)},

		Refused:            {down(Refused), good(Refused), good(Refused)},
		Timeout:            {down(Timeout), good(Timeout), bad(Timeout)},
		NetworkUnreachable: {down(NetworkUnreachable), good(NetworkUnreachable), bad(NetworkUnreachable)},
		HostUnreachable:    {down(HostUnreachable), good(HostUnreachable), bad(HostUnreachable)},

		Reset:           {down(Reset), bad(Reset), bad(Reset)},
		ResponseTimeout: {down(ResponseTimeout), bad(ResponseTimeout), bad(ResponseTimeout)},
	}
	for _, r := range []Reason{
		TLSHandshake, TLSExpired, TLSNotYetValid, TLSNameMismatch, TLSUntrusted, Protocol, Dialogue, Status,
		Header, Body, Redirect, TooLarge, TooSmall, Rcode, Answer, Flags, Assertion, Reached,
	} {
		table[r] = want{self(fmt.Sprintf("down{%v}", r)), reached, reached}
	}
	for _, r := range []Reason{Overload, Late, Stopped} {
		s := self(fmt.Sprintf("missed{%v}", r))
		table[r] = want{s, s, s}
	}
	for _, r := range []Reason{NoVouch, EgressDenied, Clock, Secret, Resolver, Unsupported, Internal} {
		s := self(fmt.Sprintf("inconclusive{%v}", r))
		table[r] = want{s, s, s}
	}
	if len(table) != int(numReasons) {
		t.Fatalf("the table has %d reasons of %d", len(table), numReasons)
	}

	for r, want := range table {
		for i, w := range []Witness{Vouched, Blind, NoControls} {
			a := &Attempt{Reason: r, Answered: r == ReasonNone || r.Class() == ClassAnswer}
			got := []string{
				verdictText(Judge(Expectation{}, a, w)),
				verdictText(Judge(Expectation{Unreachable: true}, a, w)),
				verdictText(Judge(Expectation{Unreachable: true, By: SetOf(Refused, DNSNXDomain)}, a, w)),
			}
			if diff := cmp.Diff([]string{want.reachable[i], want.byPath[i], want.byRefusedNX[i]}, got); diff != "" {
				t.Errorf("%q, %v: reachable, unreachable, unreachable by refused, dns_nxdomain (-want +got):\n%s", r, w, diff)
			}
		}
	}
}

func verdictText(v Verdict) string {
	s := v.Outcome.String()
	if v.Reason != ReasonNone {
		s += fmt.Sprintf("{%v}", v.Reason)
	}
	if v.Unvouched {
		s += " unvouched"
	}
	return s
}

func TestJudgeSpecialCases(t *testing.T) {
	redirected := []Span{{Phase: PhaseConnect}, {Phase: PhaseConnect, Hop: 1}}
	unreachable := Expectation{Unreachable: true}
	byReset := Expectation{Unreachable: true, By: SetOf(Reset, ResponseTimeout)}
	rows := []struct {
		name string
		e    Expectation
		a    Attempt
		w    Witness
		want string
	}{
		{"a silent datagram is a path failure", unreachable, Attempt{Reason: ResponseTimeout, Datagram: true}, Vouched, "expected_unreachable{response_timeout}"},
		{"a silent datagram, blind", unreachable, Attempt{Reason: ResponseTimeout, Datagram: true}, Blind, "inconclusive{no_vouch}"},
		{"a silent datagram where refused is named", Expectation{Unreachable: true, By: SetOf(Refused)}, Attempt{Reason: ResponseTimeout, Datagram: true}, Vouched, "unexpected{response_timeout}"},
		{"redirected to a dead host, should be unreachable", unreachable, Attempt{Reason: Timeout, Answered: true}, Blind, "unexpected{reached}"},
		{"redirected to a dead host, should be reachable", Expectation{}, Attempt{Reason: Timeout, Answered: true}, Vouched, "down{timeout}"},
		{"redirected to a dead host, should be reachable, blind", Expectation{}, Attempt{Reason: Timeout, Answered: true}, Blind, "inconclusive{no_vouch}"},
		{"accepted and silent, by default", unreachable, Attempt{Reason: ResponseTimeout, Answered: true}, Vouched, "unexpected{reached}"},
		{"accepted and reset, as named", byReset, Attempt{Reason: Reset, Answered: true}, Vouched, "expected_unreachable{reset}"},
		{"accepted and reset, as named, blind", byReset, Attempt{Reason: Reset, Answered: true}, Blind, "inconclusive{no_vouch}"},
		{"redirected and reset, where reset is named", byReset, Attempt{Reason: Reset, Answered: true, Spans: redirected}, Vouched, "unexpected{reached}"},
		{"a slow success, seen throughout", Expectation{}, Attempt{Latency: 1500 * time.Millisecond}, Vouched, "up"},
		{"a slow success, blind", Expectation{}, Attempt{Latency: time.Second}, Blind, "inconclusive{no_vouch}"},
		{"a slow success, no controls", Expectation{}, Attempt{Latency: 1500 * time.Millisecond}, NoControls, "up"},
		{"a slow success where nothing should answer, blind", unreachable, Attempt{Latency: 1500 * time.Millisecond}, Blind, "unexpected{reached}"},
		{"a success just under a second, blind", Expectation{}, Attempt{Latency: time.Second - 1}, Blind, "up"},
		{"a success after a loss, blind", Expectation{}, Attempt{Latency: 300 * time.Millisecond, Lost: 1}, Blind, "inconclusive{no_vouch}"},
		{"a success after a loss, vouched", Expectation{}, Attempt{Latency: time.Second, Lost: 1}, Vouched, "up"},
		{"a success after a loss, no controls", Expectation{}, Attempt{Latency: time.Second, Lost: 1}, NoControls, "up"},
		{"a 500 after a loss, blind", Expectation{}, Attempt{Reason: Status, Answered: true, Lost: 3, Latency: 5 * time.Second}, Blind, "down{status}"},
		{"a reason from the future", Expectation{}, Attempt{Reason: numReasons}, Vouched, "inconclusive{internal}"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if diff := cmp.Diff(r.want, verdictText(Judge(r.e, &r.a, r.w))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestJudgeTellsWhatItSuspects(t *testing.T) {
	got := Judge(Expectation{}, &Attempt{Reason: Timeout}, Blind)
	want := Verdict{Outcome: Inconclusive, Reason: NoVouch, Suspected: Timeout}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestJudgeNeedsProof: whatever the attempt, a verdict rests on the target's own answer, on a witness, or is
// marked unvouched; and never on a fault of ours.
func TestJudgeNeedsProof(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &Attempt{
			Reason:   Reason(rapid.IntRange(0, int(numReasons)+1).Draw(t, "reason")),
			Answered: rapid.Bool().Draw(t, "answered"), Datagram: rapid.Bool().Draw(t, "datagram"),
			Lost:    rapid.IntRange(0, 2).Draw(t, "lost"),
			Latency: time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond,
		}
		e := Expectation{Unreachable: rapid.Bool().Draw(t, "unreachable"), By: ReasonSet(rapid.Uint64().Draw(t, "by"))}
		w := Witness(rapid.IntRange(0, 2).Draw(t, "witness"))
		v := Judge(e, a, w)
		if !v.Outcome.Valid() || !v.Reason.Valid() {
			t.Fatalf("verdict %+v is not in the lists", v)
		}
		if !v.Outcome.Verdict() {
			return
		}
		class := a.Reason.Class()
		clean := a.Reason == ReasonNone && a.Lost == 0 && a.Latency < time.Second
		answered := class == ClassAnswer && a.Reason != TooSlow
		switch {
		case class == ClassOwn || class == ClassMissed || !a.Reason.Valid():
			t.Fatalf("a fault of ours came to %+v", v)
		case w == Vouched, clean, answered:
		case e.Unreachable && v.Reason == Reached && (a.Answered || class == ClassNone || class == ClassAnswer):
		case w == NoControls && v.Outcome == Up:
		case w == NoControls && v.Outcome == Down && v.Unvouched:
		default:
			t.Fatalf("%+v, %+v, %v: %+v without proof", e, a, w, v)
		}
		if v.Outcome == ExpectedUnreachable && w != Vouched {
			t.Fatalf("%v without a witness", v.Outcome)
		}
	})
}

func TestSettle(t *testing.T) {
	up := Verdict{Outcome: Up}
	down := Verdict{Outcome: Down, Reason: Status}
	unvouched := Verdict{Outcome: Down, Reason: Timeout, Unvouched: true}
	open := Verdict{Outcome: Inconclusive, Reason: NoVouch, Suspected: Timeout}
	own := Verdict{Outcome: Inconclusive, Reason: Secret}
	stopped := Verdict{Outcome: Missed, Reason: Stopped}
	closed := Verdict{Outcome: ExpectedUnreachable, Reason: Refused}
	other := Verdict{Outcome: Unexpected, Reason: Reset}
	reached := Verdict{Outcome: Unexpected, Reason: Reached}
	rows := []struct {
		name  string
		vs    []Verdict
		want  Verdict
		index int
	}{
		{"one attempt", []Verdict{down}, down, 0},
		{"a retry helps", []Verdict{down, up}, up, 1},
		{"a retry does not help", []Verdict{unvouched, down}, down, 1},
		{"a success whose first attempt we may have spoilt", []Verdict{open, up}, open, 0},
		{"a failure whose first attempt we may have spoilt", []Verdict{open, down}, open, 0},
		{"a failure whose last attempt we may have spoilt", []Verdict{down, open}, open, 1},
		{"a fault of ours at the end", []Verdict{open, own}, own, 1},
		{"stopped at the end", []Verdict{down, stopped}, stopped, 1},
		{"always closed", []Verdict{closed, closed}, closed, 1},
		{"closed, then open", []Verdict{closed, reached}, reached, 1},
		{"blind, then open", []Verdict{open, reached}, reached, 1},
		{"once closed in another way", []Verdict{other, closed}, other, 0},
		{"once blind", []Verdict{open, closed}, open, 0},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got, i := Settle(r.vs)
			if diff := cmp.Diff(r.want, got); diff != "" || i != r.index {
				t.Errorf("decided by %d, want %d (-want +got):\n%s", i, r.index, diff)
			}
		})
	}
}
