package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const finishTimeout = 15 * time.Second

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
	if !q.mend(ctx) {
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
	q.boxes.Lock()
	defer q.boxes.Unlock()
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
