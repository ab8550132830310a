package timeline

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// prove tells of incidents of a check which slots of a region there is evidence of. What is kept of a series is little, and is read
// once for all of them.
func (s *Store) prove(ctx context.Context, xs []sli.Incident, of sli.Series) error {
	seen := seenBy(xs, of.Region)
	if len(seen) == 0 {
		return nil
	}
	first, last := seen[0].First.UnixMilli(), int64(0)
	for _, r := range seen {
		first, last = min(first, r.First.UnixMilli()), max(last, r.Last.UnixMilli())
	}
	err := s.db.each(ctx, s.db.read, "evidence between", []any{of.Check, of.Region, first, last}, func(scan func(...any) error) error {
		var slot int64
		var body []byte
		if err := scan(&slot, &body); err != nil {
			return err
		}
		var e probe.Evidence
		if err := json.Unmarshal(body, &e); err != nil {
			return err
		}
		if e.Outcome == probe.Up.String() || e.Outcome == probe.ExpectedUnreachable.String() {
			return nil // as when it was over for a moment
		}
		for _, r := range seen {
			note(r, slot, &e)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read evidence of %s in %s: %w", of.Check, of.Region, err)
	}
	return nil
}

// seenBy are the parts of incidents that a region saw.
func seenBy(xs []sli.Incident, region string) []*sli.IncidentRegion {
	var seen []*sli.IncidentRegion
	for i := range xs {
		rs := xs[i].Regions
		k, found := slices.BinarySearchFunc(rs, region, func(r sli.IncidentRegion, name string) int { return cmp.Compare(r.Region, name) })
		if found {
			seen = append(seen, &rs[k])
		}
	}
	return seen
}

// note adds a slot, in order of time, to what a region saw if it is within that.
func note(r *sli.IncidentRegion, slot int64, e *probe.Evidence) {
	n := len(r.Evidence)
	switch {
	case slot < r.First.UnixMilli() || slot > r.Last.UnixMilli():
		return
	case n > 0 && r.Evidence[n-1].UnixMilli() == slot:
		return // two probers looked
	case n == 0:
		r.Summary = e.Summary()
	}
	r.Evidence = append(r.Evidence, instantOf(slot))
}
