package schedule

import (
	"math"
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// maxLag is the longest start lag of any slot, in ms; a quarter of the interval if that is less.
const maxLag = 5000

// memory is how long, in ms, a check without a task is remembered, so that none of its slots is repeated if the
// clock is set back and the check comes back. After a step further back than that, checks that are new, or
// seem so, begin when the clock has passed what was forgotten.
const memory = 24 * 60 * 60 * 1000

// Tolerance is the start lag in ms beyond which a slot of the grid counts as missed: min(interval/4, 5 s).
func Tolerance(g probe.Grid) int64 { return min(g.Interval/4, maxLag) }

// A due is what there is to do about the slots of one task at one instant. The zero value: nothing.
type due struct {
	some        bool
	first, last int64 // the slots that have come due since the last time, both included
	run         bool  // last is still in time to be run; the others, and last if not, are missed
}

// dueAt looks at the slots of g in [from, until) at the instant now, all in Unix ms.
func dueAt(g probe.Grid, from, until, now int64) due {
	if from > now || from >= until {
		return due{}
	}
	first, last := g.Next(from), before(g, min(now+1, until))
	if first > last {
		return due{}
	}
	return due{some: true, first: first, last: last, run: now-last <= Tolerance(g)}
}

// before returns the last slot of g that is less than t.
func before(g probe.Grid, t int64) int64 { return g.Next(t) - g.Interval }

// A check is what the tasks of one id share. It outlives them while a run goes on.
type check struct {
	id      string
	running int
	closed  int64 // instants before it have been dealt with and are not for a new grid of this id
	tasks   []*task
}

// A task is one Task being followed.
type task struct {
	check       *check
	wave        *wave
	from, until int64
	done        int64 // slots before it have been run, missed, or were never ours
	set         int   // the Set that last named it
}

// A wave is the tasks that share a grid.
type wave struct {
	grid  probe.Grid
	tasks []*task
}

// actions are what a book wants done. The order does not matter.
type actions struct {
	runs   []run
	missed []missed
}

// missed are slots that are not run.
type missed struct {
	probe.MissedRange
	grid probe.Grid
}

func (a *actions) miss(id string, g probe.Grid, d due, why probe.Reason) {
	a.missed = append(a.missed, missed{
		MissedRange: probe.MissedRange{Check: id, From: d.first, To: d.last + 1, Reason: why},
		grid:        g,
	})
}

// A run is one slot to be run now.
type run struct {
	check *check
	grid  probe.Grid
	slot  int64
}

// A book knows which slot of which task has been dealt with, and what to do next. It has no clock, starts
// nothing and is not safe for concurrent use; every instant it is given is wall time in Unix ms. Instants
// need not rise: a slot that was dealt with stays so if the clock is set back.
type book struct {
	checks      map[string]*check
	waves       map[probe.Grid]*wave
	sets        int
	tasks       int
	running     int
	overlapping int   // runs beyond the first of each id
	maxRunning  int   // bound of overlapping
	reach       int64 // the first instant after every slot dealt with
	floor       int64 // the same, of the checks it has forgotten
}

func newBook(maxRunning int) *book {
	return &book{checks: map[string]*check{}, waves: map[probe.Grid]*wave{}, maxRunning: maxRunning}
}

// set replaces the tasks. Slots up to now belong to the old ones and are settled first; a new task has the
// slots after now.
func (b *book) set(tasks []Task, now int64, a *actions) {
	b.fireAll(now, a)
	b.sets++
	b.tasks = 0
	for _, w := range b.waves {
		w.tasks = w.tasks[:0]
	}
	for _, t := range tasks {
		b.follow(t, now)
	}
	for id, c := range b.checks {
		c.tasks = slices.DeleteFunc(c.tasks, func(t *task) bool { return t.set != b.sets })
		if len(c.tasks) == 0 && c.running == 0 && c.closed < b.reach-memory {
			b.floor = max(b.floor, c.closed)
			delete(b.checks, id)
		}
	}
	for g, w := range b.waves {
		clear(w.tasks[len(w.tasks):cap(w.tasks)])
		if len(w.tasks) == 0 {
			delete(b.waves, g)
		}
	}
}

// follow adds t, or goes on with the task of the same id and grid.
func (b *book) follow(t Task, now int64) {
	if t.Until == 0 {
		t.Until = math.MaxInt64
	}
	if t.Until <= max(t.From, now+1) {
		return
	}
	k := b.task(t)
	if t.From < k.from || t.Until > k.until {
		// The span may have grown over what was another task's until now, and ahead of a clock set back.
		k.done = max(k.done, k.check.closed)
	}
	k.done = max(k.done, now+1)
	k.from, k.until, k.set = t.From, t.Until, b.sets
	k.wave.tasks = append(k.wave.tasks, k)
	b.tasks++
}

// task finds the task of this id and grid that the running set has not named yet, or makes one.
func (b *book) task(t Task) *task {
	c := b.checks[t.ID]
	if c == nil {
		c = &check{id: t.ID, closed: b.floor}
		b.checks[t.ID] = c
	}
	for _, k := range c.tasks {
		if k.wave.grid == t.Grid && k.set != b.sets {
			return k
		}
	}
	w := b.waves[t.Grid]
	if w == nil {
		w = &wave{grid: t.Grid}
		b.waves[t.Grid] = w
	}
	k := &task{check: c, wave: w, from: math.MaxInt64}
	c.tasks = append(c.tasks, k)
	return k
}

// fireAll settles every wave.
func (b *book) fireAll(now int64, a *actions) {
	for _, w := range b.waves {
		b.fire(w, now, a)
	}
}

// fire settles every slot of the wave that has come due.
func (b *book) fire(w *wave, now int64, a *actions) {
	for _, t := range w.tasks {
		if d := dueAt(w.grid, max(t.from, t.done), t.until, now); d.some {
			b.settle(t, d, a)
		}
	}
}

func (b *book) settle(t *task, d due, a *actions) {
	c, g := t.check, t.wave.grid
	t.done = d.last + 1
	c.closed = max(c.closed, t.done)
	b.reach = max(b.reach, t.done)
	if !d.run {
		a.miss(c.id, g, d, probe.Late)
		return
	}
	if d.first < d.last {
		a.miss(c.id, g, due{first: d.first, last: d.last - g.Interval}, probe.Late)
	}
	if !b.begin(c) {
		a.miss(c.id, g, due{first: d.last, last: d.last}, probe.Overload)
		return
	}
	a.runs = append(a.runs, run{check: c, grid: g, slot: d.last})
}

// begin takes a place for a run, if there is one. The first run of an id needs none.
func (b *book) begin(c *check) bool {
	if c.running > 0 {
		if b.overlapping >= b.maxRunning {
			return false
		}
		b.overlapping++
	}
	c.running++
	b.running++
	return true
}

// end gives back what begin took.
func (b *book) end(c *check) {
	c.running--
	b.running--
	if c.running > 0 {
		b.overlapping--
	}
}

// stopped turns the actions into missed slots: nobody is there to run them.
func (b *book) stopped(a *actions) {
	for i := range a.missed {
		a.missed[i].Reason = probe.Stopped
	}
	for _, r := range a.runs {
		b.end(r.check)
		a.miss(r.check.id, r.grid, due{first: r.slot, last: r.slot}, probe.Stopped)
	}
	a.runs = nil
}
