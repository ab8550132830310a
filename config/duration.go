package config

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// A unit of time as durations are written, from the longest to the shortest.
type unit struct {
	name string
	size time.Duration
}

const day = 24 * time.Hour

// units are those of Prometheus. Neither a year nor a day knows about calendars.
func units() []unit {
	return []unit{
		{"y", 365 * day},
		{"w", 7 * day},
		{"d", day},
		{"h", time.Hour},
		{"m", time.Minute},
		{"s", time.Second},
		{"ms", time.Millisecond},
	}
}

var errDuration = errors.New("wanted a duration such as 30s, 1h30m or 28d")

// ParseDuration reads a duration as Prometheus writes it: whole numbers with a unit (y w d h m s ms), each unit
// once, from the longest to the shortest. Unlike there a bare 0 is refused, as is every bare number.
func ParseDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, fmt.Errorf("found an empty text, %w", errDuration)
	}
	var sum time.Duration
	left, rest := units(), text
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		name := rest[digits:]
		if i := strings.IndexAny(name, "0123456789"); i >= 0 {
			name = name[:i]
		}
		i := find(left, name)
		if digits == 0 || digits > 15 || i < 0 {
			return 0, fmt.Errorf("found %s, %w", found(text), errDuration)
		}
		n := parseDigits(rest[:digits])
		if n > int64(math.MaxInt64-sum)/int64(left[i].size) {
			return 0, fmt.Errorf("found %s, which is too long a time", found(text))
		}
		sum += time.Duration(n) * left[i].size
		left, rest = left[i+1:], rest[digits+len(name):]
	}
	return sum, nil
}

func find(us []unit, name string) int {
	for i, u := range us {
		if u.name == name {
			return i
		}
	}
	return -1
}

// parseDigits reads at most 18 decimal digits.
func parseDigits(s string) int64 {
	var n int64
	for _, c := range s {
		n = n*10 + int64(c-'0')
	}
	return n
}

// FormatDuration writes what ParseDuration reads, with days as the longest unit and cut off to milliseconds.
// Negative durations have no such form; they are written as 0s.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	for _, u := range units()[2:] {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// DurationHint tells how what ParseDuration does not read would be written rightly; empty if that cannot be told.
func DurationHint(text string) string {
	if strings.Trim(text, "0123456789") == "" && text != "" {
		return "add a unit: " + text + "s"
	}
	if d, err := time.ParseDuration(text); err == nil && d >= time.Millisecond {
		return "write " + FormatDuration(d)
	}
	return ""
}
