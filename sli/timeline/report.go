package timeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A counted series is a view with its tally over a window.
type counted struct {
	view
	tally    sli.Tally
	observed *sli.Tally // without corrections; nil: there are none
}

// Reports returns one report per check and region that has epochs in the window, and after those of a check one
// over its regions. It reads at one as_of, from the largest time budget of the checks that are probed. A window
// that begins before the retention begins with it.
func (s *Store) Reports(ctx context.Context, q sli.Query) ([]sli.Report, error) {
	w, all, err := s.countAll(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return s.reportAll(w, all), nil
}

// reportAll reports on every check of which all has series.
func (s *Store) reportAll(w sli.Window, all []counted) []sli.Report {
	weights := s.weightsNow()
	reports := []sli.Report{}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Check == all[0].Check {
			n++
		}
		reports = append(reports, reportsOf(w, all[:n], weights)...)
		all = all[n:]
	}
	return reports
}

// reportsOf reports on the regions of one check.
func reportsOf(w sli.Window, cs []counted, weights map[string]float64) []sli.Report {
	var reports []sli.Report
	var parts []sli.Part
	var newest epoch
	for i := range cs {
		c := &cs[i]
		e, _ := atEnd(c.epochs, max(w.To, w.From+1))
		if e.start >= newest.start {
			newest = e
		}
		weight, ok := weights[c.Region]
		if !ok {
			weight = 1
		}
		p := sli.Part{Region: c.Region, Weight: weight, Tally: &c.tally, Observed: c.observed}
		reports = append(reports, sli.RegionReport(w, subject(c.Series, e), p))
		parts = append(parts, p)
	}
	return append(reports, sli.Pooled(w, subject(cs[0].Series, newest), parts))
}

func subject(x sli.Series, e epoch) sli.Subject {
	of, says := sli.OfValid, e.terms()
	if says.of == probe.OfUp {
		of = sli.OfUp
	}
	return sli.Subject{Check: x.Check, Region: x.Region, Under: says.under, Of: of}
}

// Probers returns one report per region that had anything due in the window.
func (s *Store) Probers(ctx context.Context, q sli.Query) ([]sli.ProberReport, error) {
	w, all, err := s.countAll(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("report on probers: %w", err)
	}
	slices.SortStableFunc(all, func(a, b counted) int { return cmp.Compare(a.Region, b.Region) })
	reports := []sli.ProberReport{}
	for len(all) > 0 {
		var tallies []*sli.Tally
		region := all[0].Region
		for len(all) > 0 && all[0].Region == region {
			tallies = append(tallies, &all[0].tally)
			all = all[1:]
		}
		reports = append(reports, sli.NewProberReport(w, region, tallies))
	}
	return reports, nil
}

// countAll tallies every series that the query asks for, by check and region, as if there were some more corrections.
func (s *Store) countAll(ctx context.Context, q sli.Query, more ...sli.Correction) (sli.Window, []counted, error) {
	w, err := s.window(q)
	if err != nil {
		return w, nil, err
	}
	corrections, err := s.corrections(ctx, w.From, w.To)
	if err != nil {
		return w, nil, err
	}
	corrections = append(corrections, more...)
	all := s.counted(q, w)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := 0; i < len(all); {
		k := i
		for k < len(all) && all[k].Check == all[i].Check {
			k++
		}
		cs := all[i:k]
		g.Go(func() error { return s.count1(ctx, w, cs, corrections) })
		i = k
	}
	return w, all, g.Wait()
}

// count1 tallies the regions of one check.
func (s *Store) count1(ctx context.Context, w sli.Window, cs []counted, corrections []sli.Correction) error {
	maintenance, err := s.maintenanceSpans(ctx, cs[0].Check, w.From, w.To)
	if err != nil {
		return err
	}
	for i := range cs {
		corrected := sli.CorrectionSpans(corrections, cs[i].Series, w.From, w.To)
		if cs[i].tally, err = s.tally(ctx, cs[i].view, w, slices.Concat(maintenance, corrected)); err != nil {
			return err
		}
		if len(corrected) > 0 {
			observed, err := s.tally(ctx, cs[i].view, w, maintenance)
			if err != nil {
				return err
			}
			cs[i].observed = &observed
		}
		cs[i].tail = slots{}
	}
	return nil
}

// window resolves a query at the store's as_of.
func (s *Store) window(q sli.Query) (sli.Window, error) {
	now := q.Now
	if now.IsZero() {
		now = s.o.Now()
	}
	w, err := q.Resolve(sli.AsOf(now, s.budget(now)))
	if err != nil {
		return w, err
	}
	// What was deleted was not "no data".
	w.From = max(w.From, s.cutoff())
	w.To = max(w.To, w.From)
	return w, nil
}

// budget is the largest time budget of the checks probed within the last hour.
func (s *Store) budget(now time.Time) time.Duration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	since := now.Add(-time.Hour).UnixMilli()
	largest := int64(0)
	for t := range s.timelines.all() {
		largest = max(largest, budget(t.epochs(), since))
	}
	return time.Duration(largest) * time.Millisecond
}

// counted takes views of the series that the query asks for and that have epochs in the window.
func (s *Store) counted(q sli.Query, w sli.Window) []counted {
	var all []counted
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.chosen(q, w) {
		all = append(all, counted{view: s.view(t, w.From, w.To)})
	}
	return all
}

// chosen returns the timelines that the query asks for and that have epochs in the window, by check and region.
// Under mu.
func (s *Store) chosen(q sli.Query, w sli.Window) []*timeline {
	var all []*timeline
	for t := range s.timelines.all() {
		if asked(q.Checks, t.Check) && asked(q.Regions, t.Region) && overlaps(t.due(), w.From, max(w.To, w.From+1)) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *timeline) int { return compareSeries(a.Series, b.Series) })
	return all
}

func overlaps(segs []sli.Segment, from, to int64) bool {
	return slices.ContainsFunc(segs, func(s sli.Segment) bool { return s.From < to && s.To > from })
}

// Recent returns the last n due slots up to now, oldest first. Those that are not settled may still be no data.
func (s *Store) Recent(ctx context.Context, check, region string, n int) ([]sli.Slot, error) {
	to := s.o.Now().UnixMilli() + 1
	s.mu.RLock()
	t := s.timelines.of(sli.Series{Check: check, Region: region})
	if t == nil {
		s.mu.RUnlock()
		return []sli.Slot{}, nil
	}
	from := max(lastDue(t.due(), to, int64(n)), s.cutoff())
	v := s.view(t, from, to)
	s.mu.RUnlock()
	recent := []sli.Slot{}
	err := s.walk(ctx, v, from, to, func(slot sli.Slot) bool {
		recent = append(recent, slot)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read recent slots: %w", err)
	}
	return recent, nil
}

// lastDue returns the instant from which n slots are due before to, or to itself if none are.
func lastDue(segs []sli.Segment, to, n int64) int64 {
	from := to
	for _, s := range slices.Backward(segs) {
		k, _ := sli.CountDue([]sli.Segment{s}, s.From, to)
		if k == 0 {
			continue
		}
		if k >= n {
			return s.From + (k-n)*s.Interval
		}
		from = s.From
		n -= k
	}
	return from
}

// Series names every timeline, by check and region.
func (s *Store) Series(context.Context) ([]sli.Series, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]sli.Series, 0, s.timelines.len())
	for t := range s.timelines.all() {
		all = append(all, t.Series)
	}
	slices.SortFunc(all, compareSeries)
	return all, nil
}
