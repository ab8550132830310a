package web

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// minutes makes slots a minute apart, the last of them at noon.
func minutes(slots ...sli.Slot) []sli.Slot {
	for i := range slots {
		slots[i].At = noon.UnixMilli() - int64(len(slots)-1-i)*60_000
	}
	return slots
}

func TestStripJoinsWhatIsAlike(t *testing.T) {
	slots := minutes(
		sli.Slot{Outcome: sli.Up},
		sli.Slot{Outcome: sli.Up},
		sli.Slot{Outcome: sli.Down, Reason: "timeout"},
		sli.Slot{Outcome: sli.Down, Reason: "status"},
		sli.Slot{}, // before as_of: a hole
		sli.Slot{}, // not before as_of: may still come
	)
	got := stripOf(marksOf(slots, nil, noon.UnixMilli()), 8)
	want := strip{
		Width: 48,
		Label: "last 6 slots since 11:55:00Z: 2 up, 2 down, 1 no data, 1 not in yet",
		Runs: []run{
			{X: 12, Width: 12, Glyph: glyphUp, Title: "2 × up, 11:55:00Z to 11:56:00Z"},
			{X: 24, Width: 6, Glyph: glyphDown, Title: "down: timeout, 11:57:00Z"},
			{X: 30, Width: 6, Glyph: glyphDown, Title: "down: status, 11:58:00Z"},
			{X: 36, Width: 6, Glyph: glyphNoData, Title: "no data, 11:59:00Z"},
			{X: 42, Width: 6, Glyph: glyphPending, Title: "not in yet, 12:00:00Z"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStripShowsMaintenanceWhateverCame(t *testing.T) {
	slots := minutes(sli.Slot{Outcome: sli.Up}, sli.Slot{Outcome: sli.Down, Reason: "status"}, sli.Slot{Outcome: sli.Up})
	spans := []sli.Span{{From: slots[1].At, To: slots[2].At, Effect: sli.InMaintenance}}
	got := stripOf(marksOf(slots, spans, noon.UnixMilli()+1), 3).Runs[1]
	want := run{X: 6, Width: 6, Glyph: glyphMaintenance, Title: "down: status, in maintenance, 11:59:00Z"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNothingDueYet(t *testing.T) {
	want := strip{Width: 360, Label: "no slot was due yet"}
	if diff := cmp.Diff(want, stripOf(nil, 60)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStateIsThatOfTheLastSlotThatIsIn(t *testing.T) {
	asOf := noon.UnixMilli()
	for name, c := range map[string]struct {
		slots []sli.Slot
		want  state
	}{
		"none":                   {nil, stateNew},
		"pending only":           {minutes(sli.Slot{}), stateNew},
		"up, then pending":       {minutes(sli.Slot{Outcome: sli.Up}, sli.Slot{}), stateGood},
		"down, then pending":     {minutes(sli.Slot{Outcome: sli.Down}, sli.Slot{}), stateBad},
		"a hole, then pending":   {minutes(sli.Slot{Outcome: sli.Up}, sli.Slot{}, sli.Slot{}), stateBlind},
		"closed":                 {minutes(sli.Slot{Outcome: sli.ExpectedUnreachable}), stateGood},
		"open":                   {minutes(sli.Slot{Outcome: sli.Unexpected}), stateBad},
		"could not tell":         {minutes(sli.Slot{Outcome: sli.Up}, sli.Slot{Outcome: sli.Inconclusive}), stateBlind},
		"not probed":             {minutes(sli.Slot{Outcome: sli.Up}, sli.Slot{Outcome: sli.Missed}), stateBlind},
		"mended before as_of":    {minutes(sli.Slot{Outcome: sli.Down}, sli.Slot{Outcome: sli.Up}), stateGood},
		"an outcome of tomorrow": {minutes(sli.Slot{Outcome: 99}, sli.Slot{}), stateBlind},
	} {
		if got := newRow(sli.Series{}, nil, marksOf(c.slots, nil, asOf)).State; got != c.want {
			t.Errorf("%s: %s, want %s", name, got.Words(), c.want.Words())
		}
	}
}

// A change of the configuration is a tick before the first slot that follows it. One before all slots of the strip is
// none of its, unless it is just there.
func TestStripTicks(t *testing.T) {
	slots := minutes(sli.Slot{Outcome: sli.Up}, sli.Slot{Outcome: sli.Up}, sli.Slot{Outcome: sli.Up})
	change := func(at int64, what string) sli.Change { return sli.Change{At: time.UnixMilli(at), What: what} }
	marks := marksOf(slots, nil, noon.UnixMilli()+1)
	tell(marks, []sli.Change{
		change(slots[0].At-1, "long ago"), change(slots[0].At+1, "interval"), change(slots[1].At, "http.url"), change(slots[2].At+1, "to come"),
	})
	got := stripOf(marks, 4)
	want := []tick{{X: 12, Title: "configuration, 11:59:00Z: interval; http.url"}}
	if diff := cmp.Diff(want, got.Ticks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := "last 3 slots since 11:58:00Z: 3 up, configuration changed 2 ×"; got.Label != want {
		t.Errorf("got label %q, want %q", got.Label, want)
	}
	first := marksOf(slots, nil, noon.UnixMilli()+1)
	tell(first, []sli.Change{change(slots[0].At, "added")})
	if got := stripOf(first, 3).Ticks; len(got) != 1 || got[0].X != 0 {
		t.Errorf("a change at the first slot: got %v, want a tick before it", got)
	}
	tell(nil, []sli.Change{change(0, "nothing due")})
}
