package timeline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// amountBetween is how time of the clock counts for an SLO.
func amountBetween(tb tester, s *Store, o *sli.SLO, from, to time.Time) sli.Amount {
	tb.Helper()
	as, err := s.clockAmounts(context.Background(), o, []int64{from.UnixMilli(), to.UnixMilli()})
	if err != nil {
		tb.Fatalf("amounts of SLO %s: %v", o.Name, err)
	}
	return as[0]
}

// However short the time from count to count, and even if few regions have a slot in it, the weights are those of the regions and
// the time is that of the clock.
func TestSLOAmountsOfShortTimes(t *testing.T) {
	s := openStore(t, t.TempDir(), &clock{noon})
	defer s.Close()
	regions := []Region{{Name: "tokyo", Weight: 5}, {Name: "osaka", Weight: 3}, {Name: "kyoto", Weight: 1}}
	if _, err := s.Ordinals(t.Context(), regions); err != nil {
		t.Fatal(err)
	}
	begin := noon.Add(-2 * time.Hour)
	for i, r := range regions {
		e := follow("shop")
		e.Grid = probe.Grid{Interval: 60_000, Offset: int64(i) * 20_000}
		b := probe.Batch{Epochs: []probe.Epoch{e}}
		for at := begin.Add(time.Duration(i) * 20 * time.Second); at.Before(noon); at = at.Add(time.Minute) {
			if r.Name == "kyoto" {
				b.Results = append(b.Results, down("shop", at))
			} else {
				b.Results = append(b.Results, up("shop", at))
			}
		}
		ingest(t, s, in(r.Name, message(t, "p", b)))
	}
	for name, combine := range map[string]sli.Combine{"pooled": {Rule: "pooled"}, "quorum": quorum(sli.Quorum{Count: 2})} {
		o := sli.SLO{Name: "s", Checks: []string{"shop"}, Indicator: "availability", Objective: 0.9, Window: time.Hour, Combine: combine}
		rs, err := s.SLOs(t.Context(), []sli.SLO{o}, noon)
		if err != nil {
			t.Fatal(err)
		}
		var sum sli.Amount
		for from := rs[0].From; from.Before(rs[0].To); from = from.Add(10 * time.Second) {
			sum = sum.Plus(amountBetween(t, s, &o, from, from.Add(10*time.Second)))
		}
		if d := cmp.Diff(rs[0].SLI, sum.Ratio(), cmpopts.EquateApprox(1e-9, 0)); d != "" {
			t.Errorf("%s: SLI (-report +counted in tens of seconds):\n%s", name, d)
		}
		if clock := sum.Valid() / 1000; clock < 3599 || clock > 3601 {
			t.Errorf("%s: an hour is %v s by the clock", name, clock)
		}
	}
}

// lateText says what of the SLO "a" is late, in seconds.
func lateText(tb testing.TB, s *Store) string {
	tb.Helper()
	all, err := s.Totals(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	text := ""
	for _, o := range all.SLOs {
		for _, l := range o.Late {
			text += fmt.Sprintf(" %s→%s %.0f", l.Was, l.Verdict, l.MS/1000)
		}
	}
	return text
}

// What of an SLO's time comes to be another thing is late, as far back as the SLO's window, and never a burst into what settles now.
func TestLateTimeOfSLOs(t *testing.T) { everywhere(t, testLateTimeOfSLOs) }

func testLateTimeOfSLOs(t *testing.T, p place) {
	c := &clock{noon}
	s := p.counter(t, c)
	defer func() { _ = s.Close() }()
	o := objective("a")
	s.SetObjectives([]sli.SLO{o})
	send := func(from, to time.Duration) {
		t.Helper()
		m := message(t, "p", probe.Batch{Results: ups(noon.Add(from), noon.Add(to))})
		m.Received = c.now
		ingest(t, s, m)
	}
	countAt := func(at time.Duration) {
		t.Helper()
		countNow(t, s, c, noon.Add(lag+at))
		if err := s.countObjectives(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	told := func(what, main, late string) {
		t.Helper()
		all, err := s.Totals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a := all.SLOs[0]
		wantText(t, what, main, fmt.Sprintf("good %.0f, bad %.0f, none %.0f, excluded %.0f", a.Good/1000, a.Bad/1000, a.None/1000, a.Excluded/1000))
		wantText(t, what+", late", late, lateText(t, s))
	}
	declare := func(effect string, from, to time.Duration) string {
		return correct(t, s, sli.Correction{
			Checks: []string{"shop"}, From: noon.Add(from), To: noon.Add(to), Effect: effect, Category: "test", Reason: "r", Author: "a",
		}).ID
	}
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: ups(noon.Add(-time.Minute), noon.Add(2*time.Minute))}))
	countAt(0)
	send(3*time.Minute, 9*time.Minute)
	for at := time.Minute; at <= 9*time.Minute; at += time.Minute {
		countAt(at)
	}
	told("a minute is missing", "good 480, bad 0, none 60, excluded 0", "")
	send(2*time.Minute, 3*time.Minute)
	send(9*time.Minute, 12*time.Minute)
	countAt(10*time.Minute + 30*time.Second)
	told("it came; that is held back while it is new", "good 570, bad 0, none 60, excluded 0", " none→good 0")
	countAt(12 * time.Minute)
	told("shown", "good 660, bad 0, none 60, excluded 0", " none→good 60")
	id := declare("exclude", time.Minute, 4*time.Minute)
	send(12*time.Minute, 25*time.Minute)
	countAt(21 * time.Minute)
	countAt(23 * time.Minute)
	told("corrected", "good 1320, bad 0, none 60, excluded 0", " none→good 60 good→excluded 180")
	if _, err := s.Revoke(t.Context(), id, sli.Revocation{Author: "a", Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	send(25*time.Minute, 50*time.Minute)
	countAt(50 * time.Minute) // nobody counted for 27 minutes, of which ten are counted as they are
	countAt(52 * time.Minute)
	told("after a pause", "good 1920, bad 0, none 1200, excluded 0", " none→good 1080 good→excluded 180 excluded→good 180")
	send(50*time.Minute, 70*time.Minute)
	countAt(61 * time.Minute)
	countAt(62 * time.Minute)
	told("found", "good 2520, bad 0, none 1200, excluded 0", " none→good 1200 good→excluded 180 excluded→good 180")
	o.Indicator = sli.IndicatorProber
	s.SetObjectives([]sli.SLO{o})
	countAt(63 * time.Minute)
	declare("bad", 0, 10*time.Minute)
	send(70*time.Minute, 80*time.Minute)
	countAt(80 * time.Minute)
	countAt(82 * time.Minute)
	if got := lateText(t, s); strings.Contains(got, "bad") {
		t.Errorf("got %s: what the SLO was about before is not compared any more", got)
	}
}

func TestFlowsOfTime(t *testing.T) {
	for _, x := range []struct {
		name    string
		was, is clockTime
		want    string
	}{
		{"nothing", clockTime{1, 2, 3, 4}, clockTime{1, 2, 3, 4}, ""},
		{"one into another", clockTime{sli.None: 10, sli.Good: 5}, clockTime{sli.None: 4, sli.Good: 11}, " none→good 6"},
		{"one into two", clockTime{sli.Good: 10}, clockTime{sli.Good: 4, sli.Bad: 5, sli.Excluded: 1}, " good→bad 5 good→excluded 1"},
		{"more than was due", clockTime{sli.Good: 10}, clockTime{sli.Good: 15}, " not_due→good 5"},
		{"less than was due", clockTime{sli.Good: 10, sli.None: 5}, clockTime{sli.Bad: 5}, " none→bad 5 good→not_due 10"},
	} {
		var c objectiveCount
		c.become(x.was, x.is, 0)
		got, sum := "", x.was
		for _, l := range c.late {
			got += fmt.Sprintf(" %v→%v %v", l.was, l.is, l.ms)
			if l.was < notDue {
				sum[l.was] -= l.ms
			}
			if l.is < notDue {
				sum[l.is] += l.ms
			}
		}
		wantText(t, x.name, x.want, got)
		if sum != x.is {
			t.Errorf("%s: the flows make %v, want %v", x.name, sum, x.is)
		}
	}
}
