package config

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// DifferentKeys names the keys, one or two deep, in which two canonical blocks of YAML differ, in the order of the
// newer one and then of the older one: "interval", "http.url". Of a block that cannot be read all keys of the other
// differ. It tells no values, for some are secret.
func DifferentKeys(old, next []byte) []string { return differentKeys(rootOf(old), rootOf(next)) }

func differentKeys(a, b *yaml.Node) []string {
	var keys []string
	for _, key := range bothKeys(b, a) {
		x, y := child(a, key), child(b, key)
		switch {
		case sameNode(x, y):
		case isMappingNode(x) && isMappingNode(y):
			for _, inner := range bothKeys(y, x) {
				if !sameNode(child(x, inner), child(y, inner)) {
					keys = append(keys, key+"."+inner)
				}
			}
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

func rootOf(block []byte) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal(block, &doc); err != nil || len(doc.Content) == 0 || !isMappingNode(doc.Content[0]) {
		return &yaml.Node{Kind: yaml.MappingNode}
	}
	return doc.Content[0]
}

func isMappingNode(n *yaml.Node) bool { return n != nil && n.Kind == yaml.MappingNode }

// bothKeys returns the keys of the first mapping, and then those that only the second has.
func bothKeys(first, second *yaml.Node) []string {
	var keys []string
	for _, m := range []*yaml.Node{first, second} {
		for i := 0; i < len(m.Content); i += 2 {
			if key := m.Content[i].Value; !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

func sameNode(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, sameNode)
}
