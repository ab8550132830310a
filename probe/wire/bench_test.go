package wire_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

// second is what a prober with many HTTP checks sends about one second: 1,000 series with one result each.
func second() *probe.Batch {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := new(probe.Batch)
	for i := range 1000 {
		total := time.Duration(20+rnd.IntN(200)) * time.Millisecond
		r := probe.Result{
			Check: fmt.Sprintf("shop-%04d.frontend", i), Slot: 1795392000000 + int64(rnd.IntN(40))*25,
			Outcome: probe.Up, Lag: time.Duration(rnd.IntN(5)) * time.Millisecond, Latency: probe.IndexOf(total),
			Under: true, Attempts: 1, Phases: noPhases,
		}
		for ph, share := range []int{10, 20, 30, 35, 5} {
			r.Phases[ph] = probe.IndexOf(total * time.Duration(share+rnd.IntN(5)) / 100)
		}
		if i%100 == 0 {
			r.Outcome, r.Reason, r.Latency, r.Under = probe.Down, probe.Status, probe.NoLatency, false
		}
		b.Results = append(b.Results, r)
	}
	return b
}

func BenchmarkUnmarshal(b *testing.B) {
	batch := second()
	msgs := mustMarshal(b, batch)
	if len(msgs) != 1 {
		b.Fatalf("got %d messages, want 1", len(msgs))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Unmarshal(msgs[0]); err != nil {
			b.Fatal(err)
		}
	}
	report(b, len(batch.Results), len(msgs[0]))
}

func BenchmarkMarshal(b *testing.B) {
	batch := second()
	size := len(mustMarshal(b, batch)[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Marshal(batch); err != nil {
			b.Fatal(err)
		}
	}
	report(b, len(batch.Results), size)
}

func report(b *testing.B, results, size int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*results), "ns/result")
	b.ReportMetric(float64(size)/float64(results), "bytes/result")
}
