package timeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/sli"
)

// lookBack is how long before a window an incident can have begun to be told with its beginning.
const lookBack = 24 * time.Hour

// A tracked check is what its regions saw, each in its place.
type tracked struct {
	check   string
	views   []view
	spans   [][]sli.Span
	watches []sli.Watch
	weights []float64
}

// trackAll reads the tracks of every check that the query asks for, from an instant on, by check. Regions of weight 0 have none,
// unless the query names them.
func (s *Store) trackAll(ctx context.Context, q sli.Query, w sli.Window, from int64) ([]*tracked, error) {
	all := s.trackedViews(q, w, from)
	earliest := from // a slot before it may have its cell in the window
	for _, c := range all {
		for i := range c.views {
			earliest = min(earliest, from-longestCell(c.views[i].due))
		}
	}
	corrections, err := s.corrections(ctx, earliest, w.To)
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, c := range all {
		g.Go(func() error { return s.track(ctx, c, corrections, from, w.To) })
	}
	return all, g.Wait()
}

func (s *Store) trackedViews(q sli.Query, w sli.Window, from int64) []*tracked {
	stored := s.weightsNow()
	var all []*tracked
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.chosen(q, sli.Window{From: from, To: w.To}) {
		weight, known := stored[t.Region]
		if !known || weight == 0 && slices.Contains(q.Regions, t.Region) {
			weight = 1
		}
		if weight == 0 {
			continue
		}
		if n := len(all); n == 0 || all[n-1].check != t.Check {
			all = append(all, &tracked{check: t.Check})
		}
		c := all[len(all)-1]
		c.views = append(c.views, s.view(t, from-longestCell(t.due()), w.To))
		c.watches = append(c.watches, sli.Watch{Region: t.Region, Cell: cellIn(t.due(), w)})
		c.weights = append(c.weights, weight)
	}
	return all
}

// cellIn is the longest interval of the grids in force in a window.
func cellIn(due []sli.Segment, w sli.Window) int64 {
	longest := int64(0)
	for _, seg := range due {
		if seg.From < max(w.To, w.From+1) && seg.To > w.From {
			longest = max(longest, seg.Interval)
		}
	}
	return longest
}

// track reads the tracks of a check.
func (s *Store) track(ctx context.Context, c *tracked, corrections []sli.Correction, from, to int64) error {
	for i := range c.views {
		v := c.views[i]
		begin := from - longestCell(v.due)
		spans, err := s.aside(ctx, &v, begin, to)
		if err != nil {
			return err
		}
		spans = append(spans, sli.CorrectionSpans(corrections, v.Series, begin, to)...)
		c.spans = append(c.spans, spans)
		c.watches[i].Track = sli.NewTrackOfRuns(s.runs(ctx, v, begin, to, &err), spans, sli.Measure{Indicator: sli.IndicatorAvailability})
		if err != nil {
			return err
		}
	}
	return nil
}

// Uptimes gives the windowed user-uptime of every check over its regions: of these lengths, or without any of a curve.
func (s *Store) Uptimes(ctx context.Context, q sli.Query, lengths []time.Duration) ([]sli.UptimeReport, error) {
	w, err := s.window(q)
	if err != nil {
		return nil, fmt.Errorf("report on uptime: %w", err)
	}
	all, err := s.trackAll(ctx, q, w, w.From)
	if err != nil {
		return nil, fmt.Errorf("report on uptime: %w", err)
	}
	reports := []sli.UptimeReport{}
	for _, c := range all {
		var tracks []sli.Track
		cell := int64(0)
		weights := map[string]float64{}
		for i, x := range c.watches {
			tracks, cell = append(tracks, x.Track), max(cell, x.Cell)
			weights[x.Region] = c.weights[i]
		}
		r := sli.NewUptimeReport(w, c.check, sli.NewUptime(tracks, c.weights, w.From, w.To), time.Duration(cell)*time.Millisecond, lengths)
		r.Weights = weights
		reports = append(reports, r)
	}
	return reports, nil
}

// Certainties tells how sure the availability of every check is over its regions, of an outage by a quorum. The zero quorum is the
// default.
func (s *Store) Certainties(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Certainty, error) {
	w, err := s.window(q)
	if err != nil {
		return nil, fmt.Errorf("report on certainty: %w", err)
	}
	all, err := s.trackAll(ctx, q, w, w.From)
	if err != nil {
		return nil, fmt.Errorf("report on certainty: %w", err)
	}
	if quorum == (sli.Quorum{}) {
		quorum = sli.DefaultQuorum()
	}
	certainties := []sli.Certainty{}
	for _, c := range all {
		parts := make([]sli.Part, len(c.views))
		for i, v := range c.views {
			t, err := s.tally(ctx, v, w, c.spans[i])
			if err != nil {
				return nil, fmt.Errorf("report on certainty: %w", err)
			}
			parts[i] = sli.Part{Region: v.Region, Weight: c.weights[i], Tally: &t}
		}
		certainties = append(certainties, sli.NewCertainty(w, c.check, parts, c.watches, quorum))
	}
	return certainties, nil
}

// Incidents derives the incidents of every check, by check and time, and what share of the budgets of these SLOs they are. One
// that began over a day before the window is told from then on. The zero quorum is the default.
func (s *Store) Incidents(ctx context.Context, q sli.Query, quorum sli.Quorum, slos []sli.SLO) ([]sli.Incident, error) {
	w, err := s.window(q)
	if err != nil {
		return nil, fmt.Errorf("derive incidents: %w", err)
	}
	if quorum == (sli.Quorum{}) {
		quorum = sli.DefaultQuorum()
	}
	from := max(w.From-lookBack.Milliseconds(), s.cutoff())
	all, err := s.trackAll(ctx, q, w, from)
	if err != nil {
		return nil, fmt.Errorf("derive incidents: %w", err)
	}
	incidents := []sli.Incident{}
	for _, c := range all {
		of := sli.Incidents(c.check, c.watches, quorum, w)
		for i := range of {
			if err := spend(&of[i], slos, w); err != nil {
				return nil, fmt.Errorf("derive incidents: %w", err)
			}
		}
		for i := range c.views {
			if err := s.detail(ctx, of, &c.views[i], c.spans[i], w.To); err != nil {
				return nil, fmt.Errorf("derive incidents: %w", err)
			}
			if err := s.prove(ctx, of, c.views[i].Series); err != nil {
				return nil, fmt.Errorf("derive incidents: %w", err)
			}
		}
		incidents = append(incidents, of...)
	}
	return incidents, nil
}

// detail shows incidents of a check, in order of time, the slots of one region whose cells are in them.
func (s *Store) detail(ctx context.Context, xs []sli.Incident, v *view, spans []sli.Span, to int64) error {
	if len(xs) == 0 {
		return nil
	}
	judge, next := sli.NewJudge(spans), 0
	return s.walk(ctx, *v, xs[0].From.UnixMilli()-longestCell(v.due), to, func(slot *sli.Slot) bool {
		for next < len(xs) && xs[next].To != nil && slot.At >= xs[next].To.UnixMilli() {
			next++
		}
		// One of another kind may overlap it.
		for i := next; i < len(xs) && xs[i].From.UnixMilli() < slot.At+slot.Cell; i++ {
			if xs[i].To == nil || slot.At < xs[i].To.UnixMilli() {
				xs[i].See(v.Region, *slot, judge(*slot))
			}
		}
		return next < len(xs)
	})
}

// spend tells what share of the budgets of SLOs about the check's availability an incident is.
func spend(x *sli.Incident, slos []sli.SLO, w sli.Window) error {
	for i := range slos {
		o := &slos[i]
		if o.Indicator != sli.IndicatorAvailability || !slices.Contains(o.Checks, x.Check) || x.Kind != sli.IncidentBad {
			continue
		}
		window, err := o.WindowAt(instantOf(w.AsOf), 0)
		if err != nil {
			return err
		}
		x.Spend(o, window)
	}
	return nil
}
