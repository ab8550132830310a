package timeline

import (
	"context"
	"fmt"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// Counts counts the slots of one timeline step by step, in one pass over them. Of the query the window matters, which is that
// of Reports; checks and regions do not. Of a timeline that there is not, nothing was due. A step is at least 1 ms long, and
// takes some 100 bytes: whoever asks bounds how many there are.
func (s *Store) Counts(ctx context.Context, x sli.Series, q sli.Query, step time.Duration) (sli.Counts, error) {
	w, err := s.window(q)
	if err != nil {
		return sli.Counts{}, fmt.Errorf("count by steps: %w", err)
	}
	spans, err := s.Spans(ctx, x, w.From, w.To)
	if err != nil {
		return sli.Counts{}, fmt.Errorf("count by steps: %w", err)
	}
	c := sli.NewCounts(x, w, step)
	runs := s.runs(ctx, s.viewOf(x, w), w.From, w.To, &err)
	c.Steps = sli.CountSteps(runs, spans, w, step.Milliseconds())
	if err != nil {
		return sli.Counts{}, fmt.Errorf("count by steps: %w", err)
	}
	return c, nil
}

// viewOf takes a view of a timeline; an empty one if there is none.
func (s *Store) viewOf(x sli.Series, w sli.Window) view {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.timelines.of(x); t != nil {
		return s.view(t, w.From, w.To)
	}
	return view{Series: x}
}
