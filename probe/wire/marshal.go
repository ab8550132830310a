package wire

import (
	"fmt"
	"math/bits"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire/internal/pb"
)

// framing bounds what a message has beside its rows: the version, tag and length of each column, and what its
// first slot takes more than the difference it is reckoned as.
const framing = 64

// Marshal encodes a batch, in its order, as as many messages as MaxMessage needs, each of which stands for
// itself. An empty batch gives none. Start lags are cut to whole milliseconds, negative ones to zero. The error
// names the first row with a value that no message can hold.
func Marshal(b *probe.Batch) ([][]byte, error) {
	p := newPacker(len(b.Results))
	for i := range b.Epochs {
		if err := p.epoch(&b.Epochs[i]); err != nil {
			return nil, fmt.Errorf("encode epoch %d of check %q: %w", i, b.Epochs[i].Check, err)
		}
	}
	for i := range b.Results {
		if err := p.result(&b.Results[i]); err != nil {
			return nil, fmt.Errorf("encode result %d of check %q: %w", i, b.Results[i].Check, err)
		}
	}
	for i := range b.Missed {
		if err := p.missed(&b.Missed[i]); err != nil {
			return nil, fmt.Errorf("encode missed range %d of check %q: %w", i, b.Missed[i].Check, err)
		}
	}
	if err := p.seal(); err != nil {
		return nil, err
	}
	return p.sealed, nil
}

// A packer fills one message after the other.
type packer struct {
	sealed [][]byte
	batch  *pb.Batch
	index  map[string]uint32
	size   int // upper bound of the encoded size of batch
	rows   int
	check  uint32 // of the last result in batch
	slot   int64  // of the last result in batch
	expect int    // results still to come, to size the columns by
}

func newPacker(results int) *packer {
	p := &packer{expect: results}
	p.start()
	return p
}

func (p *packer) start() {
	n := min(p.expect, MaxMessage/8)
	p.batch = &pb.Batch{Results: &pb.Results{
		Check:     make([]int32, 0, n),
		SlotMs:    make([]int64, 0, n),
		Flags:     make([]byte, 0, n),
		LagMs:     make([]uint32, 0, n),
		PhaseMask: make([]uint32, 0, n),
	}}
	p.index = make(map[string]uint32)
	p.size, p.rows, p.check, p.slot = framing, 0, 0, 0
}

// seal encodes what was packed; without a row it does nothing.
func (p *packer) seal() error {
	if p.rows == 0 {
		return nil
	}
	if len(p.batch.Results.Flags) == 0 {
		p.batch.Results = nil
	}
	msg, err := proto.MarshalOptions{}.MarshalAppend(append(make([]byte, 0, p.size), Version), p.batch)
	if err != nil {
		return fmt.Errorf("encode a batch: %w", err)
	}
	p.sealed = append(p.sealed, msg)
	return nil
}

// room makes room for a row of a check that takes at most size bytes, its id not counted, and returns the id's
// index.
func (p *packer) room(check string, size int) (uint32, error) {
	i, known := p.index[check]
	if !known {
		if err := CheckName(check); err != nil {
			return 0, err
		}
	}
	named := size + 2 + len(check)
	if p.size+named > MaxMessage {
		if err := p.seal(); err != nil {
			return 0, err
		}
		p.start()
		known = false
	}
	p.rows++
	if known {
		p.size += size
		return i, nil
	}
	p.size += named
	i = uint32(len(p.index))
	p.index[check] = i
	p.batch.Checks = append(p.batch.Checks, check)
	return i, nil
}

// anyIndex is an index into the table that is encoded at least as long as any that fits a message.
const anyIndex = MaxMessage

// rowSize is the encoded size of a row that is a message of its own: with its tag and its length.
func rowSize(m proto.Message) int {
	return 1 + protowire.SizeBytes(proto.Size(m))
}

func (p *packer) epoch(e *probe.Epoch) error {
	if err := checkEpoch(e); err != nil {
		return err
	}
	m := &pb.Epoch{
		Check: anyIndex, FromMs: e.From, IntervalMs: e.Grid.Interval, OffsetMs: e.Grid.Offset,
		BudgetNs: int64(e.Budget), UnderNs: int64(e.Under), Of: uint32(e.Of), Expected: e.Expected,
	}
	var err error
	if m.Check, err = p.room(e.Check, rowSize(m)); err != nil {
		return err
	}
	p.batch.Epochs = append(p.batch.Epochs, m)
	return nil
}

func (p *packer) missed(r *probe.MissedRange) error {
	if err := checkMissed(r); err != nil {
		return err
	}
	m := &pb.Missed{Check: anyIndex, FromMs: r.From, SpanMs: r.To - r.From, Reason: uint32(r.Reason)}
	var err error
	if m.Check, err = p.room(r.Check, rowSize(m)); err != nil {
		return err
	}
	p.batch.Missed = append(p.batch.Missed, m)
	return nil
}

func (p *packer) result(r *probe.Result) error {
	if err := checkResult(r); err != nil {
		return err
	}
	mask := phaseMask(r)
	i, err := p.room(r.Check, resultSize(r, p.slot, mask))
	if err != nil {
		return err
	}
	c := p.batch.Results
	c.Check = append(c.Check, int32(i)-int32(p.check))
	c.SlotMs = append(c.SlotMs, r.Slot-p.slot)
	c.Flags = append(c.Flags, flagsOf(r))
	c.LagMs = append(c.LagMs, lagOf(r))
	c.PhaseMask = append(c.PhaseMask, mask)
	p.sparse(r)
	p.check, p.slot = i, r.Slot
	p.expect--
	return nil
}

// sparse appends to the columns that not every result has an entry in.
func (p *packer) sparse(r *probe.Result) {
	c := p.batch.Results
	if r.Reason != probe.ReasonNone {
		c.Reason = append(c.Reason, uint32(r.Reason))
	}
	if r.Latency != probe.NoLatency {
		c.Latency = append(c.Latency, int32(r.Latency))
	}
	if r.Attempts != 1 {
		c.Attempts = append(c.Attempts, uint32(r.Attempts))
	}
	for _, l := range r.Phases {
		if l != probe.NoLatency {
			c.Phases = append(c.Phases, int32(l))
		}
	}
	if r.Announced {
		c.Phases = append(c.Phases, 0)
	}
}

func checkResult(r *probe.Result) error {
	switch {
	case !r.Outcome.Valid():
		return fmt.Errorf("outcome is %d, want one of %d to %d", r.Outcome, probe.Up, probe.Missed)
	case r.Attempts < 0 || r.Attempts > maxAttempts:
		return fmt.Errorf("attempts are %d, want 0 to %d", r.Attempts, maxAttempts)
	case r.Lag > maxLag:
		return fmt.Errorf("lag is %v, want at most %v", r.Lag, maxLag)
	}
	return checkInstant("slot", r.Slot)
}

func flagsOf(r *probe.Result) byte {
	f := byte(r.Outcome)
	if r.Under {
		f |= flagUnder
	}
	if r.Unvouched {
		f |= flagUnvouched
	}
	if r.Reason != probe.ReasonNone {
		f |= flagReason
	}
	if r.Latency != probe.NoLatency {
		f |= flagLatency
	}
	if r.Attempts != 1 {
		f |= flagAttempts
	}
	return f
}

func lagOf(r *probe.Result) uint32 {
	return uint32(max(r.Lag, 0) / time.Millisecond)
}

func phaseMask(r *probe.Result) uint32 {
	var mask uint32
	for ph, l := range r.Phases {
		if l != probe.NoLatency {
			mask |= 1 << ph
		}
	}
	if r.Announced {
		mask |= maskAnnounced
	}
	return mask
}

// resultSize bounds the encoded size of a result that follows one for the slot before: three bytes for an index
// into the table, a latency or a number of attempts.
func resultSize(r *probe.Result, before int64, mask uint32) int {
	slot := protowire.SizeVarint(protowire.EncodeZigZag(r.Slot - before))
	size := 3 + slot + 1 + protowire.SizeVarint(uint64(lagOf(r))) + protowire.SizeVarint(uint64(mask)) + 3*bits.OnesCount32(mask)
	if r.Reason != probe.ReasonNone {
		size += 2
	}
	if r.Latency != probe.NoLatency {
		size += 3
	}
	if r.Attempts != 1 {
		size += 3
	}
	return size
}
