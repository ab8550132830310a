package sli

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// tallyVersion is the first byte of an encoded Tally. A new outcome, verdict, effect or latency figure changes
// the layout and needs a new version.
const tallyVersion = 1

// AppendBinary appends the tally to b, compactly and always in the same way, for UnmarshalBinary to read. It fails only
// if a correction or an announcement had a say in the tally: both may change what was long ago, and are not to be kept with it. The layout is
// a version byte and unsigned varints:
//
//	reasons  count, then of each in ascending order: length and bytes of its name, slots
//	squares  high and low 64 bits
//	bins     their number, then, if there are any: index of the first + 2¹⁵, unit in ms
//	counts   every counter in the order of (*Tally).counters, then the bins in units;
//	         a 0 is followed by how many more there are
func (t *Tally) AppendBinary(b []byte) ([]byte, error) {
	if t.Corrected() || t.excluded[Announced] > 0 {
		return b, errors.New("write tally: there are corrections or announcements in it")
	}
	b = binary.AppendUvarint(append(b, tallyVersion), uint64(len(t.reasons)))
	for _, r := range slices.Sorted(maps.Keys(t.reasons)) {
		b = append(binary.AppendUvarint(b, uint64(len(r))), r...)
		b = binary.AppendUvarint(b, uint64(t.reasons[r]))
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, t.squares.hi), t.squares.lo)
	base, bins := t.latency.trimmed()
	b = binary.AppendUvarint(b, uint64(len(bins)))
	unit := divisor(bins)
	if len(bins) > 0 {
		b = binary.AppendUvarint(b, uint64(int(base)-int(NoLatency)))
		b = binary.AppendUvarint(b, uint64(unit))
	}
	var counts []int64
	t.counters(func(n *int64) { counts = append(counts, *n) })
	for _, ms := range bins {
		counts = append(counts, ms/unit)
	}
	return appendCounts(b, counts), nil
}

// counters calls f for every plain counter. The order is part of the encoding.
func (t *Tally) counters(f func(*int64)) {
	for _, part := range [][]int64{t.seen[:], t.slots[:], t.ms[:], t.none[:], t.excluded[:InMaintenance+1]} {
		for i := range part {
			f(&part[i])
		}
	}
	l := &t.latency
	for _, n := range []*int64{&t.due, &t.verdict, &t.unvouched, &l.up, &l.down, &l.upMS, &l.downMS, &l.underUp} {
		f(n)
	}
}

// divisor returns the greatest common divisor, which is a cell as long as all cells are equal; 1 of nothing.
func divisor(bins []int64) int64 {
	d := int64(0)
	for _, n := range bins {
		for n != 0 {
			d, n = n, d%n
		}
	}
	return max(d, 1)
}

func appendCounts(b []byte, counts []int64) []byte {
	for i := 0; i < len(counts); i++ {
		b = binary.AppendUvarint(b, uint64(counts[i]))
		if counts[i] != 0 {
			continue
		}
		more := 0
		for i+1 < len(counts) && counts[i+1] == 0 {
			more++
			i++
		}
		b = binary.AppendUvarint(b, uint64(more))
	}
	return b
}

// UnmarshalBinary replaces the tally by what AppendBinary wrote; b is not kept. After an error, such as about
// bytes of another version, the tally is empty. It allocates 512 KiB at most, whatever the bytes say, and nothing that a tally
// which was there before can lend.
func (t *Tally) UnmarshalBinary(b []byte) error {
	clear(t.reasons)
	*t = Tally{reasons: t.reasons, latency: latencies{Histogram: Histogram{bins: t.latency.bins[:0]}}}
	if len(b) == 0 || b[0] != tallyVersion {
		return fmt.Errorf("read tally: got % x…, want version %d", b[:min(len(b), 1)], tallyVersion)
	}
	r := tallyReader{b: b[1:]}
	r.tally(t)
	if r.err == nil && (len(r.b) > 0 || r.zeros > 0) {
		r.fail("%d bytes and %d zeros are left over", len(r.b), r.zeros)
	}
	if r.err != nil {
		*t = Tally{}
		return fmt.Errorf("read tally: %w", r.err)
	}
	return nil
}

// A tallyReader takes numbers off the front of b until something is wrong, and then keeps what it was.
type tallyReader struct {
	b     []byte
	zeros uint64 // still to be told before b goes on
	err   error
}

func (r *tallyReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.b, r.zeros = nil, 0
}

func (r *tallyReader) tally(t *Tally) {
	r.reasons(t)
	t.squares = square{hi: r.number(math.MaxUint64), lo: r.number(math.MaxUint64)}
	unit := r.bins(&t.latency.Histogram)
	t.counters(func(n *int64) { *n = r.count(1) })
	for i := range t.latency.bins {
		t.latency.bins[i] = r.count(unit)
	}
}

// number takes an unsigned varint of at most limit; 0 if there is none.
func (r *tallyReader) number(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case r.err != nil:
		return 0
	case n <= 0:
		r.fail("%w within a number, or it is too long", errCut)
		return 0
	case v > limit:
		r.fail("got %d, want at most %d", v, limit)
		return 0
	}
	r.b = r.b[n:]
	return v
}

var errCut = errors.New("the bytes end")

func (r *tallyReader) reasons(t *Tally) {
	n := r.number(uint64(len(r.b)))
	if n > 0 && t.reasons == nil {
		t.reasons = make(map[string]int64, min(n, 64))
	}
	for range n {
		length := r.number(uint64(len(r.b)))
		if r.err != nil || length > uint64(len(r.b)) {
			r.fail("%w within a reason", errCut)
			return
		}
		name := string(r.b[:length])
		r.b = r.b[length:]
		t.reasons[name] = int64(r.number(math.MaxInt64))
	}
}

// bins makes room for the bins and returns their unit.
func (r *tallyReader) bins(h *Histogram) (unit uint64) {
	const indexes = 1 << 16
	n := r.number(indexes)
	if n == 0 {
		return 1
	}
	first := r.number(indexes - n)
	unit = max(1, r.number(math.MaxInt64))
	if r.err == nil {
		h.base, h.bins = Index(int(first)+int(NoLatency)), slices.Grow(h.bins, int(n))[:n]
	}
	return unit
}

// count takes the next of the counts, in units.
func (r *tallyReader) count(unit uint64) int64 {
	if r.zeros > 0 {
		r.zeros--
		return 0
	}
	v := r.number(math.MaxInt64 / unit)
	if v == 0 && r.err == nil {
		r.zeros = r.number(1 << 17)
	}
	return int64(v * unit)
}
