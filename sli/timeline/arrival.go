package timeline

import (
	"maps"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// An arrival is a kind of what comes in.
type arrival struct {
	what    uint8 // see arrivalNames
	outcome probe.Outcome
	reason  probe.Reason
}

const (
	cameResult uint8 = iota
	cameOffPlan
	cameDisagreeing
)

var arrivalNames = [...]string{cameResult: sli.CountResults, cameOffPlan: sli.CountOffPlan, cameDisagreeing: sli.CountDisagreements}

// arrivals count what came in of a series since the store was opened: a list, since most series know one kind.
type arrivals struct {
	arrival
	n    int64
	next *arrivals
}

// arrived adds one of a kind. Under Store.mu.
func (t *timeline) arrived(a arrival) {
	at := &t.came
	for *at != nil && (*at).arrival != a {
		at = &(*at).next
	}
	if *at == nil {
		*at = &arrivals{arrival: a}
	}
	(*at).n++
}

// count counts a result, given the record that its slot had before. Under Store.mu.
func (t *timeline) count(e entry, was record) {
	t.arrived(arrival{cameResult, e.rec.outcome, e.rec.reason})
	if t.cellAt(e.at) == 0 {
		t.arrived(arrival{what: cameOffPlan})
	}
	both := was.outcome.Verdict() && e.rec.outcome.Verdict() && was.prober != e.rec.prober
	if both && was.outcome != e.rec.outcome {
		t.arrived(arrival{what: cameDisagreeing})
	}
}

// counted adds up what came in of a series.
func (t *timeline) counted(add func(c sli.Counter, n int64)) {
	for a := t.came; a != nil; a = a.next {
		c := sli.Counter{What: arrivalNames[a.what], Check: t.Check, Region: t.Region}
		if a.what == cameResult {
			c.Outcome, c.Reason = a.outcome.String(), a.reason.String()
		}
		add(c, a.n)
	}
}

// Counters returns what came in since the store was opened, in no particular order. Of a shared database every Store
// counts what it took in itself.
func (s *Store) Counters() []sli.Counter {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sums := maps.Clone(s.counters)
	for t := range s.timelines.all() {
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
	s.timelines.remove(t)
	t.id, t.next = gone, nil
}

// An order finds the timelines of a message's results, one after the other. A prober sends its checks in the same order
// again and again, so the one that followed another last time mostly follows it again, which spares looking it up.
type order struct {
	s      *Store
	region string
	last   *timeline
}

// next returns the timeline of the next result. Under writing and mu.
func (o *order) next(check string) *timeline {
	var t *timeline
	if o.last != nil {
		t = o.last.next
	}
	if t == nil || t.id == gone || t.Check != check {
		t = o.s.timelineOf(sli.Series{Check: check, Region: o.region})
		if o.last != nil {
			o.last.next = t
		}
	}
	o.last = t
	return t
}
