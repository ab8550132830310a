package timeline

import (
	"context"
	"database/sql"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// Phases returns one report per check and region that has epochs in the window, in whole hours around it.
func (s *Store) Phases(ctx context.Context, q sli.Query) ([]sli.PhaseReport, error) {
	w, err := s.window(q)
	if err != nil {
		return nil, fmt.Errorf("report on phases: %w", err)
	}
	w = w.Hours()
	all := s.phaseViews(q, w)
	reports := make([]sli.PhaseReport, len(all))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, v := range all {
		g.Go(func() (err error) {
			reports[i], err = s.phaseReport(ctx, v, w)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("report on phases: %w", err)
	}
	return reports, nil
}

// A phaseView is what is in memory of the phases of a series; its own copy.
type phaseView struct {
	sli.Series
	id    int64
	looks map[int64][]look // by day
}

// phaseViews copies the looks of the series that the query asks for.
func (s *Store) phaseViews(q sli.Query, w sli.Window) []phaseView {
	var all []phaseView
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.chosen(q, w) {
		all = append(all, phaseView{Series: t.Series, id: t.id, looks: looksByDay(t.rest().looks)})
	}
	return all
}

func (s *Store) phaseReport(ctx context.Context, v phaseView, w sli.Window) (sli.PhaseReport, error) {
	var c *codec
	select {
	case c = <-s.codecs:
		defer func() { s.codecs <- c }()
	case <-ctx.Done():
		return sli.PhaseReport{}, ctx.Err()
	}
	hs := make([]sli.Histogram, probe.NumPhases)
	err := s.db.each(ctx, s.db.read, "phases", []any{v.id, dayOf(w.From), dayOf(w.To - 1)}, func(scan func(...any) error) error {
		var day int64
		var data sql.RawBytes
		if err := scan(&day, &data); err != nil {
			return err
		}
		d, err := c.decodePhases(day, data)
		if err != nil {
			return fmt.Errorf("day %d: %w", day, err)
		}
		d.take(v.looks[day])
		delete(v.looks, day)
		d.addTo(hs, day, w)
		return nil
	})
	if err != nil {
		return sli.PhaseReport{}, fmt.Errorf("read %s in %s: %w", v.Check, v.Region, err)
	}
	for day := range v.looks {
		var d phases
		d.take(v.looks[day])
		d.addTo(hs, day, w)
	}
	return sli.NewPhaseReport(w, v.Series, phaseNames(), hs), nil
}

// addTo adds the hours of a window to the histograms, by phase. A phase of a newer version is left out.
func (d *phases) addTo(hs []sli.Histogram, day int64, w sli.Window) {
	for _, b := range d.bins {
		at := day*dayMillis + int64(b.hour)*hourMillis
		if at >= w.From && at < w.To && int(b.phase) < len(hs) {
			hs[b.phase].Add(sli.Index(b.index), int64(b.slots))
		}
	}
}

func phaseNames() []string {
	var names []string
	for p := range probe.NumPhases {
		names = append(names, p.String())
	}
	return names
}
