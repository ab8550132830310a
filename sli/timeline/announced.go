package timeline

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// An announced interval is what slots of a series that its target announced stand for. It is written by the transaction that
// takes in their results, so that it is there whenever they are, and no report depends on who has what in memory. Blocks do not
// have it: it never comes back from one.
type announced struct {
	sli.Series
	sli.Announcement
}

// SetAnnounced says how much of the time that the target of a check announces is excluded within sli.AnnouncedWindow, by check;
// sli.AnnouncedLimit for all others. It holds for what is taken in from now on.
func (s *Store) SetAnnounced(limits map[string]time.Duration) {
	ms := make(map[string]int64, len(limits))
	for check, limit := range limits {
		ms[check] = limit.Milliseconds()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = ms
}

// announcements are what messages say that targets announced, by series and time; those that touch are one.
func (s *Store) announcements(in []incoming) []announced {
	var all []announced
	for i := range in {
		for k := range in[i].batch.Results {
			if r := &in[i].batch.Results[k]; r.Announced {
				x := sli.Series{Check: r.Check, Region: in[i].Region}
				all = append(all, announced{x, sli.Announcement{From: r.Slot, To: r.Slot + s.cellAt(&in[i], x, r.Slot), Limit: s.limitOf(x.Check)}})
			}
		}
	}
	slices.SortFunc(all, func(a, b announced) int {
		return cmp.Or(compareSeries(a.Series, b.Series), cmp.Compare(a.From, b.From))
	})
	out := all[:0]
	for _, a := range all {
		if n := len(out); n > 0 && out[n-1].Series == a.Series && a.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, a.To)
			continue
		}
		out = append(out, a)
	}
	return out
}

func (s *Store) limitOf(check string) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if limit, ok := s.limits[check]; ok {
		return limit
	}
	return sli.AnnouncedLimit.Milliseconds()
}

// cellAt is the interval that the prober of a message follows in a slot; 1 ms if it is not known, which takes out the slot all the
// same.
func (s *Store) cellAt(in *incoming, x sli.Series, slot int64) int64 {
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

// putAnnounced writes announced intervals down. One that is there already, as after a redelivery, changes nothing.
func (s *Store) putAnnounced(tx *transaction, as []announced) error {
	if len(as) == 0 {
		return nil
	}
	if err := tx.exec("lock announced"); err != nil {
		return err
	}
	for _, a := range as {
		near, err := s.db.announcedNear(tx.ctx, tx, a.Series, a.From, a.To)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(near, func(b sli.Announcement) bool { return b.From <= a.From && b.To >= a.To }) {
			continue
		}
		for _, b := range near {
			if b.Limit != a.Limit && b.From != a.From {
				continue
			}
			if err := tx.exec("drop announced", a.Check, a.Region, b.From); err != nil {
				return err
			}
			a.From, a.To = min(a.From, b.From), max(a.To, b.To)
		}
		if err := tx.exec("put announced", a.Check, a.Region, a.From, a.To, a.Limit); err != nil {
			return err
		}
	}
	return nil
}

// announcedNear reads the announced intervals of a series that overlap [from, to) or touch it.
func (db *database) announcedNear(ctx context.Context, on querier, x sli.Series, from, to int64) ([]sli.Announcement, error) {
	var as []sli.Announcement
	err := db.each(ctx, on, "announced near", []any{x.Check, x.Region, from, to}, func(scan func(...any) error) error {
		var a sli.Announcement
		err := scan(&a.From, &a.To, &a.Limit)
		as = append(as, a)
		return err
	})
	return as, err
}

// announcedOfAll reads the announced intervals of all series that overlap [from, to).
func (db *database) announcedOfAll(ctx context.Context, on querier, from, to int64) (map[sli.Series][]sli.Announcement, error) {
	all := map[sli.Series][]sli.Announcement{}
	err := db.each(ctx, on, "announced of all", []any{from, to}, func(scan func(...any) error) error {
		var x announced
		err := scan(&x.Check, &x.Region, &x.From, &x.To, &x.Limit)
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
