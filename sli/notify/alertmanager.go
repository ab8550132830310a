package notify

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// runAlertmanager tells an Alertmanager all alerts, at once when there are others than before, and again while there are not: also
// that there are none, so that one that does not answer shows before it is needed. What could not be told is told in the next
// round, as things stand then.
func (s *sender) runAlertmanager(ctx context.Context) {
	var told string
	var at time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		alerts := s.alerts
		s.mu.Unlock()
		which := digest(alerts)
		if which == told && time.Since(at) < s.timing.Resend {
			continue
		}
		body, err := json.Marshal(alerts)
		if err == nil {
			begun := time.Now()
			if err = s.post(ctx, "/api/v2/alerts", body, nil); err == nil {
				told, at = which, begun
			}
		}
	}
}

// digest tells sets of alerts apart by which there are, since when, and which are over; not by their figures.
func digest(alerts []Alert) string {
	var keys []string
	for i := range alerts {
		a := &alerts[i]
		key := a.key() + strconv.FormatInt(a.StartsAt.UnixMilli(), 10)
		if a.over {
			key += " over"
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}
