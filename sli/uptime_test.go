package sli_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

// stretched is a track in whole multiples of a unit of ms.
func stretched(tr sli.Track, unit, shift int64) sli.Track {
	var out sli.Track
	for _, s := range tr {
		out = append(out, sli.Stretch{From: s.From*unit + shift, To: s.To*unit + shift, Verdict: s.Verdict})
	}
	return out
}

// Every window of every length, one by one, with rational numbers.
func TestUptimeAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Units that are no whole minutes put borders within them; with weights that are no whole numbers sums are not exact.
		unit := rapid.SampledFrom([]int64{25_000, 60_000, 12_347}).Draw(t, "unit")
		var tracks []sli.Track
		var weights []float64
		var rats []*big.Rat
		for range rapid.IntRange(0, 3).Draw(t, "regions") {
			tracks = append(tracks, stretched(genTrack().Draw(t, "track"), unit, 1_200_000))
			w := rapid.Int64Range(0, 20).Draw(t, "tenths of weight")
			weights, rats = append(weights, float64(w)/10), append(rats, big.NewRat(w, 10))
		}
		from, to := int64(1_200_000)+rapid.Int64Range(0, 100_000).Draw(t, "from"), int64(1_200_000+40*unit)
		u := sli.NewUptime(tracks, weights, from, to)
		minutes := rapid.IntRange(1, 12).Draw(t, "minutes")
		var best *big.Rat
		var at int64
		first := (from + 59_999) / 60_000
		for m := first; (m+int64(minutes))*60_000 <= to; m++ {
			good, valid, on := new(big.Rat), new(big.Rat), new(big.Rat)
			for i, tr := range tracks {
				a := tr.Amount(m*60_000, (m+int64(minutes))*60_000)
				add := func(sum *big.Rat, ms float64) {
					sum.Add(sum, new(big.Rat).Mul(rats[i], new(big.Rat).SetInt64(int64(ms))))
				}
				add(good, a.Good)
				add(valid, a.Good+a.Bad)
				add(on, a.Good+a.Bad+a.None)
			}
			if valid.Sign() == 0 || new(big.Rat).Add(valid, valid).Cmp(on) < 0 {
				continue
			}
			if r := new(big.Rat).Quo(good, valid); best == nil || r.Cmp(best) < 0 {
				best, at = r, m
			}
		}
		got := u.Worst(minutes)
		if best == nil {
			if got.MCR != nil {
				t.Fatalf("got %v from %v, want none", *got.MCR, got.From)
			}
			return
		}
		want, _ := best.Float64()
		if got.MCR == nil || cmp.Diff(want, *got.MCR, cmpopts.EquateApprox(1e-12, 1e-15)) != "" || !got.From.Equal(time.UnixMilli(at*60_000)) {
			t.Fatalf("worst of %d minutes: got %+v, want %v from minute %d", minutes, got, want, at)
		}
	})
}

// An outage of ten minutes in a day, seen by one region of two.
func TestUptimeCurve(t *testing.T) {
	const day = 24 * 60
	at := func(minute int64) int64 { return minute * 60_000 }
	tokyo := sli.Track{{From: 0, To: at(600), Verdict: sli.Good}, {From: at(600), To: at(610), Verdict: sli.Bad}, {From: at(610), To: at(day), Verdict: sli.Good}}
	osaka := sli.Track{{From: 0, To: at(day), Verdict: sli.Good}}
	u := sli.NewUptime([]sli.Track{tokyo, osaka}, []float64{1, 1}, 0, at(day))
	points := u.Curve(2 * time.Minute)
	var lengths []float64
	for _, p := range points {
		lengths = append(lengths, p.WindowSeconds/60)
	}
	if d := cmp.Diff([]float64{2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, day}, lengths); d != "" {
		t.Errorf("lengths (-want +got):\n%s", d)
	}
	if p := points[2]; *p.MCR != 0.5 || !p.From.Equal(time.UnixMilli(at(600))) || !p.To.Equal(time.UnixMilli(at(608))) {
		t.Errorf("of 8 minutes: got %v from %v to %v, want 0.5 from the beginning of the outage", *p.MCR, p.From, p.To)
	}
	if p := points[3]; *p.MCR != 1-5.0/16 || !p.From.Equal(time.UnixMilli(at(594))) {
		t.Errorf("of 16 minutes: got %v from %v, want 11/16 from the first window that has all of it", *p.MCR, p.From)
	}
	if p := points[len(points)-1]; *p.MCR != 1-5.0/day {
		t.Errorf("of the day: got %v, want %v", *p.MCR, 1-5.0/day)
	}
	r := sli.NewUptimeReport(sli.Window{To: at(day)}, "shop", u, time.Minute, []time.Duration{90 * time.Second, 48 * time.Hour})
	if p := r.Points; len(p) != 2 || p[0].WindowSeconds != 120 || p[1].MCR != nil {
		t.Errorf("lengths that were asked for: got %+v, want 2 minutes, and nothing of two days", p)
	}
}

func BenchmarkUptimeOfAQuarter(b *testing.B) {
	var tracks []sli.Track
	const quarter = 92 * 24 * 60
	for r := range int64(5) {
		tr := sli.Track{}
		for m := int64(0); m < quarter; m += 2000 {
			tr = append(tr, sli.Stretch{From: m * 60_000, To: (m+1990+r)*60_000 - 7, Verdict: sli.Good}, sli.Stretch{From: (m+1990+r)*60_000 - 7, To: (m + 2000) * 60_000, Verdict: sli.Bad})
		}
		tracks = append(tracks, tr)
	}
	for b.Loop() {
		u := sli.NewUptime(tracks, []float64{1, 1, 1, 1, 1}, 0, quarter*60_000)
		if p := u.Curve(time.Minute); len(p) != 19 {
			b.Fatalf("got %d points, want 19", len(p))
		}
	}
}
