package sli

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAnnouncedSpans(t *testing.T) {
	hour, day := time.Hour.Milliseconds(), 24*time.Hour.Milliseconds()
	window, limit := AnnouncedWindow.Milliseconds(), AnnouncedLimit.Milliseconds()
	one := func(from, to int64) Announcement { return Announcement{from, to, limit} }
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
		{"no limit is no time", []Announcement{{0, hour, 0}}, nil},
		{"the least limit holds", []Announcement{{0, 3 * hour, hour}, {0, 3 * hour, 2 * hour}}, []Span{{From: 0, To: hour}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.want {
				c.want[i].Effect = Announced
			}
			if got := AnnouncedSpans(c.as, -day, 100*day); !slices.Equal(got, c.want) {
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
			as = append(as, Announcement{at * unit, (at + n) * unit, limit * unit})
			for u := at; u < at+n; u++ {
				if old, ok := announced[u]; !ok || limit < old {
					announced[u] = limit
				}
			}
			at += n
		}
		from, to := rapid.Int64Range(-10, 200).Draw(rt, "from"), rapid.Int64Range(-10, 1200).Draw(rt, "to")
		out := map[int64]bool{}
		for _, s := range AnnouncedSpans(rapid.Permutation(as).Draw(rt, "order"), from*unit, to*unit) {
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
