package timeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// corrected is a correction of shop.
func corrected(id string, from, to time.Time, effect string, regions ...string) sli.Correction {
	return sli.Correction{
		ID: id, Checks: []string{"shop"}, Regions: regions, From: from, To: to, Effect: effect,
		Category: "false_alarm", Reason: "a load test of ours", Author: "kei",
	}
}

func correct(tb testing.TB, s *Store, c sli.Correction) sli.Correction {
	tb.Helper()
	stored, err := s.Correct(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	return stored
}

func revoke(tb testing.TB, s *Store, id string) {
	tb.Helper()
	done, err := s.Revoke(tb.Context(), id, sli.Revocation{Author: "ume", Reason: "it was no test"})
	if err != nil || !done {
		tb.Fatalf("revoke %s: got %v, %v", id, done, err)
	}
}

// said are the counts of a report, and what is without corrections.
func said(r sli.Report) string {
	text := fmt.Sprintf("%d good %d bad %d excluded", r.Slots.Good, r.Slots.Bad, r.Slots.Excluded)
	if r.Observed != nil {
		text += fmt.Sprintf(", observed %d good %d bad", r.Observed.Slots.Good, r.Observed.Slots.Bad)
	}
	return text
}

func TestCorrections(t *testing.T) { everywhere(t, testCorrections) }

func testCorrections(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	defer s.Close()
	hour := noon.Add(-time.Hour)
	var b probe.Batch
	b.Epochs = []probe.Epoch{follow("shop")}
	for i := range 12 {
		at := hour.Add(time.Duration(i) * 10 * time.Second)
		if i < 6 {
			b.Results = append(b.Results, up("shop", at))
		} else {
			b.Results = append(b.Results, down("shop", at))
		}
	}
	ingest(t, s, message(t, "p", b), in("osaka", message(t, "q", b)))
	catchUp(t, s)
	q := sli.Query{From: hour, To: hour.Add(2 * time.Minute)}
	want := func(what, tokyo, osaka string) {
		t.Helper()
		rs, err := s.Reports(t.Context(), q)
		if err != nil || len(rs) != 3 {
			t.Fatalf("got %d reports, error %v", len(rs), err)
		}
		wantText(t, what+", tokyo", tokyo, said(rs[1]))
		wantText(t, what+", osaka", osaka, said(rs[0]))
		foldAll(t, s)
		again, err := s.Reports(t.Context(), q)
		if d := cmp.Diff(rs, again); d != "" || err != nil {
			t.Errorf("%s, folded (-before +after), error %v:\n%s", what, err, d)
		}
	}
	const plain = "6 good 6 bad 0 excluded"
	want("nothing corrected", plain, plain)

	outage := corrected("", hour.Add(time.Minute), hour.Add(2*time.Minute), "exclude")
	preview, err := s.Preview(t.Context(), outage, q)
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "preview", "6 good 0 bad 6 excluded, observed 6 good 6 bad", said(preview[1]))
	want("previewed only", plain, plain)

	first := correct(t, s, outage)
	if first.ID == "" || !first.Created.Equal(noon) {
		t.Errorf("stored as %+v, want an id and the time", first)
	}
	want("taken out", "6 good 0 bad 6 excluded, observed 6 good 6 bad", "6 good 0 bad 6 excluded, observed 6 good 6 bad")
	c.now = noon.Add(time.Second)
	newer := correct(t, s, corrected("newer", hour.Add(90*time.Second), hour.Add(3*time.Minute), "good", "tokyo"))
	want("the newest wins, where it is", "9 good 0 bad 3 excluded, observed 6 good 6 bad", "6 good 0 bad 6 excluded, observed 6 good 6 bad")
	revoke(t, s, first.ID)
	want("one is revoked", "9 good 3 bad 0 excluded, observed 6 good 6 bad", plain)
	if done, err := s.Revoke(t.Context(), first.ID, sli.Revocation{Author: "ume", Reason: "again"}); done || err != nil {
		t.Errorf("revoke again: got %v, %v, want false", done, err)
	}
	if same := correct(t, s, corrected("newer", newer.From, newer.To, "good", "tokyo")); !same.Created.Equal(newer.Created) {
		t.Errorf("the same again: got %v, want what is there", same.Created)
	}
	if _, err := s.Correct(t.Context(), corrected("newer", newer.From, newer.To, "bad", "tokyo")); !errors.Is(err, ErrConflict) {
		t.Errorf("another one of the same id: got %v, want a conflict", err)
	}
	testCorrectionsList(t, s, []string{first.ID + " revoked by ume: it was no test", "newer"})
}

func testCorrectionsList(t *testing.T, s *Store, want []string) {
	t.Helper()
	list, err := s.Corrections(t.Context(), sli.Query{From: noon.Add(-2 * time.Hour), To: noon})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range list {
		text := c.ID
		if r := c.Revoked; r != nil {
			text += " revoked by " + r.Author + ": " + r.Reason
		}
		got = append(got, text)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("list (-want +got):\n%s", d)
	}
	for q, n := range map[*sli.Query]int{
		{From: noon.Add(-2 * time.Hour), To: noon.Add(-90 * time.Minute)}:                         0,
		{From: noon.Add(-2 * time.Hour), To: noon, Checks: []string{"zone"}}:                      0,
		{From: noon.Add(-2 * time.Hour), To: noon, Regions: []string{"osaka"}}:                    1,
		{From: noon.Add(-2 * time.Hour), To: noon, Checks: []string{"shop"}, Regions: []string{}}: 2,
	} {
		if list, err := s.Corrections(t.Context(), *q); err != nil || len(list) != n {
			t.Errorf("%+v: got %d, %v, want %d", *q, len(list), err, n)
		}
	}
}

func TestCorrectionsAreRefused(t *testing.T) {
	s := openStore(t, t.TempDir(), &clock{noon})
	defer s.Close()
	if _, err := s.Correct(t.Context(), corrected("", noon, noon.Add(time.Hour), "bad")); err == nil || !strings.Contains(err.Error(), "future") {
		t.Errorf("about the future: got %v", err)
	}
	if _, err := s.Revoke(t.Context(), "x", sli.Revocation{Author: "kei"}); err == nil {
		t.Error("revoked without a reason: got no error")
	}
	if done, err := s.Revoke(t.Context(), "x", sli.Revocation{Author: "kei", Reason: "r"}); done || err != nil {
		t.Errorf("revoke what is not there: got %v, %v", done, err)
	}
}

// Whatever corrections there are, a report from summaries and blocks is the one that the slots give.
func TestAnyCorrectionsGiveTheReportOfTheSlots(t *testing.T) {
	s := openStore(t, t.TempDir(), &clock{noon})
	defer s.Close()
	b := probe.Batch{Epochs: []probe.Epoch{everyTwoHours(on(-4, 0))}}
	for at := on(-4, 0); at.Before(on(0, 0)); at = at.Add(2 * time.Hour) {
		if at.Hour()%6 == 0 {
			b.Results = append(b.Results, down("shop", at))
		} else if at.Hour()%10 != 0 {
			b.Results = append(b.Results, up("shop", at))
		}
	}
	ingest(t, s, message(t, "p", b))
	maintain(t, s, on(-2, 0), on(-2, 3*time.Hour))
	foldAll(t, s)
	n := 0
	checkAll(t, func(rt *rapid.T) {
		n++
		var ids []string
		for i := range rapid.IntRange(0, 3).Draw(rt, "corrections") {
			from := on(-5, time.Duration(rapid.IntRange(0, 5*24-1).Draw(rt, "from"))*time.Hour)
			to := from.Add(time.Duration(rapid.IntRange(1, 48).Draw(rt, "for")) * time.Hour)
			if to.After(noon) {
				to = noon
			}
			if !from.Before(to) {
				continue
			}
			c := corrected(fmt.Sprintf("c%d-%d", n, i), from, to, rapid.SampledFrom([]string{"exclude", "bad", "good"}).Draw(rt, "effect"))
			ids = append(ids, correct(t, s, c).ID)
		}
		q := sli.Query{From: on(-5, 0), To: on(0, 0)}
		got, err := s.Reports(t.Context(), q)
		if err != nil {
			rt.Fatal(err)
		}
		x := sli.Series{Check: "shop", Region: "tokyo"}
		spans, err := s.Spans(t.Context(), x, q.From.UnixMilli(), q.To.UnixMilli())
		if err != nil {
			rt.Fatal(err)
		}
		var tally sli.Tally
		v := s.view(s.timelines.of(x), q.From.UnixMilli(), q.To.UnixMilli())
		err = s.walk(t.Context(), v, q.From.UnixMilli(), q.To.UnixMilli(), func(slot *sli.Slot) bool {
			tally.Add(*slot, spans)
			return true
		})
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(tally.Slots(), got[0].Slots); d != "" {
			rt.Fatalf("slots (-one by one +report):\n%s", d)
		}
		if d := cmp.Diff(tally.Seconds(), got[0].Seconds); d != "" {
			rt.Fatalf("seconds (-one by one +report):\n%s", d)
		}
		if (got[0].Observed != nil) != (len(ids) > 0) {
			rt.Fatalf("observed: got %v with %d corrections", got[0].Observed, len(ids))
		}
		for _, id := range ids {
			revoke(t, s, id)
		}
	})
}

// Corrections are kept longer than timelines, and listed.
func TestCorrectionsOutliveTimelines(t *testing.T) {
	s := place{Options{Dir: t.TempDir(), Retention: 48 * time.Hour}}.store(t)
	correct(t, s, corrected("old", noon.AddDate(-2, 0, 0), noon.AddDate(-2, 0, 1), "bad"))
	correct(t, s, corrected("new", noon.Add(-2*time.Hour), noon.Add(-time.Hour), "bad"))
	list, err := s.Corrections(t.Context(), sli.Query{From: time.Unix(0, 0)})
	if err != nil || len(list) != 2 {
		t.Errorf("got %d corrections, %v, want both", len(list), err)
	}
}

// Who says a correction again, and which checks have its labels by now, does not make it another one.
func TestCorrectionsSaidAgain(t *testing.T) {
	s := openStore(t, t.TempDir(), &clock{noon})
	defer s.Close()
	first := corrected("a", noon.Add(-2*time.Hour), noon.Add(-time.Hour), "bad")
	first.Labels = map[string]string{"team": "web"}
	correct(t, s, first)
	again := first
	again.Author, again.Checks = "ume", []string{"shop", "zone"}
	if got := correct(t, s, again); got.Author != "kei" || len(got.Checks) != 1 {
		t.Errorf("got %+v, want what is there", got)
	}
	for what, bend := range map[string]func(*sli.Correction){
		"labels": func(c *sli.Correction) { c.Labels = nil }, "regions": func(c *sli.Correction) { c.Regions = []string{"tokyo"} },
		"times": func(c *sli.Correction) { c.To = c.To.Add(time.Second) }, "effect": func(c *sli.Correction) { c.Effect = "good" },
		"category or reason": func(c *sli.Correction) { c.Reason = "another" },
	} {
		other := first
		bend(&other)
		if _, err := s.Correct(t.Context(), other); !errors.Is(err, ErrConflict) || !strings.HasSuffix(err.Error(), "with other "+what) {
			t.Errorf("with other %s: got %v", what, err)
		}
	}
}
