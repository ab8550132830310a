package probe

import (
	"fmt"
	"sync/atomic"
	"time"
)

// bellLate is by how much a bell may be late, whatever the time-out: a busy machine is so all the time.
const bellLate = 150 * time.Millisecond

// A bell is to ring when half of an attempt's time is up. If it rings late by half of what is left, this process did not run as the
// time passed, as when it was stopped or the machine was too busy; the answer may have lain there unread.
type bell struct {
	due, deadline time.Time
	tolerance     time.Duration // by how much it may be late
	timer         *time.Timer
	late          atomic.Int64 // ns, once it has rung
}

// newBell sets a bell for an attempt that begins now.
func newBell(start time.Time, timeout time.Duration) *bell {
	b := &bell{due: start.Add(timeout / 2), deadline: start.Add(timeout), tolerance: max(bellLate, timeout/4)}
	b.timer = time.AfterFunc(timeout/2, func() { b.late.Store(int64(max(time.Since(b.due), 1))) })
	return b
}

// asleep returns for how long this process did not run as the time of an attempt that ended then was up; zero if it ran.
func (b *bell) asleep(end time.Time) time.Duration {
	b.timer.Stop()
	late := time.Duration(b.late.Load())
	if late == 0 && end.After(b.due) { // it is due, and has not rung yet
		late = end.Sub(b.due)
	}
	if late = max(late, end.Sub(b.deadline)); late < b.tolerance {
		return 0
	}
	return late
}

// stalled takes an attempt that ran out of time for one of which nobody can say whether the target is to blame, if this process
// did not run then.
func (t *trial) stalled(b *bell) {
	asleep := b.asleep(t.end)
	if asleep == 0 || !t.Reason.silence() {
		return
	}
	t.asleep = true
	t.Detail.Error = fmt.Sprintf("%s; this process did not run for %v as the time was up", t.Detail.Error, asleep.Round(time.Millisecond))
}
