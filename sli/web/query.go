package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/gaikei/gaikei/sli"
)

// defaultWindow is the window of a question that names none.
const defaultWindow = time.Hour

// ParseQuery makes a question about time of texts, any of which may be empty: a length such as 28d, and ends
// as RFC 3339 or relative to now, such as -1h. With all three empty it is the last hour. The command line
// reads its flags with it too, so that both understand the same. Contradictions are left to sli.
func ParseQuery(window, from, to string, now time.Time) (sli.Query, error) {
	q := sli.Query{Now: now}
	if window == "" && from == "" && to == "" {
		q.Window = defaultWindow
		return q, nil
	}
	var err error
	if window != "" {
		if q.Window, err = parseDuration(window); err != nil {
			return q, fmt.Errorf("window: %w", err)
		}
	}
	if q.From, err = parseTime(from, now); err != nil {
		return q, fmt.Errorf("from: %w", err)
	}
	if q.To, err = parseTime(to, now); err != nil {
		return q, fmt.Errorf("to: %w", err)
	}
	return q, nil
}

// longestDuration bounds windows, so that a slip of the finger is told and now minus a duration is a year
// that there was.
const longestDuration = 10 * 365 * 24 * time.Hour

// parseDuration reads a length as Prometheus writes it (28d, 1h30m) or as Go does (1.5s).
func parseDuration(s string) (time.Duration, error) {
	m, err := model.ParseDuration(s)
	d := time.Duration(m)
	if err != nil {
		d, err = time.ParseDuration(s)
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("got %q, want a length such as 90s, 1h30m or 28d", s)
	case d < time.Millisecond:
		return 0, fmt.Errorf("got %q, want at least 1ms", s)
	case d > longestDuration:
		return 0, fmt.Errorf("got %q, want at most ten years", s)
	}
	return d, nil
}

// parseTime reads an instant; an empty text is the zero time.
func parseTime(s string, now time.Time) (time.Time, error) {
	switch ago, relative := strings.CutPrefix(s, "-"); {
	case s == "":
		return time.Time{}, nil
	case s == "now":
		return now, nil
	case relative:
		d, err := parseDuration(ago)
		return now.Add(-d), err
	}
	// A plus sign that was not percent-encoded arrives as a space.
	t, err := time.Parse(time.RFC3339, strings.Replace(s, " ", "+", 1))
	if err != nil {
		return t, fmt.Errorf("got %q, want RFC 3339 such as 2026-11-23T00:00:00Z, or relative to now such as -1h", s)
	}
	return t, nil
}
