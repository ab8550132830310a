package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// An extra is what a check wants beyond its kind, made ready by Check.Validate. It is read only.
type extra struct {
	assertions []*expression
	limits     Limits
	source     source
	resolvers  []netip.AddrPort
	way        via // of source and resolvers
}

// Validate reports every fault of what checks of all kinds may want, and prepares it. It is called once, after the kind's own
// Validate has found no fault. Fields are relative to the check.
func (c *Check) Validate() []Problem {
	x := new(extra)
	ps := c.checkAssertions(x)
	ps = append(ps, c.checkLimits(x)...)
	ps = append(ps, c.checkSource(x)...)
	ps = append(ps, c.checkResolvers(x)...)
	x.way = via{source: x.source}
	if len(x.resolvers) > 0 {
		x.way.resolvers = list(x.resolvers)
	}
	if len(ps) == 0 && (len(x.assertions) > 0 || x.limits != Limits{} || x.way != via{}) {
		c.extra = x
	}
	return ps
}

// of returns the world in which a check's attempts are made.
func (w *World) of(c *Check) *World {
	if c.extra == nil {
		return w
	}
	with := *w
	with.extra = c.extra
	return &with
}

func (c *Check) checkAssertions(x *extra) []Problem {
	k, ok := c.Kind.(scoped)
	switch {
	case len(c.Assert) == 0:
		return nil
	case !ok:
		return []Problem{{Field: "assert", Message: "this kind has no assertions"}}
	case len(c.Assert) > maxAssertions:
		return []Problem{{Field: "assert", Message: fmt.Sprintf("found %d assertions, wanted at most %d", len(c.Assert), maxAssertions)}}
	case slices.Contains(c.Expect.Unreachable, All):
		return []Problem{{Field: "assert", Message: "assertions are about an answer, and the target is expected unreachable from everywhere", Hint: "leave one of the two out"}}
	}
	var ps []Problem
	for i, text := range c.Assert {
		e, faults := compiled.of(k.scope(), text)
		if t, ok := c.Kind.(*TCP); ok && e != nil && e.heard {
			faults = t.slips(e.ast.NativeRep())
		}
		for _, f := range faults[:min(len(faults), 3)] {
			ps = append(ps, f.problem(fmt.Sprintf("assert[%d]", i), text, k.scope()))
		}
		x.assertions = append(x.assertions, e)
	}
	if len(ps) > 0 {
		return ps
	}
	c.keepAsserted(x.assertions)
	return nil
}

// keepAsserted lets attempts keep what the expressions look at.
func (c *Check) keepAsserted(es []*expression) {
	switch k := c.Kind.(type) {
	case *HTTP:
		if slices.ContainsFunc(es, func(e *expression) bool { return e.body }) {
			k.ready.keepBody = max(k.ready.keepBody, int(min(k.Body.limit(), maxAssertedBody))+1)
		}
	case *TCP:
		if slices.ContainsFunc(es, func(e *expression) bool { return e.heard }) {
			k.heed()
		}
	}
}

// problem tells a fault of an expression.
func (f fault) problem(field, text string, s scope) Problem {
	p := Problem{Field: field, Message: fmt.Sprintf("in %q: %s", clip(text, 120), f.message)}
	if f.line > 0 {
		p.Message = fmt.Sprintf("in %q, at %d:%d: %s", clip(text, 120), f.line, f.column, f.message)
	}
	switch {
	case strings.HasPrefix(f.message, "undeclared reference"):
		p.Hint = "an assertion of this check knows " + variables[s]
	case strings.Contains(f.message, "(duration, ") && strings.HasPrefix(f.message, "found no matching overload"):
		p.Hint = "write a time as duration('300ms')"
	}
	return p
}
