package config

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/gaikei/gaikei/probe"
)

// Schema returns a JSON Schema (draft 2020-12) of gaikei.yaml, for editors. It is made of the same struct tags as the decoder
// reads; what a key means and which words it takes is in the table of keys of page, the documentation. It refuses what has the
// wrong form; what contradicts itself only the decoder tells.
func Schema(page string) ([]byte, error) {
	s := schemaMaker{rows: rowsOf(page), defs: map[string]schema{}}
	root := s.structure(reflect.TypeFor[source](), "")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "gaikei.yaml"
	root["$defs"] = s.defs
	return json.MarshalIndent(root, "", "  ")
}

// A schema is one JSON Schema.
type schema map[string]any

type schemaMaker struct {
	rows map[string]keyRow
	defs map[string]schema // of the kinds
}

// A keyRow is what the documentation says of a key.
type keyRow struct{ kind, meaning string }

// rowsOf reads the table of keys of a page: | `key` | type | default | meaning |.
func rowsOf(page string) map[string]keyRow {
	rows := map[string]keyRow{}
	for line := range strings.SplitSeq(page, "\n") {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && len(cells) == 4 {
			rows[strings.Trim(cells[0], "| `")] = keyRow{cells[1], strings.Trim(cells[3], "| ")}
		}
	}
	return rows
}

// structure is a mapping by the tags of a struct; prefix is the path of its keys in the documentation.
func (s *schemaMaker) structure(t reflect.Type, prefix string) schema {
	properties, required := schema{}, []string{}
	o := schema{"type": "object", "properties": properties, "additionalProperties": false}
	for _, f := range fieldsOf(t) {
		switch f.role {
		case isKey:
		case isKind:
			s.kinds(properties)
			o["oneOf"] = chosen()
		default:
			properties[f.key] = s.field(f, prefix+f.key)
			if f.required {
				required = append(required, f.key)
			}
		}
	}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// kinds adds the block of each kind to properties; each is defined once.
func (s *schemaMaker) kinds(properties schema) {
	for _, name := range kindNames() {
		if s.defs[name] == nil {
			s.defs[name] = schema{} // a kind may hold itself
			s.defs[name] = s.structure(reflect.TypeOf(probe.Kinds[name]()).Elem(), name+".")
		}
		properties[name] = schema{"$ref": "#/$defs/" + name}
		if m := s.rows["checks[]."+name].meaning; m != "" {
			properties[name].(schema)["description"] = m
		}
	}
}

// chosen says that there is one kind.
func chosen() []schema {
	var one []schema
	for _, name := range kindNames() {
		one = append(one, schema{"required": []string{name}})
	}
	return one
}

func (s *schemaMaker) field(f field, path string) schema {
	v := s.value(f.typ, path)
	if f.role == isBlock {
		v = schema{"anyOf": []schema{v, {
			"type": "object", "properties": schema{"file": schema{"type": "string"}}, "required": []string{"file"}, "additionalProperties": false,
		}}}
	}
	if m := s.rows[path].meaning; m != "" {
		v["description"] = m
	}
	if f.fallback != "" {
		v["default"] = f.fallback
	}
	return v
}

// value is a value of a type at a path.
func (s *schemaMaker) value(t reflect.Type, path string) schema {
	switch {
	case t == durationType:
		return schema{"type": "string", "minLength": 1, "pattern": "^([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"}
	case t == timeType:
		return schema{"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"}
	case t == kindType:
		properties := schema{}
		s.kinds(properties)
		return schema{"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1, "maxProperties": 1}
	case t.Kind() == reflect.Pointer && !isText(t):
		return s.value(t.Elem(), path)
	case isMapping(t) && isText(t):
		return schema{"anyOf": []schema{s.text(path), s.structure(t, path+".")}}
	case isMapping(t):
		return s.structure(t, path+".")
	case isText(t):
		return s.text(path)
	}
	return s.basic(t, path)
}

func (s *schemaMaker) basic(t reflect.Type, path string) schema {
	switch t.Kind() {
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return schema{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return schema{"type": "number"}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": s.named(t.Elem(), path)}
	case reflect.Slice:
		return s.list(t, path)
	}
	return schema{"type": []string{"string", "number"}} // a number that is wanted as text needs no quotes
}

// named is a value of a mapping by name.
func (s *schemaMaker) named(t reflect.Type, path string) schema {
	switch {
	case isMapping(t) && isText(t):
		return schema{"anyOf": []schema{s.text(path), s.structure(t, path+".NAME.")}}
	case isMapping(t):
		return s.structure(t, path+".NAME.")
	}
	return s.value(t, path)
}

// list is a mapping of entries with keys of their own, a list, or a single value in place of one.
func (s *schemaMaker) list(t reflect.Type, path string) schema {
	if isKeyed(t) {
		return schema{"type": "object", "additionalProperties": s.structure(t.Elem(), path+".NAME.")}
	}
	if isMapping(t.Elem()) || t.Elem().Kind() == reflect.Pointer && isMapping(t.Elem().Elem()) {
		path += "[]"
	}
	item := s.value(t.Elem(), path)
	all := schema{"type": "array", "items": item}
	if !isScalar(t.Elem()) || t.Elem().Kind() == reflect.Pointer && isMapping(t.Elem().Elem()) {
		return all
	}
	return schema{"anyOf": []schema{item, all}}
}

// patterns are the forms of scalars whose words cannot be listed, by the name of their type in the documentation.
func patterns() map[string]schema {
	return map[string]schema{
		"size":                    {"type": "string", "pattern": "^[0-9]+ *(B|kB|KiB|MB|MiB|GB|GiB)$"},
		"percentage":              {"type": "string", "pattern": "^[0-9.]+ *%$"},
		"whole number or mapping": {"type": "integer", "minimum": 0},
		"status or range":         {"type": []string{"string", "integer"}, "pattern": "^[1-5][0-9][0-9]( *- *[1-5][0-9][0-9])?$", "minimum": 100, "maximum": 599},
	}
}

// text is the scalar form of a type that reads its own text: those of the words in the documentation, if these are all it has.
func (s *schemaMaker) text(path string) schema {
	kind := strings.TrimPrefix(strings.TrimPrefix(s.rows[path].kind, "list of "), "mapping of ")
	words := regexp.MustCompile("`[^`{]+`").FindAllString(kind, -1)
	if rest := regexp.MustCompile("`[^`{]+`|, | or |^or |mapping").ReplaceAllString(kind, ""); len(words) > 0 && rest == "" {
		return schema{"enum": spelled(words)}
	}
	if p, ok := patterns()[kind]; ok {
		return p
	}
	return schema{"type": []string{"string", "number", "boolean"}}
}

// spelled is words as YAML reads them, with quotes and without.
func spelled(words []string) []any {
	var all []any
	for _, w := range words {
		w = strings.Trim(w, "`")
		all = append(all, w)
		var bare any
		if err := json.Unmarshal([]byte(w), &bare); err == nil {
			all = append(all, bare)
		}
	}
	return slices.Clip(all)
}
