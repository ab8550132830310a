package config

import (
	"fmt"
	"maps"
	"strings"

	"github.com/gaikei/gaikei/probe"
)

// subChecks makes the checks that a check stands for, with names and ids below its own and a label that says whose
// they are; none if it stands for itself.
func (d *decoder) subChecks(c *probe.Check, path string) []*probe.Check {
	variants := d.variants(c.Kind, join(path, kindOf(c.Kind)))
	if len(variants) == 0 {
		return nil
	}
	if label := join(path, "labels."+probe.PartOf); d.has(label) {
		d.tell(d.where(label), "found the label "+probe.PartOf+" of a check that stands for several, where it tells which check they are part of", "give the label another name")
	}
	subs := make([]*probe.Check, len(variants))
	for i, v := range variants {
		sub := *c
		sub.Name, sub.ID, sub.Kind = c.Name+"."+v.Name, c.ID+"."+v.Name, v.Kind
		sub.Labels = maps.Clone(c.Labels)
		if sub.Labels == nil {
			sub.Labels = map[string]string{}
		}
		sub.Labels[probe.PartOf] = c.ID
		d.problems(join(path, kindOf(c.Kind)), v.Kind.Validate())
		subs[i] = &sub
	}
	return subs
}

// variants returns what a kind stands for; none if it stands for itself, or if it is at fault.
func (d *decoder) variants(k probe.Kind, path string) []probe.Variant {
	v, ok := k.(probe.Varied)
	if !ok || !d.sound(path) {
		return nil
	}
	return v.Variants()
}

// oneOnly tells that a kind stands for several where there can be only one.
func (d *decoder) oneOnly(k probe.Kind, path string) {
	if k == nil {
		return
	}
	if vs := d.variants(k, path); len(vs) > 0 {
		names := make([]string, len(vs))
		for i, v := range vs {
			names[i] = v.Name
		}
		d.tell(d.where(path), "found what stands for "+strings.Join(names, " and ")+", wanted one target", "make an entry of each")
	}
}

// subs tells names of sub-checks that are too long or borne by others.
func (n *checkNames) subs(d *decoder, c *probe.Check, subs []*probe.Check, path string) {
	n.whole[c.Name] = c.ID
	at := d.where(join(path, "name"))
	for _, sub := range subs {
		n.derived(d, n.names, sub.Name, at)
		if sub.ID != sub.Name {
			n.derived(d, n.ids, sub.ID, d.where(join(path, "id")))
		} else {
			n.ids[sub.ID] = at
		}
	}
}

func (n *checkNames) derived(d *decoder, seen map[string]spot, name string, at spot) {
	const hint = "rename the check, or give each server a check of its own"
	first, again := seen[name]
	switch {
	case len(name) > maxName:
		d.tell(at, fmt.Sprintf("its sub-check would be called %s, with %d characters, wanted at most %d", found(name), len(name), maxName), hint)
	case !validName(name):
		d.tell(at, fmt.Sprintf("its sub-check would be called %s, which is no name", found(name)), hint)
	case again:
		d.tell(at, fmt.Sprintf("its sub-check would be called %s, and so is one in line %d", found(name), first.line), hint)
	default:
		seen[name] = at
	}
}

// A checkNames is who bears which name, and where.
type checkNames struct {
	ids, names map[string]spot
	whole      map[string]string // the ids of those that stand for several, by name
}
