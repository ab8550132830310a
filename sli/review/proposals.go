package review

import (
	"fmt"

	"github.com/gaikei/gaikei/sli"
)

// plenty is how much of the budget is left, now and in the window before, where an objective may be too loose.
const plenty = 0.75

// manyExcluded is the share of the time from which on it is told that it did not count.
const manyExcluded = 0.05

// proposals are what to change, drawn from what is at hand. They decide nothing.
func proposals(c *Case) []string {
	var all []string
	for _, p := range []func(*Case) []string{unseen, blind, unshown, misfit, provisional, unvouched, excluded} {
		all = append(all, p(c)...)
	}
	return all
}

// unseen asks for more verdicts where too few came.
func unseen(c *Case) []string {
	r := c.now()
	if r.Decided == nil || *r.Decided >= enough {
		return nil
	}
	return []string{fmt.Sprintf("Only %s of the time came to a verdict: find out why before the objective is judged by it.", sli.FormatRatio(r.Decided))}
}

// blind names regions that could not see the checks, and times when none could.
func blind(c *Case) []string {
	var all []string
	for i := range c.Reports {
		if r := &c.Reports[i]; r.Region != nil && r.Coverage != nil && *r.Coverage < enough && len(all) < mostPlaces {
			all = append(all, fmt.Sprintf("From %s only %s of the time of %s came to a verdict: look at its prober, its network and its controls.", *r.Region, sli.FormatRatio(r.Coverage), r.Check))
		}
	}
	if n := len(c.Incidents) - len(c.bad()); n > 0 {
		all = append(all, fmt.Sprintf("All regions were blind at once %s: what do they share?", plural(n, "time")))
	}
	return all
}

// unshown tells if the schedule cannot show the objective.
func unshown(c *Case) []string {
	need, have := sli.SlotsToShow(sli.Ratio(c.now().Objective)), c.slots()
	if have == 0 || have >= need {
		return nil
	}
	return []string{fmt.Sprintf("The schedule cannot show %s: its window has about %d slots, and it takes %d without a failure to be 95%% sure. Use more regions or a shorter interval, or lower the objective.",
		sli.Ratio(c.now().Objective), have, need)}
}

// slots is about how many there are in the SLO's window, by the schedule as it was; of regions that are not pooled those of one.
func (c *Case) slots() int64 {
	x := c.now()
	sum := 0.0
	for i := range c.Reports {
		if r := &c.Reports[i]; r.Region != nil && r.Seconds.Due > 0 {
			sum += float64(r.Slots.Scheduled) * lengthOf(&x.SLOReport).Seconds() / r.Seconds.Due
		}
	}
	if x.Combine != sli.CombinePooled && len(x.Regions) > 0 {
		sum /= float64(len(x.Regions))
	}
	return int64(sum)
}

// misfit tells if the objective is missed again and again, or never nearly.
func misfit(c *Case) []string {
	r := c.now()
	if r.SLI == nil || r.Before == nil || r.Budget.Left == nil || r.Budget.LeftBefore == nil {
		return nil
	}
	o, found := sli.Attainable(min(*r.SLI, *r.Before), c.slots())
	switch {
	case *r.Budget.Left <= 0 && *r.Budget.LeftBefore <= 0 && found:
		return []string{fmt.Sprintf("The objective was missed in this window and in the one before: either reliability goes first now, or it is too tight. Both would have met %s.", o)}
	case *r.Budget.Left <= 0 && *r.Budget.LeftBefore <= 0:
		return []string{"The objective was missed in this window and in the one before: either reliability goes first now, or it is too tight."}
	case *r.Budget.Left >= plenty && *r.Budget.LeftBefore >= plenty && found && float64(o) > r.Objective:
		return []string{fmt.Sprintf("The objective may be too loose: both windows would have met %s with half of its budget left. Raise it if users need that, or spend the budget on changes.", o)}
	}
	return nil
}

func provisional(c *Case) []string {
	r := c.now()
	switch {
	case !r.Provisional:
		return nil
	case r.Budget.Left == nil:
		return []string{"The objective is provisional, and nothing is known yet to review it by."}
	}
	return []string{fmt.Sprintf("The objective is provisional: confirm %s or change it by what was seen (%s, in the window before %s), then remove provisional.", sli.Ratio(r.Objective), sli.FormatRatio(r.SLI), sli.FormatRatio(r.Before))}
}

// unvouched tells of failures that may be the region's own.
func unvouched(c *Case) []string {
	n := int64(0)
	for i := range c.Reports {
		if c.Reports[i].Region != nil {
			n += c.Reports[i].Unvouched
		}
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s counted without a control to vouch for them: with controls they would be the target's for sure, or not count.", plural(int(n), "failure"))}
}

// excluded tells of checks of which much did not count.
func excluded(c *Case) []string {
	var all []string
	for i := range c.Reports {
		r := &c.Reports[i]
		if share := r.Seconds.Excluded / max(r.Seconds.Due, 1); r.Region == nil && share > manyExcluded {
			all = append(all, fmt.Sprintf("%s of the time of %s did not count, by maintenance or corrections: do its users see it so too?", sli.FormatRatio(&share), r.Check))
		}
	}
	return all
}
