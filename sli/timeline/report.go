package timeline

import (
	"cmp"
	"context"
	"fmt"
	"iter"
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
	plain    bool       // there are no latencies in the tallies
}

// Reports returns one report per check and region that has epochs in the window, and after those of a check one
// over its regions. It reads at one as_of, from the largest time budget of the checks that are probed. A window
// that begins before the retention begins with it.
func (s *Store) Reports(ctx context.Context, q sli.Query) ([]sli.Report, error) {
	c, err := s.reporting(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	reports, err := c.reports(ctx, s.checksDue(q, c.w, ""))
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return reports, nil
}

// reports reports on checks, given by their timelines: for each on its regions, and then over them.
func (c *reporting) reports(ctx context.Context, checks [][]*timeline) ([]sli.Report, error) {
	if err := c.prepare(ctx, checks); err != nil {
		return nil, err
	}
	all := make([]sli.Report, series(checks)+len(checks))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	n := 0
	for list := range c.lists(checks) {
		room := all[n:n]
		n += series(list) + len(list)
		g.Go(func() error { return c.reportAll(ctx, room, list) })
	}
	err := g.Wait()
	return all, err
}

// reportAll appends reports on some checks.
func (c *reporting) reportAll(ctx context.Context, reports []sli.Report, checks [][]*timeline) error {
	all := make([]counted, series(checks))
	c.s.viewAll(all, checks, c.w)
	if err := c.count(ctx, all); err != nil {
		return err
	}
	weights := c.s.weightsNow()
	for _, ts := range checks {
		reports = appendReports(reports, c.w, all[:len(ts)], weights)
		all = all[len(ts):]
	}
	return nil
}

// appendReports reports on the regions of one check.
func appendReports(reports []sli.Report, w sli.Window, cs []counted, weights map[string]float64) []sli.Report {
	parts := make([]sli.Part, 0, len(cs))
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
		about := subject(c.Series, e)
		about.Without = c.plain
		reports = append(reports, sli.RegionReport(w, about, p))
		parts = append(parts, p)
	}
	about := subject(cs[0].Series, newest)
	about.Without = cs[0].plain
	return append(reports, sli.Pooled(w, about, parts))
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
	q.Figures = sli.FiguresAvailability
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

// countAll tallies every series that the query asks for, by check and region.
func (s *Store) countAll(ctx context.Context, q sli.Query) (sli.Window, []counted, error) {
	c, err := s.reporting(ctx, q)
	if err != nil {
		return sli.Window{}, nil, err
	}
	checks := s.checksDue(q, c.w, "")
	if err := c.prepare(ctx, checks); err != nil {
		return c.w, nil, err
	}
	all := make([]counted, series(checks))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	n := 0
	for list := range c.lists(checks) {
		some := all[n : n+series(list)]
		n += len(some)
		g.Go(func() error {
			s.viewAll(some, list, c.w)
			return c.count(ctx, some)
		})
	}
	err = g.Wait()
	return c.w, all, err
}

// A reporting tallies series over a window.
type reporting struct {
	s           *Store
	w           sli.Window
	corrections []sli.Correction
	maintenance map[string][]sli.Span             // of all checks; nil: it is asked for of each
	announced   map[sli.Series][]sli.Announcement // as far as they matter; likewise
	plain       bool                              // without latencies
	many        bool                              // series, so that they are read together
}

// reporting begins to count what a query asks for.
func (s *Store) reporting(ctx context.Context, q sli.Query) (*reporting, error) {
	w, err := s.window(q)
	if err != nil {
		return nil, err
	}
	corrections, err := s.corrections(ctx, w.From, w.To)
	return &reporting{s: s, w: w, corrections: corrections, plain: q.Figures == sli.FiguresAvailability}, err
}

// prepare reads what is better read once, if there are many series.
func (c *reporting) prepare(ctx context.Context, checks [][]*timeline) error {
	if c.many = series(checks) > manySeries; !c.many || c.maintenance != nil {
		return nil
	}
	if err := c.manyMaintenances(ctx); err != nil {
		return err
	}
	var err error
	c.announced, err = c.s.db.announcedOfAll(ctx, c.s.db.read, c.w.From, c.w.To)
	return err
}

// lists yields checks in lists of which each is read together.
func (c *reporting) lists(checks [][]*timeline) iter.Seq[[][]*timeline] {
	return func(yield func([][]*timeline) bool) {
		for len(checks) > 0 {
			n := 1
			for many := len(checks[0]); c.many && many < togetherSeries && n < len(checks); n++ {
				many += len(checks[n])
			}
			if !yield(checks[:n]) {
				return
			}
			checks = checks[n:]
		}
	}
}

// series counts the timelines of checks.
func series(checks [][]*timeline) int {
	n := 0
	for _, ts := range checks {
		n += len(ts)
	}
	return n
}

// count tallies some series, by check.
func (c *reporting) count(ctx context.Context, cs []counted) (err error) {
	if c.plain || c.many {
		if err := c.together(ctx, cs); err != nil {
			return err
		}
	}
	r := runner{s: c.s, ctx: ctx}
	var maintenance []sli.Span
	for i := range cs {
		if i == 0 || cs[i].Check != cs[i-1].Check {
			if maintenance, err = c.maintenanceOf(ctx, cs[i].Check); err != nil {
				return err
			}
		}
		announced, err := c.announcedIn(ctx, &cs[i].view)
		if err != nil {
			return err
		}
		if err := c.count1(&r, &cs[i], slices.Concat(maintenance, announced)); err != nil {
			return err
		}
		cs[i].tail, cs[i].ahead = slots{}, nil
	}
	return nil
}

// count1 tallies a series, and if corrections have a say once more without them. What the runner has at hand it leaves for the next.
func (c *reporting) count1(r *runner, x *counted, aside []sli.Span) (err error) {
	x.plain = c.plain
	tally := func(spans []sli.Span) (sli.Tally, error) {
		if !c.plain {
			return c.s.tally(r.ctx, x.view, c.w, spans)
		}
		var t sli.Tally
		r.view, r.to, r.unread, r.done = x.view, c.w.To, c.w.From, false
		t.AddRuns(func(yield func(sli.Run) bool) {
			r.yield = yield
			_ = r.run(x.ahead.pages) // which keeps its error
		}, spans)
		return t, r.err
	}
	corrected := sli.CorrectionSpans(c.corrections, x.Series, c.w.From, c.w.To)
	if x.tally, err = tally(slices.Concat(aside, corrected)); err != nil || len(corrected) == 0 {
		return err
	}
	observed, err := tally(aside)
	x.observed = &observed
	return err
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
	err := s.walk(ctx, v, from, to, func(slot *sli.Slot) bool {
		recent = append(recent, *slot)
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
