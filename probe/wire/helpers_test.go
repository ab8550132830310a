package wire_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/probe/wire/internal/pb"
)

// noPhases is what a slot without a probe has.
var noPhases = [probe.NumPhases]probe.LatencyIndex{
	probe.NoLatency, probe.NoLatency, probe.NoLatency, probe.NoLatency, probe.NoLatency, probe.NoLatency,
}

// mustMarshal encodes and tests what holds for every encoding.
func mustMarshal(t testing.TB, b *probe.Batch) [][]byte {
	t.Helper()
	msgs, err := wire.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range msgs {
		if len(m) > wire.MaxMessage {
			t.Errorf("message %d has %d bytes, want at most %d", i, len(m), wire.MaxMessage)
		}
	}
	return msgs
}

// readAll decodes messages into one batch.
func readAll(t testing.TB, msgs [][]byte) *probe.Batch {
	t.Helper()
	all := new(probe.Batch)
	for i, m := range msgs {
		b, err := wire.Unmarshal(m)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		all.Epochs = append(all.Epochs, b.Epochs...)
		all.Results = append(all.Results, b.Results...)
		all.Missed = append(all.Missed, b.Missed...)
	}
	return all
}

// raw encodes a protobuf message that Marshal would not write.
func raw(t testing.TB, m *pb.Batch) []byte {
	t.Helper()
	msg, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{wire.Version}, msg...)
}

func diff(t testing.TB, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// sample has every kind of row and every flag.
func sample() *probe.Batch {
	phases := func(ls ...probe.LatencyIndex) [probe.NumPhases]probe.LatencyIndex {
		p := noPhases
		copy(p[:], ls)
		return p
	}
	return &probe.Batch{
		Epochs: []probe.Epoch{
			{
				Check: "shop", From: 1795392000025, Grid: probe.Grid{Interval: 30000, Offset: 25},
				Budget: 33 * time.Second, Under: 300 * time.Millisecond, Of: probe.OfUp, Expected: true,
			},
			{Check: "old.check", From: 1795392000000},
		},
		Results: []probe.Result{
			{
				Check: "shop", Slot: 1795392000025, Outcome: probe.Up, Lag: 3 * time.Millisecond, Latency: -160,
				Under: true, Attempts: 1, Phases: phases(-300, -290, -250, -180, -400),
			},
			{
				Check: "ssh-closed", Slot: 1795391999975, Outcome: probe.ExpectedUnreachable, Reason: probe.Timeout,
				Latency: probe.NoLatency, Attempts: 3, Phases: phases(-345, 115),
			},
			{
				Check: "shop", Slot: 1795392030025, Outcome: probe.Down, Reason: probe.Status, Latency: probe.NoLatency,
				Unvouched: true, Attempts: 1, Phases: phases(-300, -290, -250, 0, 1),
			},
			{Check: "zone", Slot: 0, Outcome: probe.Missed, Reason: probe.Overload, Latency: probe.NoLatency, Phases: noPhases},
			{Check: "zone", Slot: 253402300799999, Outcome: probe.Inconclusive, Reason: probe.NoVouch, Latency: 32767, Attempts: 65535, Phases: noPhases},
		},
		Missed: []probe.MissedRange{{Check: "zone", From: 1795392000000, To: 1795395600000, Reason: probe.Stopped}},
	}
}

// announced are results of a target that told of its maintenance, and then did no longer.
func announced() []probe.Result {
	first := probe.Result{
		Check: "shop", Slot: 1795392000025, Outcome: probe.Down, Reason: probe.Status, Latency: probe.NoLatency, Announced: true,
		Attempts: 1, Phases: noPhases,
	}
	first.Phases[probe.PhaseConnect], first.Phases[probe.PhaseWait] = -250, -120
	next := first
	next.Slot, next.Announced = next.Slot+30_000, false
	return []probe.Result{first, next}
}
