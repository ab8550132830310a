package config

import (
	"fmt"
	"slices"
	"strings"
)

// maxName is the longest name, as in DNS labels and Kubernetes.
const maxName = 63

// reserved returns the names that mean something wherever names are listed.
func reserved() []string { return []string{"all", "none", "any"} }

// validName reports whether a text is [a-z0-9]([-a-z0-9.]*[a-z0-9])?, at most 63 long.
func validName(s string) bool {
	const ends, inner = "abcdefghijklmnopqrstuvwxyz0123456789", "-."
	return s != "" && len(s) <= maxName && strings.Trim(s, ends+inner) == "" &&
		strings.ContainsRune(ends, rune(s[0])) && strings.ContainsRune(ends, rune(s[len(s)-1]))
}

// name tells what is wrong with a name.
func (d *decoder) name(s, path string) {
	if d.sound(path) {
		d.nameAt(d.where(path), s)
	}
}

func (d *decoder) nameAt(place spot, s string) {
	switch {
	case slices.Contains(reserved(), s):
		d.tell(place, "found "+found(s)+", which is reserved", strings.Join(reserved(), ", ")+" mean something in lists of names")
	case !validName(s):
		hint := ""
		if better := tidied(s); validName(better) && !slices.Contains(reserved(), better) {
			hint = "for example " + better
		}
		d.tell(place, fmt.Sprintf("found %s, wanted a name of a-z, 0-9, - and . with at most %d characters", found(s), maxName), hint)
	}
}

// nameOf tells what is wrong with the name of a block; that it has none is told already.
func (d *decoder) nameOf(s, path string) {
	if p := join(path, "name"); d.has(p) {
		d.name(s, p)
	}
}

// tidied makes a name of a text as a person would.
func tidied(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		case r == '_', r == ' ', r == '/', r == ':':
			return '-'
		}
		return -1
	}, strings.ToLower(s))
	return strings.Trim(s, "-.")
}

// unique tells that something is called like another before it.
func (d *decoder) unique(seen map[string]spot, s, path string) {
	if s == "" || !d.sound(path) {
		return
	}
	if first, again := seen[s]; again {
		d.tell(d.where(path), fmt.Sprintf("found %s again, first in line %d", found(s), first.line), "")
		return
	}
	seen[s] = d.where(path)
}

// labels tells names of labels that Prometheus would not take.
func (d *decoder) labels(labels map[string]string, path string) {
	for name := range labels {
		first := strings.Trim(name[:min(1, len(name))], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
		all := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")
		if p := join(path, name); (name == "" || first != "" || all != "" || strings.HasPrefix(name, "__")) && d.sound(p) {
			d.tell(d.where(p), "found "+found(name)+" for a label, wanted letters, digits and _, as Prometheus does", "")
		}
	}
}

// A catalogue is the names that others may refer to.
type catalogue struct {
	what  string   // "check", "region"
	names []string // in the order of the file
	known map[string]bool
	ids   map[string]string   // by name, of what goes by an id
	all   bool                // whether "all" stands for every one
	parts map[string]manifold // by name
}

func catalogueOf(what string, names []string) catalogue {
	c := catalogue{what: what, names: names, known: make(map[string]bool, len(names))}
	for _, n := range names {
		c.known[n] = true
	}
	return c
}

// references tells the names in a list that nothing bears, and those that are there twice.
func (d *decoder) references(list []string, c catalogue, path string) {
	seen := map[string]spot{}
	for i, s := range list {
		p := fmt.Sprintf("%s[%d]", path, i)
		d.unique(seen, s, p)
		switch {
		case c.isManifold(s) && d.sound(p):
			d.apart(list, c.parts[s].ids, s, path)
		case !d.sound(p) || c.known[s]:
		case s == "all" && c.all:
			if len(list) > 1 {
				d.tell(d.where(p), "found all among names, wanted one or the other", "all stands for every "+c.what)
			}
		case c.ids[s] != "":
			d.tell(d.where(p), "found the name "+found(s)+", wanted the id of the check", "its id is "+c.ids[s])
		default:
			hint := meant(s, c.names)
			if hint == "" && len(c.names) > 0 && len(c.names) <= 20 {
				hint = "there are " + strings.Join(c.names, ", ")
			}
			d.tell(d.where(p), "no "+c.what+" is called "+found(s), hint)
		}
	}
}

// apart tells parts of a check that are named beside it.
func (d *decoder) apart(list, parts []string, whole, path string) {
	for i, s := range list {
		if slices.Contains(parts, s) {
			d.tell(d.where(fmt.Sprintf("%s[%d]", path, i)), fmt.Sprintf("found %s beside %s, which it is part of", found(s), found(whole)), "leave one of them out")
		}
	}
}
