package probe

import "strings"

// PartOf is the label of a check that was made of one which stands for several: the id of that one. No check has that id, and
// where it is named all of them are meant.
const PartOf = "part_of"

// A Variant is one of several checks that the configuration of one stands for.
type Variant struct {
	Name string // what tells it from the others, as part of a name: "ipv4", "ns1.example.com"
	Kind Kind   // not validated yet
}

// A Varied is a kind whose configuration may stand for several checks. Whoever reads a configuration makes those out of it;
// what is attempted always stands for one.
type Varied interface {
	Kind
	// Variants returns the checks, in order; none if the configuration stands for one check only.
	Variants() []Variant
}

// variants returns the choices that a choice stands for, with their names; none for one that stands for itself.
func (c IPChoice) variants() []ipVariant {
	if c != BothFamilies {
		return nil
	}
	return []ipVariant{{"ipv4", OnlyIPv4}, {"ipv6", OnlyIPv6}}
}

type ipVariant struct {
	name string
	ip   IPChoice
}

// Variants implements Varied: over which address family.
func (h *HTTP) Variants() []Variant {
	var vs []Variant
	for _, v := range h.IP.variants() {
		one := *h
		one.IP, one.ready = v.ip, nil
		vs = append(vs, Variant{v.name, &one})
	}
	return vs
}

// Variants implements Varied: over which address family.
func (c *TCP) Variants() []Variant {
	var vs []Variant
	for _, v := range c.IP.variants() {
		one := *c
		one.IP, one.ready = v.ip, nil
		vs = append(vs, Variant{v.name, &one})
	}
	return vs
}

// Variants implements Varied: of which server, and then over which address family.
func (d *DNS) Variants() []Variant {
	var vs []Variant
	for _, server := range d.Servers {
		one := *d
		one.Server, one.Servers, one.ready = server, nil, nil
		vs = append(vs, one.overFamilies(serverWord(server)+".")...)
		if d.IP != BothFamilies {
			vs = append(vs, Variant{serverWord(server), &one})
		}
	}
	if len(d.Servers) == 0 {
		vs = d.overFamilies("")
	}
	return vs
}

func (d *DNS) overFamilies(prefix string) []Variant {
	var vs []Variant
	for _, v := range d.IP.variants() {
		one := *d
		one.IP, one.ready = v.ip, nil
		vs = append(vs, Variant{prefix + v.name, &one})
	}
	return vs
}

// several reports whether the configuration stands for more than one check.
func (d *DNS) several() bool { return len(d.Servers) > 0 || d.IP == BothFamilies }

// serverWord makes a part of a name of a server: what names cannot hold becomes a hyphen.
func serverWord(server string) string {
	word := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '-'
	}, strings.ToLower(server))
	return strings.Trim(word, "-.")
}
