package sli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A Correction says after the fact how the slots of an interval count. It is never changed: who was wrong revokes it and
// makes another one. Its JSON is that of the API.
type Correction struct {
	ID       string            `json:"id"`               // unique; empty before it is stored
	Checks   []string          `json:"checks"`           // ids
	Labels   map[string]string `json:"labels,omitempty"` // by which the checks were chosen when it was made, if they were
	Regions  []string          `json:"regions"`          // empty: all
	From     time.Time         `json:"from"`
	To       time.Time         `json:"to"`
	Effect   string            `json:"effect"`   // exclude, bad or good
	Category string            `json:"category"` // one of CorrectionCategories
	Reason   string            `json:"reason"`   // for people, now and in a year
	Author   string            `json:"author"`
	Created  time.Time         `json:"created_at"` // in whole milliseconds
	Revoked  *Revocation       `json:"revoked"`    // null: it is in force
}

// A Revocation ends a correction, as if it had never been made. Both stay on record.
type Revocation struct {
	At     time.Time `json:"at"`
	Author string    `json:"author"`
	Reason string    `json:"reason"`
}

// CorrectionCategories are why there may be corrections. Reports of how well a team knows its service can count by them.
func CorrectionCategories() []string {
	return []string{"false_alarm", "missed_outage", "maintenance", "deployment", "dependency", "test", "other"}
}

// Bounds of what a correction may hold.
const (
	maxCorrectionText   = 2000 // bytes
	maxCorrectionAuthor = 200
	maxCorrectionID     = 63
)

// validID reports whether an id is as names in the configuration are.
func validID(id string) bool {
	odd := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-.", r) }
	return len(id) <= maxCorrectionID && !strings.ContainsFunc(id, odd) && strings.Trim(id, "-.") == id
}

// Validate reports the first thing that is wrong with a new correction. It may not reach beyond now: what is to come is
// planned as maintenance.
func (c *Correction) Validate(now time.Time) error {
	if c.ID != "" && !validID(c.ID) {
		return fmt.Errorf("id is %.80q, want at most %d letters of a to z, digits, - and ., a letter or digit at either end", c.ID, maxCorrectionID)
	}
	for name, value := range c.Labels {
		if err := written("the label "+fmt.Sprintf("%.80q", name), value, maxCorrectionAuthor); err != nil {
			return err
		}
	}
	if _, ok := CorrectionEffect(c.Effect); !ok {
		return fmt.Errorf("effect is %q, want exclude, bad or good", c.Effect)
	}
	switch {
	case len(c.Checks) == 0:
		return errors.New("checks are missing: name at least one")
	case c.From.IsZero() || c.To.IsZero():
		return errors.New("from and to are required")
	case c.To.UnixMilli() <= c.From.UnixMilli():
		return fmt.Errorf("to %s is not after from %s", stamped(c.To), stamped(c.From))
	case c.To.After(now):
		return fmt.Errorf("to %s is in the future: what is to come is planned as maintenance, in the configuration", stamped(c.To))
	case !slices.Contains(CorrectionCategories(), c.Category):
		return fmt.Errorf("category is %q, want one of %s", c.Category, strings.Join(CorrectionCategories(), ", "))
	}
	if err := written("reason", c.Reason, maxCorrectionText); err != nil {
		return err
	}
	return written("author", c.Author, maxCorrectionAuthor)
}

// Validate reports the first thing that is wrong with a revocation.
func (r *Revocation) Validate() error {
	if err := written("reason", r.Reason, maxCorrectionText); err != nil {
		return err
	}
	return written("author", r.Author, maxCorrectionAuthor)
}

// written reports what is wrong with a text that somebody must have written.
func written(what, text string, most int) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%s is missing: who reads the figures in a year will ask", what)
	case len(text) > most:
		return fmt.Errorf("%s has %d bytes, want at most %d", what, len(text), most)
	case strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || r == unicode.ReplacementChar
	}):
		return fmt.Errorf("%s has characters that cannot be shown", what)
	}
	return nil
}

func stamped(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Covers reports whether the correction is about a timeline. A revoked one is about none.
func (c *Correction) Covers(s Series) bool {
	return c.Revoked == nil && slices.Contains(c.Checks, s.Check) && (len(c.Regions) == 0 || slices.Contains(c.Regions, s.Region))
}

// CorrectionSpans returns what corrections do to a timeline within [from, to), Unix ms. The order of the list does not
// matter: the newest wins, and of two of the same instant the one with the greater id.
func CorrectionSpans(list []Correction, s Series, from, to int64) []Span {
	sorted := slices.SortedFunc(slices.Values(list), compareCorrections)
	var spans []Span
	for i := range sorted {
		c := &sorted[i]
		effect, ok := CorrectionEffect(c.Effect)
		x := Span{From: c.From.UnixMilli(), To: c.To.UnixMilli(), Effect: effect, Rank: i + 1}
		if ok && x.From < to && x.To > from && c.Covers(s) {
			spans = append(spans, x)
		}
	}
	return spans
}

// compareCorrections puts the older one first.
func compareCorrections(a, b Correction) int {
	if d := a.Created.Compare(b.Created); d != 0 {
		return d
	}
	return strings.Compare(a.ID, b.ID)
}
