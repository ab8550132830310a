package sli_test

import (
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

// inRuns puts slots that are alike into runs, some of which could be longer.
func inRuns(t *rapid.T, slots []sli.Slot) iter.Seq[sli.Run] {
	var runs []sli.Run
	for _, s := range slots {
		if n := len(runs); n > 0 && runs[n-1].End() == s.At && rapid.IntRange(0, 9).Draw(t, "cut") > 0 {
			same := runs[n-1].Slot
			same.At = s.At
			if same == s {
				runs[n-1].N++
				continue
			}
		}
		runs = append(runs, sli.Run{Slot: s, N: 1})
	}
	return slices.Values(runs)
}

// plainSlots have no latencies, so that runs of them are long.
func plainSlots(t *rapid.T) []sli.Slot {
	slots := genSlots().Draw(t, "slots")
	for i := range slots {
		slots[i].Latency, slots[i].Under = sli.NoLatency, false
	}
	return slots
}

func TestRunsAreAsTheirSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots, spans := plainSlots(t), genCorrected().Draw(t, "spans")
		runs := inRuns(t, slots)
		want, got := *tallyOf(slots, spans), sli.Tally{}
		got.AddRuns(runs, spans)
		part := func(t *sli.Tally) sli.Report {
			return sli.RegionReport(sli.Window{}, sli.Subject{}, sli.Part{Tally: t})
		}
		if d := cmp.Diff(part(&want), part(&got)); d != "" {
			t.Fatalf("tally (-slots +runs):\n%s", d)
		}
		m := sli.Measure{Indicator: rapid.SampledFrom([]string{sli.IndicatorAvailability, sli.IndicatorLatency, sli.IndicatorProber}).Draw(t, "indicator")}
		if d := cmp.Diff(sli.NewTrack(slices.Values(slots), spans, m), sli.NewTrackOfRuns(runs, spans, m)); d != "" {
			t.Fatalf("track (-slots +runs):\n%s", d)
		}
	})
}

func TestAmountsAreAsTallies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots, spans := plainSlots(t), genCorrected().Draw(t, "spans")
		cuts := rapid.SliceOfN(rapid.Int64Range(0, 1_500_000), 2, 6).Draw(t, "cuts")
		slices.Sort(cuts)
		slots = slices.DeleteFunc(slots, func(s sli.Slot) bool { return s.At < cuts[0] })
		m := sli.Measure{Indicator: rapid.SampledFrom([]string{sli.IndicatorAvailability, sli.IndicatorProber}).Draw(t, "indicator")}
		var want []sli.Amount
		for i, from := range cuts[:len(cuts)-1] {
			within := slices.DeleteFunc(slices.Clone(slots), func(s sli.Slot) bool { return s.At < from || s.At >= cuts[i+1] })
			want = append(want, tallyOf(within, spans).Amount(m))
		}
		if d := cmp.Diff(want, sli.Amounts(inRuns(t, slots), spans, m, cuts)); d != "" {
			t.Fatalf("amounts between %v (-tallies +runs):\n%s", cuts, d)
		}
	})
}

// apart takes runs to pieces.
func apart(runs iter.Seq[sli.Run]) []sli.Slot {
	var slots []sli.Slot
	for r := range runs {
		for range r.N {
			slots = append(slots, r.Slot)
			r.At += r.Cell
		}
	}
	return slots
}

func TestClip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := sli.Run{Slot: sli.Slot{At: rapid.Int64Range(0, 30).Draw(t, "at"), Cell: rapid.Int64Range(1, 9).Draw(t, "cell")}, N: rapid.Int64Range(1, 6).Draw(t, "n")}
		from, to := rapid.Int64Range(0, 90).Draw(t, "from"), rapid.Int64Range(0, 90).Draw(t, "to")
		want := slices.DeleteFunc(apart(slices.Values([]sli.Run{r})), func(s sli.Slot) bool { return s.At < from || s.At >= to })
		var got []sli.Slot
		if c, ok := r.Clip(from, to); ok {
			got = apart(slices.Values([]sli.Run{c}))
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%+v in [%d, %d) (-want +got):\n%s", r, from, to, d)
		}
	})
}

func TestDueRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segs := sli.Timetable(genEpochs().Draw(t, "epochs"))
		from := rapid.Int64Range(0, 250).Draw(t, "from")
		to := rapid.Int64Range(from, 300).Draw(t, "to")
		var want []sli.Slot
		for at, cell := range sli.Due(segs, from, to) {
			want = append(want, sli.Slot{At: at, Cell: cell, Latency: sli.NoLatency})
		}
		if d := cmp.Diff(want, apart(slices.Values(sli.DueRuns(nil, segs, from, to)))); d != "" {
			t.Fatalf("due in [%d, %d) (-slots +runs):\n%s", from, to, d)
		}
	})
}
