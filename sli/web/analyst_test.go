package web

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// oracle is an Analyst that remembers what it was asked.
type oracle struct {
	slos    []sli.SLOReport
	err     error
	calls   int
	quorum  sli.Quorum
	query   sli.Query
	lengths []time.Duration
	period  sli.Period
}

func (o *oracle) SLOs(context.Context, time.Time) ([]sli.SLOReport, error) {
	o.calls++
	return o.slos, o.err
}

func (o *oracle) Incidents(_ context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Incident, error) {
	o.query, o.quorum = q, quorum
	return []sli.Incident{{Check: "shop"}}, nil
}

func (o *oracle) Certainties(_ context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Certainty, error) {
	o.query, o.quorum = q, quorum
	return []sli.Certainty{{Check: "shop"}}, nil
}

func (o *oracle) Uptimes(_ context.Context, q sli.Query, lengths []time.Duration) ([]sli.UptimeReport, error) {
	o.query, o.lengths = q, lengths
	return nil, nil
}

func (o *oracle) Steps(_ context.Context, q sli.Query, p sli.Period) ([]sli.Report, error) {
	o.query, o.period = q, p
	if _, err := p.Cuts(0, q.Window.Milliseconds()); err != nil {
		return nil, err
	}
	return []sli.Report{{Check: "shop"}}, nil
}

func (o *oracle) SLONames() []string { return []string{"a", "b"} }

func (o *oracle) SLOHistory(_ context.Context, names []string, q sli.Query, p sli.Period) ([]sli.SLOPoint, error) {
	o.query, o.period = q, p
	if _, err := p.Cuts(0, q.Window.Milliseconds()); err != nil {
		return nil, err
	}
	return []sli.SLOPoint{{SLOReport: standing(strings.Join(names, "+")), Step: sli.SLOStep{From: noon}}}, nil
}

// standing is an SLO's report with defined figures.
func standing(name string) sli.SLOReport {
	sliRatio, left, rate := 0.99, 0.5, 2.0
	return sli.SLOReport{
		Name: name, Objective: 0.98, AsOf: noon, SLI: &sliRatio, Budget: sli.Budget{Left: &left},
		Burn: []sli.BurnRate{{LongSeconds: 3600, ShortSeconds: 300, Long: &rate}}, Decision: sli.Decision{Decision: "watch"},
	}
}

func TestAnalystAPI(t *testing.T) {
	m, catalog := scene()
	o := &oracle{slos: []sli.SLOReport{standing("a"), standing("b")}}
	h := NewHandler(Options{Source: m, Analyst: o, Catalog: func() []Check { return catalog }, Now: func() time.Time { return noon }})
	for _, x := range []struct {
		name, path string
		status     int
		says       string
	}{
		{"all SLOs", "slos", 200, `"slo":"b"`},
		{"one", "slos?slo=a", 200, `"slo":"a"`},
		{"an unknown one", "slos?slo=c", 400, `there is no slo`},
		{"a typo", "slos?sol=a", 400, `"nearest":"slo"`},
		{"incidents", "incidents?window=28d&check=shop&quorum=2", 200, `"check":"shop"`},
		{"certainty", "certainty?window=28d&check=shop&quorum=2", 200, `"check":"shop"`},
		{"a bad quorum", "incidents?quorum=half", 400, "wanted a number of regions, a percentage of them, all or any"},
		{"of an unknown check", "incidents?check=shopp", 400, `did you mean \"shop\"?`},
		{"uptime", "uptime?length=5m&length=1h&window=7d", 200, `"items":[]`},
		{"a bad length", "uptime?length=soon", 400, "want a length such as 90s"},
		{"too many lengths", "uptime?" + strings.Repeat("length=5m&", 101) + "window=1h", 400, "given too often"},
	} {
		t.Run(x.name, func(t *testing.T) {
			status, got := tryOn(t, h, "GET", "/api/v1/"+x.path, "")
			if status != x.status || !strings.Contains(got, x.says) {
				t.Errorf("got %d %s, want %d and %s", status, got, x.status, x.says)
			}
		})
	}
	if o.quorum != (sli.Quorum{Count: 2}) || len(o.lengths) != 2 || o.lengths[1] != time.Hour {
		t.Errorf("asked for quorum %+v and lengths %v, want 2, 5m and 1h", o.quorum, o.lengths)
	}
}

// Gauges are worked out at most every ten seconds, keep their values through a fault, and are NaN where nothing is defined.
func TestSLOCollector(t *testing.T) {
	o := &oracle{slos: []sli.SLOReport{standing("a"), {Name: "new", Objective: 0.9, AsOf: noon, Burn: []sli.BurnRate{{LongSeconds: 3600, ShortSeconds: 300}}, Decision: sli.Decision{Decision: "undecided"}}}}
	c := NewSLOCollector(o)
	now := noon
	c.now = func() time.Time { return now }
	figures := func() string {
		got := scrape(t, c)
		var parts []string
		for _, name := range []string{
			`budget_remaining_ratio{slo="a"}`, `budget_remaining_ratio{slo="new"}`, `burn_rate{slo="a",window="1h"}`, `burn_rate{slo="a",window="5m"}`,
			`decision{decision="watch",slo="a"}`, `decision{decision="ok",slo="a"}`, `read_failures_total{}`,
		} {
			v, ok := got["gaikei_slo_"+name]
			if !ok {
				parts = append(parts, "-")
				continue
			}
			parts = append(parts, fmt.Sprint(v))
		}
		return strings.Join(parts, " ")
	}
	want := func(what, want string) {
		t.Helper()
		if got := figures(); got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	want("at first", "0.5 NaN 2 NaN 1 0 0")
	want("at once again", "0.5 NaN 2 NaN 1 0 0")
	if o.calls != 1 {
		t.Errorf("worked out %d times within ten seconds, want once", o.calls)
	}
	o.err, now = context.DeadlineExceeded, now.Add(time.Minute)
	want("after a fault", "0.5 NaN 2 NaN 1 0 1")
	o.err, o.slos, now = nil, o.slos[:1], now.Add(time.Minute)
	want("one is gone", "0.5 - 2 NaN 1 0 1")
}

// The front page tells what to decide, and does not work it out for every reader.
func TestFrontPageTellsDecisions(t *testing.T) {
	m, catalog := scene()
	worse := standing("checkout")
	left, spent, total := -0.5, 90.0, 60.0
	worse.Budget = sli.Budget{Left: &left, SpentSeconds: &spent, TotalSeconds: &total}
	worse.Decision = sli.Decision{Decision: "exhausted", Sentence: "Availability is <b>not</b> above the objective.", Changed: "It was ok."}
	fresh := sli.SLOReport{Name: "fresh", Objective: 0.9, Indicator: "latency", Decision: sli.Decision{Decision: "undecided", Sentence: "Nothing came to a verdict."}}
	o := &oracle{slos: []sli.SLOReport{worse, fresh}}
	h := NewHandler(Options{Source: m, Analyst: o, Catalog: func() []Check { return catalog }, Now: func() time.Time { return m.now }})
	for range 2 {
		status, page := tryOn(t, h, "GET", "/", "")
		for _, want := range []string{
			"What to decide", `<li id="slo-checkout" class="none"><span>checkout</span> <b>exhausted</b>`, "Availability is &lt;b&gt;not&lt;/b&gt; above the objective.",
			"90 s of 60 s of full outage are spent", `<li id="slo-fresh" class="part"><span>fresh</span> <b>undecided</b>`, "latency, objective 90%",
		} {
			if status != 200 || !strings.Contains(page, want) {
				t.Fatalf("front page, status %d: want %q in\n%.2000s", status, want, page)
			}
		}
	}
	if o.calls != 1 {
		t.Errorf("worked out %d times for two readers at once, want once", o.calls)
	}
}

func TestOutageText(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0 s", 90: "90 s", 2419.2: "40.3 min", 40_000: "11.1 h", 3_000_000: "833.3 h"} {
		if got := outage(seconds); got != want {
			t.Errorf("%v: got %s, want %s", seconds, got, want)
		}
	}
}
