package probe

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

// A Grid fixes the slots of a check in a region for ever: slot n is at Unix epoch + n·Interval + Offset,
// both in milliseconds. The zero Grid has no slots.
type Grid struct {
	Interval int64 // ms
	Offset   int64 // ms, in [0, Interval), a multiple of 25
}

// golden is the fractional part of the golden ratio: multiples of it spread evenly over the unit circle,
// however many regions there are, and a further region moves none of the others.
const golden = 0.6180339887

// offsetStep is the grain of offsets, so that many checks share a wave.
const offsetStep = 25

// GridOf gives a check's grid in the region with this ordinal. It depends on nothing else, so slots are
// stable over restarts, probers and aggregators.
func GridOf(id string, ordinal int, interval time.Duration) Grid {
	sum := sha256.Sum256([]byte(id))
	h := float64(binary.BigEndian.Uint64(sum[:8])) / (1 << 64)
	_, frac := math.Modf(h + float64(ordinal)*golden)
	ms := interval.Milliseconds()
	off := int64(float64(ms) * frac)
	off -= off % offsetStep
	return Grid{Interval: ms, Offset: off}
}

// Next returns the first slot at or after t, in Unix ms. The grid must not be zero.
func (g Grid) Next(t int64) int64 {
	n := (t - g.Offset) / g.Interval
	at := n*g.Interval + g.Offset
	if at < t {
		at += g.Interval
	}
	return at
}

// On reports whether t is a slot.
func (g Grid) On(t int64) bool {
	return g.Interval > 0 && g.Next(t) == t
}

// Count returns how many slots lie in [from, to).
func (g Grid) Count(from, to int64) int64 {
	if g.Interval == 0 || to <= from {
		return 0
	}
	first := g.Next(from)
	if first >= to {
		return 0
	}
	return (to-1-first)/g.Interval + 1
}
