package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

// An Outbox takes what one prober of one region has to say. Its methods may be called from any goroutine.
type Outbox struct {
	q              *Queue
	region, prober string
	subject        string
	invalid        error // why nothing can be put from here

	flushing sync.Mutex // held while chunks are put, so that they stay in order

	mu       sync.Mutex
	sealed   []*probe.Batch // oldest first
	filling  *probe.Batch
	rows     int  // in sealed and filling
	inFlight bool // the first of sealed is being put
	evidence []*probe.Evidence
}

// Outbox makes the outbox of a prober. With a name that no prober can have every Announce fails, and nothing is put.
func (q *Queue) Outbox(region, prober string) *Outbox {
	o := &Outbox{
		q: q, region: region, prober: prober, filling: new(probe.Batch),
		subject: subjectOf(resultSubject, region, prober),
	}
	if err := errors.Join(wire.CheckName(region), wire.CheckName(prober)); err != nil {
		o.invalid = fmt.Errorf("outbox of prober %q in region %q: %w", prober, region, err)
		return o
	}
	q.boxes.Lock()
	defer q.boxes.Unlock()
	q.outboxes = append(q.outboxes, o)
	return o
}

// Announce puts epochs. Nil means that they are durable. After an error some, all or none of them may be stored;
// announcing again does no harm. It does not wait for a broken queue.
func (o *Outbox) Announce(ctx context.Context, es []probe.Epoch) error {
	if o.invalid != nil {
		return o.invalid
	}
	msgs, err := wire.Marshal(&probe.Batch{Epochs: es})
	if err != nil {
		return fmt.Errorf("announce %d epochs: %w", len(es), err)
	}
	for _, m := range msgs {
		if err := o.put(ctx, m); err != nil {
			return fmt.Errorf("announce %d epochs: %w", len(es), err)
		}
	}
	return nil
}

// Result takes a result into memory, from where Queue.Run puts it within about a second. It never blocks. While
// the queue is broken the oldest results are dropped when there are too many, and counted.
func (o *Outbox) Result(r probe.Result) {
	o.take(func(b *probe.Batch) { b.Results = append(b.Results, r) })
}

// Missed takes a missed range, as Result does.
func (o *Outbox) Missed(r probe.MissedRange) {
	o.take(func(b *probe.Batch) { b.Missed = append(b.Missed, r) })
}

func (o *Outbox) take(add func(*probe.Batch)) {
	bound := o.q.heldBound()
	o.mu.Lock()
	add(o.filling)
	o.rows++
	full := size(o.filling) >= o.q.tune.chunk
	if full {
		o.seal()
	}
	dropped := o.shrink(bound)
	o.mu.Unlock()
	for _, b := range dropped {
		o.q.drops.add(dropOf(b, DroppedMemory))
	}
	if full {
		o.q.wake()
	}
}

// seal is called with mu held.
func (o *Outbox) seal() {
	o.sealed = append(o.sealed, o.filling)
	o.filling = new(probe.Batch)
}

// shrink takes the oldest chunks out until at most bound rows are left, and returns them. It leaves the chunk
// that is being put, and the one that is being filled. It is called with mu held.
func (o *Outbox) shrink(bound int) (dropped []*probe.Batch) {
	first := 0
	if o.inFlight {
		first = 1
	}
	for o.rows > bound && len(o.sealed) > first {
		b := o.sealed[first]
		o.sealed = append(o.sealed[:first:first], o.sealed[first+1:]...)
		o.rows -= size(b)
		dropped = append(dropped, b)
	}
	return dropped
}

func size(b *probe.Batch) int { return len(b.Results) + len(b.Missed) }

// dropOf tells the range of time of a batch.
func dropOf(b *probe.Batch, c Cause) Drop {
	d := Drop{Cause: c}
	for i, r := range b.Results {
		at := time.UnixMilli(r.Slot)
		one := Drop{Cause: c, From: at, To: at, Count: 1}
		if i == 0 {
			d = one
		} else {
			d = d.join(one)
		}
	}
	for _, m := range b.Missed {
		one := Drop{Cause: c, From: time.UnixMilli(m.From), To: time.UnixMilli(m.To), Count: 1}
		if d.Count == 0 {
			d = one
		} else {
			d = d.join(one)
		}
	}
	return d
}

// flush puts what was taken, in order. After an error the chunk in hand is put again by the next flush.
func (o *Outbox) flush(ctx context.Context) error {
	o.flushing.Lock()
	defer o.flushing.Unlock()
	for last := false; !last; {
		var b *probe.Batch
		// What comes in meanwhile is for the next flush, or a slow disk would get ever smaller messages.
		if b, last = o.begin(); b == nil {
			return nil
		}
		err := o.putBatch(ctx, b)
		o.end(b, err)
		if err != nil {
			return err
		}
	}
	return nil
}

// begin returns the oldest chunk, nil if there is none, and whether it is the one that was being filled.
func (o *Outbox) begin() (b *probe.Batch, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.sealed) == 0 {
		if size(o.filling) == 0 {
			return nil, true
		}
		o.seal()
		last = true
	}
	o.inFlight = true
	return o.sealed[0], last
}

// end removes the chunk that was put.
func (o *Outbox) end(b *probe.Batch, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inFlight = false
	if err == nil {
		o.sealed[0] = nil
		o.sealed = o.sealed[1:]
		o.rows -= size(b)
	}
}

// abandon counts what was not put when there is no more time to put it, and returns how much it was.
func (o *Outbox) abandon() (lost int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range append(o.sealed, o.filling) {
		if size(b) > 0 {
			o.q.drops.add(dropOf(b, DroppedStopped))
			lost += int64(size(b))
		}
	}
	o.sealed, o.filling, o.rows = nil, new(probe.Batch), 0
	return lost
}

// put puts one message.
func (o *Outbox) put(ctx context.Context, m []byte) error {
	if o.q.witness == nil {
		return o.q.put(ctx, o.subject, m)
	}
	put := o.q.witness(o.region, o.prober, m)
	err := o.q.put(ctx, o.subject, m)
	put(err)
	return err
}

func (o *Outbox) putBatch(ctx context.Context, b *probe.Batch) error {
	msgs, err := wire.Marshal(b)
	if err != nil {
		o.q.log.Error("results that cannot be sent are dropped", "region", o.region, "error", err)
		if msgs, err = o.marshalValid(b); err != nil {
			return err
		}
	}
	for _, m := range msgs {
		if err := o.put(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// marshalValid leaves out the rows that no message can hold, so that they do not block those behind them.
func (o *Outbox) marshalValid(b *probe.Batch) ([][]byte, error) {
	valid := new(probe.Batch)
	for _, r := range b.Results {
		one := &probe.Batch{Results: []probe.Result{r}}
		if _, err := wire.Marshal(one); err != nil {
			o.q.drops.add(dropOf(one, DroppedInvalid))
		} else {
			valid.Results = append(valid.Results, r)
		}
	}
	for _, m := range b.Missed {
		one := &probe.Batch{Missed: []probe.MissedRange{m}}
		if _, err := wire.Marshal(one); err != nil {
			o.q.drops.add(dropOf(one, DroppedInvalid))
		} else {
			valid.Missed = append(valid.Missed, m)
		}
	}
	return wire.Marshal(valid)
}

// Last tells when the newest message of this prober in the queue was stored; false if there is none.
func (o *Outbox) Last(ctx context.Context) (time.Time, bool, error) {
	if o.invalid != nil {
		return time.Time{}, false, o.invalid
	}
	s, err := o.q.current()
	if err != nil {
		return time.Time{}, false, err
	}
	stream, err := s.js.Stream(ctx, nearStream)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("look for the last message of %s: %w", o.subject, err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, o.subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return time.Time{}, false, nil
	case err != nil:
		return time.Time{}, false, fmt.Errorf("look for the last message of %s: %w", o.subject, err)
	}
	return m.Time, true, nil
}
