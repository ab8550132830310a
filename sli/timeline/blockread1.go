package timeline

import (
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// Version 1 of a block is a version byte and a zstd frame over columns:
//
//	probers   as in version 2
//	runs      as in version 2
//	states    as in version 2
//	sequence  count, then of each run of slots in one state: state, number of slots
//	latency   base (signed), threshold (signed), one byte that says whether there is a high plane,
//	          then of every slot that has a latency the low byte of index − base, then, if there, the high byte,
//	          then of every slot whose index is the threshold one bit, lowest first: it was under
//	gaps      as in version 2
func (r *blockReader) slots1() slots {
	r.readProbers()
	r.readRuns()
	r.readSequence1(r.readStates())
	r.readLatencies1()
	return slots{entries: r.entries, gaps: r.readGaps()}
}

// readSequence1 gives every slot its state, but for what depends on its latency.
func (r *blockReader) readSequence1(table []state) {
	r.flags = slices.Grow(r.flags, len(r.entries))
	for range r.number("sequence", int64(len(r.b))) {
		if len(table) == 0 {
			r.fail("sequence", "names a state, and there is none")
			return
		}
		i := r.number("sequence", int64(len(table)-1))
		n := r.number("sequence run", int64(len(r.entries)-len(r.flags)))
		if r.err != nil {
			return
		}
		if n > 0 {
			r.give(table[i], int(n))
		}
	}
	if len(r.flags) != len(r.entries) {
		r.fail("sequence", "got states of %d slots, want of %d", len(r.flags), len(r.entries))
	}
}

func (r *blockReader) readLatencies1() {
	base, threshold := r.signed("latency base"), r.signed("latency threshold")
	high := r.number("latency planes", 1)
	n := 0
	for _, f := range r.flags {
		if f&flagLatency != 0 {
			n++
		}
	}
	low := r.bytes("latencies", n)
	var top []byte
	if high == 1 {
		top = r.bytes("high latencies", n)
	}
	if r.err != nil {
		return
	}
	n = 0
	at := 0 // slots at the threshold
	for i, f := range r.flags {
		if f&flagLatency == 0 {
			continue
		}
		l := base + int64(low[n])
		if high == 1 {
			l += int64(top[n]) << 8
		}
		n++
		rec := &r.entries[i].rec
		rec.latency = probe.LatencyIndex(l)
		rec.under = (int64(rec.latency) < threshold) != (f&flagUnderFlipped != 0)
		if int64(rec.latency) == threshold {
			at++
		}
	}
	r.readBits(int32(threshold), at)
}
