package timeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// shownCounts are the rows of table counted as they were last shown.
type shownCounts struct {
	mu    sync.Mutex
	parts map[int64]*shownPart // guarded by mu
}

type shownPart struct {
	gen  int64
	upTo int64 // Unix ms
	part *sli.CountedPart
	slos []sli.SLOCount
}

// Totals returns what was counted for good, by whoever counts: what every process that shares the store shows. A counter that
// is new is 0 for Options.Scraped, in which what it counts is held back.
func (s *Store) Totals(ctx context.Context) (*sli.Totals, error) {
	s.shown.mu.Lock()
	defer s.shown.mu.Unlock()
	if err := s.refresh(ctx); err != nil {
		return nil, fmt.Errorf("read what was counted: %w", err)
	}
	all := &sli.Totals{}
	upTo := int64(maxInstant)
	for _, p := range slices.Sorted(maps.Keys(s.shown.parts)) {
		x := s.shown.parts[p]
		if p == sloPart {
			all.SLOs = x.slos
			continue
		}
		upTo = min(upTo, x.upTo)
		all.Parts = append(all.Parts, x.part)
	}
	if len(all.Parts) == foldParts {
		all.AsOf = time.UnixMilli(upTo).UTC()
	}
	return all, nil
}

// refresh reads the rows that changed.
func (s *Store) refresh(ctx context.Context) error {
	if s.shown.parts == nil {
		s.shown.parts = map[int64]*shownPart{}
	}
	var changed []int64
	err := s.db.each(ctx, s.db.read, "count generations", nil, func(scan func(...any) error) error {
		var p, gen int64
		err := scan(&p, &gen)
		if x := s.shown.parts[p]; x == nil || x.gen != gen {
			changed = append(changed, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range changed {
		var x shownPart
		var data []byte
		if err := s.db.read.QueryRowContext(ctx, s.db.queries["count"], p).Scan(&x.gen, &data); err != nil {
			return err
		}
		if err := x.decode(p, data, s.o.Scraped); err != nil {
			return fmt.Errorf("part %d: %w", p, err)
		}
		s.shown.parts[p] = &x
	}
	return nil
}

func (x *shownPart) decode(part int64, data []byte, scraped time.Duration) error {
	if part == sloPart {
		c, err := decodeSLOCount(data)
		if err == nil {
			x.slos = c.shown(newborn(c.written, scraped))
		}
		return err
	}
	c, err := decodeCount(data)
	if err == nil {
		x.upTo, x.part = c.upTo, c.shown(newborn(c.written, scraped))
	}
	return err
}

// newborn is the instant after which counters were made that are still shown as 0, so that who scrapes sees them so before they
// rise. It goes by when the row was written, so that all who show the row agree.
func newborn(written int64, scraped time.Duration) int64 { return written - scraped.Milliseconds() }

func (c *partCount) shown(newborn int64) *sli.CountedPart {
	p := &sli.CountedPart{}
	for _, name := range slices.Sorted(maps.Keys(c.regions)) {
		r := sli.RegionCount{Region: name}
		if x := c.regions[name]; x.born <= newborn {
			r.Due, r.Told = x.due, x.told
		}
		p.Regions = append(p.Regions, r)
	}
	for _, x := range slices.SortedFunc(maps.Keys(c.series), compareSeries) {
		p.Series = append(p.Series, c.series[x].shown(x, newborn))
	}
	return p
}

func (x *seriesCount) shown(of sli.Series, newborn int64) sli.SeriesCount {
	out := sli.SeriesCount{Series: of}
	out.Latency.Bounds = slices.Clone(x.bounds)
	for _, l := range x.late {
		shown := sli.LateCount{Was: l.was.String(), Verdict: l.is.String()}
		if l.born <= newborn {
			shown.Slots, shown.MS = l.slots, l.ms
		}
		out.Late = append(out.Late, shown)
	}
	if x.born <= newborn {
		out.Slots, out.MS, out.Latency.Bins = x.slots, x.ms, x.bins
	} else {
		for i := range out.Latency.Bounds {
			out.Latency.Bounds[i].More = 0
		}
	}
	return out
}

func (c *sloCount) shown(newborn int64) []sli.SLOCount {
	var all []sli.SLOCount
	for _, name := range slices.Sorted(maps.Keys(c.slos)) {
		x := sli.SLOCount{Name: name}
		if o := c.slos[name]; o.born <= newborn {
			x.Amount = o.ms.amount()
		}
		for _, l := range c.slos[name].late {
			shown := sli.LateTime{Was: l.was.String(), Verdict: l.is.String()}
			if l.born <= newborn {
				shown.MS = l.ms
			}
			x.Late = append(x.Late, shown)
		}
		all = append(all, x)
	}
	return all
}
