package sli

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// grid is a timetable of slots at all multiples of an interval.
func grid(interval int64) []Segment {
	return []Segment{{From: -1000 * interval, To: 100000 * interval, Interval: interval}}
}

func TestAnnouncedSpans(t *testing.T) {
	hour, day := time.Hour.Milliseconds(), 24*time.Hour.Milliseconds()
	window, limit := AnnouncedWindow.Milliseconds(), AnnouncedLimit.Milliseconds()
	one := func(from, to int64) Announcement { return Announcement{From: from, To: to, Limit: limit} }
	for _, c := range []struct {
		name string
		as   []Announcement
		want []Span
	}{
		{"none", nil, nil},
		{"short", []Announcement{one(0, hour)}, []Span{{From: 0, To: hour}}},
		{"too long", []Announcement{one(0, 6*hour)}, []Span{{From: 0, To: 4 * hour}}},
		{"left up for good", []Announcement{one(0, 90*day)}, []Span{{From: 0, To: 4 * hour}}},
		{"in pieces that touch", []Announcement{one(hour, 6*hour), one(0, hour)}, []Span{{From: 0, To: 4 * hour}}},
		{"twice", []Announcement{one(0, 3*hour), one(day, day+3*hour)}, []Span{{From: 0, To: 3 * hour}, {From: day, To: day + hour}}},
		{"said twice is counted once", []Announcement{one(0, 3*hour), one(0, 3*hour), one(day, day+hour)}, []Span{{From: 0, To: 3 * hour}, {From: day, To: day + hour}}},
		{
			// While the first leaves the window as fast as the second comes, the sum of 3 h stays.
			"after four weeks",
			[]Announcement{one(0, 5*hour), one(window+2*hour, window+9*hour)},
			[]Span{{From: 0, To: 4 * hour}, {From: window + 2*hour, To: window + 6*hour}},
		},
		{"no limit is no time", []Announcement{{From: 0, To: hour}}, nil},
		{"the least limit holds", []Announcement{{From: 0, To: 3 * hour, Limit: hour}, {From: 0, To: 3 * hour, Limit: 2 * hour}}, []Span{{From: 0, To: hour}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.want {
				c.want[i].Effect = Announced
			}
			if got := AnnouncedSpans(c.as, grid(hour), -day, 100*day); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// Each instant is taken out just if less than the limit was announced in the window before it, counted one by one.
func TestAnnouncedSpansAgainstEveryInstant(t *testing.T) {
	const unit = 4 * 60 * 60 * 1000 // ms: the window is 168 of them
	window := AnnouncedWindow.Milliseconds() / unit
	rapid.Check(t, func(rt *rapid.T) {
		var as []Announcement
		announced := map[int64]int64{} // the least limit
		at := int64(0)
		for range rapid.IntRange(0, 8).Draw(rt, "announcements") {
			at += rapid.Int64Range(-3, 120).Draw(rt, "gap")
			n, limit := rapid.Int64Range(0, 9).Draw(rt, "length"), rapid.Int64Range(0, 12).Draw(rt, "limit")
			as = append(as, Announcement{From: at * unit, To: (at + n) * unit, Limit: limit * unit})
			for u := at; u < at+n; u++ {
				if old, ok := announced[u]; !ok || limit < old {
					announced[u] = limit
				}
			}
			at += n
		}
		from, to := rapid.Int64Range(-10, 200).Draw(rt, "from"), rapid.Int64Range(-10, 1200).Draw(rt, "to")
		out := map[int64]bool{}
		for _, s := range AnnouncedSpans(rapid.Permutation(as).Draw(rt, "order"), grid(unit), from*unit, to*unit) {
			for u := s.From; u < s.To; u += unit {
				out[u/unit] = true
			}
		}
		for u := from - 1; u <= to; u++ {
			limit, want := announced[u]
			sum := int64(0)
			for v := u - window; v < u; v++ {
				if _, ok := announced[v]; ok {
					sum++
				}
			}
			if want = want && sum < limit && from <= u && u < to; out[u] != want {
				rt.Fatalf("instant %d: taken out %v, want %v: %d announced before it, limit %d; announcements %v", u, out[u], want, sum, limit, as)
			}
		}
	})
}

// Of what several probers say on grids of their own, each due slot is taken out just if one of them announced it and less than the limit
// was announced before it, by the cells of the timetable.
func TestAnnouncedSpansOfSlots(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		at := int64(0)
		var due []Segment
		for range rapid.IntRange(1, 4).Draw(rt, "segments") {
			s := Segment{From: at, Interval: rapid.Int64Range(1, 6).Draw(rt, "interval")}
			at += rapid.Int64Range(1, 40).Draw(rt, "length")
			s.To, s.Offset = at, s.From%s.Interval
			due = append(due, s)
		}
		var as []Announcement
		said := map[int64]int64{} // the least limit
		for range rapid.IntRange(0, 5).Draw(rt, "announcements") {
			a := Announcement{From: rapid.Int64Range(0, at).Draw(rt, "at"), Step: rapid.Int64Range(1, 6).Draw(rt, "step"), Limit: rapid.Int64Range(0, 60).Draw(rt, "limit")}
			a.To = a.From + a.Step*rapid.Int64Range(1, 30).Draw(rt, "slots")
			as = append(as, a)
			for slot := a.From; slot < a.To; slot += a.Step {
				if old, ok := said[slot]; !ok || a.Limit < old {
					said[slot] = a.Limit
				}
			}
		}
		from, to := rapid.Int64Range(0, at).Draw(rt, "from"), rapid.Int64Range(0, at).Draw(rt, "to")
		spans, sum := AnnouncedSpans(as, due, from, to), int64(0)
		for slot, cell := range Due(due, 0, at) {
			limit, announced := said[slot]
			want := announced && sum < limit && from <= slot && slot < to
			if got := EffectAt(spans, slot) == Announced; got != want {
				rt.Fatalf("slot %d: taken out %v, want %v: %d announced before it, limit %d; announcements %v, due %v", slot, got, want, sum, limit, as, due)
			}
			if announced {
				sum += cell
			}
		}
	})
}
