package timeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// Every series is folded once in foldParts ticks, that is every ten minutes, so the work is spread evenly and
// a day's blocks are whole ten minutes after its end.
const (
	foldTick  = 10 * time.Second
	foldParts = 60
)

// Run folds, writes down maintenance as it begins, and deletes what is past the retention, until ctx ends. A fault
// of the database is logged once and retried; it ends nothing.
func (s *Store) Run(ctx context.Context) error {
	if s.db.write == nil {
		return errReadOnly
	}
	tick := time.NewTicker(foldTick)
	defer tick.Stop()
	tail := s.tailTicker()
	defer tail.Stop()
	if err := s.expire(ctx); err != nil {
		s.o.Logger.Error("what is past the retention was not deleted", "error", err)
	}
	for n := uint32(1); ; {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-tail.C:
			err = s.follow(ctx)
		case <-tick.C:
			err = s.step(ctx, n)
			n++
		}
		if err != nil && ctx.Err() == nil {
			// The health has already told of the database; what else can fail here is a block that is damaged.
			s.o.Logger.Debug("timelines: a step failed and is repeated", "error", err)
		}
	}
}

// step does what is due at the n-th tick.
func (s *Store) step(ctx context.Context, n uint32) error {
	err := errors.Join(s.stepIfLeader(ctx, n), s.countObjectives(ctx))
	if n%(6*foldParts) == 0 {
		err = errors.Join(err, s.expire(ctx))
	}
	return err
}

func (s *Store) stepIfLeader(ctx context.Context, n uint32) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if led, err := s.lead(ctx); !led {
		return err
	}
	return errors.Join(
		s.materialise(ctx, s.o.Now()),
		s.count(ctx), // before what settled is in blocks
		s.fold(ctx, part{n % foldParts, foldParts}),
		s.tidyJournal(ctx),
	)
}

// expire deletes what is past the retention, if that is for this process to do.
func (s *Store) expire(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if led, err := s.lead(ctx); !led {
		return err
	}
	cutoff := s.cutoff()
	obsolete := map[*timeline][]epoch{}
	for t := range s.timelines.all() {
		if es := useless(t.epochs(), cutoff); len(es) > 0 {
			obsolete[t] = es
		}
	}
	var gone []sli.Series
	err := s.folding(ctx, func(tx *transaction) (err error) {
		if err := deleteBefore(tx, cutoff, s.o.Now().Add(-evidenceAge).UnixMilli()); err != nil {
			return err
		}
		for t, es := range obsolete {
			for _, e := range es {
				if err := tx.exec("forget epoch", t.Check, t.Region, e.terms().prober, e.start, e.announced); err != nil {
					return err
				}
			}
		}
		if gone, err = forgetSeries(ctx, s.db, tx); err != nil {
			return err
		}
		return s.noteChange(tx)
	})
	if s.health.note(err) != nil {
		return fmt.Errorf("delete what is before %s: %w", time.UnixMilli(cutoff).UTC(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, es := range obsolete {
		for _, e := range es {
			t.forget(e)
		}
	}
	for _, x := range gone {
		s.drop(x)
	}
	return nil
}

// cutoff is the first instant that is kept: the midnight before the retention began.
func (s *Store) cutoff() int64 {
	return dayOf(s.o.Now().Add(-s.o.Retention).UnixMilli()) * dayMillis
}

func deleteBefore(tx *transaction, cutoff, evidence int64) error {
	if err := tx.exec("forget summaries", pageOf(dayOf(cutoff))); err != nil { // before blocks, which would make them void first
		return err
	}
	if err := tx.exec("forget blocks", dayOf(cutoff)); err != nil {
		return err
	}
	if err := tx.exec("forget phases", dayOf(cutoff)); err != nil {
		return err
	}
	if err := tx.exec("forget outlines", pageOf(dayOf(cutoff))); err != nil {
		return err
	}
	if err := tx.exec("forget day counts", dayOf(cutoff)); err != nil {
		return err
	}
	if err := tx.exec("forget recounts", dayOf(cutoff)); err != nil {
		return err
	}
	if err := tx.exec("forget slo days", dayOf(cutoff)); err != nil {
		return err
	}
	if err := tx.exec("forget changes", cutoff); err != nil {
		return err
	}
	if err := tx.exec("forget maintenance", cutoff); err != nil {
		return err
	}
	if err := tx.exec("forget announced", cutoff-announcedAgo); err != nil {
		return err
	}
	return tx.exec("forget evidence", max(evidence, cutoff))
}

// forgetSeries deletes the series of which nothing is left.
func forgetSeries(ctx context.Context, db *database, tx *transaction) ([]sli.Series, error) {
	var gone []sli.Series
	err := db.each(ctx, tx, "forget series", nil, func(scan func(...any) error) error {
		var x sli.Series
		err := scan(&x.Check, &x.Region)
		gone = append(gone, x)
		return err
	})
	if err != nil || len(gone) == 0 {
		return gone, err
	}
	// Before their numbers are given to others.
	if err := tx.exec("forget strange summaries"); err != nil {
		return gone, err
	}
	return gone, tx.exec("forget strange outlines")
}

// drop forgets a series that has lost its row; what may still wait in its tail gets a new one. Under mu.
func (s *Store) drop(x sli.Series) {
	t := s.timelines.of(x)
	switch {
	case t == nil:
	case t.dirty():
		t.id = 0
	default:
		s.retire(t)
	}
}
