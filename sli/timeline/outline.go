package timeline

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"sort"

	"github.com/gaikei/gaikei/sli"
)

// An outlining keeps the pages of outlines that a fold of one series changes.
type outlining struct {
	s     *Store
	f     *folding
	g     grounds
	pages map[int64]page
}

// note takes down the outline of a day whose block is put. It says what is there so far also of a day that goes on.
func (o *outlining) note(tx *transaction, day int64, block slots) error {
	number := pageOf(day)
	p, ok := o.pages[number]
	if !ok {
		var err error
		if p, err = o.s.readOutlines(tx, o.f.id, number); err != nil {
			return err
		}
	}
	var out outliner
	w := walker{
		view: view{Series: o.f.t.Series, epochs: o.f.t.epochs(), due: o.g.due}, joiner: *o.s.joiner(o.f.t),
		at: day * dayMillis, to: (day + 1) * dayMillis,
	}
	w.records(w.to, block, func(_, _ int64, r record) bool { out.add(r); return true })
	var data []byte
	if body := out.finish(); body != nil {
		data = o.g.sealed(day, body)
	}
	o.pages[number] = p.with(day, data)
	return nil
}

// put writes the pages.
func (o *outlining) put(tx *transaction) error {
	for number, p := range o.pages {
		if err := tx.put("put outline", dayKey{o.f.id, number}, p.encode()); err != nil {
			return err
		}
	}
	return nil
}

// readOutlines returns what is stored of a page. One that cannot be read is made anew.
func (s *Store) readOutlines(tx *transaction, series, number int64) (page, error) {
	var data []byte
	err := tx.day("outline", dayKey{series, number}, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := readPage(number, data)
	if err != nil {
		s.o.Logger.Warn("outlines are damaged and made anew, their days are read from blocks", "series", series, "page", number, "error", err)
		return nil, nil
	}
	return p, nil
}

// outlines reads the outlines of a view in the days of [from, to) that are about what is known now, by day from the first on.
func (s *Store) outlines(ctx context.Context, v *view, from, to int64) ([][]byte, error) {
	first, last := dayOf(from), dayOf(to-1)
	bodies := make([][]byte, last-first+1)
	if v.id == 0 {
		return bodies, nil
	}
	g := groundsOf(v.epochs, v.due)
	err := s.db.each(ctx, s.db.read, "outlines", []any{v.id, pageOf(first), pageOf(last)}, func(scan func(...any) error) error {
		var number int64
		var data []byte
		if err := scan(&number, &data); err != nil {
			return err
		}
		p, err := readPage(number, data)
		if err != nil {
			return nil // the blocks say it, too, and the next fold tells of it
		}
		for _, o := range p {
			if o.day < first || o.day > last {
				continue
			}
			if body, ok := g.opened(o); ok {
				bodies[o.day-first] = body
			}
		}
		return nil
	})
	return bodies, err
}

// runs yields every due slot of a view in [from, to), in order of time and without latencies, in runs. An error that ends it is
// left in *failed.
func (s *Store) runs(ctx context.Context, v view, from, to int64, failed *error) iter.Seq[sli.Run] {
	return func(yield func(sli.Run) bool) {
		if len(v.due) > 0 {
			from = max(from, v.due[0].From)
		}
		if len(v.due) == 0 || from >= to {
			return
		}
		bodies, err := s.outlines(ctx, &v, from, to)
		if err != nil {
			*failed = err
			return
		}
		r := runner{s: s, ctx: ctx, view: v, to: to, unread: from, yield: yield}
		for i, body := range bodies {
			if body != nil && !r.day(dayOf(from)+int64(i), body) {
				break
			}
		}
		if !r.done {
			r.read(to)
		}
		*failed = r.err
	}
}

// A runner goes over the due slots of a window, those of days with an outline in runs.
type runner struct {
	s   *Store
	ctx context.Context
	view
	to     int64
	unread int64 // all before has been yielded
	yield  func(sli.Run) bool
	buffer []sli.Run
	done   bool // nothing more is to be yielded
	err    error
}

// give yields what of a run is wanted, and reports whether to go on.
func (r *runner) give(run sli.Run) bool {
	if run, ok := run.Clip(r.unread, r.to); ok && !r.yield(run) {
		r.done = true
	}
	return !r.done
}

// read goes over the slots that are not read yet up to an instant, by their blocks.
func (r *runner) read(upTo int64) bool {
	if from := r.unread; from < upTo && !r.done {
		r.err = r.s.walk(r.ctx, r.view, from, upTo, func(s sli.Slot) bool { return r.give(sli.Run{Slot: s, N: 1}) })
		r.unread = upTo
	}
	r.done = r.done || r.err != nil
	return !r.done
}

// day goes over a day with an outline, after all before it, unless something in memory is about what the outline says.
func (r *runner) day(day int64, body []byte) bool {
	begin, end := day*dayMillis, min((day+1)*dayMillis, r.to)
	runs, told, err := expand(r.buffer[:0], body, sli.DueRuns(r.due, begin, (day+1)*dayMillis))
	r.buffer = runs
	if err != nil || !r.nothingIn(begin, told) {
		return true // it is read from its block, with what comes before the next day that has an outline
	}
	if !r.read(begin) {
		return false
	}
	for _, run := range runs {
		if !r.give(run) {
			return false
		}
	}
	r.unread = max(r.unread, min(told, end))
	return r.rest(end)
}

// rest goes over the slots of a day that are after its outline, of which there is nothing but what is in memory.
func (r *runner) rest(end int64) bool {
	if r.unread >= end {
		return true
	}
	if r.nothingIn(r.unread, end) {
		for run := range sli.DueRuns(r.due, r.unread, end) {
			if !r.give(run) {
				return false
			}
		}
	} else {
		w := walker{
			view: r.view, joiner: joiner{check: r.Check, region: r.Region, probers: &r.s.probers}, at: r.unread, to: end,
			yield: func(s sli.Slot) bool { return r.give(sli.Run{Slot: s, N: 1}) },
		}
		w.span(end, r.tail)
	}
	r.unread = max(r.unread, end)
	return !r.done
}

// nothingIn reports whether nothing in memory is about [from, to).
func (v *view) nothingIn(from, to int64) bool {
	i := sort.Search(len(v.tail.entries), func(i int) bool { return v.tail.entries[i].at >= from })
	if i < len(v.tail.entries) && v.tail.entries[i].at < to {
		return false
	}
	for _, g := range v.tail.gaps {
		if g.from < to && g.to > from {
			return false
		}
	}
	return true
}
