package schedule

import (
	"slices"
	"time"
)

// A clock reads wall time, and tells how far it is from monotonic time.
type clock struct {
	base  time.Time            // has a monotonic reading
	shift func() time.Duration // see Options.Shift
}

func newClock(shift func() time.Duration) clock { return clock{base: time.Now(), shift: shift} }

// now is the wall time in Unix ms, to the nearest.
func (c clock) now() int64 {
	// Rounded down, a wave woken a microsecond early would find that nothing is due.
	return c.wall(time.Now()).Add(time.Millisecond / 2).UnixMilli()
}

func (c clock) wall(t time.Time) time.Time {
	if c.shift == nil {
		return t
	}
	return t.Add(c.shift())
}

// offset is the wall time at which the monotonic clock stood at base, as a Unix time in ns. It is constant
// but for steps of the wall clock and for time that the machine spent suspended, when the monotonic clock
// stands still.
func (c clock) offset() time.Duration {
	var o [3]time.Duration
	for i := range o {
		t := time.Now()
		o[i] = time.Duration(c.wall(t).UnixNano()) - t.Sub(c.base)
	}
	// The two clocks are read one after the other, and a thread can lose its processor in between: then the
	// wall time is too old for the monotonic one. The largest is the best reading.
	return slices.Max(o[:])
}

// at is the monotonic instant at which the wall clock shows slot, Unix ms, if the offset stays as it is.
func (c clock) at(slot int64, offset time.Duration) time.Time {
	return c.base.Add(time.Duration(slot)*time.Millisecond - offset)
}
