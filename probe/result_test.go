package probe

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestIndexOf: the value that an index stands for is within 1 % of what was measured, and a longer time never has
// a smaller index.
func TestIndexOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(int64(time.Microsecond), int64(24*time.Hour)).Draw(t, "d"))
		i := IndexOf(d)
		value := 2 * math.Pow(gamma, float64(i)) / (gamma + 1)
		if off := math.Abs(value/d.Seconds() - 1); off > 0.01+1e-9 {
			t.Fatalf("%v has index %d, which stands for %vs: %.3f %% off", d, i, value, 100*off)
		}
		if j := IndexOf(d + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "more"))); j < i {
			t.Fatalf("a longer time than %v has index %d < %d", d, j, i)
		}
	})
}

func TestIndexOfGolden(t *testing.T) {
	for d, want := range map[time.Duration]LatencyIndex{
		time.Second: 0, 300 * time.Millisecond: -60, 10 * time.Second: 116, time.Millisecond: -345,
		time.Microsecond: -690, 0: -690, -time.Second: -690,
	} {
		if got := IndexOf(d); got != want {
			t.Errorf("IndexOf(%v) = %d, want %d", d, got, want)
		}
	}
	if IndexOf(math.MaxInt64) == NoLatency || IndexOf(0) == NoLatency {
		t.Error("a latency has the index of none")
	}
}

func TestBatchEmpty(t *testing.T) {
	if !new(Batch).Empty() {
		t.Error("the zero batch is not empty")
	}
	for name, b := range map[string]Batch{
		"epoch": {Epochs: []Epoch{{}}}, "result": {Results: []Result{{}}}, "missed": {Missed: []MissedRange{{}}},
	} {
		if b.Empty() {
			t.Errorf("a batch with one %s is empty", name)
		}
	}
}
