package sli

import (
	"iter"
	"time"

	"github.com/robfig/cron/v3"
)

// beginnings are the instants at which a cron expression, read as times on the wall clock of a zone, comes
// true. The expression is walked on a clock without a zone and each reading is then looked up in the zone,
// so that a reading skipped by the clock comes at the end of the gap and a repeated one comes once.
type beginnings struct {
	schedule cron.Schedule
	zone     *time.Location
}

// longestGap is the most that a wall clock was ever put forward: Samoa left out 30 December 2011.
const longestGap = 24 * time.Hour

// since yields the beginnings at or after from, in Unix ms, ascending, each once.
func (b beginnings) since(from int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		last := from - 1
		// Readings before that of from can still come true later, at the end of a gap.
		wall := reading(time.UnixMilli(from).In(b.zone)).Add(-longestGap - time.Second)
		for {
			if wall = b.schedule.Next(wall); wall.IsZero() {
				return
			}
			at := instant(wall, b.zone).UnixMilli()
			if at <= last {
				continue
			}
			last = at
			if !yield(at) {
				return
			}
		}
	}
}

// reading is what the wall clock shows at t, as if it were UTC.
func reading(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instant is when the wall clock of a zone first shows a reading; of one that it skips, the end of the gap.
// (time.Date does not say which instant it takes.)
func instant(wall time.Time, zone *time.Location) time.Time {
	// No zone is further than a day from UTC: this is before the reading, and before its gap.
	period := wall.Add(-longestGap - 24*time.Hour).In(zone)
	for {
		start, end := period.ZoneBounds()
		_, offset := period.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		if end.IsZero() || at.Before(end) {
			if at.Before(start) {
				return start
			}
			return at
		}
		period = end
	}
}
