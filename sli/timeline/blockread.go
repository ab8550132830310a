package timeline

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// decode reads the block of a day. It never panics, allocates in proportion to what the block says it holds,
// at most maxEntries slots, and its errors say what is wrong with which part. The entries are valid until the codec
// decodes the next block.
func (c *codec) decode(day int64, block []byte) (slots, error) {
	if len(block) == 0 {
		return slots{}, fmt.Errorf("decode block: got no bytes, want a version")
	}
	if block[0] != blockVersion {
		return slots{}, fmt.Errorf("decode block: got version %d, want %d", block[0], blockVersion)
	}
	body, err := c.dec.DecodeAll(block[1:], c.body[:0])
	if err != nil {
		return slots{}, fmt.Errorf("decode block: decompress: %w", err)
	}
	c.body = body
	r := blockReader{b: body, start: day * dayMillis, probers: c.probers, entries: c.entries[:0], flags: c.flags[:0]}
	s := r.slots()
	c.entries, c.flags = r.entries[:0], r.flags[:0]
	if r.err == nil && len(r.b) > 0 {
		r.fail("end", "%d bytes are left over", len(r.b))
	}
	if r.err != nil {
		return slots{}, fmt.Errorf("decode block: %w", r.err)
	}
	return s, nil
}

// A blockReader takes columns off the front of b until something is wrong, and then keeps what it was.
type blockReader struct {
	b       []byte
	start   int64
	probers *probers
	table   []proberID
	entries []entry // to be filled
	flags   []byte  // of the states of entries, to be filled
	err     error
}

func (r *blockReader) fail(part, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", part, fmt.Errorf(format, args...))
	}
	r.b = nil
}

// number takes an unsigned varint of at most limit.
func (r *blockReader) number(part string, limit int64) int64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.fail(part, "the bytes end within a number, or it is too long")
		return 0
	case v > uint64(limit):
		r.fail(part, "got %d, want at most %d", v, limit)
		return 0
	}
	r.b = r.b[n:]
	return int64(v)
}

func (r *blockReader) signed(part string) int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 || v < -1<<20 || v > 1<<20 {
		r.fail(part, "got no number within ±%d", 1<<20)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *blockReader) bytes(part string, n int) []byte {
	if len(r.b) < n {
		r.fail(part, "got %d bytes, want %d", len(r.b), n)
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *blockReader) slots() slots {
	r.readProbers()
	var s slots
	r.readRuns()
	r.readSequence(r.readStates())
	r.readLatencies()
	s.entries = r.entries
	s.gaps = r.readGaps()
	return s
}

func (r *blockReader) readProbers() {
	n := r.number("probers", int64(len(r.b)))
	for range n {
		length := r.number("prober name", 1<<10)
		name := r.bytes("prober name", int(length))
		if r.err != nil {
			return
		}
		r.table = append(r.table, r.probers.id(string(name)))
	}
}

func (r *blockReader) prober(part string) proberID {
	if len(r.table) == 0 {
		r.fail(part, "names a prober, and there is none")
		return 0
	}
	i := r.number(part, int64(len(r.table)-1))
	if r.err != nil {
		return 0
	}
	return r.table[i]
}

// readRuns gives every slot its instant.
func (r *blockReader) readRuns() {
	end := int64(0)
	for i := range r.number("runs", int64(len(r.b))) {
		first := end + r.number("run start", dayMillis)
		step := r.number("run step", dayMillis)
		count := r.number("run length", maxEntries)
		switch {
		case r.err != nil:
		case count == 0, count > 1 && step == 0, i > 0 && first == end:
			r.fail("run", "start %d, step %d, length %d: its slots are not ascending", first, step, count)
		case first+step*(count-1) >= dayMillis:
			r.fail("run", "start %d, step %d, length %d: it ends after the day", first, step, count)
		case len(r.entries)+int(count) > maxEntries:
			r.fail("runs", "got over %d slots", maxEntries)
		}
		if r.err != nil {
			return
		}
		r.entries = slices.Grow(r.entries, int(count))
		for k := range count {
			r.entries = append(r.entries, entry{at: r.start + first + k*step})
		}
		end = first + step*(count-1)
	}
}

func (r *blockReader) readStates() []state {
	n := r.number("states", int64(len(r.b)/5))
	table := make([]state, 0, n)
	for range n {
		p := r.bytes("state", 4)
		if r.err != nil {
			return nil
		}
		s := state{outcome: probe.Outcome(p[0]), reason: probe.Reason(p[1]), flags: p[2], attempts: p[3]}
		switch {
		case !s.outcome.Valid():
			r.fail("state", "got %v", s.outcome)
		case s.flags&^flagsKnown != 0:
			r.fail("state", "got flags %#x, want only %#x", s.flags, flagsKnown)
		}
		s.prober = r.prober("state")
		table = append(table, s)
	}
	return table
}

// readSequence gives every slot its state, but for what depends on its latency.
func (r *blockReader) readSequence(table []state) {
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
		s := table[i]
		rec := record{
			outcome: s.outcome, reason: s.reason, latency: probe.NoLatency, attempts: s.attempts,
			unvouched: s.flags&flagUnvouched != 0, prober: s.prober,
		}
		for range n {
			r.entries[len(r.flags)].rec = rec
			r.flags = append(r.flags, s.flags)
		}
	}
	if len(r.flags) != len(r.entries) {
		r.fail("sequence", "got states of %d slots, want of %d", len(r.flags), len(r.entries))
	}
}

func (r *blockReader) readLatencies() {
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
			r.entries[i].rec.under = f&flagUnderFlipped != 0
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
	r.readBits(threshold, at)
}

// readBits gives the n slots at the threshold their flag under.
func (r *blockReader) readBits(threshold int64, n int) {
	bits := r.bytes("threshold bits", (n+7)/8)
	if r.err != nil || n == 0 {
		return
	}
	n = 0
	for i, f := range r.flags {
		rec := &r.entries[i].rec
		if f&flagLatency != 0 && int64(rec.latency) == threshold {
			rec.under = (bits[n/8]>>(n%8)&1 == 1) != (f&flagUnderFlipped != 0)
			n++
		}
	}
}

func (r *blockReader) readGaps() []gap {
	var gaps []gap
	for range r.number("gaps", int64(len(r.b)/4)) {
		g := gap{prober: r.prober("gap")}
		reason := r.bytes("gap", 1)
		from := r.number("gap start", dayMillis)
		length := r.number("gap length", dayMillis-from)
		if r.err != nil {
			return nil
		}
		if length == 0 {
			r.fail("gap", "it is empty")
			return nil
		}
		g.reason = probe.Reason(reason[0]) // one that a newer prober gave keeps its number
		g.from = r.start + from
		g.to = g.from + length
		gaps = append(gaps, g)
	}
	return gaps
}
