package timeline

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/gaikei/gaikei/sli"
)

// An index finds timelines. A map of all of them by check and region would take more than a timeline's other parts: this
// one keeps a list a check, and each name once. The zero value is ready for use; not for concurrent use.
type index struct {
	checks  map[string][]*timeline // by check, each in the order of regions
	regions map[string]string      // each to itself, so that all timelines share its text; never forgotten
	n       int
}

// of returns the timeline of a series, nil if there is none.
func (x *index) of(s sli.Series) *timeline {
	ts := x.checks[s.Check]
	if i, found := slices.BinarySearchFunc(ts, s.Region, byRegion); found {
		return ts[i]
	}
	return nil
}

// add adds a timeline of a series that has none, and returns it.
func (x *index) add(s sli.Series) *timeline {
	if x.checks == nil {
		x.checks, x.regions = map[string][]*timeline{}, map[string]string{}
	}
	ts := x.checks[s.Check]
	if len(ts) > 0 {
		s.Check = ts[0].Check
	} else {
		s.Check = strings.Clone(s.Check) // or it would keep all names of its message
	}
	region, ok := x.regions[s.Region]
	if !ok {
		region = strings.Clone(s.Region)
		x.regions[region] = region
	}
	s.Region = region
	t := &timeline{Series: s}
	i, _ := slices.BinarySearchFunc(ts, s.Region, byRegion)
	x.checks[s.Check] = slices.Insert(roomy(ts), i, t)
	x.n++
	return t
}

// roomy has room for one more, and not for as many again.
func roomy(ts []*timeline) []*timeline {
	if len(ts) < cap(ts) {
		return ts
	}
	return append(make([]*timeline, 0, len(ts)+1+len(ts)/8), ts...)
}

// remove forgets a timeline. A walk over all that is under way goes on with what there was.
func (x *index) remove(t *timeline) {
	ts := x.checks[t.Check]
	rest := make([]*timeline, 0, len(ts))
	for _, other := range ts {
		if other != t {
			rest = append(rest, other)
		}
	}
	x.n -= len(ts) - len(rest)
	if len(rest) == 0 {
		delete(x.checks, t.Check)
		return
	}
	x.checks[t.Check] = rest
}

// all yields every timeline, in no particular order.
func (x *index) all() iter.Seq[*timeline] {
	return func(yield func(*timeline) bool) {
		for _, ts := range x.checks {
			for _, t := range ts {
				if !yield(t) {
					return
				}
			}
		}
	}
}

func (x *index) len() int { return x.n }

func byRegion(t *timeline, region string) int { return cmp.Compare(t.Region, region) }
