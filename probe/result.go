package probe

import (
	"math"
	"time"
)

// A LatencyIndex is a latency quantised to 1 % relative error: the DDSketch index i = ⌈ln x ÷ ln γ⌉ for
// x in seconds and γ = 101/99, standing for the value 2γⁱ/(γ+1).
//
// Source: Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
// guarantees", VLDB 2019, section 2.1.
type LatencyIndex int16

// NoLatency marks the absence of a latency.
const NoLatency LatencyIndex = math.MinInt16

const gamma = 101.0 / 99.0

// IndexOf quantises a duration. Durations under a microsecond count as one.
func IndexOf(d time.Duration) LatencyIndex {
	x := max(d, time.Microsecond).Seconds()
	return LatencyIndex(math.Ceil(math.Log(x) / math.Log(gamma)))
}

// A Result is what one slot came to, as it is queued, sent and stored. Region and prober are not in it:
// they are those of the queue it travels in.
type Result struct {
	Check     string // id
	Slot      int64  // Unix ms
	Outcome   Outcome
	Reason    Reason
	Lag       time.Duration // start of the first attempt after the slot's instant; stored in ms
	Latency   LatencyIndex  // of an up slot, from the first attempt's start to the end of the success
	Under     bool          // the exact latency was below the check's threshold
	Unvouched bool          // a failure that nobody vouched for, because the configuration has no controls
	Announced bool          // the target said that it is in maintenance; the outcome is down, the reason status
	Attempts  int
	Phases    [NumPhases]LatencyIndex // of the last attempt; NoLatency where it did not occur
}

// Missed stands for every slot of a check's grid in [From, To) that was not probed, for one reason.
type MissedRange struct {
	Check    string
	From, To int64 // Unix ms; From is a slot
	Reason   Reason
}

// An Epoch is the word of a prober that it follows a grid of a check from a slot on, or no longer does.
// Announcing the same epoch again changes nothing.
type Epoch struct {
	Check    string
	From     int64         // Unix ms, the first slot it holds for
	Grid     Grid          // the zero Grid ends what was followed before
	Budget   time.Duration // longest time that the attempts of one slot can take
	Under    time.Duration // latency threshold in force; zero: none
	Of       Population
	Expected bool // expected reachable from this region
}

// A Batch is what travels as one message: epochs first, then what the slots came to.
type Batch struct {
	Epochs  []Epoch
	Results []Result
	Missed  []MissedRange
}

// Empty reports whether there is nothing in the batch.
func (b *Batch) Empty() bool { return len(b.Epochs)+len(b.Results)+len(b.Missed) == 0 }

// Evidence is what a person needs to see why a slot came to what it did. It travels apart from results, is
// bounded, and may be lost.
type Evidence struct {
	Check     string        `json:"check"`
	Slot      int64         `json:"slot_ms"`
	Outcome   string        `json:"outcome"`
	Reason    string        `json:"reason,omitempty"`
	Suspected string        `json:"suspected,omitempty"` // what an inconclusive slot would have been
	Announced bool          `json:"announced,omitempty"` // the target said that it is in maintenance
	Target    string        `json:"target"`
	Dialled   string        `json:"dialled,omitempty"`
	Latency   time.Duration `json:"latency_ns"`
	Spans     []SpanDetail  `json:"spans,omitempty"`
	// Expires is when clients begin to refuse the target's certificates, for the prober's metrics; it does not travel. Zero: none
	// were seen.
	Expires time.Time `json:"-"`
	// Asleep: this process did not run as the time was up, so nobody can say whether the target answered. It does not travel.
	Asleep bool   `json:"-"`
	Detail Detail `json:"detail"`
}

// SpanDetail is a Span for people and for JSON.
type SpanDetail struct {
	Phase string        `json:"phase"`
	Hop   int           `json:"hop,omitempty"`
	At    time.Duration `json:"at_ns"`
	For   time.Duration `json:"for_ns"`
}
