package timeline

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// reportedAtOnce is of how many checks the timelines are read before the first of them is handed over.
const reportedAtOnce = 64

// EachReport gives what Reports does, check by check, from a check on; the empty one is the first. It holds the reports of some
// dozens of checks at a time, however many there are, and neither a lock nor a connection while they are taken. An error is the
// last thing it gives.
func (s *Store) EachReport(ctx context.Context, q sli.Query, from string) iter.Seq2[[]sli.Report, error] {
	return func(yield func([]sli.Report, error) bool) {
		if err := s.eachReport(ctx, q, from, func(rs []sli.Report) bool { return yield(rs, nil) }); err != nil {
			yield(nil, fmt.Errorf("report: %w", err))
		}
	}
}

func (s *Store) eachReport(ctx context.Context, q sli.Query, from string, yield func([]sli.Report) bool) error {
	c, err := s.reporting(ctx, q)
	if err != nil {
		return err
	}
	for checks := range slices.Chunk(s.checksDue(q, c.w, from), reportedAtOnce) {
		rs, err := c.reports(ctx, checks)
		if err != nil {
			return err
		}
		for _, ts := range checks {
			n := len(ts) + 1
			if !yield(rs[:n:n]) {
				return nil
			}
			rs = rs[n:]
		}
	}
	return nil
}

// checksDue returns the timelines that the query asks for, by check from one on and by region.
func (s *Store) checksDue(q sli.Query, w sli.Window, from string) [][]*timeline {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var checks [][]*timeline
	for _, t := range s.chosen(q, w) {
		n := len(checks)
		switch {
		case t.Check < from:
		case n > 0 && checks[n-1][0].Check == t.Check:
			checks[n-1] = append(checks[n-1], t)
		default:
			checks = append(checks, []*timeline{t})
		}
	}
	return checks
}

// viewAll takes views of the timelines of checks.
func (s *Store) viewAll(cs []counted, checks [][]*timeline, w sli.Window) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, ts := range checks {
		for i, t := range ts {
			cs[i].view = s.view(t, w.From, w.To)
		}
		cs = cs[len(ts):]
	}
}
