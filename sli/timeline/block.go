package timeline

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/zstd"
)

// A block is every record and gap of one check in one region on one UTC day. Its encoding, version 2, is a version
// byte, CRC-32C of the rest (4 bytes, little-endian), and the rest; all integers are unsigned varints unless said
// otherwise, instants are ms of the day, and column.go says what a column is:
//
//	head      2·(number of its bytes) + 1 if they are a zstd frame of it, then these bytes:
//	  probers   count, then length and bytes of each name, in ascending order
//	  runs      count, then of each: start (from the end of the run before), step, number of slots
//	  states    count, then of each: outcome, reason, flags and attempts (a byte each), prober
//	  gaps      count, then of each: prober, reason (a byte), from, to − from
//	sequence  number of runs of slots in one state; the first one is of state 0. Then a column of the states of the
//	          others as recency names them, and a column of slots − 1 of all but the last one
//	latency   base (signed), threshold (signed), shift (a byte), then a column of index − centre, zigzag, of every slot
//	          that has a latency, then of every slot whose index is the threshold one bit, lowest first: it was under
//
// The flag under is stored as what differs from (index < threshold), and at the threshold itself in bits, since
// the quantised latency does not tell there. The threshold chosen is the least latency that was not under. The centre is
// the base for ever if shift is 0; else it begins there and follows the latencies, see centre.
//
// Version 1, see blockread1.go, is still read and no longer written. Both are held by the golden files
// testdata/block-v1-* and block-v2-*; never change them.
const blockVersion = 2

// dayMillis is the length of a UTC day.
const dayMillis = 24 * 60 * 60 * 1000

// maxEntries bounds the slots of a block: three every second. What a decoder may allocate follows from it.
const maxEntries = 1 << 18

// maxBlockBody bounds the columns before compression.
const maxBlockBody = 16 << 20

// dayOf returns the UTC day that an instant belongs to, in days since the Unix epoch.
func dayOf(at int64) int64 { return floor(at, dayMillis) }

// floor is ⌊x ÷ y⌋, y being positive.
func floor(x, y int64) int64 {
	q := x / y
	if x%y < 0 {
		q--
	}
	return q
}

// A codec encodes and decodes blocks. It reuses what the compressor needs and is not for concurrent use.
type codec struct {
	probers *probers
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	fse     fse.Scratch
	body    []byte
	entries []entry // of the last block decoded
	flags   []byte

	// What is made and used up within one block.
	block, frame, tokens []byte
	first, second        numbers
	indexes              []int32
	runs                 []stateRun
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

// encode returns the block of a day. All slots must lie in it, gaps too.
func (c *codec) encode(day int64, s slots) []byte {
	names, number := c.numbered(s)
	m := c.modelOf(s.entries)
	table, runs := c.sequenceOf(s.entries, m.threshold)

	h := binary.AppendUvarint(c.body[:0], uint64(len(names)))
	for _, n := range names {
		h = append(binary.AppendUvarint(h, uint64(len(n))), n...)
	}
	h = appendRuns(h, day*dayMillis, s.entries)
	h = appendStates(h, table, number)
	h = appendGaps(h, day*dayMillis, s.gaps, number)
	c.body = h

	b := append(c.block[:0], blockVersion, 0, 0, 0, 0)
	b = c.appendHead(b, h)
	b = binary.AppendUvarint(b, uint64(runs))
	b = c.appendColumn(b, &c.first)
	b = c.appendColumn(b, &c.second)
	b = c.appendLatencies(b, m)
	b = appendBits(b, s.entries, m.threshold)
	binary.LittleEndian.PutUint32(b[1:], checksum(b[checkedFrom:]))
	c.block = b
	return slices.Clone(b)
}

// checkedFrom is where what the checksum of a block is about begins.
const checkedFrom = 5

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// packedHead is from how many bytes on a head may be worth the bytes that a frame takes by itself.
const packedHead = 128

func (c *codec) appendHead(b, h []byte) []byte {
	if len(h) >= packedHead {
		if c.frame = c.enc.EncodeAll(h, c.frame[:0]); len(c.frame) < len(h) {
			return append(binary.AppendUvarint(b, uint64(len(c.frame))<<1|1), c.frame...)
		}
	}
	return append(binary.AppendUvarint(b, uint64(len(h))<<1), h...)
}

// numbered returns the names of the probers in s in ascending order, and their positions.
func (c *codec) numbered(s slots) ([]string, map[proberID]uint64) {
	number := map[proberID]uint64{}
	var last, before proberID // they may take turns
	see := func(p proberID) {
		switch {
		case len(number) == 0:
			number[p] = 0
			last, before = p, p
		case p != last:
			if p != before {
				number[p] = 0
			}
			last, before = p, last
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
