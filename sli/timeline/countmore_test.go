package timeline

import (
	"database/sql"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// Stores that count in turn, and die at it, count each slot once, and show the same.
func TestSeveralStoresCountEachSlotOnce(t *testing.T) {
	p, c := place{Options{Database: cluster.Database(t)}}, &clock{noon}
	db := admin(t, p)
	open := func(i int) *Store { return p.named(t, i).counter(t, c) }
	all := []*Store{open(0), open(1)}
	defer func() {
		for _, s := range all {
			_ = s.Close()
		}
	}()
	ingest(t, all[0], message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}}))
	countNow(t, all[0], c, noon.Add(lag))
	const rounds = 4
	for n := range rounds {
		s, other := all[n%2], all[(n+1)%2]
		from := noon.Add(time.Duration(n) * time.Minute)
		ingest(t, s, message(t, "p", probe.Batch{Results: ups(from, from.Add(time.Minute))}))
		countNow(t, s, c, from.Add(lag+30*time.Second))
		c.now = from.Add(lag + time.Minute)
		catchUp(t, other)
		s.writing.Lock()
		err := s.materialise(t.Context(), c.now)
		s.writing.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		// In mid-transaction it loses its connection, and the other one takes over.
		s.db.commit = func(tx *sql.Tx) error {
			must(t, db, `SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4`)
			countNow(t, other, c, c.now)
			return tx.Commit()
		}
		s.writing.Lock()
		err = s.count(t.Context())
		s.writing.Unlock()
		if err == nil {
			t.Fatal("count: got no error by who lost the connection")
		}
		must(t, db, cut, "store"+string(rune('0'+n%2)))
		_ = s.Close()
		all[n%2] = open(n % 2)
	}
	foldAll(t, all[0])
	shown := make([]*sli.Totals, 2)
	for i, s := range all {
		wantText(t, "counted", " good 24", shownText(t, s))
		var err error
		if shown[i], err = s.Totals(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(shown[0], shown[1]); d != "" {
		t.Errorf("what the stores show (-first +second):\n%s", d)
	}
}

// A commit of a count that fails counts once, whether it took place or not.
func TestCountsWhoseCommitFails(t *testing.T) { everywhere(t, testCountsWhoseCommitFails) }

func testCountsWhoseCommitFails(t *testing.T, p place) {
	c := &clock{noon}
	s := p.counter(t, c)
	defer func() { _ = s.Close() }()
	s.SetObjectives([]sli.SLO{objective("a")})
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: ups(noon, noon.Add(2*time.Minute))}))
	countNow(t, s, c, noon.Add(lag))
	if err := s.countObjectives(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, commit := range []func(*sql.Tx) error{failBefore, failAfter} {
		c.now = noon.Add(lag + time.Duration(i+1)*time.Minute)
		s.db.commit = commit
		if err := tryCount(t.Context(), s); err == nil {
			t.Fatal("count: got no error, want the commit's")
		}
		_ = s.countObjectives(t.Context())
		s.db.commit = (*sql.Tx).Commit
		countNow(t, s, c, c.now)
		if err := s.countObjectives(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantText(t, "counted", []string{" good 6", " good 12"}[i], shownText(t, s))
		all, err := s.Totals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []sli.SLOCount{{Name: "a", Amount: sli.Amount{Good: float64(60_000 * (i + 1))}}}
		if d := cmp.Diff(want, all.SLOs); d != "" {
			t.Errorf("SLOs (-want +got):\n%s", d)
		}
	}
}

// objective is an SLO of the check "shop".
func objective(name string) sli.SLO {
	return sli.SLO{Name: name, Checks: []string{"shop"}, Indicator: "availability", Objective: 0.9, Window: time.Hour, Combine: sli.Combine{Rule: "pooled"}}
}

func TestObjectivesAreCountedOnce(t *testing.T) {
	c := &clock{noon}
	p := place{Options{Dir: t.TempDir()}}
	s := p.counter(t, c)
	defer func() { _ = s.Close() }()
	worst := objective("worst")
	worst.Combine.Rule = "worst"
	s.SetObjectives([]sli.SLO{objective("a"), worst})
	rs := ups(noon.Add(-time.Minute), noon.Add(10*time.Minute))
	rs[7] = down("shop", noon.Add(10*time.Second))
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: rs}))
	step := func(what string, at time.Duration, want ...sli.SLOCount) {
		t.Helper()
		c.now = noon.Add(lag + at)
		if err := s.Count(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := s.Totals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, all.SLOs); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	count := func(name string, good, bad float64) sli.SLOCount {
		return sli.SLOCount{Name: name, Amount: sli.Amount{Good: good, Bad: bad}}
	}
	step("born; of the worst nothing is counted", 0, count("a", 0, 0))
	step("held back while it is new", 30*time.Second, count("a", 0, 0))
	step("after a minute", time.Minute, count("a", 50_000, 10_000))
	changed := objective("a")
	changed.Objective = 0.8
	s.SetObjectives([]sli.SLO{changed, objective("b")})
	step("another one", 2*time.Minute, count("a", 110_000, 10_000), count("b", 0, 0))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = p.counter(t, c)
	s.SetObjectives([]sli.SLO{changed, objective("b")})
	step("after a restart", 3*time.Minute, count("a", 170_000, 10_000), count("b", 120_000, 0))
	s.SetObjectives([]sli.SLO{objective("b")})
	step("one is gone", 4*time.Minute, count("b", 180_000, 0))
}

// Which slots were under a threshold is told by what the prober saw, and for one that is new by the bins.
func TestThresholdsAreCountedExactly(t *testing.T) {
	c := &clock{noon}
	s := place{Options{Dir: t.TempDir()}}.counter(t, c)
	defer s.Close()
	under := 300 * time.Millisecond
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}}))
	countNow(t, s, c, noon.Add(lag))
	var rs []probe.Result
	want := map[time.Duration]int64{}
	other := 500 * time.Millisecond
	for i := range 60 {
		at := noon.Add(time.Duration(i) * 10 * time.Second)
		r := up("shop", at)
		x := under + time.Duration(i-30)*time.Millisecond/4
		if i >= 50 {
			x, under = other+time.Duration(i-55)*time.Millisecond/4, other
		}
		r.Latency, r.Under = probe.IndexOf(x), x < under
		if r.Under {
			want[under]++
		}
		rs = append(rs, r)
	}
	e := follow("shop")
	e.From, e.Under = noon.Add(500*time.Second).UnixMilli(), other
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{e}, Results: rs}))
	countNow(t, s, c, noon.Add(lag+10*time.Minute))
	all, err := s.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got sli.LatencyCount
	for _, p := range all.Parts {
		for _, x := range p.Series {
			got = x.Latency
		}
	}
	if len(got.Bounds) != 2 || got.Bounds[0].Under != other {
		t.Fatalf("got bounds %+v, want the one in force first, and that before it", got.Bounds)
	}
	for _, b := range got.Bounds {
		n := b.More
		for _, bin := range got.Bins {
			if bin.Index.Seconds() <= b.Under.Seconds() {
				n += bin.N
			}
		}
		exact := want[b.Under]
		if b.Under == other {
			exact += 50 // which were long under it
		}
		if n != exact || b.More == 0 {
			t.Errorf("under %v: got %d, %d of them not by their bins, want %d", b.Under, n, b.More, exact)
		}
	}
}

// What is imported of slots that were counted is late, once.
func TestAnImportIsLate(t *testing.T) {
	from, to := place{Options{Dir: t.TempDir()}}, place{Options{Database: cluster.Database(t)}}
	c := &clock{noon}
	s := from.counter(t, c)
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: ups(noon.Add(-time.Hour), noon.Add(10*time.Minute))}))
	foldAll(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = to.counter(t, c)
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: ups(noon, noon.Add(time.Minute))}))
	countNow(t, s, c, noon.Add(lag))
	countNow(t, s, c, noon.Add(lag+20*time.Minute))
	wantText(t, "before", " none 60", shownText(t, s)) // counted first after over ten minutes
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Import(t.Context(), from.Dir, Options{Database: to.Database, Now: c.Now}); err != nil {
			t.Fatal(err)
		}
	}
	s = to.counter(t, c)
	defer s.Close()
	countNow(t, s, c, c.now)
	foldAll(t, s)
	countNow(t, s, c, c.now.Add(time.Minute))
	wantText(t, "after", " none 66; late none→good 60", shownText(t, s))
	if n := rows(t, s, "recount"); n != 0 {
		t.Errorf("got %d days that wait, want none", n)
	}
}

// Counters of a timeline go when the store forgets it, and a damaged row stops neither counting nor folding.
func TestCountsAreForgottenWithTheirSeries(t *testing.T) {
	c := &clock{noon}
	s := place{Options{Dir: t.TempDir()}}.counter(t, c)
	defer s.Close()
	end := follow("shop")
	end.From, end.Grid = noon.Add(time.Hour).UnixMilli(), probe.Grid{}
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop"), end}, Results: ups(noon, noon.Add(time.Minute))}))
	countNow(t, s, c, noon.Add(lag))
	countNow(t, s, c, noon.Add(lag+5*time.Minute))
	foldAll(t, s)
	must(t, s.db.write, "UPDATE counted SET data = x'01ff' WHERE part >= 0")
	must(t, s.db.write, "UPDATE counted_day SET data = x'01ff'")
	must(t, s.db.write, "UPDATE block SET data = x'01ff'")
	countNow(t, s, c, c.now.Add(time.Second))
	ingest(t, s, message(t, "p", probe.Batch{Results: ups(noon.Add(time.Minute), noon.Add(2*time.Minute))}))
	foldAll(t, s)
	countNow(t, s, c, noon.Add(lag+6*time.Minute))
	countNow(t, s, c, noon.Add(lag+26*time.Minute))
	wantText(t, "counted anew", " none 65", shownText(t, s))
	if n := rows(t, s, "rejected"); n == 0 {
		t.Error("got nothing put aside, want the damaged rows")
	}
	c.now = noon.Add(DefaultRetention + 48*time.Hour)
	if err := s.expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	countNow(t, s, c, c.now)
	wantText(t, "forgotten", "not there", shownText(t, s))
	if n := rows(t, s, "counted_day"); n != 0 {
		t.Errorf("got %d days, want none", n)
	}
}

func FuzzCounts(f *testing.F) {
	c := newPartCount()
	c.begin, c.upTo, c.written = 5, 70_000, 80_000
	c.region("tokyo", 3).due = 7
	c.series[sli.Series{Check: "shop", Region: "tokyo"}] = &seriesCount{
		born: 1, open: 20_000, epochs: []uint32{1, 1 << 31}, slots: [numVerdicts]int64{1, 2, 3, 4}, ms: [numVerdicts]int64{5, 6},
		bins: []sli.LatencyBin{{Index: -20, N: 3}, {Index: 7, N: 1}}, bounds: []sli.LatencyBound{{Under: time.Second, More: -2}},
		late:   []lateCount{{was: notDue, is: standing(sli.Good), born: 4, slots: 5, ms: 6}},
		recent: ledger{{at: 10_000, cell: 10_000, n: 3, as: standing(sli.Good)}, {at: 60_000, cell: 5_000, n: 1, as: standing(sli.Bad)}},
	}
	f.Add(c.encode())
	f.Add(c.series[sli.Series{Check: "shop", Region: "tokyo"}].recent.encodeDay())
	f.Add((&sloCount{upTo: 1, written: 2, slos: map[string]*objectiveCount{"a": {born: 3, ms: clockTime{1, 2.5}, mark: 5, late: []lateTime{{0, 1, 2, 3.5}}}}}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := decodeCount(data); err == nil {
			again, err := decodeCount(c.encode())
			if err != nil || !reflect.DeepEqual(c, again) {
				t.Errorf("decoded, encoded and decoded again: %v\n%s", err, cmp.Diff(c, again, cmp.AllowUnexported(partCount{}, seriesCount{}, regionCount{}, lateCount{}, stretch{})))
			}
		}
		if l, err := decodeDay(data); err == nil {
			if again, err := decodeDay(l.encodeDay()); err != nil || !reflect.DeepEqual(l, again) {
				t.Errorf("decoded, encoded and decoded again: got %v, %v, want %v", again, err, l)
			}
		}
		if c, err := decodeSLOCount(data); err == nil {
			if _, err := decodeSLOCount(c.encode()); err != nil {
				t.Error(err)
			}
		}
	})
}
