package probe

import (
	"context"
	"time"
)

// A Plan is what the probers of one region are to do, as the aggregator made it of the configuration. It is a plain
// value that travels; a prober reads the blocks in it with the same strict decoder that read the configuration.
type Plan struct {
	Region   string
	Ordinal  int   // of the region; the slots of a check follow from it
	Revision int64 // each plan of a region has a greater one than that before
	// Activation is the first instant (Unix ms) whose slots follow this plan, so that all probers of a region change
	// at once. A prober that learns of it later changes at once.
	Activation int64
	Controls   []byte         // a canonical block, as the configuration writes it
	Checks     []PlannedCheck // those that are enabled, by id
}

// A PlannedCheck is one check of a plan. What the schedule and the timeline need to know of it stands beside its block,
// for a prober that is older than the aggregator may not understand that.
type PlannedCheck struct {
	ID       string
	Interval time.Duration
	Budget   time.Duration // longest time that the attempts of one slot can take
	Under    time.Duration // latency threshold; zero: none
	Of       Population
	Expected bool   // expected reachable from this region
	Block    []byte // canonical
}

// PlanOf describes an enabled check for the probers of a region; block is its canonical form.
func PlanOf(c *Check, region string, block []byte) PlannedCheck {
	return PlannedCheck{
		ID: c.ID, Interval: c.Interval, Budget: c.Budget(), Under: c.Latency.Under, Of: c.Latency.Of,
		Expected: !c.Expect.In(region).Unreachable, Block: block,
	}
}

// Refused stands in for a check whose block this prober does not understand: it keeps the check's slots, and every one
// of them is inconclusive{unsupported}, with cause as its evidence. The other checks of the plan are not touched.
func (p PlannedCheck) Refused(cause error) *Check {
	c := &Check{
		Name: p.ID, ID: p.ID, Kind: refused{cause}, Interval: p.Interval, Timeout: p.Budget, Overlap: p.Budget > p.Interval,
		Latency: LatencyObjective{Under: p.Under, Of: p.Of}, Enabled: true,
	}
	if !p.Expected {
		c.Expect.Unreachable = []string{All}
	}
	return c
}

// refused is the kind of a check that was not understood.
type refused struct{ cause error }

// Validate finds no fault: there is nothing to know.
func (r refused) Validate() []Problem { return nil }

// Target tells that there is none.
func (r refused) Target() Target { return Target{Text: "not understood"} }

// Attempt does not look.
func (r refused) Attempt(context.Context, *World) Attempt {
	return Attempt{Start: time.Now(), Reason: Unsupported, Detail: Detail{Error: r.cause.Error()}}
}
