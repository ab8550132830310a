package sli_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

func TestBurnWindows(t *testing.T) {
	for _, tc := range []struct {
		length time.Duration
		want   string
	}{
		{30 * 24 * time.Hour, "1h0m0s/5m0s 6h0m0s/30m0s 24h0m0s/2h0m0s 72h0m0s/6h0m0s"},
		{28 * 24 * time.Hour, "56m0s/5m0s 5h36m0s/28m0s 22h24m0s/1h52m0s 67h12m0s/5h36m0s"},
		{7 * 24 * time.Hour, "14m0s/1m0s 1h24m0s/7m0s 5h36m0s/28m0s 16h48m0s/1h24m0s"},
		{time.Hour, "1m0s/1m0s 1m0s/1m0s 2m0s/1m0s 6m0s/1m0s"},
	} {
		var got []string
		for _, b := range sli.BurnWindows(tc.length, time.Second) {
			got = append(got, b.Long.String()+"/"+b.Short.String())
		}
		if text := strings.Join(got, " "); text != tc.want {
			t.Errorf("%v: got %s, want %s", tc.length, text, tc.want)
		}
	}
}

// lineOf is the leaf of a blend, of slots one by one.
func lineOf(slots []sli.Slot, w sli.SLOWindow) *sli.Blend {
	b := &sli.Blend{Line: make([]sli.Amount, len(w.Cuts)-1)}
	for i := range b.Line {
		var t sli.Tally
		for _, s := range slots {
			if s.At >= w.Cuts[i] && s.At < w.Cuts[i+1] {
				t.Add(s, nil)
			}
		}
		b.Line[i] = t.Amount(sli.Measure{Indicator: sli.IndicatorAvailability})
	}
	return b
}

// Every figure of a report, worked out from single slots with rational numbers.
func TestSLOReportAgainstOracle(t *testing.T) {
	asOf := time.Date(2026, 11, 28, 13, 40, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		o := sli.SLO{Name: "s", Indicator: "availability", Combine: sli.Combine{Rule: "pooled"}, Timezone: "UTC"}
		tenths := rapid.Int64Range(500, 999).Draw(t, "objective")
		objective := big.NewRat(tenths, 1000)
		f, _ := objective.Float64()
		o.Objective = sli.Ratio(f)
		if rapid.Bool().Draw(t, "calendar") {
			o.Calendar = "day"
		} else {
			o.Window = time.Duration(rapid.IntRange(1, 12).Draw(t, "hours")) * time.Hour
		}
		w, err := o.WindowAt(asOf, 5*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var slots []sli.Slot
		for at := w.Cuts[0] + 7; at < w.To; at += 300_000 {
			outcome := rapid.SampledFrom([]sli.Outcome{sli.Up, sli.Up, sli.Up, sli.Up, sli.Down, sli.Inconclusive}).Draw(t, "outcome")
			slots = append(slots, sli.Slot{At: at, Cell: 300_000, Outcome: outcome, Latency: sli.NoLatency})
		}
		b := lineOf(slots, w)
		b.Still = float64(w.End - w.To)
		r := sli.NewSLOReport(&o, w, b, nil)

		allowed := new(big.Rat).Sub(big.NewRat(1, 1), objective)
		sum := func(from, to int64, is ...sli.Outcome) *big.Rat {
			n := int64(0)
			for _, s := range slots {
				for _, x := range is {
					if s.At >= from && s.At < to && s.Outcome == x {
						n += s.Cell
					}
				}
			}
			return big.NewRat(n, 1)
		}
		over := func(a, b *big.Rat) *float64 { return quotient(a, b) }
		good, bad, none := sum(w.From, w.To, sli.Up), sum(w.From, w.To, sli.Down), sum(w.From, w.To, sli.Inconclusive)
		valid, due := new(big.Rat).Add(good, bad), sum(w.From, w.To, sli.Up, sli.Down, sli.Inconclusive)
		base := new(big.Rat).Set(valid)
		if o.Calendar != "" {
			base.Add(base, big.NewRat(w.End-w.To, 1))
		}
		var left *float64
		if valid.Sign() > 0 {
			left = over(new(big.Rat).Sub(new(big.Rat).Mul(allowed, base), bad), new(big.Rat).Mul(allowed, base))
		}
		approx := cmpopts.EquateApprox(1e-9, 1e-12)
		for _, x := range []struct {
			what      string
			want, got *float64
		}{
			{"SLI", over(good, valid), r.SLI},
			{"if undecided bad", over(good, due), r.IfUndecidedBad},
			{"if undecided good", over(new(big.Rat).Add(good, none), due), r.IfUndecidedGood},
			{"decided", over(valid, due), r.Decided},
			{"before", over(sum(w.Before[0], w.Before[1], sli.Up), sum(w.Before[0], w.Before[1], sli.Up, sli.Down)), r.Before},
			{"budget left", left, r.Budget.Left},
		} {
			if d := cmp.Diff(x.want, x.got, approx); d != "" {
				t.Fatalf("%s (-want +got):\n%s", x.what, d)
			}
		}
		// Source: design: with a rolling window nothing is left exactly if the SLI is not above the objective.
		if o.Calendar == "" && valid.Sign() > 0 && (new(big.Rat).Quo(good, valid).Cmp(objective) > 0) != (*r.Budget.Left > 0) {
			t.Fatalf("SLI %v, objective %v, left %v", *r.SLI, o.Objective, *r.Budget.Left)
		}
		for i, x := range w.Burns {
			for _, y := range []struct {
				of  time.Duration
				got *float64
			}{{x.Long, r.Burn[i].Long}, {x.Short, r.Burn[i].Short}} {
				from := w.To - y.of.Milliseconds()
				want := over(sum(from, w.To, sli.Down), new(big.Rat).Mul(allowed, sum(from, w.To, sli.Up, sli.Down)))
				if d := cmp.Diff(want, y.got, approx); d != "" {
					t.Fatalf("burn over %v (-want +got):\n%s", y.of, d)
				}
			}
		}
		if left != nil && *left > 0 && *r.Budget.SpentSeconds > *r.Budget.TotalSeconds {
			t.Fatalf("left %v, and spent %v s of %v s", *left, *r.Budget.SpentSeconds, *r.Budget.TotalSeconds)
		}
	})
}

// leaf is a blend of one amount, in the only window there is.
func leaf(name string, weight, good, bad, none float64) sli.Blend {
	return sli.Blend{Name: name, Weight: weight, Line: []sli.Amount{{Good: good, Bad: bad, None: none}}}
}

func TestBlend(t *testing.T) {
	tokyo, frankfurt := leaf("tokyo", 5, 90, 10, 0), leaf("frankfurt", 3, 50, 50, 0)
	blind, excluded := leaf("osaka", 1, 0, 40, 60), sli.Blend{Name: "office", Weight: 1, Line: []sli.Amount{{Excluded: 100}}}
	all := []sli.Blend{tokyo, frankfurt, blind, excluded}
	for _, tc := range []struct {
		name     string
		b        sli.Blend
		good     float64
		bad      float64
		standing string
	}{
		{"a leaf", tokyo, 90, 10, ""},
		{"pooled by weight", sli.Blend{Parts: all}, 5*90 + 3*50, 5*10 + 3*50 + 40, ""},
		{"the worst that is decided enough", sli.Blend{Worst: true, Parts: all}, 50, 50, "frankfurt"},
		{"the worst of none", sli.Blend{Worst: true, Parts: []sli.Blend{blind, excluded}}, 0, 0, ""},
		{"the worst check in its worst region", sli.Blend{Worst: true, Parts: []sli.Blend{
			{Name: "shop", Worst: true, Parts: all}, {Name: "blog", Worst: true, Parts: []sli.Blend{leaf("tokyo", 1, 99, 1, 0)}},
		}}, 50, 50, "shop in frankfurt"},
		{"nothing", sli.Blend{Parts: []sli.Blend{}}, 0, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, standing := tc.b.Between(0, 1)
			if a.Good != tc.good || a.Bad != tc.bad || standing != tc.standing {
				t.Errorf("got %v good, %v bad of %q, want %v, %v of %q", a.Good, a.Bad, standing, tc.good, tc.bad, tc.standing)
			}
		})
	}
}

// What is undecided in one region can make it the worst: the bounds are those of whichever would be.
func TestBoundsOfTheWorst(t *testing.T) {
	o := sli.SLO{Name: "s", Indicator: "availability", Combine: sli.Combine{Rule: "worst"}, Objective: 0.99, Window: time.Hour}
	w, err := o.WindowAt(time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	part := func(name string, good, bad, none float64) sli.Blend {
		b := leaf(name, 1, 0, 0, 0)
		b.Line = append(make([]sli.Amount, len(w.Cuts)-2), sli.Amount{Good: good, Bad: bad, None: none})
		return b
	}
	for _, tc := range []struct {
		a, b                          sli.Blend
		ratio, ifBad, ifGood, decided float64
		decision                      string
	}{
		{part("a", 995, 5, 0), part("b", 599.4, 0.6, 400), 0.995, 0.5994, 0.995, 0.6, "undecided"},
		{part("a", 990, 10, 0), part("b", 593, 7, 400), 593.0 / 600, 0.593, 0.99, 0.6, "exhausted"},
		{part("a", 999, 1, 0), part("b", 0, 0, 400), 0.999, 0, 0.999, 0, "undecided"},
	} {
		r := sli.NewSLOReport(&o, w, &sli.Blend{Worst: true, Parts: []sli.Blend{tc.a, tc.b}}, nil)
		want := []float64{tc.ratio, tc.ifBad, tc.ifGood, tc.decided}
		got := []float64{*r.SLI, *r.IfUndecidedBad, *r.IfUndecidedGood, *r.Decided}
		if d := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0)); d != "" || r.Decision.Decision != tc.decision {
			t.Errorf("SLI, bounds and decided (-want +got), %s, want %s:\n%s", r.Decision.Decision, tc.decision, d)
		}
	}
}

// The budget in seconds is as a clock shows it, however many regions are pooled and whatever they weigh.
func TestBudgetIsInTimeOfTheClock(t *testing.T) {
	o := sli.SLO{Name: "s", Indicator: "availability", Combine: sli.Combine{Rule: "pooled"}, Objective: 0.99, Window: time.Hour}
	w, err := o.WindowAt(time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	line := func(weight, bad float64) sli.Blend {
		b := sli.Blend{Weight: weight}
		for i := range len(w.Cuts) - 1 {
			b.Line = append(b.Line, sli.Amount{Good: float64(w.Cuts[i+1]-w.Cuts[i]) * (1 - bad), Bad: float64(w.Cuts[i+1]-w.Cuts[i]) * bad})
		}
		return b
	}
	for _, parts := range [][]sli.Blend{{line(1, 0.005)}, {line(5, 0.005), line(3, 0.005)}, {line(1, 0.01), line(1, 0)}} {
		r := sli.NewSLOReport(&o, w, &sli.Blend{Parts: parts}, nil)
		if total, spent := *r.Budget.TotalSeconds, *r.Budget.SpentSeconds; total < 35.999 || total > 36.001 || spent < 17.999 || spent > 18.001 {
			t.Errorf("%d regions: %v s of %v s are spent, want 18 s of 36 s", len(parts), spent, total)
		}
	}
}

func TestDecisions(t *testing.T) {
	for _, tc := range []struct {
		name                string
		before, now         sli.Amount // good, bad, none
		policy              []sli.Step
		decision, says, was string
	}{
		{
			"better",
			sli.Amount{Good: 9990, Bad: 10},
			sli.Amount{Good: 9998, Bad: 2},
			nil, "ok",
			"Availability is 99.98%, better than 99.90% in the window before, above the objective of 99.9%: 80.00% of the budget is left. No action.",
			"The window before came to 99.90%, with 0% of the budget left: exhausted.",
		},
		{
			"a bit worse",
			sli.Amount{Good: 9999, Bad: 1},
			sli.Amount{Good: 9997, Bad: 3},
			nil, "ok",
			"Availability is 99.97%, worse than 99.99% in the window before, above the objective of 99.9%: 70.00% of the budget is left. Worse, but inside the objective: no action.",
			"The window before came to 99.99%, with 90.00% of the budget left: ok.",
		},
		{
			"loose policy",
			sli.Amount{},
			sli.Amount{Good: 9994, Bad: 6},
			[]sli.Step{{BudgetBelow: 0.5, Decide: "investigate"}},
			"investigate",
			"Availability is 99.94%, above the objective of 99.9%: 40.00% of the budget is left. Less than 50% is left, so the policy says: investigate.",
			"Nothing is known of the window before.",
		},
		{
			"spent",
			sli.Amount{Good: 9998, Bad: 2},
			sli.Amount{Good: 9980, Bad: 20},
			nil, "exhausted",
			"Availability is 99.80%, worse than 99.98% in the window before, not above the objective of 99.9%: the budget is spent 2.0 times. Nothing is left, so the policy says: exhausted.",
			"The window before came to 99.98%, with 80.00% of the budget left: ok.",
		},
		{
			"worse by less than is shown",
			sli.Amount{Good: 999_590, Bad: 410},
			sli.Amount{Good: 999_580, Bad: 420},
			nil, "ok",
			"Availability is 99.95%, about as in the window before, above the objective of 99.9%: 58.00% of the budget is left. No action.",
			"The window before came to 99.95%, with 59.00% of the budget left: ok.",
		},
		{
			"too little is known",
			sli.Amount{},
			sli.Amount{Good: 7000, None: 3000},
			nil, "undecided",
			"Availability is 100% of what was decided, but only 70.00% of the time was: had the rest been bad it would be exhausted, had it been good, ok.",
			"Nothing is known of the window before.",
		},
		{
			"enough is known to go by it",
			sli.Amount{},
			sli.Amount{Good: 9500, None: 500},
			nil, "ok",
			"Availability is 100%, above the objective of 99.9%: 100% of the budget is left. No action. That is as observed: 95.00% of the time was decided, and had the rest been bad it would be exhausted, had it been good, ok.", "Nothing is known of the window before.",
		},
		{
			"either way",
			sli.Amount{},
			sli.Amount{Good: 4000, Bad: 1000, None: 5000},
			nil, "exhausted",
			"Availability is 80.00%, not above the objective of 99.9%: the budget is spent 200 times. Nothing is left, so the policy says: exhausted.", "Nothing is known of the window before.",
		},
		{"nothing", sli.Amount{}, sli.Amount{None: 100, Excluded: 50}, nil, "undecided", "Nothing came to a verdict in this window, so nothing can be said.", "Nothing is known of the window before."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := sli.SLO{Name: "s", Indicator: "availability", Combine: sli.Combine{Rule: "pooled"}, Objective: 0.999, Window: time.Hour, Policy: tc.policy}
			w, err := o.WindowAt(time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			b := &sli.Blend{Line: make([]sli.Amount, len(w.Cuts)-1)}
			b.Line[0] = tc.before
			b.Line[1] = tc.now
			r := sli.NewSLOReport(&o, w, b, nil)
			want := sli.Decision{Decision: tc.decision, Sentence: tc.says, Changed: tc.was}
			if d := cmp.Diff(want, r.Decision); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// When the budget will be spent is told only if it will be before the window is over: a calendar's budget begins anew, and of a window
// that rolls along what was spent rolls out.
func TestExhaustion(t *testing.T) {
	month := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name     string
		o        sli.SLO
		bad, day float64 // ms of bad time before the last burn window, and in it
		valid    float64 // ms of all valid time
		want     *float64
	}{
		{"a day of thirty at twice the rate", sli.SLO{Window: 30 * 24 * time.Hour}, 0, 0.02 * days, 30 * days, new(30 * 86400 * (1 - 2.0/30) / 2)},
		{"slow enough to roll out", sli.SLO{Window: 30 * 24 * time.Hour}, 0, 0.005 * days, 30 * days, nil},
		{"nothing is spent", sli.SLO{Window: 30 * 24 * time.Hour}, 0, 0, 30 * days, nil},
		{"all is spent, and nothing more is", sli.SLO{Window: 30 * 24 * time.Hour}, 0.4 * days, 0, 30 * days, new(0.0)},
		// 28 of 30 days are over, and half of the budget is left: at the rate of 4 it lasts for 3.75 days, of which two come.
		{"a month that is nearly over", sli.SLO{Calendar: "month"}, 0.11 * days, 0.04 * days, 28 * days, nil},
		{"a month that ends too late", sli.SLO{Calendar: "month"}, 0.05 * days, 0.2 * days, 28 * days, new(0.05 / 0.2 * 86400)},
		// The check began two days ago: its budget is for four days, and three quarters are spent.
		{"a check that began in mid-month", sli.SLO{Calendar: "month"}, 0, 0.03 * days, 2 * days, new(0.01 / 0.03 * 86400)},
	} {
		o := tc.o
		o.Name, o.Indicator, o.Objective, o.Timezone, o.Combine = "s", "availability", 0.99, "UTC", sli.Combine{Rule: "pooled"}
		w, err := o.WindowAt(month, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		b := &sli.Blend{Line: make([]sli.Amount, len(w.Cuts)-1), Still: float64(w.End - w.To)}
		for i := range b.Line {
			switch w.Cuts[i] {
			case w.From:
				b.Line[i] = sli.Amount{Bad: tc.bad, Good: tc.valid - tc.bad - days}
			case w.To - w.Burns[2].Long.Milliseconds():
				b.Line[i] = sli.Amount{Bad: tc.day, Good: days - tc.day}
			}
		}
		r := sli.NewSLOReport(&o, w, b, nil)
		if d := cmp.Diff(tc.want, r.Exhaustion, cmpopts.EquateApprox(1e-6, 0)); d != "" {
			t.Errorf("%s: left %v at %v (-want +got):\n%s", tc.name, *r.Budget.Left, *r.Burn[2].Long, d)
		}
	}
}

const days = 24 * 3_600_000.0
