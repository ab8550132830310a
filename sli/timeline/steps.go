package timeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/sli"
)

// maxFigures is how many reports one answer may have.
const maxFigures = 50_000

// Steps returns, for each step of the window, what Reports returns for that step alone at the same as_of; by check, region and time, those
// over the regions of a check after those of its regions. The timelines are read once, however many steps there are. The error
// wraps sli.ErrTooMany if that would be more than one answer has room for.
func (s *Store) Steps(ctx context.Context, q sli.Query, p sli.Period) ([]sli.Report, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("report by steps: %w", err)
	}
	w, err := s.window(q)
	if err != nil {
		return nil, fmt.Errorf("report by steps: %w", err)
	}
	cuts, err := p.Cuts(w.From, w.To)
	if err != nil {
		return nil, fmt.Errorf("report by steps: %w", err)
	}
	corrections, err := s.corrections(ctx, w.From, w.To)
	if err != nil {
		return nil, fmt.Errorf("report by steps: %w", err)
	}
	checks := byCheck(s.counted(q, w))
	if n := roomFor(checks, len(cuts)-1); n > maxFigures {
		return nil, fmt.Errorf("report by steps: %w figures: %d reports, want at most %d: name checks, or take longer steps or a shorter window", sli.ErrTooMany, n, maxFigures)
	}
	found := make([][]sli.Report, len(checks))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, cs := range checks {
		g.Go(func() (err error) {
			found[i], err = s.steps1(ctx, stepping{w, cuts}, cs, corrections)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("report by steps: %w", err)
	}
	return slices.Concat(found...), nil
}

// byCheck cuts series, which are in order, into those of one check.
func byCheck(all []counted) [][]counted {
	var checks [][]counted
	for i := 0; i < len(all); {
		k := i
		for k < len(all) && all[k].Check == all[i].Check {
			k++
		}
		checks = append(checks, all[i:k])
		i = k
	}
	return checks
}

// roomFor is how many reports there will be at most.
func roomFor(checks [][]counted, steps int) int {
	n := 0
	for _, cs := range checks {
		n += (len(cs) + 1) * steps
	}
	return n
}

// A stepping is a window and the cuts between its steps.
type stepping struct {
	sli.Window
	cuts []int64
}

// step is the window of the i-th step: only the last one can have been asked for beyond as_of.
func (x *stepping) step(i int) sli.Window {
	w := sli.Window{From: x.cuts[i], To: x.cuts[i+1], AsOf: x.AsOf, Settled: true}
	if i == len(x.cuts)-2 {
		w.Settled = x.Settled
	}
	return w
}

// steps1 reports on the regions of one check.
func (s *Store) steps1(ctx context.Context, x stepping, cs []counted, corrections []sli.Correction) ([]sli.Report, error) {
	n := len(x.cuts) - 1
	if n == 0 {
		return nil, nil
	}
	tallies, observed := make([][]sli.Tally, len(cs)), make([][]*sli.Tally, len(cs))
	for i := range cs {
		corrected := sli.CorrectionSpans(corrections, cs[i].Series, x.From, x.To)
		aside, err := s.aside(ctx, &cs[i].view, x.From, x.To)
		if err != nil {
			return nil, err
		}
		if tallies[i], err = s.tallies(ctx, cs[i].view, x.cuts, slices.Concat(aside, corrected)); err != nil {
			return nil, err
		}
		if observed[i], err = s.observed(ctx, cs[i].view, x.cuts, aside, corrected); err != nil {
			return nil, err
		}
	}
	weights := s.weightsNow()
	var reports []sli.Report
	for k := range n {
		w := x.step(k)
		var due []counted
		for i := range cs {
			if overlaps(cs[i].due, w.From, w.To) {
				due = append(due, counted{view: cs[i].view, tally: tallies[i][k], observed: observed[i][k]})
			}
		}
		if len(due) > 0 {
			reports = appendReports(reports, w, due, weights)
		}
	}
	slices.SortStableFunc(reports, pooledLast)
	return reports, nil
}

// pooledLast puts reports of a region before those over several.
func pooledLast(a, b sli.Report) int {
	switch {
	case a.Region == nil && b.Region == nil:
		return 0
	case a.Region == nil:
		return 1
	case b.Region == nil:
		return -1
	}
	return strings.Compare(*a.Region, *b.Region)
}

// observed counts without corrections the steps that one touches; others stay nil.
func (s *Store) observed(ctx context.Context, v view, cuts []int64, maintenance, corrected []sli.Span) ([]*sli.Tally, error) {
	out := make([]*sli.Tally, len(cuts)-1)
	first, end := len(out), 0
	for i := range out {
		if slices.ContainsFunc(corrected, func(x sli.Span) bool { return x.From < cuts[i+1] && x.To > cuts[i] }) {
			out[i] = &sli.Tally{}
			first, end = min(first, i), i+1
		}
	}
	if first >= end {
		return out, nil
	}
	ts, err := s.tallies(ctx, v, cuts[first:end+1], maintenance)
	for i := first; i < end; i++ {
		if out[i] != nil {
			out[i] = &ts[i-first]
		}
	}
	return out, err
}

// tallies counts the due slots of each step, the i-th from cuts[i] to cuts[i+1], in one pass: whole days that lie in one step from their
// summaries where it can be, the rest slot by slot.
func (s *Store) tallies(ctx context.Context, v view, cuts []int64, spans []sli.Span) ([]sli.Tally, error) {
	ts := make([]sli.Tally, len(cuts)-1)
	w := sli.Window{From: cuts[0], To: cuts[len(ts)]}
	days, err := s.summaries(ctx, v, w, func(day int64) *sli.Tally {
		i := sli.StepOf(cuts, day*dayMillis)
		if cuts[i+1] < (day+1)*dayMillis || !v.still(day) || touched(spans, day) {
			return nil
		}
		return &ts[i]
	})
	if err != nil {
		return ts, err
	}
	steps := sli.NewSteps(ts, cuts, spans)
	add := func(slot *sli.Slot) bool { steps.Add(slot); return true }
	from := w.From
	for _, day := range append(days, dayOf(w.To)+1) {
		if to := min(day*dayMillis, w.To); from < to {
			if err := s.walk(ctx, v, from, to, add); err != nil {
				return ts, err
			}
		}
		from = (day + 1) * dayMillis
	}
	return ts, nil
}
