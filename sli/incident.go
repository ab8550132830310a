package sli

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// An Incident is a time in which a check was bad by the quorum rule, or in which nobody could tell. It is derived from timelines
// whenever it is asked for and never stored, so corrections and late results change it. Instants have the uncertainty of the
// schedule: a fault begins up to FromUncertainty before the first slot that sees it.
type Incident struct {
	SchemaVersion int        `json:"schema_version"`
	Check         string     `json:"check"` // id
	Kind          string     `json:"kind"`  // "bad", or "undecided": all regions were blind
	From          time.Time  `json:"from"`
	To            *time.Time `json:"to"` // null: it goes on at the end of the window
	AsOf          time.Time  `json:"as_of"`
	// The longest interval of its regions, before From and before To: that much earlier either can have been.
	UncertaintySeconds float64          `json:"uncertainty_seconds"`
	BadSeconds         float64          `json:"bad_seconds"` // of it, without what lies between two of its outbreaks
	Outbreaks          int              `json:"outbreaks"`   // 1, or more if it flapped
	Regions            []IncidentRegion `json:"regions"`     // that saw it, by name
	Reasons            map[string]int64 `json:"reasons"`     // of the slots that were not good
	WorstLatency       *Value           `json:"worst_latency_seconds"`
	// BudgetSpent is the share of the error budget of each SLO about the check that BadSeconds is, by the SLO's name.
	BudgetSpent map[string]float64 `json:"budget_spent"`
}

// The kinds of incidents.
const (
	IncidentBad       = "bad"
	IncidentUndecided = "undecided"
)

// An IncidentRegion is what a region saw of an incident.
type IncidentRegion struct {
	Region    string     `json:"region"`
	Bad       int64      `json:"bad"`       // slots
	Undecided int64      `json:"undecided"` // slots
	First     *time.Time `json:"first"`     // of them
	Last      *time.Time `json:"last"`
	// Evidence are those of them of which evidence is kept, in order of time.
	Evidence []time.Time `json:"evidence"`
	Summary  string      `json:"summary"` // what the first of these says, in a line; empty: nothing
}

// flapGap is how many of the longest intervals must pass well before what comes after is another incident.
const flapGap = 3

// blindLeast is how many of the longest intervals nobody must have seen anything to make an undecided incident.
const blindLeast = 2

// DefaultQuorum is by which a check is bad where no rule is given: less than half of its regions see it good.
func DefaultQuorum() Quorum { return Quorum{Share: 0.5} }

// A Watch is the track of one region, and the longest of its cells in ms.
type Watch struct {
	Region string
	Cell   int64
	Track  Track
}

// Incidents finds the incidents of a check in [from, to) of a window, in order of time: what is bad by the quorum, and what is
// undecided because all regions were blind. Those of one kind that are fewer than three of the longest intervals apart are
// one that flapped, unless the check was excluded in between. Regions, reasons and latencies are left to See.
func Incidents(check string, watches []Watch, q Quorum, w Window) []Incident {
	var tracks, blind []Track
	cell := int64(0)
	for _, x := range watches {
		known := x.Track.until(w.To)
		tracks = append(tracks, known)
		blind = append(blind, known.blind())
		cell = max(cell, x.Cell)
	}
	all := Quorum{All: true}
	found := outbreaks(q.Combined(tracks), Bad, 0, cell)
	for _, o := range outbreaks(all.Combined(blind), Good, blindLeast*cell, cell) {
		o.kind = IncidentUndecided
		found = append(found, o)
	}
	slices.SortStableFunc(found, func(a, b outbreak) int { return cmp.Compare(a.from, b.from) })
	incidents := []Incident{}
	for _, o := range found {
		if o.to > w.From && o.from < w.To {
			incidents = append(incidents, o.incident(check, cell, w))
		}
	}
	return incidents
}

// until is the track before an instant: the cell of a slot may reach beyond what is known.
func (t Track) until(to int64) Track {
	n := len(t)
	for n > 0 && t[n-1].From >= to {
		n--
	}
	out := slices.Clone(t[:n])
	if n > 0 {
		out[n-1].To = min(out[n-1].To, to)
	}
	return out
}

// blind is a track that is good while nothing was known.
func (t Track) blind() Track {
	var out Track
	for _, s := range t {
		switch s.Verdict {
		case None:
			s.Verdict = Good
		case Good:
			s.Verdict = Bad
		}
		out = out.then(s)
	}
	return out
}

// An outbreak is what becomes an incident.
type outbreak struct {
	kind     string
	from, to int64
	n        int
	ms       int64 // without what lies between
}

// outbreaks joins the stretches of a verdict that last long enough and are close together.
func outbreaks(t Track, v Verdict, least, cell int64) []outbreak {
	var out []outbreak
	apart := true
	for _, s := range t {
		if s.Verdict == Excluded {
			apart = true
		}
		if s.Verdict != v || s.To-s.From < least {
			continue
		}
		if n := len(out); n > 0 && !apart && s.From-out[n-1].to < flapGap*cell {
			o := &out[n-1]
			o.to, o.n, o.ms = s.To, o.n+1, o.ms+s.To-s.From
		} else {
			out = append(out, outbreak{IncidentBad, s.From, s.To, 1, s.To - s.From})
		}
		apart = false
	}
	return out
}

func (o outbreak) incident(check string, cell int64, w Window) Incident {
	x := Incident{
		SchemaVersion: SchemaVersion, Check: check, Kind: o.kind, From: utc(o.from), AsOf: utc(w.AsOf),
		UncertaintySeconds: seconds(cell), BadSeconds: seconds(o.ms), Outbreaks: o.n,
		Regions: []IncidentRegion{}, Reasons: map[string]int64{}, BudgetSpent: map[string]float64{},
	}
	if o.to < w.To {
		to := utc(o.to)
		x.To = &to
	}
	return x
}

// See takes in a slot of a region whose cell is in the incident.
func (x *Incident) See(region string, s Slot, v Verdict) {
	if v == Good && s.Latency != NoLatency {
		if l := Value(s.Latency.Seconds()); x.WorstLatency == nil || *x.WorstLatency < l {
			x.WorstLatency = &l
		}
	}
	if v == Good || v == Excluded {
		return
	}
	i, found := slices.BinarySearchFunc(x.Regions, region, func(r IncidentRegion, name string) int { return cmp.Compare(r.Region, name) })
	if !found {
		x.Regions = slices.Insert(x.Regions, i, IncidentRegion{Region: region, Evidence: []time.Time{}})
	}
	r, at := &x.Regions[i], utc(s.At)
	if r.First == nil {
		r.First = &at
	}
	r.Last = &at
	if v == Bad {
		r.Bad++
	} else {
		r.Undecided++
	}
	if s.Reason != "" {
		x.Reasons[s.Reason]++
	}
}

// Spend tells what share of an SLO's error budget the incident is, had all of the SLO's window been valid.
func (x *Incident) Spend(o *SLO, w SLOWindow) {
	allowed := (1 - float64(o.Objective)) * w.Length.Seconds()
	x.BudgetSpent[o.Name] = x.BadSeconds / allowed
}

// Summary is what the earliest evidence of it says, in a line; empty: none is kept.
func (x *Incident) Summary() string {
	var first *IncidentRegion
	for i := range x.Regions {
		r := &x.Regions[i]
		if len(r.Evidence) > 0 && (first == nil || r.Evidence[0].Before(first.Evidence[0])) {
			first = r
		}
	}
	if first == nil {
		return ""
	}
	return first.Summary
}

// SortedReasons are the reasons, the most frequent first.
func (x *Incident) SortedReasons() []string {
	return slices.SortedFunc(maps.Keys(x.Reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(x.Reasons[b], x.Reasons[a]), cmp.Compare(a, b))
	})
}
