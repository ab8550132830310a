package schedule

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
)

// A key names a task over Sets.
type key struct {
	id   string
	grid probe.Grid
}

// A slotOf is what is run once, or missed once.
type slotOf struct {
	id string
	at int64
}

// An oracle knows of every single slot what has become of it. It is the slow and obvious form of a book: it
// has no cursors but looks through all slots there ever were, instant by instant.
type oracle struct {
	tasks []Task
	since map[key]int64 // slots up to it are not for the task
	fate  map[slotOf]string
}

// latest is the last slot of an id of which something is known, of those that on accepts.
func (o *oracle) latest(id string, on func(int64) bool) int64 {
	last := int64(math.MinInt64)
	for s := range o.fate {
		if s.id == id && on(s.at) {
			last = max(last, s.at)
		}
	}
	return last
}

func (o *oracle) set(tasks []Task, now int64) {
	since := map[key]int64{}
	var kept []Task
	for _, t := range tasks {
		if t.Until <= max(t.From, now+1) {
			continue
		}
		k := key{t.ID, t.Grid}
		known := t.Grid.On
		if !slices.ContainsFunc(o.tasks, func(old Task) bool {
			return old.ID == t.ID && old.Grid == t.Grid && old.From <= t.From && t.Until <= old.Until
		}) {
			known = func(int64) bool { return true }
		}
		since[k] = max(now, o.since[k], o.latest(t.ID, known))
		kept = append(kept, t)
	}
	o.tasks, o.since = kept, since
}

// due lists the slots of t of which nothing is known by now.
func (o *oracle) due(t Task, now int64) (slots []int64) {
	for at := max(t.From, o.since[key{t.ID, t.Grid}]+1); at <= now && at < t.Until; at++ {
		if _, known := o.fate[slotOf{t.ID, at}]; !known && t.Grid.On(at) {
			slots = append(slots, at)
		}
	}
	return slots
}

// expect tells what is to become of the slots of the grids: "late", or "now", which is run or overload.
func (o *oracle) expect(now int64, grids func(probe.Grid) bool) map[slotOf]string {
	want := map[slotOf]string{}
	for _, t := range o.tasks {
		if !grids(t.Grid) {
			continue
		}
		slots := o.due(t, now)
		for i, at := range slots {
			want[slotOf{t.ID, at}] = "late"
			if i == len(slots)-1 && now-at <= min(t.Grid.Interval/4, 5000) {
				want[slotOf{t.ID, at}] = "now"
			}
		}
	}
	return want
}

// A machine is a book beside an oracle.
type machine struct {
	*oracle
	book *book
	now  int64
	runs []*check
}

// learn reads the actions of the book, slot by slot, and fails if one comes a second time.
func (m *machine) learn(t *rapid.T, a *actions) map[slotOf]string {
	got := map[slotOf]string{}
	note := func(s slotOf, what string) {
		if before, known := m.fate[s]; known {
			t.Fatalf("%v is %s, and was %s before", s, what, before)
		}
		m.fate[s], got[s] = what, what
	}
	for _, r := range a.runs {
		note(slotOf{r.check.id, r.slot}, "run")
		m.runs = append(m.runs, r.check)
	}
	for _, r := range a.missed {
		if !r.grid.On(r.From) || !r.grid.On(r.To-1) {
			t.Fatalf("the range %+v does not begin at a slot and end right behind one", r)
		}
		for at := r.From; at < r.To; at += r.grid.Interval {
			note(slotOf{r.Check, at}, r.Reason.String())
		}
	}
	return got
}

func (m *machine) compare(t *rapid.T, want map[slotOf]string, a *actions) {
	got := m.learn(t, a)
	for s, w := range want {
		if g := got[s]; g != w && (w != "now" || g != "run" && g != "overload") {
			t.Fatalf("%v at %d is %q, want %q", s, m.now, g, w)
		}
		if got[s] == "overload" && m.book.overlapping < m.book.maxRunning {
			t.Fatalf("%v at %d is overload with %d of %d places taken", s, m.now, m.book.overlapping, m.book.maxRunning)
		}
	}
	for s, g := range got {
		if _, ok := want[s]; !ok {
			t.Fatalf("%v at %d is %q, and is not due", s, m.now, g)
		}
	}
}

func (m *machine) fire(t *rapid.T, grids func(probe.Grid) bool) {
	want := m.expect(m.now, grids)
	var a actions
	for g, w := range m.book.waves {
		if grids(g) {
			m.book.fire(w, m.now, &a)
		}
	}
	m.compare(t, want, &a)
}

func (m *machine) reload(t *rapid.T, tasks []Task) {
	want := m.expect(m.now, func(probe.Grid) bool { return true })
	var a actions
	m.book.set(tasks, m.now, &a)
	m.compare(t, want, &a)
	m.oracle.set(tasks, m.now)
}

// end ends one of the runs.
func (m *machine) end(t *rapid.T) {
	if len(m.runs) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.runs)-1).Draw(t, "run")
	m.book.end(m.runs[i])
	m.runs = slices.Delete(m.runs, i, i+1)
}

// places compares the book's counts with the runs themselves.
func (m *machine) places(t *rapid.T) {
	running, beyond := map[*check]int{}, 0
	for _, c := range m.runs {
		if running[c]++; running[c] > 1 {
			beyond++
		}
	}
	if m.book.running != len(m.runs) || m.book.overlapping != beyond || beyond > m.book.maxRunning {
		t.Fatalf("running %d, overlapping %d of %d; want %d, %d",
			m.book.running, m.book.overlapping, m.book.maxRunning, len(m.runs), beyond)
	}
}

// drawTasks makes a plan: each check is absent, or on one grid, or on one grid and then another.
func drawTasks(t *rapid.T, now int64, grids []probe.Grid) (tasks []Task) {
	near := rapid.Int64Range(-60, 120)
	for id := range 4 {
		n := rapid.SampledFrom([]int{1, 2, 0}).Draw(t, "tasks")
		from := int64(0)
		if rapid.Bool().Draw(t, "later") {
			from = now + near.Draw(t, "from")
		}
		order := rapid.Permutation(grids).Draw(t, "grids")
		for i := range n {
			until := int64(math.MaxInt64)
			if i < n-1 || rapid.Bool().Draw(t, "ends") {
				until = max(from, now+near.Draw(t, "until"))
			}
			tasks = append(tasks, Task{ID: fmt.Sprint("c", id), Grid: order[i], From: from, Until: until})
			from = until
		}
	}
	return tasks
}

// Over any sequence of Sets, firings of any wave at any time, steps of the clock in both directions and
// ends of runs, every slot that comes due is run once or is in one missed range, none is that is not due, and
// what becomes of it is what the oracle says.
func TestBookAgainstOracle(t *testing.T) {
	grids := []probe.Grid{
		{Interval: 10, Offset: 0},
		{Interval: 10, Offset: 5},
		{Interval: 5, Offset: 0},
		{Interval: 30, Offset: 20},
		{Interval: 7, Offset: 3},
		{Interval: 41, Offset: 40},
	}
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			oracle: &oracle{since: map[key]int64{}, fate: map[slotOf]string{}},
			book:   newBook(rapid.IntRange(0, 3).Draw(t, "max running")),
			now:    1000,
		}
		all := func(probe.Grid) bool { return true }
		live := func(t *rapid.T) { // as it should be: no wave is late
			for range rapid.IntRange(1, 40).Draw(t, "ms") {
				m.now++
				m.fire(t, all)
			}
		}
		m.reload(t, drawTasks(t, m.now, grids))
		t.Repeat(map[string]func(*rapid.T){
			"live": live, "live on": live, "go on": live, // often
			"pass":  func(t *rapid.T) { m.now += rapid.Int64Range(0, 15).Draw(t, "ms") },
			"stall": func(t *rapid.T) { m.now += rapid.Int64Range(0, 200).Draw(t, "ms") },
			"back":  func(t *rapid.T) { m.now -= rapid.Int64Range(1, 60).Draw(t, "ms") },
			"fire": func(t *rapid.T) {
				g := rapid.SampledFrom(grids).Draw(t, "grid")
				m.fire(t, func(o probe.Grid) bool { return o == g })
			},
			"fire all":  func(t *rapid.T) { m.fire(t, all) },
			"set":       func(t *rapid.T) { m.reload(t, drawTasks(t, m.now, grids)) },
			"set again": func(t *rapid.T) { m.reload(t, m.tasks) },
			"end":       m.end,
			"":          m.places,
		})
		m.now += 500
		m.fire(t, all)
		m.places(t)
	})
}
