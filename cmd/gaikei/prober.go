package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
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
	notices   notices
	outbox    *relay.Outbox
	scheduler *schedule.Scheduler
	file      followedFile

	turn sync.Mutex // of those who change what follows

	started bool                  // the scheduler runs
	vouch   *probe.ControlOptions // what the eyes were opened with
	courses map[string]course     // of each check that is followed or was of late
	tasks   []schedule.Task       // what the scheduler follows
	said    bool                  // all of courses is announced; false: some of it may have been announced otherwise
	settled int64                 // Unix ms: slots up to it have been run, missed, or cannot be told any more

	mu       sync.RWMutex
	versions map[string][]edition // of each check, oldest first; guarded by mu
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

// open makes later slots be looked at with these controls, and reports whether they are others than before. The same ones
// go on as they are, with all they have seen.
func (p *prober) open(o probe.ControlOptions) bool {
	if p.vouch != nil && reflect.DeepEqual(*p.vouch, o) {
		return false
	}
	p.vouch = &o
	withWorld := o
	withWorld.World = p.world
	c := probe.NewControls(withWorld)
	p.eyes.Store(&eyes{looker: probe.NewLooker(p.world, c, p.region), controls: c})
	return true
}

// Run probes one slot. It implements schedule.Runner.
func (p *prober) Run(ctx context.Context, id string, slot int64) {
	c := p.checkAt(id, slot)
	if c == nil {
		return // the check's epoch has ended before this slot
	}
	r, ev := p.eyes.Load().looker.Look(ctx, c, slot)
	p.outbox.Result(r)
	now := time.Now()
	p.notices.take(ev, now)
	if p.gate.Pass(r, ev, now) {
		p.outbox.Evidence(ev)
	}
}

// Missed records slots that were not probed. It implements schedule.Runner.
func (p *prober) Missed(id string, from, to int64, reason probe.Reason) {
	p.outbox.Missed(probe.MissedRange{Check: id, From: from, To: to, Reason: reason})
}

// fresh reports whether what was seen of a check at an instant is no older than it may be while the check is followed.
func (p *prober) fresh(id string, at time.Time) bool {
	c := p.checkAt(id, wallClock().UnixMilli())
	return c != nil && time.Since(at) < 2*c.Interval+time.Minute
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

// resume takes up what this prober followed when it last ran, and goes on with it: the slots since it came to rest, or
// else since its last message, are recorded as stopped, and checks that have changed or gone meanwhile come to their end.
func (p *prober) resume(ctx context.Context, checks []*probe.Check) error {
	before, err := p.file.read()
	if err != nil {
		return err
	}
	last, found, err := p.outbox.Last(ctx)
	if err != nil {
		return fmt.Errorf("region %s: read the last message of the queue: %w", p.region, err)
	}
	at := takeoverInstant()
	p.courses, p.settled = before.courses, at-1
	switch {
	case before.rested > 0:
		p.settled = before.rested
	case found:
		p.settled = last.UnixMilli()
	}
	return p.follow(ctx, checks, at)
}

// follow makes the prober probe these checks from the instant at on (Unix ms) and no others. What changed is
// durably announced before anything is probed by it; checks that did not change are not disturbed. After an error all
// checks are probed as before.
func (p *prober) follow(ctx context.Context, checks []*probe.Check, at int64) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	next := p.transition(checks, at)
	// Written before it is announced: what was announced and is not known after a crash could end a check for ever.
	if err := p.file.write(followed{courses: next}); err != nil {
		return err
	}
	if err := p.outbox.Announce(ctx, announcement(next)); err != nil {
		err = fmt.Errorf("region %s: announce the plan: %w", p.region, err)
		return errors.Join(err, p.withdraw(next))
	}
	p.courses, p.said = next, true
	p.adopt(checks, at)
	tasks, orphans := p.split()
	set := p.scheduler.Set(tasks)
	p.account(tasks, orphans, set)
	p.tasks, p.settled = tasks, set
	return nil
}

// withdraw goes on with what was followed, of which next may have been announced.
func (p *prober) withdraw(next map[string]course) error {
	p.withdrawTo(next)
	return p.file.write(followed{courses: p.courses})
}

// rest records as stopped what came due while the last runs came to their end, once the scheduler runs no more, and
// remembers until when: the last message of all is put a little later, and what comes due in between is nobody's word yet.
func (p *prober) rest() error {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.settled = p.scheduler.Set(nil)
	return p.file.write(followed{p.courses, p.settled})
}

func (p *prober) withdrawTo(next map[string]course) {
	courses := make(map[string]course, len(next))
	for id, planned := range next {
		courses[id] = p.courses[id].withdrawn(planned)
	}
	p.courses, p.said = courses, false
}

// announcement is what there is to say of all courses. It includes what was said before, which does no harm.
func announcement(courses map[string]course) []probe.Epoch {
	var es []probe.Epoch
	for _, id := range slices.Sorted(maps.Keys(courses)) {
		es = append(es, courses[id]...)
	}
	return es
}

// transition leads the course of every check to what is wanted of it.
func (p *prober) transition(checks []*probe.Check, at int64) map[string]course {
	next := make(map[string]course, len(checks))
	for id, c := range p.courses {
		if p.said {
			c = c.left(at)
		}
		if len(c) > 0 {
			next[id] = c
		}
	}
	wanted := make(map[string]bool, len(checks))
	for _, c := range checks {
		if c.Enabled {
			wanted[c.ID] = true
			next[c.ID] = next[c.ID].onto(p.epochOf(c), at)
		}
	}
	for id, c := range next {
		if !wanted[id] {
			next[id] = c.over(at)
		}
	}
	return next
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

// adopt makes later slots be probed by these checks.
func (p *prober) adopt(checks []*probe.Check, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	versions := make(map[string][]edition, len(checks))
	for id, c := range p.courses {
		if es := p.versions[id]; len(es) > 0 && len(c.tasks()) > 0 {
			versions[id] = inForce(es, at-lookback.Milliseconds())
		}
	}
	for _, chk := range checks {
		c := p.courses[chk.ID]
		if !chk.Enabled || len(c) == 0 {
			continue
		}
		e := edition{from: max(at, c[len(c)-1].From), check: chk}
		if len(versions[chk.ID]) == 0 {
			e.from = 0 // nobody knows how the slots before were to be probed
		}
		versions[chk.ID] = append(versions[chk.ID], e)
	}
	p.versions = versions
}

// inForce keeps of a check's editions those in force at an instant and later.
func inForce(es []edition, at int64) []edition {
	for i, e := range slices.Backward(es) {
		if e.from <= at {
			return slices.Clone(es[i:])
		}
	}
	return slices.Clone(es)
}

// split gives the tasks of all courses; orphans are those of checks that went while this prober was not there: nobody
// knows any more how they were probed.
func (p *prober) split() (tasks, orphans []schedule.Task) {
	for id, c := range p.courses {
		if len(p.versions[id]) > 0 {
			tasks = append(tasks, c.tasks()...)
		} else {
			orphans = append(orphans, c.tasks()...)
		}
	}
	return tasks, orphans
}

// account records as stopped what came due before the scheduler followed it at the instant set: while the prober was
// not there, or while announcing outlasted the takeover, as on a slow disk.
func (p *prober) account(tasks, orphans []schedule.Task, set int64) {
	before := make(map[string][]schedule.Task, len(p.tasks))
	for _, t := range p.tasks {
		before[t.ID] = append(before[t.ID], t)
	}
	for _, t := range tasks {
		goesOn := slices.ContainsFunc(before[t.ID], func(o schedule.Task) bool {
			return o.Grid == t.Grid && o.From <= t.From && (o.Until == 0 || o.Until > t.From)
		})
		if r, some := schedule.Stopped(t, p.settled, set); some && !goesOn {
			p.outbox.Missed(r)
		}
	}
	for _, t := range orphans {
		if r, some := schedule.Stopped(t, p.settled, max(set, t.Until-1)); some {
			p.outbox.Missed(r)
		}
	}
}
