package sli

import (
	"errors"
	"fmt"
	"time"
)

// A Query asks for reports. Empty Checks or Regions mean all. Either From and To are set, or Window is: then
// the window is [as_of − Window, as_of). Without To, From asks for everything up to as_of.
type Query struct {
	Checks  []string // ids
	Regions []string
	From    time.Time
	To      time.Time
	Window  time.Duration
	Now     time.Time // the asker's clock, from which as_of is derived
	// Figures are what is asked for: all, or FiguresAvailability, which is a hundred times less to read.
	Figures string
	AsOf    time.Time // an earlier as_of, for the same answer as then; zero, or later: the one derived
}

// FiguresAvailability asks for all figures but those of latencies.
const FiguresAvailability = "availability"

// A Window is the time a report is about, [From, To) in Unix ms, as known at AsOf. It is empty if From = To.
type Window struct {
	From, To int64 // Unix ms
	AsOf     int64 // Unix ms
	Settled  bool  // the end asked for was not clipped to AsOf
}

// settling is how long after the last possible attempt a result may need to arrive.
const settling = 15 * time.Second

// AsOf is the latest instant before which every slot probed in time is known, for checks whose slots take
// at most budget, retries and waits included. Anything later would count fast successes before slow
// failures. It is in whole milliseconds, UTC.
func AsOf(now time.Time, budget time.Duration) time.Time {
	return time.UnixMilli(now.Add(-budget - settling).UnixMilli()).UTC()
}

// Resolve turns the question into a window. What lies beyond asOf is clipped; a window that begins there is
// empty, which is no error: nothing in it is known yet. Errors are the asker's and say what to change.
func (q Query) Resolve(asOf time.Time) (Window, error) {
	if err := q.contradiction(); err != nil {
		return Window{}, fmt.Errorf("window: %w", err)
	}
	if !q.AsOf.IsZero() && q.AsOf.Before(asOf) {
		asOf = q.AsOf
	}
	w := Window{AsOf: asOf.UnixMilli(), Settled: true}
	if q.Window > 0 {
		w.From, w.To = asOf.Add(-q.Window).UnixMilli(), w.AsOf
		return w, nil
	}
	w.From, w.To = q.From.UnixMilli(), w.AsOf
	if !q.To.IsZero() {
		w.To = q.To.UnixMilli()
	}
	if w.To > w.AsOf {
		w.To, w.Settled = w.AsOf, false
	}
	// Beginning after as_of: [From, From), never an interval that runs backwards.
	w.To = max(w.To, w.From)
	return w, nil
}

func (q Query) contradiction() error {
	ends := !q.From.IsZero() || !q.To.IsZero()
	switch {
	case q.Window < 0:
		return fmt.Errorf("length %v is negative", q.Window)
	case q.Window > 0 && ends:
		return errors.New("give either a length or from and to, not both")
	case q.Window == 0 && !ends:
		return errors.New("give a length such as 1h, or from and to")
	case q.Window == 0 && q.From.IsZero():
		return errors.New("to is given without from")
	case !q.To.IsZero() && q.From.After(q.To):
		return fmt.Errorf("from %s is after to %s", q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	}
	return nil
}

// A ProberReport tells whether a region was able to see: the prober SLI.
type ProberReport struct {
	SchemaVersion int        `json:"schema_version"`
	Region        string     `json:"region"`
	From          time.Time  `json:"from"`
	To            time.Time  `json:"to"`
	AsOf          time.Time  `json:"as_of"`
	Settled       bool       `json:"settled"`
	Checks        int        `json:"checks"`  // that were due in the window
	Seconds       Seconds    `json:"seconds"` // over all its checks
	Slots         SlotCounts `json:"slots"`
	// Ratio is time with a verdict ÷ all due time, whatever maintenance or corrections say; null without due time.
	Ratio *float64 `json:"ratio"`
}
