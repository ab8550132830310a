package relay

import (
	"context"
	"time"
)

// A Message is one message as it was put.
type Message struct {
	Region, Prober string
	Stored         time.Time // when the queue took it
	Payload        []byte    // of probe/wire, or JSON of a probe.Evidence
	Evidence       bool

	seq uint64 // its number in the queue
}

// Consume gives the results' messages to f, in the order they were stored, in batches of at most 500 and about 2
// MiB, and acknowledges a batch when f has returned nil. It goes on where it was, also after a restart, and
// outlives faults and reopenings of the queue. If f returns an error it is called again with the same batch after
// a growing wait. A batch whose acknowledgement was lost comes again, so f must bear to see a message twice.
// Consume blocks until ctx ends and then returns nil; after Close it returns ErrClosed. One call at a time.
func (q *Queue) Consume(ctx context.Context, f func(context.Context, []Message) error) error {
	return q.reader(f).run(ctx)
}

// reader reads the results' messages.
func (q *Queue) reader(f func(context.Context, []Message) error) *reader {
	return &reader{
		k: q.keeper, drops: &q.drops, stream: nearStream, prefix: resultSubject, cause: DroppedLimits,
		bytes: nearBatch, atOnce: 1, f: f,
	}
}

// ConsumeEvidence gives the evidence to f. What f has been called with never comes again. It blocks as Consume
// does. One call at a time.
func (q *Queue) ConsumeEvidence(ctx context.Context, f func(context.Context, []Message)) error {
	return (&reader{
		k: q.keeper, drops: &q.drops, stream: evidenceStream, prefix: evidenceSubject, cause: DroppedEvidence, evidence: true,
		bytes: nearBatch, atOnce: 1, f: func(ctx context.Context, ms []Message) error {
			f(ctx, ms)
			return nil
		},
	}).run(ctx)
}
