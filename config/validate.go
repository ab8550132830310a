package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// validate tells every contradiction of what could be decoded.
func (d *decoder) validate(f *File, o Options) {
	if d.bad[""] {
		return
	}
	d.regions(f)
	d.checks(f)
	d.controls(f)
	d.loadFits(f, o.MaxRunning)
	d.maintenances(f, o.Now)
	d.objectives(f)
	d.feeds(f)
	d.notify(f.Notify)
	if d.sound("retention") && f.Retention < day {
		d.tell(d.where("retention"), "found "+FormatDuration(f.Retention)+", wanted at least 1d", "the default is 400d: a year and a month to compare with")
	}
}

func (d *decoder) regions(f *File) {
	ordinals := map[int]spot{}
	for _, r := range f.Regions {
		path := "regions." + r.Name
		if key, ok := d.spots[path+keyMark]; ok {
			d.nameAt(key, r.Name)
		}
		if r.Weight < 0 && d.sound(path+".weight") {
			d.tell(d.where(path+".weight"), fmt.Sprintf("found %v, wanted 0 or more", r.Weight), "0 leaves the region out of every combination")
		}
		if r.Ordinal != nil && d.sound(path+".ordinal") {
			d.ordinal(*r.Ordinal, path+".ordinal", ordinals)
		}
		d.labels(r.Labels, path+".labels")
	}
	if len(f.Regions) == 0 && d.sound("regions") {
		d.tell(d.where("regions"), "found no region, wanted at least one", "regions: {local: {}}")
	}
}

// maxOrdinal keeps the offsets that are computed from ordinals exact.
const maxOrdinal = 1 << 20

func (d *decoder) ordinal(n int, path string, seen map[int]spot) {
	first, again := seen[n]
	switch {
	case n < 0 || n > maxOrdinal:
		d.tell(d.where(path), fmt.Sprintf("found %d, wanted 0 to %d", n, maxOrdinal), "")
	case again:
		d.tell(d.where(path), fmt.Sprintf("found %d again, first in line %d", n, first.line), "two regions of one ordinal would probe at the same instants")
	default:
		seen[n] = d.where(path)
	}
}

// checkNames returns what lists of checks may hold.
func (d *decoder) checkNames(f *File) catalogue {
	var names []string
	ids := maps.Clone(d.whole)
	for _, check := range f.Checks {
		if check == nil {
			continue
		}
		names = append(names, check.ID)
		if check.Name != check.ID {
			ids[check.Name] = check.ID
		}
	}
	c := catalogueOf("check", names)
	c.ids, c.all, c.parts = ids, true, manifolds(f.Checks)
	return c
}

func (d *decoder) maintenances(f *File, now time.Time) {
	known, names := d.checkNames(f), map[string]spot{}
	for i := range f.Maintenance {
		m, path := &f.Maintenance[i], fmt.Sprintf("maintenance[%d]", i)
		d.nameOf(m.Name, path)
		d.unique(names, m.Name, path+".name")
		d.named(m.Checks, known, path)
		m.Checks = known.resolved(m.Checks)
		if err := m.Validate(now); err != nil {
			d.maintenance(err, path)
		}
	}
}

// named validates the checks that a block is for.
func (d *decoder) named(list []string, known catalogue, path string) {
	p := path + ".checks"
	switch {
	case len(list) == 0 && d.has(p) && d.sound(p):
		d.tell(d.where(p), "found no check, wanted at least one", "all stands for every check")
	case d.sound("checks"):
		d.references(list, known, p)
	}
}

// maintenance tells a contradiction in the interval, whose message begins with the key that it is about.
func (d *decoder) maintenance(err error, path string) {
	for _, key := range []string{"cron", "for", "timezone", "from", "to"} {
		if !d.sound(join(path, key)) {
			return // it may well be the cause
		}
	}
	hint := ""
	if errors.Is(err, sli.ErrPast) {
		hint = "remove it here; for the past there is 'gaikei corrections add'"
	}
	s := d.where(path)
	if word, _, _ := strings.Cut(err.Error(), " "); d.has(join(path, word)) {
		s = d.where(join(path, word))
	}
	d.tell(s, err.Error(), hint)
}

func (d *decoder) objectives(f *File) {
	known, names := d.checkNames(f), map[string]spot{}
	for i := range f.SLOs {
		s, path := &f.SLOs[i], fmt.Sprintf("slos[%d]", i)
		d.nameOf(s.Name, path)
		d.unique(names, s.Name, path+".name")
		d.named(s.Checks, known, path)
		s.Checks = known.resolved(s.Checks)
		d.checkWeights(s, known, path)
		d.references(s.Regions, catalogueOf("region", f.RegionNames()), path+".regions")
		d.weights(s, f, path)
		var ps []probe.Problem
		for _, p := range s.Validate() {
			ps = append(ps, probe.Problem(p))
		}
		d.problems(path, ps)
		d.combination(s, f, path)
		d.threshold(s, f, path)
		d.kept(s, f, path)
	}
}

// kept validates that slots are kept as long as an objective looks back, and its calendar's unit before it.
func (d *decoder) kept(s *sli.SLO, f *File, path string) {
	key, length := "window", s.Window
	if s.Calendar != "" {
		key, length = "calendar", sli.LongestUnit(s.Calendar)
	}
	if d.sound(path) && d.sound("retention") && length > f.Retention {
		d.tell(d.where(join(path, key)), "found "+FormatDuration(length)+", and slots are kept for "+FormatDuration(f.Retention), "lengthen retention, or shorten the window")
	}
}

// weights validates that weights are of regions and checks that count for an objective.
func (d *decoder) weights(s *sli.SLO, f *File, path string) {
	var regions []string
	for _, r := range f.Regions {
		if len(s.Regions) == 0 || slices.Contains(s.Regions, r.Name) {
			regions = append(regions, r.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Weights)) {
		if !slices.Contains(regions, name) {
			d.tell(d.where(join(path+".weights", name)), "found "+found(name)+", wanted a region that counts for this objective", meant(name, regions))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.CheckWeights)) {
		if !slices.Contains(s.Checks, name) && !slices.Contains(s.Checks, "all") {
			d.tell(d.where(join(path+".check_weights", name)), "found "+found(name)+", wanted a check of this objective", meant(name, s.Checks))
		}
	}
}

// combination validates a quorum against the regions there are.
func (d *decoder) combination(s *sli.SLO, f *File, path string) {
	q, p := s.Combine.Quorum, path+".combine"
	if q != nil {
		s.Combine.Rule = "quorum"
	}
	switch {
	case !d.sound(p) || !d.sound("regions"):
	case s.Combine.Rule == "" && q == nil:
		d.tell(d.where(p), "found an empty mapping, wanted {quorum: …}, pooled or worst", "")
	case q != nil && q.Count > len(counted(s, f)):
		d.tell(d.where(p+".quorum"), fmt.Sprintf("found %d, and %d regions count for this objective", q.Count, len(counted(s, f))),
			"a quorum that is never reached makes every instant bad; a region of weight 0 counts only if regions names it")
	}
}

// counted returns the regions that count for an objective.
func counted(s *sli.SLO, f *File) []Region {
	return slices.DeleteFunc(slices.Clone(f.Regions), func(r Region) bool {
		if len(s.Regions) > 0 {
			return !slices.Contains(s.Regions, r.Name)
		}
		return r.Weight == 0
	})
}

// threshold validates that an objective for latency is about checks that have one.
func (d *decoder) threshold(s *sli.SLO, f *File, path string) {
	if s.Indicator != "latency" || !d.sound(path+".indicator") || !d.sound("defaults.latency") {
		return
	}
	var without []string
	for i, c := range f.Checks {
		about := c != nil && (slices.Contains(s.Checks, c.ID) || slices.Contains(s.Checks, "all"))
		if about && c.Latency.Under == 0 && d.sound(d.pathOf(i)+".latency") {
			without = append(without, c.Name)
		}
	}
	if len(without) > 0 {
		d.tell(d.where(path+".indicator"), "found latency, and no threshold in "+strings.Join(without, ", "), "add to each: latency: {under: 300ms}")
	}
}
