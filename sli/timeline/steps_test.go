package timeline

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// stepGen draws steps that are whole days of UTC, parts of them, and days that are never.
func stepGen(t *rapid.T) sli.Period {
	return rapid.SampledFrom([]sli.Period{
		{Length: 24 * time.Hour},
		{Length: 5 * time.Hour},
		{Length: 48 * time.Hour},
		{Unit: "day", Zone: time.UTC},
		{Unit: "day", Zone: time.FixedZone("half", 5*3600+1800)},
		{Unit: "week", Zone: time.UTC},
	}).Draw(t, "step")
}

// asAlone compares the reports by steps with those of each step asked for alone, to the last bit, and their sums with those of the
// whole window.
func asAlone(t *rapid.T, s *Store, q sli.Query, p sli.Period) {
	t.Helper()
	got, err := s.Steps(t.Context(), q, p)
	if err != nil {
		t.Fatalf("steps: %v", err)
	}
	w, err := s.window(q)
	if err != nil {
		t.Fatalf("window: %v", err)
	}
	cuts, err := p.Cuts(w.From, w.To)
	if err != nil {
		t.Fatalf("cuts: %v", err)
	}
	want := map[string]sli.Report{}
	for i := range len(cuts) - 1 {
		alone := sli.Query{From: instantOf(cuts[i]), To: instantOf(cuts[i+1]), Now: q.Now}
		if i == len(cuts)-2 {
			alone.To = q.To
		}
		rs, err := s.Reports(t.Context(), alone)
		if err != nil {
			t.Fatalf("reports: %v", err)
		}
		for _, r := range rs {
			want[nameOf(r)+" "+r.From.Format(time.RFC3339)] = r
		}
	}
	found := map[string]sli.Report{}
	for i, r := range got {
		found[nameOf(r)+" "+r.From.Format(time.RFC3339)] = r
		if i > 0 && nameOf(got[i-1]) == nameOf(r) && !got[i-1].From.Before(r.From) {
			t.Fatalf("report %d is not after the one before it", i)
		}
	}
	if d := cmp.Diff(want, found); d != "" || len(found) != len(got) {
		t.Fatalf("steps (-alone +steps):\n%s", d)
	}
	sumsUp(t, s, q, got)
}

func nameOf(r sli.Report) string {
	if r.Region == nil {
		return r.Check + " pooled"
	}
	return r.Check + " in " + *r.Region
}

// sums is what adds up over windows side by side, in whole slots and ms.
func sums(r sli.Report) [14]int64 {
	s, x := r.Slots, r.Seconds
	out := [14]int64{s.Scheduled, s.Good, s.Bad, s.Inconclusive, s.Missed, s.NoData, s.Excluded, r.Latency.Count}
	for i, seconds := range []float64{x.Due, x.Verdict, x.Good, x.Bad, x.Undecided, x.Excluded} {
		out[8+i] = int64(math.Round(1000 * seconds))
	}
	return out
}

func sumsUp(t *rapid.T, s *Store, q sli.Query, steps []sli.Report) {
	t.Helper()
	whole, err := s.Reports(t.Context(), q)
	if err != nil {
		t.Fatalf("reports: %v", err)
	}
	for _, r := range whole {
		var sum [14]int64
		for _, x := range steps {
			if nameOf(x) == nameOf(r) {
				for i, n := range sums(x) {
					sum[i] += n
				}
			}
		}
		if r.From != r.To && sum != sums(r) {
			t.Fatalf("%s: steps add up to %v, want %v", nameOf(r), sum, sums(r))
		}
	}
}

// Each step is what it is alone, and all of them are the window: among folds, maintenance, corrections and changed schedules.
func TestStepsAreReports(t *testing.T) {
	place{Options{Dir: t.TempDir()}}.check(t, fewRounds, func(rt *rapid.T, p place) {
		c := &clock{noon}
		s := p.open(t, c)
		defer func() { _ = s.Close() }()
		if _, err := s.Ordinals(t.Context(), []Region{{Name: "tokyo", Weight: 0.3}, {Name: "osaka", Weight: 0.7}}); err != nil {
			rt.Fatal(err)
		}
		begin := probe.Batch{Epochs: []probe.Epoch{everyTwoHours(on(0, 0))}}
		ingest(t, s, message(rt, "p", begin), in("osaka", message(rt, "p", begin)))
		for n := range rapid.IntRange(1, 6).Draw(rt, "messages") {
			if b := sparseBatch().Draw(rt, "batch"); !b.Empty() {
				m := in(rapid.SampledFrom([]string{"tokyo", "osaka"}).Draw(rt, "region"), message(rt, "p", b))
				m.Received = noon.Add(time.Duration(n) * time.Second)
				ingest(t, s, m)
			}
			if rapid.Bool().Draw(rt, "fold") {
				foldAll(t, s)
			}
		}
		if rapid.Bool().Draw(rt, "maintenance") {
			maintain(t, s, on(1, 23*time.Hour), on(2, time.Hour))
		}
		if from := rapid.IntRange(0, 90).Draw(rt, "correction"); from > 30 {
			correct(t, s, sli.Correction{
				Checks: []string{"shop"}, From: on(0, time.Duration(from)*time.Hour), To: on(0, time.Duration(from+3)*time.Hour),
				Effect: rapid.SampledFrom([]string{"bad", "good", "exclude"}).Draw(rt, "effect"), Category: "test", Reason: "r", Author: "kei",
			})
		}
		c.now = on(4, time.Hour)
		for range 6 {
			from := rapid.IntRange(-2, 96).Draw(rt, "from")
			to := rapid.IntRange(from, 110).Draw(rt, "to")
			q := sli.Query{From: on(0, time.Duration(from)*time.Hour), To: on(0, time.Duration(to)*time.Hour), Now: c.now}
			asAlone(rt, s, q, stepGen(rt))
		}
	})
}

func TestStepsAreBounded(t *testing.T) {
	s := openStore(t, t.TempDir(), &clock{noon})
	defer s.Close()
	var b probe.Batch
	for i := range 40 {
		b.Epochs = append(b.Epochs, follow(fmt.Sprintf("check-%d", i)))
	}
	ingest(t, s, message(t, "p", b))
	for _, x := range []struct {
		step, window time.Duration
		says         string
	}{
		{time.Second, 2 * time.Hour, "too many steps of 1s, want at most 5000"},
		{10 * time.Second, 2 * time.Hour, "too many figures: 57600 reports, want at most 50000"},
		{time.Millisecond, time.Hour, "want whole seconds"},
	} {
		_, err := s.Steps(t.Context(), sli.Query{Window: x.window}, sli.Period{Length: x.step})
		if err == nil || !strings.Contains(err.Error(), x.says) || errors.Is(err, sli.ErrTooMany) != (x.step >= time.Second) {
			t.Errorf("%v by %v: got %v, want %s", x.window, x.step, err, x.says)
		}
	}
}
