package timeline

import (
	"context"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A stand is the newest verdict of a series, as it came in: what is late does not change it. It is in memory only, and
// begins anew with the process.
type stand struct {
	at   int64 // Unix ms; 0: none has come in
	run  int32 // slots with a verdict that it has been the same for
	good bool
}

func (s *stand) see(e entry) {
	if !e.rec.outcome.Verdict() || e.at <= s.at {
		return
	}
	good := e.rec.outcome == probe.Up || e.rec.outcome == probe.ExpectedUnreachable
	if good != s.good {
		s.run = 0
	}
	s.at, s.good, s.run = e.at, good, min(s.run+1, 1<<30)
}

// staleIntervals is for how many intervals a verdict stands for how things are.
const staleIntervals = 3

// Outlook tells what the newest verdicts of all checks that are followed say together.
func (s *Store) Outlook(context.Context) (sli.Outlook, error) {
	now := s.o.Now().UnixMilli()
	var stands []sli.Stand
	s.mu.RLock()
	for t := range s.timelines.all() {
		if n := t.newest; n.run > 0 && now-n.at <= t.fresh(now) {
			stands = append(stands, sli.Stand{Series: t.Series, Good: n.good, Run: int(n.run)})
		}
	}
	s.mu.RUnlock()
	return sli.NewOutlook(stands), nil
}

// fresh is for how long in ms a verdict of the grid in force is; 0 if none is.
func (t *timeline) fresh(now int64) int64 {
	cell := int64(0)
	for _, seg := range t.due() {
		if seg.From <= now && now < seg.To {
			cell = seg.Interval
		}
	}
	if cell == 0 {
		return 0
	}
	return staleIntervals*cell + budget(t.epochs(), now)
}

// NewestVerdict is the instant of the newest slot of any check that came in with a verdict; zero if none has since the
// start.
func (s *Store) NewestVerdict() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	newest := int64(0)
	for t := range s.timelines.all() {
		newest = max(newest, t.newest.at)
	}
	if newest == 0 {
		return time.Time{}
	}
	return time.UnixMilli(newest).UTC()
}
