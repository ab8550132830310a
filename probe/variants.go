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

// variants returns a kind for each family that a choice stands for, which with makes; none for one that stands for itself. The
// names begin with a prefix.
func (c IPChoice) variants(prefix string, with func(IPChoice) Kind) []Variant {
	if c != BothFamilies {
		return nil
	}
	return []Variant{{prefix + "ipv4", with(OnlyIPv4)}, {prefix + "ipv6", with(OnlyIPv6)}}
}

// Variants implements Varied: over which address family.
func (h *HTTP) Variants() []Variant {
	return h.IP.variants("", func(ip IPChoice) Kind {
		one := *h
		one.IP, one.ready = ip, nil
		return &one
	})
}

// Variants implements Varied: over which address family.
func (c *TCP) Variants() []Variant {
	return c.IP.variants("", func(ip IPChoice) Kind {
		one := *c
		one.IP, one.ready = ip, nil
		return &one
	})
}

// Variants implements Varied: of which server, and then over which address family.
func (d *DNS) Variants() []Variant {
	if len(d.Servers) == 0 {
		return d.overFamilies("")
	}
	var vs []Variant
	for _, server := range d.Servers {
		one := *d
		one.Server, one.Servers, one.ready = server, nil, nil
		if d.IP == BothFamilies {
			vs = append(vs, one.overFamilies(serverWord(server)+".")...)
		} else {
			vs = append(vs, Variant{serverWord(server), &one})
		}
	}
	return vs
}

func (d *DNS) overFamilies(prefix string) []Variant {
	return d.IP.variants(prefix, func(ip IPChoice) Kind {
		one := *d
		one.IP, one.ready = ip, nil
		return &one
	})
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
