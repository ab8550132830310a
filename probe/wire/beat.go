package wire

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Beat is what a prober tells the aggregator of itself, every BeatEvery. It is JSON; a field that one side does not
// know is left out, so both may be of different versions.
type Beat struct {
	Version  string    `json:"version"` // of the program
	Started  time.Time `json:"started"`
	Sent     time.Time `json:"sent"`     // by the prober's clock
	Revision int64     `json:"revision"` // of the plan that it follows; 0: none
	Checks   int       `json:"checks"`   // on its schedule
	// Refused counts checks of the plan that this prober does not understand; PlanError says why it follows an older
	// plan than the newest, if it cannot follow that.
	Refused   int    `json:"refused,omitempty"`
	PlanError string `json:"plan_error,omitempty"`

	Running    int `json:"running"`     // slots being probed or judged
	MaxRunning int `json:"max_running"` // attempts that may overlap an earlier one of their check

	QueuePending int64   `json:"queue_pending"` // messages that the aggregator has not taken
	QueueAge     float64 `json:"queue_age_seconds"`
	QueueBytes   int64   `json:"queue_bytes"`
	QueueMax     int64   `json:"queue_max_bytes"`
	QueueHeld    int     `json:"queue_held"` // results that are not on the disk yet
	QueueBroken  bool    `json:"queue_broken,omitempty"`
	Dropped      int64   `json:"dropped"` // results, messages and evidence lost since the start

	// ClockOffset is how far the prober's clock is ahead of the aggregator's, as measured by the beats before; null
	// before the first answer.
	ClockOffset *float64 `json:"clock_offset_seconds"`

	Faults []string `json:"faults,omitempty"` // what keeps the region from seeing, a sentence each
}

// BeatEvery is the time between two beats of a prober.
const BeatEvery = 10 * time.Second

// limits of a beat's texts: it comes from elsewhere, and is shown.
const (
	maxBeatFaults = 16
	maxBeatText   = 300
)

// A BeatAnswer is what the aggregator answers to a beat.
type BeatAnswer struct {
	Now      time.Time `json:"now"`      // by the aggregator's clock
	Revision int64     `json:"revision"` // of the newest plan of the region; 0: none
}

// Marshal returns the beat's bytes.
func (b Beat) Marshal() []byte { return marshalBeat(b) }

// Marshal returns the answer's bytes.
func (a BeatAnswer) Marshal() []byte { return marshalBeat(a) }

func marshalBeat(v any) []byte {
	data, _ := json.Marshal(v) // there is nothing in either that could fail
	return data
}

// ReadBeat reads a beat and bounds its texts. Its error wraps ErrMalformed.
func ReadBeat(data []byte) (Beat, error) {
	var b Beat
	if err := json.Unmarshal(data, &b); err != nil {
		return Beat{}, fmt.Errorf("%w: heartbeat: %w", ErrMalformed, err)
	}
	b.Faults = b.Faults[:min(len(b.Faults), maxBeatFaults)]
	for _, s := range append([]*string{&b.Version, &b.PlanError}, pointers(b.Faults)...) {
		*s = (*s)[:min(len(*s), maxBeatText)]
	}
	return b, nil
}

func pointers(texts []string) []*string {
	ps := make([]*string, len(texts))
	for i := range texts {
		ps[i] = &texts[i]
	}
	return ps
}

// ReadBeatAnswer reads an answer. Its error wraps ErrMalformed.
func ReadBeatAnswer(data []byte) (BeatAnswer, error) {
	var a BeatAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return BeatAnswer{}, fmt.Errorf("%w: answer to a heartbeat: %w", ErrMalformed, err)
	}
	if a.Now.IsZero() {
		return BeatAnswer{}, fmt.Errorf("%w: answer to a heartbeat: it does not tell the time", ErrMalformed)
	}
	return a, nil
}
