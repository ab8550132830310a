package sli_test

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

// genSlots makes due slots in order of time, of any outcome and of changing cells.
func genSlots() *rapid.Generator[[]sli.Slot] {
	return rapid.Custom(func(t *rapid.T) []sli.Slot {
		slots := make([]sli.Slot, rapid.IntRange(0, 150).Draw(t, "n"))
		mostly := rapid.Custom(func(t *rapid.T) sli.Outcome {
			if rapid.IntRange(0, 3).Draw(t, "usual") > 0 {
				return sli.Up
			}
			return sli.Outcome(rapid.IntRange(0, 6).Draw(t, "outcome"))
		})
		at := rapid.Int64Range(0, 50).Draw(t, "start") * 1000
		cell := int64(10_000)
		for i := range slots {
			if rapid.IntRange(0, 15).Draw(t, "change") == 0 {
				cell = rapid.SampledFrom([]int64{25, 1000, 7775, 10_000, 60_000}).Draw(t, "cell")
			}
			slots[i] = genSlot(t, mostly.Draw(t, "o"))
			slots[i].At, slots[i].Cell = at, cell
			at += cell
		}
		return slots
	})
}

func genSlot(t *rapid.T, o sli.Outcome) sli.Slot {
	s := sli.Slot{Outcome: o, Latency: sli.NoLatency}
	switch o {
	case sli.Up:
		s.Latency = sli.Index(rapid.IntRange(-200, 100).Draw(t, "latency"))
		s.Under = s.Latency < -50
	case sli.NoData:
	default:
		s.Reason = rapid.SampledFrom([]string{"timeout", "status", "late"}).Draw(t, "reason")
		s.Unvouched = o == sli.Down && rapid.Bool().Draw(t, "unvouched")
	}
	return s
}

func genSpans() *rapid.Generator[[]sli.Span] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sli.Span {
		from := rapid.Int64Range(-100_000, 1_500_000).Draw(t, "from")
		return sli.Span{From: from, To: from + rapid.Int64Range(0, 200_000).Draw(t, "for"), Effect: sli.InMaintenance}
	}), 0, 4)
}

// genCorrected are maintenance, announcements and corrections, the newest of which may come anywhere in the list.
func genCorrected() *rapid.Generator[[]sli.Span] {
	return rapid.Custom(func(t *rapid.T) []sli.Span {
		spans := genSpans().Draw(t, "maintenance")
		for _, s := range genSpans().Draw(t, "announcements") {
			s.Effect = sli.Announced
			spans = append(spans, s)
		}
		for i, s := range genSpans().Draw(t, "corrections") {
			s.Rank = i + 1
			s.Effect = rapid.SampledFrom([]sli.Effect{sli.CorrectedExcluded, sli.CorrectedBad, sli.CorrectedGood}).Draw(t, "effect")
			spans = append(spans, s)
		}
		if len(spans) == 0 {
			return spans
		}
		return rapid.Permutation(spans).Draw(t, "order")
	})
}

// partOf is a region's part, with what was observed if there is a correction.
func partOf(slots []sli.Slot, spans []sli.Span) sli.Part {
	p := sli.Part{Tally: tallyOf(slots, spans)}
	if corrects(spans) {
		p.Observed = tallyOf(slots, sli.Uncorrected(spans))
	}
	return p
}

func corrects(spans []sli.Span) bool {
	return slices.ContainsFunc(spans, func(s sli.Span) bool { return s.Effect.Correction() })
}

func tallyOf(slots []sli.Slot, spans []sli.Span) *sli.Tally {
	var t sli.Tally
	t.AddAll(slices.Values(slots), spans)
	return &t
}

// figuresEqual compares up to the order of floating-point operations; a maximum or a minimum of 1 or 0 that
// bisection nears from one side needs the absolute margin.
func figuresEqual() cmp.Option {
	return cmp.Options{cmpopts.EquateApprox(1e-11, 1e-15), cmp.Comparer(func(a, b sli.Value) bool {
		return a == b || math.Abs(float64(a-b)) < 1e-11*float64(a)
	})}
}

func TestRegionReportAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots, spans := genSlots().Draw(t, "slots"), genCorrected().Draw(t, "spans")
		of := rapid.SampledFrom([]string{"valid", "up"}).Draw(t, "of")
		w := sli.Window{From: 0, To: 10_000_000, AsOf: 20_000_000, Settled: true}
		subject := sli.Subject{Check: "shop", Region: "tokyo", Under: 300 * time.Millisecond, Of: of}
		got := sli.RegionReport(w, subject, partOf(slots, spans))

		region, under := "tokyo", 0.3
		want := sli.Report{
			SchemaVersion: 1, Check: "shop", Region: &region, Settled: true,
			From: time.Unix(0, 0).UTC(), To: time.Unix(10_000, 0).UTC(), AsOf: time.Unix(20_000, 0).UTC(),
		}
		one := map[string]*big.Rat{"tokyo": big.NewRat(1, 1)}
		newOracle(map[string][]sli.Slot{"tokyo": slots}, one, spans).fill(&want, of, &under, corrects(spans))
		if diff := cmp.Diff(want, got, figuresEqual()); diff != "" {
			t.Fatalf("report (-want +got):\n%s", diff)
		}
	})
}

func TestPooledAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := genCorrected().Draw(t, "spans")
		slots, rats, weights := map[string][]sli.Slot{}, map[string]*big.Rat{}, map[string]float64{}
		var parts []sli.Part
		for _, region := range []string{"tokyo", "frankfurt", "office"} {
			tenths := rapid.Int64Range(0, 60).Draw(t, "tenths")
			own := genSlots().Draw(t, region)
			rats[region] = big.NewRat(tenths, 10)
			weight, _ := rats[region].Float64()
			part := partOf(own, spans)
			part.Region, part.Weight = region, weight
			parts = append(parts, part)
			if tenths > 0 {
				slots[region], weights[region] = own, weight
			}
		}
		got := sli.Pooled(sli.Window{}, sli.Subject{Check: "shop", Region: "ignored"}, parts)

		rule, epoch := "pooled", time.UnixMilli(0).UTC()
		want := sli.Report{
			SchemaVersion: 1, Check: "shop", Combine: &rule, Weights: weights, From: epoch, To: epoch, AsOf: epoch,
		}
		newOracle(slots, rats, spans).fill(&want, "valid", nil, corrects(spans) && len(weights) > 0)
		if diff := cmp.Diff(want, got, figuresEqual()); diff != "" {
			t.Fatalf("report (-want +got):\n%s", diff)
		}
	})
}

// Seven slots against seven: the median of a tie is the lower, also where binary fractions make seven times
// 0.7 a little less than 0.7 and six times 0.7.
func TestPooledQuantileOnATie(t *testing.T) {
	part := func(region string, n int, latency sli.Index) sli.Part {
		slots := slices.Repeat([]sli.Slot{{Cell: 1, Outcome: sli.Up, Latency: latency}}, n)
		return sli.Part{Region: region, Weight: 0.7, Tally: tallyOf(slots, nil)}
	}
	parts := []sli.Part{part("a", 6, 2), part("b", 1, 2), part("c", 7, 1)}
	got := sli.Pooled(sli.Window{}, sli.Subject{}, parts).Latency.Quantiles["0.5"]
	if want := sli.Value(sli.Index(1).Seconds()); got == nil || *got != want {
		t.Errorf("median: want %v, got %v", want, got)
	}
}

// Promise 3: no slot is lost or counted twice, whatever is excluded.
func TestNoSilentHoles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots, spans := genSlots().Draw(t, "slots"), genCorrected().Draw(t, "spans")
		c := tallyOf(slots, spans).Slots()
		if sum := c.Good + c.Bad + c.Inconclusive + c.Missed + c.NoData + c.Excluded; c.Scheduled != sum || sum != int64(len(slots)) {
			t.Fatalf("%d slots: scheduled %d, sum %d", len(slots), c.Scheduled, sum)
		}
		s := tallyOf(slots, spans).Seconds()
		if sum := s.Good + s.Bad + s.Undecided + s.Excluded; fmt.Sprintf("%.3f", sum) != fmt.Sprintf("%.3f", s.Due) {
			t.Fatalf("seconds: due %v, sum %v", s.Due, sum)
		}
	})
}

// Windows side by side are one window: cut anywhere, merged in any order and grouping, the report is the same
// to the last bit.
func TestAdjacentWindowsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots, spans := genSlots().Draw(t, "slots"), genCorrected().Draw(t, "spans")
		cuts := []int{0, len(slots)}
		for range 3 {
			cuts = append(cuts, rapid.IntRange(0, len(slots)).Draw(t, "cut"))
		}
		slices.Sort(cuts)
		var pieces []*sli.Tally
		for i := range len(cuts) - 1 {
			pieces = append(pieces, tallyOf(slots[cuts[i]:cuts[i+1]], spans))
		}
		whole := report(tallyOf(slots, spans))
		for _, merged := range []*sli.Tally{
			merge(rapid.Permutation(pieces).Draw(t, "order")...),
			merge(merge(pieces[0], pieces[1]), merge(pieces[2], pieces[3])),
			merge(pieces[3], merge(pieces[1], merge(pieces[2], pieces[0]))),
		} {
			if diff := cmp.Diff(whole, report(merged)); diff != "" {
				t.Fatalf("merged (-whole +merged):\n%s", diff)
			}
		}
	})
}

func merge(tallies ...*sli.Tally) *sli.Tally {
	var sum sli.Tally
	for _, t := range tallies {
		sum.Merge(t)
	}
	return &sum
}

func report(t *sli.Tally) sli.Report {
	return sli.RegionReport(sli.Window{}, sli.Subject{Under: time.Second}, sli.Part{Tally: t})
}

// One slot at a time, in any order, is the same as all at once.
func TestAddInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots, spans := genSlots().Draw(t, "slots"), genCorrected().Draw(t, "spans")
		shuffled := rapid.Permutation(slots).Draw(t, "order")
		var one sli.Tally
		for _, s := range shuffled {
			one.Add(s, spans)
		}
		want := report(tallyOf(slots, spans))
		if diff := cmp.Diff(want, report(&one)); diff != "" {
			t.Fatalf("one at a time (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, report(tallyOf(shuffled, spans))); diff != "" {
			t.Fatalf("all at once, shuffled (-want +got):\n%s", diff)
		}
	})
}

func TestProberReport(t *testing.T) {
	up := sli.Slot{At: 1000, Cell: 30_000, Outcome: sli.Up, Latency: -100}
	blind := sli.Slot{At: 1000, Cell: 10_000, Outcome: sli.Inconclusive, Reason: "no_vouch"}
	maintained := []sli.Span{{From: 0, To: 5000, Effect: sli.InMaintenance}}
	tallies := []*sli.Tally{tallyOf([]sli.Slot{up}, maintained), tallyOf([]sli.Slot{blind}, nil), new(sli.Tally)}
	got := sli.NewProberReport(sli.Window{To: 60_000, AsOf: 60_000, Settled: true}, "tokyo", tallies)
	ratio := 0.75
	want := sli.ProberReport{
		SchemaVersion: 1, Region: "tokyo", Checks: 2, Ratio: &ratio, Settled: true,
		From: time.Unix(0, 0).UTC(), To: time.Unix(60, 0).UTC(), AsOf: time.Unix(60, 0).UTC(),
		Seconds: sli.Seconds{Due: 40, Verdict: 30, Undecided: 10, Excluded: 30},
		Slots:   sli.SlotCounts{Scheduled: 2, Inconclusive: 1, Excluded: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
