package sli

import "time"

// SchemaVersion is the version of Report's JSON. Fields are only added within a version.
const SchemaVersion = 1

// A Report is every figure of one check over one window, in one region or combined over several. Its JSON
// is the same from the command line, the API and the exports. Undefined figures are null.
type Report struct {
	SchemaVersion int                `json:"schema_version"`
	Check         string             `json:"check"`   // id
	Region        *string            `json:"region"`  // null when combined
	Combine       *string            `json:"combine"` // the rule, null for one region
	Weights       map[string]float64 `json:"weights"` // region weights used, null for one region
	From          time.Time          `json:"from"`
	To            time.Time          `json:"to"`
	AsOf          time.Time          `json:"as_of"`
	Settled       bool               `json:"settled"` // the end asked for was not clipped to AsOf
	Slots         SlotCounts         `json:"slots"`
	Excluded      ExcludedCounts     `json:"excluded"`
	Corrected     CorrectedCounts    `json:"corrected"`
	Seconds       Seconds            `json:"seconds"`
	Outcomes      OutcomeCounts      `json:"outcomes"`
	Reasons       map[string]int64   `json:"reasons"`
	Unvouched     int64              `json:"unvouched"`
	Availability  Availability       `json:"availability"`
	Coverage      *float64           `json:"coverage"`
	Latency       LatencyReport      `json:"latency,omitzero"` // not there if it was not asked for
	// Observed is what it all would be without corrections; null if none has a say in the window.
	Observed *Figures `json:"observed"`
}

// Figures are those of a report that corrections can change.
type Figures struct {
	Slots        SlotCounts     `json:"slots"`
	Excluded     ExcludedCounts `json:"excluded"`
	Seconds      Seconds        `json:"seconds"`
	Availability Availability   `json:"availability"`
	Latency      LatencyReport  `json:"latency,omitzero"`
}

// SlotCounts: Scheduled = Good + Bad + Inconclusive + Missed + NoData + Excluded, always.
type SlotCounts struct {
	Scheduled    int64 `json:"scheduled"`
	Good         int64 `json:"good"`
	Bad          int64 `json:"bad"`
	Inconclusive int64 `json:"inconclusive"`
	Missed       int64 `json:"missed"`
	NoData       int64 `json:"no_data"`
	Excluded     int64 `json:"excluded"`
}

// ExcludedCounts tells why slots were excluded.
type ExcludedCounts struct {
	Maintenance int64 `json:"maintenance"`
	Correction  int64 `json:"correction"`
	Announced   int64 `json:"announced"`
}

// CorrectedCounts tells how many slots are good or bad that would not be without a correction. They are counted in SlotCounts,
// too; those that one took out are in ExcludedCounts.
type CorrectedCounts struct {
	Good int64 `json:"good"`
	Bad  int64 `json:"bad"`
}

// Seconds weighs the slots by their cells. Due and Verdict are as observed, whatever was excluded.
type Seconds struct {
	Due       float64 `json:"due"`
	Verdict   float64 `json:"verdict"`
	Good      float64 `json:"good"`
	Bad       float64 `json:"bad"`
	Undecided float64 `json:"undecided"`
	Excluded  float64 `json:"excluded"`
}

// OutcomeCounts counts all stored slots by outcome, excluded ones too.
type OutcomeCounts struct {
	Up                  int64 `json:"up"`
	Down                int64 `json:"down"`
	ExpectedUnreachable int64 `json:"expected_unreachable"`
	Unexpected          int64 `json:"unexpected"`
	Inconclusive        int64 `json:"inconclusive"`
	Missed              int64 `json:"missed"`
}

// Availability is good ÷ (good + bad) by time; every figure is null without valid time.
type Availability struct {
	Ratio  *float64 `json:"ratio"`
	Method string   `json:"method"`
	Low    *float64 `json:"low"`
	High   *float64 `json:"high"`
	// What the ratio would be had all undecided time been bad, or good.
	IfUndecidedBad  *float64 `json:"if_undecided_bad"`
	IfUndecidedGood *float64 `json:"if_undecided_good"`
}

// LatencyReport is over the slots that were expected reachable and have a verdict.
type LatencyReport struct {
	UnderSeconds *float64          `json:"under_seconds"` // the threshold; null without one
	Of           string            `json:"of"`            // "valid" or "up"
	Ratio        *float64          `json:"ratio"`         // share of the population under the threshold
	Count        int64             `json:"count"`
	Quantiles    map[string]*Value `json:"quantiles_seconds"` // null below 1/(1-q) slots
}

// A Value is a number of seconds that may be +Inf, which JSON has as the string "+Inf".
type Value float64
