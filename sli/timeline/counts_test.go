package timeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// Counts by the minute against a report on each minute: over two days, a change of grid, a maintenance, corrections and what was
// missed; from the journal, half folded, and folded.
func TestCountsAgainstReportsOfEachMinute(t *testing.T) {
	everywhere(t, testCountsAgainstReportsOfEachMinute)
}

func testCountsAgainstReportsOfEachMinute(t *testing.T, p place) {
	c := &clock{midnight.Add(-10 * time.Minute)}
	s := p.open(t, c)
	defer s.Close()
	setMaintenance(t, s, sli.Maintenance{Name: "m", Checks: []string{"shop"}, From: midnight.Add(-5 * time.Minute), To: midnight.Add(90 * time.Second), Timezone: "UTC"})
	c.now = noon
	from, to := midnight.Add(-30*time.Minute-7*time.Second), midnight.Add(30*time.Minute+1500*time.Millisecond)
	early, late := unevenHour(from, to)
	ingest(t, s, message(t, "p", early), message(t, "p", late), in("osaka", message(t, "q", late)))
	correct(t, s, corrected("a", midnight.Add(-20*time.Minute), midnight.Add(-15*time.Minute), "bad", "tokyo"))
	correct(t, s, corrected("b", midnight.Add(10*time.Minute), midnight.Add(14*time.Minute), "exclude"))
	correct(t, s, corrected("c", midnight.Add(-4*time.Minute), midnight.Add(-3*time.Minute), "good"))

	x := sli.Series{Check: "shop", Region: "tokyo"}
	want := reportsByMinute(t, s, x, sli.Query{From: from, To: to})
	seen := map[string]bool{}
	check := func(what string) {
		t.Helper()
		got, err := s.Counts(t.Context(), x, sli.Query{From: from, To: to}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got.Steps); d != "" {
			t.Errorf("%s (-reports +counts):\n%s", what, d)
		}
		for _, n := range got.Steps {
			for v, is := range map[string]bool{"good": n.Slots.Good > 0, "bad": n.Slots.Bad > 0, "none": n.Slots.None > 0, "excluded": n.Slots.Excluded > 0} {
				seen[v] = seen[v] || is
			}
		}
	}
	check("from the journal")
	foldAll(t, s)
	check("folded")
	ingest(t, s, message(t, "p2", late)) // which says nothing else
	check("half folded")
	if len(seen) != 4 || len(want) != 62 {
		t.Errorf("%d minutes with %v, want 62 with all verdicts", len(want), seen)
	}
	testCountsOfOddWindows(t, s, x)
}

// unevenHour is what one sees of shop around midnight, in two messages: at 10 s, then at 7 s, with outages and holes.
func unevenHour(from, to time.Time) (early, late probe.Batch) {
	change := midnight.Add(5*time.Minute + 3*time.Second)
	e := follow("shop")
	e.From = from.Add(time.Minute).UnixMilli()
	early.Epochs = []probe.Epoch{e}
	seven := e
	seven.From, seven.Grid = change.UnixMilli(), probe.Grid{Interval: 7_000, Offset: 25}
	late.Epochs = []probe.Epoch{e, seven}
	due := timetable([]epoch{storedEpoch(Message{Prober: "p"}, 0, e), storedEpoch(Message{Prober: "p"}, 1, seven)})
	n := 0
	for ms := range sli.Due(due, from.UnixMilli(), to.UnixMilli()) {
		b, at := &early, time.UnixMilli(ms)
		if at.After(midnight.Add(-time.Minute)) {
			b = &late
		}
		switch n++; {
		case n%50 < 5:
			b.Results = append(b.Results, down("shop", at))
		case n%50 == 7: // no data
		default:
			b.Results = append(b.Results, up("shop", at))
		}
	}
	late.Missed = []probe.MissedRange{{Check: "shop", From: midnight.Add(16 * time.Minute).UnixMilli(), To: midnight.Add(18 * time.Minute).UnixMilli(), Reason: probe.Stopped}}
	return early, late
}

// reportsByMinute asks for the report of each minute, one by one.
func reportsByMinute(t *testing.T, s *Store, x sli.Series, q sli.Query) []sli.StepCounts {
	t.Helper()
	var all []sli.StepCounts
	for from := q.From; from.Before(q.To); {
		to := from.Truncate(time.Minute).Add(time.Minute)
		if to.After(q.To) {
			to = q.To
		}
		rs, err := s.Reports(t.Context(), sli.Query{Checks: []string{x.Check}, Regions: []string{x.Region}, From: from, To: to})
		if err != nil {
			t.Fatal(err)
		}
		n := sli.StepCounts{To: to}
		if len(rs) > 0 {
			a, b := rs[0].Slots, rs[0].Seconds
			n.Slots = sli.ByVerdict[int64]{Good: a.Good, Bad: a.Bad, None: a.Inconclusive + a.Missed + a.NoData, Excluded: a.Excluded}
			n.Seconds = sli.ByVerdict[float64]{Good: b.Good, Bad: b.Bad, None: b.Undecided, Excluded: b.Excluded}
		}
		all, from = append(all, n), to
	}
	return all
}

// testCountsOfOddWindows asks beyond as_of, for nothing, and about what there is not.
func testCountsOfOddWindows(t *testing.T, s *Store, x sli.Series) {
	t.Helper()
	ask := func(x sli.Series, q sli.Query) sli.Counts {
		t.Helper()
		c, err := s.Counts(t.Context(), x, q, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	asOf := noon.Add(-20 * time.Second) // a budget of 5 s
	c := ask(x, sli.Query{From: noon.Add(-5 * time.Minute), To: noon})
	if n := len(c.Steps); c.Settled || !c.To.Equal(asOf) || n != 5 || !c.Steps[n-1].To.Equal(asOf) {
		t.Errorf("until now: got %+v, want 5 steps, clipped to %v", c, asOf)
	}
	if c := ask(x, sli.Query{From: noon, To: noon.Add(time.Hour)}); len(c.Steps) != 0 {
		t.Errorf("of the future: got %+v, want no step", c)
	}
	c = ask(sli.Series{Check: "shop", Region: "mars"}, sli.Query{From: midnight, To: midnight.Add(time.Hour)})
	if len(c.Steps) != 60 || c.Steps[0].Slots != (sli.ByVerdict[int64]{}) {
		t.Errorf("of a timeline that there is not: got %+v, want 60 steps with nothing in them", c)
	}
}
