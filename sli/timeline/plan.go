package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// A Plan is a region's plan as it is kept: what is in it is for those who made it and those who follow it.
type Plan struct {
	Region   string
	Revision int64 // 0: there is none
	Manifest []byte
	Chunks   map[string][]byte // by name; not filled in by Store.Plan
}

// Plan returns the newest plan of a region, the zero Plan but for the region if it never had one.
func (s *Store) Plan(ctx context.Context, region string) (Plan, error) {
	p := Plan{Region: region}
	err := s.db.read.QueryRowContext(ctx, s.db.queries["plan"], region).Scan(&p.Revision, &p.Manifest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Plan{}, fmt.Errorf("read the plan of region %s: %w", region, err)
	}
	return p, nil
}

// PlanChunk returns a chunk of the newest plan of a region, or of the one before. The error of another one wraps
// fs.ErrNotExist.
func (s *Store) PlanChunk(ctx context.Context, region, name string) ([]byte, error) {
	var data []byte
	err := s.db.read.QueryRowContext(ctx, s.db.queries["plan chunk"], region, name).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("read chunk %.12s… of the plan of region %s: %w", name, region, err)
	}
	return data, nil
}

// SetPlan stores a plan, and what it changes, if its revision is the one after the newest, and reports whether it did:
// another process may have been faster. After an error it may have been stored or not.
func (s *Store) SetPlan(ctx context.Context, p Plan, changes []sli.Change) (stored bool, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	err = s.db.transact(ctx, func(tx *transaction) error {
		if stored, err = supersede(tx, p); err != nil || !stored {
			return err
		}
		for name, data := range p.Chunks {
			if err := tx.exec("put plan chunk", p.Region, name, p.Revision, data); err != nil {
				return err
			}
		}
		for _, c := range changes {
			if err := tx.exec("put change", c.Check, c.Region, c.Revision, c.At.UnixMilli(), c.What); err != nil {
				return err
			}
		}
		return tx.exec("forget plan chunks", p.Region, p.Revision-1)
	})
	if s.health.note(err) != nil {
		return false, fmt.Errorf("store plan %d of region %s: %w", p.Revision, p.Region, err)
	}
	return stored, nil
}

// supersede puts a plan in the place of the one before it, and reports whether that was the newest.
func supersede(tx *transaction, p Plan) (bool, error) {
	name := "next plan"
	if p.Revision == 1 {
		name = "first plan"
	}
	n, err := tx.change(name, p.Region, p.Revision, p.Manifest)
	return n == 1, err
}

// Changes returns what was changed of the checks that the query asks for, in the order of time; as_of plays no part.
func (s *Store) Changes(ctx context.Context, q sli.Query) ([]sli.Change, error) {
	from, to, err := s.instants(q)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	changes := []sli.Change{}
	err = s.db.each(ctx, s.db.read, "changes", []any{from, to}, func(scan func(...any) error) error {
		var c sli.Change
		var at int64
		if err := scan(&c.Check, &c.Region, &c.Revision, &at, &c.What); err != nil {
			return err
		}
		if c.At = time.UnixMilli(at).UTC(); asked(q.Checks, c.Check) && asked(q.Regions, c.Region) {
			changes = append(changes, c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return changes, nil
}

// instants are the bounds of a window, Unix ms, for what is known at once and waits for no prober: it ends with the query
// and not with as_of.
func (s *Store) instants(q sli.Query) (from, to int64, err error) {
	w, err := s.window(q)
	switch {
	case err != nil:
		return 0, 0, err
	case !q.To.IsZero():
		return w.From, q.To.UnixMilli(), nil
	case !q.Now.IsZero():
		return w.From, q.Now.UnixMilli(), nil
	}
	return w.From, w.To, nil
}

// asked reports whether a query that names these asks for name; if it names none it asks for all.
func asked(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

// PlannedRegions names the regions that have a plan.
func (s *Store) PlannedRegions(ctx context.Context) ([]string, error) {
	var regions []string
	err := s.db.each(ctx, s.db.read, "planned regions", nil, func(scan func(...any) error) error {
		var region string
		err := scan(&region)
		regions = append(regions, region)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which regions have a plan: %w", err)
	}
	return regions, nil
}
