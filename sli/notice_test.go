package sli_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// burns is a report on an SLO of 30 days with these rates, long and short of each pair; negative ones are undefined.
func burns(decision string, rates ...float64) sli.SLOReport {
	r := sli.SLOReport{Name: "shop", Decided: new(1.0), Decision: sli.Decision{Decision: decision, Sentence: "Because."}, Budget: sli.Budget{Left: new(0.4)}}
	rate := func(x float64) *float64 {
		if x < 0 {
			return nil
		}
		return &x
	}
	for i, b := range sli.BurnWindows(30*24*3600e9, 60e9) {
		x := sli.BurnRate{LongSeconds: b.Long.Seconds(), ShortSeconds: b.Short.Seconds(), Factor: b.Factor, Severity: b.Severity, Long: rate(rates[2*i]), Short: rate(rates[2*i+1])}
		x.Alert = x.Long != nil && x.Short != nil && *x.Long >= b.Factor && *x.Short >= b.Factor
		r.Burn = append(r.Burn, x)
	}
	return r
}

// TestNotices: each severity burns while one of its pairs does, in both its windows; what nothing is known of does not; and the
// sentences say why.
func TestNotices(t *testing.T) {
	const calm = "The error budget is being spent at "
	for _, x := range []struct {
		name   string
		report sli.SLOReport
		want   []string // state, whether it alerts, sentence; of the decision, of pages, of tickets
	}{
		{"nothing burns", burns("ok", 0, 0, 0, 0, 0, 0, 0, 0), []string{
			"decision ok false Because.",
			"burn_rate ok false " + calm + "0.0× over 1h and 0.0× over 5m, and at 0.0× over 6h and 0.0× over 30m: not too fast.",
			"burn_rate ok false " + calm + "0.0× over 24h and 0.0× over 2h, and at 0.0× over 72h and 0.0× over 6h: not too fast.",
		}},
		{"the first pair, and the fourth", burns("watch", 14.4, 20, 5.9, 9, 2, 2, 1, 1.25), []string{
			"decision watch false Because.",
			"burn_rate burning true " + calm + "14.4× over 1h and 20.0× over 5m, where 14.4× is too fast; 40.00% of the budget is left.",
			"burn_rate burning true " + calm + "1.0× over 72h and 1.2× over 6h, where 1× is too fast; 40.00% of the budget is left.",
		}},
		{"it was, and is not any more", burns("investigate", 20, 1, 7, 5, 3, 2.9, 0.9, 3), []string{
			"decision investigate true Because.",
			"burn_rate ok false " + calm + "20.0× over 1h and 1.0× over 5m, and at 7.0× over 6h and 5.0× over 30m: not too fast.",
			"burn_rate ok false " + calm + "3.0× over 24h and 2.9× over 2h, and at 0.9× over 72h and 3.0× over 6h: not too fast.",
		}},
		{"undefined", burns("undecided", -1, 20, 20, -1, -1, -1, 1, 1), []string{
			"decision undecided true Because.",
			"burn_rate ok false " + calm + "– over 1h and 20.0× over 5m, and at 20.0× over 6h and – over 30m: not too fast.",
			"burn_rate burning true " + calm + "1.0× over 72h and 1.0× over 6h, where 1× is too fast; 40.00% of the budget is left.",
		}},
	} {
		var got []string
		for _, n := range sli.Notices([]sli.SLOReport{x.report}) {
			got = append(got, fmt.Sprint(n.Kind, " ", n.State, " ", n.Alerts(n.State), " ", n.Sentence))
		}
		if d := cmp.Diff(x.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, d)
		}
	}
	fresh := burns("undecided", 0, 0, 0, 0, 0, 0, 0, 0)
	fresh.Decided = nil
	if got := sli.Notices([]sli.SLOReport{fresh}); len(got) != 0 {
		t.Errorf("of an SLO of which nothing was due yet: got %+v, want nothing", got)
	}
}

// TestEveryDecisionIsClassified: of all decisions these three alert, and a new one must be thought about.
func TestEveryDecisionIsClassified(t *testing.T) {
	got := map[string]bool{}
	for _, d := range sli.Decisions() {
		got[d] = sli.Matter{Kind: sli.NoticeDecision}.Alerts(d)
	}
	want := map[string]bool{"ok": false, "undecided": true, "watch": false, "investigate": true, "exhausted": true}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("decisions that alert (-want +got):\n%s", d)
	}
}

// TestFaultNotices: one notice of all faults of a prober, another of those of its region.
func TestFaultNotices(t *testing.T) {
	got := sli.FaultNotices([]sli.Fault{{"tokyo", "p1", "it is blind"}, {"tokyo", "", "it is an island"}, {"tokyo", "p1", "its clock is off"}})
	want := []sli.Notice{
		{Matter: sli.Matter{Kind: "fault", Severity: "ticket", Region: "tokyo", Prober: "p1"}, State: "faulty", Sentence: "it is blind; its clock is off"},
		{Matter: sli.Matter{Kind: "fault", Severity: "ticket", Region: "tokyo"}, State: "faulty", Sentence: "it is an island"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
