package sli_test

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

func TestSlotsToShow(t *testing.T) {
	for objective, want := range map[sli.Ratio]int64{0.99: 299, 0.999: 2995, 0.9999: 29_956, 0.5: 5} {
		if got := sli.SlotsToShow(objective); got != want {
			t.Errorf("%v: got %d slots, want %d", objective, got, want)
		}
	}
}

// binomialTail is the chance of k successes or more of n with probability p, added up one by one.
func binomialTail(n, k int64, p float64) float64 {
	const prec = 200
	f := func(x float64) *big.Float { return new(big.Float).SetPrec(prec).SetFloat64(x) }
	power := func(x float64, n int64) *big.Float {
		out := f(1)
		for range n {
			out.Mul(out, f(x))
		}
		return out
	}
	sum := f(0)
	for i := k; i <= n; i++ {
		term := new(big.Float).SetPrec(prec).SetInt(new(big.Int).Binomial(n, i))
		term.Mul(term, power(p, i)).Mul(term, power(1-p, n-i))
		sum.Add(sum, term)
	}
	x, _ := sum.Float64()
	return x
}

// slotsOf are ups and downs, a minute each, in a row.
func slotsOf(outcomes ...sli.Outcome) []sli.Slot {
	var slots []sli.Slot
	for i, o := range outcomes {
		slots = append(slots, sli.Slot{At: int64(i) * 60_000, Cell: 60_000, Outcome: o, Latency: sli.NoLatency})
	}
	return slots
}

// certaintyOf is about one region.
func certaintyOf(slots []sli.Slot, q sli.Quorum) sli.Certainty {
	m := sli.Measure{Indicator: sli.IndicatorAvailability}
	w := sli.Window{To: int64(len(slots)) * 60_000}
	watch := sli.Watch{Region: "tokyo", Cell: 60_000, Track: sli.NewTrack(slices.Values(slots), nil, m)}
	return sli.NewCertainty(w, "shop", []sli.Part{{Region: "tokyo", Weight: 1, Tally: tallyOf(slots, nil)}}, []sli.Watch{watch}, q)
}

// At the bounds of Clopper and Pearson the tails of the binomial distribution are 2.5 %.
func TestClopperPearsonAgainstTheBinomial(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 120).Draw(t, "slots")
		k := rapid.IntRange(0, n).Draw(t, "good")
		outcomes := append(slices.Repeat([]sli.Outcome{sli.Up}, k), slices.Repeat([]sli.Outcome{sli.Down}, n-k)...)
		c := certaintyOf(slotsOf(outcomes...), sli.DefaultQuorum())
		iv := c.Intervals[1]
		if iv.Method != sli.MethodClopperPearson || math.Abs(c.Slots-float64(n)) > 1e-9 {
			t.Fatalf("got %s of %v slots, want %d", iv.Method, c.Slots, n)
		}
		if k == 0 && *iv.Low != 0 || k == n && *iv.High != 1 {
			t.Fatalf("%d of %d: got [%v, %v]", k, n, *iv.Low, *iv.High)
		}
		if k > 0 {
			if tail := binomialTail(int64(n), int64(k), *iv.Low); math.Abs(tail-0.025) > 1e-9 {
				t.Fatalf("%d of %d: at the lower bound %v so many or more come with %v, want 0.025", k, n, *iv.Low, tail)
			}
		}
		if k < n {
			if tail := 1 - binomialTail(int64(n), int64(k)+1, *iv.High); math.Abs(tail-0.025) > 1e-9 {
				t.Fatalf("%d of %d: at the upper bound %v so many or fewer come with %v, want 0.025", k, n, *iv.High, tail)
			}
		}
	})
}

// Published: 8 of 10 is between 44.39 % and 97.48 %, and 81 of 263 between 25.27 % and 36.76 % (Newcombe, Statistics in Medicine 17 (1998)).
func TestClopperPearsonAsPublished(t *testing.T) {
	for _, x := range []struct {
		good, of  int
		low, high float64
	}{{8, 10, 0.4439, 0.9748}, {81, 263, 0.2527, 0.3676}, {100_000, 100_000, 0.99996311, 1}} {
		outcomes := append(slices.Repeat([]sli.Outcome{sli.Up}, x.good), slices.Repeat([]sli.Outcome{sli.Down}, x.of-x.good)...)
		iv := certaintyOf(slotsOf(outcomes...), sli.DefaultQuorum()).Intervals[1]
		if math.Abs(*iv.Low-x.low) > 5e-5 || math.Abs(*iv.High-x.high) > 5e-5 {
			t.Errorf("%d of %d: got [%v, %v], want [%v, %v]", x.good, x.of, *iv.Low, *iv.High, x.low, x.high)
		}
	}
}

func TestHourBlocks(t *testing.T) {
	hours := func(bad ...int) []sli.Slot {
		var outcomes []sli.Outcome
		for _, n := range bad {
			outcomes = append(outcomes, slices.Repeat([]sli.Outcome{sli.Down}, n)...)
			outcomes = append(outcomes, slices.Repeat([]sli.Outcome{sli.Up}, 60-n)...)
		}
		return slotsOf(outcomes...)
	}
	few := certaintyOf(hours(0, 1, 2, 3, 4, 0), sli.DefaultQuorum()).Intervals[2]
	if few.Low != nil || few.Note != "too few to say: fewer than five hours had a failure" {
		t.Errorf("four hours with a failure: got %+v, want too few to say", few)
	}
	// Hours of 60 minutes with 6, 0, 12, 6, 6 and 6 bad ones: the ratio is 0.9, deviations are 0, 6, 6 and 0 minutes.
	got := certaintyOf(hours(6, 0, 12, 6, 6, 6), sli.DefaultQuorum()).Intervals[2]
	half := 1.959963984540054 * math.Sqrt(6.0/5*72) / 360
	if d := cmp.Diff([]float64{0.9 - half, 0.9 + half}, []float64{*got.Low, *got.High}, cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestScheduleErrorAndShortestOutage(t *testing.T) {
	c := certaintyOf(slotsOf(sli.Up, sli.Down, sli.Down, sli.Up, sli.Down, sli.Up), sli.DefaultQuorum())
	if want := math.Sqrt(4 * 3600.0 / 12); math.Abs(c.ScheduleErrorSeconds-want) > 1e-9 { // two outages have four ends
		t.Errorf("schedule error: got %v s, want %v s", c.ScheduleErrorSeconds, want)
	}
	for _, x := range []struct {
		regions int
		quorum  sli.Quorum
		want    float64
	}{{1, sli.Quorum{All: true}, 60}, {3, sli.Quorum{Count: 2}, 40}, {3, sli.Quorum{All: true}, 20}, {3, sli.Quorum{Any: true}, 60}, {5, sli.Quorum{Count: 3}, 36}} {
		var ws []sli.Watch
		var parts []sli.Part
		for range x.regions {
			ws, parts = append(ws, sli.Watch{Cell: 60_000}), append(parts, sli.Part{Weight: 1, Tally: new(sli.Tally)})
		}
		c := sli.NewCertainty(sli.Window{}, "shop", parts, ws, x.quorum)
		if c.ShortestOutageSeconds == nil || math.Abs(*c.ShortestOutageSeconds-x.want) > 1e-9 {
			t.Errorf("%d regions, %s: got %v, want %v s", x.regions, c.Quorum, c.ShortestOutageSeconds, x.want)
		}
		if c.Ratio != nil || c.Intervals[1].Low != nil {
			t.Errorf("nothing seen: got ratio %v, interval %+v, want neither", c.Ratio, c.Intervals[1])
		}
	}
}
