package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A view is what is in memory of a series at an instant: its own copy, valid for ever. What is folded later is
// seen twice by who reads the blocks after taking it, which the join makes the same as once.
type view struct {
	sli.Series
	id     int64
	tail   slots // not cut at midnight
	epochs []epoch
	due    []sli.Segment
	ahead  *prefetch // what was read of it already; nil: nothing
}

// view copies what concerns [from, to). Under mu.
func (s *Store) view(t *timeline, from, to int64) view {
	v := view{Series: t.Series, id: t.id, epochs: t.epochs(), due: t.due()}
	r := t.rest()
	at := func(x int64) int {
		return sort.Search(len(r.entries), func(i int) bool { return r.entries[i].at >= x })
	}
	v.tail.entries = slices.Clone(r.entries[at(from):at(to)])
	for _, g := range r.gaps {
		if g.from < to && g.to > from {
			v.tail.gaps = append(v.tail.gaps, g)
		}
	}
	v.tail.gaps = normalise(&s.probers, v.tail.gaps)
	return v
}

// slots yields every due slot of a view in [from, to), in order of time. An error that ends it is left in *failed.
func (s *Store) slots(ctx context.Context, v view, from, to int64, failed *error) iter.Seq[sli.Slot] {
	return func(yield func(sli.Slot) bool) {
		*failed = s.walk(ctx, v, from, to, func(slot *sli.Slot) bool { return yield(*slot) })
	}
}

// dayRows calls f with the rows of days that a statement gives; what it is given is not kept.
func (s *Store) dayRows(ctx context.Context, on querier, name string, args []any, f func(day int64, data []byte) error) error {
	return s.db.each(ctx, on, name, args, func(scan func(...any) error) error {
		var day int64
		var data sql.RawBytes
		if err := scan(&day, &data); err != nil {
			return err
		}
		return f(day, data)
	})
}

// errDamaged is wrapped by the error about a block that cannot be read. The next fold puts it aside.
var errDamaged = errors.New("the block is damaged")

// errStop ends a walk whose caller has seen enough.
var errStop = errors.New("stop")

// walk calls yield for every due slot of [from, to), reading one block at a time in one read-only transaction. What it is given is the
// same slot each time.
func (s *Store) walk(ctx context.Context, v view, from, to int64, yield func(*sli.Slot) bool) error {
	select {
	case c := <-s.codecs:
		defer func() { s.codecs <- c }()
		return s.walkIn(ctx, library{s.db.read, c}, v, [2]int64{from, to}, yield)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A library is where blocks are read.
type library struct {
	on    querier
	codec *codec
}

// walkIn is walk in a transaction of one's own.
func (s *Store) walkIn(ctx context.Context, l library, v view, in [2]int64, yield func(*sli.Slot) bool) error {
	if len(v.due) == 0 {
		return nil
	}
	from, to := max(in[0], v.due[0].From), in[1]
	if from >= to {
		return nil
	}
	w := walker{view: v, joiner: joiner{check: v.Check, region: v.Region, probers: &s.probers}, at: from, to: to, yield: yield}
	if v.id == 0 { // there is none, or none is asked for
		w.days(dayOf(to-1) + 1)
		return nil
	}
	err := s.blockRows(ctx, l.on, &v, [2]int64{dayOf(from), dayOf(to - 1)}, func(day int64, data []byte) error {
		if !w.days(day) {
			return errStop
		}
		block, err := l.codec.decode(day, data)
		if err != nil {
			return fmt.Errorf("day %d: %w: %w", day, errDamaged, err)
		}
		if !w.day(block) {
			return errStop
		}
		return nil
	})
	switch {
	case errors.Is(err, errStop):
		return nil
	case err != nil:
		return fmt.Errorf("read %s in %s: %w", v.Check, v.Region, err)
	}
	w.days(dayOf(to-1) + 1)
	return nil
}

// A walker goes over the due slots of a window, day by day.
type walker struct {
	view
	joiner
	at, to int64
	yield  func(*sli.Slot) bool
	slot   sli.Slot // that is yielded
	grids  map[proberID][]sli.Segment
}

// days goes over what comes before a day, of which there are no blocks. False: the caller has seen enough.
func (w *walker) days(before int64) bool {
	end := min(before*dayMillis, w.to)
	if end <= w.at {
		return true
	}
	if len(w.tail.gaps) == 0 && (len(w.tail.entries) == 0 || w.tail.entries[0].at >= end) {
		return w.span(end, slots{})
	}
	for w.at < end {
		if !w.day(slots{}) {
			return false
		}
	}
	return true
}

// day goes over the rest of the day that the walker is in, given its block.
func (w *walker) day(block slots) bool {
	end := min((dayOf(w.at)+1)*dayMillis, w.to)
	n := sort.Search(len(w.tail.entries), func(i int) bool { return w.tail.entries[i].at >= end })
	tail := slots{entries: w.tail.entries[:n], gaps: w.tail.gaps}
	w.tail.entries = w.tail.entries[n:]
	return w.span(end, w.merged(block, tail))
}

// span goes over the due slots up to end.
func (w *walker) span(end int64, s slots) bool {
	return w.records(end, s, func(at, cell int64, r record) bool {
		setSlot(&w.slot, at, cell, &r)
		return w.yield(&w.slot)
	})
}

// records calls yield with the record of every due slot up to end.
func (w *walker) records(end int64, s slots, yield func(at, cell int64, r record) bool) bool {
	holes := groupGaps(s.gaps)
	entries := s.entries
	for at, cell := range sli.Due(w.due, w.at, end) {
		for len(entries) > 0 && entries[0].at < at {
			entries = entries[1:]
		}
		var r record
		if len(entries) > 0 && entries[0].at == at {
			r = entries[0].rec
		}
		if len(holes) > 0 && r.class() <= 1 {
			r = w.fill(at, r, holes)
		}
		if !yield(at, cell, r) {
			return false
		}
	}
	w.at = end
	return true
}

// groupGaps cuts gaps in canonical order into those of one prober and reason.
func groupGaps(gaps []gap) [][]gap {
	var groups [][]gap
	for i := 0; i < len(gaps); {
		k := i
		for k < len(gaps) && gaps[k].prober == gaps[i].prober && gaps[k].reason == gaps[i].reason {
			k++
		}
		groups = append(groups, gaps[i:k])
		i = k
	}
	return groups
}

// fill joins in what the gaps say of a slot: it was missed by a prober that followed a grid it is on.
func (w *walker) fill(at int64, r record, holes [][]gap) record {
	for _, gs := range holes {
		i := sort.Search(len(gs), func(i int) bool { return gs[i].to > at })
		if i == len(gs) || gs[i].from > at {
			continue
		}
		if g := gs[i]; sli.CellAt(w.grid(g.prober), at) > 0 {
			r = w.join(at, r, missedRecord(g.reason, g.prober))
		}
	}
	return r
}

func (w *walker) grid(p proberID) []sli.Segment {
	segs, ok := w.grids[p]
	if !ok {
		segs = followed(w.epochs, w.probers.name(p))
		if w.grids == nil {
			w.grids = map[proberID][]sli.Segment{}
		}
		w.grids[p] = segs
	}
	return segs
}

func setSlot(s *sli.Slot, at, cell int64, r *record) {
	*s = sli.Slot{At: at, Cell: cell, Latency: sli.NoLatency}
	if r.outcome == 0 {
		return
	}
	s.Outcome = sli.Outcome(r.outcome)
	if r.reason != probe.ReasonNone {
		s.Reason = r.reason.String()
	}
	if r.latency != probe.NoLatency {
		s.Latency = sli.Index(r.latency)
	}
	s.Under, s.Unvouched, s.Attempts = r.under, r.unvouched, int(r.attempts)
}
