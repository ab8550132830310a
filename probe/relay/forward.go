package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// begin finds out where Live begins in the near queue, and sets the reader of Late back if something is to be
// replayed.
func (u *Uplink) begin(ctx context.Context) (from uint64, err error) {
	s, err := u.o.Queue.await(ctx)
	if err != nil {
		return 0, err
	}
	stream, err := s.js.Stream(ctx, nearStream)
	if err != nil {
		return 0, err
	}
	if u.o.Replay > 0 {
		if err := replay(ctx, s, time.Now().Add(-u.o.Replay)); err != nil {
			return 0, fmt.Errorf("replay the last %v: %w", u.o.Replay, err)
		}
	}
	return stream.CachedInfo().State.LastSeq + 1, nil
}

// replay sets the reader back to what was put at a time. It never sets it forward.
func replay(ctx context.Context, s *session, since time.Time) error {
	probe, err := s.js.CreateConsumer(ctx, nearStream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, HeadersOnly: true, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return err
	}
	batch, err := probe.FetchNoWait(1)
	if err != nil {
		return err
	}
	first, _, err := drain(ctx, batch, nil)
	if err != nil || len(first) == 0 {
		return err
	}
	meta, err := first[0].Metadata()
	if err != nil {
		return err
	}
	reader, err := s.js.Consumer(ctx, nearStream, readerName)
	if err != nil {
		return err
	}
	if meta.Sequence.Stream > reader.CachedInfo().AckFloor.Stream {
		return nil // it is all still to be sent
	}
	_, err = s.js.ResetConsumerToSequence(ctx, nearStream, readerName, meta.Sequence.Stream)
	return err
}

// runFresh sends what is put from now on, on Live. What cannot be sent at once it leaves to Late.
func (u *Uplink) runFresh(ctx context.Context, l *ledger) error {
	var answers sync.WaitGroup
	defer answers.Wait()
	for {
		s, err := u.o.Queue.await(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		err = u.readFresh(ctx, s, l, &answers)
		if ctx.Err() != nil {
			return nil
		}
		if s.ctx.Err() == nil {
			u.log.Error("fresh results cannot be read from the near queue; they are sent late", "error", err)
		}
		pause(ctx, readBackoff)
	}
}

// readFresh reads until the session ends. Its reader is not durable, and is another than that of Late, so that
// neither waits for the other.
func (u *Uplink) readFresh(ctx context.Context, s *session, l *ledger, answers *sync.WaitGroup) error {
	c, err := s.js.OrderedConsumer(ctx, nearStream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: l.from(),
	})
	if err != nil {
		return err
	}
	it, err := c.Messages(jetstream.PullMaxMessages(freshInFlight))
	if err != nil {
		return err
	}
	defer it.Stop()
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	room := make(chan struct{}, freshInFlight)
	for {
		m, err := it.Next(jetstream.NextContext(reading))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		seq := meta.Sequence.Stream
		l.begin(seq)
		if q, err := u.sendFresh(ctx, m, meta.Timestamp, room); err != nil {
			l.end(seq, meta.Timestamp, err)
		} else {
			answers.Go(func() {
				l.end(seq, meta.Timestamp, u.took(Live, q.within(ctx, liveTimeout)))
				<-room
			})
		}
	}
}

// errNotFresh is for what is left to Late.
var errNotFresh = errors.New("not fresh any more")

// sendFresh sends a message if it can be sent now. It takes some room, if there is no error.
func (u *Uplink) sendFresh(ctx context.Context, m jetstream.Msg, put time.Time, room chan struct{}) (question, error) {
	if m.Subject() != subjectOf(resultSubject, u.id.Region, u.id.Prober) {
		return question{}, errNotOurs
	}
	select {
	case room <- struct{}{}:
	case <-ctx.Done():
		return question{}, ctx.Err()
	}
	q, err := question{}, errNotFresh
	if u.link.isUp() && time.Since(put) < freshMost {
		q, err = u.link.asker.send(laneSubject(u.id, Live), m.Data())
	}
	if err != nil {
		<-room
	}
	return q, err
}

// errNotOurs is for messages of another prober that had the folder before.
var errNotOurs = errors.New("of another prober")

// runLate sends on Late what Live did not, in order.
func (u *Uplink) runLate(ctx context.Context, l *ledger) error {
	return u.o.Queue.reader(func(ctx context.Context, ms []Message) error {
		for len(ms) > 0 && ctx.Err() == nil {
			var group []Message
			group, ms = u.gather(ctx, l, ms)
			u.sendLate(ctx, group)
		}
		return ctx.Err()
	}).run(ctx)
}

// gather takes from ms what can be sent together. It does not hold up what it has for word of what is fresh.
func (u *Uplink) gather(ctx context.Context, l *ledger, ms []Message) (group, rest []Message) {
	size := 0
	for i, m := range ms {
		full := len(group) == lateMessages || size+len(m.Payload) > lateGroup
		if len(group) > 0 && (full || !l.known(m.seq)) {
			return group, ms[i:]
		}
		if u.isDone(m) || (Identity{m.Region, m.Prober}) != u.id || l.delivered(ctx, m.seq, m.Stored) {
			continue
		}
		group = append(group, m)
		size += len(m.Payload)
	}
	return group, nil
}

// isDone reports whether a message was dealt with, and takes it as dealt with from now on. It comes a second
// time if the first took so long that the queue gave up waiting for word of it.
func (u *Uplink) isDone(m Message) bool {
	if m.seq <= u.done.seq && !m.Stored.After(u.done.Stored) {
		return true
	}
	u.done = Message{seq: m.seq, Stored: m.Stored}
	return false
}

// sendLate sends messages until the centre has taken them all, or ctx ends.
func (u *Uplink) sendLate(ctx context.Context, ms []Message) {
	for attempt := 0; len(ms) > 0 && ctx.Err() == nil; attempt++ {
		if u.link.await(ctx) != nil {
			return
		}
		left := u.round(ctx, ms)
		if len(left) < len(ms) {
			attempt = 0
		}
		if ms = left; len(ms) > 0 {
			pause(ctx, u.backoff(attempt))
		}
	}
}

// round sends messages together and returns those that the centre did not take.
func (u *Uplink) round(ctx context.Context, ms []Message) (left []Message) {
	asked := make([]question, len(ms))
	for i, m := range ms {
		err := errors.Join(u.pace.Wait(ctx), u.bytes.WaitN(ctx, min(len(m.Payload), lateGroup)))
		if err == nil {
			asked[i], err = u.link.asker.send(laneSubject(u.id, Late), m.Payload)
		}
		if err != nil {
			left, ms = ms[i:], ms[:i]
			break
		}
	}
	return append(u.answers(ctx, asked, ms), left...)
}

// answers waits for what the centre says to messages that were sent together, and returns those that it did not take. They have one time
// together: a centre that was lost with its answers must not be waited for once for each of them.
func (u *Uplink) answers(ctx context.Context, asked []question, ms []Message) (again []Message) {
	ctx, cancel := context.WithTimeout(ctx, lateTimeout)
	defer cancel()
	for i, m := range ms {
		_, err := asked[i].answer(ctx)
		if err = u.took(Late, err); err != nil && !u.hopeless(m, err) {
			again = append(again, m)
		}
	}
	return again
}

// hopeless reports whether a message can never be taken: then it must not hold up those behind it.
func (u *Uplink) hopeless(m Message, err error) bool {
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != RefusedTooBig && refused.Reason != RefusedEmpty {
		return false
	}
	u.mu.Lock()
	u.status.Lost++
	u.mu.Unlock()
	u.log.Error("a message that the aggregator can never take is lost", "reason", string(refused.Reason), "bytes", len(m.Payload), "stored", m.Stored)
	return true
}

// sendEvidence sends evidence and does not wait for it to arrive. While the centre is away evidence waits in the near
// queue, which keeps the newest.
func (u *Uplink) sendEvidence(ctx context.Context, ms []Message) {
	for _, m := range ms {
		if u.link.await(ctx) != nil || u.proofs.Wait(ctx) != nil {
			return
		}
		if (Identity{m.Region, m.Prober}) != u.id {
			continue
		}
		if u.link.conn.Publish(laneSubject(u.id, Evidence), m.Payload) == nil {
			u.took(Evidence, nil)
		}
	}
}
