package timeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// errNewer is wrapped by the error about a block of a version that this program does not know: nothing is wrong with it.
var errNewer = errors.New("a newer program wrote it")

// decode reads the block of a day. It never panics, allocates in proportion to what the block says it holds,
// at most maxEntries slots, and its errors say what is wrong with which part. The entries are valid until the codec
// decodes the next block.
func (c *codec) decode(day int64, block []byte) (slots, error) {
	r := blockReader{start: day * dayMillis, codec: c, probers: c.probers, entries: c.entries[:0], flags: c.flags[:0]}
	s, err := r.block(block)
	c.entries, c.flags = r.entries[:0], r.flags[:0]
	if err != nil {
		return slots{}, fmt.Errorf("decode block: %w", err)
	}
	return s, nil
}

func (r *blockReader) block(block []byte) (slots, error) {
	if len(block) == 0 {
		return slots{}, errors.New("got no bytes, want a version")
	}
	var s slots
	switch v := block[0]; {
	case v == 1:
		r.b = r.unzipped("block", block[1:])
		s = r.slots1()
	case v == blockVersion:
		r.b = block
		r.check()
		s = r.slots()
	case v > blockVersion:
		return slots{}, fmt.Errorf("got version %d, want at most %d: %w", v, blockVersion, errNewer)
	default:
		return slots{}, fmt.Errorf("got version %d, want 1 to %d", v, blockVersion)
	}
	r.end("end")
	return s, r.err
}

// A blockReader takes columns off the front of b until something is wrong, and then keeps what it was.
type blockReader struct {
	b       []byte
	start   int64
	codec   *codec // for its buffers
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

// unzipped returns what is in a zstd frame.
func (r *blockReader) unzipped(part string, frame []byte) []byte {
	b, err := r.codec.dec.DecodeAll(frame, r.codec.body[:0])
	if err != nil {
		r.fail(part, "decompress: %w", err)
		return nil
	}
	r.codec.body = b
	return b
}

func (r *blockReader) end(part string) {
	if len(r.b) > 0 {
		r.fail(part, "%d bytes are left over", len(r.b))
	}
}

// check takes off version and checksum, if that is right.
func (r *blockReader) check() {
	p := r.bytes("checksum", checkedFrom)
	if r.err != nil {
		return
	}
	if want, got := binary.LittleEndian.Uint32(p[1:]), checksum(r.b); got != want {
		r.fail("checksum", "got %08x, want %08x", got, want)
	}
}

func (r *blockReader) slots() slots {
	head := r.number("head", 2*maxBlockBody+1)
	columns := r.bytes("head", int(head>>1))
	rest := r.b
	if r.b = columns; head&1 == 1 {
		r.b = r.unzipped("head", columns)
	}
	r.readProbers()
	r.readRuns()
	table := r.readStates()
	gaps := r.readGaps()
	r.end("head")
	if r.err != nil {
		return slots{}
	}
	r.b = rest
	r.readSequence(table)
	r.readLatencies()
	return slots{entries: r.entries, gaps: gaps}
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
		n := len(r.entries)
		r.entries = slices.Grow(r.entries, int(count))[:n+int(count)]
		at := r.start + first
		for k := range r.entries[n:] {
			r.entries[n+k] = entry{at: at}
			at += step
		}
		end = first + step*(count-1)
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
