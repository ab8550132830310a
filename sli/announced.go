package sli

import (
	"cmp"
	"slices"
	"time"
)

// AnnouncedWindow is how far back the time that a target announced is added up.
const AnnouncedWindow = 28 * 24 * time.Hour

// AnnouncedLimit is how much announced time within AnnouncedWindow is excluded unless a check says otherwise.
const AnnouncedLimit = 4 * time.Hour

// An Announcement is slots that were down because the target said of itself that it is in maintenance: those at From, From + Step
// and so on before To. Instants are Unix ms.
type Announcement struct {
	From, To int64
	Step     int64 // ms; 0: all slots in between
	Limit    int64 // ms
}

// AnnouncedSpans returns the parts of announcements within [from, to) that take slots out: an instant is in one if less than
// the limit was announced in the AnnouncedWindow before it. What is beyond the limit counts as it was observed, so that a
// banner left up does not hide an outage; and it counts towards the limit itself, so that one left up for good hides none.
// The announcements are those of one timeline, in any order, all of them that touch the AnnouncedWindow before from or the
// time until to. Each of their slots stands for its cell of the timetable, and one that is not due for nothing: so it does not matter
// whether an epoch was known when its slots were. They may overlap: announced time is the time in any of them, and where several are the
// least limit holds.
func AnnouncedSpans(as []Announcement, due []Segment, from, to int64) []Span {
	as = announcedCells(as, due, from-AnnouncedWindow.Milliseconds(), to)
	if len(as) == 0 {
		return nil
	}
	slices.SortFunc(as, func(a, b Announcement) int { return cmp.Compare(a.From, b.From) })
	sum := announcedBefore(as)
	var spans []Span
	cuts := announcedCuts(as)
	for i, at := range cuts[:len(cuts)-1] {
		limit, ok := limitAt(as, at)
		if !ok {
			continue
		}
		// From one cut to the next the sum either grows with the time, or stays.
		until := cuts[i+1]
		room := limit - (sum.at(at) - sum.at(at-AnnouncedWindow.Milliseconds()))
		switch {
		case room <= 0:
			continue
		case !sum.within(at - AnnouncedWindow.Milliseconds()):
			until = min(until, at+room)
		}
		if s := (Span{From: max(at, from), To: min(until, to), Effect: Announced}); s.From < s.To {
			spans = appendTouching(spans, s)
		}
	}
	return spans
}

// announcedCells is the time in [from, to) that announcements stand for, and maybe more of it on both sides.
func announcedCells(as []Announcement, due []Segment, from, to int64) []Announcement {
	var cells []Announcement
	for _, a := range as {
		for _, s := range due {
			cells = s.appendAnnounced(cells, a, [2]int64{from - s.Interval, to})
		}
	}
	return cells
}

// appendAnnounced appends what an announcement stands for of a segment.
func (s Segment) appendAnnounced(cells []Announcement, a Announcement, in [2]int64) []Announcement {
	at, n := s.clip(max(a.From, in[0]), min(a.To, in[1]))
	if n == 0 {
		return cells
	}
	if a.Step == 0 || a.Step == s.Interval {
		if a.Step > 0 && (at-a.From)%a.Step != 0 {
			return cells // of another grid
		}
		last := at + (n-1)*s.Interval
		return append(cells, Announcement{From: at, To: last + s.cell(last), Limit: a.Limit})
	}
	for range n {
		if (at-a.From)%a.Step == 0 {
			cells = append(cells, Announcement{From: at, To: at + s.cell(at), Limit: a.Limit})
		}
		at += s.Interval
	}
	return cells
}

// announcedCuts are the instants at which an announcement begins or ends, or leaves the window of what is added up.
func announcedCuts(as []Announcement) []int64 {
	var cuts []int64
	for _, a := range as {
		for _, at := range []int64{a.From, a.To} {
			cuts = append(cuts, at, at+AnnouncedWindow.Milliseconds())
		}
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// limitAt is the least limit of the announcements, in order of their beginnings, at an instant; false: there is none.
func limitAt(as []Announcement, at int64) (limit int64, ok bool) {
	for _, a := range as {
		if a.From > at {
			break
		}
		if at < a.To && (!ok || a.Limit < limit) {
			limit, ok = a.Limit, true
		}
	}
	return limit, ok
}

func appendTouching(spans []Span, s Span) []Span {
	if n := len(spans); n > 0 && spans[n-1].To == s.From {
		spans[n-1].To = s.To
		return spans
	}
	return append(spans, s)
}

// An announcedSum tells how much was announced before an instant.
type announcedSum struct {
	spans  []Span  // disjoint, in order of time
	before []int64 // ms: announced before each of them
}

// announcedBefore adds up announcements in order of their beginnings.
func announcedBefore(as []Announcement) announcedSum {
	var x announcedSum
	for _, a := range as {
		if n := len(x.spans); n > 0 && a.From <= x.spans[n-1].To {
			x.spans[n-1].To = max(x.spans[n-1].To, a.To)
			continue
		}
		x.spans = append(x.spans, Span{From: a.From, To: a.To})
	}
	sum := int64(0)
	for _, s := range x.spans {
		x.before = append(x.before, sum)
		sum += s.To - s.From
	}
	return x
}

// last is the last span that begins at or before an instant, -1 if there is none.
func (x *announcedSum) last(t int64) int {
	i, found := slices.BinarySearchFunc(x.spans, t, func(s Span, t int64) int { return cmp.Compare(s.From, t) })
	if found {
		return i
	}
	return i - 1
}

func (x *announcedSum) at(t int64) int64 {
	i := x.last(t)
	if i < 0 {
		return 0
	}
	return x.before[i] + min(t, x.spans[i].To) - x.spans[i].From
}

func (x *announcedSum) within(t int64) bool {
	i := x.last(t)
	return i >= 0 && t < x.spans[i].To
}
