package sli

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An SLO is a target for an indicator over a window, with an error budget and a policy that says when to decide
// what. Its tags are its configuration.
type SLO struct {
	Name      string   `yaml:"name" required:"true"`
	Checks    []string `yaml:"checks" required:"true"` // ids; "all" for every check
	Indicator string   `yaml:"indicator" default:"availability"`
	// Regions that count; empty means every region whose weight is not zero.
	Regions []string `yaml:"regions"`
	Combine Combine  `yaml:"combine" default:"pooled"`
	// Group is how several checks make one indicator: "pooled", "worst", or "all" where every one must hold at an instant.
	Group string `yaml:"group" default:"pooled"`
	// Weights of regions and of checks in pools; a region's own, and 1 of a check, where there is none.
	Weights      map[string]float64 `yaml:"weights"`
	CheckWeights map[string]float64 `yaml:"check_weights"`
	Objective    Ratio              `yaml:"objective" required:"true"`
	Window       time.Duration      `yaml:"window"`   // rolling; or
	Calendar     string             `yaml:"calendar"` // a calendar unit in Timezone
	Timezone     string             `yaml:"timezone" default:"UTC"`
	// Provisional marks a first draft that waits for its review.
	Provisional bool   `yaml:"provisional" default:"false"`
	Policy      []Step `yaml:"policy"`
}

// A Step of an error budget policy: what to decide when less than this much of the budget is left. The steps
// of a policy go from the most budget to the least.
type Step struct {
	BudgetBelow Ratio  `yaml:"budget_below" required:"true"`
	Decide      string `yaml:"decide" required:"true"`
}

// A Combine says how regions make one indicator. The zero value is not valid.
type Combine struct {
	Rule   string  `yaml:"-"` // "pooled", "worst" or "quorum"
	Quorum *Quorum `yaml:"quorum"`
}

// A Quorum is how many regions must see an instant good: Count of them, or a Share of those there are, rounded
// up; All and Any are the shares that their names say. Exactly one is set.
type Quorum struct {
	Count int
	Share Ratio
	All   bool
	Any   bool
}

// A Ratio is a share of one; its text is a percentage, since 99.9 and 0.999 are too easily taken for each other.
type Ratio float64

// A Problem is one fault in the configuration of an SLO.
type Problem struct {
	Field   string // the key below the SLO, dotted; empty for the whole
	Message string // what was found and what was wanted
	Hint    string // a way out, if there is one
}

// Indicators, calendar units and decisions that an SLO may name; decisions from the mildest to the gravest.
func indicators() []string {
	return []string{IndicatorAvailability, IndicatorLatency, IndicatorProber}
}

func groups() []string        { return []string{GroupPooled, GroupWorst, GroupAll} }
func calendarUnits() []string { return []string{"day", "week", "month", "quarter"} }
func decisions() []string     { return []string{decideWatch, "investigate", "exhausted"} }

// decideWatch is the mildest decision of a policy.
const decideWatch = "watch"

// How several checks make one indicator.
const (
	GroupPooled = "pooled"
	GroupWorst  = "worst" // the check with the lowest ratio stands for all
	GroupAll    = "all"   // an instant is good in a region while every check is good there
)

func (s *SLO) group() string {
	if s.Group == "" {
		return GroupPooled
	}
	return s.Group
}

// Additive reports whether the amounts of windows side by side add up to that of both. The worst of several is no sum: another one
// may be the worst of both.
func (s *SLO) Additive() bool { return s.Combine.Rule != "worst" && s.group() != GroupWorst }

// Validate reports every contradiction that shows without knowing checks and regions.
func (s *SLO) Validate() []Problem {
	var ps []Problem
	if !slices.Contains(indicators(), s.Indicator) {
		ps = append(ps, Problem{"indicator", oneOf(s.Indicator, indicators()), ""})
	}
	if !slices.Contains(groups(), s.group()) {
		ps = append(ps, Problem{"group", oneOf(s.Group, groups()), ""})
	}
	ps = append(ps, s.validateWeights()...)
	if s.Objective <= 0 || s.Objective >= 1 {
		hint := ""
		if s.Objective == 1 {
			hint = "an objective of 100% has no error budget; 99.9% leaves 40 minutes in 28d"
		}
		ps = append(ps, Problem{"objective", fmt.Sprintf("found %s, wanted more than 0%% and less than 100%%", s.Objective), hint})
	}
	ps = append(ps, s.validateWindow()...)
	return append(ps, s.validatePolicy()...)
}

// maxWeight bounds weights, so that sums of them stay exact enough.
const maxWeight = 1e6

func (s *SLO) validateWeights() []Problem {
	var ps []Problem
	for field, weights := range map[string]map[string]float64{"weights": s.Weights, "check_weights": s.CheckWeights} {
		for _, name := range slices.Sorted(maps.Keys(weights)) {
			if w := weights[name]; !(w > 0 && w <= maxWeight) {
				ps = append(ps, Problem{field + "." + name, fmt.Sprintf("found %v, wanted more than 0 and at most %v", w, maxWeight), "leave out of regions or checks what is not to count"})
			}
		}
	}
	if len(s.Weights) > 0 && s.Combine.Rule != "pooled" {
		ps = append(ps, Problem{"weights", "found with another rule than combine: pooled, which alone weighs regions", ""})
	}
	if len(s.CheckWeights) > 0 && s.group() != GroupPooled {
		ps = append(ps, Problem{"check_weights", "found with another rule than group: pooled, which alone weighs checks", ""})
	}
	return ps
}

func (s *SLO) validateWindow() []Problem {
	var ps []Problem
	switch {
	case s.Window == 0 && s.Calendar == "":
		ps = append(ps, Problem{"", "window is missing", "add window: 28d, or calendar: month"})
	case s.Window != 0 && s.Calendar != "":
		ps = append(ps, Problem{"calendar", "found window and calendar, wanted one of them", "window rolls along; calendar starts anew with each unit"})
	case s.Window != 0 && s.Window < time.Hour:
		ps = append(ps, Problem{"window", "found less than an hour, wanted at least 1h", ""})
	case s.Calendar != "" && !slices.Contains(calendarUnits(), s.Calendar):
		ps = append(ps, Problem{"calendar", oneOf(s.Calendar, calendarUnits()), ""})
	}
	if _, err := time.LoadLocation(s.Timezone); err != nil || s.Timezone == "" || s.Timezone == "Local" {
		ps = append(ps, Problem{"timezone", fmt.Sprintf("found %q, wanted a time zone of the IANA list", s.Timezone), "for example Asia/Tokyo, or UTC"})
	}
	return ps
}

func (s *SLO) validatePolicy() []Problem {
	var ps []Problem
	for i, step := range s.Policy {
		field := fmt.Sprintf("policy[%d]", i)
		if !slices.Contains(decisions(), step.Decide) {
			ps = append(ps, Problem{field + ".decide", oneOf(step.Decide, decisions()), ""})
		}
		if step.BudgetBelow < 0 || step.BudgetBelow > 1 {
			ps = append(ps, Problem{field + ".budget_below", fmt.Sprintf("found %s, wanted 0%% to 100%%", step.BudgetBelow), ""})
		}
		if i > 0 {
			ps = append(ps, step.follows(s.Policy[i-1], field)...)
		}
	}
	return ps
}

// follows reports what is out of order between a step and the one before it.
func (s Step) follows(before Step, field string) []Problem {
	var ps []Problem
	if s.BudgetBelow >= before.BudgetBelow {
		ps = append(ps, Problem{
			field + ".budget_below",
			fmt.Sprintf("found %s after %s, wanted less", s.BudgetBelow, before.BudgetBelow),
			"write the steps from the most budget to the least",
		})
	}
	if grave := slices.Index(decisions(), s.Decide); grave >= 0 && grave <= slices.Index(decisions(), before.Decide) {
		ps = append(ps, Problem{
			field + ".decide", fmt.Sprintf("found %s after %s, wanted a graver decision", s.Decide, before.Decide),
			"from the mildest: " + strings.Join(decisions(), ", "),
		})
	}
	return ps
}

func oneOf(found string, wanted []string) string {
	return fmt.Sprintf("found %q, wanted %s", found, strings.Join(wanted[:len(wanted)-1], ", ")+" or "+wanted[len(wanted)-1])
}

// UnmarshalText reads the scalar forms, pooled and worst.
func (c *Combine) UnmarshalText(text []byte) error {
	switch string(text) {
	case "pooled", "worst":
		c.Rule, c.Quorum = string(text), nil
		return nil
	}
	return fmt.Errorf("found %q, wanted pooled, worst or {quorum: …}", text)
}

// String is the rule for people: pooled, worst, or quorum and how many.
func (c Combine) String() string {
	if c.Quorum == nil {
		return c.Rule
	}
	text, err := c.Quorum.MarshalText()
	if err != nil {
		return "quorum"
	}
	return "quorum " + string(text)
}

// MarshalText writes the scalar form; it is empty for a quorum, which has none.
func (c Combine) MarshalText() ([]byte, error) {
	if c.Quorum != nil {
		return nil, nil
	}
	return []byte(c.Rule), nil
}

// UnmarshalText reads a count, a percentage, all or any.
func (q *Quorum) UnmarshalText(text []byte) error {
	s := string(text)
	*q = Quorum{}
	switch {
	case s == "all":
		q.All = true
	case s == "any":
		q.Any = true
	case strings.HasSuffix(s, "%"):
		if err := q.Share.UnmarshalText(text); err != nil {
			return err
		}
		if q.Share <= 0 || q.Share > 1 {
			return fmt.Errorf("found %s, wanted more than 0%% and at most 100%%", s)
		}
	default:
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("found %q, wanted a number of regions, a percentage of them, all or any", s)
		}
		q.Count = n
	}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (q Quorum) MarshalText() ([]byte, error) {
	switch {
	case q.All:
		return []byte("all"), nil
	case q.Any:
		return []byte("any"), nil
	case q.Count > 0:
		return strconv.AppendInt(nil, int64(q.Count), 10), nil
	}
	return q.Share.MarshalText()
}

// maxRatioText bounds the digits of a percentage: none that means something is longer.
const maxRatioText = 20

// UnmarshalText reads a percentage, "99.9%". The value is the float64 nearest to the decimal divided by 100.
func (r *Ratio) UnmarshalText(text []byte) error {
	s := string(text)
	digits, ok := strings.CutSuffix(s, "%")
	if !ok {
		return fmt.Errorf("found %q, wanted a percentage such as 99.9%%", s)
	}
	digits = strings.TrimSpace(digits)
	if len(digits) > maxRatioText || strings.Trim(digits, "-0123456789.") != "" {
		return fmt.Errorf("found %q, wanted a percentage such as 99.9%%", s)
	}
	x, ok := new(big.Rat).SetString(digits)
	if !ok {
		return fmt.Errorf("found %q, wanted a percentage such as 99.9%%", s)
	}
	f, _ := x.Quo(x, big.NewRat(100, 1)).Float64()
	*r = Ratio(f)
	return nil
}

// MarshalText writes the shortest percentage that UnmarshalText reads as the same value.
func (r Ratio) MarshalText() ([]byte, error) {
	x, ok := new(big.Rat).SetString(strconv.FormatFloat(float64(r), 'f', -1, 64))
	if !ok {
		return nil, errors.New("not a finite ratio")
	}
	x.Mul(x, big.NewRat(100, 1))
	n, _ := x.FloatPrec()
	return []byte(x.FloatString(n) + "%"), nil
}

// String returns the percentage.
func (r Ratio) String() string {
	text, err := r.MarshalText()
	if err != nil {
		return strconv.FormatFloat(float64(r), 'g', -1, 64)
	}
	return string(text)
}
