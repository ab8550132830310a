package timeline

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// The outline of a day is what came of its due slots, from the first one on, in runs of slots that are alike; what is after the
// last run is no data. It is taken only if its seal fits: sums over it and its grounds, all that it follows
// from but the block. All integers are unsigned varints:
//
//	seal  CRC-32C and CRC-32 (IEEE), little-endian
//	runs  of each: number of slots, one byte (outcome, and bits for unvouched and for a reason), the reason (a byte) if there is one
//
// maxOutline bounds an outline. A day in which more happens is read from its block.
const maxOutline = 2 << 10

// The bits of a run beside its outcome.
const (
	outlineOutcome   = 1<<3 - 1
	outlineUnvouched = 1 << 3
	outlineReason    = 1 << 4
	outlineKnown     = 1<<5 - 1
)

// A come is all of a record that an outline has.
type come struct {
	outcome   probe.Outcome
	reason    probe.Reason
	unvouched bool
}

// An outliner makes the outline of slots that it is given in order of time.
type outliner struct {
	last  come
	n     uint64
	body  []byte
	empty bool // there can be none
}

func (o *outliner) add(r record) {
	c := come{r.outcome, r.reason, r.unvouched}
	if c == o.last {
		o.n++
		return
	}
	o.flush()
	o.last, o.n = c, 1
}

// flush writes the last run down.
func (o *outliner) flush() {
	if o.n == 0 || o.empty {
		return
	}
	kind := byte(o.last.outcome)
	if o.last.outcome > outlineOutcome || len(o.body) > maxOutline {
		o.empty, o.body = true, nil
		return
	}
	if o.last.unvouched {
		kind |= outlineUnvouched
	}
	if o.last.reason != probe.ReasonNone {
		kind |= outlineReason
	}
	o.body = append(binary.AppendUvarint(o.body, o.n), kind)
	if kind&outlineReason != 0 {
		o.body = append(o.body, byte(o.last.reason))
	}
}

// finish returns the runs, without the last one if that is no data; nil if there is no outline.
func (o *outliner) finish() []byte {
	if o.last != (come{}) {
		o.flush()
	}
	if o.empty || len(o.body) > maxOutline {
		return nil
	}
	return append([]byte{}, o.body...)
}

var errOutline = errors.New("the outline is damaged")

// expand makes the runs of a day, given its due slots in as few as may be. It appends them to all, and returns the instant before
// which they say everything.
func expand(all []sli.Run, body []byte, due []sli.Run) ([]sli.Run, int64, error) {
	r := outlineReader{body: body}
	upTo := int64(0)
	for _, d := range due {
		for d.N > 0 && r.more() {
			run := d
			run.N = min(d.N, r.n)
			run.Outcome, run.Reason, run.Unvouched = sli.Outcome(r.come.outcome), r.come.reason.String(), r.come.unvouched
			if r.come.outcome == 0 {
				run.Reason = ""
			}
			all = append(all, run)
			r.n -= run.N
			d.N -= run.N
			d.At += run.N * d.Cell
			upTo = run.End() - run.Cell + 1
		}
	}
	if r.err == nil && r.more() {
		r.err = errOutline // there are fewer due slots
	}
	return all, upTo, r.err
}

// An outlineReader takes runs off the front of a body.
type outlineReader struct {
	body []byte
	come come
	n    int64 // slots of the run that are left
	err  error
}

// more reports whether there is a slot left, after an error never.
func (r *outlineReader) more() bool {
	for r.n == 0 && len(r.body) > 0 && r.err == nil {
		n, k := binary.Uvarint(r.body)
		if k <= 0 || n == 0 || n > maxEntries || len(r.body) == k || r.body[k] > outlineKnown {
			r.err = errOutline
			return false
		}
		kind := r.body[k]
		r.body = r.body[k+1:]
		r.n, r.come = int64(n), come{outcome: probe.Outcome(kind & outlineOutcome), unvouched: kind&outlineUnvouched != 0}
		if kind&outlineReason != 0 {
			if len(r.body) == 0 {
				r.err = errOutline
				return false
			}
			r.come.reason, r.body = probe.Reason(r.body[0]), r.body[1:]
		}
	}
	return r.n > 0 && r.err == nil
}

// sealed returns an outline with its seal.
func (g *grounds) sealed(day int64, body []byte) []byte {
	return append(g.outlineSeal(day, body), body...)
}

// outlineSeal is far cheaper than that of a summary: many thousands are looked at for one answer.
func (g *grounds) outlineSeal(day int64, body []byte) []byte {
	a, b := g.sums(day, body)
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(make([]byte, 0, sealSize+len(body)), a), b)
}

// sums are those of the seal of an outline.
func (g *grounds) sums(day int64, body []byte) (castagnoli, ieee uint32) {
	g.buffer = append(g.append(g.buffer[:0], day), body...)
	return checksum(g.buffer), crc32.ChecksumIEEE(g.buffer)
}

// opened returns the runs of an outline; false if they are not about these grounds.
func (g *grounds) opened(o dayPart) ([]byte, bool) {
	if len(o.data) < sealSize {
		return nil, false
	}
	body := o.data[sealSize:]
	a, b := g.sums(o.day, body)
	return body, binary.LittleEndian.Uint32(o.data) == a && binary.LittleEndian.Uint32(o.data[4:]) == b
}
