package sli

import (
	"fmt"
	"strconv"
	"strings"
)

// A Decision is what the error budget policy says, and why, for people who decide by it.
type Decision struct {
	Decision string `json:"decision"` // ok, watch, investigate, exhausted or undecided
	Sentence string `json:"sentence"` // why
	Changed  string `json:"changed"`  // since the window before
}

// The decisions, beside those that a policy names.
const (
	DecideOK        = "ok"
	DecideUndecided = "undecided" // too little is known to say
)

// defaultPolicy is that of an SLO that says none.
var defaultPolicy = []Step{{0.5, "watch"}, {0.2, "investigate"}, {0, "exhausted"}}

// enoughCoverage is how much of the time must be decided for the figure as observed to decide, where the bounds disagree.
const enoughCoverage = 0.9

func (s *SLO) policy() []Step {
	if len(s.Policy) == 0 {
		return defaultPolicy
	}
	return s.Policy
}

// step is the gravest step that holds with so much of the budget left: less than its own, or, of 0 %, nothing. nil: none holds.
func (s *SLO) step(left float64) *Step {
	var holds *Step
	for i, p := range s.policy() {
		if left < float64(p.BudgetBelow) || left <= 0 && p.BudgetBelow == 0 {
			holds = &s.policy()[i]
		}
	}
	return holds
}

func (p *Step) decision() string {
	if p == nil {
		return DecideOK
	}
	return p.Decide
}

// decide runs the policy at both bounds, had all undecided time been bad or good: where they agree, that is it. Else it is as
// observed if enough is decided.
func (s *SLO) decide(r *SLOReport, ifBad, ifGood *float64) Decision {
	d := Decision{Decision: DecideUndecided, Changed: s.changed(r)}
	left := r.Budget.Left
	if left == nil {
		d.Sentence = "Nothing came to a verdict in this window, so nothing can be said."
		return d
	}
	step, worst, best := s.step(*left), s.step(*ifBad), s.step(*ifGood)
	if worst.decision() == best.decision() || *r.Decided >= enoughCoverage {
		if worst.decision() == best.decision() {
			step = worst
		}
		d.Decision = step.decision()
		d.Sentence = s.says(r, step)
		if worst.decision() != best.decision() {
			d.Sentence += fmt.Sprintf(" That is as observed: %s of the time was decided, and had the rest been bad it would be %s, had it been good, %s.",
				FormatRatio(r.Decided), worst.decision(), best.decision())
		}
		return d
	}
	d.Sentence = fmt.Sprintf("%s is %s of what was decided, but only %s of the time was: had the rest been bad it would be %s, had it been good, %s.",
		s.subject(), FormatRatio(r.SLI), FormatRatio(r.Decided), worst.decision(), best.decision())
	return d
}

// subject is what the SLO is about, at the beginning of a sentence.
func (s *SLO) subject() string {
	switch s.Indicator {
	case IndicatorLatency:
		return "The share of fast answers"
	case IndicatorProber:
		return "The prober SLI"
	}
	return "Availability"
}

// says tells why a step holds, or none.
func (s *SLO) says(r *SLOReport, step *Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s", s.subject(), FormatRatio(r.SLI))
	if r.Before != nil {
		b.WriteString(", " + compared(*r.SLI, *r.Before))
	}
	side := "above"
	if *r.Budget.Left <= 0 {
		side = "not above"
	}
	fmt.Fprintf(&b, ", %s the objective of %s: %s.", side, s.Objective, budgetText(*r.Budget.Left))
	switch {
	case step == nil && r.Before != nil && *r.SLI < *r.Before && FormatRatio(r.SLI) != FormatRatio(r.Before):
		b.WriteString(" Worse, but inside the objective: no action.")
	case step == nil:
		b.WriteString(" No action.")
	case step.BudgetBelow == 0:
		fmt.Fprintf(&b, " Nothing is left, so the policy says: %s.", step.Decide)
	default:
		fmt.Fprintf(&b, " Less than %s is left, so the policy says: %s.", step.BudgetBelow, step.Decide)
	}
	return b.String()
}

func compared(now, before float64) string {
	switch {
	case now != before && FormatRatio(&now) == FormatRatio(&before): // "99.95%, worse than 99.95%" would be read as a mistake
		return "about as in the window before"
	case now < before:
		return "worse than " + FormatRatio(&before) + " in the window before"
	case now > before:
		return "better than " + FormatRatio(&before) + " in the window before"
	}
	return "as in the window before"
}

func budgetText(left float64) string {
	if left > 0 {
		return FormatRatio(&left) + " of the budget is left"
	}
	spent, digits := 1-left, 0
	if spent < 10 {
		digits = 1
	}
	return "the budget is spent " + strconv.FormatFloat(spent, 'f', digits, 64) + " times"
}

// changed tells what is different from the window before.
func (s *SLO) changed(r *SLOReport) string {
	if r.Before == nil {
		return "Nothing is known of the window before."
	}
	before := s.step(*r.Budget.LeftBefore).decision()
	return fmt.Sprintf("The window before came to %s, with %s of the budget left: %s.", FormatRatio(r.Before), FormatRatio(r.Budget.LeftBefore), before)
}

// Decisions are all that there are, from the mildest to the gravest; undecided is between ok and watch: somebody ought to see
// why.
func Decisions() []string { return append([]string{DecideOK, DecideUndecided}, decisions()...) }
