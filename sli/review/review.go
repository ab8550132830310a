// Package review writes the page that a team reads in a review of its SLOs: figures against objectives, what went wrong, what was
// corrected, what could not be seen, and what to change. It computes no indicator: every figure was made by sli, at one as_of. It asks
// nobody and reads no clock.
package review

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// An Input is everything that is known about the SLOs of a review, all at one as_of.
type Input struct {
	From, To time.Time // the window of the review; an SLO has its own
	Cases    []Case
	Probers  []sli.ProberReport // over the window
}

// A Case is what is known about one SLO over the window of the review.
type Case struct {
	History     []sli.SLOPoint // at least one; the last is how it stands
	Reports     []sli.Report   // of its checks in its regions, and over them
	Incidents   []sli.Incident
	Uptimes     []sli.UptimeReport
	Certainties []sli.Certainty
	Corrections []Correction
}

// A Correction is one that touches the window, and the reports over regions of what it covers of the window.
type Correction struct {
	sli.Correction
	Reports []sli.Report
}

// now is how the SLO stands.
func (c *Case) now() *sli.SLOPoint { return &c.History[len(c.History)-1] }

// A Page is what is written: sentences, tables and charts, gravest SLO first. Its texts are not escaped.
type Page struct {
	Title    string
	Window   string
	Summary  []string
	Overview []Line
	Sections []Section
	Seeing   Block // whether regions were able to see
}

// A Line is one SLO in the overview.
type Line struct {
	Name, Anchor, Decision string
	Cells                  []string // under OverviewHead
}

// OverviewHead is the head of the overview's cells.
func (Page) OverviewHead() []string {
	return []string{"SLI", "Objective", "Window before", "Budget left", "Incidents", "Came to a verdict"}
}

// A Section is about one SLO.
type Section struct {
	Name, Anchor, Decision string
	About                  string
	Sentences              []string
	Facts                  []Fact
	Chart                  Chart
	Blocks                 []Block
	Proposals              []string
}

// A Fact is a figure with what it is to be compared with.
type Fact struct{ Label, Value, Note string }

// A Block is a table under a title, or a sentence where there is nothing to tell.
type Block struct {
	Title string
	Head  []string
	Rows  [][]string
	Notes []string
}

// New makes the page.
func New(in Input) *Page {
	p := &Page{
		Title:  "SLO review, " + dayText(in.From) + " to " + dayText(in.To),
		Window: fmt.Sprintf("From %s to %s. All figures are as of %s.", stamp(in.From), stamp(in.To), stamp(in.To)),
	}
	cases := slices.SortedStableFunc(slices.Values(in.Cases), func(a, b Case) int { return cmp.Compare(gravity(&b), gravity(&a)) })
	for i := range cases {
		c := &cases[i]
		p.Overview = append(p.Overview, line(c, i))
		p.Sections = append(p.Sections, section(in, c, i))
	}
	p.Summary = summary(in, cases)
	p.Seeing = seeing(in.Probers)
	return p
}

func gravity(c *Case) int { return slices.Index(sli.Decisions(), c.now().Decision.Decision) }

func anchor(i int) string { return fmt.Sprint("slo-", i+1) }

func line(c *Case, i int) Line {
	x := c.now()
	return Line{
		Name: x.Name, Anchor: anchor(i), Decision: x.Decision.Decision,
		Cells: []string{
			sli.FormatRatio(x.SLI), sli.Ratio(x.Objective).String(), sli.FormatRatio(x.Before), left(x.Budget.Left),
			fmt.Sprint(len(c.bad())), sli.FormatRatio(x.Decided),
		},
	}
}

// bad are the incidents in which the target was bad.
func (c *Case) bad() []sli.Incident {
	return slices.DeleteFunc(slices.Clone(c.Incidents), func(x sli.Incident) bool { return x.Kind != sli.IncidentBad })
}

// summary is what everybody should know, in a few sentences.
func summary(in Input, cases []Case) []string {
	var said []string
	count := map[string]int{}
	for i := range cases {
		count[cases[i].now().Decision.Decision]++
	}
	var parts []string
	for _, d := range slices.Backward(sli.Decisions()) {
		if count[d] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[d], d))
		}
	}
	said = append(said, fmt.Sprintf("%s: %s.", plural(len(cases), "SLO"), strings.Join(parts, ", ")))
	said = append(said, incidentsSentence(cases), correctionsSentence(cases))
	for i := range in.Probers {
		if p := &in.Probers[i]; p.Ratio != nil && *p.Ratio < enough {
			said = append(said, fmt.Sprintf("Region %s came to a verdict in only %s of its time.", p.Region, sli.FormatRatio(p.Ratio)))
		}
	}
	return said
}

// incidentsSentence counts an incident once, of however many SLOs it is.
func incidentsSentence(cases []Case) string {
	seen := map[string]bool{}
	var longest *sli.Incident
	for i := range cases {
		bad := cases[i].bad()
		for k := range bad {
			x := &bad[k]
			seen[x.Check+x.From.String()] = true
			if longest == nil || x.BadSeconds > longest.BadSeconds {
				longest = x
			}
		}
	}
	if longest == nil {
		return "There was no incident."
	}
	return fmt.Sprintf("%s; the longest was %s of %s from %s on.", plural(len(seen), "incident"), duration(longest.BadSeconds), longest.Check, stamp(longest.From))
}

func correctionsSentence(cases []Case) string {
	seen := map[string]bool{}
	for i := range cases {
		for _, c := range cases[i].Corrections {
			if c.Revoked == nil {
				seen[c.ID] = true
			}
		}
	}
	if len(seen) == 0 {
		return "Nothing was corrected."
	}
	return fmt.Sprintf("%s changed how slots count; each is told below with its reason.", plural(len(seen), "correction"))
}
