package relay

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// minFree is the free disk below which reopening is not worth the trying.
const minFree = 1 << 20

// A keeper holds a session, and replaces it after faults.
type keeper struct {
	what      string // of what, for people: "near queue"
	meanwhile string // what becomes of messages while it is broken
	dir       string // where it keeps its files; empty if elsewhere
	log       *slog.Logger
	server    *serverLog // of every session
	open      func(context.Context) (*session, error)
	leave     func(*session) // called before a session is replaced; may be nil
	backoff   time.Duration  // first wait after a failed reopening; doubles
	backoffTo time.Duration
	kick      chan struct{} // wakes whoever repairs
	opening   sync.Mutex    // held while the session is replaced, and by close

	mu      sync.Mutex
	session *session      // nil while it is being reopened
	changed chan struct{} // closed when session or closed changes
	closed  bool
	health  health
}

// health is what is known about faults; guarded by keeper.mu.
type health struct {
	broken   bool
	since    time.Time // when it broke
	err      error     // the newest fault, also after it is over
	reopened int       // times
	wait     time.Duration
	next     time.Time // when reopening is tried again
}

func newKeeper(what, meanwhile, dir string, log *slog.Logger) *keeper {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &keeper{
		what: what, meanwhile: meanwhile, dir: dir, log: log, server: newServerLog(log),
		backoff: time.Second, backoffTo: 30 * time.Second,
		kick: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// shut ends the session for good, and reports whether this was the first time.
func (k *keeper) shut() bool {
	k.opening.Lock()
	defer k.opening.Unlock()
	k.mu.Lock()
	s, done := k.session, k.closed
	k.closed = true
	k.setSession(nil)
	k.mu.Unlock()
	if s != nil {
		s.close()
	}
	return !done
}

// setSession is called with mu held.
func (k *keeper) setSession(s *session) {
	k.session = s
	close(k.changed)
	k.changed = make(chan struct{})
}

// current returns the open session, or an error that says why there is none.
func (k *keeper) current() (*session, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return nil, ErrClosed
	case k.session == nil:
		return nil, fmt.Errorf("the %s is being reopened: %w", k.what, k.health.err)
	}
	return k.session, nil
}

// await waits until there is a session. It fails when the keeper is shut or ctx ends.
func (k *keeper) await(ctx context.Context) (*session, error) {
	for {
		k.mu.Lock()
		s, closed, changed := k.session, k.closed, k.changed
		k.mu.Unlock()
		switch {
		case closed:
			return nil, ErrClosed
		case s != nil:
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// whole returns the session if no put has failed in it.
func (k *keeper) whole() (*session, error) {
	s, err := k.current()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.failed != nil {
		return nil, fmt.Errorf("the %s is broken: %w", k.what, s.failed)
	}
	return s, nil
}

func (k *keeper) wake() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// fail notes a fault of a session; one of an earlier session is repaired already. It is logged when all was well
// before.
func (k *keeper) fail(s *session, err error) {
	k.mu.Lock()
	if s != k.session || k.closed {
		k.mu.Unlock()
		return
	}
	if s.failed == nil {
		s.failed = err
	}
	first := !k.health.broken
	if first {
		k.health.broken, k.health.since = true, time.Now()
	}
	k.health.err = err
	k.mu.Unlock()
	if first {
		k.log.Error(fmt.Sprintf("the %s is broken; %s until it is reopened", k.what, k.meanwhile),
			"dir", k.dir, "error", err, "server", s.log.complaint())
	}
	k.wake()
}

func (k *keeper) isBroken() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.health.broken
}

// recovered notes that everything works.
func (k *keeper) recovered() {
	k.mu.Lock()
	h := &k.health
	was, since := h.broken, h.since
	h.broken, h.wait, h.next = false, 0, time.Time{}
	k.mu.Unlock()
	if was {
		k.server.forget()
		k.log.Warn(fmt.Sprintf("the %s works again", k.what), "dir", k.dir, "after", time.Since(since).Round(time.Millisecond))
	}
}

// due reports whether it is time to try to reopen.
func (k *keeper) due() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.health.broken && !time.Now().Before(k.health.next)
}

// mend notes a session that has given up by itself, reopens what is broken if it is time for that, and reports
// whether there is a session to work with.
func (k *keeper) mend(ctx context.Context) bool {
	if s, err := k.current(); err == nil {
		if err := s.alive(); err != nil {
			k.fail(s, err)
		}
	}
	return !k.isBroken() || k.due() && k.reopen(ctx)
}

// reopen replaces the session, and reports whether it did. While the disk is full it leaves the old one, which can
// still be read.
func (k *keeper) reopen(ctx context.Context) bool {
	if free, err := freeBytes(k.dir); err == nil && free < minFree {
		return false
	}
	k.opening.Lock()
	defer k.opening.Unlock()
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return false
	}
	h := &k.health
	h.wait = min(max(k.backoff, 2*h.wait), k.backoffTo)
	h.next = time.Now().Add(h.wait)
	old := k.session
	k.setSession(nil)
	k.mu.Unlock()

	if old != nil {
		if k.leave != nil {
			k.leave(old)
		}
		old.close()
	}
	s, err := k.open(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		h.err = fmt.Errorf("reopen: %w", err)
		return false
	}
	h.reopened++
	k.setSession(s)
	return true
}

// state returns the health, and the session if there is one.
func (k *keeper) state() (*session, health) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.session, k.health
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
