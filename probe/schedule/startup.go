package schedule

import (
	"math"

	"github.com/gaikei/gaikei/probe"
)

// Stopped returns the slots of t that passed while nobody followed it: those after the instant last, of which
// something is known (the last slot in the queue, say), up to start, as Set returned it. It reports false if
// there are none. Instants are Unix ms.
func Stopped(t Task, last, start int64) (probe.MissedRange, bool) {
	until := t.Until
	if until == 0 {
		until = math.MaxInt64
	}
	if t.Grid.Interval <= 0 {
		return probe.MissedRange{}, false
	}
	d := dueAt(t.Grid, max(t.From, last+1), until, start)
	if !d.some {
		return probe.MissedRange{}, false
	}
	return probe.MissedRange{Check: t.ID, From: d.first, To: d.last + 1, Reason: probe.Stopped}, true
}
