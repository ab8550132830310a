package sli

import (
	"fmt"
	"time"
)

// Calendar returns the calendar unit ("day", "week", "month" or "quarter") that contains an instant in a zone: it begins with
// the first instant of its first day there, and ends where the next one begins. Weeks are those of ISO 8601, from Monday on.
// A day on which the clocks are changed is as long as it is.
func Calendar(unit string, zone *time.Location, at time.Time) (from, to time.Time, err error) {
	wall := reading(at.In(zone))
	first, err := firstDay(unit, wall)
	if err != nil {
		return from, to, err
	}
	return instant(first, zone).UTC(), instant(nextUnit(unit, first), zone).UTC(), nil
}

// firstDay is the first day of the unit that a reading of the wall clock is in.
func firstDay(unit string, wall time.Time) (time.Time, error) {
	y, m, d := wall.Date()
	switch unit {
	case "day":
	case "week":
		d -= (int(wall.Weekday()) + 6) % 7
	case "month":
		d = 1
	case "quarter":
		m, d = (m-1)/3*3+1, 1
	default:
		return wall, fmt.Errorf("calendar unit is %q, want day, week, month or quarter", unit)
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC), nil
}

func nextUnit(unit string, first time.Time) time.Time {
	switch unit {
	case "week":
		return first.AddDate(0, 0, 7)
	case "month":
		return first.AddDate(0, 1, 0)
	case "quarter":
		return first.AddDate(0, 3, 0)
	}
	return first.AddDate(0, 0, 1)
}

// nominal is how long a calendar unit is, about.
func nominal(unit string) time.Duration {
	return map[string]time.Duration{"day": 1, "week": 7, "month": 30, "quarter": 91}[unit] * 24 * time.Hour
}

// LongestUnit is how long a calendar unit is at most, an hour of a changed clock included.
func LongestUnit(unit string) time.Duration {
	return map[string]time.Duration{"day": 1, "week": 7, "month": 31, "quarter": 92}[unit]*24*time.Hour + time.Hour
}
