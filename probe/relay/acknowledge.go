package relay

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// finisher returns what tells the server that a batch was taken. It is called in the order in which batches are handed out.
func (r *reader) finisher(from source, batch []jetstream.Msg) func(context.Context) error {
	if r.floor == nil {
		return func(ctx context.Context) error { return acknowledge(ctx, batch) }
	}
	seqs := make([]uint64, 0, len(batch))
	for _, m := range batch {
		if meta, err := m.Metadata(); err == nil { // which messages has verified
			seqs = append(seqs, meta.Sequence.Stream)
		}
	}
	inTurn := r.floor.expect(seqs)
	return func(ctx context.Context) error {
		through, more, holed := r.floor.take(seqs)
		removed := true
		if more > 1 {
			// Where that fails, as on a full disk, it is no reason to begin anew: the next removal takes these along.
			removed = r.remove(ctx, from, through) == nil
		}
		if inTurn && !holed && removed {
			// The others are removed, or will be with a batch before this one.
			return acknowledge(ctx, batch[len(batch)-1:])
		}
		if err := acknowledge(ctx, batch); err != nil {
			return err
		}
		info, err := from.Consumer.Info(ctx)
		if err != nil {
			return err
		}
		r.floor.raise(info.AckFloor.Stream)
		return nil
	}
}

// remove removes what is before a message. That itself is acknowledged: a stream that is emptied by its number is made anew,
// which is more work than to leave one.
func (r *reader) remove(ctx context.Context, from source, before uint64) error {
	stream, err := from.js.Stream(ctx, r.stream)
	if err != nil {
		return err
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(before)); err != nil {
		return fmt.Errorf("remove what was taken: %w", err)
	}
	return nil
}

// acknowledge acknowledges messages one by one.
func acknowledge(ctx context.Context, batch []jetstream.Msg) error {
	for _, m := range batch[:len(batch)-1] {
		if err := m.Ack(); err != nil {
			return err
		}
	}
	// The server takes acknowledgements in order, so its answer to the last one is for all.
	return batch[len(batch)-1].DoubleAck(ctx)
}
