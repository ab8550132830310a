package sli

import (
	"cmp"
	"maps"
	"slices"
)

// A Stand is how a check stands in one region: its newest verdict, and for how many slots that have a verdict it has
// been the same.
type Stand struct {
	Series
	Good bool
	Run  int
}

// An Outlook is what the stands of all checks in all regions say together, which none of them says alone. It is for
// people, to look at first what is likely; no indicator follows from it.
type Outlook struct {
	Islands    []Island    `json:"islands"`
	Peninsulas []Peninsula `json:"peninsulas"`
}

// An Island is a region that alone sees many targets bad, which all others see good: likely a fault of the region or of
// its network, and not of so many targets.
type Island struct {
	Region string `json:"region"`
	Alone  int    `json:"alone"` // checks that are bad here and good everywhere else
	Of     int    `json:"of"`    // checks that are looked at from here and from elsewhere
}

// A Peninsula is a target that some regions see bad and others good: a partial outage. Islands are left out of both.
type Peninsula struct {
	Check string   `json:"check"` // id
	Bad   []string `json:"bad"`   // regions
	Good  []string `json:"good"`
}

// What makes an island and a peninsula.
const (
	islandLeast = 3 // checks that are bad there alone; and at least half of those it shares with others
	flapping    = 2 // slots in a row that a bad verdict must last to say anything
)

// NewOutlook draws the outlook. The order of the stands does not matter, nor may a check be in a region twice. Checks in
// one region only say nothing.
//
// Source of the words: Baltra, Heidemann, "What Is The Internet? (Considering Partial Connectivity)", 2021. There they
// are defined by who can reach whom; here by what regions see.
func NewOutlook(stands []Stand) Outlook {
	checks := map[string][]Stand{}
	for _, s := range stands {
		checks[s.Check] = append(checks[s.Check], s)
	}
	o := Outlook{Islands: islands(checks), Peninsulas: []Peninsula{}}
	for _, check := range slices.Sorted(maps.Keys(checks)) {
		p := Peninsula{Check: check}
		for _, s := range checks[check] {
			switch {
			case slices.ContainsFunc(o.Islands, func(i Island) bool { return i.Region == s.Region }):
			case s.Good:
				p.Good = append(p.Good, s.Region)
			case s.lasts():
				p.Bad = append(p.Bad, s.Region)
			}
		}
		if len(p.Bad) > 0 && len(p.Good) > 0 {
			slices.Sort(p.Bad)
			slices.Sort(p.Good)
			o.Peninsulas = append(o.Peninsulas, p)
		}
	}
	return o
}

// lasts reports whether a bad verdict is more than one slot old.
func (s *Stand) lasts() bool { return !s.Good && s.Run >= flapping }

func islands(checks map[string][]Stand) []Island {
	by := map[string]*Island{}
	for _, ss := range checks {
		if len(ss) < 2 {
			continue
		}
		good := 0
		for i := range ss {
			if ss[i].Good {
				good++
			}
		}
		for i := range ss {
			s := &ss[i]
			if by[s.Region] == nil {
				by[s.Region] = &Island{Region: s.Region}
			}
			by[s.Region].Of++
			if s.lasts() && good == len(ss)-1 {
				by[s.Region].Alone++
			}
		}
	}
	found := []Island{}
	for _, i := range by {
		if i.Alone >= islandLeast && 2*i.Alone >= i.Of {
			found = append(found, *i)
		}
	}
	slices.SortFunc(found, func(a, b Island) int { return cmp.Compare(a.Region, b.Region) })
	return found
}
