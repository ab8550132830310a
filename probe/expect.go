package probe

import (
	"fmt"
	"slices"
	"strings"
)

// Expect is what a check expects, by region, as it is configured. The zero value expects the target to be
// reachable from everywhere.
type Expect struct {
	// Unreachable names the regions from which the target should not be reachable; All means every one.
	Unreachable []string `yaml:"unreachable"`
	// By names the ways in which it may be unreachable: resolve, path or session reasons. Empty means every
	// path reason, and for DNS over UDP also response_timeout.
	By []Reason `yaml:"by"`
}

// All is the name that stands for every region.
const All = "all"

// UnmarshalText reads the short forms "reachable" and "unreachable" (from everywhere, by any path reason).
func (e *Expect) UnmarshalText(text []byte) error {
	switch string(text) {
	case "reachable":
		*e = Expect{}
	case "unreachable":
		*e = Expect{Unreachable: []string{All}}
	default:
		return fmt.Errorf("expect %q: want reachable, unreachable, or {unreachable: all or regions, by: reasons}", text)
	}
	return nil
}

// In gives what is expected in a region.
func (e Expect) In(region string) Expectation {
	if !slices.Contains(e.Unreachable, All) && !slices.Contains(e.Unreachable, region) {
		return Expectation{}
	}
	return Expectation{Unreachable: true, By: SetOf(e.By...)}
}

// String gives the expectation for people: "unreachable from tokyo, osaka by refused, timeout".
func (e Expect) String() string {
	if len(e.Unreachable) == 0 {
		return "reachable"
	}
	text := "unreachable"
	if !slices.Contains(e.Unreachable, All) {
		text += " from " + strings.Join(e.Unreachable, ", ")
	}
	if len(e.By) > 0 {
		text += " by " + reasonList(e.By)
	}
	return text
}

// Validate reports every fault, given the names of the regions that exist. Fields are relative to `expect`.
func (e Expect) Validate(regions []string) []Problem {
	var ps []Problem
	if len(e.By) > 0 && len(e.Unreachable) == 0 {
		ps = append(ps, Problem{
			Field: "by", Message: "by says how a target may be unreachable, but it is expected reachable from everywhere",
			Hint: "name the regions: unreachable: all",
		})
	}
	if len(e.Unreachable) > 1 && slices.Contains(e.Unreachable, All) {
		ps = append(ps, Problem{Field: "unreachable", Message: "all stands for every region and cannot be mixed with names"})
	}
	for i, r := range e.Unreachable {
		if r != All && !slices.Contains(regions, r) {
			ps = append(ps, Problem{
				Field: "unreachable", Message: fmt.Sprintf("no region is called %q", r),
				Hint: "the regions are " + strings.Join(regions, ", "),
			})
		}
		if slices.Contains(e.Unreachable[:i], r) {
			ps = append(ps, Problem{Field: "unreachable", Message: fmt.Sprintf("%q is named twice", r)})
		}
	}
	return append(ps, validateBy(e.By)...)
}

func validateBy(by []Reason) []Problem {
	var ps []Problem
	for i, r := range by {
		if !r.unreachable() {
			ps = append(ps, Problem{Field: "by", Message: notUnreachable(r.String())})
		}
		if slices.Contains(by[:i], r) {
			ps = append(ps, Problem{Field: "by", Message: fmt.Sprintf("%q is named twice", r)})
		}
	}
	return ps
}

func notUnreachable(name string) string {
	var can []Reason
	for _, r := range Reasons() {
		if r.unreachable() {
			can = append(can, r)
		}
	}
	return fmt.Sprintf("%q is no way of being unreachable: want %s", name, reasonList(can))
}

func reasonList(rs []Reason) string {
	names := make([]string, len(rs))
	for i, r := range rs {
		names[i] = r.String()
	}
	return strings.Join(names, ", ")
}

// An Expectation is what is expected of a check in one region. The zero value: reachable.
type Expectation struct {
	Unreachable bool
	By          ReasonSet // used when Unreachable; empty means the default of Expect.By
}

// String gives the expectation for people: "reachable", "unreachable", "unreachable by refused, timeout".
func (e Expectation) String() string {
	switch {
	case !e.Unreachable:
		return "reachable"
	case e.By == 0:
		return "unreachable"
	}
	return "unreachable by " + reasonList(e.By.Reasons())
}

// allows reports whether the attempt failed in a way in which the target may be unreachable.
func (e Expectation) allows(a *Attempt) bool {
	if e.By != 0 {
		return e.By.Has(a.Reason)
	}
	return a.Reason.Class() == ClassPath || a.Datagram && a.Reason == ResponseTimeout
}

// A ReasonSet is a set of reasons. The zero value is the empty set.
type ReasonSet uint64

// SetOf makes a set.
func SetOf(rs ...Reason) ReasonSet {
	var s ReasonSet
	for _, r := range rs {
		s |= 1 << r
	}
	return s
}

// Has reports whether r is in the set.
func (s ReasonSet) Has(r Reason) bool { return s&(1<<r) != 0 }

// Reasons returns the members in stored order.
func (s ReasonSet) Reasons() []Reason {
	var rs []Reason
	for r := range numReasons {
		if s.Has(r) {
			rs = append(rs, r)
		}
	}
	return rs
}
