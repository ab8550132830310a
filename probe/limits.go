package probe

import (
	"fmt"
	"slices"
	"time"
)

// Limits is how long the phases of an attempt may take, over all hops; zero is no limit.
type Limits struct {
	Resolve  time.Duration `yaml:"resolve"`
	Connect  time.Duration `yaml:"connect"`
	TLS      time.Duration `yaml:"tls"`
	Wait     time.Duration `yaml:"wait"`
	Read     time.Duration `yaml:"read"`
	Exchange time.Duration `yaml:"exchange"`
	Total    time.Duration `yaml:"total"` // of the whole attempt, from its start to the end of its last phase
}

// phase is the limit of a phase.
func (l *Limits) phase(p Phase) time.Duration {
	return [NumPhases]time.Duration{
		PhaseResolve: l.Resolve, PhaseConnect: l.Connect, PhaseTLS: l.TLS, PhaseWait: l.Wait, PhaseRead: l.Read, PhaseExchange: l.Exchange,
	}[p]
}

func (c *Check) checkLimits(x *extra) []Problem {
	x.limits = c.Max
	if c.Max == (Limits{}) {
		return nil
	}
	k, ok := c.Kind.(scoped)
	if !ok {
		return []Problem{{Field: "max", Message: "this kind has no phases"}}
	}
	var ps []Problem
	for p := range NumPhases {
		limit, field := c.Max.phase(p), "max."+p.String()
		if limit != 0 && !slices.Contains(k.phases(), p) {
			ps = append(ps, Problem{Field: field, Message: "an attempt of this check has no phase " + p.String(), Hint: "it can have " + list(k.phases())})
			continue
		}
		ps = append(ps, c.checkLimit(field, limit)...)
	}
	return append(ps, c.checkLimit("max.total", c.Max.Total)...)
}

func (c *Check) checkLimit(field string, limit time.Duration) []Problem {
	if limit < 0 || c.Timeout > 0 && limit >= c.Timeout {
		return []Problem{{
			Field: field, Message: fmt.Sprintf("found %v, wanted less than the timeout of %v: what takes longer is cut off there", limit, c.Timeout),
			Hint: "shorten it, or lengthen timeout",
		}}
	}
	return nil
}

// limit judges the times that an attempt took, as they were measured and not as they are kept.
func (t *trail) limit(l Limits) {
	if l == (Limits{}) {
		return
	}
	var obs []Observation
	judge := func(what string, limit, took time.Duration) {
		if limit == 0 {
			return
		}
		o := Observation{What: "max." + what, Want: "at most " + limit.String(), Got: took.String(), Held: took <= limit, Reason: TooSlow}
		if !o.Held && t.a.Reason == ReasonNone {
			t.fail(TooSlow, fmt.Errorf("%s took %s, wanted at most %s", what, took, limit))
			t.a.Over = true
		}
		obs = append(obs, o)
	}
	for p := range NumPhases {
		judge(p.String(), l.phase(p), t.a.PhaseTime(p))
	}
	judge("total", l.Total, t.a.Latency)
	if t.wanted() {
		t.observed = append(t.observed, obs...)
	}
}
