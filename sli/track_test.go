package sli_test

import (
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

// genTrack is a track with holes, in units of a millisecond that make collisions likely.
func genTrack() *rapid.Generator[sli.Track] {
	return rapid.Custom(func(t *rapid.T) sli.Track {
		var tr sli.Track
		at := rapid.Int64Range(0, 5).Draw(t, "start")
		for range rapid.IntRange(0, 8).Draw(t, "stretches") {
			at += rapid.SampledFrom([]int64{0, 0, 0, 1, 4}).Draw(t, "hole")
			s := sli.Stretch{From: at, To: at + rapid.Int64Range(1, 6).Draw(t, "length"), Verdict: sli.Verdict(rapid.IntRange(0, 3).Draw(t, "verdict"))}
			if n := len(tr); n > 0 && tr[n-1].To == s.From && tr[n-1].Verdict == s.Verdict {
				tr[n-1].To = s.To
			} else {
				tr = append(tr, s)
			}
			at = s.To
		}
		return tr
	})
}

// verdictAt looks a track up the slow way.
func verdictAt(tr sli.Track, ms int64) (sli.Verdict, bool) {
	for _, s := range tr {
		if s.From <= ms && ms < s.To {
			return s.Verdict, true
		}
	}
	return 0, false
}

func genQuorum() *rapid.Generator[sli.Quorum] {
	return rapid.Custom(func(t *rapid.T) sli.Quorum {
		switch rapid.IntRange(0, 3).Draw(t, "rule") {
		case 0:
			return sli.Quorum{All: true}
		case 1:
			return sli.Quorum{Any: true}
		case 2:
			return sli.Quorum{Share: sli.Ratio(float64(rapid.IntRange(1, 20).Draw(t, "twentieths")) / 20)}
		}
		return sli.Quorum{Count: rapid.IntRange(1, 4).Draw(t, "count")}
	})
}

// needed is how many of n a quorum needs, in whole numbers.
func needed(q sli.Quorum, n int64) int64 {
	switch {
	case q.All:
		return n
	case q.Any:
		return 1
	case q.Share > 0:
		twentieths := new(big.Int).SetInt64(int64(float64(q.Share)*20 + 0.5))
		up := new(big.Int).Add(new(big.Int).Mul(twentieths, big.NewInt(n)), big.NewInt(19))
		return max(1, up.Div(up, big.NewInt(20)).Int64())
	}
	return min(int64(q.Count), n)
}

// At each instant, one by one: good, bad or undecided by how many see it good.
func TestQuorumAgainstEveryInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tracks := rapid.SliceOfN(genTrack(), 0, 4).Draw(t, "tracks")
		q := genQuorum().Draw(t, "quorum")
		got := q.Combined(tracks)
		for ms := range int64(80) {
			var votes [4]int64
			for _, tr := range tracks {
				if v, due := verdictAt(tr, ms); due {
					votes[v]++
				}
			}
			n := votes[sli.Good] + votes[sli.Bad] + votes[sli.None]
			want, due := sli.None, true
			switch k := needed(q, n); {
			case n == 0:
				want, due = sli.Excluded, votes[sli.Excluded] > 0
			case votes[sli.Good] >= k:
				want = sli.Good
			case votes[sli.Good]+votes[sli.None] < k:
				want = sli.Bad
			}
			v, is := verdictAt(got, ms)
			if is != due || due && v != want {
				t.Fatalf("at %d: got %v (due: %v), want %v (due: %v), of votes %v", ms, v, is, want, due, votes)
			}
		}
		for i, s := range got {
			if s.From >= s.To || i > 0 && (got[i-1].To > s.From || got[i-1].To == s.From && got[i-1].Verdict == s.Verdict) {
				t.Fatalf("stretches %v are not disjoint, in order and merged", got)
			}
		}
	})
}

// Amounts are what every instant says, so those of adjacent windows add up.
func TestTrackAmounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := genTrack().Draw(t, "track")
		cuts := rapid.SliceOfN(rapid.Int64Range(-2, 70), 3, 3).Draw(t, "cuts")
		slices.Sort(cuts)
		sum := func(from, to int64) (a sli.Amount) {
			for ms := from; ms < to; ms++ {
				switch v, due := verdictAt(tr, ms); {
				case !due:
				case v == sli.Good:
					a.Good++
				case v == sli.Bad:
					a.Bad++
				case v == sli.None:
					a.None++
				default:
					a.Excluded++
				}
			}
			return a
		}
		for _, w := range [][2]int64{{cuts[0], cuts[1]}, {cuts[1], cuts[2]}, {cuts[0], cuts[2]}} {
			if d := cmp.Diff(sum(w[0], w[1]), tr.Amount(w[0], w[1])); d != "" {
				t.Fatalf("[%d, %d) of %v (-want +got):\n%s", w[0], w[1], tr, d)
			}
		}
	})
}

// A track has the time that a tally has, for every indicator, where no cell is cut.
func TestTrackAgreesWithTally(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots, spans := genSlots().Draw(t, "slots"), genCorrected().Draw(t, "spans")
		m := sli.Measure{
			Indicator: rapid.SampledFrom([]string{sli.IndicatorAvailability, sli.IndicatorLatency, sli.IndicatorProber}).Draw(t, "indicator"),
			Of:        rapid.SampledFrom([]string{sli.OfValid, sli.OfUp}).Draw(t, "of"),
		}
		got := sli.NewTrack(slices.Values(slots), spans, m).Amount(-1<<40, 1<<40)
		want := tallyOf(slots, spans).Amount(m)
		want.GoodSlots, want.BadSlots = 0, 0
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("(-tally +track):\n%s", d)
		}
		r := sli.RegionReport(sli.Window{}, sli.Subject{Under: 1, Of: m.Of}, sli.Part{Tally: tallyOf(slots, spans)})
		ratio := map[string]*float64{
			sli.IndicatorAvailability: r.Availability.Ratio, sli.IndicatorLatency: r.Latency.Ratio, sli.IndicatorProber: r.Coverage,
		}[m.Indicator]
		if d := cmp.Diff(ratio, got.Ratio()); d != "" {
			t.Fatalf("%s (-report +track):\n%s", m.Indicator, d)
		}
	})
}
