package config

import (
	"encoding"
	"reflect"
	"strings"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// A field is one key of a struct that is configuration, as its tags tell:
//
//	`yaml:"key"`            the key; a field without it, or with "-", is no configuration
//	`yaml:",kind"`          one of the keys of the table of kinds, which selects what is decoded
//	`yaml:",key"`           takes the key of the mapping that the struct is an entry of
//	`yaml:",inline"`        the keys of this struct stand in the outer one
//	`yaml:"key,file"`       a text that {file: path} reads from a file
//	`default:"…"`           the value, as YAML, if the key is left out
//	`required:"true"`       the key must be there
//	`example:"…"`           what to add if it is not
type field struct {
	key      string
	fallback string // the default as YAML; empty if there is none
	role     role
	required bool
	example  string // what to add if it is missing
	index    []int
	typ      reflect.Type
}

// A role is what a field is there for.
type role uint8

const (
	plain   role = iota
	isKind       // takes the block of a kind
	isKey        // takes the key of the entry
	isBlock      // a text that may be read from a file
)

// fieldsOf returns the fields of a struct type in the order of its declaration.
func fieldsOf(t reflect.Type) []field {
	var fs []field
	for sf := range t.Fields() {
		tag, ok := sf.Tag.Lookup("yaml")
		if !ok || tag == "-" || !sf.IsExported() {
			continue
		}
		key, option, _ := strings.Cut(tag, ",")
		if option == "inline" {
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{sf.Index[0]}, f.index...)
				fs = append(fs, f)
			}
			continue
		}
		fs = append(fs, field{
			key: key, fallback: sf.Tag.Get("default"), required: sf.Tag.Get("required") == "true", example: sf.Tag.Get("example"),
			role: roleOf(option), index: sf.Index, typ: sf.Type,
		})
	}
	return fs
}

// A typeTable keeps the fields of types: looking through tags is most of the work of reading a file.
type typeTable map[reflect.Type][]field

func (t typeTable) of(typ reflect.Type) []field {
	fs, ok := t[typ]
	if !ok {
		fs = fieldsOf(typ)
		t[typ] = fs
	}
	return fs
}

func roleOf(option string) role {
	switch option {
	case "kind":
		return isKind
	case "key":
		return isKey
	case "file":
		return isBlock
	}
	return plain
}

// withRole returns the field of a struct type that has a role.
func withRole(t reflect.Type, r role) (field, bool) {
	if t.Kind() != reflect.Struct {
		return field{}, false
	}
	for _, f := range fieldsOf(t) {
		if f.role == r {
			return f, true
		}
	}
	return field{}, false
}

// The types that the decoder treats in a way of their own.
var (
	durationType    = reflect.TypeFor[time.Duration]()
	timeType        = reflect.TypeFor[time.Time]()
	kindType        = reflect.TypeFor[probe.Kind]()
	checkType       = reflect.TypeFor[probe.Check]()
	unmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isText reports whether values of this type have a scalar form of their own.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(unmarshalerType) }

// isMapping reports whether the type is a struct with keys, and not only with a scalar form.
func isMapping(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != timeType &&
		(hasKeys(t) || reflect.PointerTo(t).Implements(kindType))
}

func hasKeys(t reflect.Type) bool {
	for sf := range t.Fields() {
		if tag, ok := sf.Tag.Lookup("yaml"); ok && tag != "-" {
			return true
		}
	}
	return false
}

// isKeyed reports whether the type is a list that is written as a mapping of its entries.
func isKeyed(t reflect.Type) bool {
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Struct || isText(t.Elem()) {
		return false
	}
	_, ok := withRole(t.Elem(), isKey)
	return ok
}

// wanted names what a value of the type is written as.
func wanted(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 30s"
	case t == timeType:
		return "a time such as 2026-11-23T00:00:00Z"
	case t == kindType:
		return "a mapping with one of " + strings.Join(kindNames(), ", ")
	case t.Kind() == reflect.Pointer:
		return wanted(t.Elem())
	case isMapping(t), t.Kind() == reflect.Map, isKeyed(t):
		return "a mapping"
	case isText(t):
		return "a value"
	}
	return wantedBasic(t)
}

func wantedBasic(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	}
	return "text"
}
