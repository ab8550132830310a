package timeline

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/gaikei/gaikei/sli"
)

// countVersion is the first byte of a row of table counted; a block of S2 follows. All numbers are varints. The row of SLOs has
// versions of its own: the first told nothing of what is late.
const (
	countVersion = 1
	sloVersion   = 2
)

// maxCount bounds what such a row holds before compression.
const maxCount = 64 << 20

// encode makes a row of a part.
func (c *partCount) encode() []byte {
	b := appendNumbers(nil, c.begin, c.upTo, c.written)
	b = binary.AppendUvarint(b, uint64(len(c.regions)))
	for _, name := range slices.Sorted(maps.Keys(c.regions)) {
		r := c.regions[name]
		b = appendNumbers(appendText(b, name), r.born, r.due, r.told)
	}
	b = binary.AppendUvarint(b, uint64(len(c.series)))
	for _, x := range slices.SortedFunc(maps.Keys(c.series), compareSeries) {
		b = c.series[x].append(appendText(appendText(b, x.Check), x.Region))
	}
	return packCount(countVersion, b)
}

func packCount(version byte, b []byte) []byte {
	out := make([]byte, 1+s2.MaxEncodedLen(len(b)))
	out[0] = version
	return out[:1+len(s2.Encode(out[1:], b))]
}

func appendNumbers(b []byte, ns ...int64) []byte {
	for _, n := range ns {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func (x *seriesCount) append(b []byte) []byte {
	b = appendNumbers(b, x.born, x.open)
	b = binary.AppendUvarint(b, uint64(len(x.epochs)))
	for _, mark := range x.epochs {
		b = binary.BigEndian.AppendUint32(b, mark)
	}
	for v := range x.slots {
		b = appendNumbers(b, x.slots[v], x.ms[v])
	}
	b = binary.AppendUvarint(b, uint64(len(x.bins)))
	last := int64(0)
	for _, bin := range x.bins {
		b = appendNumbers(b, int64(bin.Index)-last, bin.N)
		last = int64(bin.Index)
	}
	b = binary.AppendUvarint(b, uint64(len(x.bounds)))
	for _, bound := range x.bounds {
		b = appendNumbers(b, int64(bound.Under), bound.More)
	}
	b = binary.AppendUvarint(b, uint64(len(x.late)))
	for _, l := range x.late {
		b = appendNumbers(append(b, byte(l.was), byte(l.is)), l.born, l.slots, l.ms)
	}
	return x.recent.append(b)
}

// openCount undoes packCount, if the version is not above newest.
func openCount(newest byte, data []byte) (*countReader, error) {
	if len(data) == 0 || data[0] == 0 || data[0] > newest {
		return nil, fmt.Errorf("decode counts: got %d bytes, % x…, want some of version %d at most", len(data), data[:min(len(data), 1)], newest)
	}
	n, err := s2.DecodedLen(data[1:])
	if err == nil && n > maxCount {
		err = fmt.Errorf("got %d bytes, want %d at most", n, maxCount)
	}
	if err != nil {
		return nil, fmt.Errorf("decode counts: %w", err)
	}
	b, err := s2.Decode(nil, data[1:])
	if err != nil {
		return nil, fmt.Errorf("decode counts: %w", err)
	}
	return &countReader{blockReader{b: b}}, nil
}

// A countReader takes counts off the front until something is wrong.
type countReader struct{ blockReader }

// finish tells what was wrong.
func (r *countReader) finish() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail("end", "%d bytes are left over", len(r.b))
	}
	if r.err != nil {
		return fmt.Errorf("decode counts: %w", r.err)
	}
	return nil
}

func (r *countReader) text(part string) string {
	return string(r.bytes(part, int(r.number(part, 1<<10))))
}

// numbers takes signed numbers.
func (r *countReader) numbers(part string, into ...*int64) {
	for _, to := range into {
		v, n := binary.Varint(r.b)
		if n <= 0 {
			r.fail(part, "the bytes end within a number, or it is too long")
			return
		}
		*to, r.b = v, r.b[n:]
	}
}

// decodeCount reads a row of a part. It never panics, and allocates in proportion to what there is.
func decodeCount(data []byte) (*partCount, error) {
	r, err := openCount(countVersion, data)
	if err != nil {
		return nil, err
	}
	c := newPartCount()
	r.numbers("instants", &c.begin, &c.upTo, &c.written)
	for range r.number("regions", int64(len(r.b))) {
		name, x := r.text("region"), &regionCount{}
		r.numbers("region", &x.born, &x.due, &x.told)
		c.regions[name] = x
	}
	for range r.number("series", int64(len(r.b))) {
		x := sli.Series{Check: r.text("check"), Region: r.text("region")}
		c.series[x] = r.series()
		if r.err != nil {
			break
		}
	}
	return c, r.finish()
}

func (r *countReader) series() *seriesCount {
	x := &seriesCount{}
	r.numbers("instants", &x.born, &x.open)
	for range r.number("epochs", int64(len(r.b)/4)) {
		mark := r.bytes("epoch", 4)
		if r.err != nil {
			return x
		}
		x.epochs = append(x.epochs, binary.BigEndian.Uint32(mark))
	}
	for v := range x.slots {
		r.numbers("slots", &x.slots[v], &x.ms[v])
	}
	last := int64(0)
	for range r.number("bins", int64(len(r.b)/2)) {
		var step, n int64
		r.numbers("bin", &step, &n)
		if last += step; step < math.MinInt16 || last < math.MinInt16 || last > math.MaxInt16 || len(x.bins) > 0 && step <= 0 {
			r.fail("bin", "got index %d, want ascending ones of 16 bits", last)
			return x
		}
		x.bins = append(x.bins, sli.LatencyBin{Index: sli.Index(last), N: n})
	}
	for range r.number("bounds", int64(len(r.b)/2)) {
		var under, more int64
		r.numbers("bound", &under, &more)
		x.bounds = append(x.bounds, sli.LatencyBound{Under: time.Duration(under), More: more})
	}
	r.lateOnes(x)
	x.recent = r.readLedger()
	return x
}

func (r *countReader) lateOnes(x *seriesCount) {
	for range r.number("late", int64(len(r.b)/5)) {
		var l lateCount
		if l.was, l.is = r.standings(); r.err != nil {
			return
		}
		r.numbers("late", &l.born, &l.slots, &l.ms)
		x.late = append(x.late, l)
	}
}

// standings takes two that differ.
func (r *countReader) standings() (was, is standing) {
	pair := r.bytes("late", 2)
	if r.err != nil {
		return 0, 0
	}
	was, is = standing(pair[0]), standing(pair[1])
	if was > notDue || is > notDue || was == is {
		r.fail("late", "got standings %d and %d", was, is)
	}
	return was, is
}

// encode makes the row of SLOs.
func (c *sloCount) encode() []byte {
	b := appendNumbers(nil, c.upTo, c.written)
	b = binary.AppendUvarint(b, uint64(len(c.slos)))
	for _, name := range slices.Sorted(maps.Keys(c.slos)) {
		x := c.slos[name]
		b = appendNumbers(appendText(b, name), x.born)
		b = appendFloats(b, x.ms[:]...)
		b = binary.BigEndian.AppendUint64(b, x.mark)
		b = appendNumbers(b, x.since, x.compared, x.day)
		b = appendFloats(b, x.found[:]...)
		b = binary.AppendUvarint(b, uint64(len(x.late)))
		for _, l := range x.late {
			b = appendFloats(appendNumbers(append(b, byte(l.was), byte(l.is)), l.born), l.ms)
		}
	}
	return packCount(sloVersion, b)
}

func appendFloats(b []byte, xs ...float64) []byte {
	for _, x := range xs {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

func decodeSLOCount(data []byte) (*sloCount, error) {
	r, err := openCount(sloVersion, data)
	if err != nil {
		return nil, err
	}
	c := &sloCount{slos: map[string]*objectiveCount{}}
	r.numbers("instants", &c.upTo, &c.written)
	for range r.number("SLOs", int64(len(r.b))) {
		name, x := r.text("SLO"), &objectiveCount{}
		r.numbers("SLO", &x.born)
		r.floats("SLO", x.ms[:])
		if data[0] >= 2 {
			r.found(x)
		}
		if r.err != nil {
			return nil, r.finish()
		}
		c.slos[name] = x
	}
	return c, r.finish()
}

// found takes what version 2 has of an SLO more than the first.
func (r *countReader) found(x *objectiveCount) {
	mark := r.bytes("mark", 8)
	if r.err != nil {
		return
	}
	x.mark = binary.BigEndian.Uint64(mark)
	r.numbers("SLO", &x.since, &x.compared, &x.day)
	r.floats("day", x.found[:])
	for range r.number("late", int64(len(r.b)/11)) {
		var l lateTime
		if l.was, l.is = r.standings(); r.err != nil {
			return
		}
		r.numbers("late", &l.born)
		ms := []float64{0}
		r.floats("late", ms)
		l.ms = ms[0]
		x.late = append(x.late, l)
	}
}

// floats takes numbers of eight bytes.
func (r *countReader) floats(part string, into []float64) {
	for i := range into {
		bits := r.bytes(part, 8)
		if r.err != nil {
			return
		}
		into[i] = math.Float64frombits(binary.BigEndian.Uint64(bits))
	}
}

// encode makes the row of an SLO and a day.
func (t clockTime) encode() []byte { return packCount(countVersion, appendFloats(nil, t[:]...)) }

func decodeClockTime(data []byte) (t clockTime, err error) {
	r, err := openCount(countVersion, data)
	if err != nil {
		return t, err
	}
	r.floats("day", t[:])
	return t, r.finish()
}
