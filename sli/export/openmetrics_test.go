package export_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/export"
)

// someCounts are three steps, cut at both ends of the window.
func someCounts() *sli.Counts {
	at := func(seconds float64) time.Time { return time.UnixMilli(1_795_867_200_000 + int64(1000*seconds)).UTC() }
	return &sli.Counts{
		Check: `sh"op`, Region: "tokyo", From: at(-2.5), To: at(70.25),
		Steps: []sli.StepCounts{
			{To: at(0), Slots: sli.ByVerdict[int64]{Good: 1}, Seconds: sli.ByVerdict[float64]{Good: 8.1}},
			{To: at(60), Slots: sli.ByVerdict[int64]{Good: 3, Bad: 2, None: 1, Excluded: 1}, Seconds: sli.ByVerdict[float64]{Good: 24.3, Bad: 16.2, None: .005, Excluded: 10}},
			{To: at(70.25)},
		},
	}
}

func TestBackfillFamilies(t *testing.T) {
	var got bytes.Buffer
	for _, b := range export.Backfills() {
		if err := errors.Join(b.Head(&got), b.Series(&got, someCounts())); err != nil {
			t.Fatal(err)
		}
	}
	if err := export.EndBackfill(&got); err != nil {
		t.Fatal(err)
	}
	const want = `# TYPE gaikei_backfill_sli_seconds counter
# UNIT gaikei_backfill_sli_seconds seconds
# HELP gaikei_backfill_sli_seconds Time that slots stand for, by verdict, with corrections applied. Availability is good / (good + bad).
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="good"} 0 1795867197.5
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="good"} 8.1 1795867200
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="good"} 32.4 1795867260
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="good"} 32.4 1795867270.25
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="bad"} 0 1795867197.5
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="bad"} 0 1795867200
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="bad"} 16.2 1795867260
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="bad"} 16.2 1795867270.25
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="none"} 0 1795867197.5
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="none"} 0 1795867200
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="none"} 0.005 1795867260
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="none"} 0.005 1795867270.25
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="excluded"} 0 1795867197.5
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="excluded"} 0 1795867200
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="excluded"} 10 1795867260
gaikei_backfill_sli_seconds_total{check="sh\"op",region="tokyo",verdict="excluded"} 10 1795867270.25
# TYPE gaikei_backfill_sli_slots counter
# HELP gaikei_backfill_sli_slots Slots by verdict, with corrections applied: good, bad, none (nothing is known of the target) or excluded.
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="good"} 0 1795867197.5
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="good"} 1 1795867200
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="good"} 4 1795867260
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="good"} 4 1795867270.25
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="bad"} 0 1795867197.5
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="bad"} 0 1795867200
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="bad"} 2 1795867260
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="bad"} 2 1795867270.25
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="none"} 0 1795867197.5
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="none"} 0 1795867200
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="none"} 1 1795867260
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="none"} 1 1795867270.25
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="excluded"} 0 1795867197.5
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="excluded"} 0 1795867200
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="excluded"} 1 1795867260
gaikei_backfill_sli_slots_total{check="sh\"op",region="tokyo",verdict="excluded"} 1 1795867270.25
# EOF
`
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A text that cannot be written is told, also if it fails in the middle of a series.
func TestBackfillFails(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(errors.New("no space"))
	for _, b := range export.Backfills() {
		if b.Head(w) == nil || b.Series(w, someCounts()) == nil {
			t.Errorf("%s: got no error of a writer that fails", b.Name)
		}
	}
	if export.EndBackfill(w) == nil {
		t.Error("the end: got no error of a writer that fails")
	}
}

// BenchmarkBackfill writes one timeline over 28 days.
func BenchmarkBackfill(b *testing.B) {
	c := &sli.Counts{Check: "shop", Region: "tokyo", From: time.Unix(1_795_867_200, 0)}
	for i := range 28 * 1440 {
		c.Steps = append(c.Steps, sli.StepCounts{To: c.From.Add(time.Duration(i+1) * time.Minute), Seconds: sli.ByVerdict[float64]{Good: 60}})
	}
	for b.Loop() {
		if err := export.Backfills()[0].Series(io.Discard, c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*4*len(c.Steps)), "ns/sample")
}
