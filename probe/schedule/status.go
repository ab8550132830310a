package schedule

import (
	"sync/atomic"
	"time"
)

// Status is what a Scheduler has done and is doing. Counters count from New on and never fall.
type Status struct {
	Tasks       int           // being followed
	Waves       int           // groups of tasks that share a grid
	Running     int           // runs going on
	Overlapping int           // of these, the ones beyond the first of their id; at most Options.MaxRunning
	Started     uint64        // slots handed to Runner.Run
	Late        uint64        // slots missed because their instant had passed
	Overload    uint64        // slots missed because too many runs overlapped
	Stopped     uint64        // slots missed because Run was not running
	Steps       uint64        // steps of the wall clock, suspends included
	Panics      uint64        // panics that came out of Runner.Run
	Behind      time.Duration // how far the clock was set back below instants dealt with, which are not repeated
	Lag         Lag
}

// Lag is a histogram of the start lag: from the slot's instant to the call of Runner.Run.
type Lag struct {
	Bounds []time.Duration // upper bounds, included, rising
	Counts []uint64        // of the lags up to each bound and over the one before; one more for the rest
	Sum    time.Duration
	Max    time.Duration
}

// lagBounds are the bounds of Lag in ms.
var lagBounds = [...]int64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000}

// lags collects a Lag. It is safe for concurrent use.
type lags struct {
	counts   [len(lagBounds) + 1]atomic.Uint64
	sum, max atomic.Int64 // ms
}

func (l *lags) observe(ms int64) {
	ms = max(ms, 0)
	i := 0
	for i < len(lagBounds) && ms > lagBounds[i] {
		i++
	}
	l.counts[i].Add(1)
	l.sum.Add(ms)
	for old := l.max.Load(); ms > old && !l.max.CompareAndSwap(old, ms); old = l.max.Load() {
	}
}

func (l *lags) read() Lag {
	r := Lag{
		Sum: time.Duration(l.sum.Load()) * time.Millisecond,
		Max: time.Duration(l.max.Load()) * time.Millisecond,
	}
	for i := range l.counts {
		r.Counts = append(r.Counts, l.counts[i].Load())
	}
	for _, b := range lagBounds {
		r.Bounds = append(r.Bounds, time.Duration(b)*time.Millisecond)
	}
	return r
}
