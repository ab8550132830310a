package timeline

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/gaikei/gaikei/probe"
)

// A block is every record and gap of one check in one region on one UTC day. Its encoding is a version byte and
// a zstd frame over columns; all integers are unsigned varints unless said otherwise, instants are ms of the day:
//
//	probers   count, then length and bytes of each name, in ascending order
//	runs      count, then of each: start (from the end of the run before), step, number of slots
//	states    count, then of each: outcome, reason, flags and attempts (a byte each), prober
//	sequence  count, then of each run of slots in one state: state, number of slots
//	latency   base (signed), threshold (signed), one byte that says whether there is a high plane,
//	          then of every slot that has a latency the low byte of index − base, then, if there, the high byte,
//	          then of every slot whose index is the threshold one bit, lowest first: it was under
//	gaps      count, then of each: prober, reason (a byte), from, to − from
//
// The flag under is stored as what differs from (index < threshold), and at the threshold itself in bits, since
// the quantised latency does not tell there. The threshold chosen is the least latency that was not under. Version 1 is held by the golden files testdata/block-v1-*; never change it.
const blockVersion = 1

// dayMillis is the length of a UTC day.
const dayMillis = 24 * 60 * 60 * 1000

// maxEntries bounds the slots of a block: three every second. What a decoder may allocate follows from it.
const maxEntries = 1 << 18

// maxBlockBody bounds the columns before compression.
const maxBlockBody = 16 << 20

// The flags of a state.
const (
	flagUnderFlipped = 1 << iota // under differs from what the threshold predicts
	flagUnvouched
	flagLatency
	flagsKnown = flagUnderFlipped | flagUnvouched | flagLatency
)

// dayOf returns the UTC day that an instant belongs to, in days since the Unix epoch.
func dayOf(at int64) int64 {
	d := at / dayMillis
	if at%dayMillis < 0 {
		d--
	}
	return d
}

// A codec encodes and decodes blocks. It reuses what the compressor needs and is not for concurrent use.
type codec struct {
	probers *probers
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	body    []byte
	entries []entry // of the last block decoded
	flags   []byte
}

func newCodec(p *probers) (*codec, error) {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(32<<10), zstd.WithLowerEncoderMem(true),
		zstd.WithAllLitEntropyCompression(true), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, fmt.Errorf("make a block compressor: %w", err)
	}
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlockBody), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("make a block decompressor: %w", err)
	}
	return &codec{probers: p, enc: enc, dec: dec}, nil
}

func (c *codec) close() {
	c.dec.Close()
	_ = c.enc.Close() // has no writer that could fail
}

// state is all of a record that is not its latency.
type state struct {
	outcome  probe.Outcome
	reason   probe.Reason
	flags    byte
	attempts byte
	prober   proberID
}

// encode returns the block of a day. All slots must lie in it, gaps too.
func (c *codec) encode(day int64, s slots) []byte {
	names, number := c.numbered(s)
	b := binary.AppendUvarint(c.body[:0], uint64(len(names)))
	for _, n := range names {
		b = append(binary.AppendUvarint(b, uint64(len(n))), n...)
	}
	b = appendRuns(b, day*dayMillis, s.entries)
	base, threshold := latencyModel(s.entries)
	b = appendStates(b, s.entries, threshold, number)
	b = appendLatencies(b, s.entries, base, threshold)
	b = appendGaps(b, day*dayMillis, s.gaps, number)
	c.body = b
	return c.enc.EncodeAll(b, []byte{blockVersion})
}

// numbered returns the names of the probers in s in ascending order, and their positions.
func (c *codec) numbered(s slots) ([]string, map[proberID]uint64) {
	number := map[proberID]uint64{}
	last, any := proberID(0), false
	see := func(p proberID) {
		if !any || p != last {
			number[p] = 0
			last, any = p, true
		}
	}
	for i := range s.entries {
		see(s.entries[i].rec.prober)
	}
	for _, g := range s.gaps {
		see(g.prober)
	}
	names := make([]string, 0, len(number))
	for p := range number {
		names = append(names, c.probers.name(p))
	}
	slices.Sort(names)
	for p := range number {
		i, _ := slices.BinarySearch(names, c.probers.name(p))
		number[p] = uint64(i)
	}
	return names, number
}

type run struct{ first, step, count int64 }

// runsOf cuts ascending instants into runs of equal steps.
func runsOf(entries []entry) []run {
	var runs []run
	for i := 0; i < len(entries); {
		r := run{first: entries[i].at, count: 1}
		if i+1 < len(entries) {
			r.step = entries[i+1].at - entries[i].at
			for k := i + 1; k < len(entries) && entries[k].at-entries[k-1].at == r.step; k++ {
				r.count++
			}
		}
		runs = append(runs, r)
		i += int(r.count)
	}
	return runs
}

func appendRuns(b []byte, start int64, entries []entry) []byte {
	runs := runsOf(entries)
	b = binary.AppendUvarint(b, uint64(len(runs)))
	end := start
	for _, r := range runs {
		b = binary.AppendUvarint(b, uint64(r.first-end))
		b = binary.AppendUvarint(b, uint64(r.step))
		b = binary.AppendUvarint(b, uint64(r.count))
		end = r.first + r.step*(r.count-1)
	}
	return b
}

// latencyModel chooses the base, so that the bulk of the latencies shares one high byte, and the threshold, so
// that the latencies below it are all under.
func latencyModel(entries []entry) (base, threshold int64) {
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

func stateOf(r record, threshold int64) state {
	s := state{outcome: r.outcome, reason: r.reason, attempts: r.attempts, prober: r.prober}
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

func appendStates(b []byte, entries []entry, threshold int64, number map[proberID]uint64) []byte {
	var table []state
	index := map[state]uint64{}
	var seq []byte
	runs := uint64(0)
	for i := 0; i < len(entries); {
		s := stateOf(entries[i].rec, threshold)
		k := i + 1
		for k < len(entries) && stateOf(entries[k].rec, threshold) == s {
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

func appendLatencies(b []byte, entries []entry, base, threshold int64) []byte {
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
	return appendBits(b, entries, threshold)
}

func appendBits(b []byte, entries []entry, threshold int64) []byte {
	n := 0
	for i := range entries {
		r := &entries[i].rec
		if r.latency == probe.NoLatency || int64(r.latency) != threshold {
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

func appendGaps(b []byte, start int64, gaps []gap, number map[proberID]uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(gaps)))
	for _, g := range gaps {
		b = binary.AppendUvarint(b, number[g.prober])
		b = append(b, byte(g.reason))
		b = binary.AppendUvarint(b, uint64(g.from-start))
		b = binary.AppendUvarint(b, uint64(g.to-g.from))
	}
	return b
}
