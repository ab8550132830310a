package relay

import (
	"context"
	"sync"
	"time"
)

const (
	ledgerMost = 1 << 20          // messages remembered; of older ones the centre may get a copy
	freshWait  = 20 * time.Second // the longest wait for word of the lane Live
)

// A ledger is what is known of the messages of the near queue, by number, on their way to the centre. The lane Live
// writes it; the lane Late asks it what is left.
type ledger struct {
	mu      sync.Mutex
	first   uint64              // Live began here; what is before it is for Late
	next    uint64              // Live has dealt with all before it, or is doing so
	flight  map[uint64]struct{} // sent on Live, not yet answered
	stored  map[uint64]int64    // by the centre, through Live: when the near queue took it, Unix ns
	changed chan struct{}       // closed when something became known
}

func newLedger(first uint64) *ledger {
	return &ledger{
		first: first, next: first, flight: make(map[uint64]struct{}), stored: make(map[uint64]int64), changed: make(chan struct{}),
	}
}

// begin notes that Live deals with a message, and with all before it.
func (l *ledger) begin(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = max(l.next, seq+1)
	l.flight[seq] = struct{}{}
	l.tell()
}

// end notes what came of a message that was put at a time.
func (l *ledger) end(seq uint64, put time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.flight, seq)
	if err == nil && len(l.stored) < ledgerMost {
		l.stored[seq] = put.UnixNano()
	}
	l.tell()
}

// tell is called with mu held.
func (l *ledger) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// from is where Live goes on reading.
func (l *ledger) from() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// known reports whether it is known what came of a message on Live.
func (l *ledger) known(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, flying := l.flight[seq]
	return seq < l.first || seq < l.next && !flying
}

// delivered waits until it is known what came of a message on Live, and reports whether the centre has it. It does not
// ask twice: the message is forgotten. A number alone does not make a message: a queue that lost its newest in a
// fault of the disk gives their numbers again.
func (l *ledger) delivered(ctx context.Context, seq uint64, put time.Time) bool {
	wait, cancel := context.WithTimeout(ctx, freshWait)
	defer cancel()
	for {
		l.mu.Lock()
		_, flying := l.flight[seq]
		at, stored := l.stored[seq]
		known := seq < l.first || seq < l.next && !flying
		changed := l.changed
		if known {
			delete(l.stored, seq)
		}
		l.mu.Unlock()
		if known {
			return stored && at == put.UnixNano()
		}
		select {
		case <-changed:
		case <-wait.Done():
			return false
		}
	}
}
