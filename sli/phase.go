package sli

import "time"

// A PhaseReport tells how long the phases of one check took in one region, over the slots that were up: it says where
// the time of the latency SLI goes. Phases are counted by whole hours, so From and To are the full hours (UTC) around
// the window asked for; an hour that has not passed holds what has come in. Maintenance is not taken out.
type PhaseReport struct {
	SchemaVersion int         `json:"schema_version"`
	Check         string      `json:"check"` // id
	Region        string      `json:"region"`
	From          time.Time   `json:"from"`
	To            time.Time   `json:"to"`
	AsOf          time.Time   `json:"as_of"`
	Phases        []PhaseTime `json:"phases"` // in the order in which they happen
}

// A PhaseTime is how long one phase took, over all slots that had it; of a slot with retries, in its last attempt.
type PhaseTime struct {
	Phase     string            `json:"phase"`
	Count     int64             `json:"count"`
	Quantiles map[string]*Value `json:"quantiles_seconds"` // null below 1/(1-q) slots
}

const hourMillis = int64(time.Hour / time.Millisecond)

// Hours widens the window to whole hours, UTC; an empty one becomes an hour.
func (w Window) Hours() Window {
	w.From = floorTo(w.From, hourMillis)
	w.To = max(floorTo(w.To-1, hourMillis), w.From) + hourMillis
	return w
}

// floorTo rounds down, also before 1970.
func floorTo(x, unit int64) int64 {
	return x - (x%unit+unit)%unit
}

// NewPhaseReport reports on the hours of a window, from histograms in the order of their names, in
// which a slot weighs one; empty ones are left out.
func NewPhaseReport(w Window, x Series, names []string, hs []Histogram) PhaseReport {
	r := PhaseReport{
		SchemaVersion: SchemaVersion, Check: x.Check, Region: x.Region,
		From: utc(w.From), To: utc(w.To), AsOf: utc(w.AsOf), Phases: []PhaseTime{},
	}
	for i := range hs {
		if n := hs[i].Weight(); n > 0 {
			r.Phases = append(r.Phases, PhaseTime{Phase: names[i], Count: n, Quantiles: hs[i].Quantiles()})
		}
	}
	return r
}
