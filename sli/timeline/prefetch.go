package timeline

import (
	"context"
	"database/sql"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// A prefetch is what was read of a series together with others, since a question each would cost more than what it brings.
type prefetch struct {
	first, end int64 // the days whose summaries are in it: from the first to before the end
	summaries  []pageRow
	days       []int64 // whose blocks are in it, if there are any
	blocks     []dayRow
	pages      []pageRow // with outlines
}

// A dayRow is the row of a day.
type dayRow struct {
	day  int64
	data []byte
}

// manySeries is how many series it takes to read them together, and togetherSeries how many then are.
const (
	manySeries     = 200
	togetherSeries = 100
)

// An arena keeps the bytes of many rows in few pieces of memory. The zero value is empty.
type arena struct{ room []byte }

const arenaPiece = 64 << 10

// keep returns a copy of b.
func (a *arena) keep(b []byte) []byte {
	if len(b) > cap(a.room)-len(a.room) {
		a.room = make([]byte, 0, max(arenaPiece, len(b)))
	}
	n := len(a.room)
	a.room = append(a.room, b...)
	return a.room[n:len(a.room):len(a.room)]
}

// together reads what a reporting needs of some series.
func (c *reporting) together(ctx context.Context, cs []counted) error {
	ids := make([]int64, len(cs))
	of := make(map[int64]*prefetch, len(cs))
	var a prefetch // of outlines alone: where there are none, days are read as if nothing had been
	if !c.plain {
		a = c.daysAhead()
	}
	for i := range cs {
		one := a
		ids[i], cs[i].ahead, of[cs[i].id] = cs[i].id, &one, &one
	}
	if c.plain {
		first, last := between(c.w.From, c.w.To)
		pages, err := c.s.pages(ctx, ids, first, last)
		for i := range cs {
			cs[i].ahead.pages = pages[cs[i].id]
		}
		return err
	}
	return c.s.readTogether(ctx, ids, of)
}

// daysAhead are the days that are to be read of each series: whole ones by their summaries, those at the ends by their blocks.
func (c *reporting) daysAhead() prefetch {
	a := prefetch{first: dayOf(c.w.From + dayMillis - 1), end: dayOf(c.w.To)}
	if first := dayOf(c.w.From); first < a.first {
		a.days = append(a.days, first)
	}
	if last := dayOf(c.w.To - 1); last >= a.end && !slices.Contains(a.days, last) {
		a.days = append(a.days, last)
	}
	return a
}

// readTogether reads summaries and blocks of series, of the days that each wants: all the same.
func (s *Store) readTogether(ctx context.Context, ids []int64, of map[int64]*prefetch) error {
	want := of[ids[0]]
	var kept arena
	for _, r := range ranges(ids) {
		args := []any{r[0], r[1], pageOf(want.first), pageOf(want.end - 1)}
		err := s.db.each(ctx, s.db.read, "summaries of some", args, func(scan func(...any) error) error {
			var id int64
			var row pageRow
			var data sql.RawBytes
			err := scan(&id, &row.number, &row.void, &data)
			if a := of[id]; a != nil {
				row.data = kept.keep(data)
				a.summaries = append(a.summaries, row)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, day := range want.days {
			err := s.db.each(ctx, s.db.read, "blocks of some", []any{r[0], r[1], day}, func(scan func(...any) error) error {
				var id, day int64
				var data sql.RawBytes
				err := scan(&id, &day, &data)
				if a := of[id]; a != nil {
					a.blocks = append(a.blocks, dayRow{day, kept.keep(data)})
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// summaryRows calls f with the summaries of the days from first to before the end. Those that cannot be read are left out.
func (s *Store) summaryRows(ctx context.Context, v *view, first, end int64, f func(dayPart)) error {
	give := func(row *pageRow) {
		_ = row.each(func(d dayPart) {
			if first <= d.day && d.day < end {
				f(d)
			}
		})
	}
	if a := v.ahead; a != nil && a.first <= first && end <= a.end {
		for i := range a.summaries {
			give(&a.summaries[i])
		}
		return nil
	}
	return s.db.each(ctx, s.db.read, "summaries", []any{v.id, pageOf(first), pageOf(end - 1)}, func(scan func(...any) error) error {
		var row pageRow
		var data sql.RawBytes
		err := scan(&row.number, &row.void, &data)
		row.data = data
		give(&row)
		return err
	})
}

// blockRows calls f with the blocks of days, from one to another.
func (s *Store) blockRows(ctx context.Context, on querier, v *view, days [2]int64, f func(day int64, data []byte) error) error {
	first, last := days[0], days[1]
	if a := v.ahead; a != nil && a.has(first, last) {
		for _, row := range a.blocks {
			if first <= row.day && row.day <= last {
				if err := f(row.day, row.data); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return s.dayRows(ctx, on, "blocks", []any{v.id, first, last}, f)
}

func (a *prefetch) has(first, last int64) bool {
	if last-first >= int64(len(a.days)) {
		return false
	}
	for day := first; day <= last; day++ {
		if !slices.Contains(a.days, day) {
			return false
		}
	}
	return true
}

// manyMaintenances reads the maintenance of all checks that touches a window.
func (c *reporting) manyMaintenances(ctx context.Context) error {
	c.maintenance = map[string][]sli.Span{}
	return c.s.db.each(ctx, c.s.db.read, "maintenance of all", []any{c.w.From, c.w.To}, func(scan func(...any) error) error {
		var check string
		span := sli.Span{Effect: sli.InMaintenance}
		err := scan(&check, &span.From, &span.To)
		c.maintenance[check] = append(c.maintenance[check], span)
		return err
	})
}

// announcedIn is what of announcements is in the window of a series.
func (c *reporting) announcedIn(ctx context.Context, v *view) ([]sli.Span, error) {
	if c.announced != nil {
		return sli.AnnouncedSpans(c.announced[v.Series], v.due, c.w.From, c.w.To), nil
	}
	return c.s.announcedSpans(ctx, v, c.w.From, c.w.To)
}

// maintenanceOf is what of maintenance touches the window of a check.
func (c *reporting) maintenanceOf(ctx context.Context, check string) ([]sli.Span, error) {
	if c.maintenance != nil {
		return c.maintenance[check], nil
	}
	return c.s.maintenanceSpans(ctx, check, c.w.From, c.w.To)
}
