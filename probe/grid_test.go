package probe

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestGridGolden holds offsets that must never change: slots are stored by them.
func TestGridGolden(t *testing.T) {
	for _, r := range []struct {
		id       string
		ordinal  int
		interval time.Duration
		offset   int64
	}{
		{"shop", 0, 30 * time.Second, 16575},
		{"shop", 1, 30 * time.Second, 5125},
		{"shop", 2, 30 * time.Second, 23650},
		{"shop", 0, time.Minute, 33175},
		{"ssh-closed-to-the-world", 0, 10 * time.Second, 7650},
		{"zone", 7, 5 * time.Minute, 196575},
		{"", 0, time.Second, 875},
	} {
		want := Grid{Interval: r.interval.Milliseconds(), Offset: r.offset}
		if got := GridOf(r.id, r.ordinal, r.interval); got != want {
			t.Errorf("GridOf(%q, %d, %v) = %+v, want %+v", r.id, r.ordinal, r.interval, got, want)
		}
	}
}

// TestGridSpread: however many regions there are, the largest time without a look is under 1.9 intervals ÷ n. The
// grain of offsets adds up to two of its steps.
func TestGridSpread(t *testing.T) {
	const interval = time.Hour
	for n := 1; n <= 64; n++ {
		for check := range 20 {
			var offsets []int64
			for region := range n {
				offsets = append(offsets, GridOf(fmt.Sprint("check-", check), region, interval).Offset)
			}
			slices.Sort(offsets)
			largest := offsets[0] + interval.Milliseconds() - offsets[n-1]
			for i := 1; i < n; i++ {
				largest = max(largest, offsets[i]-offsets[i-1])
			}
			if limit := 1.9*float64(interval.Milliseconds())/float64(n) + 2*offsetStep; float64(largest) >= limit {
				t.Errorf("%d regions: largest gap %d ms, want under %.0f", n, largest, limit)
			}
		}
	}
}

// TestGridArithmetic compares with walking over every millisecond.
func TestGridArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.Int64Range(1, 200).Draw(t, "interval")
		g := Grid{Interval: interval, Offset: rapid.Int64Range(0, interval-1).Draw(t, "offset")}
		from := rapid.Int64Range(0, 1000).Draw(t, "from")
		to := from + rapid.Int64Range(-10, 1000).Draw(t, "length")
		var count int64
		first := int64(-1)
		for x := from; x < to; x++ {
			on := x%interval == g.Offset
			if on != g.On(x) {
				t.Fatalf("On(%d) = %v, want %v", x, g.On(x), on)
			}
			if on {
				count++
			}
			if on && first < 0 {
				first = x
			}
		}
		if got := g.Count(from, to); got != count {
			t.Fatalf("Count(%d, %d) = %d, want %d", from, to, got, count)
		}
		if got := g.Next(from); first >= 0 && got != first {
			t.Fatalf("Next(%d) = %d, want %d", from, got, first)
		}
	})
}

func TestGridBounds(t *testing.T) {
	if got := (Grid{}).Count(0, 1e12); got != 0 || (Grid{}).On(0) {
		t.Errorf("the zero grid has %d slots", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(1, int64(24*time.Hour/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
		g := GridOf(rapid.String().Draw(t, "id"), rapid.IntRange(0, 1000).Draw(t, "ordinal"), interval)
		if g.Offset < 0 || g.Offset >= g.Interval || g.Offset%offsetStep != 0 {
			t.Fatalf("%+v: want an offset in [0, interval), in steps of %d", g, offsetStep)
		}
	})
}
