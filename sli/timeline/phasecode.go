package timeline

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// The encoding of a day's phases is a version byte and a zstd frame over columns, with numbers as in a block:
//
//	probers  count, then length and bytes of each name, in ascending order
//	seen     of every prober: runs as in a block
//	groups   bins of one hour and phase: count, then of each: hour, phase (a byte each), its first index (signed),
//	         number of bins − 1
//	steps    of every bin but the first of its group: index − the index before − 1
//	slots    of every bin: their number − 1
//
// Version 1 is held by the golden file testdata/phases-v1; never change it.
const phasesVersion = 1

// encodePhases returns the row of a day.
func (c *codec) encodePhases(day int64, d *phases) []byte {
	slices.SortFunc(d.seen, func(a, b seen) int { return cmp.Compare(c.probers.name(a.prober), c.probers.name(b.prober)) })
	b := binary.AppendUvarint(c.body[:0], uint64(len(d.seen)))
	for _, s := range d.seen {
		name := c.probers.name(s.prober)
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
	}
	for _, s := range d.seen {
		b = appendRuns(b, day*dayMillis, s.entries)
	}
	b = appendBins(b, d.bins)
	c.body = b
	return c.enc.EncodeAll(b, []byte{phasesVersion})
}

func appendBins(b []byte, bins []bin) []byte {
	var groups, steps []byte
	n := uint64(0)
	for i := 0; i < len(bins); n++ {
		first, k := bins[i], i+1
		for k < len(bins) && bins[k].hour == first.hour && bins[k].phase == first.phase {
			steps = binary.AppendUvarint(steps, uint64(int64(bins[k].index)-int64(bins[k-1].index)-1))
			k++
		}
		groups = append(groups, first.hour, byte(first.phase))
		groups = binary.AppendUvarint(binary.AppendVarint(groups, int64(first.index)), uint64(k-i-1))
		i = k
	}
	b = binary.AppendUvarint(b, n)
	b = append(append(b, groups...), steps...)
	for _, x := range bins {
		b = binary.AppendUvarint(b, uint64(x.slots-1))
	}
	return b
}

// decodePhases reads the row of a day, as decode reads a block and under the same terms: what it returns is valid until
// the codec decodes again.
func (c *codec) decodePhases(day int64, row []byte) (*phases, error) {
	if len(row) == 0 || row[0] != phasesVersion {
		return nil, fmt.Errorf("decode phases: got % x…, want version %d", row[:min(len(row), 1)], phasesVersion)
	}
	r := blockReader{start: day * dayMillis, codec: c, probers: c.probers, entries: c.entries[:0]}
	r.b = r.unzipped("frame", row[1:])
	d := r.phases()
	c.entries = r.entries[:0]
	r.end("end")
	if r.err != nil {
		return nil, fmt.Errorf("decode phases: %w", r.err)
	}
	return d, nil
}

func (r *blockReader) phases() *phases {
	r.readProbers()
	var d phases
	ends := make([]int, len(r.table))
	for i := range r.table {
		r.readRuns()
		ends[i] = len(r.entries)
	}
	from := 0
	for i, end := range ends {
		d.seen = append(d.seen, seen{prober: r.table[i], entries: r.entries[from:end:end]})
		from = end
	}
	d.bins = r.readBins()
	return &d
}

func (r *blockReader) readBins() []bin {
	var bins []bin
	var leads []int // positions of the bins that begin a group
	for range r.number("groups", int64(len(r.b)/4)) {
		lead, more := r.readGroup(bins)
		if r.err != nil {
			return nil
		}
		leads = append(leads, len(bins))
		for range more + 1 {
			bins = append(bins, lead)
		}
	}
	for i := range bins {
		if len(leads) > 0 && leads[0] == i {
			leads = leads[1:]
			continue
		}
		bins[i].index = r.index("step", int64(bins[i-1].index)+r.number("step", math.MaxUint16)+1)
	}
	for i := range bins {
		bins[i].slots = uint32(r.number("slots", maxEntries)) + 1
	}
	return bins
}

// readGroup returns the bin that leads a group, and how many more are in it. Every bin takes a byte at least of what
// is left, which bounds them.
func (r *blockReader) readGroup(before []bin) (lead bin, more int64) {
	p := r.bytes("group", 2)
	if r.err != nil {
		return bin{}, 0
	}
	lead = bin{hour: p[0], phase: probe.Phase(p[1]), index: probe.NoLatency}
	if n := len(before); lead.hour > 23 || n > 0 && compareBins(before[n-1], lead) >= 0 {
		r.fail("group", "got hour %d, phase %d, want hours up to 23, in ascending order", lead.hour, lead.phase)
	}
	lead.index = r.index("group", r.signed("group"))
	return lead, r.number("group", int64(len(r.b)-len(before)-1))
}

// index checks a latency index.
func (r *blockReader) index(part string, i int64) probe.LatencyIndex {
	if i <= int64(probe.NoLatency) || i > math.MaxInt16 {
		r.fail(part, "got index %d, want one from %d to %d", i, int64(probe.NoLatency)+1, math.MaxInt16)
		return 0
	}
	return probe.LatencyIndex(i)
}
