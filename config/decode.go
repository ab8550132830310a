package config

import (
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// A decoder fills structs from YAML nodes by their tags. It collects every fault and goes on; what is at fault
// keeps its default. It is used once.
type decoder struct {
	file     string
	least    string                            // what the file has at least, for one that is empty
	discreet bool                              // the file holds secrets: no value in it is quoted
	read     func(path string) (string, error) // of {file: path}
	defaults *yaml.Node                        // the block of defaults for checks; nil: none
	faults   Faults
	spots    map[string]spot       // where each path's value stands
	bad      map[string]bool       // paths with a fault
	within   map[string]bool       // paths around one with a fault
	parsed   map[string]*yaml.Node // default tags
	types    typeTable
	quiet    *decoder          // for the defaults of checks; nil until it is needed
	paths    []string          // of the checks, in their order, once they are validated
	whole    map[string]string // the ids of checks that stand for several, by name
}

func newDecoder(file string, read func(path string) (string, error)) *decoder {
	return &decoder{
		file: file, read: read, least: "a configuration has at least regions, controls and checks",
		spots: map[string]spot{}, bad: map[string]bool{}, within: map[string]bool{}, parsed: map[string]*yaml.Node{}, types: typeTable{},
	}
}

// A spot is a place in the file and the path that is there.
type spot struct {
	line, column int
	path         string
}

func at(n *yaml.Node, path string) spot { return spot{n.Line, n.Column, path} }

// tell notes a fault of what is at a path.
func (d *decoder) tell(s spot, message, hint string) {
	d.spoil(s.path)
	d.note(s, message, hint)
}

// note notes a fault that leaves what is there understandable.
func (d *decoder) note(s spot, message, hint string) {
	d.faults = append(d.faults, Fault{
		File: d.file, Line: s.line, Column: s.column, Path: s.path, Message: message, Hint: hint,
	})
}

// where returns the spot of a path, or of the nearest thing around it that is in the file.
func (d *decoder) where(path string) spot {
	for p := path; ; p = outer(p) {
		if s, ok := d.spots[p]; ok {
			s.path = path
			return s
		}
		if p == "" {
			return spot{line: 1, column: 1, path: path}
		}
	}
}

// outer cuts the last step off a path.
func outer(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// spoil marks a path as one that nothing more is to be said about.
func (d *decoder) spoil(path string) {
	d.bad[path] = true
	for p := path; p != ""; {
		p = outer(p)
		d.within[p] = true
	}
}

// sound reports whether neither the path nor anything around or in it is at fault.
func (d *decoder) sound(path string) bool {
	for p := path; p != ""; p = outer(p) {
		if d.bad[p] {
			return false
		}
	}
	return !d.within[path] && !d.bad[""]
}

// value decodes a node into v, which holds its defaults already.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	d.spots[path] = at(n, path)
	t := v.Type()
	switch {
	case foreign(n):
		d.spoil(path)
	case n.Tag == nullTag && n.Kind == yaml.ScalarNode:
		d.tell(at(n, path), "found nothing (null), wanted "+wanted(t), nullHint(t))
	case t == kindType:
		d.kindBlock(n, v, path)
	case v.Kind() == reflect.Pointer && !isText(t):
		e := reflect.New(t.Elem())
		d.fresh(e.Elem())
		d.value(n, e.Elem(), path)
		v.Set(e)
	case n.Kind == yaml.ScalarNode && isScalar(t):
		d.scalar(n, v, path)
	default:
		d.composite(n, v, path)
	}
}

func nullHint(t reflect.Type) string {
	if w := wanted(t); w == "a mapping" || w == "a list" {
		return "leave the key out, or write " + map[string]string{"a mapping": "{}", "a list": "[]"}[w]
	}
	return "leave the key out, or give it a value"
}

// isScalar reports whether a scalar can be a value of the type.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Map, reflect.Slice, reflect.Interface:
		return isText(t)
	case reflect.Struct:
		return t == timeType || isText(t)
	}
	return true
}

func (d *decoder) composite(n *yaml.Node, v reflect.Value, path string) {
	t := v.Type()
	switch {
	case isMapping(t) && n.Kind == yaml.MappingNode:
		if isText(t) { // what the scalar form says by default is no part of the mapping
			v.SetZero()
			d.fresh(v)
		}
		d.structure(n, v, path)
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		d.table(n, v, path)
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode && !isKeyed(t):
		d.list(n.Content, v, path)
	case t.Kind() == reflect.Slice && n.Kind == yaml.ScalarNode && isScalar(t.Elem()):
		d.list([]*yaml.Node{n}, v, path)
	case t.Kind() == reflect.Slice && n.Kind == yaml.MappingNode && isKeyed(t):
		d.entries(n, v, path)
	default:
		d.tell(at(n, path), "found "+d.shape(n)+", wanted "+wanted(t), d.shapeHint(n, t))
	}
}

// shape names what a node is.
func (d *decoder) shape(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return d.found(n.Value)
}

// found quotes a value, unless it may be a secret.
func (d *decoder) found(value string) string {
	if d.discreet {
		return "a text"
	}
	return found(value)
}

func (d *decoder) shapeHint(n *yaml.Node, t reflect.Type) string {
	switch {
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Slice:
		return "begin each entry with a dash: - "
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		return "write each name as a key, without dashes: tokyo: {}"
	case n.Kind == yaml.SequenceNode && len(n.Content) == 1 && isScalar(t):
		return "take the value out of the list"
	case n.Kind == yaml.ScalarNode && isMapping(t):
		return "it has the keys " + strings.Join(keysOf(t), ", ")
	}
	return ""
}

// list decodes each node as an element; what the list held by default goes.
func (d *decoder) list(ns []*yaml.Node, v reflect.Value, path string) {
	if len(ns) == 0 {
		v.SetZero()
		return
	}
	s := reflect.MakeSlice(v.Type(), len(ns), len(ns))
	for i, n := range ns {
		d.fresh(s.Index(i))
		d.value(n, s.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(s)
}

// table decodes a mapping into a map with text for keys.
func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	d.pairs(n, path, func(k, value *yaml.Node) {
		at := join(path, k.Value)
		key := reflect.New(v.Type().Key()).Elem()
		d.value(k, key, at)
		e := reflect.New(v.Type().Elem()).Elem()
		d.fresh(e)
		d.value(value, e, at)
		m.SetMapIndex(key, e)
	})
	if m.Len() == 0 {
		m = reflect.Zero(v.Type())
	}
	v.Set(m)
}

// keyMark ends the path under which the place of a key is kept, apart from that of its value.
const keyMark = " (key)"

// entries decodes a mapping into a list of structs, in the order of the file; each takes its key.
func (d *decoder) entries(n *yaml.Node, v reflect.Value, path string) {
	f, _ := withRole(v.Type().Elem(), isKey)
	s := reflect.MakeSlice(v.Type(), 0, len(n.Content)/2)
	d.pairs(n, path, func(k, value *yaml.Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.fresh(e)
		here := join(path, k.Value)
		d.spots[here+keyMark] = at(k, here)
		d.value(value, e, here)
		e.FieldByIndex(f.index).SetString(k.Value)
		s = reflect.Append(s, e)
	})
	v.Set(s)
}

// pairs calls f with every key and value of a mapping, leaving out what cannot be a key.
func (d *decoder) pairs(n *yaml.Node, path string, f func(key, value *yaml.Node)) {
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		switch line, twice := seen[k.Value]; {
		case foreign(k):
			// Told by plainOnly.
		case k.Kind != yaml.ScalarNode || k.Tag == nullTag:
			d.tell(at(k, path), "found "+d.shape(k)+" for a key, wanted text", "")
		case twice:
			d.tell(at(k, join(path, k.Value)), fmt.Sprintf("the key %s is there twice, first in line %d", found(k.Value), line), "remove one of them")
		default:
			seen[k.Value] = k.Line
			f(k, value)
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
