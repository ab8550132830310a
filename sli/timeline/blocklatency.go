package timeline

import (
	"encoding/binary"
	"math"

	"github.com/gaikei/gaikei/probe"
)

// A latencyModel is what latencies are stored by.
type latencyModel struct {
	indexes   []int32 // of the slots that have a latency
	median    int32
	threshold int32 // the latencies below it are all under
}

// modelOf looks at all latencies. What it returns is valid until it is called again.
func (c *codec) modelOf(entries []entry) latencyModel {
	const reach = 1024 // indexes beyond are 600 years or nothing at all; the median may be off there
	var count [2 * reach]uint32
	m := latencyModel{indexes: c.indexes[:0], threshold: 1 << 15}
	for i := range entries {
		r := &entries[i].rec
		if r.latency == probe.NoLatency {
			continue
		}
		l := int32(r.latency)
		m.indexes = append(m.indexes, l)
		count[min(max(l, -reach), reach-1)+reach]++
		if !r.under {
			m.threshold = min(m.threshold, l)
		}
	}
	c.indexes = m.indexes
	if len(m.indexes) == 0 {
		m.threshold = 0
		return m
	}
	seen := 0
	for i, k := range count {
		if seen += int(k); 2*seen >= len(m.indexes) {
			m.median = int32(i) - reach
			break
		}
	}
	return m
}

// appendLatencies takes the centre by which the column is shorter.
func (c *codec) appendLatencies(b []byte, m latencyModel) []byte {
	base, shift, best := m.median, uint8(0), &c.first
	best.distances(m.indexes, base, shift)
	if len(m.indexes) > 0 {
		follows := &c.second
		follows.distances(m.indexes, m.indexes[0], usualShift)
		if follows.cost() < best.cost() {
			base, shift, best = m.indexes[0], usualShift, follows
		}
	}
	b = binary.AppendVarint(b, int64(base))
	b = binary.AppendVarint(b, int64(m.threshold))
	return c.appendColumn(append(b, shift), best)
}

// distances makes the numbers those of latencies from a centre.
func (n *numbers) distances(indexes []int32, base int32, shift uint8) {
	n.reset(len(indexes))
	from := centre{base << 8, shift}
	for i, l := range indexes {
		n.set(i, from.distance(l))
	}
}

func appendBits(b []byte, entries []entry, threshold int32) []byte {
	n := 0
	for i := range entries {
		r := &entries[i].rec
		if int32(r.latency) != threshold || r.latency == probe.NoLatency {
			continue
		}
		if n%8 == 0 {
			b = append(b, 0)
		}
		if r.under {
			b[len(b)-1] |= 1 << (n % 8)
		}
		n++
	}
	return b
}

// readLatencies gives the slots that have one their latency, and all of them the flag under.
func (r *blockReader) readLatencies() {
	base, threshold := r.signed("latency base"), int32(r.signed("latency threshold"))
	from := centre{int32(base) << 8, uint8(r.number("latency shift", shiftLimit))}
	n := 0
	for _, f := range r.flags {
		n += int(f & flagLatency / flagLatency)
	}
	distances := r.column("latencies", n, r.codec.first.all)
	r.codec.first.all = distances
	if r.err != nil {
		return
	}
	at := 0 // slots at the threshold
	for i, f := range r.flags {
		if f&flagLatency == 0 {
			continue
		}
		l := from.away(distances[0])
		distances = distances[1:]
		if l <= int32(probe.NoLatency) || l > math.MaxInt16 {
			r.fail("latencies", "got index %d, want one from %d to %d", l, int32(probe.NoLatency)+1, math.MaxInt16)
			return
		}
		from.follow(l)
		rec := &r.entries[i].rec
		rec.latency = probe.LatencyIndex(l)
		rec.under = (l < threshold) != (f&flagUnderFlipped != 0)
		if l == threshold {
			at++
		}
	}
	r.readBits(threshold, at)
}

// readBits gives the n slots at the threshold their flag under.
func (r *blockReader) readBits(threshold int32, n int) {
	bits := r.bytes("threshold bits", (n+7)/8)
	if r.err != nil || n == 0 {
		return
	}
	n = 0
	for i, f := range r.flags {
		rec := &r.entries[i].rec
		if f&flagLatency != 0 && int32(rec.latency) == threshold {
			rec.under = (bits[n/8]>>(n%8)&1 == 1) != (f&flagUnderFlipped != 0)
			n++
		}
	}
}

// A centre is what latencies are stored as distances from. It stays, or follows them: after each one it moves by
// 1/2^shift of the distance, but as if the latency were at most centreReach away, so that a spike moves it little.
// What the day's course or another version of the target adds to all latencies costs next to nothing so.
type centre struct {
	at    int32 // in 1/256 of an index
	shift uint8 // 0: it stays
}

const (
	centreReach = 16 // indexes; a third more or less
	// usualShift has the centre follow a change within half a hundred slots; at a spread of 10 % it costs 0.3 % where
	// there is nothing to be followed.
	usualShift = 5
	shiftLimit = 16
)

// distance returns how far a latency's index is from the centre, zigzag, and moves the centre.
func (c *centre) distance(index int32) uint32 {
	d := index - c.index()
	c.follow(index)
	return uint32(d<<1) ^ uint32(d>>31)
}

func (c *centre) index() int32 { return (c.at + 128) >> 8 }

func (c *centre) follow(index int32) {
	if c.shift > 0 {
		c.at += min(max(index<<8-c.at, -centreReach<<8), centreReach<<8) >> c.shift
	}
}

// away returns the index at a distance, which may be that of no latency. The centre does not move.
func (c *centre) away(distance uint32) int32 {
	return c.index() + (int32(distance>>1) ^ -int32(distance&1))
}
