package web

import (
	"fmt"
	"math"
	"strings"

	"github.com/gaikei/gaikei/sli"
)

// A figure is a number as the page shows it. An undefined one is a dash and the reason, never 0 % or 100 %.
type figure struct {
	Text    string
	Why     string // the reason if undefined; else what is behind the number. May be empty
	Defined bool
}

const dash = "—"

func undefined(why string) figure { return figure{Text: dash, Why: why} }

// availability of a report, with the bounds if all undecided time had been bad, or good.
func availability(r *sli.Report) figure {
	a := r.Availability
	if a.Ratio == nil {
		return undefined(whyNone(r) + asObserved(r))
	}
	why := fmt.Sprintf("%d good, %d bad", r.Slots.Good, r.Slots.Bad)
	if a.IfUndecidedBad != nil && a.IfUndecidedGood != nil && *a.IfUndecidedBad != *a.IfUndecidedGood {
		why += fmt.Sprintf("; %s to %s, had all undecided time been bad or good", formatRatio(*a.IfUndecidedBad), formatRatio(*a.IfUndecidedGood))
	}
	return figure{Text: formatRatio(*a.Ratio), Why: why + asObserved(r), Defined: true}
}

// asObserved tells what the availability would be without corrections, if there are any.
func asObserved(r *sli.Report) string {
	switch o := r.Observed; {
	case o == nil:
		return ""
	case o.Availability.Ratio == nil:
		return "; undefined as observed, before corrections"
	default:
		return fmt.Sprintf("; %s as observed, before corrections", formatRatio(*o.Availability.Ratio))
	}
}

// coverage of a report: how much of the due time produced a verdict.
func coverage(r *sli.Report) figure {
	if r.Coverage == nil {
		return undefined("no slot was due")
	}
	return figure{Text: formatRatio(*r.Coverage), Why: undecided(r.Slots), Defined: true}
}

// proberSLI is the share of due time for which a region came to a verdict.
func proberSLI(r *sli.ProberReport) figure {
	if r.Ratio == nil {
		return undefined("no slot was due")
	}
	return figure{Text: formatRatio(*r.Ratio), Why: undecided(r.Slots), Defined: true}
}

// quantile of the latency, q as the report names it: "0.95".
func quantile(r *sli.Report, q string) figure {
	v := r.Latency.Quantiles[q]
	switch {
	case v != nil && math.IsInf(float64(*v), 1):
		return figure{Text: "∞", Why: "failed slots count as infinitely slow", Defined: true}
	case v != nil:
		return figure{Text: formatSeconds(*v), Why: fmt.Sprintf("of %d slots", r.Latency.Count), Defined: true}
	case r.Latency.Count > 0:
		return undefined(fmt.Sprintf("%d slots are too few", r.Latency.Count))
	case r.Outcomes.ExpectedUnreachable+r.Outcomes.Unexpected > 0:
		return undefined("expected unreachable: no latency")
	}
	return undefined(whyNone(r))
}

// fast is the share of slots under the latency threshold.
func fast(r *sli.Report) figure {
	l := r.Latency
	switch {
	case l.UnderSeconds == nil:
		return undefined("no threshold is set")
	case l.Ratio == nil:
		return undefined("no slot has a latency")
	}
	return figure{
		Text:    formatRatio(*l.Ratio),
		Why:     fmt.Sprintf("under %s, of %d slots", formatSeconds(sli.Value(*l.UnderSeconds)), l.Count),
		Defined: true,
	}
}

// whyNone says why nothing can be said about a target.
func whyNone(r *sli.Report) string {
	s := r.Slots
	switch {
	case s.Scheduled == 0:
		return "no slot was due"
	case s.Excluded == s.Scheduled:
		return "everything was excluded by " + causes(r.Excluded)
	}
	why := "no verdict: " + undecided(s)
	if s.Excluded > 0 {
		why += fmt.Sprintf(", %d excluded", s.Excluded)
	}
	return why
}

// causes names what excluded slots.
func causes(x sli.ExcludedCounts) string {
	var names []string
	for _, c := range []struct {
		n    int64
		name string
	}{{x.Maintenance, "maintenance"}, {x.Announced, "maintenance that the target announced"}, {x.Correction, "corrections"}} {
		if c.n > 0 {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, " or ")
}

// undecided lists the slots without a verdict, but for those excluded: coverage is as observed.
func undecided(s sli.SlotCounts) string {
	var parts []string
	for _, c := range []struct {
		n    int64
		name string
	}{{s.Inconclusive, "inconclusive"}, {s.Missed, "missed"}, {s.NoData, "no data"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.name))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("of %d slots", s.Scheduled)
	}
	return strings.Join(parts, ", ")
}
