package probe

import (
	"fmt"
	"sync/atomic"
	"time"
)

// The times of a bell. What comes in its last stretch before the deadline would have come late anyway.
const (
	bellLead = 200 * time.Millisecond // how long before the deadline it is to ring
	bellLate = 150 * time.Millisecond // by how much it may be late before we were at fault
)

// A bell is to ring shortly before an attempt's deadline. If it rings late, this process did not run when the time was up, as
// when it was stopped or the machine was too busy; the answer may have lain there unread.
type bell struct {
	due, deadline time.Time
	timer         *time.Timer
	late          atomic.Int64 // ns, once it has rung
}

// newBell sets a bell for an attempt that begins now.
func newBell(start time.Time, timeout time.Duration) *bell {
	lead := min(bellLead, timeout/2)
	b := &bell{due: start.Add(timeout - lead), deadline: start.Add(timeout)}
	b.timer = time.AfterFunc(timeout-lead, func() { b.late.Store(int64(max(time.Since(b.due), 1))) })
	return b
}

// asleep returns for how long this process did not run as the time of an attempt that ended then was up; zero if it ran.
func (b *bell) asleep(end time.Time) time.Duration {
	b.timer.Stop()
	late := time.Duration(b.late.Load())
	if late == 0 && end.After(b.due) { // it is due, and has not rung yet
		late = end.Sub(b.due)
	}
	if late = max(late, end.Sub(b.deadline)); late < bellLate {
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
