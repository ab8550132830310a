package sli

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

// An Epoch is the word of one prober that it follows a grid from the instant From on, until its next epoch.
// Interval 0 says that it no longer follows any. Slots of the grid are ≡ Offset modulo Interval.
type Epoch struct {
	Prober   string
	From     int64 // Unix ms
	Interval int64 // ms
	Offset   int64 // ms, in [0, Interval)
}

// Segment is the timetable of an epoch that is the only one; false if it is an end.
func (e Epoch) Segment() (Segment, bool) {
	if e.Interval == 0 || e.From == math.MaxInt64 {
		return Segment{}, false
	}
	s := Segment{To: math.MaxInt64, Interval: e.Interval, Offset: e.Offset}
	s.From = s.next(e.From)
	return s, s.From < s.To
}

// A Segment says that slots are due at the instants ≡ Offset modulo Interval within [From, To). From is
// a slot. To is the first instant at which another grid, or none, is in force; math.MaxInt64 while it lasts.
type Segment struct {
	From, To         int64 // Unix ms
	Interval, Offset int64 // ms
}

// Timetable makes one timetable of the epochs of all probers of a check in a region, whatever their order
// and however often they are repeated: in force at an instant is, of the grids that probers follow then,
// the one announced last. The segments are disjoint, in order of time, and none is empty.
//
// Epochs of one prober from the same instant replace each other: a grid replaces an end, and of two grids
// the coarser one is kept (a prober that keeps its word announces one).
func Timetable(epochs []Epoch) []Segment {
	if len(epochs) == 1 {
		if s, ok := epochs[0].Segment(); ok {
			return []Segment{s}
		}
		return nil
	}
	sorted := slices.SortedFunc(slices.Values(epochs), compareEpochs)
	following := make(map[string]Epoch)
	var segs []Segment
	for i, e := range sorted {
		following[e.Prober] = e
		to := int64(math.MaxInt64)
		if i+1 < len(sorted) {
			to = sorted[i+1].From
		}
		if to > e.From {
			segs = appendSegment(segs, inForce(following), [2]int64{e.From, to})
		}
	}
	return slices.DeleteFunc(segs, func(s Segment) bool { return s.From >= s.To })
}

func compareEpochs(a, b Epoch) int {
	return cmp.Or(
		cmp.Compare(a.From, b.From),
		cmp.Compare(a.Interval, b.Interval),
		cmp.Compare(a.Offset, b.Offset),
		cmp.Compare(a.Prober, b.Prober),
	)
}

// inForce picks the newest epoch that has not ended; the zero Epoch if there is none.
func inForce(following map[string]Epoch) Epoch {
	var newest Epoch
	for _, e := range following {
		if e.Interval > 0 && (newest.Interval == 0 || compareEpochs(e, newest) > 0) {
			newest = e
		}
	}
	return newest
}

// appendSegment adds what is in force in [in[0], in[1]), continuing the last segment if it is the same grid.
func appendSegment(segs []Segment, e Epoch, in [2]int64) []Segment {
	if e.Interval == 0 {
		return segs
	}
	if n := len(segs) - 1; n >= 0 && segs[n].To == in[0] && segs[n].Interval == e.Interval && segs[n].Offset == e.Offset {
		segs[n].To = in[1]
		return segs
	}
	s := Segment{From: in[0], To: in[1], Interval: e.Interval, Offset: e.Offset}
	s.From = s.next(in[0])
	return append(segs, s)
}

// next returns the first instant of the grid at or after t.
func (s Segment) next(t int64) int64 {
	at := (t-s.Offset)/s.Interval*s.Interval + s.Offset
	if at < t {
		at += s.Interval
	}
	return at
}

// clip returns the first due slot of the segment in [from, to) and how many there are.
func (s Segment) clip(from, to int64) (first, n int64) {
	to = min(to, s.To)
	if from >= to || s.From >= to {
		return 0, 0
	}
	first = s.next(max(from, s.From))
	if first >= to {
		return 0, 0
	}
	return first, (to-1-first)/s.Interval + 1
}

// cell returns the length in ms of the cell of the slot at t.
func (s Segment) cell(t int64) int64 {
	if s.To-t < s.Interval {
		return s.To - t
	}
	return s.Interval
}

// Due yields every due slot in [from, to) with the length of its cell in ms, in order of time. A cell is
// not cut at the window's end: a slot belongs to a window by its instant, with all its weight.
func Due(segs []Segment, from, to int64) iter.Seq2[int64, int64] {
	return func(yield func(at, cell int64) bool) {
		for _, s := range segs {
			at, n := s.clip(from, to)
			for range n {
				if !yield(at, s.cell(at)) {
					return
				}
				at += s.Interval
			}
		}
	}
}

// CountDue counts the due slots in [from, to) and adds up their cells in ms, in time that depends on the
// number of segments only.
func CountDue(segs []Segment, from, to int64) (slots, ms int64) {
	for _, s := range segs {
		first, n := s.clip(from, to)
		if n == 0 {
			continue
		}
		slots += n
		ms += (n-1)*s.Interval + s.cell(first+(n-1)*s.Interval)
	}
	return slots, ms
}

// CellAt returns the length in ms of the cell of the slot at t, or 0 if no slot is due at t.
func CellAt(segs []Segment, t int64) int64 {
	i, _ := slices.BinarySearchFunc(segs, t, func(s Segment, t int64) int {
		if s.To <= t {
			return -1
		}
		return 1
	})
	if i == len(segs) || t < segs[i].From || segs[i].next(t) != t {
		return 0
	}
	return segs[i].cell(t)
}
