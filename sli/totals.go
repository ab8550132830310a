package sli

import "time"

// Totals are what was counted of all timelines for good: counters that outlive processes, and are the same whoever of
// those that share a store is asked. They are never changed once they are made.
type Totals struct {
	AsOf  time.Time // slots due before it are counted, but those that still wait for their result; zero: counting has not begun
	Parts []*CountedPart
	SLOs  []SLOCount
}

// A CountedPart is what was counted of some of the timelines, as one.
type CountedPart struct {
	Series  []SeriesCount
	Regions []RegionCount
}

// A SeriesCount is what was counted of a timeline. Every slot is counted once, as it was when it settled; what changed
// of it since is in Late.
type SeriesCount struct {
	Series
	Slots   [numVerdicts]int64 // by Verdict
	MS      [numVerdicts]int64 // the time they stand for
	Late    []LateCount
	Latency LatencyCount
}

// A LateCount is of slots that were counted as one thing and came to be another.
type LateCount struct {
	Was, Verdict string // names of verdicts, or NotDue
	Slots, MS    int64
}

// NotDue is in a LateCount the name of what a slot is that nobody knew to be due, or knows not to have been.
const NotDue = "not_due"

// A LatencyCount is a histogram of up slots as they settled.
type LatencyCount struct {
	Bins   []LatencyBin // in order of their indexes
	Bounds []LatencyBound
}

// A LatencyBin is how many slots had a latency of this index.
type LatencyBin struct {
	Index Index
	N     int64
}

// A LatencyBound is a threshold that is or was in force. Bins are not sharp at it: More is how many slots were under it and
// are of an index whose value is not, less those the other way round.
type LatencyBound struct {
	Under time.Duration
	More  int64
}

// A RegionCount is how far a region came to verdicts, whatever was excluded, in ms of cells.
type RegionCount struct {
	Region    string
	Due, Told int64
}

// An SLOCount is how time counted for an SLO, in ms of the clock.
type SLOCount struct {
	Name string
	Amount
	Late []LateTime
}

// A LateTime is time, in ms of the clock, that was counted as one thing and came to be another.
type LateTime struct {
	Was, Verdict string // names of verdicts, or NotDue
	MS           float64
}
