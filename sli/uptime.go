package sli

import (
	"iter"
	"math"
	"slices"
	"sort"
	"time"
)

// minuteMS is the resolution of windowed user-uptime.
const minuteMS = 60_000

// An Uptime knows the windowed user-uptime of a check, with its regions as users: over any window, the time that they saw it good
// ÷ the time that they came to a verdict. It is not for change, and safe for concurrent use.
//
// Source: Hauer, Hoffmann, Lunney, Ardelean, Diwan, "Meaningful Availability", NSDI 2020, section 4. Their prefix sums are kept at
// the minutes at which something changes only; between two of them all sums are linear.
type Uptime struct {
	from int64 // Unix ms, a whole minute
	at   []int // minutes after from at whose beginnings something changes, ascending: the first one is 0, the last one the end
	sum  []use // before each of them
	per  []use // of every minute from there to the next
}

// A use is weighted time in ms; on: not excluded.
type use struct{ good, valid, on float64 }

// plus adds n times o.
func (u use) plus(o use, n int) use {
	return use{u.good + float64(n)*o.good, u.valid + float64(n)*o.valid, u.on + float64(n)*o.on}
}

// counts reports whether at least half of the time came to a verdict.
func (u use) counts() bool { return u.valid > 0 && 2*u.valid >= u.on }

// NewUptime adds up the tracks of regions in the whole minutes of [from, to). Regions of weight 0 do not count.
func NewUptime(tracks []Track, weights []float64, from, to int64) *Uptime {
	first := (from + minuteMS - 1) / minuteMS
	u := &Uptime{from: first * minuteMS}
	u.at = changes(tracks, u.from, int(max(0, to/minuteMS-first)))
	u.sum, u.per = make([]use, len(u.at)), make([]use, len(u.at))
	next := make([]int, len(tracks)) // of each the first stretch that may be in the minute
	weights = whole(weights)
	for k, minute := range u.at[:len(u.at)-1] {
		begin := u.from + int64(minute)*minuteMS
		for i, t := range tracks {
			for next[i] < len(t) && t[next[i]].To <= begin {
				next[i]++
			}
			if weights[i] > 0 {
				a := t[next[i]:].Amount(begin, begin+minuteMS)
				u.per[k] = use{u.per[k].good + weights[i]*a.Good, u.per[k].valid + weights[i]*(a.Good+a.Bad), u.per[k].on + weights[i]*(a.Good+a.Bad+a.None)}
			}
		}
		u.sum[k+1] = u.sum[k].plus(u.per[k], u.at[k+1]-minute)
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

// changes lists the minutes, of n, with the beginning or the end of a stretch in them, those after them, 0 and n.
func changes(tracks []Track, from int64, n int) []int {
	at := []int{0, n}
	for _, t := range tracks {
		for _, s := range t {
			for _, ms := range [2]int64{s.From, s.To} {
				for _, m := range [2]int64{floorDiv(ms-from, minuteMS), floorDiv(ms-from, minuteMS) + 1} {
					if 0 < m && m < int64(n) {
						at = append(at, int(m))
					}
				}
			}
		}
	}
	slices.Sort(at)
	return slices.Compact(at)
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
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
	best, worst := -1, use{}
	for i, x := range u.extremes(minutes) {
		// good ÷ valid, without dividing.
		if x.counts() && (best < 0 || x.good*worst.valid < worst.good*x.valid) {
			best, worst = i, x
		}
	}
	if best < 0 {
		return p
	}
	ratio := worst.good / worst.valid
	from, to := utc(u.from+int64(best)*minuteMS), utc(u.from+int64(best+minutes)*minuteMS)
	p.MCR, p.From, p.To = &ratio, &from, &to
	return p
}

// extremes yields, in order of time, windows of so many minutes of which one is the worst, each by its first minute. Where neither
// end of a window meets a change its sums are linear in its place. Their ratio then has its minimum at an end of the
// places between two such meetings, or where windows begin or cease to count.
func (u *Uptime) extremes(minutes int) iter.Seq2[int, use] {
	return func(yield func(int, use) bool) {
		last := u.at[len(u.at)-1] - minutes // the last window's place
		if minutes <= 0 || last < 0 {
			return
		}
		was, old := 0, use{}
		i, k := 0, 0 // pieces in which a window begins, and ends
		for x := 0; x <= last; {
			i, k = u.piece(i, x), u.piece(k, x+minutes)
			now := u.window(i, k, x, minutes)
			if old.counts() != now.counts() && x-was > 1 {
				turn := was + 1 + sort.Search(x-was-1, func(n int) bool { return u.between(was+1+n, minutes).counts() == now.counts() })
				for t := turn - 1; t <= turn; t++ {
					if t > was && t < x && !yield(t, u.between(t, minutes)) {
						return
					}
				}
			}
			if !yield(x, now) || x == last {
				return
			}
			was, old = x, now
			x = min(u.next(i), u.next(k)-minutes, last)
		}
	}
}

// piece returns the last piece from k on that begins at or before a minute.
func (u *Uptime) piece(k, minute int) int {
	for k+1 < len(u.at) && u.at[k+1] <= minute {
		k++
	}
	return k
}

// next is the minute at which the piece after k begins.
func (u *Uptime) next(k int) int {
	if k+1 < len(u.at) {
		return u.at[k+1]
	}
	return math.MaxInt32
}

// window adds up the minutes from a place on, given the pieces in which it begins and ends.
func (u *Uptime) window(i, k, place, minutes int) use {
	return u.sum[k].plus(u.per[k], place+minutes-u.at[k]).plus(u.sum[i].plus(u.per[i], place-u.at[i]), -1)
}

func (u *Uptime) between(place, minutes int) use {
	find := func(minute int) int { return sort.SearchInts(u.at, minute+1) - 1 }
	return u.window(find(place), find(place+minutes), place, minutes)
}

// Curve is the worst window of every length that is a power of two in minutes, and of the whole time, from the largest cell on:
// in a shorter one nobody may have looked.
func (u *Uptime) Curve(cell time.Duration) []UptimePoint {
	all := u.at[len(u.at)-1]
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
