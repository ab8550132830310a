package sli_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

const forEver = math.MaxInt64

func TestTimetable(t *testing.T) {
	for _, test := range []struct {
		name   string
		epochs []sli.Epoch
		want   []sli.Segment
	}{
		{"none", nil, nil},
		{"one", []sli.Epoch{{"a", 30, 10, 0}}, []sli.Segment{{30, forEver, 10, 0}}},
		{"ended", []sli.Epoch{{"a", 30, 10, 0}, {"a", 65, 0, 0}}, []sli.Segment{{30, 65, 10, 0}}},
		{"only an end", []sli.Epoch{{"a", 30, 0, 0}}, nil},
		{"repeated, in any order", []sli.Epoch{{"a", 65, 0, 0}, {"a", 30, 10, 0}, {"a", 65, 0, 0}, {"a", 30, 10, 0}}, []sli.Segment{{30, 65, 10, 0}}},
		{"announced again goes on", []sli.Epoch{{"a", 30, 10, 0}, {"a", 60, 10, 0}}, []sli.Segment{{30, forEver, 10, 0}}},
		{"two probers, one grid", []sli.Epoch{{"a", 30, 10, 0}, {"b", 50, 10, 0}, {"a", 70, 0, 0}}, []sli.Segment{{30, forEver, 10, 0}}},
		{"interval changes", []sli.Epoch{{"a", 30, 10, 0}, {"a", 75, 20, 15}}, []sli.Segment{{30, 75, 10, 0}, {75, forEver, 20, 15}}},
		{"a pause", []sli.Epoch{{"a", 30, 10, 0}, {"a", 50, 0, 0}, {"a", 90, 10, 0}}, []sli.Segment{{30, 50, 10, 0}, {90, forEver, 10, 0}}},
		{"end and new grid at once", []sli.Epoch{{"a", 30, 10, 0}, {"a", 60, 0, 0}, {"a", 60, 20, 0}}, []sli.Segment{{30, 60, 10, 0}, {60, forEver, 20, 0}}},
		{"the newest of two grids", []sli.Epoch{{"a", 30, 10, 0}, {"b", 45, 10, 5}}, []sli.Segment{{30, 45, 10, 0}, {45, forEver, 10, 5}}},
		// Back to a's grid, whose next slot is at 70.
		{"the newest ends first", []sli.Epoch{{"a", 30, 10, 0}, {"b", 45, 10, 5}, {"b", 61, 0, 0}}, []sli.Segment{{30, 45, 10, 0}, {45, 61, 10, 5}, {70, forEver, 10, 0}}},
		{"from between two slots", []sli.Epoch{{"a", 33, 10, 0}}, []sli.Segment{{40, forEver, 10, 0}}},
		{"too short for a slot", []sli.Epoch{{"a", 33, 10, 0}, {"a", 39, 0, 0}}, []sli.Segment{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, sli.Timetable(test.epochs)); diff != "" {
				t.Errorf("segments (-want +got):\n%s", diff)
			}
		})
	}
}

// A cell is one due slot.
type cell struct{ At, Length int64 }

func TestDue(t *testing.T) {
	segs := []sli.Segment{{30, 75, 10, 0}, {75, 110, 20, 15}, {130, forEver, 50, 30}}
	want := []cell{{40, 10}, {50, 10}, {60, 10}, {70, 5}, {75, 20}, {95, 15}, {130, 50}, {180, 50}}
	if diff := cmp.Diff(want, due(segs, 31, 181)); diff != "" {
		t.Errorf("due in [31, 181) (-want +got):\n%s", diff)
	}
	if got := due(segs, 60, 60); got != nil {
		t.Errorf("due in an empty window: got %v", got)
	}
}

func due(segs []sli.Segment, from, to int64) []cell {
	var cells []cell
	for at, length := range sli.Due(segs, from, to) {
		cells = append(cells, cell{at, length})
	}
	return cells
}

// A window of a thousand years is counted at once.
func TestCountDueIsArithmetic(t *testing.T) {
	const year = 365 * 24 * 3600 * 1000
	slots, ms := sli.CountDue([]sli.Segment{{0, forEver, 10, 0}}, 0, 1000*year)
	if slots != 100*year || ms != 1000*year {
		t.Errorf("got %d slots, %d ms; want %d, %d", slots, ms, 100*year, 1000*year)
	}
}

// bruteDue finds the due slots in [from, to) by asking at each instant what is in force there.
func bruteDue(epochs []sli.Epoch, from, to int64) []cell {
	var cells []cell
	for at := from; at < to; at++ {
		e := bruteInForce(epochs, at)
		if e.Interval == 0 || at%e.Interval != e.Offset {
			continue
		}
		length := int64(1)
		for ; length < e.Interval; length++ {
			next := bruteInForce(epochs, at+length)
			if next.Interval != e.Interval || next.Offset != e.Offset {
				break
			}
		}
		cells = append(cells, cell{at, length})
	}
	return cells
}

func bruteInForce(epochs []sli.Epoch, at int64) sli.Epoch {
	var newest sli.Epoch
	for _, e := range epochs {
		if e.From > at || e.Interval == 0 || bruteSuperseded(epochs, e, at) {
			continue
		}
		if newest.Interval == 0 || bruteLater(e, newest) {
			newest = e
		}
	}
	return newest
}

// bruteSuperseded: its own prober has said something later by then.
func bruteSuperseded(epochs []sli.Epoch, e sli.Epoch, at int64) bool {
	return slices.ContainsFunc(epochs, func(o sli.Epoch) bool {
		return o.Prober == e.Prober && o.From <= at && bruteLater(o, e)
	})
}

func bruteLater(a, b sli.Epoch) bool {
	if a.From != b.From {
		return a.From > b.From
	}
	if a.Interval != b.Interval {
		return a.Interval > b.Interval
	}
	return a.Offset > b.Offset
}

func genEpochs() *rapid.Generator[[]sli.Epoch] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sli.Epoch {
		e := sli.Epoch{
			Prober:   rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "prober"),
			From:     rapid.Int64Range(0, 200).Draw(t, "from"),
			Interval: rapid.SampledFrom([]int64{0, 5, 7, 20, 30}).Draw(t, "interval"),
		}
		if e.Interval > 0 {
			e.Offset = rapid.Int64Range(0, e.Interval-1).Draw(t, "offset")
		}
		return e
	}), 0, 8)
}

func TestTimetableAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		epochs := genEpochs().Draw(t, "epochs")
		segs := sli.Timetable(rapid.Permutation(epochs).Draw(t, "order"))
		from := rapid.Int64Range(0, 250).Draw(t, "from")
		to := rapid.Int64Range(from, 300).Draw(t, "to")
		want := bruteDue(epochs, from, to)
		if diff := cmp.Diff(want, due(segs, from, to)); diff != "" {
			t.Fatalf("due in [%d, %d) (-want +got):\n%s", from, to, diff)
		}
		var ms int64
		for _, c := range want {
			ms += c.Length
		}
		if n, got := sli.CountDue(segs, from, to); n != int64(len(want)) || got != ms {
			t.Fatalf("CountDue: want %d slots, %d ms; got %d, %d", len(want), ms, n, got)
		}
		checkCellAt(t, segs, want, [2]int64{from, to})
	})
}

func checkCellAt(t *rapid.T, segs []sli.Segment, want []cell, in [2]int64) {
	lengths := map[int64]int64{}
	for _, c := range want {
		lengths[c.At] = c.Length
	}
	for at := in[0]; at < in[1]; at++ {
		if got := sli.CellAt(segs, at); got != lengths[at] {
			t.Fatalf("CellAt(%d): want %d, got %d", at, lengths[at], got)
		}
	}
}
