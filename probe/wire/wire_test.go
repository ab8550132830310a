package wire_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/probe/wire/internal/pb"
)

func TestEmptyBatch(t *testing.T) {
	if msgs := mustMarshal(t, new(probe.Batch)); len(msgs) != 0 {
		t.Errorf("got %d messages, want none", len(msgs))
	}
}

func TestStartLagIsWholeMilliseconds(t *testing.T) {
	for _, c := range []struct{ lag, want time.Duration }{
		{-time.Microsecond, 0},
		{-time.Hour, 0},
		{999 * time.Microsecond, 0},
		{1999 * time.Microsecond, time.Millisecond},
		{(1<<32 - 1) * time.Millisecond, (1<<32 - 1) * time.Millisecond},
	} {
		b := sample()
		b.Results[0].Lag = c.lag
		if got := readAll(t, mustMarshal(t, b)).Results[0].Lag; got != c.want {
			t.Errorf("lag %v: got %v, want %v", c.lag, got, c.want)
		}
	}
}

// A batch that one message cannot hold is split, and every part can be read by itself.
func TestSplit(t *testing.T) {
	b := new(probe.Batch)
	for i := range 30_000 {
		r := sample().Results[i%5]
		r.Check = fmt.Sprintf("a-check-with-quite-a-long-name-%d", i)
		b.Results = append(b.Results, r)
	}
	for i := range 20_000 {
		e := sample().Epochs[i%2]
		e.Check = fmt.Sprintf("e%d", i)
		b.Epochs = append(b.Epochs, e)
		m := sample().Missed[0]
		m.Check = fmt.Sprintf("m%d", i)
		b.Missed = append(b.Missed, m)
	}
	msgs := mustMarshal(t, b)
	for i, m := range msgs[:len(msgs)-1] {
		if len(m) < wire.MaxMessage/2 {
			t.Errorf("message %d of %d has %d bytes: split too early", i, len(msgs), len(m))
		}
	}
	diff(t, b, readAll(t, msgs))
}

func TestMarshalRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		bend func(*probe.Batch)
		want string
	}{
		{"no name", func(b *probe.Batch) { b.Results[0].Check = "" }, `encode result 0 of check "": name "" has 0 bytes, want 1 to 63`},
		{"long name", func(b *probe.Batch) { b.Epochs[1].Check = strings.Repeat("a", 64) }, "has 64 bytes, want 1 to 63"},
		{"bad name", func(b *probe.Batch) { b.Missed[0].Check = "Shop" }, `name "Shop" has 'S' at byte 0`},
		{"no outcome", func(b *probe.Batch) { b.Results[1].Outcome = 0 }, "outcome is 0, want one of 1 to 6"},
		{"slot before 1970", func(b *probe.Batch) { b.Results[1].Slot = -1 }, "slot is -1"},
		{"attempts", func(b *probe.Batch) { b.Results[1].Attempts = 65536 }, "attempts are 65536"},
		{"lag", func(b *probe.Batch) { b.Results[1].Lag = 1 << 32 * time.Millisecond }, "lag is 1193h2m47.296s"},
		{"empty range", func(b *probe.Batch) { b.Missed[0].To = b.Missed[0].From }, "want an end after the start"},
		{"offset", func(b *probe.Batch) { b.Epochs[0].Grid.Offset = 30000 }, "offset is 30000 ms, want one in [0, 30000)"},
		{"budget", func(b *probe.Batch) { b.Epochs[0].Budget = -1 }, "budget is -1ns"},
		{"population", func(b *probe.Batch) { b.Epochs[0].Of = 2 }, "population is 2, want at most 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := sample()
			c.bend(b)
			msgs, err := wire.Marshal(b)
			if err == nil || !strings.Contains(err.Error(), c.want) || msgs != nil {
				t.Errorf("got %d messages and error %v, want none and one with %q", len(msgs), err, c.want)
			}
		})
	}
}

// one is the smallest valid message with a result, to be bent.
func one() *pb.Batch {
	return &pb.Batch{
		Checks: []string{"shop"},
		Results: &pb.Results{
			Check: []int32{0}, SlotMs: []int64{1000}, Flags: []byte{byte(probe.Up)}, LagMs: []uint32{0}, PhaseMask: []uint32{0},
		},
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	bent := func(bend func(*pb.Batch)) []byte {
		m := one()
		bend(m)
		return raw(t, m)
	}
	for _, c := range []struct {
		name string
		msg  []byte
		want string
	}{
		{"nothing", nil, "there is no version byte"},
		{"older", []byte{0}, "version is 0, want 1"},
		{"newer", []byte{2, 1, 2, 3}, "version is 2, want 1"},
		{"too large", append([]byte{1}, make([]byte, wire.MaxMessage)...), "too large"},
		{"cut off", raw(t, one())[:8], "cannot parse invalid wire-format data"},
		{"unknown field", append(raw(t, one()), protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 1)...), "2 bytes of fields that version 1 does not have"},
		{"name", bent(func(m *pb.Batch) { m.Checks[0] = "-shop" }), `check 0: name "-shop" has '-' at byte 0`},
		{"name not UTF-8", append([]byte{1}, 10, 1, 0xff), `check 0: name "\xff" has`},
		{"name not UTF-8 behind the rest", append(raw(t, one()), 10, 1, 0xff), "invalid UTF-8"},
		{"name cut off", append([]byte{1}, 10, 2, 'a'), "proto:"},
		{"index", bent(func(m *pb.Batch) { m.Results.Check[0] = 1 }), "check is entry 1 of a table of 1"},
		{"negative index", bent(func(m *pb.Batch) { m.Results.Check[0] = -1 }), "check is entry -1 of a table of 1"},
		{"slots missing", bent(func(m *pb.Batch) { m.Results.SlotMs = nil }), "columns disagree: 1 flags, 1 checks, 0 slots"},
		{"a lag too many", bent(func(m *pb.Batch) { m.Results.LagMs = []uint32{0, 0} }), "columns disagree"},
		{"mask missing", bent(func(m *pb.Batch) { m.Results.PhaseMask = nil }), "0 phase masks"},
		{"phases missing", bent(func(m *pb.Batch) { m.Results.PhaseMask[0] = 3 }), "0 phases, want 2 by the flags"},
		{"reason missing", bent(func(m *pb.Batch) { m.Results.Flags[0] |= 1 << 5 }), "0 reasons, want 1 by the flags"},
		{"latency not announced", bent(func(m *pb.Batch) { m.Results.Latency = []int32{1} }), "1 latencies, want 0 by the flags"},
		{"attempts missing", bent(func(m *pb.Batch) { m.Results.Flags[0] |= 1 << 7 }), "0 attempts, want 1 by the flags"},
		{"outcome 0", bent(func(m *pb.Batch) { m.Results.Flags[0] = 0 }), "outcome is 0, want one of 1 to 6"},
		{"outcome 7", bent(func(m *pb.Batch) { m.Results.Flags[0] = 7 }), "outcome is 7"},
		{"reason 256", bent(func(m *pb.Batch) { m.Results.Flags[0] |= 1 << 5; m.Results.Reason = []uint32{256} }), "reason is 256, want at most 255"},
		{"slot overflows", bent(func(m *pb.Batch) {
			c := m.Results
			c.Check, c.Flags, c.LagMs, c.PhaseMask = []int32{0, 0}, []byte{1, 1}, []uint32{0, 0}, []uint32{0, 0}
			c.SlotMs = []int64{1000, 1<<63 - 1}
		}), "result 1: slot is -9223372036854774809"},
		{"latency of none", bent(func(m *pb.Batch) { m.Results.Flags[0] |= 1 << 6; m.Results.Latency = []int32{-32768} }), "latency index is -32768"},
		{"phase too slow", bent(func(m *pb.Batch) { m.Results.PhaseMask[0] = 1; m.Results.Phases = []int32{32768} }), "latency index is 32768"},
		{"attempts", bent(func(m *pb.Batch) { m.Results.Flags[0] |= 1 << 7; m.Results.Attempts = []uint32{1 << 31} }), "attempts are 2147483648"},
		{"epoch of no check", bent(func(m *pb.Batch) { m.Epochs = []*pb.Epoch{{Check: 7}} }), "epoch 0: check is entry 7 of a table of 1"},
		{"epoch population", bent(func(m *pb.Batch) { m.Epochs = []*pb.Epoch{{Of: 256}} }), "population is 255, want at most 1"},
		{"epoch interval", bent(func(m *pb.Batch) { m.Epochs = []*pb.Epoch{{IntervalMs: -1}} }), "interval is -1 ms"},
		{"range of no check", bent(func(m *pb.Batch) { m.Missed = []*pb.Missed{{Check: 7}} }), "missed range 0: check is entry 7"},
		{"range backwards", bent(func(m *pb.Batch) { m.Missed = []*pb.Missed{{SpanMs: -1}} }), "want an end after the start"},
		{"range overflows", bent(func(m *pb.Batch) { m.Missed = []*pb.Missed{{FromMs: 1000, SpanMs: 1<<63 - 1}} }), "want an end after the start"},
		{"range too long", bent(func(m *pb.Batch) { m.Missed = []*pb.Missed{{SpanMs: 1<<63 - 1}} }), "end is 9223372036854775807"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := wire.Unmarshal(c.msg)
			if err == nil || !errors.Is(err, wire.ErrMalformed) || b != nil {
				t.Fatalf("got batch %v and error %v, want none and ErrMalformed", b, err)
			}
			// protobuf's own errors put a no-break space in place of some spaces, at random
			if got := strings.ReplaceAll(err.Error(), "\u00a0", " "); !strings.Contains(got, c.want) {
				t.Errorf("got error %q, want one with %q", got, c.want)
			}
		})
	}
}

// A newer prober may know more reasons and phases: the outcome stands, the reason's number is kept, and the
// phase is left out.
func TestNewerNumbers(t *testing.T) {
	m := one()
	c := m.Results
	c.Flags[0] = byte(probe.Down) | 1<<5
	c.Reason = []uint32{200}
	c.PhaseMask[0] = 1<<probe.PhaseTLS | 1<<30
	c.Phases = []int32{5, 6}
	m.Missed = []*pb.Missed{{SpanMs: 1, Reason: 201}}

	b, err := wire.Unmarshal(raw(t, m))
	if err != nil {
		t.Fatal(err)
	}
	want := probe.Result{
		Check: "shop", Slot: 1000, Outcome: probe.Down, Reason: 200, Latency: probe.NoLatency, Attempts: 1, Phases: noPhases,
	}
	want.Phases[probe.PhaseTLS] = 5
	diff(t, &probe.Batch{
		Results: []probe.Result{want},
		Missed:  []probe.MissedRange{{Check: "shop", To: 1, Reason: 201}},
	}, b)
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "0": true, "shop": true, "a.b-c": true, "a..b": true, strings.Repeat("a", 63): true,
		"": false, "-": false, "a-": false, ".a": false, "a_b": false, "A": false, "a b": false, "é": false, strings.Repeat("a", 64): false,
	} {
		if err := wire.CheckName(name); (err == nil) != ok {
			t.Errorf("name %q: got error %v, want valid %t", name, err, ok)
		}
	}
}
