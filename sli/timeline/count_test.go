package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// counter opens a store that counts from now on.
func (p place) counter(tb testing.TB, c *clock) *Store {
	tb.Helper()
	s := p.open(tb, c)
	if err := s.SetMaintenance(tb.Context(), nil, nil); err != nil {
		tb.Fatal(err)
	}
	return s
}

// countNow counts at an instant, as Run does every ten seconds.
func countNow(tb testing.TB, s *Store, c *clock, at time.Time) {
	tb.Helper()
	c.now = at
	if s.shared != nil {
		catchUp(tb, s)
	}
	if err := tryCount(tb.Context(), s); err != nil {
		tb.Fatal(err)
	}
}

func tryCount(ctx context.Context, s *Store) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if led, err := s.lead(ctx); !led {
		return err
	}
	return errors.Join(s.materialise(ctx, s.o.Now()), s.count(ctx))
}

// shownText says what is shown of the check "shop" in Tokyo: "good 3, bad 1; late none→good 2", in slots. Nothing is said of what is 0.
func shownText(tb testing.TB, s *Store) string {
	tb.Helper()
	all, err := s.Totals(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	out := "not there"
	for _, p := range all.Parts {
		for _, x := range p.Series {
			if x.Check != "shop" {
				continue
			}
			out = ""
			for _, v := range []sli.Verdict{sli.Good, sli.Bad, sli.None, sli.Excluded} {
				if x.Slots[v] != 0 {
					out += fmt.Sprintf(" %v %d", v, x.Slots[v])
				}
				if want := 10_000 * x.Slots[v]; x.MS[v] != want {
					tb.Errorf("%v: got %d ms of %d slots, want %d", v, x.MS[v], x.Slots[v], want)
				}
			}
			for _, l := range x.Late {
				if l.Slots != 0 {
					out += fmt.Sprintf("; late %s→%s %d", l.Was, l.Verdict, l.Slots)
				}
			}
		}
	}
	return out
}

// regionText says of Tokyo for how much time there was a verdict, and how much was due.
func regionText(tb testing.TB, s *Store) string {
	tb.Helper()
	all, err := s.Totals(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	var due, told int64
	for _, p := range all.Parts {
		for _, r := range p.Regions {
			due, told = due+r.Due, told+r.Told
		}
	}
	return fmt.Sprintf("%d of %d s", told/1000, due/1000)
}

// lag is how far behind now slots of the check of follow settle.
const lag = 20 * time.Second

func TestASlotIsCountedOnceWhenItSettles(t *testing.T) {
	everywhere(t, testASlotIsCountedOnceWhenItSettles)
}

func testASlotIsCountedOnceWhenItSettles(t *testing.T, p place) {
	c := &clock{noon}
	s := p.counter(t, c)
	defer func() { _ = s.Close() }()
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", noon.Add(-time.Hour))}}))
	countNow(t, s, c, noon.Add(lag)) // counting begins with the slot of noon
	wantText(t, "born", "", shownText(t, s))
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{
		up("shop", noon), down("shop", noon.Add(10*time.Second)), inconclusive("shop", noon.Add(20*time.Second)), up("shop", noon.Add(30*time.Second)),
	}}))
	countNow(t, s, c, noon.Add(lag+30*time.Second))
	wantText(t, "held back while it is new", "", shownText(t, s))
	countNow(t, s, c, noon.Add(lag+59*time.Second))
	wantText(t, "a second too early", "", shownText(t, s))
	countNow(t, s, c, noon.Add(lag+time.Minute)) // 40 s and 50 s have no result yet
	wantText(t, "after a minute", " good 2 bad 1 none 1", shownText(t, s))
	wantText(t, "of the region", "30 of 40 s", regionText(t, s))
	countNow(t, s, c, noon.Add(lag+time.Minute))
	wantText(t, "counted again", " good 2 bad 1 none 1", shownText(t, s))

	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{up("shop", noon.Add(50*time.Second))}}))
	countNow(t, s, c, noon.Add(lag+time.Minute))
	wantText(t, "within ten minutes", " good 3 bad 1 none 1", shownText(t, s))
	foldAll(t, s)
	countNow(t, s, c, noon.Add(lag+2*time.Minute))
	wantText(t, "folded", " good 3 bad 1 none 1", shownText(t, s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = p.counter(t, c)
	wantText(t, "after a restart", " good 3 bad 1 none 1", shownText(t, s))
	countNow(t, s, c, noon.Add(lag+11*time.Minute))
	wantText(t, "what never came", " good 3 bad 1 none 2", shownText(t, s))
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{up("shop", noon.Add(40*time.Second)), up("shop", noon.Add(-time.Hour).Add(10*time.Second))}}))
	foldAll(t, s)
	wantText(t, "held back while it is new", " good 3 bad 1 none 2", shownText(t, s))
	countNow(t, s, c, noon.Add(lag+12*time.Minute))
	wantText(t, "late", " good 3 bad 1 none 8; late none→good 1", shownText(t, s))
	wantText(t, "of the region, to whom that is late too", "40 of 120 s", regionText(t, s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// ups are results of [from, to).
func ups(from, to time.Time) (rs []probe.Result) {
	for at := from; at.Before(to); at = at.Add(10 * time.Second) {
		rs = append(rs, up("shop", at))
	}
	return rs
}

func TestCorrectionsAreCountedOnceAndApart(t *testing.T) {
	everywhere(t, testCorrectionsAreCountedOnceAndApart)
}

func testCorrectionsAreCountedOnceAndApart(t *testing.T, p place) {
	c := &clock{noon}
	s := p.counter(t, c)
	defer func() { _ = s.Close() }()
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}}))
	countNow(t, s, c, noon.Add(lag))
	rs := ups(noon, noon.Add(10*time.Minute))
	missing := rs[6]
	ingest(t, s, message(t, "p", probe.Batch{Results: append(rs[:6:6], rs[7:]...)}))
	countNow(t, s, c, noon.Add(lag+10*time.Minute))
	foldAll(t, s)
	countNow(t, s, c, noon.Add(lag+15*time.Minute))
	wantText(t, "before", " good 59 none 1", shownText(t, s))

	wrong, err := s.Correct(t.Context(), sli.Correction{
		Checks: []string{"shop"}, From: noon.Add(time.Minute), To: noon.Add(2 * time.Minute), Effect: "bad", Category: "missed_outage", Reason: "r", Author: "a",
	})
	if err != nil {
		t.Fatal(err)
	}
	step := func(what, want string) {
		t.Helper()
		countNow(t, s, c, c.now)
		countNow(t, s, c, c.now.Add(time.Minute)) // until what is new shows
		wantText(t, what, want, shownText(t, s))
	}
	step("corrected", " good 59 none 1; late none→bad 1; late good→bad 5")
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{missing}}))
	foldAll(t, s)
	step("a late result under the correction", " good 59 none 1; late none→bad 1; late good→bad 5")
	if ok, err := s.Revoke(t.Context(), wrong.ID, sli.Revocation{Author: "a", Reason: "r"}); !ok || err != nil {
		t.Fatalf("revoke: got %v, %v", ok, err)
	}
	step("revoked", " good 59 none 1; late none→bad 1; late good→bad 5; late bad→good 6")
	if n := rows(t, s, "counted_correction"); n != 2 {
		t.Errorf("got %d words marked as counted, want the correction and its revocation", n)
	}
}

// reckoned is what is counted of the check "shop", in slots and ms by verdict: as it was at first, and with what became of it.
func reckoned(tb interface{ Fatalf(string, ...any) }, s *Store) (first, now [2][numVerdicts + 1]int64, upTo int64) {
	x := sli.Series{Check: "shop", Region: "tokyo"}
	var data []byte
	var gen int64
	if err := s.db.read.QueryRowContext(context.Background(), s.db.queries["count"], int64(partOf(x))).Scan(&gen, &data); err != nil {
		tb.Fatalf("read what is counted: %v", err)
	}
	c, err := decodeCount(data)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	sc := c.series[x]
	if sc == nil {
		return first, now, c.upTo
	}
	copy(first[0][:], sc.slots[:])
	copy(first[1][:], sc.ms[:])
	now = first
	for _, l := range sc.late {
		now[0][l.was], now[1][l.was] = now[0][l.was]-l.slots, now[1][l.was]-l.ms
		now[0][l.is], now[1][l.is] = now[0][l.is]+l.slots, now[1][l.is]+l.ms
	}
	return first, now, c.upTo
}

// Whatever comes whenever, what was counted at first never falls, and with what became of it it is what the timeline says.
func TestWhatIsCountedIsWhatTheTimelineSays(t *testing.T) {
	everywhere(t, testWhatIsCountedIsWhatTheTimelineSays)
}

func testWhatIsCountedIsWhatTheTimelineSays(t *testing.T, p place) {
	p.check(t, someRounds, func(rt *rapid.T, p place) {
		c := &clock{midnight.Add(-2 * time.Minute)}
		begin := c.now
		o := objective("a")
		o.Window = 48 * time.Hour
		open := func() *Store {
			s := p.counter(t, c)
			s.SetObjectives([]sli.SLO{o})
			s.SetAnnounced(map[string]time.Duration{"shop": 30 * time.Second})
			return s
		}
		s := open()
		defer func() { _ = s.Close() }()
		e := follow("shop")
		e.From = begin.Add(-time.Minute).UnixMilli()
		msg := message(rt, "p", probe.Batch{Epochs: []probe.Epoch{e}})
		msg.Received = begin
		ingest(t, s, msg)
		countNow(t, s, c, begin.Add(lag))
		if err := s.countObjectives(t.Context()); err != nil {
			rt.Fatalf("count for SLOs: %v", err)
		}
		var before [2][numVerdicts + 1]int64
		var corrections []string
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"send", "send", "send", "fold", "pass", "pass", "restart", "correct", "revoke", "fail"}).Draw(rt, "step") {
			case "send":
				b := batchGen().Draw(rt, "batch")
				if b.Empty() {
					continue
				}
				msg := message(rt, rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "prober"), b)
				msg.Received = c.now
				ingest(t, s, msg)
			case "fold":
				foldAll(t, s)
			case "pass":
				c.now = c.now.Add(time.Duration(rapid.SampledFrom([]int{5, 10, 30, 60, 300, 700}).Draw(rt, "seconds")) * time.Second)
			case "restart":
				if err := s.Close(); err != nil {
					rt.Fatalf("close: %v", err)
				}
				s = open()
			case "correct":
				from := begin.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "from")) * 10 * time.Second)
				to := from.Add(time.Duration(rapid.IntRange(1, 10).Draw(rt, "for")) * 10 * time.Second)
				if to.After(c.now) {
					continue
				}
				x, err := s.Correct(t.Context(), sli.Correction{
					Checks: []string{"shop"}, From: from, To: to, Effect: rapid.SampledFrom([]string{"bad", "good", "exclude"}).Draw(rt, "effect"),
					Category: "test", Reason: "r", Author: "a",
				})
				if err != nil {
					rt.Fatalf("correct: %v", err)
				}
				corrections = append(corrections, x.ID)
			case "revoke":
				if n := len(corrections); n > 0 {
					id := corrections[rapid.IntRange(0, n-1).Draw(rt, "which")]
					if _, err := s.Revoke(t.Context(), id, sli.Revocation{Author: "a", Reason: "r"}); err != nil {
						rt.Fatalf("revoke: %v", err)
					}
				}
			case "fail":
				s.db.commit = rapid.SampledFrom([]func(*sql.Tx) error{failBefore, failAfter}).Draw(rt, "commit")
				_ = tryCount(t.Context(), s)
				_ = s.countObjectives(t.Context())
				s.writing.Lock()
				_ = s.fold(t.Context(), everything)
				s.writing.Unlock()
				s.db.commit = (*sql.Tx).Commit
			}
			countNow(t, s, c, c.now)
			before = reckon(rt, s, c, begin, before)
			if err := s.countObjectives(t.Context()); err != nil {
				rt.Fatalf("count for SLOs: %v", err)
			}
		}
		foldAll(t, s)
		countNow(t, s, c, c.now.Add(lag+lateAfter))
		reckon(rt, s, c, begin, before)
		if err := s.countObjectives(t.Context()); err != nil {
			rt.Fatalf("count for SLOs: %v", err)
		}
		reckonSLO(rt, s, &o, begin)
	})
}

// reckonSLO compares what was counted for an SLO, and what of it is late, with what the timelines say.
func reckonSLO(rt *rapid.T, s *Store, o *sli.SLO, begin time.Time) {
	rt.Helper()
	c, _, err := s.readSLOCount(context.Background())
	if err != nil {
		rt.Fatalf("read what was counted: %v", err)
	}
	x := c.slos[o.Name]
	now := x.ms
	for _, l := range x.late {
		if l.was < notDue {
			now[l.was] -= l.ms
		}
		if l.is < notDue {
			now[l.is] += l.ms
		}
	}
	var want clockTime
	want.add(amountBetween(rt, s, o, begin, time.UnixMilli(c.upTo)))
	if now.differs(want) {
		rt.Fatalf("SLO %s: got %v ms with what is late, want %v as the timelines say; late: %+v", o.Name, now, want, x.late)
	}
}

// reckon compares what is counted with what the timeline says, if all is folded, and makes sure that nothing fell since before.
func reckon(rt *rapid.T, s *Store, c *clock, begin time.Time, before [2][numVerdicts + 1]int64) [2][numVerdicts + 1]int64 {
	rt.Helper()
	first, now, upTo := reckoned(rt, s)
	for v := range first[0] {
		if first[0][v] < before[0][v] || first[1][v] < before[1][v] {
			rt.Fatalf("%v fell from %d slots to %d", standing(v), before[0][v], first[0][v])
		}
	}
	var tally sli.Tally
	waiting := int64(0)
	x := s.timelines.of(sli.Series{Check: "shop", Region: "tokyo"})
	if x.dirty() {
		return first // what is late is counted as it is folded
	}
	spans, err := s.Spans(context.Background(), x.Series, begin.UnixMilli(), upTo)
	if err != nil {
		rt.Fatalf("spans: %v", err)
	}
	err = s.walk(context.Background(), s.view(x, begin.UnixMilli(), upTo), begin.UnixMilli(), upTo, func(slot *sli.Slot) bool {
		tally.Add(*slot, spans)
		if slot.Outcome == sli.NoData {
			waiting++
		}
		return true
	})
	if err != nil {
		rt.Fatalf("walk: %v", err)
	}
	n, sec := tally.Slots(), tally.Seconds()
	none := n.Inconclusive + n.Missed + n.NoData
	want := [2][numVerdicts]int64{{none, n.Good, n.Bad, n.Excluded}, {ms(sec.Undecided), ms(sec.Good), ms(sec.Bad), ms(sec.Excluded)}}
	got := [2][numVerdicts]int64{[numVerdicts]int64(now[0][:numVerdicts]), [numVerdicts]int64(now[1][:numVerdicts])}
	if c.now.Sub(time.UnixMilli(upTo)) < lateAfter && waiting > 0 {
		// Slots without a result may wait, whatever they count as.
		var less int64
		for v := range got[0] {
			if got[0][v] > want[0][v] {
				rt.Fatalf("got %d slots as %v, want %d at most", got[0][v], standing(v), want[0][v])
			}
			less += want[0][v] - got[0][v]
		}
		if less > waiting {
			rt.Fatalf("got %d slots that are not counted, want the %d without a result at most", less, waiting)
		}
		return first
	}
	if d := cmp.Diff(want, got); d != "" {
		rt.Fatalf("counted up to %v (-timeline +counted):\n%s", time.UnixMilli(upTo).UTC(), d)
	}
	return first
}

func ms(seconds float64) int64 { return int64(seconds*1000 + .5) }

// BenchmarkCountOf1000Checks counts what settled in ten seconds of 1,000 checks at 10 s, whose tails are folded as they are by Run. One count
// is promised to take well below a second.
func BenchmarkCountOf1000Checks(b *testing.B) {
	c := &clock{noon}
	s := place{Options{Dir: b.TempDir()}}.counter(b, c)
	defer s.Close()
	batch := func(from, to time.Time) (x probe.Batch) {
		for i := range 1000 {
			for at := from; at.Before(to); at = at.Add(10 * time.Second) {
				r := up(fmt.Sprint("check-", i), at)
				r.Latency += probe.LatencyIndex(at.Unix()/10*7919%40 + int64(i%5))
				x.Results = append(x.Results, r)
			}
		}
		return x
	}
	first := batch(noon.Add(-time.Minute), noon)
	for i := range 1000 {
		first.Epochs = append(first.Epochs, follow(fmt.Sprint("check-", i)))
	}
	ingest(b, s, message(b, "p", first))
	foldAll(b, s)
	countNow(b, s, c, noon.Add(lag))
	at := noon
	for b.Loop() {
		b.StopTimer()
		ingest(b, s, message(b, "p", batch(at, at.Add(10*time.Second))))
		at = at.Add(10 * time.Second)
		if err := s.step(b.Context(), uint32(at.Unix()/10)); err != nil { // and folds a part
			b.Fatal(err)
		}
		b.StartTimer()
		countNow(b, s, c, at.Add(lag))
	}
	b.ReportMetric(float64(tableSize(b, s, "counted"))/1000, "B/check")
}
