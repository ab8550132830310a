package timeline

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// tailLimit is how many entries may wait for their fold whatever the number of series. A backlog of days is
// folded as it comes in rather than kept in memory.
const tailLimit = 100_000

// tailPerSeries is added to tailLimit for every series: ten minutes of it at 5 s.
const tailPerSeries = 120

// roomPatience is for how long at most a message waits until there is room: it may be that nobody folds at the moment,
// and who handed the message over does not wait for ever either.
const roomPatience = 10 * time.Second

// crowded reports whether the tails take so many times the memory that may wait for its turn.
func (s *Store) crowded(times int) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.unfolded > times*(tailLimit+tailPerSeries*s.timelines.len())
}

// relieve folds until tails are no longer crowded: of those that are not short the ones that wait longest, since what is
// folded of one series with few entries costs as much as with many. Under writing, as fold.
func (s *Store) relieve(ctx context.Context, times int) error {
	if !s.crowded(times) {
		return nil
	}
	for bundle := range slices.Chunk(s.longTails(), perBundle) {
		if err := s.foldBundle(ctx, bundle); err != nil {
			return err
		}
		if !s.crowded(times) {
			break
		}
		s.letIn()
	}
	return s.forgetFolded(ctx)
}

// longTails returns the series whose tails have at least half of the mean, which together have over half of all, those
// first that are to be folded first for the journal to become shorter. Under writing.
func (s *Store) longTails() []*timeline {
	n := 0
	for t := range s.timelines.all() {
		if t.dirty() {
			n++
		}
	}
	var ts []*timeline
	for t := range s.timelines.all() {
		if 2*n*t.tail.size() >= s.unfolded && t.dirty() {
			ts = append(ts, t)
		}
	}
	slices.SortFunc(ts, func(a, b *timeline) int {
		return cmp.Or(cmp.Compare(a.tail.since, b.tail.since), compareSeries(a.Series, b.Series))
	})
	// Of those that are folded about together the ones of a part side by side, since each bundle writes what is counted of its parts.
	for some := range slices.Chunk(ts, 20*perBundle) {
		slices.SortStableFunc(some, func(a, b *timeline) int { return cmp.Compare(partOf(a.Series), partOf(b.Series)) })
	}
	return ts
}

// awaitRoom waits a while for tails to be less crowded by the fold of a shared database, which only one process makes.
func (s *Store) awaitRoom(ctx context.Context, times int) error {
	if !s.crowded(times) {
		return nil
	}
	enough, tick := time.NewTimer(roomPatience), time.NewTicker(tailTick/10)
	defer enough.Stop()
	defer tick.Stop()
	for s.crowded(times) {
		select {
		case <-tick.C:
		case <-enough.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
