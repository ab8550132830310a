package timeline

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"
	"sort"

	"github.com/gaikei/gaikei/sli"
)

// An outlining keeps the pages of outlines that a fold of one series changes.
type outlining struct {
	s     *Store
	f     *folding
	g     grounds
	pages map[int64]dayPage
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
func (s *Store) readOutlines(tx *transaction, series, number int64) (dayPage, error) {
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

// between are the days of a window.
func between(from, to int64) (first, last int64) { return dayOf(from), dayOf(to - 1) }

// pages reads the pages with outlines of some series of the days from first to last, by series.
func (s *Store) pages(ctx context.Context, series []int64, first, last int64) (map[int64][]pageRow, error) {
	all := make(map[int64][]pageRow, len(series))
	var kept arena
	for _, ids := range ranges(series) {
		err := s.db.each(ctx, s.db.read, "outlines", []any{ids[0], ids[1], pageOf(first), pageOf(last)}, func(scan func(...any) error) error {
			var id, number int64
			var data sql.RawBytes
			if err := scan(&id, &number, &data); err != nil {
				return err
			}
			all[id] = append(all[id], pageRow{number: number, data: kept.keep(data)})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ranges covers numbers with ranges, from the first to the last each, in which there are few others.
func ranges(numbers []int64) [][2]int64 {
	const others = 8
	var out [][2]int64
	for _, x := range slices.Sorted(slices.Values(numbers)) {
		if n := len(out) - 1; n >= 0 && x-out[n][1] <= others {
			out[n][1] = x
		} else {
			out = append(out, [2]int64{x, x})
		}
	}
	return out
}

// outlines returns those of the outlines on some pages that are about what is known of a view, from a day to another, in a slice
// that is made of what bodies has room for. What cannot be read of a page is left out: the blocks say it, too, and the next fold
// tells of it.
func (v *view) outlines(bodies [][]byte, pages []pageRow, first, last int64) [][]byte {
	n := int(max(0, last-first+1))
	bodies = slices.Grow(bodies[:0], n)[:n]
	clear(bodies)
	if len(pages) == 0 {
		return bodies
	}
	g := groundsOf(v.epochs, v.due)
	for _, p := range pages {
		_ = p.each(func(o dayPart) {
			if o.day < first || o.day > last {
				return
			}
			if body, ok := g.opened(o); ok {
				bodies[o.day-first] = body
			}
		})
	}
	return bodies
}

// runs yields every due slot of a view in [from, to), in order of time and without latencies, in runs. An error that ends it is
// left in *failed.
func (s *Store) runs(ctx context.Context, v view, from, to int64, failed *error) iter.Seq[sli.Run] {
	return func(yield func(sli.Run) bool) {
		first, last := between(from, to)
		pages, err := s.pages(ctx, []int64{v.id}, first, last)
		if err != nil {
			*failed = err
			return
		}
		r := runner{s: s, ctx: ctx, view: v, to: to, unread: from, yield: yield}
		*failed = r.run(pages[v.id])
	}
}

// A runner goes over the due slots of a window, those of days with an outline in runs.
type runner struct {
	s   *Store
	ctx context.Context
	view
	to              int64
	unread          int64 // all before has been yielded
	yield           func(sli.Run) bool
	bodies          [][]byte
	buffer, dueRuns []sli.Run
	done            bool // nothing more is to be yielded
	err             error
}

// give yields what of a run is wanted, and reports whether to go on.
func (r *runner) give(run sli.Run) bool {
	if run, ok := run.Clip(r.unread, r.to); ok && !r.yield(run) {
		r.done = true
	}
	return !r.done
}

// run goes over all slots, those of days with an outline on some pages in runs.
func (r *runner) run(pages []pageRow) error {
	if len(r.due) > 0 {
		r.unread = max(r.unread, r.due[0].From)
	}
	if len(r.due) == 0 || r.unread >= r.to {
		return nil
	}
	first, last := between(r.unread, r.to)
	r.bodies = r.outlines(r.bodies, pages, first, last)
	for i, body := range r.bodies {
		if body != nil && !r.day(first+int64(i), body) {
			return r.err
		}
	}
	r.read(r.to)
	return r.err
}

// read goes over the slots that are not read yet up to an instant, by their blocks.
func (r *runner) read(upTo int64) bool {
	if from := r.unread; from < upTo && !r.done {
		r.err = r.s.walk(r.ctx, r.view, from, upTo, func(s *sli.Slot) bool { return r.give(sli.Run{Slot: *s, N: 1}) })
		r.unread = upTo
	}
	r.done = r.done || r.err != nil
	return !r.done
}

// day goes over a day with an outline, after all before it, unless something in memory is about what the outline says.
func (r *runner) day(day int64, body []byte) bool {
	begin, end := day*dayMillis, min((day+1)*dayMillis, r.to)
	r.dueRuns = sli.DueRuns(r.dueRuns[:0], r.due, begin, (day+1)*dayMillis)
	runs, told, err := expand(r.buffer[:0], body, r.dueRuns)
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
		for _, run := range sli.DueRuns(nil, r.due, r.unread, end) {
			if !r.give(run) {
				return false
			}
		}
	} else {
		w := walker{
			view: r.view, joiner: joiner{check: r.Check, region: r.Region, probers: &r.s.probers}, at: r.unread, to: end,
			yield: func(s *sli.Slot) bool { return r.give(sli.Run{Slot: *s, N: 1}) },
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
