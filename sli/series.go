package sli

import "time"

// A Series names one timeline: one check in one region.
type Series struct {
	Check  string // id
	Region string
}

// A Counter tells how often something came in since the process started. It is for diagnosis only: it
// counts arrivals, not slots, so a repeated delivery counts twice. Fields that do not apply are empty.
type Counter struct {
	What    string // one of the Count constants
	Check   string // id
	Region  string
	Outcome string // of results
	Reason  string // of results, and why a message was rejected
	N       int64
}

// What a Counter counts.
const (
	CountResults       = "results"       // results, by check, region, outcome and reason
	CountOffPlan       = "off_plan"      // results off the grid in force, by check and region
	CountDisagreements = "disagreements" // slots that two probers saw differently, by check and region
	CountRejected      = "rejected"      // messages put aside, by reason
)

// Rejected is a message that was put aside, or a part of one: nothing of that part is in any timeline.
type Rejected struct {
	ReceivedAt time.Time `json:"received_at"`
	Region     string    `json:"region"` // that it came from; empty: not a message, but a row of the store that was damaged
	Prober     string    `json:"prober"`
	Reason     string    `json:"reason"` // malformed, off_subject, too_old, future, damaged_block, damaged_phases, damaged_counts
	Detail     string    `json:"detail"` // for people; part of it may be the sender's words
	Head       []byte    `json:"head"`   // the first bytes of a message, or all of a row
}

// A Change is what the configuration changed of a check, from an instant on: why its timeline may look different.
type Change struct {
	Check    string    `json:"check"` // id
	Region   string    `json:"region"`
	Revision int64     `json:"revision"` // of the region's plan
	At       time.Time `json:"at"`       // the first instant whose slots follow it
	What     string    `json:"what"`     // "added", "removed", or the keys that changed: "interval, http.url"
}
