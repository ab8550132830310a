// Package relay is the near queue: what a prober saw is put into a JetStream stream in the prober's own process
// and folder, and read from there in order. It knows the messages of probe/wire but not what becomes of them.
// That there is NATS in it shows nowhere in its API.
//
// # Durability
//
// What Outbox.Announce returns nil for, and what a flush of Queue.Run has put, is synced to disk and survives
// kill -9 and loss of power. It stays for Options.MaxAge or until Options.MaxBytes are used up. What is older is
// dropped first, consumed or not; what was dropped before it was consumed is counted as a range of time.
//
// An error of a put says nothing: the message may be stored or not. It is put again, so a message may come twice;
// it never comes before one that its outbox put earlier, unless that one came before as well.
//
// Outbox.Result and Outbox.Missed only take into memory. Until the next flush, about a second, a crash loses it;
// so does a queue that stays broken for longer than the bounded memory lasts, and that is counted.
//
// Evidence has no durability: it is queued in memory, apart from the results, and lost when there is too much.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// ErrClosed is what a queue's methods return after Close.
var ErrClosed = errors.New("the queue is closed")

// ErrLocked is wrapped by Open's error when another process has the folder.
var ErrLocked = errors.New("the folder is in use")

const (
	defaultMaxAge   = 72 * time.Hour
	defaultMaxBytes = 1 << 30
	minMaxBytes     = 4 << 20 // some messages must fit, however full the disk is
)

// Options say where the queue is and what bounds it.
type Options struct {
	Dir      string        // folder, made if need be; one process at a time can open it
	MaxAge   time.Duration // how long messages are kept; 0: 72 h
	MaxBytes int64         // 0: 1 GiB or a quarter of the free disk, whichever is less
	Logger   *slog.Logger  // nil: no log
}

// A Queue is the near queue of a process. Its methods may be called from any goroutine. A queue starts no
// goroutines but the server's; Run must be running for results to be put and for faults to be repaired.
type Queue struct {
	dir      string
	maxAge   time.Duration
	maxBytes int64
	log      *slog.Logger
	lock     *flock.Flock
	tune     tuning
	publish  func(ctx context.Context, s *session, subject string, msg []byte) error // tests make it fail
	kick     chan struct{}                                                           // wakes Run
	drops    drops
	server   *serverLog // of every session
	opening  sync.Mutex // held while the session is replaced, and by Close

	mu       sync.Mutex
	session  *session      // nil while it is being reopened
	changed  chan struct{} // closed when session or closed changes
	outboxes []*Outbox
	closed   bool
	health   health
}

// tuning holds what tests set otherwise.
type tuning struct {
	every     time.Duration // between flushes
	backoff   time.Duration // first wait after a failed reopening; doubles
	backoffTo time.Duration
	chunk     int // rows put as one batch, at which a flush is due at once
	held      int // rows kept while the queue is broken, over all outboxes
	evidence  int // pieces of evidence kept per outbox between flushes
}

func defaults() tuning {
	return tuning{
		every: time.Second, backoff: time.Second, backoffTo: 30 * time.Second,
		chunk: 4096, held: 200_000, evidence: 64,
	}
}

// Open locks the folder and opens the queue in it. A folder that another process has open gives an error that
// wraps ErrLocked and names the folder and, if known, the process. The context bounds the opening only.
func Open(ctx context.Context, o Options) (*Queue, error) {
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("open the near queue: %w", err)
	}
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the near queue: %w", err)
	}
	q := &Queue{
		dir: o.Dir, maxAge: o.MaxAge, maxBytes: o.MaxBytes, log: o.Logger, lock: lock, tune: defaults(),
		publish: publish, kick: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	q.server = newServerLog(q.log)
	if q.maxAge == 0 {
		q.maxAge = defaultMaxAge
	}
	if q.maxBytes == 0 {
		q.maxBytes, err = chooseMaxBytes(o.Dir)
	}
	if err == nil {
		q.session, err = openSession(ctx, q)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the near queue in %s: %w", o.Dir, err), lock.Unlock())
	}
	return q, nil
}

// Close stops the server and unlocks the folder. What is in an outbox and not put is lost; Run puts it when it
// ends, so end Run first. Closing twice does nothing.
func (q *Queue) Close() error {
	q.opening.Lock()
	defer q.opening.Unlock()
	q.mu.Lock()
	s := q.session
	done := q.closed
	q.closed = true
	q.setSession(nil)
	q.mu.Unlock()
	if done {
		return nil
	}
	if s != nil {
		s.close()
	}
	if err := q.lock.Unlock(); err != nil {
		return fmt.Errorf("close the near queue: %w", err)
	}
	return nil
}

// setSession is called with mu held.
func (q *Queue) setSession(s *session) {
	q.session = s
	close(q.changed)
	q.changed = make(chan struct{})
}

// current returns the open session, or an error that says why there is none.
func (q *Queue) current() (*session, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return nil, ErrClosed
	case q.session == nil:
		return nil, fmt.Errorf("the near queue is being reopened: %w", q.health.err)
	}
	return q.session, nil
}

// await waits until there is a session. It fails when the queue is closed or ctx ends.
func (q *Queue) await(ctx context.Context) (*session, error) {
	for {
		q.mu.Lock()
		s, closed, changed := q.session, q.closed, q.changed
		q.mu.Unlock()
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
