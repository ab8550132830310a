package review

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// How many rows tables have: who wants all of them asks for them.
const (
	mostIncidents = 10
	mostSteps     = 5
	mostPlaces    = 12
)

// enough is how much of the time must have come to a verdict for nobody to ask why.
const enough = 0.9

func section(in Input, c *Case, i int) Section {
	x := c.now()
	s := Section{
		Name: x.Name, Anchor: anchor(i), Decision: x.Decision.Decision, About: about(&x.SLOReport),
		Sentences: []string{x.Decision.Sentence, x.Decision.Changed},
		Facts:     facts(&x.SLOReport),
		Chart:     newChart(c.History),
		Blocks:    []Block{worstSteps(c), worstWindows(c), fast(c), incidents(c), corrections(c), coverage(in, c), certainty(c)},
		Proposals: proposals(c),
	}
	s.Blocks = slices.DeleteFunc(s.Blocks, func(b Block) bool { return len(b.Rows)+len(b.Notes) == 0 })
	return s
}

// about says what the SLO promises.
func about(r *sli.SLOReport) string {
	window := "the last " + duration(r.To.Sub(r.From).Seconds())
	if r.Calendar != nil {
		window = "the " + *r.Calendar + " from " + short(r.From) + " on"
	}
	text := fmt.Sprintf("%s of %s, %s, over %s; objective %s", capital(r.Indicator), names(r.Checks), r.Combine, window, sli.Ratio(r.Objective))
	if r.Provisional {
		text += ", provisional"
	}
	return text + "."
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// names lists a few names, and how many more there are.
func names(all []string) string {
	const most = 4
	if len(all) > most+1 {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d more", len(all)-most)
	}
	return strings.Join(all, ", ")
}

func facts(r *sli.SLOReport) []Fact {
	fs := []Fact{
		{"SLI", sli.FormatRatio(r.SLI), "objective " + sli.Ratio(r.Objective).String()},
		{"Window before", sli.FormatRatio(r.Before), budgetNote(r.Budget.LeftBefore)},
		{"Budget left", left(r.Budget.Left), spentNote(r)},
		{"Burn rate", rate(r), "at 1× the budget lasts exactly for the window"},
	}
	if r.Standing != nil {
		fs[0].Note += "; of the worst, " + *r.Standing
	}
	if r.Observed != nil {
		fs = append(fs, Fact{"As observed", sli.FormatRatio(r.Observed), "before corrections"})
	}
	return fs
}

func budgetNote(x *float64) string {
	if x == nil {
		return "nothing is known of it"
	}
	return left(x) + " of its budget was left"
}

func spentNote(r *sli.SLOReport) string {
	b := &r.Budget
	if b.TotalSeconds == nil {
		return "nothing came to a verdict"
	}
	of := map[string]string{sli.IndicatorLatency: "slow or failed answers", sli.IndicatorProber: "not seeing"}[r.Indicator]
	return fmt.Sprintf("%s of %s of %s spent", duration(*b.SpentSeconds), duration(*b.TotalSeconds), cmp.Or(of, "full outage"))
}

// rate is the burn rate over the third window, which is a day of thirty.
func rate(r *sli.SLOReport) string {
	if len(r.Burn) < 3 || r.Burn[2].Long == nil {
		return sli.Undefined
	}
	return strconv.FormatFloat(*r.Burn[2].Long, 'f', 1, 64) + "×"
}

// worstWindows are the worst window of each length over all checks.
func worstWindows(c *Case) Block {
	b := Block{Title: "Worst availability", Head: []string{"Within", "Availability", "From (UTC)", "Check"}}
	type worst struct {
		sli.UptimePoint
		check string
	}
	var of []worst
	for _, u := range c.Uptimes {
		for _, p := range u.Points {
			if p.MCR == nil {
				continue
			}
			i := slices.IndexFunc(of, func(w worst) bool { return w.WindowSeconds == p.WindowSeconds })
			switch {
			case i < 0:
				of = append(of, worst{p, u.Check})
			case *p.MCR < *of[i].MCR:
				of[i] = worst{p, u.Check}
			}
		}
	}
	slices.SortStableFunc(of, func(a, b worst) int { return cmp.Compare(a.WindowSeconds, b.WindowSeconds) })
	for _, w := range of {
		if *w.MCR < 1 {
			b.Rows = append(b.Rows, []string{duration(w.WindowSeconds), sli.FormatRatio(w.MCR), short(*w.From), w.check})
		}
	}
	return b
}

// fast tells how long answers took, where that is what the SLO is about.
func fast(c *Case) Block {
	b := Block{Title: "How fast was it?", Head: []string{"Check", "P50", "P95", "P99", "Under the threshold"}}
	if c.now().Indicator != sli.IndicatorLatency {
		return b
	}
	for i := range c.Reports {
		r := &c.Reports[i]
		if r.Region != nil || len(b.Rows) == mostPlaces {
			continue
		}
		under := sli.Undefined
		if l := &r.Latency; l.UnderSeconds != nil {
			under = sli.FormatRatio(l.Ratio) + " < " + sli.FormatSeconds((*sli.Value)(l.UnderSeconds))
		}
		q := r.Latency.Quantiles
		b.Rows = append(b.Rows, []string{r.Check, sli.FormatSeconds(q["0.5"]), sli.FormatSeconds(q["0.95"]), sli.FormatSeconds(q["0.99"]), under})
	}
	return b
}

// worstSteps are the steps that spent most of the budget.
func worstSteps(c *Case) Block {
	b := Block{Title: "Where the budget went", Head: []string{"From (UTC)", "To", "SLI", "Budget spent"}}
	steps := slices.DeleteFunc(slices.Clone(c.History), func(p sli.SLOPoint) bool { return p.Step.Spent == nil || *p.Step.Spent <= 0 })
	slices.SortStableFunc(steps, func(a, b sli.SLOPoint) int { return cmp.Compare(*b.Step.Spent, *a.Step.Spent) })
	for _, p := range steps[:min(mostSteps, len(steps))] {
		b.Rows = append(b.Rows, []string{short(p.Step.From), short(p.To), sli.FormatRatio(p.Step.SLI), spent(*p.Step.Spent)})
	}
	if n := len(steps) - mostSteps; n > 0 {
		b.Notes = append(b.Notes, fmt.Sprintf("Less was spent in %d more.", n))
	}
	return b
}

// incidents are those that lasted longest, and whether nobody could tell.
func incidents(c *Case) Block {
	b := Block{Title: "Incidents", Head: []string{"From (UTC)", "Lasted", "Check", "Seen by", "Reasons", "Budget"}}
	list := slices.Clone(c.Incidents)
	slices.SortStableFunc(list, func(x, y sli.Incident) int { return cmp.Compare(y.BadSeconds, x.BadSeconds) })
	name := c.now().Name
	for i := range list[:min(mostIncidents, len(list))] {
		b.Rows = append(b.Rows, incident(&list[i], name))
	}
	if n := len(list) - mostIncidents; n > 0 {
		b.Notes = append(b.Notes, fmt.Sprintf("%s more, each of which lasted no longer.", plural(n, "incident")))
	}
	if len(list) == 0 {
		b.Notes = []string{"There was none."}
	}
	return b
}

func incident(x *sli.Incident, slo string) []string {
	lasted := duration(x.BadSeconds)
	if x.Outbreaks > 1 {
		lasted += fmt.Sprintf(" in %d outbreaks", x.Outbreaks)
	}
	if x.To == nil {
		lasted += ", goes on"
	}
	var regions []string
	for _, r := range x.Regions {
		regions = append(regions, r.Region)
	}
	budget := sli.Undefined
	if share, ok := x.BudgetSpent[slo]; ok {
		budget = spent(share)
	}
	if x.Kind == sli.IncidentUndecided {
		budget = "nobody could tell"
	}
	return []string{short(x.From), lasted, x.Check, names(regions), names(x.SortedReasons()), budget}
}

// corrections are those in force that touch the window, and what they changed within it.
func corrections(c *Case) Block {
	b := Block{Title: "Corrections", Head: []string{"From (UTC)", "For", "Counted", "Changed", "Reason", "Author"}}
	revoked := 0
	for i := range c.Corrections {
		x := &c.Corrections[i]
		if x.Revoked != nil {
			revoked++
			continue
		}
		counted := map[string]string{"exclude": "not at all"}[x.Effect]
		b.Rows = append(b.Rows, []string{
			short(x.From), duration(x.To.Sub(x.From).Seconds()), cmp.Or(counted, x.Effect), changed(x), x.Reason + " (" + x.Category + ")", x.Author,
		})
	}
	if r := c.now(); r.Observed != nil && r.SLI != nil {
		b.Notes = append(b.Notes, fmt.Sprintf("Over the SLO's window: %s as observed, %s as corrected.", sli.FormatRatio(r.Observed), sli.FormatRatio(r.SLI)))
	}
	if revoked > 0 {
		b.Notes = append(b.Notes, fmt.Sprintf("%s revoked and without effect.", plural(revoked, "more was")))
	}
	return b
}

// changed tells how the slots of the interval were counted before, and after.
func changed(x *Correction) string {
	var parts []string
	for i := range x.Reports {
		r := &x.Reports[i]
		if r.Region != nil || r.Observed == nil {
			continue
		}
		o, n := &r.Observed.Slots, &r.Slots
		text := fmt.Sprintf("%d bad → %d, %d good → %d", o.Bad, n.Bad, o.Good, n.Good)
		if o.Excluded != n.Excluded {
			text += fmt.Sprintf(", %d excluded → %d", o.Excluded, n.Excluded)
		}
		parts = append(parts, r.Check+": "+text)
	}
	if len(parts) == 0 {
		return "nothing in this window"
	}
	return names(parts)
}

// coverage tells how much of the time came to a verdict, from where; the least first.
func coverage(in Input, c *Case) Block {
	b := Block{Title: "Could we see it?", Head: []string{"Check", "Region", "Coverage", "Undecided slots", "Prober SLI of the region"}}
	probers := map[string]*float64{}
	for _, p := range in.Probers {
		probers[p.Region] = p.Ratio
	}
	list := slices.DeleteFunc(slices.Clone(c.Reports), func(r sli.Report) bool { return r.Region == nil || r.Coverage == nil })
	slices.SortStableFunc(list, func(x, y sli.Report) int { return cmp.Compare(*x.Coverage, *y.Coverage) })
	for i := range list[:min(mostPlaces, len(list))] {
		r := &list[i]
		undecided := r.Slots.Inconclusive + r.Slots.Missed + r.Slots.NoData
		b.Rows = append(b.Rows, []string{r.Check, *r.Region, sli.FormatRatio(r.Coverage), strconv.FormatInt(undecided, 10), sli.FormatRatio(probers[*r.Region])})
	}
	if n := len(list) - mostPlaces; n > 0 {
		b.Notes = append(b.Notes, fmt.Sprintf("%s with more.", plural(n, "timeline")))
	}
	r := c.now()
	if r.IfUndecidedBad != nil && r.IfUndecidedGood != nil && *r.IfUndecidedBad != *r.IfUndecidedGood {
		b.Notes = append(b.Notes, fmt.Sprintf("Had all undecided time been bad the SLI would be %s; had it been good, %s.", sli.FormatRatio(r.IfUndecidedBad), sli.FormatRatio(r.IfUndecidedGood)))
	}
	return b
}

// certainty tells how sure the figures of the checks are.
func certainty(c *Case) Block {
	b := Block{Title: "How sure is the availability?", Head: []string{"Check", "In the long run, by hours", "Were slots independent", "Bad time ±", "Outages seen from"}}
	for i := range c.Certainties[:min(mostPlaces, len(c.Certainties))] {
		x := &c.Certainties[i]
		seen := sli.Undefined
		if x.ShortestOutageSeconds != nil {
			seen = duration(*x.ShortestOutageSeconds)
		}
		by := map[string]string{}
		for _, iv := range x.Intervals {
			by[iv.Method] = "too few failures to say"
			if iv.Low != nil && iv.High != nil {
				by[iv.Method] = sli.FormatRatio(iv.Low) + " to " + sli.FormatRatio(iv.High)
			}
		}
		b.Rows = append(b.Rows, []string{x.Check, by[sli.MethodBlocks], by[sli.MethodWilson], duration(x.ScheduleErrorSeconds), seen})
	}
	return b
}

// seeing tells whether the regions were able to see, whatever the targets did.
func seeing(list []sli.ProberReport) Block {
	b := Block{Title: "Could the regions see?", Head: []string{"Region", "Prober SLI", "Checks", "Inconclusive", "Missed", "No data"}}
	for _, p := range list {
		b.Rows = append(b.Rows, []string{
			p.Region, sli.FormatRatio(p.Ratio), strconv.Itoa(p.Checks), strconv.FormatInt(p.Slots.Inconclusive, 10),
			strconv.FormatInt(p.Slots.Missed, 10), strconv.FormatInt(p.Slots.NoData, 10),
		})
		if p.Ratio != nil && *p.Ratio < enough {
			b.Notes = append(b.Notes, fmt.Sprintf("Region %s was often blind: look at its prober, its network and its controls.", p.Region))
		}
	}
	return b
}

// lengthOf is how long the SLO's window is in the end.
func lengthOf(r *sli.SLOReport) time.Duration { return r.End.Sub(r.From) }
