package relay

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// A Cause says why something was dropped. The words are stable.
type Cause string

// The causes.
const (
	DroppedMemory   Cause = "memory"   // results: the queue was broken for longer than the memory lasts
	DroppedLimits   Cause = "limits"   // messages: too old, or too many, before they were consumed
	DroppedInvalid  Cause = "invalid"  // results that no message can hold, or messages of nobody: a fault of the program
	DroppedStopped  Cause = "stopped"  // results: the process ended while the queue was broken
	DroppedEvidence Cause = "evidence" // pieces of evidence
)

// A Drop tells what was lost in a range of time. For results and missed ranges that is the time of their
// slots; for messages it is when their neighbours were stored, From being zero if that is not known; for evidence
// it is when it was dropped.
type Drop struct {
	Cause    Cause
	From, To time.Time
	Count    int64 // results and missed ranges, messages, or pieces of evidence, as the cause says
}

const (
	maxDrops  = 16          // ranges kept a cause; older ones are joined
	dropsJoin = time.Minute // ranges closer than that are one
)

// drops counts what was lost. The zero value is ready; it is safe for concurrent use.
type drops struct {
	mu     sync.Mutex
	ranges map[Cause][]Drop // in the order they were dropped
}

func (d *drops) add(n Drop) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ranges == nil {
		d.ranges = make(map[Cause][]Drop)
	}
	list := d.ranges[n.Cause]
	if k := len(list); k > 0 && n.From.Sub(list[k-1].To) < dropsJoin && list[k-1].From.Sub(n.To) < dropsJoin {
		list[k-1] = list[k-1].join(n)
	} else {
		list = append(list, n)
	}
	if len(list) > maxDrops {
		list[1] = list[0].join(list[1])
		list = list[1:]
	}
	d.ranges[n.Cause] = list
}

func (d Drop) join(o Drop) Drop {
	if o.From.Before(d.From) {
		d.From = o.From
	}
	if o.To.After(d.To) {
		d.To = o.To
	}
	d.Count += o.Count
	return d
}

// all returns the ranges, by cause and then in the order they were dropped.
func (d *drops) all() []Drop {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Drop
	for _, c := range slices.Sorted(maps.Keys(d.ranges)) {
		all = append(all, d.ranges[c]...)
	}
	return all
}
