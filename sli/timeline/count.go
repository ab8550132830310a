package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// A counting is what who counts knows of blocks. Guarded by Store.writing.
type counting struct {
	next   uint32           // the part that is counted next
	began  int64            // Unix ms: since when all that is folded is folded by this process
	folded [foldParts]int64 // Unix ms: when it last folded something of a part
}

// perCount is about how many series are counted in one transaction, and perTick at one tick: with more of them each is counted
// less often, since each time it is written anew.
const (
	perCount = 400
	perTick  = 20_000
)

// Count counts what has settled by now, as Run does every ten seconds, if that is for this process to do. When it returns nil, what
// was counted is on the disk.
func (s *Store) Count(ctx context.Context) error {
	if err := s.countIfLeader(ctx); err != nil {
		return err
	}
	return s.countObjectives(ctx)
}

func (s *Store) countIfLeader(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if led, err := s.lead(ctx); !led {
		return err
	}
	return s.count(ctx)
}

// count counts what settled, and what of corrections, epochs and imports is not counted yet. Under writing, as fold, in
// who leads.
func (s *Store) count(ctx context.Context) error {
	if s.maintenance.until == 0 {
		return nil // which maintenance began is not known yet
	}
	now := s.o.Now()
	to := min(sli.AsOf(now, s.budget(now)).UnixMilli(), s.maintenance.until)
	parts := make([][]*timeline, foldParts)
	for t := range s.timelines.all() {
		p := partOf(t.Series)
		parts[p] = append(parts[p], t)
	}
	err := s.countParts(ctx, parts, to)
	if err == nil {
		err = errors.Join(s.recountImported(ctx), s.recountCorrected(ctx))
	}
	if err != nil {
		return fmt.Errorf("count what settled: %w", err)
	}
	return nil
}

// countParts counts parts from the one on that is next, some in one transaction.
func (s *Store) countParts(ctx context.Context, parts [][]*timeline, to int64) error {
	all := 0
	for n := 0; n < foldParts && all < perTick; {
		var some []uint32
		size := 0
		for ; n < foldParts && size < perCount; n++ {
			some = append(some, s.counts.next)
			size += len(parts[s.counts.next])
			s.counts.next = (s.counts.next + 1) % foldParts
		}
		all += size
		err := s.counting(ctx, to, func(tx *transaction) error {
			for _, p := range some {
				if err := s.countPart(ctx, tx, p, parts[p]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if s.shared == nil {
			s.letIn()
		}
	}
	return nil
}

// counting runs a transaction that counts, in which nobody else counts or changes blocks.
func (s *Store) counting(ctx context.Context, to int64, f func(tx *transaction) error) error {
	err := s.folding(ctx, func(tx *transaction) error {
		tx.counts = s.newBook(ctx, tx, to)
		if err := f(tx); err != nil {
			return err
		}
		return tx.counts.write()
	})
	return s.health.note(err)
}

// folded notes that series have been folded.
func (s *Store) folded(fs []folding) {
	for i := range fs {
		s.counts.folded[partOf(fs[i].t.Series)] = s.o.Now().UnixMilli()
	}
}

// countPart counts the slots of a part that have settled.
func (s *Store) countPart(ctx context.Context, tx *transaction, p uint32, ts []*timeline) error {
	b := tx.counts
	c, err := b.part(p)
	if err != nil {
		return err
	}
	if c == nil {
		c = b.begin(p)
	}
	known := make(map[sli.Series]bool, len(ts))
	for _, t := range ts {
		known[t.Series] = t.id != gone
		if err := s.countSeries(ctx, tx, c, t); err != nil {
			return fmt.Errorf("%s in %s: %w", t.Check, t.Region, err)
		}
	}
	for x := range c.series {
		if !known[x] {
			delete(c.series, x)
		}
	}
	c.upTo, c.written = max(c.upTo, b.to), b.now
	b.change(p)
	return nil
}

// countSeries counts the slots of a series that have settled.
func (s *Store) countSeries(ctx context.Context, tx *transaction, c *partCount, t *timeline) error {
	x := c.series[t.Series]
	if x == nil {
		x = &seriesCount{born: tx.counts.now, open: c.begin}
		c.series[t.Series] = x
		c.region(t.Region, tx.counts.now)
		x.account(t.epochs(), 0)
	}
	if err := s.recountEpochs(ctx, tx, c, t, x); err != nil {
		return err
	}
	e, _ := atEnd(t.epochs(), max(c.upTo, tx.counts.to))
	x.inForce(e.terms().under)
	if err := s.settle(ctx, tx, c, t, x); err != nil {
		return err
	}
	return s.archive(tx, t, x)
}

// settle counts slots from the first that waits on.
func (s *Store) settle(ctx context.Context, tx *transaction, c *partCount, t *timeline, x *seriesCount) error {
	b := tx.counts
	to := max(c.upTo, b.to)
	judge, err := b.judge(t.Series, x.open, to)
	if err != nil {
		return err
	}
	v := s.view(t, x.open, to)
	if !s.mayBeFolded(t, x.open) {
		v.id = 0
	}
	var slots []sli.Slot
	take := func(slot *sli.Slot) bool { slots = append(slots, *slot); return true }
	err = s.walkIn(ctx, library{tx, s.codec}, v, [2]int64{x.open, to}, take)
	if errors.Is(err, errDamaged) { // what is in it is lost
		slots, v.id = nil, 0
		err = s.walkIn(ctx, library{tx, s.codec}, v, [2]int64{x.open, to}, take)
	}
	if err != nil {
		return err
	}
	before, rest := x.recent.split(x.open)
	r := settler{book: b, part: c, x: x, t: t, cut: b.to - lateAfter.Milliseconds(), old: reckoner{left: rest}, open: to}
	for i := range slots {
		r.slot(&slots[i], standing(judge(slots[i])))
	}
	x.open = r.open
	before.join(r.end())
	x.recent = before
	return nil
}

// ahead of the newest result, and of the last fold, slots are in no block, but for probers whose clock is ahead.
const clockAhead = 60_000 // ms

// mayBeFolded reports whether a block may have something of a series from an instant on.
func (s *Store) mayBeFolded(t *timeline, from int64) bool {
	return from <= max(s.counts.began+clockAhead, min(s.counts.folded[partOf(t.Series)]+clockAhead, t.newest.at))
}

// A settler counts the slots of a series for the first time.
type settler struct {
	book *book
	part *partCount
	x    *seriesCount
	t    *timeline
	cut  int64 // Unix ms: what comes now of slots before it is late
	old  reckoner
	out  ledger
	open int64 // Unix ms: the first slot that waits
}

func (r *settler) slot(s *sli.Slot, as standing) {
	r.keep(s.At)
	if at, _, _, ok := r.old.next(); ok && at == s.At {
		r.keep(s.At + 1)
		return
	}
	first := as
	late := s.At < r.cut
	switch {
	case late:
		first = standing(sli.None)
	case s.Outcome == sli.NoData:
		r.open = min(r.open, s.At)
		return
	}
	r.x.slots[first]++
	r.x.ms[first] += s.Cell
	r.x.become(first, as, s.Cell, r.book.now)
	r.out.add(s.At, s.Cell, as)
	region := r.part.region(r.t.Region, r.book.now)
	region.due += s.Cell
	if !late && s.Outcome.Verdict() != sli.None {
		region.told += s.Cell
	}
	if !late {
		r.x.observe(s, r.under(s.At))
	}
}

// under is the threshold that was in force at an instant.
func (r *settler) under(at int64) time.Duration {
	e, _ := atEnd(r.t.epochs(), at+1)
	return e.terms().under
}

// keep takes over what is counted already of before an instant.
func (r *settler) keep(before int64) {
	for {
		at, cell, as, ok := r.old.next()
		if !ok || at >= before {
			return
		}
		r.out.add(at, cell, as)
		r.old.take()
	}
}

func (r *settler) end() ledger {
	r.keep(maxInstant)
	return r.out
}

// region returns the count of a region, a new one if there is none.
func (c *partCount) region(name string, now int64) *regionCount {
	if c.regions[name] == nil {
		c.regions[name] = &regionCount{born: now}
	}
	return c.regions[name]
}

// keptRecent is for how many days before the first slot that waits a ledger may be in the row of its part.
const keptRecent = 1

// archive moves what is old in a ledger into the table of days: of a series that is not folded nobody else does.
func (s *Store) archive(tx *transaction, t *timeline, x *seriesCount) error {
	limit := (dayOf(x.open) - keptRecent) * dayMillis
	if len(x.recent) == 0 || x.recent[0].at >= limit {
		return nil
	}
	f := folding{t: t, id: t.id}
	if err := s.identify(tx, &f); err != nil {
		return err
	}
	var old ledger
	old, x.recent = x.recent.split(limit)
	for len(old) > 0 {
		day := dayOf(old[0].at)
		before, _, err := s.readDayCount(tx, dayKey{f.id, day})
		if err != nil {
			return err
		}
		var of ledger
		of, old = old.split((day + 1) * dayMillis)
		before.join(of)
		if err := tx.put("put day count", dayKey{f.id, day}, before.encodeDay()); err != nil {
			return err
		}
	}
	return nil
}

// readDayCount reads how the slots of a day are counted that are not in the row of the part; lost: that cannot be read.
func (s *Store) readDayCount(tx *transaction, k dayKey) (l ledger, lost bool, err error) {
	var data []byte
	err = tx.day("day count", k, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	l, err = decodeDay(data)
	if err != nil {
		return nil, true, s.setAside(tx, damage{"counts", k.series, k.day, data, err})
	}
	return l, false, nil
}
