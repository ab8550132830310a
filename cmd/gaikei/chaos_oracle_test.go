//go:build chaos

package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// What the timelines must be is computed here once more, slowly, from what the probers wrote down, by the rules as they
// are documented and without the code that is to be tested.

// A claim is what one prober says of one slot.
type claim struct {
	prober string
	r      probe.Result // only what is stored of it
}

// A hole is a range of slots that a prober says it missed.
type hole struct {
	prober   string
	from, to int64
	reason   probe.Reason
	certain  bool
}

// A heard is all that the probers of a region said of a check. What they may have said is possible: of these puts nobody
// knows whether they are stored.
type heard struct {
	check, region     string
	epochs            []sli.Epoch // those that were promised
	certain, possible map[int64][]claim
	holes             []hole
}

// hearAll sorts what is in the journals by check and region.
func hearAll(puts []*put) map[sli.Series]*heard {
	all := map[sli.Series]*heard{}
	of := func(check, region string) *heard {
		x := sli.Series{Check: check, Region: region}
		if all[x] == nil {
			all[x] = &heard{check: check, region: region, certain: map[int64][]claim{}, possible: map[int64][]claim{}}
		}
		return all[x]
	}
	for _, p := range puts {
		for _, e := range p.batch.Epochs {
			if h := of(e.Check, p.region); p.stored {
				h.epochs = append(h.epochs, sli.Epoch{Prober: p.prober, From: e.From, Interval: e.Grid.Interval, Offset: e.Grid.Offset})
			}
		}
		for _, r := range p.batch.Results {
			h := of(r.Check, p.region)
			into := h.possible
			if p.stored {
				into = h.certain
			}
			into[r.Slot] = append(into[r.Slot], claim{p.prober, r})
		}
		for _, m := range p.batch.Missed {
			h := of(m.Check, p.region)
			h.holes = append(h.holes, hole{p.prober, m.From, m.To, m.Reason, p.stored})
		}
	}
	for _, h := range all {
		slices.SortFunc(h.epochs, compareEpochs)
		h.epochs = slices.Compact(h.epochs)
	}
	return all
}

// compareEpochs orders by start; of those with the same, a grid comes after an end, and the coarser after the finer.
func compareEpochs(a, b sli.Epoch) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Interval, b.Interval), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Prober, b.Prober))
}

// inForce is the grid at an instant: of what each prober follows then, the one that it began last. Only is the prober to
// go by; empty: all.
func (h *heard) inForce(at int64, only string) (now sli.Epoch, some bool) {
	follows := map[string]sli.Epoch{}
	for _, e := range h.epochs { // in order, so that the last one stays
		if e.From <= at && (only == "" || e.Prober == only) {
			follows[e.Prober] = e
		}
	}
	for _, e := range follows {
		if e.Interval > 0 && (!some || compareEpochs(e, now) > 0) {
			now, some = e, true
		}
	}
	return now, some
}

func isOn(e sli.Epoch, at int64) bool { return e.Interval > 0 && at%e.Interval == e.Offset }

// due are the slots in [from, to), by the grids of all probers or only one, with their cells in ms.
func (h *heard) due(from, to int64, only string) map[int64]int64 {
	cells := map[int64]int64{}
	for _, e := range h.epochs {
		if e.Interval == 0 || only != "" && e.Prober != only {
			continue
		}
		begin := max(from, e.From)
		for at := begin + ((e.Offset-begin)%e.Interval+e.Interval)%e.Interval; at < to; at += e.Interval {
			if now, some := h.inForce(at, only); some && now.Interval == e.Interval && now.Offset == e.Offset {
				cells[at] = h.cell(at, now, only)
			}
		}
	}
	return cells
}

// cell is the time until the next slot of the grid in force, or until another grid, or none, is.
func (h *heard) cell(at int64, now sli.Epoch, only string) int64 {
	for _, e := range h.epochs {
		if e.From <= at || e.From-at >= now.Interval || only != "" && e.Prober != only {
			continue
		}
		then, some := h.inForce(e.From, only)
		if !some || then.Interval != now.Interval || then.Offset != now.Offset {
			return e.From - at
		}
	}
	return now.Interval
}

// claims are what is said of a slot, for certain and perhaps. A hole says something of the slots of the prober's own grid.
func (h *heard) claims(at int64) (certain, possible []claim) {
	certain, possible = slices.Clone(h.certain[at]), slices.Clone(h.possible[at])
	for _, g := range h.holes {
		if own, some := h.inForce(at, g.prober); at < g.from || at >= g.to || !some || !isOn(own, at) {
			continue
		}
		c := claim{g.prober, probe.Result{Outcome: probe.Missed, Reason: g.reason, Latency: probe.NoLatency}}
		if g.certain {
			certain = append(certain, c)
		} else {
			possible = append(possible, c)
		}
	}
	return certain, possible
}

// rank says how much an outcome says: a verdict 2, a doubt 1, a hole 0.
func rank(o probe.Outcome) int {
	switch o {
	case probe.Up, probe.Down, probe.ExpectedUnreachable, probe.Unexpected:
		return 2
	case probe.Inconclusive:
		return 1
	}
	return 0
}

// coin is tossed between two probers with as much to say.
func (h *heard) coin(at int64, prober string) uint16 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s", h.check, h.region, at, prober))
	return binary.BigEndian.Uint16(sum[:2])
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// beats compares two claims of a slot.
func (h *heard) beats(at int64, a, b claim) bool {
	return cmp.Or(
		cmp.Compare(rank(a.r.Outcome), rank(b.r.Outcome)),
		cmp.Compare(h.coin(at, a.prober), h.coin(at, b.prober)),
		cmp.Compare(a.r.Outcome, b.r.Outcome),
		cmp.Compare(a.r.Reason, b.r.Reason),
		cmp.Compare(a.r.Latency, b.r.Latency),
		cmp.Compare(bit(a.r.Under), bit(b.r.Under)),
		cmp.Compare(min(a.r.Attempts, 255), min(b.r.Attempts, 255)),
		cmp.Compare(a.prober, b.prober),
		cmp.Compare(bit(a.r.Unvouched), bit(b.r.Unvouched)),
	) > 0
}

// may are the slots that a timeline may have at an instant: the greatest of what was promised or, of what may be stored
// beside, anything greater.
func (h *heard) may(at, cell int64) []sli.Slot {
	certain, possible := h.claims(at)
	all := []sli.Slot{{At: at, Cell: cell, Latency: sli.NoLatency}} // no data
	var best *claim
	for i := range certain {
		if best == nil || h.beats(at, certain[i], *best) {
			best = &certain[i]
		}
	}
	if best != nil {
		all[0] = slotSaid(at, cell, best.r)
	}
	for _, c := range possible {
		if best == nil || h.beats(at, c, *best) {
			all = append(all, slotSaid(at, cell, c.r))
		}
	}
	return all
}

// slotSaid is a claim as it is to be read.
func slotSaid(at, cell int64, r probe.Result) sli.Slot {
	s := sli.Slot{
		At: at, Cell: cell, Outcome: sli.Outcome(r.Outcome), Reason: r.Reason.String(), Latency: sli.NoLatency, Under: r.Under, Unvouched: r.Unvouched,
		Attempts: min(r.Attempts, 255),
	}
	if r.Latency != probe.NoLatency {
		s.Latency = sli.Index(r.Latency)
	}
	return s
}

// A sum is what a report must say, added up slot by slot.
type sum struct {
	counts               map[sli.Outcome]int64
	reasons              map[string]int64
	due, good, bad, none int64 // ms
	under                int64 // ms of up slots below the threshold
	slots                int64
}

func (s *sum) add(x sli.Slot) {
	if s.counts == nil {
		s.counts, s.reasons = map[sli.Outcome]int64{}, map[string]int64{}
	}
	s.slots++
	s.counts[x.Outcome]++
	if x.Reason != "" {
		s.reasons[x.Reason]++
	}
	s.due += x.Cell
	switch x.Outcome {
	case sli.Up, sli.ExpectedUnreachable:
		s.good += x.Cell
	case sli.Down, sli.Unexpected:
		s.bad += x.Cell
	default:
		s.none += x.Cell
	}
	if x.Under && x.Outcome == sli.Up {
		s.under += x.Cell
	}
}

// A plague of reports is held against sums; seconds are compared to the millisecond.
func (s *sum) differs(r *sli.Report) string {
	ms := func(seconds float64) int64 { return int64(seconds*1000 + 0.5) }
	ratio := func(part, of int64) *float64 {
		if of == 0 {
			return nil
		}
		x := float64(part) / float64(of)
		return &x
	}
	same := func(a, b *float64) bool {
		if a == nil || b == nil {
			return a == b
		}
		return *a-*b < 1e-9 && *b-*a < 1e-9
	}
	c := s.counts
	switch {
	case r.Slots.Scheduled != s.slots, r.Slots.Good != c[sli.Up]+c[sli.ExpectedUnreachable], r.Slots.Bad != c[sli.Down]+c[sli.Unexpected],
		r.Slots.Inconclusive != c[sli.Inconclusive], r.Slots.Missed != c[sli.Missed], r.Slots.NoData != c[sli.NoData], r.Slots.Excluded != 0:
		return fmt.Sprintf("slots %+v, want %d of which %v", r.Slots, s.slots, c)
	case r.Slots.Scheduled != r.Slots.Good+r.Slots.Bad+r.Slots.Inconclusive+r.Slots.Missed+r.Slots.NoData+r.Slots.Excluded:
		return fmt.Sprintf("slots %+v, which do not add up", r.Slots)
	case ms(r.Seconds.Due) != s.due, ms(r.Seconds.Good) != s.good, ms(r.Seconds.Bad) != s.bad, ms(r.Seconds.Undecided) != s.none:
		return fmt.Sprintf("seconds %+v, want due %d ms, good %d, bad %d, undecided %d", r.Seconds, s.due, s.good, s.bad, s.none)
	case !same(r.Availability.Ratio, ratio(s.good, s.good+s.bad)):
		return fmt.Sprintf("availability %v, want %d ÷ %d", sli.FormatRatio(r.Availability.Ratio), s.good, s.good+s.bad)
	case !same(r.Coverage, ratio(s.good+s.bad, s.due)):
		return fmt.Sprintf("coverage %v, want %d ÷ %d", sli.FormatRatio(r.Coverage), s.good+s.bad, s.due)
	case r.Latency.UnderSeconds != nil && !same(r.Latency.Ratio, ratio(s.under, s.good+s.bad)):
		return fmt.Sprintf("fast share %v, want %d ÷ %d", sli.FormatRatio(r.Latency.Ratio), s.under, s.good+s.bad)
	}
	for reason, n := range s.reasons {
		if r.Reasons[reason] != n {
			return fmt.Sprintf("%d times %s, want %d", r.Reasons[reason], reason, n)
		}
	}
	return ""
}

func ago(ms int64) string { return time.UnixMilli(ms).UTC().Format("15:04:05.000") }
