package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// planLead is how far ahead of now a changed plan takes effect for probers elsewhere: by then all of a region have it,
// and change at once.
const planLead = 10 * time.Second

// A planner makes plans of configurations and keeps them in the store, in revisions. Several aggregators may do so at a
// time: whoever loads a configuration last, determines it.
type planner struct {
	store *timeline.Store
	lead  time.Duration
}

// publish makes the configuration the plan of each of its regions. Regions that it no longer has get a plan of nothing.
func (p planner) publish(ctx context.Context, file *config.File, ordinals map[string]int) error {
	plans := file.Planner()
	for _, r := range file.Regions {
		if err := p.publishOne(ctx, plans.Plan(r.Name, ordinals[r.Name])); err != nil {
			return err
		}
	}
	planned, err := p.store.PlannedRegions(ctx)
	if err != nil {
		return err
	}
	for _, region := range planned {
		if _, there := ordinals[region]; there {
			continue
		}
		nothing := &probe.Plan{Region: region, Controls: config.ControlsBlock(config.Controls{None: true})}
		if err := p.publishOne(ctx, nothing); err != nil {
			return err
		}
	}
	return nil
}

// publishOne stores a plan unless the newest one says the same.
func (p planner) publishOne(ctx context.Context, plan *probe.Plan) error {
	for {
		stored, err := p.store.Plan(ctx, plan.Region)
		if err != nil {
			return err
		}
		plan.Revision, plan.Activation = stored.Revision+1, time.Now().Add(p.lead).UnixMilli()
		pack, err := wire.PackPlan(plan)
		if err != nil {
			return err
		}
		old, same := p.before(ctx, stored, pack.Manifest)
		if same {
			return nil
		}
		next := timeline.Plan{Region: plan.Region, Revision: plan.Revision, Manifest: pack.Manifest.Marshal(), Chunks: pack.Chunks}
		if done, err := p.store.SetPlan(ctx, next, changesBetween(old, plan)); done || err != nil {
			return err
		}
		// Another aggregator was faster; perhaps it said the same.
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("publish the plan of region %s: %w", plan.Region, err)
		}
	}
}

// before opens the plan that another one is to follow, and reports whether the two say the same. One that cannot be
// read, perhaps of a newer version, is taken for none.
func (p planner) before(ctx context.Context, stored timeline.Plan, next wire.Manifest) (old *probe.Plan, same bool) {
	old = new(probe.Plan)
	if stored.Revision == 0 {
		return old, false
	}
	m, err := wire.ReadManifest(stored.Manifest)
	if err != nil {
		return old, false
	}
	if wire.SamePlan(m, next) {
		return old, true
	}
	opened, err := m.Open(func(name string) ([]byte, error) { return p.store.PlanChunk(ctx, stored.Region, name) })
	if err != nil {
		return old, false
	}
	return opened, false
}

// changesBetween tells what a plan changes of each check. A first plan changes nothing: that everything is new says
// nothing new.
func changesBetween(old, next *probe.Plan) []sli.Change {
	if old.Revision == 0 {
		return nil
	}
	before := map[string]probe.PlannedCheck{}
	for _, c := range old.Checks {
		before[c.ID] = c
	}
	var changes []sli.Change
	add := func(id, what string) {
		if what != "" {
			changes = append(changes, sli.Change{
				Check: id, Region: next.Region, Revision: next.Revision, At: time.UnixMilli(next.Activation).UTC(), What: what,
			})
		}
	}
	for _, c := range next.Checks {
		was, there := before[c.ID]
		delete(before, c.ID)
		if !there {
			add(c.ID, "added")
			continue
		}
		add(c.ID, strings.Join(config.DifferentKeys(was.Block, c.Block), ", "))
	}
	for id := range before {
		add(id, "removed")
	}
	return changes
}

// answer answers a prober's question for the plan of its region.
func (p planner) answer(ctx context.Context, region string, question []byte) []byte {
	return wire.Plans{
		Manifest: func() (wire.Manifest, error) {
			stored, err := p.store.Plan(ctx, region)
			if err != nil {
				return wire.Manifest{}, err
			}
			if stored.Revision == 0 {
				return wire.Manifest{}, fmt.Errorf("there is no plan for region %s: the configuration does not have it", region)
			}
			return wire.ReadManifest(stored.Manifest)
		},
		Chunk: func(name string) ([]byte, error) { return p.store.PlanChunk(ctx, region, name) },
	}.Answer(question)
}
