// Package relay is the way of results from the probers to the centre. What a prober saw is put into the near queue,
// a JetStream stream in the prober's own process and folder (Queue, Outbox). Alone, it is read from there. With many
// probers an Uplink forwards it to the far queue, at the centre's end (Hub), over connections that confine each prober to
// what is its own. The package knows the messages of probe/wire but not what becomes of them. That there is NATS in it
// shows nowhere in its API.
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
// What a Hub has answered for is synced to disk as well, or held by a majority of a cluster. An Uplink takes a
// message as forwarded when it was answered for. Every message that was put arrives, some of them twice.
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

	// Witness is told of every message before it is put, and what it returns then of how that went: nil says that the
	// message is durable. It is for tests that must know what was promised. It may be called on several goroutines. nil: none.
	Witness func(region, prober string, payload []byte) (put func(error))
}

// A Queue is the near queue of a process. Its methods may be called from any goroutine. A queue starts no
// goroutines but the server's; Run must be running for results to be put and for faults to be repaired.
type Queue struct {
	*keeper
	maxAge   time.Duration
	maxBytes int64
	lock     *flock.Flock
	tune     tuning
	publish  func(ctx context.Context, s *session, subject string, msg []byte) error // tests make it fail
	drops    drops
	witness  func(region, prober string, payload []byte) (put func(error)) // may be nil
	boxes    sync.Mutex
	outboxes []*Outbox // guarded by boxes
}

// tuning holds what tests set otherwise.
type tuning struct {
	every    time.Duration // between flushes
	chunk    int           // rows put as one batch, at which a flush is due at once
	held     int           // rows kept while the queue is broken, over all outboxes
	evidence int           // pieces of evidence kept per outbox between flushes
}

func defaults() tuning {
	return tuning{every: time.Second, chunk: 4096, held: 200_000, evidence: 64}
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
		keeper: newKeeper("near queue", "results are held in memory", o.Dir, o.Logger),
		maxAge: o.MaxAge, maxBytes: o.MaxBytes, lock: lock, tune: defaults(), publish: publish,
		witness: o.Witness,
	}
	q.leave = q.countEvidence
	if q.maxAge == 0 {
		q.maxAge = defaultMaxAge
	}
	if q.maxBytes == 0 {
		q.maxBytes, err = chooseMaxBytes(o.Dir)
	}
	q.open = func(ctx context.Context) (*session, error) { return openSession(ctx, q.blueprint()) }
	if err == nil {
		q.session, err = q.open(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the near queue in %s: %w", o.Dir, err), lock.Unlock())
	}
	return q, nil
}

// Close stops the server and unlocks the folder. What is in an outbox and not put is lost; Run puts it when it
// ends, so end Run first. Closing twice does nothing.
func (q *Queue) Close() error {
	if !q.shut() {
		return nil
	}
	if err := q.lock.Unlock(); err != nil {
		return fmt.Errorf("close the near queue: %w", err)
	}
	return nil
}
