package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// compiledSchema is the schema as an editor has it.
func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Schema(string(page))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gaikei.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("gaikei.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is a YAML text as a schema sees it.
func instance(t *testing.T, data []byte) any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return plainValue(doc.Content[0])
}

func plainValue(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plainValue(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		l := []any{}
		for _, c := range n.Content {
			l = append(l, plainValue(c))
		}
		return l
	}
	switch n.Tag {
	case nullTag:
		return nil
	case boolTag:
		return n.Value == "true"
	case "!!int", "!!float":
		if x, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return x
		}
	}
	return n.Value
}

// TestSchemaAccepts: whatever the decoder accepts is right by the schema.
func TestSchemaAccepts(t *testing.T) {
	s := compiledSchema(t)
	for _, name := range glob(t, "testdata/good-*.yaml", 4) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(instance(t, data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f, err := Load(name, Options{Now: now()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(instance(t, f.Show())); err != nil {
			t.Errorf("%s as it is shown: %v", name, err)
		}
	}
	fence := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, name := range glob(t, "../docs/*.md", 1) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(data), -1) {
			if err := s.Validate(instance(t, []byte(completed(m[1])))); err != nil {
				t.Errorf("%s: %v\n%s", name, err, m[1])
			}
		}
	}
}

// structural are faults of the form, which a schema can tell.
var structural = regexp.MustCompile(`unknown key|is not supported yet|is missing, wanted|found .*wanted (a mapping|a list|true or false|a whole number|a number(?:$|[^ ]| \()|a duration such as|a time such as)|found no kind`)

// TestSchemaRefuses: a fault of the form that the decoder tells, the schema tells too.
func TestSchemaRefuses(t *testing.T) {
	s := compiledSchema(t)
	n := 0
	for _, name := range glob(t, "testdata/bad-*.yaml", 40) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var faults Faults
		if _, err := Load(name, Options{Now: now()}); !errors.As(err, &faults) {
			t.Fatalf("%s: %v", name, err)
		}
		var doc yaml.Node
		if !slices.ContainsFunc(faults, func(f Fault) bool { return structural.MatchString(f.Message) }) || yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
			continue
		}
		n++
		if s.Validate(plainValue(doc.Content[0])) == nil {
			t.Errorf("%s is right by the schema, and not by the decoder: %v", filepath.Base(name), faults)
		}
	}
	if n < 10 {
		t.Errorf("%d files have faults of the form, want at least 10", n)
	}
	const head = "regions: {a: {}}\ncontrols: {preset: root-dns}\nchecks:\n"
	for _, check := range []string{
		"{name: x, http: {url: 'http://a.example/'}, intervall: 3s}", "{name: x, http: {url: 'http://a.example/', hedders: {}}}",
		"{name: x}", "{name: x, http: {url: 'http://a.example/'}, tcp: {address: 'a.example:1'}}", "{http: {url: 'http://a.example/'}}",
		"{name: x, http: {url: 'http://a.example/'}, interval: 30}", "{name: x, http: {url: 'http://a.example/'}, timeout: 1.5s}", "{name: x, http: {url: 'http://a.example/'}, timeout: ''}",
		"{name: x, http: {url: 'http://a.example/', ip: 5}}", "{name: x, http: {url: 'http://a.example/', redirects: many}}", "{name: x, http: {url: 'http://a.example/', status: 99}}",
		"{name: x, http: {url: 'http://a.example/', body: {max_size: 10}}}", "{name: x, dns: {server: a.example, name: b, transport: quic}}", "{name: x, tcp: {address: 'a.example:1', tls: yes}}",
		"{name: x, http: {url: 'http://a.example/'}, latency: {under: 300ms, of: most}}", "{name: x, http: {url: 'http://a.example/'}, max: {wait: fast}}", "{name: x, http: {url: 'http://a.example/'}, assert: {a: b}}",
		"{name: x, http: {url: 'http://a.example/'}, expect: perhaps}", "{name: x, http: {url: 'http://a.example/'}, labels: [a]}", "{name: x, http: {url: 'http://a.example/'}, enabled: 1}", "{name: x, http: ~}",
	} {
		text := []byte(head + "  - " + check + "\n")
		if _, err := Parse("x.yaml", text, Options{}); err == nil {
			t.Errorf("the decoder accepts %s", check)
		}
		if compiledErr := s.Validate(instance(t, text)); compiledErr == nil {
			t.Errorf("the schema accepts %s", check)
		}
	}
}

// TestSchemaExplains: every key says what it means.
func TestSchemaExplains(t *testing.T) {
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Schema(string(page))
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(string(page))
	for key, r := range rows {
		if n := strings.Count(string(text), `"description": `+jsonText(t, r.meaning)); n == 0 && !strings.Contains(key, "tokens") {
			t.Errorf("%s: its meaning is not in the schema", key)
		}
	}
}

func jsonText(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
