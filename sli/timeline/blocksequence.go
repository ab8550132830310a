package timeline

import (
	"encoding/binary"
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// The flags of a state.
const (
	flagUnderFlipped = 1 << iota // under differs from what the threshold predicts
	flagUnvouched
	flagLatency
	flagsKnown = flagUnderFlipped | flagUnvouched | flagLatency
)

// A state is all of a record that is not its latency, in one number, which is quick to compare.
type state uint64

func stateOf(r *record, threshold int32) state {
	flags := state(0)
	l := int32(r.latency)
	predicted := false
	if r.latency != probe.NoLatency {
		flags |= flagLatency
		predicted = l < threshold || l == threshold && r.under
	}
	if r.under != predicted {
		flags |= flagUnderFlipped
	}
	if r.unvouched {
		flags |= flagUnvouched
	}
	return state(r.outcome) | state(r.reason)<<8 | flags<<16 | state(r.attempts)<<24 | state(r.prober)<<32
}

func (s state) outcome() probe.Outcome { return probe.Outcome(s) }
func (s state) reason() probe.Reason   { return probe.Reason(s >> 8) }
func (s state) flags() byte            { return byte(s >> 16) }
func (s state) attempts() byte         { return byte(s >> 24) }
func (s state) prober() proberID       { return proberID(s >> 32) }

// sequenceOf returns all states in the order in which they come first, and the number of runs of slots in one state. It
// leaves the names of the states of all runs but the first one in c.first, and the lengths of all but the last one, less 1,
// in c.second.
func (c *codec) sequenceOf(entries []entry, threshold int32) (table []state, runs int) {
	c.runs = c.runs[:0]
	index := map[state]uint32{}
	last := state(0)
	for i := range entries {
		s := stateOf(&entries[i].rec, threshold)
		if i > 0 && s == last {
			continue
		}
		last = s
		at, ok := index[s]
		if !ok {
			at = uint32(len(table))
			index[s] = at
			table = append(table, s)
		}
		c.runs = append(c.runs, stateRun{i, at})
	}
	between := max(len(c.runs), 1) - 1
	c.first.reset(between)
	c.second.reset(between)
	recent := newRecency(len(table))
	for i := range between {
		c.first.set(i, recent.name(c.runs[i+1].state))
		c.second.set(i, uint32(c.runs[i+1].first-c.runs[i].first-1))
	}
	return table, len(c.runs)
}

// A stateRun is slots in one state, up to the next run.
type stateRun struct {
	first int    // position of the first one
	state uint32 // its number
}

func appendStates(b []byte, table []state, number map[proberID]uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(table)))
	for _, s := range table {
		b = append(b, byte(s.outcome()), byte(s.reason()), s.flags(), s.attempts())
		b = binary.AppendUvarint(b, number[s.prober()])
	}
	return b
}

func (r *blockReader) readStates() []state {
	n := r.number("states", int64(len(r.b)/5))
	table := make([]state, 0, n)
	for range n {
		p := r.bytes("state", 4)
		if r.err != nil {
			return nil
		}
		s := state(p[0]) | state(p[1])<<8 | state(p[2])<<16 | state(p[3])<<24
		switch {
		case !s.outcome().Valid():
			r.fail("state", "got %v", s.outcome())
		case s.flags()&^flagsKnown != 0:
			r.fail("state", "got flags %#x, want only %#x", s.flags(), flagsKnown)
		}
		table = append(table, s|state(r.prober("state"))<<32)
	}
	return table
}

// readSequence gives every slot its state, but for what depends on its latency.
func (r *blockReader) readSequence(table []state) {
	runs := int(r.number("sequence", int64(len(r.entries))))
	if (runs == 0) != (len(r.entries) == 0) || runs > 0 && len(table) == 0 {
		r.fail("sequence", "got %d runs of %d states, want some of each for %d slots", runs, len(table), len(r.entries))
	}
	if r.err != nil || runs == 0 {
		return
	}
	c := r.codec
	names := r.column("sequence", runs-1, c.first.all)
	lengths := r.column("sequence runs", runs-1, c.second.all)
	c.first.all, c.second.all = names, lengths
	if r.err != nil {
		return
	}
	recent := newRecency(len(table))
	thing := uint32(0)
	for i, n := range lengths {
		r.give(table[thing], int(n)+1)
		var ok bool
		if thing, ok = recent.thing(names[i]); !ok || int64(thing) >= int64(len(table)) {
			r.fail("sequence", "got name %d, want one of a state", names[i])
		}
		if r.err != nil {
			return
		}
	}
	r.give(table[thing], len(r.entries)-len(r.flags))
}

// give gives the next slots their state.
func (r *blockReader) give(s state, n int) {
	from := len(r.flags)
	if n < 1 || n > len(r.entries)-from {
		r.fail("sequence", "got a run of %d slots, want 1 to %d", n, len(r.entries)-from)
		return
	}
	rec := record{
		outcome: s.outcome(), reason: s.reason(), latency: probe.NoLatency, attempts: s.attempts(),
		unvouched: s.flags()&flagUnvouched != 0, under: s.flags()&(flagUnderFlipped|flagLatency) == flagUnderFlipped, prober: s.prober(),
	}
	r.flags = slices.Grow(r.flags, n)[:from+n]
	for i := from; i < from+n; i++ {
		r.entries[i].rec = rec
		r.flags[i] = s.flags()
	}
}

// A recency names numbered things, most of which come again soon, by small numbers. A thing is named by how many others
// came after it was last there, and one less, since no thing comes twice in a row; what is not among the last
// recentThings is named by its number + recentThings. At first the things with the lowest numbers are there, 0 before 1.
// So where two take turns, every name is 0.
type recency struct {
	last [recentThings]uint32 // the newest first
	n    int
}

// recentThings bounds the time that a name takes.
const recentThings = 64

func newRecency(things int) *recency {
	r := &recency{n: min(things, recentThings)}
	for i := range r.n {
		r.last[i] = uint32(i)
	}
	return r
}

// name returns the name of a thing that is not the last one.
func (r *recency) name(thing uint32) uint32 {
	for i := 1; i < r.n; i++ {
		if r.last[i] == thing {
			r.front(i, thing)
			return uint32(i - 1)
		}
	}
	r.front(r.n-1, thing)
	return recentThings + thing
}

// thing returns what has a name, which may be a number of no thing.
func (r *recency) thing(name uint32) (thing uint32, ok bool) {
	switch {
	case name >= recentThings:
		thing = name - recentThings
		r.front(r.n-1, thing)
	case int(name)+1 < r.n:
		thing = r.last[name+1]
		r.front(int(name)+1, thing)
	default:
		return 0, false
	}
	return thing, true
}

// front puts a thing before the i first ones, in place of the one after them.
func (r *recency) front(i int, thing uint32) {
	copy(r.last[1:i+1], r.last[:i])
	r.last[0] = thing
}
