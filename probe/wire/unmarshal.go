package wire

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire/internal/pb"
)

// Unmarshal decodes one message. Every error wraps ErrMalformed and says what was found and what was wanted;
// there is then no batch. The batch keeps nothing of msg; its names share one text. Memory is bounded by a small
// multiple of MaxMessage.
func Unmarshal(msg []byte) (*probe.Batch, error) {
	b, err := unmarshal(msg)
	if err != nil {
		return nil, fmt.Errorf("decode a message of %d bytes: %w: %w", len(msg), ErrMalformed, err)
	}
	return b, nil
}

func unmarshal(msg []byte) (*probe.Batch, error) {
	switch {
	case len(msg) == 0:
		return nil, fmt.Errorf("there is no version byte")
	case len(msg) > MaxMessage:
		return nil, fmt.Errorf("it is too large, want at most %d bytes", MaxMessage)
	case msg[0] != Version:
		return nil, fmt.Errorf("version is %d, want %d", msg[0], Version)
	}
	var m pb.Batch
	checks, rest := table(msg[1:])
	if err := proto.Unmarshal(rest, &m); err != nil {
		return nil, err
	}
	if err := knownFields(&m); err != nil {
		return nil, err
	}
	m.Checks = append(checks, m.Checks...)
	for i, c := range m.Checks {
		if err := CheckName(c); err != nil {
			return nil, fmt.Errorf("check %d: %w", i, err)
		}
	}
	return unpack(&m)
}

// table reads the ids with which a message mostly begins, and returns what follows. It could be left to the protobuf library,
// but making a string of each takes a quarter of the time.
func table(msg []byte) (checks []string, rest []byte) {
	const tag = byte(1<<3 | protowire.BytesType)
	size, n := 0, 0
	for size < len(msg) && msg[size] == tag {
		_, used := protowire.ConsumeBytes(msg[size+1:])
		if used < 0 {
			break // as the library will say
		}
		size += 1 + used
		n++
	}
	text := string(msg[:size])
	checks = make([]string, 0, n)
	for at := 0; at < size; {
		name, used := protowire.ConsumeBytes(msg[at+1:])
		at += 1 + used
		checks = append(checks, text[at-len(name):at])
	}
	return checks, msg[size:]
}

// knownFields refuses fields of another version, or of no version.
func knownFields(m *pb.Batch) error {
	if err := knownIn("batch", m.ProtoReflect()); err != nil {
		return err
	}
	if m.Results != nil {
		if err := knownIn("results", m.Results.ProtoReflect()); err != nil {
			return err
		}
	}
	for _, e := range m.Epochs {
		if err := knownIn("epoch", e.ProtoReflect()); err != nil {
			return err
		}
	}
	for _, r := range m.Missed {
		if err := knownIn("missed range", r.ProtoReflect()); err != nil {
			return err
		}
	}
	return nil
}

func knownIn(what string, m protoreflect.Message) error {
	if u := m.GetUnknown(); len(u) > 0 {
		return fmt.Errorf("%s has %d bytes of fields that version %d does not have", what, len(u), Version)
	}
	return nil
}

func unpack(m *pb.Batch) (*probe.Batch, error) {
	b := new(probe.Batch)
	var err error
	if b.Epochs, err = unpackEpochs(m); err != nil {
		return nil, err
	}
	if b.Results, err = unpackResults(m.Results, m.Checks); err != nil {
		return nil, err
	}
	if b.Missed, err = unpackMissed(m); err != nil {
		return nil, err
	}
	return b, nil
}

// nameAt looks an id up in the table.
func nameAt(checks []string, i uint32) (string, error) {
	if uint64(i) >= uint64(len(checks)) {
		return "", fmt.Errorf("check is entry %d of a table of %d", i, len(checks))
	}
	return checks[i], nil
}

func reasonOf(n uint32) (probe.Reason, error) {
	if n > math.MaxUint8 {
		return 0, fmt.Errorf("reason is %d, want at most %d", n, math.MaxUint8)
	}
	return probe.Reason(n), nil
}

func unpackEpochs(m *pb.Batch) ([]probe.Epoch, error) {
	if len(m.Epochs) == 0 {
		return nil, nil
	}
	es := make([]probe.Epoch, len(m.Epochs))
	for i, p := range m.Epochs {
		name, err := nameAt(m.Checks, p.Check)
		if err != nil {
			return nil, fmt.Errorf("epoch %d: %w", i, err)
		}
		es[i] = probe.Epoch{
			Check: name, From: p.FromMs, Grid: probe.Grid{Interval: p.IntervalMs, Offset: p.OffsetMs},
			Budget: time.Duration(p.BudgetNs), Under: time.Duration(p.UnderNs),
			Of: probe.Population(min(p.Of, math.MaxUint8)), Expected: p.Expected,
		}
		if err := checkEpoch(&es[i]); err != nil {
			return nil, fmt.Errorf("epoch %d of check %q: %w", i, name, err)
		}
	}
	return es, nil
}

func unpackMissed(m *pb.Batch) ([]probe.MissedRange, error) {
	if len(m.Missed) == 0 {
		return nil, nil
	}
	rs := make([]probe.MissedRange, len(m.Missed))
	for i, p := range m.Missed {
		name, err := nameAt(m.Checks, p.Check)
		if err != nil {
			return nil, fmt.Errorf("missed range %d: %w", i, err)
		}
		reason, err := reasonOf(p.Reason)
		if err != nil {
			return nil, fmt.Errorf("missed range %d of check %q: %w", i, name, err)
		}
		rs[i] = probe.MissedRange{Check: name, From: p.FromMs, To: p.FromMs + p.SpanMs, Reason: reason}
		if err := checkMissed(&rs[i]); err != nil {
			return nil, fmt.Errorf("missed range %d of check %q: %w", i, name, err)
		}
	}
	return rs, nil
}

// sameLengths verifies the columns against each other, so that reading them by flag cannot run over an end.
func sameLengths(c *pb.Results) error {
	n := len(c.Flags)
	if len(c.Check) != n || len(c.SlotMs) != n || len(c.LagMs) != n || len(c.PhaseMask) != n {
		return fmt.Errorf("columns disagree: %d flags, %d checks, %d slots, %d lags, %d phase masks",
			n, len(c.Check), len(c.SlotMs), len(c.LagMs), len(c.PhaseMask))
	}
	var reasons, latencies, attempts, phases int
	for i, f := range c.Flags {
		reasons += int(f & flagReason / flagReason)
		latencies += int(f & flagLatency / flagLatency)
		attempts += int(f & flagAttempts / flagAttempts)
		phases += bits.OnesCount32(c.PhaseMask[i])
	}
	for _, s := range []struct {
		what      string
		got, want int
	}{
		{"reasons", len(c.Reason), reasons},
		{"latencies", len(c.Latency), latencies},
		{"attempts", len(c.Attempts), attempts},
		{"phases", len(c.Phases), phases},
	} {
		if s.got != s.want {
			return fmt.Errorf("columns disagree: %d %s, want %d by the flags", s.got, s.what, s.want)
		}
	}
	return nil
}

func unpackResults(c *pb.Results, checks []string) ([]probe.Result, error) {
	if c == nil {
		return nil, nil
	}
	if err := sameLengths(c); err != nil {
		return nil, err
	}
	if len(c.Flags) == 0 {
		return nil, nil
	}
	u := unpacker{Results: c, checks: checks}
	rs := make([]probe.Result, len(c.Flags))
	for i := range rs {
		if err := u.next(i, &rs[i]); err != nil {
			return nil, fmt.Errorf("result %d: %w", i, err)
		}
	}
	return rs, nil
}

// An unpacker reads results off columns whose lengths agree.
type unpacker struct {
	*pb.Results
	checks                            []string
	check, slot                       int64 // of the result before
	reason, latency, attempts, phases int   // entries read
}

func (u *unpacker) next(i int, r *probe.Result) error {
	f := u.Flags[i]
	u.check += int64(u.Check[i])
	if u.check < 0 || u.check >= int64(len(u.checks)) {
		return fmt.Errorf("check is entry %d of a table of %d", u.check, len(u.checks))
	}
	u.slot += u.SlotMs[i] // a sum that overflows is negative, and refused below
	r.Check, r.Slot = u.checks[u.check], u.slot
	r.Outcome = probe.Outcome(f & outcomeMask)
	r.Under, r.Unvouched = f&flagUnder != 0, f&flagUnvouched != 0
	r.Lag = time.Duration(u.LagMs[i]) * time.Millisecond
	r.Attempts = 1
	if f&flagAttempts != 0 {
		r.Attempts = int(u.Attempts[u.attempts])
		u.attempts++
	}
	if err := u.why(f, r); err != nil {
		return err
	}
	if err := u.latencies(f, u.PhaseMask[i], r); err != nil {
		return err
	}
	return checkResult(r)
}

func (u *unpacker) why(f byte, r *probe.Result) error {
	if f&flagReason == 0 {
		return nil
	}
	var err error
	r.Reason, err = reasonOf(u.Results.Reason[u.reason])
	u.reason++
	return err
}

func (u *unpacker) latencies(f byte, mask uint32, r *probe.Result) (err error) {
	r.Latency = probe.NoLatency
	if f&flagLatency != 0 {
		if r.Latency, err = indexOf(u.Results.Latency[u.latency]); err != nil {
			return err
		}
		u.latency++
	}
	for ph := range r.Phases {
		r.Phases[ph] = probe.NoLatency
	}
	r.Announced = mask&maskAnnounced != 0
	for ; mask != 0; mask &= mask - 1 {
		l, err := indexOf(u.Phases[u.phases])
		if err != nil {
			return err
		}
		u.phases++
		if ph := bits.TrailingZeros32(mask); ph < int(probe.NumPhases) {
			r.Phases[ph] = l
		}
	}
	return nil
}

func indexOf(n int32) (probe.LatencyIndex, error) {
	if n <= int32(probe.NoLatency) || n > math.MaxInt16 {
		return 0, fmt.Errorf("latency index is %d, want one in (%d, %d]", n, probe.NoLatency, math.MaxInt16)
	}
	return probe.LatencyIndex(n), nil
}
