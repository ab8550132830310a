package wire_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

const lastInstant = 253402300799999

func anyLatency() *rapid.Generator[probe.LatencyIndex] {
	return rapid.OneOf(
		rapid.Just(probe.NoLatency),
		rapid.Map(rapid.Int16Range(-700, 300), func(i int16) probe.LatencyIndex { return probe.LatencyIndex(i) }),
		rapid.Map(rapid.Int16Range(math.MinInt16+1, math.MaxInt16), func(i int16) probe.LatencyIndex { return probe.LatencyIndex(i) }),
	)
}

func anyReason() *rapid.Generator[probe.Reason] {
	return rapid.Map(rapid.Uint8(), func(n uint8) probe.Reason { return probe.Reason(n) })
}

func anyBatch(t *rapid.T) *probe.Batch {
	name := rapid.OneOf(rapid.SampledFrom([]string{"a", "shop", "zone.x"}), rapid.StringMatching(`[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?`))
	instant := rapid.OneOf(rapid.Int64Range(1.79e12, 1.8e12), rapid.Int64Range(0, lastInstant-1))
	epoch := rapid.Custom(func(t *rapid.T) probe.Epoch {
		interval := rapid.Int64Range(0, 1e9).Draw(t, "interval")
		return probe.Epoch{
			Check: name.Draw(t, "check"), From: instant.Draw(t, "from"),
			Grid:     probe.Grid{Interval: interval, Offset: rapid.Int64Range(0, max(interval-1, 0)).Draw(t, "offset")},
			Budget:   time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "budget")),
			Under:    time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "under")),
			Of:       probe.Population(rapid.Uint8Range(0, 1).Draw(t, "of")),
			Expected: rapid.Bool().Draw(t, "expected"),
		}
	})
	result := rapid.Custom(func(t *rapid.T) probe.Result {
		r := probe.Result{
			Check: name.Draw(t, "check"), Slot: instant.Draw(t, "slot"),
			Outcome: rapid.SampledFrom(probe.Outcomes()).Draw(t, "outcome"), Reason: anyReason().Draw(t, "reason"),
			Lag:     time.Duration(rapid.Uint32().Draw(t, "lag")) * time.Millisecond,
			Latency: anyLatency().Draw(t, "latency"), Under: rapid.Bool().Draw(t, "under"),
			Unvouched: rapid.Bool().Draw(t, "unvouched"), Announced: rapid.Bool().Draw(t, "announced"), Attempts: rapid.IntRange(0, 65535).Draw(t, "attempts"),
		}
		for ph := range r.Phases {
			r.Phases[ph] = anyLatency().Draw(t, "phase")
		}
		return r
	})
	missed := rapid.Custom(func(t *rapid.T) probe.MissedRange {
		from := instant.Draw(t, "from")
		return probe.MissedRange{
			Check: name.Draw(t, "check"), From: from,
			To: rapid.Int64Range(from+1, lastInstant).Draw(t, "to"), Reason: anyReason().Draw(t, "reason"),
		}
	})
	return &probe.Batch{
		Epochs:  rapid.SliceOfN(epoch, 0, 20).Draw(t, "epochs"),
		Results: rapid.SliceOfN(result, 0, 50).Draw(t, "results"),
		Missed:  rapid.SliceOfN(missed, 0, 20).Draw(t, "missed"),
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := anyBatch(rt)
		got := readAll(t, mustMarshal(t, b))
		diff(t, norm(b), norm(got))
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// norm makes no rows and nil the same.
func norm(b *probe.Batch) *probe.Batch {
	if len(b.Epochs) == 0 {
		b.Epochs = nil
	}
	if len(b.Results) == 0 {
		b.Results = nil
	}
	if len(b.Missed) == 0 {
		b.Missed = nil
	}
	return b
}

// Whatever is accepted can be written again and is then the same.
func FuzzUnmarshal(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no golden files to begin with: %v", err)
	}
	for _, p := range paths {
		msg, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		b, err := wire.Unmarshal(msg)
		if err != nil {
			return
		}
		diff(t, norm(b), norm(readAll(t, mustMarshal(t, b))))
	})
}
