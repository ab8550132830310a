package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/schedule"
)

// takeover is how far ahead of now a changed plan takes effect: long enough to announce it durably, short
// enough that nobody waits for it.
const takeover = time.Second

// A prober looks at the checks of one region: slots come from its scheduler, results go to its outbox. It is
// the schedule.Runner of its scheduler.
type prober struct {
	region    string
	ordinal   int
	world     *probe.World
	eyes      atomic.Pointer[eyes]
	gate      *probe.EvidenceGate
	outbox    *relay.Outbox
	scheduler *schedule.Scheduler
	file      followedFile

	mu       sync.RWMutex
	followed map[string]probe.Epoch     // the newest epoch announced of each check; guarded by mu
	versions map[string][]edition       // of each check, oldest first; guarded by mu
	tasks    map[string][]schedule.Task // of each check, oldest first; guarded by mu
}

// An edition is a check as it is probed for the slots from an instant on (Unix ms).
type edition struct {
	from  int64
	check *probe.Check
}

// eyes are what a prober looks with: they change when the controls do.
type eyes struct {
	looker   *probe.Looker
	controls *probe.Controls
}

// open makes later slots be looked at with these controls.
func (p *prober) open(o probe.ControlOptions) {
	o.World = p.world
	c := probe.NewControls(o)
	p.eyes.Store(&eyes{looker: probe.NewLooker(p.world, c, p.region), controls: c})
}

// Run probes one slot. It implements schedule.Runner.
func (p *prober) Run(ctx context.Context, id string, slot int64) {
	c := p.checkAt(id, slot)
	if c == nil {
		return // the check's epoch has ended before this slot
	}
	r, ev := p.eyes.Load().looker.Look(ctx, c, slot)
	p.outbox.Result(r)
	if p.gate.Pass(r, time.Now()) {
		p.outbox.Evidence(ev)
	}
}

// Missed records slots that were not probed. It implements schedule.Runner.
func (p *prober) Missed(id string, from, to int64, reason probe.Reason) {
	p.outbox.Missed(probe.MissedRange{Check: id, From: from, To: to, Reason: reason})
}

// checkAt returns the version of a check that holds for a slot, nil if there is none.
func (p *prober) checkAt(id string, slot int64) *probe.Check {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, e := range slices.Backward(p.versions[id]) {
		if e.from <= slot {
			return e.check
		}
	}
	return nil
}

// resume takes up what this prober followed when it last ran: the slots between its last message and the
// takeover are recorded as stopped, and checks that have gone meanwhile come to their end.
func (p *prober) resume(ctx context.Context, checks []*probe.Check) error {
	followed, err := p.file.read()
	if err != nil {
		return err
	}
	last, found, err := p.outbox.Last(ctx)
	if err != nil {
		return fmt.Errorf("region %s: read the last message of the queue: %w", p.region, err)
	}
	p.followed = followed
	at := takeoverInstant()
	if err := p.follow(ctx, checks, at); err != nil {
		return err
	}
	if !found {
		return nil
	}
	for _, r := range stoppedRanges(followed, p.followed, last.UnixMilli(), at) {
		p.outbox.Missed(r)
	}
	return nil
}

// stoppedRanges gives, for every check that was followed, the slots after last that its prober was not there
// for: up to where its present epoch takes over, or to at.
func stoppedRanges(before, now map[string]probe.Epoch, last, at int64) []probe.MissedRange {
	var rs []probe.MissedRange
	for _, id := range slices.Sorted(maps.Keys(before)) {
		e := before[id]
		from := max(e.Grid.Next(last+1), e.From)
		to := at
		if n, ok := now[id]; ok && n != e {
			to = max(at, n.From)
		}
		if from < to {
			rs = append(rs, probe.MissedRange{Check: id, From: from, To: to, Reason: probe.Stopped})
		}
	}
	return rs
}

// follow makes the prober probe these checks from the instant at on (Unix ms) and no others. What changed is
// durably announced before anything is probed by it; checks that did not change are not disturbed.
func (p *prober) follow(ctx context.Context, checks []*probe.Check, at int64) error {
	next, ended := p.transition(checks, at)
	announce := slices.Concat(ended, slices.SortedFunc(maps.Values(next), byCheck))
	if err := p.outbox.Announce(ctx, announce); err != nil {
		return fmt.Errorf("region %s: announce the plan: %w", p.region, err)
	}
	if err := p.file.write(next); err != nil {
		return err
	}
	tasks := p.adopt(next, checks, at)
	set := p.scheduler.Set(tasks)
	for _, t := range tasks {
		// Announcing can outlast the takeover, as on a slow disk: what came due meanwhile nobody probed.
		if r, some := schedule.Stopped(t, at-1, set); some && t.From >= at {
			p.outbox.Missed(r)
		}
	}
	return nil
}

func byCheck(a, b probe.Epoch) int { return cmp.Compare(a.Check, b.Check) }

// transition compares what is followed with what is wanted: next is the epoch of every check from now on, an
// unchanged one as it was; ended are the last words on checks that are no longer wanted. An epoch that was
// announced for a later instant is first let begin, or it would take over again when its time comes.
func (p *prober) transition(checks []*probe.Check, at int64) (next map[string]probe.Epoch, ended []probe.Epoch) {
	next = make(map[string]probe.Epoch, len(checks))
	for _, c := range checks {
		if !c.Enabled {
			continue
		}
		e := p.epochOf(c)
		if old, ok := p.followed[c.ID]; ok && sameButFrom(old, e) {
			e = old
		} else {
			e.From = e.Grid.Next(max(at, old.From+1))
		}
		next[c.ID] = e
	}
	for id, old := range p.followed {
		if _, stays := next[id]; !stays {
			ended = append(ended, probe.Epoch{Check: id, From: old.Grid.Next(max(at, old.From+1))})
		}
	}
	slices.SortFunc(ended, byCheck)
	return next, ended
}

// epochOf describes how a check is followed in this region; From is left zero.
func (p *prober) epochOf(c *probe.Check) probe.Epoch {
	return probe.Epoch{
		Check:    c.ID,
		Grid:     probe.GridOf(c.ID, p.ordinal, c.Interval),
		Budget:   c.Budget(),
		Under:    c.Latency.Under,
		Of:       c.Latency.Of,
		Expected: !c.Expect.In(p.region).Unreachable,
	}
}

func sameButFrom(a, b probe.Epoch) bool {
	a.From = b.From
	return a == b
}

// adopt makes next the state in force and returns the tasks for the scheduler.
func (p *prober) adopt(next map[string]probe.Epoch, checks []*probe.Check, at int64) []schedule.Task {
	p.mu.Lock()
	defer p.mu.Unlock()
	tasks := make(map[string][]schedule.Task, len(next))
	for id, old := range p.tasks {
		e, stays := next[id]
		if !stays {
			e.From = at
		}
		tasks[id] = runOut(old, e, at)
	}
	versions := make(map[string][]edition, len(next))
	for _, c := range checks {
		e, ok := next[c.ID]
		if !ok {
			continue
		}
		if n := len(tasks[c.ID]); n == 0 || tasks[c.ID][n-1].Until != 0 {
			tasks[c.ID] = append(tasks[c.ID], schedule.Task{ID: c.ID, Grid: e.Grid, From: e.Grid.Next(max(at, e.From))})
		}
		versions[c.ID] = append(inForce(p.versions[c.ID], at), edition{from: max(at, e.From), check: c})
	}
	p.keepEnding(tasks, versions)
	p.followed, p.versions, p.tasks = next, versions, tasks
	return slices.Concat(slices.Collect(maps.Values(tasks))...)
}

// runOut lets the open task of a check come to its end where the epoch e begins, unless e is of the same grid;
// tasks that are over before at are dropped.
func runOut(old []schedule.Task, e probe.Epoch, at int64) []schedule.Task {
	var kept []schedule.Task
	for _, t := range old {
		if t.Until == 0 && t.Grid != e.Grid {
			t.Until = t.Grid.Next(max(e.From, t.From+1))
		}
		if t.Until == 0 || t.Until > at-takeover.Milliseconds() {
			kept = append(kept, t)
		}
	}
	return kept
}

// inForce keeps of a check's editions the one in force just before at, which slots before at still need.
func inForce(es []edition, at int64) []edition {
	for i, e := range slices.Backward(es) {
		if e.from < at {
			return slices.Clone(es[i:])
		}
	}
	return slices.Clone(es)
}

// keepEnding keeps the editions of checks that are gone but have slots left until their task ends.
func (p *prober) keepEnding(tasks map[string][]schedule.Task, versions map[string][]edition) {
	for id, ts := range tasks {
		if len(ts) == 0 {
			delete(tasks, id)
		} else if versions[id] == nil {
			versions[id] = p.versions[id]
		}
	}
}
