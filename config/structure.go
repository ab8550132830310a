package config

import (
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gaikei/gaikei/probe"
)

// structure decodes a mapping into a struct by its tags.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	fields := d.types.of(v.Type())
	set := map[string]bool{}
	d.pairs(n, path, func(k, value *yaml.Node) {
		here := join(path, k.Value)
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == k.Value && f.key != "" })
		switch {
		case i >= 0:
			set[k.Value] = true
			d.field(fields[i], v, placed{value, here})
		case probe.Kinds[k.Value] != nil && hasKind(fields):
			d.chosenKind(placed{value, here}, v, k)
		default:
			d.unknown(k, v, path)
		}
	})
	for _, f := range fields {
		if f.required && !set[f.key] && !d.bad[join(path, f.key)] {
			d.tell(spot{n.Line, n.Column, join(path, f.key)}, f.key+" is missing, wanted "+wanted(f.typ), f.example)
		}
	}
}

// placed is a node and the path it is at.
type placed struct {
	node *yaml.Node
	path string
}

func (d *decoder) field(f field, v reflect.Value, p placed) {
	target := v.FieldByIndex(f.index)
	if f.role == isBlock && p.node.Kind == yaml.MappingNode {
		d.fromFile(p, target)
		return
	}
	d.value(p.node, target, p.path)
}

func hasKind(fields []field) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return f.role == isKind })
}

// chosenKind decodes the block of a kind into the field for it.
func (d *decoder) chosenKind(p placed, v reflect.Value, k *yaml.Node) {
	f, _ := withRole(v.Type(), isKind)
	if before, ok := v.FieldByIndex(f.index).Interface().(probe.Kind); ok && before != nil {
		d.tell(at(k, p.path), "found "+kindOf(before)+" and "+k.Value+", wanted one of them", "make it two checks")
		return
	}
	kind := probe.Kinds[k.Value]()
	e := reflect.ValueOf(kind).Elem()
	d.fresh(e)
	d.overlay(e)
	d.value(p.node, e, p.path)
	v.FieldByIndex(f.index).Set(reflect.ValueOf(kind))
}

// kindBlock decodes a mapping with the block of one kind and nothing else.
func (d *decoder) kindBlock(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.tell(at(n, path), "found "+d.shape(n)+", wanted "+wanted(kindType), "")
		return
	}
	d.pairs(n, path, func(k, value *yaml.Node) {
		build := probe.Kinds[k.Value]
		switch here := join(path, k.Value); {
		case build == nil:
			d.tell(at(k, here), "unknown key "+found(k.Value)+", wanted "+listed(kindNames()), meant(k.Value, kindNames()))
			d.spoil(path)
		case !v.IsNil():
			d.tell(at(k, here), "found a second kind, "+k.Value+", wanted one", "make it two entries, each with its dash")
		default:
			kind := build()
			d.fresh(reflect.ValueOf(kind).Elem())
			d.value(value, reflect.ValueOf(kind).Elem(), here)
			v.Set(reflect.ValueOf(kind))
		}
	})
	if v.IsNil() && !d.bad[path] {
		d.tell(at(n, path), "found no kind, wanted one of "+listed(kindNames()), "")
	}
}

// kindOf returns the key of a kind.
func kindOf(k probe.Kind) string {
	for name, build := range probe.Kinds {
		if reflect.TypeOf(build()) == reflect.TypeOf(k) {
			return name
		}
	}
	return ""
}

// kindNames returns the keys of the kinds in order.
func kindNames() []string {
	names := make([]string, 0, len(probe.Kinds))
	for name := range probe.Kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fresh fills a value with the defaults of its tags, to any depth. What is behind a pointer or in a list gets
// its own when it is made.
func (d *decoder) fresh(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	if v.Type() == checkType {
		defer d.overlay(v)
	}
	for _, f := range d.types.of(v.Type()) {
		target := v.FieldByIndex(f.index)
		d.fresh(target)
		if f.fallback != "" {
			d.value(d.fallback(f.fallback), target, "default of "+f.key)
		}
	}
}

func (d *decoder) fallback(text string) *yaml.Node {
	if n, ok := d.parsed[text]; ok {
		return n
	}
	var doc yaml.Node
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: nullTag}
	if err := yaml.Unmarshal([]byte(text), &doc); err == nil && len(doc.Content) == 1 {
		n = doc.Content[0]
	}
	d.parsed[text] = n
	return n
}

// overlay decodes those keys of the block of defaults that the struct has. Their faults are told once, where
// the block itself is decoded.
func (d *decoder) overlay(v reflect.Value) {
	if d.defaults == nil || d.defaults.Kind != yaml.MappingNode {
		return
	}
	if d.quiet == nil {
		d.quiet = newDecoder(d.file, d.read)
	}
	for _, f := range d.types.of(v.Type()) {
		if !d.isShared(f.key) {
			continue
		}
		if n := child(d.defaults, f.key); n != nil {
			d.quiet.value(n, v.FieldByIndex(f.index), f.key)
		}
	}
}

// isShared reports whether a key may stand under defaults.
func (d *decoder) isShared(key string) bool {
	return slices.ContainsFunc(d.types.of(reflect.TypeFor[defaults]()), func(f field) bool { return f.key == key })
}

// unknown tells a key that the struct does not have, and what may have been meant.
func (d *decoder) unknown(k *yaml.Node, v reflect.Value, path string) {
	t := v.Type()
	s := at(k, join(path, k.Value))
	if why := laterKey(t, k.Value); why != "" {
		d.tell(s, k.Value+" is not supported yet", why)
		return
	}
	keys := keysOf(t)
	hint := elsewhere(k.Value, t)
	near := nearest(k.Value, keys)
	switch {
	case hint != "":
	case near != "":
		hint = "did you mean " + near + "?"
		d.spoil(join(path, near))
	case len(keys) > 0:
		hint = "known here: " + strings.Join(keys, ", ")
	}
	d.tell(s, "unknown key "+found(k.Value), hint)
}

func meant(word string, keys []string) string {
	if near := nearest(word, keys); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// keysOf returns the keys of a struct type, in the order of its declaration, the kinds' included.
func keysOf(t reflect.Type) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var keys []string
	for _, f := range fieldsOf(t) {
		switch f.role {
		case isKind:
			keys = append(keys, kindNames()...)
		case isKey:
		default:
			keys = append(keys, f.key)
		}
	}
	return keys
}
