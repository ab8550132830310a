package web

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gaikei/gaikei/sli"
)

// An object is one of JSON, such as a schema.
type object = map[string]any

// schemas are JSON schemas of the types that are encoded: they cannot say anything else than the encoder does. A schema that has a
// name is kept under it.
type schemas struct {
	named map[string]object
	types map[string]reflect.Type
}

// The types that are not encoded as what they are made of.
var (
	timeType  = reflect.TypeFor[time.Time]()
	valueType = reflect.TypeFor[sli.Value]()
	bytesType = reflect.TypeFor[[]byte]()
	textType  = reflect.TypeFor[encoding.TextMarshaler]()
	listType  = reflect.TypeFor[listing]()
)

// of is the schema of a type, or a reference to it.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t.Kind() == reflect.Pointer:
		return orNull(s.of(t.Elem()))
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == valueType:
		return object{"anyOf": []object{{"type": "number"}, {"const": "+Inf"}}}
	case t == bytesType:
		return object{"type": "string", "contentEncoding": "base64"}
	case t.Implements(textType):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.reference(t)
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer", "format": "int64"}
	case reflect.Float64:
		return object{"type": "number", "format": "double"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Interface:
		return object{}
	}
	panic(fmt.Sprintf("web: no schema for the type %v", t))
}

// orNull also takes null.
func orNull(x object) object {
	if t, ok := x["type"].(string); ok {
		x["type"] = []string{t, "null"}
		return x
	}
	return object{"anyOf": []object{x, {"type": "null"}}}
}

// reference keeps the schema of a struct under the name of its type.
func (s *schemas) reference(t reflect.Type) object {
	name := nameOf(t)
	if other, ok := s.types[name]; ok && other != t {
		panic(fmt.Sprintf("web: %v and %v have the same name in the document", t, other))
	}
	if s.types[name] == nil {
		s.types[name] = t
		s.named[name] = s.structure(name, t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// nameOf is what a type is called in the document.
func nameOf(t reflect.Type) string {
	if t.Kind() == reflect.Struct && t.Implements(listType) {
		items, _ := t.FieldByName("Items")
		return nameOf(items.Type.Elem()) + "List"
	}
	base, of, _ := strings.Cut(strings.TrimSuffix(t.Name(), "]"), "[") // of a generic type, such as ByVerdict[int64]
	return capital(strings.TrimSuffix(base, "Item")) + capital(of)
}

// capital is a word with a capital at its beginning.
func capital(word string) string {
	first, n := utf8.DecodeRuneInString(word)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + word[n:]
}

// structure is the schema of a struct, with the fields of those that it embeds.
func (s *schemas) structure(name string, t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "" || key == "-" {
			continue // what is embedded, and what is not encoded
		}
		if options == "" {
			required = append(required, key)
		}
		p := s.of(f.Type)
		owner := name
		if n := len(f.Index); n > 1 { // of a struct that is embedded
			owner = nameOf(t.FieldByIndex(f.Index[:n-1]).Type)
		}
		if mayBeNull[owner+"."+key] {
			p = orNull(p)
		}
		if about := aboutField(owner, key); about != "" {
			p["description"] = about
		}
		properties[key] = p
	}
	x := object{"type": "object", "properties": properties, "required": required}
	if about := aboutTypes[name]; about != "" {
		x["description"] = about
	}
	return x
}

// aboutField is what a field means: of this type, or of all that have one of this name.
func aboutField(name, key string) string {
	if about, ok := aboutFields[name+"."+key]; ok {
		return about
	}
	return aboutFields[key]
}

// draft is the schema of what is sent: that of its type without the members that the server alone says, and with those required
// that it needs.
func (s *schemas) draft(b *sent) object {
	t := reflect.TypeOf(b.example)
	name := nameOf(t) + "Draft"
	x := s.structure(nameOf(t), t)
	properties := x["properties"].(object)
	for _, key := range b.never {
		delete(properties, key)
	}
	for key, values := range choices() {
		if p, ok := properties[key].(object); ok {
			p["enum"] = values
		}
	}
	x["required"], x["additionalProperties"] = b.needs, false
	s.named[name] = x
	return object{"$ref": "#/components/schemas/" + name}
}

// choices are what members of a body can be.
func choices() map[string][]string {
	return map[string][]string{"effect": {"exclude", "bad", "good"}, "category": sli.CorrectionCategories()}
}
