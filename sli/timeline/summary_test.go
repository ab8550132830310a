package timeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatalf(string, ...any)
	Context() context.Context
}

// reportsFromSlots is what Reports says without any summary.
func reportsFromSlots(t tester, s *Store, q sli.Query) []sli.Report {
	t.Helper()
	w, err := s.window(q)
	if err != nil {
		t.Fatalf("window: %v", err)
	}
	all := s.counted(q, w)
	for i := range all {
		spans, err := s.Spans(t.Context(), all[i].Series, w.From, w.To)
		if err != nil {
			t.Fatalf("spans: %v", err)
		}
		all[i].tally.AddAll(s.slots(t.Context(), all[i].view, w.From, w.To, &err), spans)
		if slices.ContainsFunc(spans, func(x sli.Span) bool { return x.Effect.Correction() }) {
			all[i].observed = new(sli.Tally)
			all[i].observed.AddAll(s.slots(t.Context(), all[i].view, w.From, w.To, &err), sli.Uncorrected(spans))
		}
		if err != nil {
			t.Fatalf("slots: %v", err)
		}
	}
	reports := []sli.Report{}
	for _, cs := range byCheck(all) {
		reports = appendReports(reports, w, cs, s.weightsNow())
	}
	return reports
}

// asFromSlots compares the reports over a window with those from slots, to the last bit, and returns how many days
// of the check "shop" came from summaries.
func asFromSlots(t tester, s *Store, from, to time.Time) int {
	t.Helper()
	q := sli.Query{From: from, To: to, Now: noon}
	got, err := s.Reports(t.Context(), q)
	if err != nil {
		t.Fatalf("reports: %v", err)
	}
	if d := cmp.Diff(reportsFromSlots(t, s, q), got); d != "" {
		t.Fatalf("reports from %v to %v (-from slots +got):\n%s", from, to, d)
	}
	for i := range got {
		got[i].Latency = sli.LatencyReport{}
		if got[i].Observed != nil {
			got[i].Observed.Latency = sli.LatencyReport{}
		}
	}
	q.Figures = sli.FiguresAvailability
	plain, err := s.Reports(t.Context(), q)
	if err != nil {
		t.Fatalf("reports of availability: %v", err)
	}
	if d := cmp.Diff(got, plain); d != "" {
		t.Fatalf("reports from %v to %v (-without their latencies +of availability alone):\n%s", from, to, d)
	}
	w, _ := s.window(q)
	used := 0
	for _, c := range s.counted(q, w) {
		asInRuns(t, s, c.view, w.From, w.To)
		if c.Check != "shop" {
			continue
		}
		spans, err := s.Spans(t.Context(), c.Series, w.From, w.To)
		if err != nil {
			t.Fatalf("spans: %v", err)
		}
		var tally sli.Tally
		days, err := s.summaries(t.Context(), c.view, w, func(day int64) *sli.Tally {
			if !c.still(day) || touched(spans, day) {
				return nil
			}
			return &tally
		})
		if err != nil {
			t.Fatalf("summaries: %v", err)
		}
		used += len(days)
	}
	return used
}

// firstDay is the first of four whole days before the one that noon is in.
var firstDay = time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)

// on is an instant of the n-th of these days.
func on(n int, clock time.Duration) time.Time { return firstDay.AddDate(0, 0, n).Add(clock) }

// everyTwoHours is the epoch of the check "shop" on a grid of two hours from an instant on.
func everyTwoHours(from time.Time) probe.Epoch {
	e := follow("shop")
	e.From, e.Grid = from.UnixMilli(), probe.Grid{Interval: (2 * time.Hour).Milliseconds()}
	return e
}

// sparseBatch draws what probers say of the four days, on grids coarse enough that few messages fill a day.
func sparseBatch() *rapid.Generator[probe.Batch] {
	half := (30 * time.Minute).Milliseconds()
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return firstDay.Add(time.Duration(rapid.IntRange(-4, 4*48+3).Draw(t, "half hour")) * 30 * time.Minute)
	})
	return rapid.Custom(func(t *rapid.T) probe.Batch {
		var b probe.Batch
		if rapid.IntRange(0, 2).Draw(t, "epochs") == 0 {
			e := everyTwoHours(instant.Draw(t, "from"))
			e.Grid = rapid.SampledFrom([]probe.Grid{{Interval: 4 * half}, {Interval: 4 * half, Offset: half}, {Interval: 6 * half}, {}}).Draw(t, "grid")
			b.Epochs = append(b.Epochs, e)
		}
		for range rapid.IntRange(0, 8).Draw(t, "results") {
			at := instant.Draw(t, "at")
			r := rapid.SampledFrom([]probe.Result{up("shop", at), down("shop", at)}).Draw(t, "result")
			if r.Outcome == probe.Up {
				r.Latency += probe.LatencyIndex(rapid.IntRange(0, 300).Draw(t, "latency"))
			}
			r.Unvouched = rapid.Bool().Draw(t, "unvouched")
			r.Announced = r.Outcome == probe.Down && rapid.IntRange(0, 2).Draw(t, "announced") == 0
			b.Results = append(b.Results, r)
		}
		if rapid.IntRange(0, 2).Draw(t, "missed") == 0 {
			from := instant.Draw(t, "missed from").UnixMilli()
			b.Missed = append(b.Missed, probe.MissedRange{
				Check: "shop", From: from, To: from + half*rapid.Int64Range(1, 60).Draw(t, "missed for"), Reason: probe.Stopped,
			})
		}
		return b
	})
}

// Whatever comes in, in whatever order, among folds, restarts, maintenance and a clock that says anything, reports
// are what they would be without summaries, after every step.
func TestSummariesChangeNoReport(t *testing.T) {
	t.Parallel()
	everywhere(t, testSummariesChangeNoReport)
}

func testSummariesChangeNoReport(t *testing.T, p place) {
	used := 0
	// As little may be announced that the rest counts, often of another day.
	open := func(p place, c *clock) *Store {
		s := p.open(t, c)
		s.SetAnnounced(map[string]time.Duration{"shop": 3 * time.Hour})
		return s
	}
	p.check(t, mostRounds, func(rt *rapid.T, p place) {
		c := &clock{noon}
		s := open(p, c)
		defer func() { _ = s.Close() }()
		ingest(t, s, message(rt, "p", probe.Batch{Epochs: []probe.Epoch{everyTwoHours(on(0, 0))}}))
		for n := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"send", "send", "send", "fold", "fold", "restart", "maintenance", "clock"}).Draw(rt, "step") {
			case "send":
				if b := sparseBatch().Draw(rt, "batch"); !b.Empty() {
					m := message(rt, rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "prober"), b)
					m.Received = noon.Add(time.Duration(n) * time.Second)
					ingest(t, s, m)
				}
			case "fold":
				foldAll(t, s)
			case "restart":
				if err := s.Close(); err != nil {
					rt.Fatalf("close: %v", err)
				}
				s = open(p, c)
			case "maintenance":
				at := on(rapid.IntRange(0, 3).Draw(rt, "maintenance"), 23*time.Hour)
				maintain(t, s, at, at.Add(time.Duration(rapid.IntRange(1, 3).Draw(rt, "for"))*time.Hour))
			case "clock":
				c.now = on(rapid.IntRange(0, 4).Draw(rt, "now"), 12*time.Hour)
			}
			used += asFromSlots(rt, s, on(0, 0), on(4, 0))
		}
		from := rapid.IntRange(-2, 96).Draw(rt, "window from")
		to := rapid.IntRange(from, 100).Draw(rt, "window to")
		asFromSlots(rt, s, on(0, time.Duration(from)*time.Hour), on(0, time.Duration(to)*time.Hour))
	})
	if used == 0 {
		t.Error("no report ever used a summary: nothing was tested")
	}
}

// maintain writes down an occurrence of maintenance of the check "shop".
func maintain(tb testing.TB, s *Store, from, to time.Time) {
	tb.Helper()
	s.writing.Lock()
	defer s.writing.Unlock()
	o := occurrence{"shop", fmt.Sprint(from), sli.Span{From: from.UnixMilli(), To: to.UnixMilli()}}
	if err := s.putOccurrences(tb.Context(), []occurrence{o}, from.UnixMilli()); err != nil {
		tb.Fatal(err)
	}
}

// fourDays is a store with summaries of four days of a slot every two hours, of which the second day has a gap.
func fourDays(t *testing.T, p place) *Store {
	t.Helper()
	s := p.store(t)
	b := probe.Batch{Epochs: []probe.Epoch{everyTwoHours(on(0, 0))}}
	for at := on(0, 0); at.Before(on(4, 0)); at = at.Add(2 * time.Hour) {
		b.Results = append(b.Results, up("shop", at))
	}
	gap := probe.MissedRange{Check: "shop", From: on(1, 5*time.Hour).UnixMilli(), To: on(1, 7*time.Hour).UnixMilli(), Reason: probe.Stopped}
	b.Results = append(b.Results[:15], b.Results[16:]...)
	ingest(t, s, message(t, "p", b), message(t, "q", probe.Batch{Missed: []probe.MissedRange{gap}}))
	foldAll(t, s)
	if n := asFromSlots(t, s, on(0, 0), on(4, 0)); n != 4 {
		t.Fatalf("got %d days from summaries, want all four", n)
	}
	return s
}

// What becomes known of a day makes its summary void, and no other one, until a fold makes it again.
func TestSummariesThatNoLongerHold(t *testing.T) { everywhere(t, testSummariesThatNoLongerHold) }

func testSummariesThatNoLongerHold(t *testing.T, p place) {
	other := func(from time.Time, grid probe.Grid) probe.Batch {
		e := everyTwoHours(from)
		e.Grid = grid
		return probe.Batch{Epochs: []probe.Epoch{e}}
	}
	two, end := probe.Grid{Interval: (2 * time.Hour).Milliseconds()}, probe.Grid{}
	for i, x := range []struct {
		name   string
		prober string
		batch  probe.Batch
		used   int // before and, of what has results, after a fold
		folded int
	}{
		{"a result", "p", probe.Batch{Results: []probe.Result{down("shop", on(1, 2*time.Hour))}}, 3, 4},
		{"a result of no due slot", "p", probe.Batch{Results: []probe.Result{down("shop", on(1, time.Hour))}}, 3, 4},
		{"a missed range over three days", "p", probe.Batch{Missed: []probe.MissedRange{{
			Check: "shop", From: on(1, 23*time.Hour).UnixMilli(), To: on(3, time.Hour).UnixMilli(), Reason: probe.Late,
		}}}, 1, 4},
		{"another grid from within a day on", "p", other(on(2, 2*time.Hour), probe.Grid{Interval: 7_200_000, Offset: 1_800_000}), 2, 2},
		{"another grid from before the last cell of a day ends", "p", other(on(3, time.Hour), probe.Grid{Interval: 7_200_000, Offset: 3_600_000}), 3, 3},
		{"another grid that cuts the last cell of the day before", "p", other(on(2, 23*time.Hour), probe.Grid{Interval: 86_400_000, Offset: 82_800_000}), 2, 2},
		{"the end", "p", other(on(3, 0), end), 3, 3},
		{"a prober's grid, which gives its gap a meaning", "q", other(on(1, 0), two), 1, 1},
		{"a prober's grid after the days", "q", other(on(4, 0), two), 4, 4},
		{"the same word again", "p", other(on(0, 0), two), 4, 4},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := fourDays(t, p.room(t, i))
			m := message(t, x.prober, x.batch)
			m.Received = noon.Add(time.Second)
			ingest(t, s, m)
			if got := asFromSlots(t, s, on(0, 0), on(4, 0)); got != x.used {
				t.Errorf("got %d days from summaries, want %d", got, x.used)
			}
			foldAll(t, s)
			if got := asFromSlots(t, s, on(0, 0), on(4, 0)); got != x.folded {
				t.Errorf("after a fold: got %d days from summaries, want %d", got, x.folded)
			}
		})
	}
}

func TestSummariesAreOfWholeDaysWithoutMaintenance(t *testing.T) {
	everywhere(t, testSummariesAreOfWholeDaysWithoutMaintenance)
}

func testSummariesAreOfWholeDaysWithoutMaintenance(t *testing.T, p place) {
	s := fourDays(t, p)
	for _, x := range []struct {
		from, to time.Time
		want     int
	}{
		{on(0, 0), on(4, 0), 4},
		{on(0, time.Millisecond), on(4, 0), 3},
		{on(0, 0), on(4, -time.Millisecond), 3},
		{on(0, time.Hour), on(1, time.Hour), 0},
		{on(-3, 0), on(1, 0), 1},
		{on(1, 0), on(1, 0), 0},
	} {
		if got := asFromSlots(t, s, x.from, x.to); got != x.want {
			t.Errorf("from %v to %v: got %d days from summaries, want %d", x.from, x.to, got, x.want)
		}
	}
	maintain(t, s, on(1, 23*time.Hour), on(2, 0))
	maintain(t, s, on(3, 0), on(3, time.Millisecond))
	if got := asFromSlots(t, s, on(0, 0), on(4, 0)); got != 2 {
		t.Errorf("with maintenance on two days: got %d days from summaries, want 2", got)
	}
}

// A summary whose seal does not fit is not believed, and one that nothing is wrong with is: it is what is reported.
func TestSummariesAreSealed(t *testing.T) { everywhere(t, testSummariesAreSealed) }

func testSummariesAreSealed(t *testing.T, p place) {
	s := fourDays(t, p)
	x := sli.Series{Check: "shop", Region: "tokyo"}
	tl := s.timelines.of(x)
	day := dayOf(on(2, 0).UnixMilli())
	forged := goldenTally(t)
	g := groundsOf(tl.epochs(), tl.due())
	for _, y := range []struct {
		name string
		data []byte
		want int
	}{
		{"nothing", []byte{}, 3},
		{"no seal", forged, 3},
		{"the seal of another day", append(g.seal(day+1, forged), forged...), 3},
		{"a changed tally", append(append(g.seal(day, forged), forged[:len(forged)-1]...), forged[len(forged)-1]^1), 3},
		{"no tally", append(g.seal(day, []byte{9}), 9), 3},
	} {
		putSummary(t, s, tl.id, day, y.data)
		if got := asFromSlots(t, s, on(0, 0), on(4, 0)); got != y.want {
			t.Errorf("%s: got %d days from summaries, want %d", y.name, got, y.want)
		}
	}
	putSummary(t, s, tl.id, day, append(g.seal(day, forged), forged...))
	rs, err := s.Reports(t.Context(), sli.Query{From: on(2, 0), To: on(3, 0)})
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "the report", "shop tokyo 0 due=1 excluded=0 weights=map[]", brief(rs)[0])
}

// goldenTally is one bad slot.
func goldenTally(t *testing.T) []byte {
	t.Helper()
	var tally sli.Tally
	tally.Add(sli.Slot{Cell: 10_000, Outcome: sli.Down, Latency: sli.NoLatency}, nil)
	b, err := tally.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func putSummary(t *testing.T, s *Store, series, day int64, data []byte) {
	t.Helper()
	err := s.db.transact(t.Context(), func(tx *transaction) error {
		p, err := s.readSummaries(tx, series, pageOf(day))
		if err != nil {
			return err
		}
		return tx.exec("put summaries", series, pageOf(day), p.with(day, data).encode())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// summarised counts the summaries that are not void.
func summarised(t *testing.T, s *Store) int {
	t.Helper()
	n := 0
	err := s.db.each(t.Context(), s.db.read, "summaries of some", []any{0, maxInstant, -maxInstant, maxInstant}, func(scan func(...any) error) error {
		var series int64
		var row pageRow
		if err := scan(&series, &row.number, &row.void, &row.data); err != nil {
			return err
		}
		return row.each(func(dayPart) { n++ })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Whoever writes a block, its summary goes with what it was about.
func TestNoSummaryOutlivesItsBlock(t *testing.T) { everywhere(t, testNoSummaryOutlivesItsBlock) }

func testNoSummaryOutlivesItsBlock(t *testing.T, p place) {
	for i, statement := range []string{
		"UPDATE block SET data = data", "DELETE FROM block",
		"INSERT INTO block SELECT * FROM block WHERE true ON CONFLICT (series, day) DO UPDATE SET data = excluded.data",
		"INSERT OR REPLACE INTO block SELECT * FROM block",
	} {
		if p.Database != "" && strings.Contains(statement, "OR REPLACE") {
			continue // SQLite's alone
		}
		s := fourDays(t, p.room(t, i))
		if n := summarised(t, s); n != 4 {
			t.Errorf("got %d summaries, want 4", n)
		}
		if _, err := s.db.write.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if n := summarised(t, s); n != 0 {
			t.Errorf("%s: got %d summaries left, want none", statement, n)
		}
	}
}

// A day has a summary from when its last due slot is there; before, making one would be for nothing.
func TestADayIsSummarisedOnceItIsComplete(t *testing.T) {
	everywhere(t, testADayIsSummarisedOnceItIsComplete)
}

func testADayIsSummarisedOnceItIsComplete(t *testing.T, p place) {
	c := &clock{on(1, -time.Minute)}
	s := p.open(t, c)
	defer s.Close()
	send := func(b probe.Batch) {
		m := message(t, "p", b)
		m.Received = c.now
		ingest(t, s, m)
		foldAll(t, s)
	}
	send(probe.Batch{Epochs: []probe.Epoch{everyTwoHours(on(0, 0))}, Results: []probe.Result{up("shop", on(0, 20*time.Hour))}})
	if n := summarised(t, s); n != 0 {
		t.Errorf("while a slot is to come: got %d summaries, want none", n)
	}
	send(probe.Batch{Results: []probe.Result{up("shop", on(0, 22*time.Hour))}})
	if n := summarised(t, s); n != 1 {
		t.Errorf("after the last slot of the day: got %d summaries, want 1", n)
	}
	c.now = on(2, 0)
	send(probe.Batch{Results: []probe.Result{up("shop", on(1, 0))}})
	if n := summarised(t, s); n != 2 {
		t.Errorf("after the day: got %d summaries, want 2", n)
	}
}

// A folder of version 1 is brought up to date, keeps what it has, and gets summaries of what is folded from then on.
func TestMigrationFromVersion1(t *testing.T) {
	dir, c := t.TempDir(), &clock{noon}
	s := openStore(t, dir, c)
	ingest(t, s, message(t, "p", probe.Batch{
		Epochs: []probe.Epoch{everyTwoHours(on(0, 0))}, Results: []probe.Result{up("shop", on(0, 0)), down("shop", on(1, 0))},
	}))
	foldAll(t, s)
	_, err := s.db.write.ExecContext(t.Context(), `DROP TRIGGER block_new; DROP TRIGGER block_changed; DROP TRIGGER block_gone;
		DROP TABLE summaries; DROP TABLE phases; DROP TABLE plan; DROP TABLE plan_chunk; DROP TABLE change; DROP TABLE credential; DROP TABLE correction; DROP TABLE revocation; DROP TABLE outline; DROP TABLE counted_slo;
		DROP TABLE counted; DROP TABLE counted_day; DROP TABLE counted_correction; DROP TABLE recount; DROP TABLE announced;
		ALTER TABLE journal DROP COLUMN packed; UPDATE meta SET value = 1 WHERE name = 'schema_version'`)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openStore(t, dir, c)
	defer s.Close()
	if got := asFromSlots(t, s, on(0, 0), on(4, 0)); got != 0 {
		t.Errorf("got %d days from summaries, want none", got)
	}
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{up("shop", on(1, 2*time.Hour))}}))
	foldAll(t, s)
	if got := asFromSlots(t, s, on(0, 0), on(4, 0)); got != 1 {
		t.Errorf("after a fold: got %d days from summaries, want 1", got)
	}
}

// What a summary is sealed by does not depend on how blocks are written: days that were folded years ago keep theirs.
func TestSealsAreThoseOfBefore(t *testing.T) {
	g := grounds{
		due: []sli.Segment{{From: day20000 * dayMillis, To: (day20000 + 1) * dayMillis, Interval: 10_000}}, probers: []string{"p"},
		followed: [][]sli.Segment{{{From: day20000 * dayMillis, To: (day20000 + 1) * dayMillis, Interval: 10_000, Offset: 25}}},
	}
	if got, want := fmt.Sprintf("%x", g.seal(day20000, []byte("tally"))), "8c420aa349d33c2f"; got != want {
		t.Errorf("got seal %s, want %s: all summaries of all stores would be void", got, want)
	}
}
