package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// A Difference is one thing that two configurations do not have in common.
type Difference struct {
	What string   `json:"what"` // "check shop", "region tokyo", "controls", "retention"
	How  string   `json:"how"`  // "added", "removed" or "changed"
	Keys []string `json:"keys"` // that changed, one or two deep; none unless changed
}

// String is the difference in words: "check shop: changed interval, http.url".
func (d Difference) String() string {
	if len(d.Keys) == 0 {
		return d.What + ": " + d.How
	}
	return d.What + ": " + d.How + " " + strings.Join(d.Keys, ", ")
}

// Differences compares two configurations as Show returns them, and tells names and keys only, no values. Credentials
// that are written out are not shown, so they compare as equal. The order is that of the newer one, and then that of
// the older one. An error is about a text that Show does not return.
func Differences(old, next []byte) ([]Difference, error) {
	a, b := rootOf(old), rootOf(next)
	for _, doc := range []*yaml.Node{a, b} {
		if child(doc, "regions") == nil {
			return nil, fmt.Errorf("compare configurations: one of them has no regions: is it one?")
		}
	}
	var ds []Difference
	for _, key := range bothKeys(b, a) {
		x, y := child(a, key), child(b, key)
		switch key {
		case "regions":
			ds = append(ds, differing("region", byKey(x), byKey(y))...)
		case "feeds":
			ds = append(ds, differing("feed", byName(below(x, "otlp")), byName(below(y, "otlp")))...)
		case "checks", "maintenance", "slos":
			word := strings.TrimSuffix(key, "s")
			ds = append(ds, differing(strings.Replace(word, "slo", "SLO", 1), byName(x), byName(y))...)
		default:
			if !sameNode(x, y) {
				ds = append(ds, Difference{What: key, How: how(x, y), Keys: inner(x, y)})
			}
		}
	}
	return ds, nil
}

// below returns the value of a key of a mapping that may not be there.
func below(m *yaml.Node, key string) *yaml.Node {
	if m == nil {
		return nil
	}
	return child(m, key)
}

// named are parts of a configuration in order.
type named struct {
	names []string
	nodes map[string]*yaml.Node
}

func (n *named) add(name string, node *yaml.Node) {
	if n.nodes == nil {
		n.nodes = map[string]*yaml.Node{}
	}
	n.names = append(n.names, name)
	n.nodes[name] = node
}

func byKey(m *yaml.Node) named {
	var n named
	for i := 0; m != nil && i+1 < len(m.Content); i += 2 {
		n.add(m.Content[i].Value, m.Content[i+1])
	}
	return n
}

// byName names the entries of a list by their id, or by their name.
func byName(list *yaml.Node) named {
	var n named
	if list == nil {
		return n
	}
	for _, item := range list.Content {
		for _, key := range []string{"id", "name"} {
			if id := child(item, key); id != nil {
				n.add(id.Value, item)
				break
			}
		}
	}
	return n
}

// differing compares parts by name.
func differing(word string, old, next named) []Difference {
	var ds []Difference
	for _, name := range next.names {
		was, is := old.nodes[name], next.nodes[name]
		if !sameNode(was, is) {
			ds = append(ds, Difference{What: word + " " + name, How: how(was, is), Keys: inner(was, is)})
		}
	}
	for _, name := range old.names {
		if next.nodes[name] == nil {
			ds = append(ds, Difference{What: word + " " + name, How: "removed"})
		}
	}
	return ds
}

func how(old, next *yaml.Node) string {
	switch {
	case old == nil:
		return "added"
	case next == nil:
		return "removed"
	}
	return "changed"
}

// inner names the keys in which two mappings differ; none if either is not there, or is none.
func inner(old, next *yaml.Node) []string {
	if !isMappingNode(old) || !isMappingNode(next) {
		return nil
	}
	return differentKeys(old, next)
}
