package timeline

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"

	"github.com/gaikei/gaikei/sli"
)

// A standing is as what a slot is counted: one of sli.Verdict, or notDue. Stored: never reorder.
type standing uint8

// notDue is the standing of a slot that is in nobody's timetable.
const notDue = standing(sli.Excluded) + 1

func (s standing) String() string {
	if s == notDue {
		return sli.NotDue
	}
	return sli.Verdict(s).String()
}

// A ledger says as what each slot of a series was counted, in order of time. A day without an event is one stretch.
type ledger []stretch

// A stretch is slots side by side that are counted alike: the first is at an instant, and each has a cell of this length.
type stretch struct {
	at, cell, n int64 // Unix ms, ms, slots
	as          standing
}

// end is where the cell of the last slot ends.
func (r *stretch) end() int64 { return r.at + r.n*r.cell }

// add appends a slot that is later than all others.
func (l *ledger) add(at, cell int64, as standing) {
	if n := len(*l); n > 0 {
		if r := &(*l)[n-1]; r.end() == at && r.cell == cell && r.as == as {
			r.n++
			return
		}
	}
	*l = append(*l, stretch{at, cell, 1, as})
}

// join appends runs that are later than all others.
func (l *ledger) join(more ledger) {
	for _, r := range more {
		if n := len(*l); n > 0 {
			if last := &(*l)[n-1]; last.end() == r.at && last.cell == r.cell && last.as == r.as {
				last.n += r.n
				continue
			}
		}
		*l = append(*l, r)
	}
}

// split cuts a ledger into what is before an instant and the rest. Both are copies.
func (l ledger) split(at int64) (before, rest ledger) {
	i := sort.Search(len(l), func(i int) bool { return l[i].lastAt() >= at })
	before = append(before, l[:i]...)
	for _, r := range l[i:] {
		if k := min(max((at-r.at+r.cell-1)/r.cell, 0), r.n); at > r.at && k > 0 {
			before = append(before, stretch{r.at, r.cell, k, r.as})
			r.at, r.n = r.at+k*r.cell, r.n-k
		}
		if r.n > 0 {
			rest = append(rest, r)
		}
	}
	return before, rest
}

// A reckoner takes the slots of a ledger one after the other.
type reckoner struct {
	left ledger
	done int64 // slots of the first run that are taken
}

// next is the slot that comes next; false: there is none.
func (r *reckoner) next() (at, cell int64, as standing, ok bool) {
	if len(r.left) == 0 {
		return 0, 0, 0, false
	}
	x := &r.left[0]
	return x.at + r.done*x.cell, x.cell, x.as, true
}

// take passes over the slot that comes next.
func (r *reckoner) take() {
	if r.done++; r.done == r.left[0].n {
		r.left, r.done = r.left[1:], 0
	}
}

// ledgerVersion is the first byte of a ledger that is stored.
const ledgerVersion = 1

// append writes a ledger down: its runs, each with how far after the end of the one before it begins, the length of a cell,
// how many slots it has, and as what they are counted.
func (l ledger) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(l)))
	end := int64(0)
	for _, r := range l {
		b = binary.AppendVarint(b, r.at-end)
		b = binary.AppendUvarint(b, uint64(r.cell))
		b = append(binary.AppendUvarint(b, uint64(r.n)), byte(r.as))
		end = r.end()
	}
	return b
}

// readLedger takes a ledger off the front.
func (r *blockReader) readLedger() ledger {
	var l ledger
	end := int64(0)
	for range r.number("runs", int64(len(r.b)/4)) {
		gap := r.wide("run start")
		x := stretch{at: end + gap, cell: r.number("cell", maxCell), n: r.number("run length", maxInstant)}
		as := r.bytes("standing", 1)
		switch {
		case r.err != nil:
			return nil
		case x.cell == 0 || x.n == 0 || x.n > maxInstant/x.cell:
			r.fail("run", "got %d slots of %d ms", x.n, x.cell)
		case x.at < 0 || x.at > maxInstant || len(l) > 0 && x.at <= l[len(l)-1].lastAt():
			r.fail("run", "it begins at %d, want ascending instants", x.at)
		case standing(as[0]) >= notDue:
			r.fail("standing", "got %d", as[0])
		}
		if r.err != nil {
			return nil
		}
		x.as = standing(as[0])
		l, end = append(l, x), x.end()
	}
	return l
}

// lastAt is the instant of the last slot.
func (r *stretch) lastAt() int64 { return r.at + (r.n-1)*r.cell }

// Bounds of what a ledger may say.
const (
	maxCell    = 1 << 40
	maxInstant = 1 << 50
)

// wide takes a signed number of any size that an instant has.
func (r *blockReader) wide(part string) int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 || v > math.MaxInt64/4 || v < math.MinInt64/4 {
		r.fail(part, "got no number of an instant")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// encodeDay makes a row of table counted_day.
func (l ledger) encodeDay() []byte { return l.append([]byte{ledgerVersion}) }

// decodeDay reads a row of table counted_day.
func decodeDay(data []byte) (ledger, error) {
	if len(data) == 0 || data[0] != ledgerVersion {
		return nil, fmt.Errorf("decode the counts of a day: got %d bytes, want some of version %d", len(data), ledgerVersion)
	}
	r := blockReader{b: data[1:]}
	l := r.readLedger()
	if r.err == nil && len(r.b) > 0 {
		r.fail("end", "%d bytes are left over", len(r.b))
	}
	if r.err != nil {
		return nil, fmt.Errorf("decode the counts of a day: %w", r.err)
	}
	return l, nil
}
