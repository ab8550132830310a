package sli

import (
	"fmt"
	"math"
	"time"
)

// A Draft is a proposal for an SLO, from what was observed. It is provisional: what was is no reason for what is to be, but a place
// to begin.
type Draft struct {
	Check     string        `json:"check"` // id
	Indicator string        `json:"indicator"`
	Objective float64       `json:"objective"`
	Under     time.Duration `json:"under_ns"` // of latency: a threshold to add to the check; 0: it has one
	Window    time.Duration `json:"window_ns"`
	Quorum    int           `json:"quorum"`   // of regions; 0: pooled
	Evidence  []string      `json:"evidence"` // sentences
}

// draftWindow is the window of drafts: whole weeks, so that each has as many weekends.
const draftWindow = 28 * 24 * time.Hour

// customary are the objectives and thresholds that drafts choose from: round ones can be remembered.
var (
	customaryObjectives = []Ratio{0.9999, 0.9995, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9}
	customaryThresholds = []time.Duration{
		50 * time.Millisecond, 75 * time.Millisecond, 100 * time.Millisecond, 150 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond,
		500 * time.Millisecond, 750 * time.Millisecond, 1500 * time.Millisecond, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
	}
)

// room is how much of its budget an objective that is proposed may have spent in what was observed.
const room = 0.5

// NewDrafts proposes SLOs for a check from its report over some regions: for availability the highest customary objective of whose
// budget at most half was spent, and that a window has enough slots to show; for latency, of a check without a threshold, 95 %
// under the least customary one that is a quarter above the 95th percentile. None is proposed of what was not observed.
func NewDrafts(r *Report, regions int) []Draft {
	var drafts []Draft
	observed := r.To.Sub(r.From)
	slots := r.Slots.Good + r.Slots.Bad
	if r.Availability.Ratio == nil || observed <= 0 || r.Seconds.Due == 0 {
		return nil
	}
	// The schedule as it was while the check was due, over a whole window.
	perWindow := int64(float64(r.Slots.Scheduled) * draftWindow.Seconds() * float64(max(regions, 1)) / r.Seconds.Due)
	d := Draft{Check: r.Check, Indicator: IndicatorAvailability, Window: draftWindow}
	if regions >= 3 {
		d.Quorum = 2
		perWindow /= int64(regions)
	}
	seen := fmt.Sprintf("Observed: %s over %s, in %d slots; %s of the due time came to a verdict.",
		FormatRatio(r.Availability.Ratio), daysText(r.Seconds.Due/float64(max(regions, 1))), slots, FormatRatio(r.Coverage))
	if o, ok := Attainable(*r.Availability.Ratio, perWindow); ok {
		d.Objective = float64(o)
		d.Evidence = []string{seen, spentSentence(*r.Availability.Ratio, o), shownSentence(o, perWindow)}
		drafts = append(drafts, d)
	}
	if l, ok := latencyDraft(d, r, perWindow); ok {
		drafts = append(drafts, l)
	}
	return drafts
}

// Attainable is the highest customary objective that leaves room, and that so many slots can show.
func Attainable(ratio float64, slots int64) (Ratio, bool) {
	for _, o := range customaryObjectives {
		if 1-ratio <= room*(1-float64(o)) && SlotsToShow(o) <= slots {
			return o, true
		}
	}
	return 0, false
}

func spentSentence(ratio float64, o Ratio) string {
	spent := (1 - ratio) / (1 - float64(o))
	return fmt.Sprintf("That would have spent %s of the budget of %s.", FormatRatio(&spent), o)
}

func shownSentence(o Ratio, slots int64) string {
	return fmt.Sprintf("28 days have about %d slots; %d without a failure show it.", slots, SlotsToShow(o))
}

// latencyDraft proposes an objective for the threshold that the check has, or a threshold.
func latencyDraft(d Draft, r *Report, slots int64) (Draft, bool) {
	d.Indicator, d.Quorum = IndicatorLatency, 0
	l := &r.Latency
	if l.UnderSeconds != nil {
		if l.Ratio == nil {
			return d, false
		}
		o, ok := Attainable(*l.Ratio, slots)
		d.Objective = float64(o)
		d.Evidence = []string{
			fmt.Sprintf("Observed: %s under %s.", FormatRatio(l.Ratio), FormatSeconds((*Value)(l.UnderSeconds))), spentSentence(*l.Ratio, o), shownSentence(o, slots),
		}
		return d, ok
	}
	p95 := l.Quantiles["0.95"]
	if p95 == nil || math.IsInf(float64(*p95), 1) {
		return d, false
	}
	for _, t := range customaryThresholds {
		if t.Seconds() >= 1.25*float64(*p95) {
			d.Objective, d.Under = 0.95, t
			d.Evidence = []string{fmt.Sprintf("Observed: 95 %% under %s, of %d slots. The threshold is a quarter above, rounded up.", FormatSeconds(p95), l.Count)}
			return d, true
		}
	}
	return d, false
}

func daysText(seconds float64) string {
	if seconds < 2*24*3600 {
		return fmt.Sprintf("%.1f hours", seconds/3600)
	}
	return fmt.Sprintf("%.1f days", seconds/24/3600)
}
