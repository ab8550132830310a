package main

import (
	"slices"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/schedule"
)

// A course is what a prober has announced of one check, as far as it still matters: the epoch in force and those
// to come, each beginning later than the one before. An epoch with the zero grid is the end of the one before.
//
// An epoch that was announced cannot be taken back: it takes over when its time comes, whatever was announced for an
// earlier instant since. So whatever comes next begins after the last of the course.
type course []probe.Epoch

const (
	// lookback is how long what was replaced is remembered: a slot may begin late, and be announced late.
	lookback = 10 * time.Second
	// remembered is how long an end is remembered after it came, in case the clock is set back below it.
	remembered = 24 * time.Hour
)

func ends(e probe.Epoch) bool { return e.Grid == probe.Grid{} }

// onto leads a course to an epoch, as soon as it can begin from the instant at on (Unix ms). A course that leads there
// already stays as it is.
func (c course) onto(e probe.Epoch, at int64) course {
	n := len(c)
	if n > 0 && sameButFrom(c[n-1], e) {
		return c
	}
	if n > 0 && ends(c[n-1]) {
		e.From = e.Grid.Next(max(at, c[n-1].From))
		if e.From == c[n-1].From {
			n-- // of two words about one instant the later counts
		}
	} else if n > 0 {
		e.From = e.Grid.Next(max(at, c[n-1].From+1))
	} else {
		e.From = e.Grid.Next(at)
	}
	return append(slices.Clone(c[:n]), e)
}

// over leads a course to its end.
func (c course) over(at int64) course {
	n := len(c)
	if n == 0 || ends(c[n-1]) {
		return c
	}
	last := c[n-1]
	return append(slices.Clone(c), probe.Epoch{Check: last.Check, From: last.Grid.Next(max(at, last.From+1))})
}

// left is what still matters of a course at an instant, if all of it has been announced.
func (c course) left(at int64) course {
	for len(c) > 1 && c[1].From <= at-lookback.Milliseconds() {
		c = c[1:]
	}
	if len(c) == 1 && ends(c[0]) && c[0].From <= at-remembered.Milliseconds() {
		return nil
	}
	return c
}

// withdrawn is a course of which it is not known whether the epochs that planned has beside it were announced: at their
// instants the last word of c is said again, so that it makes no difference.
func (c course) withdrawn(planned course) course {
	again := slices.Clone(c)
	for _, e := range planned {
		if n := len(c); n == 0 {
			again = append(again, probe.Epoch{Check: e.Check, From: e.From})
		} else if e.From > c[n-1].From {
			last := c[n-1]
			last.From = e.From
			again = append(again, last)
		}
	}
	return again
}

// tasks are what the scheduler is to follow.
func (c course) tasks() []schedule.Task {
	var ts []schedule.Task
	for i, e := range c {
		if ends(e) {
			continue
		}
		t := schedule.Task{ID: e.Check, Grid: e.Grid, From: e.From}
		if i+1 < len(c) {
			t.Until = c[i+1].From
		}
		if n := len(ts); n > 0 && ts[n-1].Grid == t.Grid && ts[n-1].Until == t.From {
			ts[n-1].Until = t.Until
			continue
		}
		ts = append(ts, t)
	}
	return ts
}
