package timeline

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// ErrConflict is wrapped by the error about a correction whose id another one has.
var ErrConflict = errors.New("another correction has this id")

// Corrections returns all corrections that touch the window, also revoked ones, from the oldest to the newest. As_of plays no part.
func (s *Store) Corrections(ctx context.Context, q sli.Query) ([]sli.Correction, error) {
	now := q.Now
	if now.IsZero() {
		now = s.o.Now()
	}
	w, err := q.Resolve(now) // they are kept longer than timelines
	if err != nil {
		return nil, fmt.Errorf("read corrections: %w", err)
	}
	list, err := s.corrections(ctx, w.From, w.To)
	if err != nil {
		return nil, fmt.Errorf("read corrections: %w", err)
	}
	return slices.DeleteFunc(list, func(c sli.Correction) bool {
		return !slices.ContainsFunc(c.Checks, func(id string) bool { return asked(q.Checks, id) }) ||
			len(c.Regions) > 0 && !slices.ContainsFunc(c.Regions, func(r string) bool { return asked(q.Regions, r) })
	}), nil
}

func (s *Store) corrections(ctx context.Context, from, to int64) ([]sli.Correction, error) {
	return s.db.corrections(ctx, s.db.read, from, to)
}

// corrections reads those that touch [from, to).
func (db *database) corrections(ctx context.Context, on querier, from, to int64) ([]sli.Correction, error) {
	list := []sli.Correction{}
	err := db.each(ctx, on, "corrections", []any{from, to}, func(scan func(...any) error) error {
		var c sli.Correction
		var r sli.Revocation
		var created, start, stop, revoked int64
		var checks, labels, regions string
		err := scan(&c.ID, &created, &start, &stop, &c.Effect, &checks, &labels, &regions, &c.Category, &c.Reason, &c.Author,
			&revoked, &r.Reason, &r.Author)
		if err != nil {
			return err
		}
		for text, into := range map[string]any{checks: &c.Checks, labels: &c.Labels, regions: &c.Regions} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				return fmt.Errorf("correction %s: %w", c.ID, err)
			}
		}
		c.Created, c.From, c.To = instantOf(created), instantOf(start), instantOf(stop)
		if revoked != 0 {
			r.At = instantOf(revoked)
			c.Revoked = &r
		}
		list = append(list, c)
		return nil
	})
	return list, err
}

func instantOf(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// Correct stores a correction, and returns it as it is stored: with an id if it had none, and the time. With an id that is
// stored already it changes nothing, and returns what is stored if that says the same; else the error is an ErrConflict.
// When it returns nil, the correction is on the disk and in force for every figure that is asked for from then on.
func (s *Store) Correct(ctx context.Context, c sli.Correction) (sli.Correction, error) {
	now := s.o.Now()
	if err := c.Validate(now); err != nil {
		return c, fmt.Errorf("correct: %w", err)
	}
	if c.ID == "" {
		c.ID = strings.ToLower(rand.Text()[:12])
	}
	c.From, c.To, c.Created, c.Revoked = c.From.UTC().Truncate(time.Millisecond), c.To.UTC().Truncate(time.Millisecond), instantOf(now.UnixMilli()), nil
	if c.Regions == nil {
		c.Regions = []string{}
	}
	added := int64(0)
	err := s.db.transact(ctx, func(tx *transaction) (err error) {
		added, err = putCorrection(tx, &c)
		return err
	})
	if s.health.note(err) != nil {
		return c, fmt.Errorf("correct: %w", err)
	}
	if added == 0 {
		return s.alreadyThere(ctx, c)
	}
	return c, nil
}

func putCorrection(tx *transaction, c *sli.Correction) (added int64, err error) {
	texts := make([]any, 0, 3)
	labels := c.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	for _, x := range []any{c.Checks, labels, c.Regions} {
		text, err := json.Marshal(x)
		if err != nil {
			return 0, err
		}
		texts = append(texts, string(text))
	}
	return tx.change("put correction", c.ID, c.Created.UnixMilli(), c.From.UnixMilli(), c.To.UnixMilli(), c.Effect,
		texts[0], texts[1], texts[2], c.Category, c.Reason, c.Author)
}

// alreadyThere returns the correction whose id c has, if it says the same.
func (s *Store) alreadyThere(ctx context.Context, c sli.Correction) (sli.Correction, error) {
	list, err := s.corrections(ctx, math.MinInt64, math.MaxInt64)
	if err != nil {
		return c, fmt.Errorf("correct: %w", err)
	}
	i := slices.IndexFunc(list, func(x sli.Correction) bool { return x.ID == c.ID })
	if i < 0 {
		return c, fmt.Errorf("correct: %s: it is neither new nor there", c.ID)
	}
	if what := difference(list[i], c); what != "" {
		return c, fmt.Errorf("correct: %s: %w, with other %s", c.ID, ErrConflict, what)
	}
	return list[i], nil
}

// difference names what two corrections of one id say differently; empty if they say the same. Who says it again does not matter,
// nor which checks have the labels by now.
func difference(a, b sli.Correction) string {
	switch {
	case !maps.Equal(a.Labels, b.Labels):
		return "labels"
	case len(a.Labels) == 0 && !slices.Equal(a.Checks, b.Checks):
		return "checks"
	case !slices.Equal(a.Regions, b.Regions):
		return "regions"
	case !a.From.Equal(b.From), !a.To.Equal(b.To):
		return "times"
	case a.Effect != b.Effect:
		return "effect"
	case a.Category != b.Category, a.Reason != b.Reason:
		return "category or reason"
	}
	return ""
}

// Revoke ends a correction; false: there is none with this id that is in force.
func (s *Store) Revoke(ctx context.Context, id string, r sli.Revocation) (bool, error) {
	if err := r.Validate(); err != nil {
		return false, fmt.Errorf("revoke: %w", err)
	}
	done := int64(0)
	err := s.db.transact(ctx, func(tx *transaction) (err error) {
		done, err = tx.change("put revocation", id, s.o.Now().UnixMilli(), r.Reason, r.Author)
		return err
	})
	if s.health.note(err) != nil {
		return false, fmt.Errorf("revoke correction %s: %w", id, err)
	}
	return done > 0, nil
}

// Preview returns the reports as Reports does, as they would be with one more correction. Nothing is changed.
func (s *Store) Preview(ctx context.Context, c sli.Correction, q sli.Query) ([]sli.Report, error) {
	now := s.o.Now()
	if err := c.Validate(now); err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	c.Created, c.Revoked = now, nil
	r, err := s.reporting(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	r.corrections = append(r.corrections, c)
	reports, err := r.reports(ctx, s.checksDue(q, r.w, ""))
	if err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	return reports, nil
}
