package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// folding is what a fold takes of one series.
type folding struct {
	t     *timeline
	days  map[int64]slots
	looks map[int64][]look // by day too
	id    int64            // in table series, given by the transaction
}

// A part is the i-th of n parts of the series, always the same ones; n divides foldParts. Shared databases remember what
// is folded by it, so how the parts are made must never change.
type part struct{ i, n uint32 }

// everything is all series.
var everything = part{0, 1}

func (p part) picks(x sli.Series) bool { return partOf(x)%p.n == p.i }

// partOf returns which of foldParts parts a series belongs to.
func partOf(x sli.Series) uint32 {
	h := fnv.New32a()
	h.Write([]byte(x.Check))
	h.Write([]byte{0})
	h.Write([]byte(x.Region))
	return h.Sum32() % foldParts
}

// perBundle is how many series are folded in one transaction where what comes in has to wait for it. Late in a day of
// 10 s that takes some 50 ms.
const perBundle = 50

// fold moves the tails of a part of the series into their blocks, and lets go of the rows of the journal that no tail
// needs any more. Under writing, which a store of its own lets go of in between, so that nothing that comes in waits for
// more than a bundle. After an error the tails that were not folded stay as they are: whether or not the transaction
// took place, the next fold joins the same records in.
func (s *Store) fold(ctx context.Context, p part) error {
	var ts []*timeline
	for t := range s.timelines.all() {
		if t.dirty() && p.picks(t.Series) {
			ts = append(ts, t)
		}
	}
	// Rows of blocks are appended in this order, so that neighbours in a file are neighbours in a day.
	slices.SortFunc(ts, func(a, b *timeline) int { return compareSeries(a.Series, b.Series) })
	var err error
	if s.shared == nil {
		err = errors.Join(s.foldBundles(ctx, ts), s.forgetFolded(ctx))
	} else {
		err = s.foldShared(ctx, p, ts)
	}
	if err != nil {
		return fmt.Errorf("fold %d series: %w", len(ts), err)
	}
	return nil
}

// foldBundles folds series that need not have a tail any more.
func (s *Store) foldBundles(ctx context.Context, ts []*timeline) error {
	for bundle := range slices.Chunk(ts, perBundle) {
		if err := s.foldBundle(ctx, bundle); err != nil {
			return err
		}
		s.letIn()
	}
	return nil
}

// letIn lets those go first who wait to write. Under writing, before and after.
func (s *Store) letIn() {
	s.writing.Unlock()
	s.writing.Lock()
}

func (s *Store) foldBundle(ctx context.Context, ts []*timeline) error {
	var fs []folding
	for _, t := range ts {
		if t.dirty() && t.id != gone { // else somebody was faster
			fs = append(fs, s.foldingOf(t))
		}
	}
	err := s.counting(ctx, 0, func(tx *transaction) error { return s.foldEach(tx, fs) })
	if err != nil {
		return err
	}
	s.folded(fs)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range fs {
		s.unfolded -= f.t.tail.size()
		f.t.id, f.t.tail = f.id, nil
	}
	return nil
}

// foldShared folds a part in one transaction, which says from which snapshot.
func (s *Store) foldShared(ctx context.Context, p part, ts []*timeline) error {
	fs := make([]folding, len(ts))
	for i, t := range ts {
		fs[i] = s.foldingOf(t)
	}
	err := s.counting(ctx, 0, func(tx *transaction) error {
		if err := s.readAhead(tx, fs); err != nil {
			return err
		}
		if err := s.foldEach(tx, fs); err != nil {
			return err
		}
		if err := tx.putBundle(); err != nil {
			return err
		}
		return tx.exec("record fold", int64(p.i), int64(p.n), s.shared.seen.text)
	})
	if err != nil {
		return err
	}
	s.folded(fs)
	return s.tail(ctx) // which drops what this has folded, as it does with what others have
}

func (s *Store) foldEach(tx *transaction, fs []folding) error {
	for i := range fs {
		if err := s.foldOne(tx, &fs[i]); err != nil {
			return fmt.Errorf("%s in %s: %w", fs[i].t.Check, fs[i].t.Region, err)
		}
	}
	return nil
}

// forgetFolded lets go of the rows of the journal before the first one that a tail needs. Under writing.
func (s *Store) forgetFolded(ctx context.Context) error {
	needed := s.applied + 1
	for t := range s.timelines.all() {
		if t.dirty() {
			needed = min(needed, t.tail.since)
		}
	}
	return s.health.note(s.db.transact(ctx, func(tx *transaction) error { return tx.exec("forget journal", needed) }))
}

func (s *Store) foldingOf(t *timeline) folding {
	f := folding{t: t, days: s.byDay(t.rest().slots), looks: looksByDay(t.rest().looks), id: t.id}
	for day := range f.looks {
		if _, ok := f.days[day]; !ok {
			f.days[day] = slots{} // of a look that came late the slot is folded already
		}
	}
	return f
}

// byDay cuts a tail at midnight.
func (s *Store) byDay(all slots) map[int64]slots {
	days := map[int64]slots{}
	for i := 0; i < len(all.entries); {
		day := dayOf(all.entries[i].at)
		k := i
		for k < len(all.entries) && all.entries[k].at < (day+1)*dayMillis {
			k++
		}
		days[day] = slots{entries: all.entries[i:k]}
		i = k
	}
	for _, g := range all.gaps {
		for day := dayOf(g.from); day*dayMillis < g.to; day++ {
			d := days[day]
			c := g
			c.from, c.to = max(g.from, day*dayMillis), min(g.to, (day+1)*dayMillis)
			d.gaps = append(d.gaps, c)
			days[day] = d
		}
	}
	for day, d := range days {
		d.gaps = normalise(&s.probers, d.gaps)
		days[day] = d
	}
	return days
}

// identify finds out the id of a series that is not known to have one.
func (s *Store) identify(tx *transaction, f *folding) error {
	if f.id > 0 {
		return nil
	}
	if err := tx.one("series", []any{f.t.Check, f.t.Region}, &f.id); err != nil {
		return err
	}
	return s.noteChange(tx)
}

func (s *Store) foldOne(tx *transaction, f *folding) error {
	if err := s.identify(tx, f); err != nil {
		return err
	}
	j := s.joiner(f.t)
	o := outlining{s: s, f: f, g: groundsOf(f.t.epochs(), f.t.due()), pages: map[int64]dayPage{}}
	sums := summing{s: s, f: f, made: map[int64][]byte{}}
	for _, day := range slices.Sorted(maps.Keys(f.days)) {
		old, err := s.readBlock(tx, f.id, day)
		if err != nil {
			return err
		}
		all := j.merged(old, f.days[day])
		// More than that no grid can ask for; it is a prober gone wild, and the block must stay readable.
		all.entries = all.entries[:min(len(all.entries), maxEntries)]
		if err := tx.put("put block", dayKey{f.id, day}, s.codec.encode(day, all)); err != nil {
			return err
		}
		if err := sums.note(day, all); err != nil {
			return err
		}
		if err := o.note(tx, day, all); err != nil {
			return err
		}
		if err := s.foldPhases(tx, f, day); err != nil {
			return err
		}
		if err := s.recountFolded(tx, f, day, all); err != nil {
			return err
		}
	}
	if err := sums.put(tx); err != nil {
		return err
	}
	return o.put(tx)
}

// readBlock returns what is stored of a day, nothing if there is no block.
func (s *Store) readBlock(tx *transaction, series, day int64) (slots, error) {
	var data []byte
	err := tx.day("block", dayKey{series, day}, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return slots{}, nil
	}
	if err != nil {
		return slots{}, err
	}
	old, err := s.codec.decode(day, data)
	if errors.Is(err, errNewer) {
		return slots{}, fmt.Errorf("day %d: %w", day, err) // it would be lost for those who can read it
	}
	if err != nil {
		return slots{}, s.setAside(tx, damage{"block", series, day, data, err})
	}
	return old, nil
}

// foldPhases counts the looks of a day.
func (s *Store) foldPhases(tx *transaction, f *folding, day int64) error {
	if len(f.looks[day]) == 0 {
		return nil
	}
	d, err := s.readPhases(tx, f.id, day)
	if err != nil {
		return err
	}
	d.take(f.looks[day])
	return tx.put("put phases", dayKey{f.id, day}, s.codec.encodePhases(day, d))
}

// readPhases returns what is stored of a day's phases.
func (s *Store) readPhases(tx *transaction, series, day int64) (*phases, error) {
	var data []byte
	err := tx.day("day phases", dayKey{series, day}, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return new(phases), nil
	}
	if err != nil {
		return nil, err
	}
	d, err := s.codec.decodePhases(day, data)
	if err != nil {
		return new(phases), s.setAside(tx, damage{"phases", series, day, data, err})
	}
	return d, nil
}

// damage is a row that cannot be read.
type damage struct {
	what        string // "block", "phases", "counts"
	series, day int64
	data        []byte
	cause       error
}

// setAside keeps a damaged row among what was rejected, so that what comes after it still finds a place.
func (s *Store) setAside(tx *transaction, d damage) error {
	s.o.Logger.Error("a row is damaged and was put aside; what was in it is lost", "table", d.what, "series", d.series, "day", d.day, "error", d.cause)
	detail := fmt.Sprintf("%s of series %d, day %d: %v", d.what, d.series, d.day, d.cause)
	return tx.exec("put rejected", s.o.Now().UnixNano(), "", "", "damaged_"+d.what, clean(detail), d.data)
}

func compareSeries(a, b sli.Series) int {
	if a.Check != b.Check {
		if a.Check < b.Check {
			return -1
		}
		return 1
	}
	switch {
	case a.Region < b.Region:
		return -1
	case a.Region > b.Region:
		return 1
	}
	return 0
}
