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

// maintenanceUntil is the name in table meta of the instant (Unix ms) before which all occurrences are stored.
const maintenanceUntil = "maintenance_until"

// rewriteAfter is how stale that instant may get while nothing begins, so that it costs no write a tick.
const rewriteAfter = time.Minute

// A plan is the list of maintenance in force and how far it is written down.
type plan struct {
	list   []sli.Maintenance
	checks []string
	until  int64 // Unix ms: occurrences that begin before it are stored; 0: not known yet
	stored int64 // the value of until in the database
}

// SetMaintenance puts a list of maintenance in force for these checks. What began before stays as it was, also if
// the list no longer says so. At start, what the list had begin since the store last ran is written down too; of
// what it has in progress and was not known before, only the rest from now on.
func (s *Store) SetMaintenance(ctx context.Context, list []sli.Maintenance, checks []string) error {
	if s.db.write == nil {
		return errReadOnly
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	now := s.o.Now()
	if s.maintenance.until == 0 {
		if err := s.resumeMaintenance(ctx, now); err != nil {
			return fmt.Errorf("set maintenance: %w", err)
		}
		s.maintenance.list, s.maintenance.checks = list, checks
	}
	// What the list that was in force so far had begin is the past already.
	if err := s.begin(ctx, now); err != nil {
		return fmt.Errorf("set maintenance: %w", err)
	}
	if err := s.joinInProgress(ctx, plan{list: list, checks: checks}, now.UnixMilli()); err != nil {
		return fmt.Errorf("set maintenance: %w", err)
	}
	s.maintenance.list, s.maintenance.checks = slices.Clone(list), slices.Clone(checks)
	return nil
}

// resumeMaintenance finds out up to when occurrences are stored.
func (s *Store) resumeMaintenance(ctx context.Context, now time.Time) error {
	p := &s.maintenance
	err := s.db.write.QueryRowContext(ctx, s.db.queries["meta"], maintenanceUntil).Scan(&p.stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		p.stored, p.until = 0, now.UnixMilli()
	case err != nil:
		return err
	default:
		p.until = max(p.stored, s.cutoff())
	}
	return nil
}

// occurrence is one span of maintenance of one check.
type occurrence struct {
	check, name string
	sli.Span
}

// occurrences returns what begins in [from, to).
func (p *plan) occurrences(from, to int64) ([]occurrence, error) {
	var os []occurrence
	for i := range p.list {
		m := &p.list[i]
		spans, err := m.Occurrences(from, to)
		if err != nil {
			return nil, fmt.Errorf("maintenance %s: %w", m.Name, err)
		}
		for _, span := range spans {
			for _, c := range p.checks {
				if m.Covers(c) {
					os = append(os, occurrence{c, m.Name, span})
				}
			}
		}
	}
	return os, nil
}

// begin writes down what began, if that is for this process to do. Under writing.
func (s *Store) begin(ctx context.Context, now time.Time) error {
	if led, err := s.lead(ctx); !led {
		return err
	}
	return s.materialise(ctx, now)
}

// materialise stores what began up to and including now. Under writing.
func (s *Store) materialise(ctx context.Context, now time.Time) error {
	p := &s.maintenance
	to := now.UnixMilli() + 1
	if p.until == 0 || to <= p.until {
		return nil // nothing is planned yet, or the clock was set back
	}
	os, err := p.occurrences(p.until, to)
	if err != nil {
		return err
	}
	if len(os) > 0 || to-p.stored > rewriteAfter.Milliseconds() {
		if err := s.putOccurrences(ctx, os, to); err != nil {
			return err
		}
		p.stored = to
	}
	p.until = to
	return nil
}

func (s *Store) putOccurrences(ctx context.Context, os []occurrence, until int64) error {
	err := s.db.transact(ctx, func(tx *transaction) error {
		for _, o := range os {
			if err := tx.exec("put maintenance", o.check, o.name, o.From, o.To); err != nil {
				return err
			}
		}
		return tx.exec("raise meta", maintenanceUntil, until)
	})
	if s.health.note(err) != nil {
		return fmt.Errorf("write down %d occurrences of maintenance: %w", len(os), err)
	}
	return nil
}

// joinInProgress stores, from now on, what a new list has in progress and is not stored.
func (s *Store) joinInProgress(ctx context.Context, p plan, now int64) error {
	longest := int64(0)
	for _, m := range p.list {
		longest = max(longest, m.For.Milliseconds(), m.To.Sub(m.From).Milliseconds())
	}
	os, err := p.occurrences(now-longest, now+1)
	if err != nil {
		return err
	}
	var fresh []occurrence
	for _, o := range os {
		if o.To <= now {
			continue
		}
		var n int
		err := s.db.write.QueryRowContext(ctx, s.db.queries["maintenance covers"], o.check, o.name, now, o.To).Scan(&n)
		if err != nil {
			return err
		}
		if n == 0 {
			o.From = now
			fresh = append(fresh, o)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return s.putOccurrences(ctx, fresh, s.maintenance.until)
}

// Spans returns what changes how slots of a timeline in [from, to) count: maintenance, announcements, and corrections that are in force.
func (s *Store) Spans(ctx context.Context, x sli.Series, from, to int64) ([]sli.Span, error) {
	corrections, err := s.corrections(ctx, from, to)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	v := view{Series: x, due: s.dueOf(x)}
	s.mu.RUnlock()
	spans, err := s.aside(ctx, &v, from, to)
	return append(spans, sli.CorrectionSpans(corrections, x, from, to)...), err
}

// aside returns the maintenance and the announcements that touch [from, to) of a timeline: what changes how its slots count, but
// for corrections.
func (s *Store) aside(ctx context.Context, v *view, from, to int64) ([]sli.Span, error) {
	spans, err := s.maintenanceSpans(ctx, v.Check, from, to)
	if err != nil {
		return nil, err
	}
	announced, err := s.announcedSpans(ctx, v, from, to)
	return append(spans, announced...), err
}

// maintenanceSpans returns the maintenance of a check that touches [from, to).
func (s *Store) maintenanceSpans(ctx context.Context, check string, from, to int64) ([]sli.Span, error) {
	var spans []sli.Span
	err := s.db.each(ctx, s.db.read, "maintenance", []any{check, from, to}, func(scan func(...any) error) error {
		span := sli.Span{Effect: sli.InMaintenance}
		err := scan(&span.From, &span.To)
		spans = append(spans, span)
		return err
	})
	return spans, err
}
