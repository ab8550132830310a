package sli

import (
	"math"
	"time"
)

// minuteMS is the resolution of windowed user-uptime.
const minuteMS = 60_000

// An Uptime knows the windowed user-uptime of a check, with its regions as users: over any window, the time that they saw it good
// ÷ the time that they came to a verdict. It is not for change, and safe for concurrent use.
//
// Source: Hauer, Hoffmann, Lunney, Ardelean, Diwan, "Meaningful Availability", NSDI 2020, section 4.
type Uptime struct {
	from            int64     // Unix ms, a whole minute
	good, valid, on []float64 // weighted ms before the i-th minute; on: not excluded
}

// NewUptime adds up the tracks of regions in the whole minutes of [from, to). Regions of weight 0 do not count.
func NewUptime(tracks []Track, weights []float64, from, to int64) *Uptime {
	first, end := (from+minuteMS-1)/minuteMS, to/minuteMS
	n := int(max(0, end-first))
	u := &Uptime{from: first * minuteMS, good: make([]float64, n+1), valid: make([]float64, n+1), on: make([]float64, n+1)}
	for i, weight := range whole(weights) {
		if weight > 0 {
			u.add(tracks[i], weight)
		}
	}
	for i := range n {
		u.good[i+1] += u.good[i]
		u.valid[i+1] += u.valid[i]
		u.on[i+1] += u.on[i]
	}
	return u
}

// whole returns weights in the same proportion that are whole numbers, if a few decimals are all they have: sums of them are exact, so
// that of two windows alike the earlier one is found, and half of the time is half.
func whole(weights []float64) []float64 {
	const decimals = 6
	scaled := make([]float64, len(weights))
	for scale, d := 1.0, 0; d <= decimals; scale, d = 10*scale, d+1 {
		odd := false
		for i, w := range weights {
			scaled[i] = math.Round(w * scale)
			odd = odd || scaled[i]/scale != w
		}
		if !odd {
			return scaled
		}
	}
	return weights
}

// add puts the time of a track into the minutes that it lies in, each after its beginning.
func (u *Uptime) add(t Track, weight float64) {
	end := u.from + int64(len(u.good)-1)*minuteMS
	for _, s := range t {
		from, to := max(s.From, u.from)-u.from, min(s.To, end)-u.from
		if s.Verdict == Excluded || from >= to {
			continue
		}
		first, last := from/minuteMS, (to-1)/minuteMS
		if first == last {
			u.put(first, s.Verdict, weight*float64(to-from))
			continue
		}
		u.put(first, s.Verdict, weight*float64((first+1)*minuteMS-from))
		for m := first + 1; m < last; m++ {
			u.put(m, s.Verdict, weight*minuteMS)
		}
		u.put(last, s.Verdict, weight*float64(to-last*minuteMS))
	}
}

func (u *Uptime) put(minute int64, v Verdict, ms float64) {
	u.on[minute+1] += ms
	if v != None {
		u.valid[minute+1] += ms
	}
	if v == Good {
		u.good[minute+1] += ms
	}
}

// An UptimePoint is the worst window of a length: the minimal cumulative ratio.
type UptimePoint struct {
	WindowSeconds float64    `json:"window_seconds"`
	MCR           *float64   `json:"mcr"` // null: in no window of this length did half of the time come to a verdict
	From          *time.Time `json:"from"`
	To            *time.Time `json:"to"`
}

// Worst finds the window of so many whole minutes, beginning at a whole minute, with the lowest ratio; the earliest of several.
// Windows in which less than half of the time that is not excluded came to a verdict do not count.
func (u *Uptime) Worst(minutes int) UptimePoint {
	p := UptimePoint{WindowSeconds: float64(minutes) * 60}
	best, bestGood, bestValid := -1, 0.0, 0.0
	for i := 0; minutes > 0 && i+minutes < len(u.good); i++ {
		k := i + minutes
		valid := u.valid[k] - u.valid[i]
		if valid <= 0 || 2*valid < u.on[k]-u.on[i] {
			continue
		}
		// good ÷ valid < bestGood ÷ bestValid, without dividing.
		if good := u.good[k] - u.good[i]; best < 0 || good*bestValid < bestGood*valid {
			best, bestGood, bestValid = i, good, valid
		}
	}
	if best < 0 {
		return p
	}
	ratio := bestGood / bestValid
	from, to := utc(u.from+int64(best)*minuteMS), utc(u.from+int64(best+minutes)*minuteMS)
	p.MCR, p.From, p.To = &ratio, &from, &to
	return p
}

// Curve is the worst window of every length that is a power of two in minutes, and of the whole time, from the largest cell on:
// in a shorter one nobody may have looked.
func (u *Uptime) Curve(cell time.Duration) []UptimePoint {
	all := len(u.good) - 1
	points := []UptimePoint{}
	for n := 1; n < all; n *= 2 {
		if time.Duration(n)*time.Minute >= cell {
			points = append(points, u.Worst(n))
		}
	}
	if all > 0 {
		points = append(points, u.Worst(all))
	}
	return points
}

// An UptimeReport is the windowed user-uptime of a check. Undefined figures are null.
type UptimeReport struct {
	SchemaVersion int                `json:"schema_version"`
	Check         string             `json:"check"` // id
	Weights       map[string]float64 `json:"weights"`
	From          time.Time          `json:"from"`
	To            time.Time          `json:"to"`
	AsOf          time.Time          `json:"as_of"`
	Settled       bool               `json:"settled"`
	Points        []UptimePoint      `json:"points"`
}

// NewUptimeReport reports on the given lengths, in whole minutes rounded up, or without any on those of a curve. cell is the longest one
// of the tracks.
func NewUptimeReport(w Window, check string, u *Uptime, cell time.Duration, lengths []time.Duration) UptimeReport {
	r := UptimeReport{
		SchemaVersion: SchemaVersion, Check: check, From: utc(w.From), To: utc(w.To), AsOf: utc(w.AsOf), Settled: w.Settled, Points: []UptimePoint{},
	}
	if len(lengths) == 0 {
		r.Points = u.Curve(cell)
	}
	for _, d := range lengths {
		r.Points = append(r.Points, u.Worst(int(math.Ceil(d.Minutes()))))
	}
	return r
}
