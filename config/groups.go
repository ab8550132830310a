package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// groups validates the groups that a check is in.
func (d *decoder) groups(list []string, n checkNames, path string) {
	path = join(path, "groups")
	seen := map[string]spot{}
	for i, g := range list {
		p := fmt.Sprintf("%s[%d]", path, i)
		if !d.sound(p) {
			continue
		}
		at := d.where(p)
		first, again := seen[g]
		seen[g] = at
		bearer, borne := n.bearer(g)
		switch {
		case again:
			d.tell(at, fmt.Sprintf("found %s again, first in line %d", found(g), first.line), "")
		case borne:
			d.tell(at, fmt.Sprintf("found %s, which the check in line %d is called", found(g), bearer.line), "give the group another name: where it is named all of its checks are meant")
		default:
			d.nameAt(at, g)
		}
	}
}

// bearer returns where the check is that has this name or id.
func (n *checkNames) bearer(name string) (spot, bool) {
	at, ok := n.names[name]
	if !ok {
		at, ok = n.ids[name]
	}
	return at, ok
}

// A manifold is a name that stands for several checks.
type manifold struct {
	ids   []string // of these checks, in the order of the file
	group bool     // or else a check that has become several
}

// manifolds returns the names that stand for several checks. A check's own id is none.
func manifolds(checks []*probe.Check) map[string]manifold {
	all := map[string]manifold{}
	add := func(name string, c *probe.Check, group bool) {
		if m := all[name]; validName(name) && !slices.Contains(reserved(), name) && (len(m.ids) == 0 || m.group == group) {
			all[name] = manifold{ids: append(m.ids, c.ID), group: group}
		}
	}
	for _, c := range checks {
		if c == nil {
			continue
		}
		add(c.Labels[probe.PartOf], c, false)
		for _, g := range c.Groups {
			add(g, c, true)
		}
	}
	for _, c := range checks {
		if c != nil {
			delete(all, c.ID)
		}
	}
	return all
}

// resolved returns a list of checks with the checks in place of the names that stand for several, each once.
func (c catalogue) resolved(list []string) []string {
	if !slices.ContainsFunc(list, c.isManifold) {
		return list
	}
	var out []string
	seen := map[string]bool{}
	for _, s := range list {
		ids := []string{s}
		if c.isManifold(s) {
			ids = c.parts[s].ids
		}
		for _, id := range ids {
			if !seen[id] {
				out = append(out, id)
			}
			seen[id] = true
		}
	}
	return out
}

func (c catalogue) isManifold(name string) bool { return len(c.parts[name].ids) > 0 }

// checkWeights gives the weight of a name that stands for several to each of its checks. The narrower name wins: a check before
// what it is part of, and that before a group.
func (d *decoder) checkWeights(s *sli.SLO, known catalogue, path string) {
	if !slices.ContainsFunc(slices.Collect(maps.Keys(s.CheckWeights)), known.isManifold) {
		return
	}
	names := slices.SortedFunc(maps.Keys(s.CheckWeights), known.narrower)
	out, by := map[string]float64{}, map[string]string{}
	for _, name := range names {
		ids := known.parts[name].ids
		if len(ids) == 0 {
			ids = []string{name}
		}
		for _, id := range ids {
			w, given := out[id]
			switch {
			case !given:
				out[id], by[id] = s.CheckWeights[name], name
			case known.parts[by[id]].group && known.parts[name].group && w != s.CheckWeights[name]:
				d.tell(d.where(join(path+".check_weights", name)), fmt.Sprintf("found another weight for %s than that of %s, which has it too", id, found(by[id])), "give "+id+" a weight of its own")
			}
		}
	}
	s.CheckWeights = out
}

// narrower orders names: checks, then checks that have become several, then groups, each by name.
func (c catalogue) narrower(a, b string) int {
	rank := func(name string) int {
		m := c.parts[name]
		switch {
		case len(m.ids) == 0:
			return 0
		case !m.group:
			return 1
		}
		return 2
	}
	return cmp.Or(rank(a)-rank(b), strings.Compare(a, b))
}
