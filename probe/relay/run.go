package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	finishTimeout = 15 * time.Second
	minFree       = 1 << 20 // with less free disk, reopening is not worth the trying
)

// health is what is known about the queue's faults; guarded by Queue.mu.
type health struct {
	broken   bool
	since    time.Time // when it broke
	err      error     // the newest fault, also after it is over
	reopened int       // times
	wait     time.Duration
	next     time.Time // when reopening is tried again
}

// Run puts what the outboxes take, about every second and at once when there is much of it, and reopens the queue
// after faults. It blocks until ctx ends, then puts what is left; its error tells that this failed, and how much
// was lost. It is called once.
func (q *Queue) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error {
		q.runEvidence(ctx)
		return nil
	})
	g.Go(func() error {
		q.runResults(ctx)
		return q.finish(context.WithoutCancel(ctx))
	})
	return g.Wait()
}

func (q *Queue) runResults(ctx context.Context) {
	tick := time.NewTicker(q.tune.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-q.kick:
		case <-ctx.Done():
			return
		}
		q.step(ctx)
	}
}

// step repairs what is broken, if it is time for that, and puts what there is.
func (q *Queue) step(ctx context.Context) {
	if s, err := q.current(); err == nil {
		if err := s.alive(); err != nil {
			q.fail(s, err)
		}
	}
	if q.isBroken() && !(q.due() && q.reopen(ctx)) {
		return
	}
	if q.flush(ctx) == nil {
		q.recovered()
	}
}

// finish puts what is left, with one attempt to repair a broken queue.
func (q *Queue) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	err := q.flush(ctx)
	if err != nil && !errors.Is(err, ErrClosed) {
		q.reopen(ctx)
		err = q.flush(ctx)
	}
	if err == nil {
		return nil
	}
	lost := int64(0)
	for _, o := range q.all() {
		lost += o.abandon()
	}
	return fmt.Errorf("end the near queue: %d results were not put: %w", lost, err)
}

// flush puts what the outboxes hold.
func (q *Queue) flush(ctx context.Context) error {
	for _, o := range q.all() {
		if err := o.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) all() []*Outbox {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.outboxes[:len(q.outboxes):len(q.outboxes)]
}

// heldBound is how many rows an outbox may hold.
func (q *Queue) heldBound() int {
	return q.tune.held / max(1, len(q.all()))
}

// put puts one message. Nil means that it is durable. An error that is not the end of ctx breaks the queue until
// it is reopened: a server whose disk was full refuses everything from then on.
func (q *Queue) put(ctx context.Context, subject string, msg []byte) error {
	s, err := q.whole()
	if err != nil {
		return err
	}
	err = q.publish(ctx, s, subject, msg)
	if err != nil && ctx.Err() == nil {
		q.fail(s, err)
	}
	return err
}

// whole returns the session if no put has failed in it.
func (q *Queue) whole() (*session, error) {
	s, err := q.current()
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.failed != nil {
		return nil, fmt.Errorf("the near queue is broken: %w", s.failed)
	}
	return s, nil
}

func (q *Queue) wake() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// fail notes a fault of a session; one of an earlier session is repaired already. It is logged when the queue
// was whole before.
func (q *Queue) fail(s *session, err error) {
	q.mu.Lock()
	if s != q.session || q.closed {
		q.mu.Unlock()
		return
	}
	if s.failed == nil {
		s.failed = err
	}
	first := !q.health.broken
	if first {
		q.health.broken, q.health.since = true, time.Now()
	}
	q.health.err = err
	q.mu.Unlock()
	if first {
		q.log.Error("the near queue is broken; results are held in memory until it is reopened",
			"dir", q.dir, "err", err, "server", s.log.complaint())
	}
	q.wake()
}

func (q *Queue) isBroken() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.health.broken
}

// recovered notes that everything could be put.
func (q *Queue) recovered() {
	q.mu.Lock()
	h := &q.health
	was, since := h.broken, h.since
	h.broken, h.wait, h.next = false, 0, time.Time{}
	q.mu.Unlock()
	if was {
		q.server.forget()
		q.log.Warn("the near queue works again", "dir", q.dir, "after", time.Since(since).Round(time.Millisecond))
	}
}

// due reports whether it is time to try to reopen.
func (q *Queue) due() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.health.broken && !time.Now().Before(q.health.next)
}

// reopen replaces the session, and reports whether it did. While the disk is full it leaves the old one, which can
// still be read.
func (q *Queue) reopen(ctx context.Context) bool {
	if free, err := freeBytes(q.dir); err == nil && free < minFree {
		return false
	}
	q.opening.Lock()
	defer q.opening.Unlock()
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	h := &q.health
	h.wait = min(max(q.tune.backoff, 2*h.wait), q.tune.backoffTo)
	h.next = time.Now().Add(h.wait)
	old := q.session
	q.setSession(nil)
	q.mu.Unlock()

	if old != nil {
		q.countEvidence(old)
		old.close()
	}
	s, err := openSession(ctx, q)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		h.err = fmt.Errorf("reopen: %w", err)
		return false
	}
	h.reopened++
	q.setSession(s)
	return true
}
