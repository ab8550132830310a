package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// sloPart is where in table counted the SLOs are.
const sloPart = -1

// An sloCount is what was counted for SLOs.
type sloCount struct {
	upTo, written int64 // Unix ms
	slos          map[string]*objectiveCount
}

// An objectiveCount is time of the clock in ms by how it counts for an SLO.
type objectiveCount struct {
	born int64 // Unix ms
	ms   [numVerdicts]float64
}

// SetObjectives says for which SLOs is counted from now on. Their checks must be ids. What was counted for one that goes
// on by the same name stays. Those whose amounts cannot be added up are not counted.
func (s *Store) SetObjectives(list []sli.SLO) {
	list = slices.DeleteFunc(slices.Clone(list), func(o sli.SLO) bool { return !o.Additive() })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slos, s.objective = list, true
}

// countObjectives counts for SLOs what settled since the last time, but what settled over lateAfter ago.
func (s *Store) countObjectives(ctx context.Context) error {
	s.mu.RLock()
	list, known := s.slos, s.objective
	s.mu.RUnlock()
	if !known || !s.leading() {
		return nil
	}
	now := s.o.Now()
	asOf := sli.AsOf(now, s.budget(now))
	c, gen, err := s.readSLOCount(ctx)
	if err != nil {
		return fmt.Errorf("count for SLOs: %w", err)
	}
	if gen == 0 {
		c = &sloCount{upTo: asOf.UnixMilli(), slos: map[string]*objectiveCount{}}
	}
	// As_of may go back for a while, when a check with a longer time budget is added.
	if from := time.UnixMilli(c.upTo); asOf.After(from) {
		amounts, err := s.SLOAmounts(ctx, list, later(from, asOf.Add(-lateAfter)), asOf)
		if err != nil {
			return err
		}
		c.upTo = asOf.UnixMilli()
		c.add(list, amounts, now.UnixMilli())
	} else {
		c.add(list, make([]sli.Amount, len(list)), now.UnixMilli())
	}
	return s.writeSLOCount(ctx, c, gen)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// add adds amounts to the counts of SLOs, and forgets those of others.
func (c *sloCount) add(list []sli.SLO, amounts []sli.Amount, now int64) {
	counts := map[string]*objectiveCount{}
	for i := range list {
		x := c.slos[list[i].Name]
		if x == nil {
			x = &objectiveCount{born: now}
		}
		a := amounts[i]
		for v, ms := range map[sli.Verdict]float64{sli.Good: a.Good, sli.Bad: a.Bad, sli.None: a.None, sli.Excluded: a.Excluded} {
			x.ms[v] += ms
		}
		counts[list[i].Name] = x
	}
	c.slos, c.written = counts, now
}

func (s *Store) readSLOCount(ctx context.Context) (c *sloCount, gen int64, err error) {
	var data []byte
	err = s.db.read.QueryRowContext(ctx, s.db.queries["count"], sloPart).Scan(&gen, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err == nil {
		c, err = decodeSLOCount(data)
	}
	return c, gen, err
}

func (s *Store) writeSLOCount(ctx context.Context, c *sloCount, gen int64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.folding(ctx, func(tx *transaction) error { return writeCount(tx, sloPart, gen, c.encode()) })
	if s.health.note(err) != nil {
		return fmt.Errorf("count for SLOs: %w", err)
	}
	return nil
}

// leading reports whether this process is the one that folds, as far as it knows.
func (s *Store) leading() bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.shared == nil || s.shared.leads
}
