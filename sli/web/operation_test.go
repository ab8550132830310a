package web

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everything is a server with all that can be served, and its document.
func everything(t *testing.T) (*server, object) {
	t.Helper()
	m, catalog := scene()
	s := newServer(Options{Source: m, Catalog: func() []Check { return catalog }, Roster: &book{}, Analyst: &oracle{}, Corrector: &errata{memory: m}})
	d, err := newDocument("v1.2.3", s.operations())
	if err != nil {
		t.Fatal(err)
	}
	return s, d.tree.(object)
}

func TestDocumentHasEveryRoute(t *testing.T) {
	s, document := everything(t)
	var served, described []string
	for pattern := range s.routes() {
		method, address, ok := strings.Cut(pattern, " ")
		if !ok {
			method, address = "GET", pattern
		}
		if address != "/" { // what is nothing else
			served = append(served, method+" "+strings.TrimSuffix(address, "{$}"))
		}
	}
	for address, item := range document["paths"].(object) {
		for method := range item.(object) {
			described = append(described, strings.ToUpper(method)+" "+address)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if d := cmp.Diff(served, described); d != "" {
		t.Errorf("routes and document (-served +described):\n%s", d)
	}
}

// Every type and member of the document has words, and none are about what is not there.
func TestDocumentHasWords(t *testing.T) {
	_, document := everything(t)
	types, members := maps.Clone(aboutTypes), maps.Clone(aboutFields)
	for name, schema := range document["components"].(object)["schemas"].(object) {
		base := strings.TrimSuffix(name, "Draft")
		if !strings.HasSuffix(name, "List") && aboutTypes[base] == "" {
			t.Errorf("the type %s has no words", name)
		}
		delete(types, base)
		for key, p := range schema.(object)["properties"].(object) {
			if p.(object)["description"] == nil {
				t.Errorf("%s.%s has no words", name, key)
			}
			if _, own := members[base+"."+key]; own {
				delete(members, base+"."+key)
			} else if _, own := aboutFields[base+"."+key]; !own {
				delete(members, key)
			}
		}
	}
	if len(types)+len(members) > 0 {
		t.Errorf("words about what is not there: %v, %v", slices.Sorted(maps.Keys(types)), slices.Sorted(maps.Keys(members)))
	}
}

// What generators of clients and readers rely on, beyond what the schemas of the answers are held against.
func TestDocumentIsWellFormed(t *testing.T) {
	_, document := everything(t)
	ids := map[string]bool{}
	var references []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case object:
			if ref, ok := v["$ref"].(string); ok {
				references = append(references, ref)
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(document)
	for _, ref := range references {
		at := any(document)
		for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			at = at.(object)[step]
		}
		if at == nil {
			t.Errorf("the reference %s leads nowhere", ref)
		}
	}
	schemes := document["components"].(object)["securitySchemes"].(object)
	for address, item := range document["paths"].(object) {
		for method, x := range item.(object) {
			o := x.(object)
			id := o["operationId"].(string)
			if ids[id] || o["summary"] == "" || o["responses"].(object)["200"] == nil {
				t.Errorf("%s %s: want an id of its own, a summary and what is answered: %v", method, address, o)
			}
			ids[id] = true
			names := map[string]bool{}
			for _, p := range o["parameters"].([]any) {
				p := p.(object)
				name := p["name"].(string)
				if names[name] || p["description"] == "" || p["schema"] == nil {
					t.Errorf("%s: parameter %v: want it once, with words and a schema", id, p)
				}
				names[name] = true
				if p["in"] == "path" && !strings.Contains(address, "{"+name+"}") || p["in"] == "query" && p["example"] == nil {
					t.Errorf("%s: parameter %v: want it in the path, or with an example", id, p)
				}
			}
			for _, way := range o["security"].([]any) {
				for name := range way.(object) {
					if schemes[name] == nil {
						t.Errorf("%s: there is no way %q to show who asks", id, name)
					}
				}
			}
		}
	}
	if len(references) < 50 || len(ids) < 25 {
		t.Errorf("found %d references and %d operations, want at least 50 and 25", len(references), len(ids))
	}
}

// A type that cannot be described, and two of one name, are told when the program is tested.
func TestSchemasRefuse(t *testing.T) {
	type Report struct {
		A int `json:"a"`
	}
	for what, types := range map[string][]reflect.Type{
		"a channel":            {reflect.TypeFor[chan int]()},
		"two of the same name": {reflect.TypeFor[list[Report]](), reflect.TypeOf(exampleReports())},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it was taken", what)
				}
			}()
			s := &schemas{named: map[string]object{}, types: map[string]reflect.Type{}}
			for _, x := range types {
				s.of(x)
			}
		}()
	}
}
