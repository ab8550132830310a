package timeline

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// A book is what a transaction that counts has read of table counted, and of what changes how slots count.
type book struct {
	s   *Store
	ctx context.Context
	tx  *transaction
	now int64 // Unix ms
	to  int64 // Unix ms: slots before it have settled

	parts map[uint32]*page

	since       int64 // Unix ms: from then on all of these are known
	maintenance map[string][]sli.Span
	announced   map[sli.Series][]sli.Announcement
	corrections []sli.Correction
}

// A page is a row of table counted.
type page struct {
	gen     int64 // 0: there is none yet
	count   *partCount
	changed bool
}

func (s *Store) newBook(ctx context.Context, tx *transaction, to int64) *book {
	return &book{s: s, ctx: ctx, tx: tx, now: s.o.Now().UnixMilli(), to: to, parts: map[uint32]*page{}, since: maxInstant}
}

// part returns what is counted of a part; nil: counting has not begun.
func (b *book) part(p uint32) (*partCount, error) {
	if pg, ok := b.parts[p]; ok {
		return pg.count, nil
	}
	pg := &page{}
	var data []byte
	err := b.tx.one("count", []any{int64(p)}, &pg.gen, &data)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return nil, err
	default:
		if pg.count, err = decodeCount(data); err != nil {
			pg.count = nil // counting begins anew
			if err := b.s.setAside(b.tx, damage{"counts", int64(p), 0, data, err}); err != nil {
				return nil, err
			}
		}
	}
	b.parts[p] = pg
	return pg.count, nil
}

// begin begins to count a part.
func (b *book) begin(p uint32) *partCount {
	c := newPartCount()
	c.begin, c.upTo = b.to, b.to
	b.parts[p].count = c
	return c
}

// change says that a part is to be written.
func (b *book) change(p uint32) { b.parts[p].changed = true }

// write writes the parts that have changed.
func (b *book) write() error {
	for _, p := range slices.Sorted(maps.Keys(b.parts)) {
		if pg := b.parts[p]; pg.changed {
			if err := writeCount(b.tx, int64(p), pg.gen, pg.count.encode()); err != nil {
				return err
			}
		}
	}
	return nil
}

// errCounted answers whoever counts what somebody else has counted meanwhile.
var errCounted = errors.New("somebody else has counted meanwhile")

// writeCount puts a row of table counted in the place of the one of this generation, and of no other.
func writeCount(tx *transaction, part, gen int64, data []byte) error {
	name := "next count"
	if gen == 0 {
		name = "first count"
	}
	n, err := tx.change(name, part, gen+1, data)
	if err == nil && n != 1 {
		err = errCounted
	}
	return err
}

// judge returns what tells how slots of a series in [from, to) count.
func (b *book) judge(x sli.Series, from, to int64) (func(sli.Slot) sli.Verdict, error) {
	if from < b.since {
		if err := b.look(dayOf(from) * dayMillis); err != nil {
			return nil, err
		}
	}
	spans := b.maintenance[x.Check]
	if as := b.announced[x]; len(as) > 0 {
		spans = slices.Concat(spans, sli.AnnouncedSpans(as, b.s.dueOf(x), from, to))
	}
	if len(b.corrections) > 0 {
		spans = slices.Concat(spans, sli.CorrectionSpans(b.corrections, x, from, to))
	}
	return sli.NewJudge(spans), nil
}

// look reads all maintenance, announcements and corrections from an instant on.
func (b *book) look(since int64) (err error) {
	b.maintenance = map[string][]sli.Span{}
	err = b.s.db.each(b.ctx, b.tx, "maintenance between", []any{since, int64(maxInstant)}, func(scan func(...any) error) error {
		var check string
		span := sli.Span{Effect: sli.InMaintenance}
		err := scan(&check, &span.From, &span.To)
		b.maintenance[check] = append(b.maintenance[check], span)
		return err
	})
	if err != nil {
		return err
	}
	if b.announced, err = b.s.db.announcedOfAll(b.ctx, b.tx, since, maxInstant); err != nil {
		return err
	}
	b.corrections, err = b.s.db.corrections(b.ctx, b.tx, since, maxInstant)
	b.since = since
	return err
}
