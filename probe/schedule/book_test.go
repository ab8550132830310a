package schedule

import (
	"math"
	"slices"
	"testing"

	"github.com/gaikei/gaikei/probe"
)

func TestDueAt(t *testing.T) {
	const forever = math.MaxInt64
	ten := probe.Grid{Interval: 10_000, Offset: 3_000}
	hour := probe.Grid{Interval: 3_600_000}
	for _, c := range []struct {
		name             string
		grid             probe.Grid
		from, until, now int64
		want             due
	}{
		{"before the slot", ten, 4_000, forever, 12_999, due{}},
		{"at the slot", ten, 4_000, forever, 13_000, due{some: true, first: 13_000, last: 13_000, run: true}},
		{"as late as may be", ten, 4_000, forever, 15_500, due{some: true, first: 13_000, last: 13_000, run: true}},
		{"later than may be", ten, 4_000, forever, 15_501, due{some: true, first: 13_000, last: 13_000}},
		{"some skipped, the last in time", ten, 4_000, forever, 43_100, due{some: true, first: 13_000, last: 43_000, run: true}},
		{"some skipped, the last too", ten, 4_000, forever, 49_000, due{some: true, first: 13_000, last: 43_000}},
		{"5 s at most", hour, 1, forever, 3_605_000, due{some: true, first: 3_600_000, last: 3_600_000, run: true}},
		{"over 5 s", hour, 1, forever, 3_605_001, due{some: true, first: 3_600_000, last: 3_600_000}},
		{"the end is not in the span", ten, 4_000, 23_000, 23_000, due{some: true, first: 13_000, last: 13_000}},
		{"the start is", ten, 13_000, 23_000, 13_000, due{some: true, first: 13_000, last: 13_000, run: true}},
		{"the clock was set back", ten, 43_001, forever, 13_000, due{}},
		{"an empty span", ten, 13_000, 13_000, 20_000, due{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := dueAt(c.grid, c.from, c.until, c.now); got != c.want {
				t.Errorf("dueAt = %+v, want %+v", got, c.want)
			}
		})
	}
}

// A book forgets checks that went long ago, but not so as to repeat their slots if the clock is set back.
func TestBookForgets(t *testing.T) {
	b := newBook(0)
	g := probe.Grid{Interval: 10_000}
	tasks := func(ids ...string) (ts []Task) {
		for _, id := range ids {
			ts = append(ts, Task{ID: id, Grid: g})
		}
		return ts
	}
	var a actions
	fire := func(now int64) (ids []string) {
		a = actions{}
		b.fireAll(now, &a)
		for _, r := range a.runs {
			ids = append(ids, r.check.id)
			b.end(r.check)
		}
		slices.Sort(ids)
		return ids
	}
	b.set(tasks("a", "b"), 5_000, &a)
	diff(t, "at first", []string{"a", "b"}, fire(10_000))
	b.set(tasks("b"), 15_000, &a)
	diff(t, "checks known, one gone", 2, len(b.checks))
	diff(t, "a day later", []string{"b"}, fire(memory+30_000))
	b.set(tasks("b"), memory+35_000, &a)
	diff(t, "checks known, one gone long ago", 1, len(b.checks))
	b.set(tasks("a", "b", "c"), 5_000, &a)
	diff(t, "set back, at a slot that was run", []string(nil), fire(10_000))
	diff(t, "at one that was not", []string{"a", "c"}, fire(20_000))
}
