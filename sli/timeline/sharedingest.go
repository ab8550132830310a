package timeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// ingestShared appends messages for everybody to find.
func (s *Store) ingestShared(ctx context.Context, ms []Message) error {
	in, out := s.siftAll(ms)
	err := s.insert(ctx, in, out)
	if lacksPartition(err) {
		if err = s.prepareJournal(ctx); err == nil {
			err = s.insert(ctx, in, out)
		}
	}
	if s.health.note(err) != nil {
		return fmt.Errorf("ingest %d messages: %w", len(ms), err)
	}
	s.take(nil, out)
	return nil
}

func (s *Store) insert(ctx context.Context, in []incoming, out []rejection) error {
	announced := s.announcements(in)
	return s.db.transact(ctx, func(tx *transaction) error {
		if len(in) > 0 {
			if err := s.appendAll(tx, in); err != nil {
				return err
			}
		}
		if err := putEpochs(tx, in); err != nil {
			return err
		}
		if err := s.putAnnounced(tx, announced); err != nil {
			return err
		}
		return putRejected(tx, out)
	})
}

func (s *Store) appendAll(tx *transaction, in []incoming) error {
	regions, probers := make([]string, len(in)), make([]string, len(in))
	received, payloads := make([]int64, len(in)), make([][]byte, len(in))
	for i := range in {
		regions[i], probers[i] = in[i].Region, in[i].Prober
		received[i], payloads[i] = in[i].Received.UnixNano(), in[i].packed
	}
	return tx.exec("append journal", s.shared.me, regions, probers, received, payloads)
}

// prepareJournal makes partitions for what is inserted within the next hours.
func (s *Store) prepareJournal(ctx context.Context) error {
	return s.db.transact(ctx, func(tx *transaction) error {
		if err := tx.exec("lock schema"); err != nil {
			return err
		}
		return tx.exec("prepare journal")
	})
}

// putEpochs stores the epochs of messages, always in the same order, so that no two processes wait for each other.
func putEpochs(tx *transaction, in []incoming) error {
	type word struct {
		sli.Series
		epoch
	}
	var ws []word
	for _, m := range in {
		for i, e := range m.batch.Epochs {
			ws = append(ws, word{sli.Series{Check: e.Check, Region: m.Region}, storedEpoch(m.Message, i, e)})
		}
	}
	slices.SortFunc(ws, func(a, b word) int {
		if c := compareSeries(a.Series, b.Series); c != 0 {
			return c
		}
		return compareEpochs(a.epoch, b.epoch)
	})
	for _, w := range ws {
		if err := putEpoch(tx, w.Series, w.epoch); err != nil {
			return err
		}
	}
	return nil
}
