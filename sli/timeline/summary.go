package timeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// A summary is the tally of a day's due slots without any maintenance. It spares reports the slots of whole days
// and never changes what they say: it is taken only if its seal fits, which is the first bytes of SHA-256 over the
// tally and its grounds, all that it follows from but the block. That the block is still the same is the
// database's word: changing one makes its summary void, by a bit of the row of table summaries that it is in.
//
//	seal   8 bytes
//	tally  see (*sli.Tally).AppendBinary
const sealSize = 8

// summaryVersion is part of every seal. A new one makes all summaries void, as is needed when what a block says of
// a slot is to be understood in another way.
const summaryVersion = 1

// sealedForm is part of every seal too. It was the version of the block's encoding while there was one; a summary is
// about what a block says, however it says it.
const sealedForm = 1

// grounds are what the tally of a day follows from besides its block: the slots that are due, and the grids of the
// probers, since they decide which slots a gap is about.
type grounds struct {
	due      []sli.Segment
	probers  []string // ascending
	followed [][]sli.Segment
	buffer   []byte // for seals of outlines
}

func groundsOf(epochs []epoch, due []sli.Segment) grounds {
	names := map[string]bool{}
	for _, e := range epochs {
		names[e.terms().prober] = true
	}
	g := grounds{due: due, probers: slices.Sorted(maps.Keys(names))}
	for _, p := range g.probers {
		g.followed = append(g.followed, followed(epochs, p))
	}
	return g
}

// append writes down all that concerns a day, and nothing that does not: what comes to be known of other days
// must not make its summary void.
func (g *grounds) append(b []byte, day int64) []byte {
	b = appendSegments(append(b, summaryVersion, sealedForm), g.due, day)
	for i, p := range g.probers {
		if overlaps(g.followed[i], day*dayMillis, (day+1)*dayMillis) {
			b = append(binary.AppendUvarint(append(b, 1), uint64(len(p))), p...)
			b = appendSegments(b, g.followed[i], day)
		}
	}
	return append(b, 0)
}

// appendSegments writes down the segments cut to a day: a 1 before each and a 0 after the last, so that no two lists
// read the same.
func appendSegments(b []byte, segs []sli.Segment, day int64) []byte {
	start, end := day*dayMillis, (day+1)*dayMillis
	for i, s := range segs {
		if s.From >= end || s.To <= start {
			continue
		}
		// The cell of the last slot may reach into the next day. What happens after it is of no concern.
		to := s.To
		if last := lastDue(segs[i:i+1], end, 1); to-last > s.Interval {
			to = last + s.Interval
		}
		b = append(b, 1)
		for _, x := range []int64{max(s.From, start), to, s.Interval, s.Offset} {
			b = binary.AppendVarint(b, x)
		}
	}
	return append(b, 0)
}

func (g *grounds) seal(day int64, tally []byte) []byte {
	g.buffer = append(g.append(g.buffer[:0], day), tally...)
	sum := sha256.Sum256(g.buffer)
	return sum[:sealSize]
}

// open reads the summary of a day into t, and reports whether it is one and is about these grounds.
func (g *grounds) open(day int64, data []byte, t *sli.Tally) bool {
	if len(data) < sealSize || !bytes.Equal(data[:sealSize], g.seal(day, data[sealSize:])) {
		return false
	}
	return t.UnmarshalBinary(data[sealSize:]) == nil
}

// A summing keeps the summaries that a fold of one series makes.
type summing struct {
	s    *Store
	f    *folding
	made map[int64][]byte // by day
}

// note makes the summary of a day whose block is put, unless it would be for nothing: the block of a day that goes on is put a
// hundred times, and no report is about the whole day yet.
func (x *summing) note(day int64, block slots) error {
	s, f := x.s, x.f
	if !s.complete(f.t, day, block) {
		return nil
	}
	var t sli.Tally
	w := walker{
		view: view{Series: f.t.Series, epochs: f.t.epochs(), due: f.t.due()}, joiner: *s.joiner(f.t),
		at: day * dayMillis, to: (day + 1) * dayMillis,
		yield: func(x *sli.Slot) bool { t.Add(*x, nil); return true },
	}
	w.span(w.to, block)
	tally, err := t.AppendBinary(nil)
	if err != nil {
		return err
	}
	g := groundsOf(f.t.epochs(), f.t.due())
	x.made[day] = append(g.seal(day, tally), tally...)
	return nil
}

// put writes what was made to the pages it is on, which lose what is void and what is of other days whose blocks are put.
func (x *summing) put(tx *transaction) error {
	done := map[int64]bool{}
	for day := range x.made {
		number := pageOf(day)
		if done[number] {
			continue
		}
		done[number] = true
		p, err := x.s.readSummaries(tx, x.f.id, number)
		if err != nil {
			return err
		}
		for other := range x.f.days {
			if pageOf(other) == number {
				p = p.with(other, x.made[other])
			}
		}
		if err := tx.put("put summaries", dayKey{x.f.id, number}, p.encode()); err != nil {
			return err
		}
	}
	return nil
}

// readSummaries returns what is stored of a page and not void. One that cannot be read is made anew, day by day as blocks are put.
func (s *Store) readSummaries(tx *transaction, series, number int64) (dayPage, error) {
	row := pageRow{number: number}
	err := tx.one("summaries of a page", []any{series, number}, &row.void, &row.data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p dayPage
	if err := row.each(func(d dayPart) { p = append(p, d) }); err != nil {
		s.o.Logger.Warn("summaries are damaged and left out, their days are read from blocks", "series", series, "page", number, "error", err)
	}
	return p, nil
}

// complete reports whether little is to be expected of a day: it is over, or its last due slot is there.
func (s *Store) complete(t *timeline, day int64, block slots) bool {
	end := (day + 1) * dayMillis
	if s.o.Now().UnixMilli() >= end {
		return true
	}
	n := len(block.entries)
	return n > 0 && block.entries[n-1].at >= lastDue(t.due(), end, 1)
}

// tally counts the due slots of a window.
func (s *Store) tally(ctx context.Context, v view, w sli.Window, spans []sli.Span) (sli.Tally, error) {
	ts, err := s.tallies(ctx, v, []int64{w.From, w.To}, spans)
	return ts[0], err
}

// summaries merges what the summaries of whole days in the window say into the tally that is given for each, nil for a day that may
// not be taken, and returns the days taken in order.
func (s *Store) summaries(ctx context.Context, v view, w sli.Window, into func(day int64) *sli.Tally) ([]int64, error) {
	first, end := dayOf(w.From+dayMillis-1), dayOf(w.To)
	if first >= end || v.id == 0 {
		return nil, nil
	}
	g := groundsOf(v.epochs, v.due)
	var days []int64
	var one sli.Tally
	err := s.summaryRows(ctx, &v, first, end, func(d dayPart) {
		if t := into(d.day); t != nil && g.open(d.day, d.data, &one) {
			t.Merge(&one)
			days = append(days, d.day)
		}
	})
	return days, err
}

// still reports whether nothing of a day is in memory, so that its block says everything.
func (v *view) still(day int64) bool { return v.nothingIn(day*dayMillis, (day+1)*dayMillis) }

func touched(spans []sli.Span, day int64) bool {
	from, to := day*dayMillis, (day+1)*dayMillis
	return slices.ContainsFunc(spans, func(s sli.Span) bool { return s.From < to && s.To > from })
}
