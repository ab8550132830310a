package timeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// maxRecent is how many stretches of a ledger may be in the row of a part, where they are written anew with each count, if
// nothing else makes a fold write to it.
const maxRecent = 16

// An account is the slots of a series on a day, and how they were counted.
type account struct {
	s    *Store
	tx   *transaction
	part *partCount
	x    *seriesCount
	of   sli.Series
	key  dayKey
}

// compare compares the slots of [from, to) that are counted with those that walk yields, of a part of them, and counts
// what differs.
func (a *account) compare(from, to int64, walk func(from, to int64, yield func(sli.Slot)) error) error {
	day, end := a.key.day*dayMillis, (a.key.day+1)*dayMillis
	from, to = max(from, a.part.begin, day), min(to, a.part.upTo, end)
	all, lost, err := a.s.readDayCount(a.tx, a.key)
	if err != nil {
		return err
	}
	before, rest := a.x.recent.split(day)
	recent, after := rest.split(end)
	all.join(recent)
	was := all
	if from < to {
		x := a.x
		if lost {
			x = &seriesCount{open: x.open} // as what they were counted nobody knows, so nothing differs
		}
		if all, err = a.compared(x, all, [2]int64{from, to}, walk); err != nil {
			return err
		}
	}
	if !lost && len(a.x.recent) <= maxRecent && slices.Equal(all, was) {
		return nil
	}
	a.tx.counts.change(partOf(a.of))
	done, waiting := all.split(a.x.open)
	before.join(waiting)
	before.join(after)
	a.x.recent = before
	if len(done) == 0 {
		return nil
	}
	return a.tx.put("put day count", a.key, done.encodeDay())
}

// compared is a ledger with an interval of it replaced by what walk yields.
func (a *account) compared(x *seriesCount, all ledger, in [2]int64, walk func(from, to int64, yield func(sli.Slot)) error) (ledger, error) {
	out, rest := all.split(in[0])
	old, after := rest.split(in[1])
	judge, err := a.tx.counts.judge(a.of, in[0], in[1])
	if err != nil {
		return nil, err
	}
	r := recount{x: x, now: a.tx.counts.now, old: reckoner{left: old}, out: out}
	err = walk(in[0], in[1], func(slot sli.Slot) { r.slot(slot.At, slot.Cell, standing(judge(slot))) })
	out = r.end()
	out.join(after)
	return out, err
}

// recountFolded compares what a fold changes of a day, given all that there is of the day now.
func (s *Store) recountFolded(tx *transaction, f *folding, day int64, block slots) error {
	if err := s.askFollowing(tx, f, day); err != nil {
		return err
	}
	if tx.counts == nil { // an import, which does not count
		return tx.exec("ask for recount", f.id, day)
	}
	p := partOf(f.t.Series)
	c, err := tx.counts.part(p)
	if c == nil || c.series[f.t.Series] == nil || err != nil {
		return err
	}
	a := account{s, tx, c, c.series[f.t.Series], f.t.Series, dayKey{f.id, day}}
	return a.compare(earliest(f.days[day]), maxInstant, func(from, to int64, yield func(sli.Slot)) error {
		w := walker{
			view: view{Series: f.t.Series, epochs: f.t.epochs(), due: f.t.due()}, joiner: *s.joiner(f.t), at: from, to: to,
			yield: func(x *sli.Slot) bool { yield(*x); return true },
		}
		w.span(to, block)
		return nil
	})
}

// askFollowing asks for a recount of the days after one that changes, if the target announced something on it: of how much that is,
// it depends for weeks how slots count.
func (s *Store) askFollowing(tx *transaction, f *folding, day int64) error {
	today := dayOf(s.o.Now().UnixMilli())
	if day >= today {
		return nil
	}
	as, err := s.db.announcedNear(tx, f.t.Series, day*dayMillis, (day+1)*dayMillis)
	if err != nil || len(as) == 0 {
		return err
	}
	for d := day + 1; d <= min(day+1+int64(sli.AnnouncedWindow/(24*time.Hour)), today); d++ {
		if err := tx.exec("ask for recount", f.id, d); err != nil {
			return err
		}
	}
	return nil
}

// earliest is the first instant that slots say something of.
func earliest(all slots) int64 {
	first := int64(maxInstant)
	if len(all.entries) > 0 {
		first = all.entries[0].at
	}
	for _, g := range all.gaps {
		first = min(first, g.from)
	}
	return first
}

// recountDays compares the days that touch [from, to).
func (s *Store) recountDays(ctx context.Context, tx *transaction, t *timeline, in [2]int64) error {
	p := partOf(t.Series)
	c, err := tx.counts.part(p)
	if c == nil || c.series[t.Series] == nil || err != nil {
		return err
	}
	from, to := max(in[0], c.begin, s.cutoff()), min(in[1], c.upTo)
	if from >= to {
		return nil
	}
	f := folding{t: t, id: t.id}
	if err := s.identify(tx, &f); err != nil {
		return err
	}
	for day := dayOf(from); day*dayMillis < to; day++ {
		a := account{s, tx, c, c.series[t.Series], t.Series, dayKey{f.id, day}}
		err := a.compare(from, to, func(from, to int64, yield func(sli.Slot)) error {
			return s.walkIn(ctx, library{tx, s.codec}, s.view(t, from, to), [2]int64{from, to}, func(x *sli.Slot) bool { yield(*x); return true })
		})
		if err != nil && !errors.Is(err, errDamaged) { // of a block that is, nothing was compared
			return err
		}
	}
	return nil
}

// recountEpochs compares what an epoch that was not known changes of slots that are counted.
func (s *Store) recountEpochs(ctx context.Context, tx *transaction, c *partCount, t *timeline, x *seriesCount) error {
	from := x.account(t.epochs(), c.upTo)
	if from >= c.upTo {
		return nil
	}
	// The cell of the slot before it ends with it.
	return s.recountDays(ctx, tx, t, [2]int64{from - longestCell(t.due()), c.upTo})
}

// perRecount is about how many days of series are compared in one transaction.
const perRecount = 64

// A doubt is an interval of a series that is to be compared.
type doubt struct {
	t      *timeline
	in     [2]int64
	series int64 // of a note that an import left
	day    int64
}

// recountAll compares in some transactions; done ends each.
func (s *Store) recountAll(ctx context.Context, ds []doubt, done func(tx *transaction, d *doubt) error) error {
	for len(ds) > 0 {
		n, days := 0, int64(0)
		for n < len(ds) && days < perRecount {
			days += (ds[n].in[1]-ds[n].in[0])/dayMillis + 1
			n++
		}
		err := s.counting(ctx, 0, func(tx *transaction) error {
			for i := range ds[:n] {
				if ds[i].t != nil {
					if err := s.recountDays(ctx, tx, ds[i].t, ds[i].in); err != nil {
						return err
					}
				}
				if err := done(tx, &ds[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if ds = ds[n:]; s.shared == nil {
			s.letIn()
		}
	}
	return nil
}

// recountImported compares the days that an import has changed.
func (s *Store) recountImported(ctx context.Context) error {
	var ds []doubt
	err := s.db.each(ctx, s.db.read, "recounts", nil, func(scan func(...any) error) error {
		var x sli.Series
		var d doubt
		err := scan(&x.Check, &x.Region, &d.series, &d.day)
		d.t, d.in = s.timelines.of(x), [2]int64{d.day * dayMillis, (d.day + 1) * dayMillis}
		ds = append(ds, d)
		return err
	})
	if err != nil {
		return err
	}
	return s.recountAll(ctx, ds, func(tx *transaction, d *doubt) error { return tx.exec("recounted", d.series, d.day) })
}

// recountCorrected compares what corrections and revocations are about whose effect is not counted yet. One that comes
// meanwhile is for next time; if this does not come to its end, it begins anew, and what was compared does not differ any more.
func (s *Store) recountCorrected(ctx context.Context) error {
	type correction struct {
		sli.Correction
		revoked int64
	}
	var cs []correction
	err := s.db.each(ctx, s.db.read, "uncounted corrections", nil, func(scan func(...any) error) error {
		var c correction
		var from, to int64
		var checks, regions string
		if err := scan(&c.ID, &c.revoked, &from, &to, &checks, &regions); err != nil {
			return err
		}
		for text, into := range map[string]any{checks: &c.Checks, regions: &c.Regions} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				return fmt.Errorf("correction %s: %w", c.ID, err)
			}
		}
		c.From, c.To = instantOf(from), instantOf(to)
		cs = append(cs, c)
		return nil
	})
	if err != nil {
		return err
	}
	for i := range cs {
		c := &cs[i]
		ds := s.doubts(&c.Correction)
		last := len(ds) - 1
		err := s.recountAll(ctx, ds, func(tx *transaction, d *doubt) error {
			if d != &ds[last] {
				return nil
			}
			return tx.exec("correction is counted", c.ID, c.revoked)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// doubts are what a correction is about, and at the end one that is about nothing.
func (s *Store) doubts(c *sli.Correction) []doubt {
	var ds []doubt
	for t := range s.timelines.all() {
		if c.Covers(t.Series) {
			ds = append(ds, doubt{t: t, in: [2]int64{c.From.UnixMilli(), c.To.UnixMilli()}})
		}
	}
	slices.SortFunc(ds, func(a, b doubt) int {
		pa, pb := partOf(a.t.Series), partOf(b.t.Series)
		if pa != pb {
			return int(pa) - int(pb)
		}
		return compareSeries(a.t.Series, b.t.Series)
	})
	return append(ds, doubt{})
}
