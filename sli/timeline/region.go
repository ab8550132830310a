package timeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// A Region is what the configuration says of one.
type Region struct {
	Name    string
	Ordinal *int    // nil: to be given
	Weight  float64 // in combinations of regions
}

// ErrOrdinals is for ordinals that cannot be given, since they contradict what is stored.
var ErrOrdinals = errors.New("they contradict what is stored")

// Ordinals returns the ordinal of every region, giving the next free one to each that has none and is seen for
// the first time, in this order, and stores them and the weights. An ordinal is never given again, also when its
// region has gone. An ordinal that contradicts what is stored, or is taken, is
// ErrOrdinals, and then nothing changes.
func (s *Store) Ordinals(ctx context.Context, regions []Region) (map[string]int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	var out map[string]int
	err := s.db.transact(ctx, func(tx *transaction) error {
		if err := tx.exec("lock regions"); err != nil {
			return err
		}
		stored, err := storedOrdinals(ctx, s.db, tx)
		if err != nil {
			return err
		}
		if out, err = assign(stored, regions); err != nil {
			return fmt.Errorf("%w: %w", ErrOrdinals, err)
		}
		for _, r := range regions {
			if err := tx.exec("put region", r.Name, out[r.Name], r.Weight); err != nil {
				return err
			}
		}
		return s.noteChange(tx)
	})
	if err != nil {
		return nil, fmt.Errorf("give regions their ordinals: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range regions {
		s.weights[r.Name] = r.Weight
	}
	return out, nil
}

func storedOrdinals(ctx context.Context, db *database, on querier) (map[string]int, error) {
	stored := map[string]int{}
	err := db.each(ctx, on, "regions", nil, func(scan func(...any) error) error {
		var name string
		var ordinal int
		var weight float64
		err := scan(&name, &ordinal, &weight)
		stored[name] = ordinal
		return err
	})
	return stored, err
}

// ordinals is what was ever given to regions.
type ordinals struct {
	of    map[string]int
	owner map[int]string
	next  int // greater than any
}

func newOrdinals(stored map[string]int) *ordinals {
	all := &ordinals{of: map[string]int{}, owner: map[int]string{}}
	for name, ordinal := range stored {
		all.give(ordinal, name)
	}
	return all
}

func (o *ordinals) give(ordinal int, name string) {
	o.of[name], o.owner[ordinal] = ordinal, name
	o.next = max(o.next, ordinal+1)
}

// claim gives a region the ordinal it asks for.
func (o *ordinals) claim(ordinal int, name string) error {
	was, known := o.of[name]
	owner, taken := o.owner[ordinal]
	switch {
	case ordinal < 0:
		return fmt.Errorf("region %s: got ordinal %d, want 0 or more", name, ordinal)
	case known && was != ordinal:
		return fmt.Errorf("region %s: got ordinal %d, but it has had %d, and its slots would move", name, ordinal, was)
	case taken && owner != name:
		return fmt.Errorf("region %s: ordinal %d is that of region %s, and is never used again", name, ordinal, owner)
	}
	o.give(ordinal, name)
	return nil
}

// assign gives each region its ordinal, given what is stored. Those that ask for one come first.
func assign(stored map[string]int, regions []Region) (map[string]int, error) {
	all := newOrdinals(stored)
	for _, r := range regions {
		if r.Ordinal == nil {
			continue
		}
		if err := all.claim(*r.Ordinal, r.Name); err != nil {
			return nil, err
		}
	}
	out := map[string]int{}
	for _, r := range regions {
		if _, known := all.of[r.Name]; !known {
			all.give(all.next, r.Name)
		}
		out[r.Name] = all.of[r.Name]
	}
	return out, nil
}

func (s *Store) readWeights(ctx context.Context, on querier) (map[string]float64, error) {
	weights := map[string]float64{}
	err := s.db.each(ctx, on, "regions", nil, func(scan func(...any) error) error {
		var name string
		var ordinal int
		var weight float64
		err := scan(&name, &ordinal, &weight)
		weights[name] = weight
		return err
	})
	return weights, err
}

// weightsNow returns the weights of the regions that have one; others weigh 1.
func (s *Store) weightsNow() map[string]float64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.weights)
}
