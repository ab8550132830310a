package sli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// A Maintenance is a planned interval, recurring or once, in which outcomes do not count. Its tags are its
// configuration: either Cron and For, or From and To.
type Maintenance struct {
	Name     string        `yaml:"name" required:"true"`
	Checks   []string      `yaml:"checks" required:"true"` // ids; "all" for every check
	Cron     string        `yaml:"cron"`                   // five fields, in Timezone
	For      time.Duration `yaml:"for"`                    // elapsed time, whatever the clocks do
	Timezone string        `yaml:"timezone" default:"UTC"`
	From     time.Time     `yaml:"from"`
	To       time.Time     `yaml:"to"`
}

// ErrPast is what Validate wraps when a one-off interval is over.
var ErrPast = errors.New("it is over: what was not announced in time is entered with `corrections`")

// Covers reports whether the maintenance is for this check.
func (m *Maintenance) Covers(check string) bool {
	return slices.Contains(m.Checks, check) || slices.Contains(m.Checks, "all")
}

// Validate reports the first contradiction in the interval. now is needed since a one-off interval that has
// passed would rewrite what is already settled; that error is an ErrPast.
func (m *Maintenance) Validate(now time.Time) error {
	recurs := m.Cron != "" || m.For != 0
	once := !m.From.IsZero() || !m.To.IsZero()
	switch {
	case recurs && once:
		return errors.New("give either cron and for, or from and to, not both")
	case recurs:
		return m.validateCron()
	case once:
		return m.validateOnce(now)
	}
	return errors.New("give cron and for, or from and to")
}

func (m *Maintenance) validateCron() error {
	switch {
	case m.Cron == "":
		return errors.New("for is given without cron")
	case m.For == 0:
		return errors.New("for is missing: how long does each occurrence last?")
	case m.For < time.Millisecond:
		return fmt.Errorf("for %v: want a positive duration", m.For)
	}
	s, zone, err := m.schedule()
	if err != nil {
		return err
	}
	if s.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return fmt.Errorf("cron %q: never comes (%s)", m.Cron, zone)
	}
	return nil
}

func (m *Maintenance) validateOnce(now time.Time) error {
	switch {
	case m.From.IsZero():
		return errors.New("to is given without from")
	case m.To.IsZero():
		return errors.New("from is given without to")
	case !m.From.Before(m.To):
		return fmt.Errorf("to %s is not after from %s", m.To.Format(time.RFC3339), m.From.Format(time.RFC3339))
	case !m.To.After(now):
		return fmt.Errorf("to %s: %w", m.To.Format(time.RFC3339), ErrPast)
	}
	return nil
}

// schedule parses the cron expression and loads the zone.
func (m *Maintenance) schedule() (cron.Schedule, *time.Location, error) {
	if m.Timezone == "Local" {
		return nil, nil, errors.New("timezone Local depends on the machine: name one such as Asia/Tokyo")
	}
	zone, err := time.LoadLocation(m.Timezone)
	if err != nil {
		return nil, nil, fmt.Errorf("timezone %q: want a name such as Asia/Tokyo", m.Timezone)
	}
	if strings.Contains(m.Cron, "=") {
		return nil, nil, fmt.Errorf("cron %q: set the zone with timezone", m.Cron)
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	s, err := parser.Parse(m.Cron)
	if err != nil {
		return nil, nil, fmt.Errorf("cron %q: %w", m.Cron, err)
	}
	return s, zone, nil
}

// Occurrences returns the spans that begin in [from, to), in Unix ms, in order of time. Recurring spans may
// overlap if they last longer than their period. It fails only where Validate does.
func (m *Maintenance) Occurrences(from, to int64) ([]Span, error) {
	if m.Cron == "" {
		return m.once(from, to), nil
	}
	s, zone, err := m.schedule()
	if err != nil {
		return nil, err
	}
	return m.recurring(beginnings{schedule: s, zone: zone}, from, to), nil
}

func (m *Maintenance) once(from, to int64) []Span {
	at := m.From.UnixMilli()
	if m.From.IsZero() || at < from || at >= to {
		return nil
	}
	return []Span{{From: at, To: m.To.UnixMilli(), Effect: InMaintenance}}
}

func (m *Maintenance) recurring(b beginnings, from, to int64) []Span {
	var spans []Span
	for at := range b.since(from) {
		if at >= to {
			break
		}
		spans = append(spans, Span{From: at, To: at + m.For.Milliseconds(), Effect: InMaintenance})
	}
	return spans
}
