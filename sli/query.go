package sli

import "time"

// A Query asks for reports. Empty Checks or Regions mean all. Either From and To are set, or Window is: then
// the window is [as_of − Window, as_of).
type Query struct {
	Checks  []string // ids
	Regions []string
	From    time.Time
	To      time.Time
	Window  time.Duration
	Now     time.Time // the asker's clock, from which as_of is derived
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
