package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// minInterval keeps a slip of the unit from becoming a flood.
const minInterval = 100 * time.Millisecond

// maxRetries bounds how long the verdict of a slot can take.
const maxRetries = 10

// checks validates every check by itself and among the others, and puts sub-checks in place of those that stand for several.
func (d *decoder) checks(f *File) {
	n := checkNames{ids: map[string]spot{}, names: map[string]spot{}, whole: map[string]string{}}
	var all []*probe.Check
	given := f.Checks
	for i, c := range given {
		if c == nil {
			continue
		}
		path := fmt.Sprintf("checks[%d]", i)
		d.check(c, path)
		d.problems(join(path, "expect"), c.Expect.Validate(f.RegionNames()))
		d.unique(n.names, c.Name, join(path, "name"))
		if d.has(join(path, "id")) {
			d.unique(n.ids, c.ID, join(path, "id"))
		} else {
			d.unique(n.ids, c.ID, join(path, "name"))
		}
		subs := d.subChecks(c, path)
		if len(subs) == 0 {
			subs = []*probe.Check{c}
		} else {
			n.subs(d, c, subs, path)
		}
		for _, sub := range subs {
			all, d.paths = append(all, sub), append(d.paths, path)
		}
	}
	f.Checks, d.whole = all, n.whole
	for i, c := range given {
		if c != nil {
			d.groups(c.Groups, n, fmt.Sprintf("checks[%d]", i))
		}
	}
}

// pathOf returns where a check is in the file; sub-checks are where the check is that they are part of.
func (d *decoder) pathOf(i int) string { return d.paths[i] }

// check validates one check by itself, and gives it its id.
func (d *decoder) check(c *probe.Check, path string) {
	d.nameOf(c.Name, path)
	if d.has(join(path, "id")) {
		d.name(c.ID, join(path, "id"))
	} else {
		c.ID = c.Name
	}
	switch {
	case c.Kind != nil:
		d.problems(join(path, kindOf(c.Kind)), c.Kind.Validate())
		if d.sound(join(path, kindOf(c.Kind))) {
			d.problems(path, c.Validate())
		}
	case !d.bad[path] && !slices.ContainsFunc(kindNames(), func(k string) bool { return d.bad[join(path, k)] }):
		d.note(d.where(path), "found no kind, wanted one of "+listed(kindNames()), "say what to look at, for example tcp: {address: …}")
	}
	d.timing(c, path)
	d.retrying(c, path)
	d.labels(c.Labels, join(path, "labels"))
}

// timing validates interval and timeout, each against the other.
func (d *decoder) timing(c *probe.Check, path string) {
	interval, timeout := join(path, "interval"), join(path, "timeout")
	if !d.trusted(path, "interval") || !d.trusted(path, "timeout") {
		return
	}
	switch {
	case c.Interval < minInterval:
		d.tell(d.given(interval, "defaults.interval"), "found "+FormatDuration(c.Interval)+", wanted at least "+FormatDuration(minInterval), "")
	case c.Timeout <= 0:
		d.tell(d.given(timeout, "defaults.timeout"), "found 0s, wanted a time in which the target can answer", "")
	case c.Timeout > c.Interval && !c.Overlap:
		d.tell(d.given(timeout, interval, "defaults.timeout", "defaults.interval"), fmt.Sprintf("the timeout of %s is longer than the interval of %s",
			FormatDuration(c.Timeout), FormatDuration(c.Interval)), "shorten it, or let attempts overlap with overlap: true")
	}
}

// retrying validates that all attempts of a slot fit before the next one.
func (d *decoder) retrying(c *probe.Check, path string) {
	client := join(path, "client")
	if !d.trusted(path, "timeout") || !d.trusted(path, "interval") || !d.sound(client) || !d.sound("defaults.client") {
		return
	}
	switch retries := c.Client.Retries; {
	case retries < 0 || retries > maxRetries:
		d.tell(d.given(client+".retries", "defaults.client.retries"), fmt.Sprintf("found %d, wanted 0 to %d", retries, maxRetries), "")
	case retries > 0 && c.Budget() > c.Interval && !c.Overlap:
		d.tell(d.given(client+".retries", join(path, "timeout"), join(path, "interval"), "defaults.client.retries"), fmt.Sprintf("%d attempts of %s with waits of %s take up to %s, longer than the interval of %s",
			retries+1, FormatDuration(c.Timeout), FormatDuration(c.Client.After), FormatDuration(c.Budget()), FormatDuration(c.Interval)),
			"shorten the timeout, or let attempts overlap with overlap: true")
	}
}

// trusted reports whether the value of a key of a check is what the user meant, be it from the defaults.
func (d *decoder) trusted(path, key string) bool {
	at := join(path, key)
	return d.sound(at) && (d.has(at) || d.sound(join("defaults", key)))
}

// given returns the first of the paths that is in the file; if none is, the place around the first.
func (d *decoder) given(paths ...string) spot {
	for _, p := range paths {
		if d.has(p) {
			return d.where(p)
		}
	}
	return d.where(paths[0])
}

// loadFits validates that the attempts which may overlap cannot be more than the probers run at once, even if no
// target answers.
func (d *decoder) loadFits(f *File, most int) {
	if most <= 0 {
		most = defaultMaxRunning
	}
	sum, n := int64(0), 0
	for _, c := range d.soundChecks(f) {
		if c.Enabled && c.Overlap && c.Budget() > c.Interval {
			sum += int64((c.Budget() - 1) / c.Interval) // one attempt may always run
			n++
		}
	}
	if sum > int64(most) {
		d.tell(d.where("checks"), fmt.Sprintf("%s with overlap: true could have %d attempts running beside the newest, and probers run at most %d of those", plural(n, "check"), sum, most),
			"shorten timeouts, lengthen intervals, or raise --max-running")
	}
}

// defaultMaxRunning is what probers run at once of attempts that overlap, unless they are told otherwise.
const defaultMaxRunning = 1024
