package timeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A timeline is what is in memory of one series. It changes only under both Store.writing and Store.mu, so
// either is enough to read it.
type timeline struct {
	sli.Series
	id     int64   // in table series; 0: it has no block yet
	tail   []entry // not folded yet, in the order of slots, each slot once
	gaps   []gap   // not folded yet, as they came
	looks  []look  // not folded yet, as they came
	since  int64   // the first row of the journal that has something in the tail; 0: nothing is in it
	newest stand
	epochs []epoch // by start and prober; replaced, never changed in place
	due    []sli.Segment
	came   arrivals
}

// An epoch is the word of a prober, as it is stored.
type epoch struct {
	prober    string
	start     int64 // Unix ms
	announced int64 // Unix ns
	grid      probe.Grid
	budget    int64 // ms
	under     time.Duration
	of        probe.Population
	expected  bool
}

func (t *timeline) dirty() bool { return len(t.tail)+len(t.gaps)+len(t.looks) > 0 }

// announce takes in an epoch. Of two with the same start and prober the one announced last counts, whatever
// the order in which they arrive.
func (t *timeline) announce(e epoch) {
	i, found := slices.BinarySearchFunc(t.epochs, e, compareEpochs)
	switch {
	case found && t.epochs[i].announced >= e.announced:
		return
	case found:
		t.epochs = slices.Clone(t.epochs)
		t.epochs[i] = e
	default:
		t.epochs = slices.Insert(slices.Clone(t.epochs), i, e)
	}
	t.due = timetable(t.epochs)
}

// forget drops an epoch that is no longer needed.
func (t *timeline) forget(e epoch) {
	if i, found := slices.BinarySearchFunc(t.epochs, e, compareEpochs); found {
		t.epochs = slices.Delete(slices.Clone(t.epochs), i, i+1)
		t.due = timetable(t.epochs)
	}
}

func compareEpochs(a, b epoch) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.prober, b.prober))
}

func timetable(epochs []epoch) []sli.Segment {
	es := make([]sli.Epoch, len(epochs))
	for i, e := range epochs {
		es[i] = sli.Epoch{Prober: e.prober, From: e.start, Interval: e.grid.Interval, Offset: e.grid.Offset}
	}
	return sli.Timetable(es)
}

// followed is the timetable of one prober alone.
func followed(epochs []epoch, prober string) []sli.Segment {
	return timetable(slices.DeleteFunc(slices.Clone(epochs), func(e epoch) bool { return e.prober != prober }))
}

// useless returns the epochs that say nothing about any instant from cutoff on: those that their prober
// replaced before it, and an end before it.
func useless(epochs []epoch, cutoff int64) []epoch {
	last := map[string]epoch{}
	var out []epoch
	for _, e := range epochs {
		if e.start > cutoff {
			break
		}
		if l, ok := last[e.prober]; ok {
			out = append(out, l)
		}
		last[e.prober] = e
	}
	for _, e := range last {
		if e.grid.Interval == 0 {
			out = append(out, e)
		}
	}
	return out
}

// budget returns the largest time budget in ms of the epochs that were in force at since or later.
func budget(epochs []epoch, since int64) int64 {
	largest := int64(0)
	replaced := map[string]int64{} // by prober: when the epoch before it in time was replaced
	for _, e := range slices.Backward(epochs) {
		until, ok := replaced[e.prober]
		if !ok || until > since {
			largest = max(largest, e.budget)
		}
		replaced[e.prober] = e.start
	}
	return largest
}

// atEnd returns the epoch that is in force last before to; of those that ended before, the last one; false
// if no grid was ever followed before to.
func atEnd(epochs []epoch, to int64) (epoch, bool) {
	var last epoch
	ended := map[string]bool{}
	for _, e := range slices.Backward(epochs) {
		switch {
		case e.start >= to:
		case e.grid.Interval == 0:
			ended[e.prober] = true
		case !ended[e.prober]:
			return e, true
		case last.grid.Interval == 0:
			last = e
		}
	}
	return last, last.grid.Interval > 0
}
