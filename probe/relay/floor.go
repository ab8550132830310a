package relay

import "sync"

// A floor knows up to which message everything that a stream holds was taken, so that all of it can be removed at once. A
// server that syncs every write syncs each acknowledgement, too, and delivers nothing meanwhile: one by one they take
// longer than everything else that is done with a message. It is safe for concurrent use.
//
// Messages are handed out in the order of their numbers, unless one was lost on its way: the server sends it again after
// ackWait. Until then there is a hole, and nothing beyond it may be removed by its number.
type floor struct {
	mu      sync.Mutex
	through uint64              // everything up to here was taken, or will never come
	last    uint64              // of those handed out
	hole    uint64              // the last one that was not handed out when it was its turn; up to through: there is none
	taken   map[uint64]struct{} // beyond through
}

// reset begins anew: everything up to a message was taken, and whatever is beyond it will be handed out from now on.
func (f *floor) reset(through uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.through, f.last, f.hole, f.taken = through, through, 0, make(map[uint64]struct{})
}

// expect notes that messages are handed out, and reports whether each of them follows the one before.
func (f *floor) expect(seqs []uint64) (inTurn bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	inTurn = true
	for _, seq := range seqs {
		inTurn = inTurn && seq == f.last+1
		if seq > f.last+1 {
			f.hole = seq - 1
		}
		f.last = max(f.last, seq)
	}
	return inTurn
}

// take notes that messages were taken. It returns up to where everything now was, how many messages farther that is than it
// was before, and whether there is a hole beyond.
func (f *floor) take(seqs []uint64) (through uint64, more int, holed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.through
	for _, seq := range seqs {
		if seq > f.through {
			f.taken[seq] = struct{}{}
		}
	}
	f.climb()
	return f.through, int(f.through - before), f.hole > f.through
}

// raise notes the server's word that everything up to a message was taken, or will never come.
func (f *floor) raise(through uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.through < through {
		f.through++
		delete(f.taken, f.through)
	}
	f.climb()
}

// climb is called with mu held.
func (f *floor) climb() {
	for {
		if _, ok := f.taken[f.through+1]; !ok {
			return
		}
		f.through++
		delete(f.taken, f.through)
	}
}
