package sli_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

// Each step is the tally of its own slots, found one by one; together they are that of the window.
func TestCountStepsAgainstTallies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots, spans := genSlots().Draw(t, "slots"), genCorrected().Draw(t, "spans")
		w := sli.Window{From: rapid.Int64Range(0, 200_000).Draw(t, "from"), Settled: true}
		w.To = w.From + rapid.Int64Range(0, 900_000).Draw(t, "for")
		length := rapid.SampledFrom([]int64{1000, 9_999, 60_000, 3_600_000}).Draw(t, "step")
		slots = within(slots, w.From, w.To)

		from := w.From
		for _, got := range sli.CountSteps(inRuns(t, slots), spans, w, length) {
			to := got.To.UnixMilli()
			if next := (from/length + 1) * length; to != min(next, w.To) {
				t.Fatalf("a step from %d ends at %d, want %d or the end of %+v", from, to, next, w)
			}
			if d := cmp.Diff(stepOf(tallyOf(within(slots, from, to), spans), to), got); d != "" {
				t.Fatalf("from %d to %d (-want +got):\n%s", from, to, d)
			}
			from = to
		}
		if from != w.To {
			t.Fatalf("the last step ends at %d, want %d", from, w.To)
		}
	})
}

func within(slots []sli.Slot, from, to int64) []sli.Slot {
	return slices.DeleteFunc(slices.Clone(slots), func(s sli.Slot) bool { return s.At < from || s.At >= to })
}

func stepOf(tally *sli.Tally, to int64) sli.StepCounts {
	n, x := tally.Slots(), tally.Seconds()
	return sli.StepCounts{
		To:      time.UnixMilli(to).UTC(),
		Slots:   sli.ByVerdict[int64]{Good: n.Good, Bad: n.Bad, None: n.Inconclusive + n.Missed + n.NoData, Excluded: n.Excluded},
		Seconds: sli.ByVerdict[float64]{Good: x.Good, Bad: x.Bad, None: x.Undecided, Excluded: x.Excluded},
	}
}
