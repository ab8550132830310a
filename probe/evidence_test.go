package probe

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestEvidenceGate(t *testing.T) {
	var g EvidenceGate
	for i, r := range []struct {
		after   time.Duration
		check   string
		outcome Outcome
		reason  Reason
		want    bool
	}{
		{0, "a", Up, ReasonNone, true},
		{time.Second, "a", Up, ReasonNone, false},
		{time.Second, "b", Up, ReasonNone, true},
		{2 * time.Second, "a", Down, Timeout, true},
		{3 * time.Second, "a", Down, Timeout, false},
		{4 * time.Second, "a", Down, Refused, true},
		{5 * time.Second, "a", Up, ReasonNone, true},
		{304 * time.Second, "a", Up, ReasonNone, false},
		{305 * time.Second, "a", Up, ReasonNone, true},
		{306 * time.Second, "a", Up, ReasonNone, false},
		{306 * time.Second, "b", Up, ReasonNone, true},
	} {
		if got := g.Pass(Result{Check: r.check, Outcome: r.outcome, Reason: r.reason}, &Evidence{}, epoch.Add(r.after)); got != r.want {
			t.Errorf("row %d: %s %v{%v} after %v: pass %v, want %v", i, r.check, r.outcome, r.reason, r.after, got, r.want)
		}
	}
}

// TestEvidenceGateSeesWarnings: other warnings than before are news, and so is what the target announces.
func TestEvidenceGateSeesWarnings(t *testing.T) {
	var g EvidenceGate
	for i, r := range []struct {
		warnings  []string
		announced bool
		want      bool
	}{
		{nil, false, true},
		{nil, false, false},
		{[]string{"31 days"}, false, true},
		{[]string{"31 days"}, false, false},
		{[]string{"30 days"}, false, true},
		{[]string{"30 ", "days"}, false, true},
		{nil, false, true},
		{nil, true, true},
		{nil, true, false},
	} {
		e := &Evidence{Detail: Detail{Warnings: r.warnings}}
		if got := g.Pass(Result{Check: "a", Outcome: Down, Reason: Status, Announced: r.announced}, e, epoch.Add(time.Duration(i))); got != r.want {
			t.Errorf("row %d: %q, announced %v: pass %v, want %v", i, r.warnings, r.announced, got, r.want)
		}
	}
	up := &Evidence{Outcome: Up.String(), Detail: Detail{Warnings: []string{"31 days"}, StatusLine: "200 OK"}}
	if got := up.Summary(); got != "31 days" {
		t.Errorf("summary: got %q, want the warning", got)
	}
}

// TestEvidenceGateIsBounded: with more checks than it can know, it knows the most recent.
func TestEvidenceGateIsBounded(t *testing.T) {
	var g EvidenceGate
	for i := range 3 * gateSize {
		g.Pass(Result{Check: fmt.Sprint(i), Outcome: Up}, &Evidence{}, epoch)
	}
	if n := len(g.recent) + len(g.older); n > 2*gateSize {
		t.Errorf("%d checks are remembered, want at most %d", n, 2*gateSize)
	}
	if g.Pass(Result{Check: fmt.Sprint(3*gateSize - 1), Outcome: Up}, &Evidence{}, epoch.Add(time.Second)) {
		t.Error("the last check was forgotten")
	}
}

func TestPanicEvidenceIsBounded(t *testing.T) {
	var deep func(n int) Attempt
	deep = func(n int) (a Attempt) {
		if n > 0 {
			return deep(n - 1)
		}
		defer func() { a = panicked(recover()) }()
		panic(strings.Repeat("x", 1<<20))
	}
	if n := len(deep(1000).Detail.Error); n > 10<<10 {
		t.Errorf("the evidence of a panic takes %d bytes", n)
	}
}
