package timeline

import (
	"maps"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// arrivals counts what came in of a series since the store was opened. The zero value is ready for use.
type arrivals struct {
	results       map[arrival]int64
	offPlan       int64
	disagreements int64
}

type arrival struct {
	outcome probe.Outcome
	reason  probe.Reason
}

// count counts a result, given the record that its slot had before. Under Store.mu.
func (t *timeline) count(e entry, was record) {
	if t.came.results == nil {
		t.came.results = map[arrival]int64{}
	}
	t.came.results[arrival{e.rec.outcome, e.rec.reason}]++
	if sli.CellAt(t.due, e.at) == 0 {
		t.came.offPlan++
	}
	both := was.outcome.Verdict() && e.rec.outcome.Verdict() && was.prober != e.rec.prober
	if both && was.outcome != e.rec.outcome {
		t.came.disagreements++
	}
}

// counted adds up what came in of a series.
func (t *timeline) counted(add func(c sli.Counter, n int64)) {
	for a, n := range t.came.results {
		add(sli.Counter{
			What: sli.CountResults, Check: t.Check, Region: t.Region, Outcome: a.outcome.String(), Reason: a.reason.String(),
		}, n)
	}
	for what, n := range map[string]int64{sli.CountOffPlan: t.came.offPlan, sli.CountDisagreements: t.came.disagreements} {
		if n > 0 {
			add(sli.Counter{What: what, Check: t.Check, Region: t.Region}, n)
		}
	}
}

// Counters returns what came in since the store was opened, in no particular order. Of a shared database every Store
// counts what it took in itself.
func (s *Store) Counters() []sli.Counter {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sums := maps.Clone(s.counters)
	for _, t := range s.timelines {
		t.counted(func(c sli.Counter, n int64) { sums[c] += n })
	}
	cs := make([]sli.Counter, 0, len(sums))
	for c, n := range sums {
		c.N = n
		cs = append(cs, c)
	}
	return cs
}

// retire forgets a timeline, but not what was counted of it. Under writing and mu.
func (s *Store) retire(t *timeline) {
	t.counted(func(c sli.Counter, n int64) { s.counters[c] += n })
	delete(s.timelines, t.Series)
	clear(s.orders)
}

// A sender is whom messages are from.
type sender struct{ region, prober string }

// An order finds the timelines of a message's results. A prober sends its checks in the same order again and again, so
// the order of its last message mostly spares looking them up.
type order struct {
	s     *Store
	from  sender
	known []*timeline
}

// order returns the order of a sender. Under writing and mu, as long as it is used.
func (s *Store) order(in *incoming) *order {
	o := &order{s: s, from: sender{in.Region, in.Prober}}
	o.known = s.orders[o.from]
	if n := len(in.batch.Results); n > len(o.known) {
		o.known = append(o.known, make([]*timeline, n-len(o.known))...)
		s.orders[o.from] = o.known
	}
	return o
}

// at returns the timeline of the i-th result.
func (o *order) at(i int, check string) *timeline {
	if t := o.known[i]; t != nil && t.Check == check {
		return t
	}
	t := o.s.timelineOf(sli.Series{Check: check, Region: o.from.region})
	o.known[i] = t
	return t
}
