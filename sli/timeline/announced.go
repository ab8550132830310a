package timeline

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// announced is slots of a series that its target announced. It is written by the transaction that takes in their results, so that it is
// there whenever they are, and no report depends on who has what in memory. Blocks do not have it: it never comes back from one. It is
// kept as slots and not as the time they stand for: how long that is may become known later, as the epochs do.
type announced struct {
	sli.Series
	sli.Announcement
}

// announcedAgo is how long before an instant (ms) what was announced may matter in it: for its time to reach into
// sli.AnnouncedWindow, which no cell is longer than.
const announcedAgo = 2 * int64(sli.AnnouncedWindow/time.Millisecond)

// SetAnnounced says how much of the time that the target of a check announces is excluded within sli.AnnouncedWindow, by check;
// for all others it is what it was, and sli.AnnouncedLimit if there was none. It holds for what is taken in from now on.
func (s *Store) SetAnnounced(limits map[string]time.Duration) {
	ms := make(map[string]int64, len(limits))
	for check, limit := range limits {
		ms[check] = limit.Milliseconds()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = ms
}

// announcements are what messages say that targets announced, by series and time; those of one grid that follow each other are one.
func (s *Store) announcements(in []incoming) []announced {
	var all []announced
	for i := range in {
		for k := range in[i].batch.Results {
			if r := &in[i].batch.Results[k]; r.Announced {
				x := sli.Series{Check: r.Check, Region: in[i].Region}
				step := s.stepAt(&in[i], x, r.Slot)
				all = append(all, announced{x, sli.Announcement{From: r.Slot, To: r.Slot + step, Step: step, Limit: s.limitOf(x.Check)}})
			}
		}
	}
	slices.SortFunc(all, func(a, b announced) int {
		return cmp.Or(compareSeries(a.Series, b.Series), cmp.Compare(a.Step, b.Step), cmp.Compare(a.From%a.Step, b.From%b.Step), cmp.Compare(a.From, b.From))
	})
	out := all[:0]
	for _, a := range all {
		if n := len(out); n > 0 && out[n-1].Series == a.Series && onOneGrid(out[n-1].Announcement, a.Announcement) && a.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, a.To)
			continue
		}
		out = append(out, a)
	}
	return out
}

// onOneGrid tells whether the slots of two announcements are so.
func onOneGrid(a, b sli.Announcement) bool {
	return a.Step == b.Step && (a.Step == 0 || (a.From-b.From)%a.Step == 0)
}

// noLimit is the limit of a check that is not configured to have one.
const noLimit = -1

func (s *Store) limitOf(check string) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if limit, ok := s.limits[check]; ok {
		return limit
	}
	return noLimit
}

// lastLimit is the limit under which the latest announcement of a series is, for what comes late of a check that was taken out of the
// configuration.
func lastLimit(tx *transaction, x sli.Series) (limit int64, err error) {
	err = tx.one("last allowance", []any{x.Check, x.Region}, &limit)
	if errors.Is(err, sql.ErrNoRows) {
		return sli.AnnouncedLimit.Milliseconds(), nil
	}
	return limit, err
}

// stepAt is the interval that the prober of a message follows in a slot, by which its slots go into few rows; 1 ms if it is not known, which
// makes a row of the slot alone.
func (s *Store) stepAt(in *incoming, x sli.Series, slot int64) int64 {
	interval, since := int64(1), int64(-maxInstant)
	see := func(e epoch) {
		if e.prober() == in.Prober && since <= e.start && e.start <= slot && e.interval() > 0 {
			interval, since = e.interval(), e.start
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.timelines.of(x); t != nil {
		for _, e := range t.epochs() {
			see(e)
		}
	}
	for i, e := range in.batch.Epochs {
		if e.Check == x.Check {
			see(storedEpoch(in.Message, i, e))
		}
	}
	return interval
}

// putAnnounced writes announced slots down. Those that are there already, as after a redelivery, stay what they are.
func (s *Store) putAnnounced(tx *transaction, as []announced) error {
	if len(as) == 0 {
		return nil
	}
	if err := tx.exec("lock announced"); err != nil {
		return err
	}
	for _, a := range as {
		if a.Limit == noLimit {
			var err error
			if a.Limit, err = lastLimit(tx, a.Series); err != nil {
				return err
			}
		}
		near, err := s.db.announcedNear(tx, a.Series, a.From, a.To)
		if err != nil {
			return err
		}
		near = slices.DeleteFunc(near, func(b sli.Announcement) bool { return !onOneGrid(a.Announcement, b) })
		for _, fresh := range unsaid(a.Announcement, near) {
			if near, err = putJoined(tx, a.Series, fresh, near); err != nil {
				return err
			}
		}
	}
	return nil
}

// unsaid are the parts of an announcement that are in none of others on its grid, which are in order of time.
func unsaid(a sli.Announcement, others []sli.Announcement) []sli.Announcement {
	var parts []sli.Announcement
	for _, b := range others {
		if part := a; a.From < b.From {
			part.To = min(a.To, b.From)
			parts = append(parts, part)
		}
		a.From = max(a.From, b.To)
	}
	if a.From < a.To {
		parts = append(parts, a)
	}
	return parts
}

// putJoined writes a row, in the place of those under the same limit that it follows or that follow it. It returns the rows there are now.
func putJoined(tx *transaction, x sli.Series, a sli.Announcement, near []sli.Announcement) ([]sli.Announcement, error) {
	rest := []sli.Announcement{}
	for _, b := range near {
		if b.Limit != a.Limit || b.To != a.From && b.From != a.To {
			rest = append(rest, b)
			continue
		}
		if err := tx.exec("drop announced", x.Check, x.Region, b.From, b.Step); err != nil {
			return nil, err
		}
		a.From, a.To = min(a.From, b.From), max(a.To, b.To)
	}
	return append(rest, a), tx.exec("put announced", x.Check, x.Region, a.From, a.To, a.Step, a.Limit)
}

// announcedNear reads the announcements of a series that overlap [from, to) or touch it, in order of time, in a transaction.
func (db *database) announcedNear(tx *transaction, x sli.Series, from, to int64) ([]sli.Announcement, error) {
	return db.announcedIn(tx.ctx, tx, []any{x.Check, x.Region, from, to})
}

// announcedSpans is what announcements take out of the slots of a view in [from, to).
func (s *Store) announcedSpans(ctx context.Context, v *view, from, to int64) ([]sli.Span, error) {
	as, err := s.db.announcedIn(ctx, s.db.read, []any{v.Check, v.Region, from - announcedAgo, to})
	return sli.AnnouncedSpans(as, v.due, from, to), err
}

func (db *database) announcedIn(ctx context.Context, on querier, args []any) ([]sli.Announcement, error) {
	var as []sli.Announcement
	err := db.each(ctx, on, "announced near", args, func(scan func(...any) error) error {
		var a sli.Announcement
		err := scan(&a.From, &a.To, &a.Step, &a.Limit)
		as = append(as, a)
		return err
	})
	return as, err
}

// announcedOfAll reads the announcements of all series that matter in [from, to).
func (db *database) announcedOfAll(ctx context.Context, on querier, from, to int64) (map[sli.Series][]sli.Announcement, error) {
	all := map[sli.Series][]sli.Announcement{}
	since := max(from-announcedAgo, -maxInstant)
	err := db.each(ctx, on, "announced of all", []any{since, to}, func(scan func(...any) error) error {
		var x announced
		err := scan(&x.Check, &x.Region, &x.From, &x.To, &x.Step, &x.Limit)
		all[x.Series] = append(all[x.Series], x.Announcement)
		return err
	})
	return all, err
}

// announced copies what targets announced, before blocks, which ask for recounts by it.
func (i *importer) announced(ctx context.Context) error {
	all, err := i.from.announcedOfAll(ctx, i.tx, -maxInstant, maxInstant)
	if err != nil || len(all) == 0 {
		return err
	}
	var as []announced
	for x, list := range all {
		for _, a := range list {
			as = append(as, announced{x, a})
		}
	}
	slices.SortFunc(as, func(a, b announced) int {
		return cmp.Or(compareSeries(a.Series, b.Series), cmp.Compare(a.From, b.From))
	})
	return i.to.db.transact(ctx, func(tx *transaction) error { return i.to.putAnnounced(tx, as) })
}
