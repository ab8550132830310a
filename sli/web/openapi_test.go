package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
	"github.com/gaikei/gaikei/sli/web"
)

// The document is held against what the handlers answer about a store with data.

// An analyst asks the store about one SLO.
type analyst struct{ *timeline.Store }

func (a analyst) slos() []sli.SLO {
	return []sli.SLO{{
		Name: "shop-availability", Checks: []string{"shop"}, Indicator: sli.IndicatorAvailability, Combine: sli.Combine{Rule: "pooled"}, Objective: 0.99, Window: time.Hour,
	}}
}

func (a analyst) SLOs(ctx context.Context, now time.Time) ([]sli.SLOReport, error) {
	return a.Store.SLOs(ctx, a.slos(), now)
}

func (a analyst) SLONames() []string { return []string{a.slos()[0].Name} }

func (a analyst) SLOHistory(ctx context.Context, _ []string, q sli.Query, p sli.Period) ([]sli.SLOPoint, error) {
	return a.Store.SLOHistory(ctx, a.slos(), q, p)
}

func (a analyst) SLOAmounts(context.Context, time.Time, time.Time) (map[string]sli.Amount, error) {
	return nil, nil
}

func (a analyst) Incidents(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Incident, error) {
	return a.Store.Incidents(ctx, q, quorum, a.slos())
}

// A register is a roster with one prober.
type register struct{ keys []web.Enrollment }

func (r *register) Enrollments(context.Context) ([]web.Enrollment, error) { return r.keys, nil }

func (r *register) Enroll(_ context.Context, e web.Enrollment) error {
	r.keys = append(r.keys, e)
	return nil
}

func (r *register) Revoke(_ context.Context, key string) (bool, error) {
	i := slices.IndexFunc(r.keys, func(e web.Enrollment) bool { return e.Key == key })
	return i >= 0, nil
}

func (r *register) Meeting() web.Meeting { return web.Meeting{URLs: []string{"nats://a:4222"}} }

func (r *register) Present() []web.Presence {
	return []web.Presence{{Region: "tokyo", Prober: "p", State: web.ProberPresent, Heard: &noon, Faults: []string{"blind"}}, {Region: "office", Prober: "q", State: web.ProberNever}}
}

// furnished is a server of all that there is, of which every list has items.
func furnished(t *testing.T) http.Handler {
	t.Helper()
	store := open(t)
	for region, failing := range map[string]int{"tokyo": 59, "office": 50, "osaka": 40} {
		for i, check := range []string{"shop", "blog", "mail", "zone"} {
			if region != "osaka" || i > 0 {
				ingest(t, store, region, hour(check, failing))
			}
		}
	}
	body, err := json.Marshal(probe.Evidence{
		Check: "shop", Slot: noon.Add(-10 * time.Minute).UnixMilli(), Outcome: "down", Reason: "status", Spans: []probe.SpanDetail{{Phase: "wait", For: time.Second}},
		Detail: probe.Detail{Error: "closed", TLS: &probe.TLSDetail{Chain: []probe.Certificate{{Subject: "CN=shop"}}}, Assertions: []probe.Observation{{What: "status", Got: "500"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range []string{"tokyo", "office"} {
		if err := store.IngestEvidence(t.Context(), []timeline.Message{{Region: region, Prober: "p", Received: noon, Payload: body}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Ingest(t.Context(), []timeline.Message{{Region: "tokyo", Prober: "p", Received: noon.Add(-time.Minute), Payload: []byte("no batch")}}); err != nil {
		t.Fatal(err)
	}
	change := sli.Change{Check: "shop", Region: "tokyo", Revision: 1, At: noon.Add(-time.Minute), What: "added"}
	if _, err := store.SetPlan(t.Context(), timeline.Plan{Region: "tokyo", Revision: 1, Manifest: []byte("{}")}, []sli.Change{change}); err != nil {
		t.Fatal(err)
	}
	catalog := []web.Check{{ID: "shop", Name: "Shop", Kind: "tcp", Groups: []string{"checkout"}, Regions: []string{"tokyo", "office"}, Under: time.Second}, {ID: "bare"}}
	return web.Local(web.NewHandler(web.Options{
		Source: store, Catalog: func() []web.Check { return catalog }, Config: func() string { return "checks: []\n" }, Now: func() time.Time { return noon },
		Analyst: analyst{store}, Corrector: store, Roster: &register{},
	}))
}

type object = map[string]any

// A contract is the document, and its schemas with members that are not described refused.
type contract struct {
	t        *testing.T
	handler  http.Handler
	tree     object
	compiler *jsonschema.Compiler
}

func newContract(t *testing.T, h http.Handler) *contract {
	t.Helper()
	c := &contract{t: t, handler: h, compiler: jsonschema.NewCompiler()}
	w := c.do(http.MethodGet, "/api/v1/openapi.json", "")
	if err := json.Unmarshal(w.Body.Bytes(), &c.tree); err != nil {
		t.Fatal(err)
	}
	strict, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for _, schema := range at[object](strict, "components", "schemas") {
		schema.(object)["additionalProperties"] = false
	}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource("https://example.com/openapi.json", strict); err != nil {
		t.Fatal(err)
	}
	return c
}

// at follows keys into a tree.
func at[T any](tree any, keys ...string) T {
	for _, key := range keys {
		o, _ := tree.(object)
		tree = o[key]
	}
	v, _ := tree.(T)
	return v
}

func (c *contract) do(method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

// holds checks a JSON text against the schema at a place in the document.
func (c *contract) holds(what, text string, place ...string) {
	c.t.Helper()
	var steps []string
	for _, step := range place {
		steps = append(steps, url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(step)))
	}
	schema, err := c.compiler.Compile("https://example.com/openapi.json#/" + strings.Join(steps, "/"))
	if err != nil {
		c.t.Errorf("%s: %v", what, err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err == nil {
		err = schema.Validate(v)
	}
	if err != nil {
		c.t.Errorf("%s: the document says otherwise: %v\n%.2000s", what, err, text)
	}
}

// operations calls f for each, in the order of their addresses and methods.
func (c *contract) operations(f func(method, address string, o object)) {
	paths := at[object](c.tree, "paths")
	for _, address := range slices.Sorted(maps.Keys(paths)) {
		for _, method := range []string{"get", "post", "delete"} {
			if o := at[object](paths, address, method); o != nil {
				f(method, address, o)
			}
		}
	}
}

// needed are the parameters without which there is no answer, as the document shows them.
func needed(o object) url.Values {
	v := url.Values{}
	for _, p := range at[[]any](o, "parameters") {
		if p := p.(object); p["in"] == "query" && p["required"] == true {
			v.Set(p["name"].(string), fmt.Sprint(p["example"]))
		}
	}
	return v
}

// TestAnswersAreAsDescribed asks everything that the document has, with the bodies that it shows, and holds what is answered
// against it.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	c := newContract(t, furnished(t))
	names := map[string]string{"{id}": "c-2026-11-23", "{key}": at[string](c.tree, "paths", "/api/v1/enrollments", "post", "requestBody", "content", "application/json", "example", "key")}
	ask := func(method, address string, o object) {
		path := address
		for name, value := range names {
			path = strings.Replace(path, name, value, 1)
		}
		content := at[object](o, "responses", "200", "content")
		body := ""
		if example := at[any](o, "requestBody", "content", "application/json", "example"); o["requestBody"] != nil {
			text, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			body = string(text)
			c.holds("the body of "+method+" "+address, body, "paths", address, method, "requestBody", "content", "application/json", "schema")
		}
		if content["application/json"] == nil {
			return
		}
		w := c.do(strings.ToUpper(method), path+"?"+needed(o).Encode(), body)
		if w.Code != http.StatusOK {
			t.Errorf("%s %s: got %d %s", method, path, w.Code, w.Body)
			return
		}
		if strings.HasPrefix(w.Body.String(), `{"items":[]`) {
			t.Errorf("%s %s: the list is empty: nothing was held against the document", method, path)
		}
		place := []string{"paths", address, method, "responses", "200", "content", "application/json"}
		c.holds(method+" "+address, w.Body.String(), append(place, "schema")...)
		example, err := json.Marshal(at[any](c.tree, append(place, "example")...))
		if err != nil {
			t.Fatal(err)
		}
		c.holds("the example of "+method+" "+address, string(example), append(place, "schema")...)
	}
	// What is made can then be read, and is ended at last.
	stage := func(method, address string) int {
		switch {
		case strings.HasSuffix(address, "/preview"):
			return 0
		case method == "delete" || strings.HasSuffix(address, "/revoke"):
			return 3
		case method == "post":
			return 1
		}
		return 2
	}
	for now := range 4 {
		c.operations(func(method, address string, o object) {
			if stage(method, address) == now {
				ask(method, address, o)
			}
		})
	}
}

// TestParametersAreAsDescribed: each is taken, one that is not described is refused, and so is a second value of one that is not a
// list.
func TestParametersAreAsDescribed(t *testing.T) {
	t.Parallel()
	c := newContract(t, furnished(t))
	taken, lists := 0, 0
	c.operations(func(method, address string, o object) {
		if method != "get" || strings.HasPrefix(address, "/static") || address == "/metrics" || strings.HasSuffix(address, "z") {
			return
		}
		path := strings.Replace(address, "{id}", "shop", 1)
		status := func(v url.Values) int { return c.do(http.MethodGet, path+"?"+v.Encode(), "").Code }
		for _, p := range at[[]any](o, "parameters") {
			p := p.(object)
			name := p["name"].(string)
			if p["in"] != "query" {
				continue
			}
			v := needed(o)
			switch example := p["example"].(type) {
			case []any:
				v.Set(name, fmt.Sprint(example[0]))
				lists++
			default:
				v.Set(name, fmt.Sprint(example))
			}
			switch name {
			case "to":
				v.Set("from", "-2h")
			case "next":
				v.Set("limit", "1")
				v.Del("next")
				var first struct{ Next string }
				if err := json.Unmarshal(c.do(http.MethodGet, path+"?"+v.Encode(), "").Body.Bytes(), &first); err != nil || first.Next == "" {
					t.Errorf("%s: no second page: %v", path, err)
				}
				v.Set("next", first.Next)
			}
			if got := status(v); got != http.StatusOK {
				t.Errorf("%s with %s: got %d, want 200", path, v.Encode(), got)
			}
			taken++
			v.Add(name, v.Get(name))
			if got, repeatable := status(v), p["style"] != nil; (got == http.StatusOK) != repeatable {
				t.Errorf("%s with two of %s: got %d, and the document says that it may be repeated: %v", path, name, got, repeatable)
			}
		}
		v := needed(o)
		v.Set("nonsense", "1")
		if got := status(v); got != http.StatusBadRequest {
			t.Errorf("%s with an unknown parameter: got %d, want 400", path, got)
		}
		for name := range needed(o) {
			v := needed(o)
			v.Del(name)
			if got := status(v); got != http.StatusBadRequest {
				t.Errorf("%s without %s: got %d, want 400", path, name, got)
			}
		}
	})
	if taken < 40 || lists < 10 {
		t.Errorf("took %d parameters, %d of them repeatable, want at least 40 and 10", taken, lists)
	}
}

// TestBodiesAreAsDescribed: every member that the document requires is required, and none besides are taken.
func TestBodiesAreAsDescribed(t *testing.T) {
	t.Parallel()
	c := newContract(t, furnished(t))
	c.operations(func(method, address string, o object) {
		example := at[object](o, "requestBody", "content", "application/json", "example")
		if example == nil || strings.Contains(address, "enrollments") { // there the roster judges
			return
		}
		ref := at[string](o, "requestBody", "content", "application/json", "schema", "$ref")
		schema := at[object](c.tree, "components", "schemas", ref[strings.LastIndex(ref, "/")+1:])
		refused := func(what string, body object) {
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			w := c.do(strings.ToUpper(method), strings.Replace(address, "{id}", "c", 1), string(text))
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s %s %s: got %d %s, want 400", method, address, what, w.Code, w.Body)
			}
			c.holds("the problem of "+address, w.Body.String(), "components", "schemas", "Problem")
		}
		for _, key := range schema["required"].([]any) {
			without := maps.Clone(example)
			delete(without, key.(string))
			refused("without "+key.(string), without)
		}
		with := maps.Clone(example)
		with["nonsense"] = 1
		refused("with an unknown member", with)
	})
}

func TestProblemsAreAsDescribed(t *testing.T) {
	t.Parallel()
	c := newContract(t, furnished(t))
	for _, x := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/api/v1/sli?chekc=shop", 400},
		{"GET", "/api/v1/sli?check=shpo", 400},
		{"GET", "/api/v1/nowhere", 404},
		{"POST", "/api/v1/sli", 405},
		{"DELETE", "/api/v1/enrollments/none", 404},
	} {
		w := c.do(x.method, x.target, "")
		if w.Code != x.status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: got %d of type %s, want %d and a problem", x.method, x.target, w.Code, w.Header().Get("Content-Type"), x.status)
		}
		c.holds(x.target, w.Body.String(), "components", "schemas", "Problem")
	}
}

// TestDocumentAsYAML is the same document.
func TestDocumentAsYAML(t *testing.T) {
	t.Parallel()
	c := newContract(t, furnished(t))
	w := c.do(http.MethodGet, "/api/v1/openapi.yaml", "")
	var tree object
	if err := yaml.Unmarshal(w.Body.Bytes(), &tree); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(c.tree)
	if err != nil || !bytes.Equal(got, want) || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("%v; got %d bytes of %s, want the same as JSON, %d bytes", err, len(got), w.Header().Get("Content-Type"), len(want))
	}
}
