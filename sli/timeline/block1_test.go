package timeline

import (
	"encoding/binary"

	"github.com/gaikei/gaikei/probe"
)

// Blocks of version 1 are no longer written but by this, which is what wrote them.

type state1 struct {
	outcome  probe.Outcome
	reason   probe.Reason
	flags    byte
	attempts byte
	prober   proberID
}

func (c *codec) encode1(day int64, s slots) []byte {
	names, number := c.numbered(s)
	b := binary.AppendUvarint(c.body[:0], uint64(len(names)))
	for _, n := range names {
		b = append(binary.AppendUvarint(b, uint64(len(n))), n...)
	}
	b = appendRuns(b, day*dayMillis, s.entries)
	base, threshold := latencyModel1(s.entries)
	b = appendStates1(b, s.entries, threshold, number)
	b = appendLatencies1(b, s.entries, base, threshold)
	b = appendGaps(b, day*dayMillis, s.gaps, number)
	c.body = b
	return c.enc.EncodeAll(b, []byte{1})
}

// latencyModel1 chooses the base, so that the bulk of the latencies shares one high byte, and the threshold, so
// that the latencies below it are all under.
func latencyModel1(entries []entry) (base, threshold int64) {
	const reach = 1024 // indexes beyond are 600 years or nothing at all; the base may be off there
	var count [2 * reach]uint32
	n := uint32(0)
	threshold = 1 << 15
	for i := range entries {
		r := &entries[i].rec
		if r.latency == probe.NoLatency {
			continue
		}
		count[min(max(int(r.latency), -reach), reach-1)+reach]++
		n++
		if !r.under {
			threshold = min(threshold, int64(r.latency))
		}
	}
	if n == 0 {
		return 0, 0
	}
	seen := uint32(0)
	for i, k := range count {
		if seen += k; 2*seen >= n {
			return int64(i) - reach - 128, threshold
		}
	}
	return 0, threshold
}

func stateOf1(r record, threshold int64) state1 {
	s := state1{outcome: r.outcome, reason: r.reason, attempts: r.attempts, prober: r.prober}
	predicted := false
	if r.latency != probe.NoLatency {
		s.flags |= flagLatency
		predicted = int64(r.latency) < threshold
		if int64(r.latency) == threshold {
			predicted = r.under
		}
	}
	if r.under != predicted {
		s.flags |= flagUnderFlipped
	}
	if r.unvouched {
		s.flags |= flagUnvouched
	}
	return s
}

func appendStates1(b []byte, entries []entry, threshold int64, number map[proberID]uint64) []byte {
	var table []state1
	index := map[state1]uint64{}
	var seq []byte
	runs := uint64(0)
	for i := 0; i < len(entries); {
		s := stateOf1(entries[i].rec, threshold)
		k := i + 1
		for k < len(entries) && stateOf1(entries[k].rec, threshold) == s {
			k++
		}
		at, ok := index[s]
		if !ok {
			at = uint64(len(table))
			index[s] = at
			table = append(table, s)
		}
		seq = binary.AppendUvarint(binary.AppendUvarint(seq, at), uint64(k-i))
		runs++
		i = k
	}
	b = binary.AppendUvarint(b, uint64(len(table)))
	for _, s := range table {
		b = append(b, byte(s.outcome), byte(s.reason), s.flags, s.attempts)
		b = binary.AppendUvarint(b, number[s.prober])
	}
	b = binary.AppendUvarint(b, runs)
	return append(b, seq...)
}

func appendLatencies1(b []byte, entries []entry, base, threshold int64) []byte {
	b = binary.AppendVarint(b, base)
	b = binary.AppendVarint(b, threshold)
	flag := len(b)
	b = append(b, 0)
	for i := range entries {
		if l := entries[i].rec.latency; l != probe.NoLatency {
			d := int64(l) - base
			b = append(b, byte(d))
			if d>>8 != 0 {
				b[flag] = 1
			}
		}
	}
	for i := range entries {
		if l := entries[i].rec.latency; l != probe.NoLatency && b[flag] == 1 {
			b = append(b, byte((int64(l)-base)>>8))
		}
	}
	return appendBits(b, entries, int32(threshold))
}
