package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/probe/wire"
)

const (
	maxBatch  = 500     // messages
	nearBatch = 2 << 20 // bytes; more would show in the resident memory of a prober that catches up
	farBatch  = 8 << 20 // bytes; less would show in the time it takes, since each is committed by itself

	idleWait     = 20 * time.Second // for one request for the next message
	roundWait    = 30 * time.Second // for the end of a request, however it ends
	ackWait      = 5 * time.Minute  // beyond it a message that is still being worked on comes again
	readBackoff  = 100 * time.Millisecond
	readBackoffs = 10 * time.Second
)

// A reader reads one stream over sessions. While it hands over a batch it fetches the next.
type reader struct {
	k        *keeper
	drops    *drops
	stream   string
	prefix   string // of the subjects, before REGION.PROBER
	cause    Cause  // of messages that were gone before they could be read; empty if they are not missed
	shared   bool   // others may read the stream at the same time
	evidence bool   // is in the stream
	bytes    int    // of a batch, about
	atOnce   int    // batches that f is given at once; if more than one, in no order
	f        func(context.Context, []Message) error

	odd bool      // a message of nobody was told
	seq uint64    // of the message read last; those after it are still to come
	at  time.Time // when it was stored, zero if not known

	faulty  atomic.Bool  // was told, of reading
	refused atomic.Int32 // batches that f has not taken when it was first called
}

func (r *reader) run(ctx context.Context) error {
	for wait := readBackoff; ; wait = min(2*wait, readBackoffs) {
		s, err := r.k.await(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		err = r.read(ctx, s)
		if ctx.Err() != nil {
			return nil
		}
		// A server elsewhere that starts again has forgotten what it had in memory only.
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
			r.k.fail(s, err)
		}
		if !r.faulty.Load() {
			wait = readBackoff
		}
		// A session that has ended was replaced: that is a fault of putting, which has been logged.
		if s.ctx.Err() == nil && !r.faulty.Swap(true) {
			r.k.log.Error(fmt.Sprintf("the %s cannot be read", r.k.what), "stream", r.stream, "error", err)
		}
		pause(ctx, wait)
	}
}

// well notes that the stream can be read.
func (r *reader) well() {
	if r.faulty.Swap(false) {
		r.k.log.Info(fmt.Sprintf("the %s can be read again", r.k.what), "stream", r.stream)
	}
}

// read reads batches of a session until something fails.
func (r *reader) read(ctx context.Context, s *session) error {
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	c, err := r.resume(reading, s)
	if err != nil {
		return err
	}
	work, reading := errgroup.WithContext(reading)
	work.SetLimit(r.atOnce)
	err = r.readBatches(ctx, reading, c, work)
	cancel()
	if fault := work.Wait(); fault != nil && !errors.Is(fault, context.Canceled) {
		return fault
	}
	return err
}

// readBatches reads until something fails, and has each batch handled. What was fetched is given to f also if reading ends:
// it would come again only after a while.
func (r *reader) readBatches(ctx, reading context.Context, c jetstream.Consumer, work *errgroup.Group) error {
	for {
		batch, err := r.fetch(reading, c)
		if err != nil {
			return fmt.Errorf("fetch from %s: %w", r.stream, err)
		}
		if len(batch) == 0 {
			r.well()
			continue
		}
		ms, err := r.messages(ctx, batch)
		if err != nil {
			return err
		}
		work.Go(func() error {
			if err := r.call(ctx, ms); err != nil {
				return err
			}
			return r.acknowledge(reading, batch)
		})
	}
}

// resume finds the durable consumer and sets it back to what was acknowledged. Otherwise what an earlier process
// had fetched when it was killed would come only after ackWait, and behind what is newer. What others may be
// working on is left to them.
func (r *reader) resume(ctx context.Context, s *session) (jetstream.Consumer, error) {
	c, err := s.js.Consumer(ctx, r.stream, readerName)
	if err != nil {
		return nil, fmt.Errorf("find the reader of %s: %w", r.stream, err)
	}
	if r.shared {
		return c, nil
	}
	reset, err := s.js.ResetConsumer(ctx, r.stream, readerName)
	if err != nil {
		return nil, fmt.Errorf("reset the reader of %s: %w", r.stream, err)
	}
	if floor := reset.ConsumerInfo.AckFloor.Stream; floor != r.seq {
		r.seq, r.at = floor, time.Time{}
	}
	return c, nil
}

// fetch waits for messages and returns those that are there; none after a while without any.
func (r *reader) fetch(ctx context.Context, c jetstream.Consumer) ([]jetstream.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, idleWait)
	defer cancel()
	first, err := c.Fetch(1, jetstream.FetchContext(wait))
	if err != nil {
		return nil, err
	}
	batch, bytes, err := drain(ctx, first, nil)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return batch, nil
	}
	// A round of this many cannot exceed the bytes of a batch, so that the last one goes over them by as much again at most.
	most := r.bytes / wire.MaxMessage
	for more := len(batch) > 0; err == nil && more && len(batch) < maxBatch && bytes < r.bytes; {
		had, size := len(batch), 0
		var round jetstream.MessageBatch
		if round, err = c.FetchNoWait(min(most, maxBatch-had)); err != nil {
			break
		}
		batch, size, err = drain(ctx, round, batch)
		bytes += size
		more = len(batch) > had
	}
	if len(batch) > 0 {
		return batch, nil // a fault shows again at the next fetch; what has come is not to wait till it comes again
	}
	return nil, err
}

// drain appends the messages of a round, and tells their size. A server that is lost in the midst of a round never
// ends it, so it is given up after a while.
func drain(ctx context.Context, round jetstream.MessageBatch, batch []jetstream.Msg) ([]jetstream.Msg, int, error) {
	silence := time.NewTimer(roundWait)
	defer silence.Stop()
	for size := 0; ; {
		select {
		case m, ok := <-round.Messages():
			if !ok {
				return batch, size, round.Error()
			}
			batch = append(batch, m)
			size += len(m.Data())
		case <-ctx.Done():
			return batch, size, ctx.Err()
		case <-silence.C:
			return batch, size, errLostRound
		}
	}
}

// errLostRound is for a round that does not end.
var errLostRound = errors.New("the server does not answer")

// acknowledge tells the server that a batch was taken.
func (r *reader) acknowledge(ctx context.Context, batch []jetstream.Msg) error {
	for _, m := range batch[:len(batch)-1] {
		if err := m.Ack(); err != nil {
			return fmt.Errorf("acknowledge to %s: %w", r.stream, err)
		}
	}
	// The server takes acknowledgements in order, so its answer to the last one is for all.
	if err := batch[len(batch)-1].DoubleAck(ctx); err != nil {
		return fmt.Errorf("acknowledge to %s: %w", r.stream, err)
	}
	r.well()
	return nil
}

// messages translates, and counts what is missing between the messages.
func (r *reader) messages(ctx context.Context, batch []jetstream.Msg) ([]Message, error) {
	ms := make([]Message, 0, len(batch))
	for _, m := range batch {
		meta, err := m.Metadata()
		if err != nil {
			return nil, fmt.Errorf("read from %s: %w", r.stream, err)
		}
		region, prober, err := fromSubject(r.prefix, m.Subject())
		r.gap(meta)
		if err != nil {
			r.k.log.Log(ctx, r.strange(), "message of nobody is dropped; more of them are told when debugging", "stream", r.stream, "message", meta.Sequence.Stream, "error", err)
			r.drops.add(Drop{Cause: DroppedInvalid, From: meta.Timestamp, To: meta.Timestamp, Count: 1})
			continue
		}
		ms = append(ms, Message{
			Region: region, Prober: prober, Stored: meta.Timestamp, Payload: m.Data(),
			Evidence: r.evidence, seq: meta.Sequence.Stream,
		})
	}
	return ms, nil
}

// strange is the level of a line about a message of nobody.
func (r *reader) strange() slog.Level {
	if r.odd {
		return slog.LevelDebug
	}
	r.odd = true
	return slog.LevelError
}

// gap counts the messages between the last one and this one that are gone.
func (r *reader) gap(meta *jetstream.MsgMetadata) {
	seq := meta.Sequence.Stream
	if seq <= r.seq || r.cause == "" {
		return // comes again, or is not missed
	}
	if lost := seq - r.seq - 1; lost > 0 {
		d := Drop{Cause: r.cause, From: r.at, To: meta.Timestamp, Count: int64(lost)}
		r.drops.add(d)
		if r.cause == DroppedLimits {
			r.k.log.Error("messages were dropped from the near queue before they were read: it is too small, or was not read for too long",
				"messages", d.Count, "from", d.From, "to", d.To)
		}
	}
	r.seq, r.at = seq, meta.Timestamp
}

// call calls f until it returns nil or ctx ends. What is told of it is told once of all batches at once.
func (r *reader) call(ctx context.Context, ms []Message) error {
	faulty := false
	for wait := readBackoff; len(ms) > 0; wait = min(2*wait, readBackoffs) {
		err := r.f(ctx, ms)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			break
		}
		if !faulty && r.refused.Add(1) == 1 {
			r.k.log.Error(fmt.Sprintf("messages of the %s are not taken; they wait there", r.k.what), "stream", r.stream, "error", err)
		}
		faulty = true
		pause(ctx, wait)
	}
	if faulty && r.refused.Add(-1) == 0 {
		r.k.log.Info(fmt.Sprintf("messages of the %s are taken again", r.k.what), "stream", r.stream)
	}
	return nil
}
