package timeline

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/sli"
)

// maxPoints is how many points one answer may have.
const maxPoints = 5000

// SLOHistory reports how SLOs stood at the end of each step of the window, in their order and in that of time: what SLOs says at that as_of,
// from what is known now. The timelines of an SLO are read once, however many steps there are. Checks and regions of the query play no
// part. The error wraps sli.ErrTooMany if that would be more than one answer has room for.
func (s *Store) SLOHistory(ctx context.Context, list []sli.SLO, q sli.Query, p sli.Period) ([]sli.SLOPoint, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("report on the history of SLOs: %w", err)
	}
	w, err := s.window(q)
	if err != nil {
		return nil, fmt.Errorf("report on the history of SLOs: %w", err)
	}
	cuts, err := p.Cuts(w.From, w.To)
	if err != nil {
		return nil, fmt.Errorf("report on the history of SLOs: %w", err)
	}
	if n := len(list) * (len(cuts) - 1); n > maxPoints {
		return nil, fmt.Errorf("report on the history of SLOs: %w points: %d, want at most %d: name SLOs, or take longer steps or a shorter window", sli.ErrTooMany, n, maxPoints)
	}
	points := make([][]sli.SLOPoint, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range list {
		g.Go(func() (err error) {
			if points[i], err = s.sloHistory(ctx, &list[i], cuts); err != nil {
				err = fmt.Errorf("report on the history of SLO %s: %w", list[i].Name, err)
			}
			return err
		})
	}
	err = g.Wait()
	return slices.Concat(points...), err
}

// A past is the window that an SLO had at the end of a step.
type past struct {
	sli.SLOWindow
	begin int64 // of what the window is about
	step  int64 // when the step began
}

func (s *Store) sloHistory(ctx context.Context, o *sli.SLO, cuts []int64) ([]sli.SLOPoint, error) {
	pasts, err := s.pasts(o, cuts)
	if err != nil || len(pasts) == 0 {
		return nil, err
	}
	all := spanning(pasts)
	m := s.members(o, &all)
	if m.corrections, err = s.corrections(ctx, m.begin(), all.To); err != nil {
		return nil, err
	}
	corrections := m.corrections
	corrected, err := m.readOnce(ctx, pasts)
	if err != nil {
		return nil, err
	}
	observed := corrected
	if m.corrected {
		m.corrections = nil
		if observed, err = m.readOnce(ctx, pasts); err != nil {
			return nil, err
		}
	}
	points := make([]sli.SLOPoint, 0, len(pasts))
	for i := range pasts {
		p, err := m.at(&pasts[i]).point(ctx, &pasts[i], corrections, [2]*reading{corrected, observed})
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	return points, nil
}

// pasts are the windows that end with each step.
func (s *Store) pasts(o *sli.SLO, cuts []int64) ([]past, error) {
	var pasts []past
	for i := 1; i < len(cuts); i++ {
		w, err := o.WindowEnding(instantOf(cuts[i]), s.cellOf(o, cuts[i]))
		if err != nil {
			return nil, err
		}
		w.NotBefore(s.cutoff())
		x := past{SLOWindow: w, begin: w.Cuts[0], step: cuts[i-1]}
		x.Cut(x.step)
		pasts = append(pasts, x)
	}
	return pasts, nil
}

// spanning is a window with the cuts of all of them.
func spanning(pasts []past) sli.SLOWindow {
	var w sli.SLOWindow
	for i := range pasts {
		w.Cuts = append(w.Cuts, pasts[i].Cuts...)
	}
	slices.Sort(w.Cuts)
	w.Cuts = slices.Compact(w.Cuts)
	w.From, w.To = w.Cuts[0], pasts[len(pasts)-1].To
	w.End = w.To
	return w
}

// A reading is what was read of the timelines of an SLO for all its past windows.
type reading struct {
	cuts   []int64
	before map[population][]sli.Amount // what lies before each cut; in whole ms and slots, so that differences are exact
	tracks map[population]sli.Track
}

// A population is what of a timeline is looked at: its slots and, of latency, which of them.
type population struct {
	sli.Series
	measure sli.Measure
}

// readOnce reads all timelines, by lines or by tracks as the SLO wants them.
func (m *members) readOnce(ctx context.Context, pasts []past) (*reading, error) {
	r := &reading{cuts: m.w.Cuts, before: map[population][]sli.Amount{}, tracks: map[population]sli.Track{}}
	for i := range m.views {
		v := &m.views[i]
		var measures []sli.Measure
		for k := range pasts {
			e, _ := atEnd(v.epochs, pasts[k].To)
			if x := (sli.Measure{Indicator: m.slo.Indicator, Of: subject(v.Series, e).Of}); !slices.Contains(measures, x) {
				measures = append(measures, x)
			}
		}
		spans, err := m.spans(ctx, v)
		if err != nil {
			return nil, err
		}
		if m.byTrack() {
			err = m.readTracks(ctx, r, v, spans, measures)
		} else {
			err = m.readLines(ctx, r, v, spans, measures)
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// byTrack reports whether the SLO needs to know instants, and not only sums.
func (m *members) byTrack() bool { return m.slo.Group == sli.GroupAll || m.slo.Combine.Quorum != nil }

func (m *members) readTracks(ctx context.Context, r *reading, v *view, spans []sli.Span, measures []sli.Measure) error {
	for _, x := range measures {
		var err error
		r.tracks[population{v.Series, x}] = sli.NewTrackOfRuns(m.runs(ctx, v, m.w.Cuts[0]-longestCell(v.due), &err), spans, x)
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *members) readLines(ctx context.Context, r *reading, v *view, spans []sli.Span, measures []sli.Measure) error {
	for _, x := range measures {
		line, err := m.amounts(ctx, v, spans, x)
		if err != nil {
			return err
		}
		before := make([]sli.Amount, len(m.w.Cuts))
		for i := range line {
			before[i+1] = before[i].Plus(line[i])
		}
		r.before[population{v.Series, x}] = before
	}
	return nil
}

// line is what lies between cuts, each of which is one of those read.
func (r *reading) line(x population, cuts []int64) []sli.Amount {
	before, line := r.before[x], make([]sli.Amount, len(cuts)-1)
	last, _ := slices.BinarySearch(r.cuts, cuts[0])
	for i := range line {
		next, _ := slices.BinarySearch(r.cuts, cuts[i+1])
		line[i] = before[next].Minus(before[last])
		last = next
	}
	return line
}

// at are the members at the end of a step.
func (m *members) at(x *past) *members {
	k := *m
	k.w, k.views, k.regions = &x.SLOWindow, nil, []string{}
	for _, v := range m.views {
		if overlaps(v.due, x.begin, max(x.To, x.begin+1)) {
			k.views = append(k.views, v)
			if !slices.Contains(k.regions, v.Region) {
				k.regions = append(k.regions, v.Region)
			}
		}
	}
	slices.Sort(k.regions)
	return &k
}

// point reports on a past window from what was read with these corrections, and without any.
func (m *members) point(ctx context.Context, x *past, corrections []sli.Correction, read [2]*reading) (sli.SLOPoint, error) {
	m.read = read[0]
	b, err := m.blend(ctx)
	if err != nil {
		return sli.SLOPoint{}, err
	}
	var observed *sli.Blend
	if slices.ContainsFunc(m.views, func(v view) bool { return len(sli.CorrectionSpans(corrections, v.Series, x.From, x.To)) > 0 }) {
		m.read = read[1]
		if observed, err = m.blend(ctx); err != nil {
			return sli.SLOPoint{}, err
		}
	}
	p := sli.NewSLOPoint(m.slo, x.SLOWindow, x.step, b, observed)
	p.Checks, p.Regions = m.slo.Checks, m.regions
	return p, nil
}
