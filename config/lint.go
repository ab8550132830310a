package config

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A Warning is something that is allowed and seldom meant: what follows from it, and as Hint what to do about it.
type Warning Fault

// String returns the warning in one line, place first.
func (w Warning) String() string { return Fault(w).Error() }

// Lint returns what is allowed and seldom meant, in the order of the file.
func (f *File) Lint() []Warning { return slices.Clone(f.warnings) }

// A linter collects warnings about a valid file.
type linter struct {
	d       *decoder
	f       *File
	encoder *encoder // tells what looks like a credential
	list    []Warning
}

// lint looks over a valid file.
func (d *decoder) lint(f *File) []Warning {
	l := &linter{d: d, f: f, encoder: newEncoder()}
	l.places()
	for i, c := range f.Checks {
		if i == 0 || d.pathOf(i) != d.pathOf(i-1) { // what is to be said of sub-checks is the same
			l.check(c, d.pathOf(i))
		}
	}
	for i := range f.SLOs {
		l.objective(&f.SLOs[i], fmt.Sprintf("slos[%d]", i))
	}
	for i := range f.Feeds.OTLP {
		l.feed(&f.Feeds.OTLP[i], fmt.Sprintf("feeds.otlp[%d]", i))
	}
	l.notify()
	slices.SortStableFunc(l.list, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return l.list
}

func (l *linter) warn(path, reason, remedy string) {
	s := l.d.where(path)
	l.list = append(l.list, Warning{File: l.d.file, Line: s.line, Column: s.column, Path: path, Message: reason, Hint: remedy})
}

// places looks at regions and controls.
func (l *linter) places() {
	if len(l.f.Regions) == 1 {
		l.warn("regions", "one region cannot tell a fault of the target from one on its own way there", "probe from three regions or more")
	}
	if len(l.f.Checks) == 0 {
		l.warn("checks", "nothing is probed", "add a check")
	}
	if !slices.ContainsFunc(l.f.Regions, func(r Region) bool { return r.Weight > 0 }) {
		l.warn("regions", "every region has weight 0, so figures over all regions are undefined", "give a weight to those that stand for users")
	}
	if l.f.Controls.None {
		l.warn("controls", "without controls every fault of a prober's own network is booked to the targets, as unvouched", "controls: {preset: root-dns}")
	}
	for _, p := range probe.LintControls(l.f.Controls.Options(), l.f.Checks) {
		path := "controls"
		if p.Field != "" && l.d.has(join(path, p.Field)) {
			path = join(path, p.Field)
		}
		l.warn(path, p.Message, p.Hint)
	}
}

// notify looks at who is told.
func (l *linter) notify() {
	if l.f.Notify == nil {
		return
	}
	l.encoder.plain = false
	l.encoder.node(reflect.ValueOf(*l.f.Notify), "")
	if l.encoder.plain {
		l.warn("notify", "a credential is written out in the file", `give it by reference: headers: {Authorization: "Bearer ${env:GAIKEI_SECRET_…}"}`)
	}
	if len(l.f.SLOs) == 0 {
		l.warn("notify", "there is no SLO, so only faults of Gaikei itself are told", "add slos; 'gaikei slo draft' has some to begin with")
	}
}

// longBudget is from where on one check delays all figures noticeably.
const longBudget = 5 * time.Minute

func (l *linter) check(c *probe.Check, path string) {
	budget := c.Budget()
	if c.Timeout == c.Interval && !c.Overlap {
		l.warn(l.here(path+".timeout", path), c.Name+": timeout and interval are both "+FormatDuration(c.Interval)+", so a slow answer delays the next slot until it is missed",
			"shorten the timeout, or lengthen the interval")
	}
	if !l.f.Controls.None {
		l.brief(c, l.here(path+".timeout", path))
	}
	if budget > longBudget {
		l.warn(l.here(path+".timeout", path), c.Name+": a slot can take "+FormatDuration(budget)+", and all figures wait for the slowest check", "shorten the timeout, or retry less")
	}
	if c.Latency.Under > budget {
		l.warn(l.here(path+".latency.under", path), c.Name+": every success is under "+FormatDuration(c.Latency.Under)+", since a slot ends after "+FormatDuration(budget), "lower the threshold")
	}
	l.encoder.plain = false
	l.encoder.node(reflect.ValueOf(c.Kind).Elem(), "")
	if l.encoder.plain {
		l.warn(path+"."+kindOf(c.Kind), c.Name+": a credential is written out in the file", `keep it at the probers, by reference: "${env:GAIKEI_SECRET_…}"`)
	}
}

// feed looks for credentials that are written out.
func (l *linter) feed(f *OTLPFeed, path string) {
	l.encoder.plain = false
	l.encoder.node(reflect.ValueOf(*f), "")
	if l.encoder.plain {
		l.warn(path+".headers", f.Name+": a credential is written out in the file", `keep it outside: headers: {Api-Key: "${env:GAIKEI_SECRET_…}"}`)
	}
}

// brief looks at a timeout in which a blip of a prober's own network can be all there is to a failure.
func (l *linter) brief(c *probe.Check, path string) {
	silence, lookup := FormatDuration(probe.ShortSilence), FormatDuration(probe.ShortLookup)
	remedy := "use " + lookup + " or more"
	if c.Timeout < probe.ShortSilence {
		l.warn(path, c.Name+": a timeout under "+silence+" cannot tell an outage from a blip of the prober's own network at once, so at least the first slot of one stays inconclusive",
			remedy)
	}
	if c.Timeout < probe.ShortLookup && c.Kind.Target().Name {
		l.warn(path, c.Name+": a timeout under "+lookup+" cannot tell a name that is not found in time from a blip of the prober's own network, so dns_timeout stays inconclusive for minutes",
			remedy)
	}
}

// here returns the first path if it is in the file, and the second if not.
func (l *linter) here(path, around string) string {
	if l.d.has(path) {
		return path
	}
	return around
}

// objective looks at what an objective makes of the schedule.
func (l *linter) objective(s *sli.SLO, path string) {
	if s.Provisional {
		l.warn(l.here(path+".provisional", path), s.Name+": the objective is provisional", "review it with what was observed, then remove provisional")
	}
	l.showable(s, path)
	if s.Window == 0 || s.Indicator != "availability" {
		return
	}
	var worst *probe.Check
	pages := 0
	for _, c := range l.f.Checks {
		if !slices.Contains(s.Checks, c.ID) && !slices.Contains(s.Checks, "all") {
			continue
		}
		if l.rate(s, c.Interval) >= page(s) {
			pages++
			if worst == nil || c.Interval > worst.Interval {
				worst = c
			}
		}
	}
	if worst != nil {
		l.burn(s, worst, path, pages)
	}
}

// showable looks whether the window has enough slots to show the objective, if none of them fails.
func (l *linter) showable(s *sli.SLO, path string) {
	w, err := s.WindowAt(time.Unix(0, 0), 0)
	if err != nil || s.Objective <= 0 || s.Objective >= 1 {
		return
	}
	slots := func(interval time.Duration) int64 {
		n := int64(0)
		for _, c := range l.f.Checks {
			if !slices.Contains(s.Checks, c.ID) && !slices.Contains(s.Checks, "all") {
				continue
			}
			each := int64(w.Length / min(c.Interval, interval))
			if s.Combine.Rule == "pooled" {
				each *= int64(len(counted(s, l.f)))
			}
			n += each
		}
		return n
	}
	need, have := sli.SlotsToShow(s.Objective), slots(math.MaxInt64)
	if have == 0 || have >= need {
		return
	}
	interval := slower(func(d time.Duration) bool { return slots(d) >= need })
	l.warn(l.here(path+".objective", path), fmt.Sprintf("%s: a %s objective cannot be shown: its window has %d slots, and it takes %d without a failure to be 95%% sure of it",
		s.Name, s.Objective, have, need), remedy(maxRegions+1, interval))
}

// page and calm are the burn rates from which on an objective pages at all, and below which nobody is woken. The
// pairs of rate and window are those of the SRE workbook (chapter 5, "Alerting on SLOs"): 2 % of the budget in an
// hour pages, and 5 % in six hours too.
func page(s *sli.SLO) float64 { return 0.02 * s.Window.Hours() }
func calm(s *sli.SLO) float64 { return 0.05 * s.Window.Hours() / 6 }

// rate returns how fast one failed slot in an hour burns the budget, with the regions there are.
func (l *linter) rate(s *sli.SLO, interval time.Duration) float64 {
	return blame(s, counted(s, l.f)) * burning(s, interval)
}

func burning(s *sli.SLO, interval time.Duration) float64 {
	return interval.Hours() / (1 - float64(s.Objective))
}

// burn warns that one failed slot of a check pages by itself.
func (l *linter) burn(s *sli.SLO, c *probe.Check, path string, pages int) {
	whose := c.Name
	if pages > 1 {
		whose += fmt.Sprintf(" (and so with %s more)", plural(pages-1, "check"))
	}
	n := 1
	for burning(s, c.Interval)/float64(n) >= calm(s) && n <= maxRegions {
		n++
	}
	interval := slower(func(d time.Duration) bool { return l.rate(s, d) < calm(s) })
	l.warn(l.here(path+".objective", path), fmt.Sprintf("%s: one failed slot in an hour already burns %.1f×: with %s at %s a %s objective pages on a single failure of %s",
		s.Name, l.rate(s, c.Interval), plural(len(counted(s, l.f)), "region"), FormatDuration(c.Interval), s.Objective, whose), remedy(n, interval))
}

// maxRegions is more than anybody would add to calm an alert.
const maxRegions = 20

func remedy(regions int, interval time.Duration) string {
	var ways []string
	if regions <= maxRegions {
		ways = append(ways, plural(regions, "region"))
	}
	if interval > 0 {
		ways = append(ways, FormatDuration(interval))
	}
	if len(ways) == 0 {
		return "lower the objective"
	}
	return "use " + strings.Join(ways, " or ")
}

// slower returns the longest customary interval that is good; zero if none is.
func slower(good func(time.Duration) bool) time.Duration {
	for _, seconds := range []time.Duration{300, 120, 60, 30, 15, 10, 5, 2, 1} {
		if good(seconds * time.Second) {
			return seconds * time.Second
		}
	}
	return 0
}

func plural(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// blame returns the largest share of an instant that one region's failure makes bad.
func blame(s *sli.SLO, regions []Region) float64 {
	var sum, most float64
	for _, r := range regions {
		sum += r.Weight
		most = max(most, r.Weight)
	}
	switch q := s.Combine.Quorum; {
	case s.Combine.Rule == "worst":
		return 1
	case q != nil && len(regions)-1 >= needed(q, len(regions)):
		return 0
	case q != nil:
		return 1
	case sum == 0:
		return 0
	}
	return most / sum
}

// needed returns how many of n regions a quorum asks for.
func needed(q *sli.Quorum, n int) int {
	switch {
	case q.All:
		return n
	case q.Any:
		return 1
	case q.Count > 0:
		return q.Count
	}
	for k := range n {
		if float64(k) >= float64(q.Share)*float64(n) {
			return k
		}
	}
	return n
}
