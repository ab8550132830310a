package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
)

// A row is one key as the documentation has it: the key, its type, its default, and in the end its meaning.
type row struct{ Key, Type, Default string }

// TestDocumentedKeys compares the table of keys with the struct tags that the decoder walks.
func TestDocumentedKeys(t *testing.T) {
	var want []row
	walkKeys(reflect.TypeFor[source](), "", func(r row) { want = append(want, r) })
	if diff := cmp.Diff(want, documentedKeys(t, "../docs/configuration.md")); diff != "" {
		t.Errorf("docs/configuration.md and the struct tags (-want +got):\n%s", diff)
	}
	want = nil
	walkKeys(reflect.TypeFor[Web](), "", func(r row) { want = append(want, r) })
	walkKeys(reflect.TypeFor[Tokens](), "", func(r row) { want = append(want, r) })
	if diff := cmp.Diff(want, documentedKeys(t, "../docs/reference.md")); diff != "" {
		t.Errorf("docs/reference.md and the struct tags (-want +got):\n%s", diff)
	}
}

// documentedKeys reads the rows of a page's tables of keys.
func documentedKeys(t *testing.T, page string) []row {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, keys, _ := strings.Cut(string(data), "\n| key | type | default | meaning |\n")
	var got []row
	for line := range strings.SplitSeq(keys, "\n") {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") || len(cells) != 4 {
			continue
		}
		got = append(got, row{strings.Trim(cells[0], "| `"), cells[1], strings.Trim(cells[2], "`")})
		if meaning := strings.Trim(cells[3], "| "); len(meaning) < 10 {
			t.Errorf("%s: the meaning is missing", cells[0])
		}
	}
	return got
}

// walkKeys calls f with every key that the decoder knows below a struct, each kind once.
func walkKeys(t reflect.Type, prefix string, f func(row)) {
	for _, field := range fieldsOf(t) {
		if field.role == isKind {
			for _, name := range kindNames() {
				f(row{prefix + name, "mapping", ""})
				walkKeys(reflect.TypeOf(probe.Kinds[name]()).Elem(), name+".", f)
			}
			continue
		}
		if field.role == isKey {
			continue
		}
		key, typ := prefix+field.key, field.typ
		fallback := field.fallback
		if field.required {
			fallback = "required"
		}
		text := typeText(typ)
		if field.role == isBlock {
			text += " or `{file: …}`"
		}
		f(row{key, text, fallback})
		below, more := element(typ)
		if isMapping(below) && !documentedElsewhere(key) {
			walkKeys(below, key+more+".", f)
		}
	}
}

// documentedElsewhere reports whether a key has the keys of another, whose meaning says so.
func documentedElsewhere(key string) bool {
	switch key {
	case "http.auth.oauth2.tls", "http.auth.oauth2.proxy", "dns.tls", "dns.authority", "dns.additional", "dns.answer.all", "dns.answer.none", "dns.answer.exact":
		return true
	}
	return false
}

// element returns the type of the structs in a type, and how they are told from it in a path.
func element(t reflect.Type) (reflect.Type, string) {
	switch {
	case t.Kind() == reflect.Slice && isKeyed(t):
		return t.Elem(), ".NAME"
	case t.Kind() == reflect.Slice:
		e, _ := element(t.Elem())
		return e, "[]"
	case t.Kind() == reflect.Pointer:
		return t.Elem(), ""
	case t.Kind() == reflect.Map:
		return t.Elem(), ".NAME"
	}
	return t, ""
}

// typeText names a type as the documentation does.
func typeText(t reflect.Type) string {
	special := map[string]string{
		"Template": "text with references", "CodeRange": "status or range", "Size": "size", "IPChoice": "`4`, `6`, `prefer4`, `prefer6` or `both`",
		"Regexp": "regular expression (RE2)", "Ratio": "percentage", "Reason": "reason", "Population": "`valid` or `up`",
		"RRType": "record type", "DNSTransport": "`udp`, `tcp`, `tls` or `https`", "ResponseCode": "response code", "DNSFlag": "flag",
		"DNSClass": "`IN`, `CH`, `HS` or `ANY`", "DoHMethod": "`POST` or `GET`", "ClientSubnet": "network", "TTLRange": "range of durations", "RecordMatch": "record",
		"Quorum": "number, percentage, `all` or `any`", "Expect": "`reachable`, `unreachable` or mapping", "TLS": "`true` or mapping",
		"Combine": "`pooled`, `worst` or mapping", "Controls": "mapping or `none`",
		"ClientAuth": "client authentication", "TLSVersion": "`TLS10` to `TLS13`", "TLSCipher": "cipher suite", "TLSCurve": "curve",
		"OTLPProtocol": "`http` or `grpc`", "HeaderMatch": "`present`, `absent` or mapping", "VersionTLS": "`1.0` to `1.3`",
		"SendText": "text with references", "Hex": "bytes in hexadecimal", "Closing": "`send` or `expect`",
		"StartTLS": "protocol", "TLSAlert": "alert", "Banner": "text or mapping",
		"Redirects": "whole number or mapping", "Proxy": "URL, `from_environment` or mapping", "OAuth2Style": "`header` or `params`",
		"HTTPProtocol": "`auto`, `http1`, `http2` or `http3`", "ContentCoding": "content coding",
		"PasswordHash": "bcrypt hash", "PrivateText": "text", "Scope": "`read` or `write`", "Digest": "SHA-256 in hexadecimal",
	}
	switch {
	case t == durationType:
		return "duration"
	case t == timeType:
		return "time"
	case t == kindType:
		return "kind"
	case t.Kind() == reflect.Pointer:
		return typeText(t.Elem())
	case t.Kind() == reflect.Slice && isKeyed(t):
		return "mapping by name"
	case t.Kind() == reflect.Slice:
		return "list of " + typeText(t.Elem())
	case t.Kind() == reflect.Map:
		return "mapping of " + typeText(t.Elem())
	case special[t.Name()] != "":
		return special[t.Name()]
	}
	return strings.TrimPrefix(wanted(t), "a ")
}

// TestExamplesInDocs loads every example of a configuration in the documentation. One that is a part of a file is
// completed with what is missing.
func TestExamplesInDocs(t *testing.T) {
	fence := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	n := 0
	for _, name := range append(glob(t, "../docs/*.md", 1), glob(t, "../*.md", 1)...) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(data), -1) {
			n++
			text := completed(m[1])
			if _, err := Parse(filepath.Join("testdata", "example.yaml"), []byte(text), Options{}); err != nil {
				t.Errorf("%s: an example does not load: %v\n%s", name, err, text)
			}
		}
	}
	if n < 5 {
		t.Errorf("found %d examples, want at least 5: is the pattern still right?", n)
	}
}

// completed adds the sections that an example leaves out. A list is one of checks.
func completed(text string) string {
	if strings.HasPrefix(text, "- ") {
		text = "checks:\n" + text
	}
	for _, section := range []struct{ key, text string }{
		{"regions:", "regions: {tokyo: {}, frankfurt: {}, office: {weight: 0}}\n"},
		{"controls:", "controls: {preset: root-dns}\n"},
		{"checks:", "checks: [{name: shop, http: {url: \"https://shop.example.com/\"}, latency: {under: 300ms}}]\n"},
	} {
		if !strings.HasPrefix(text, section.key) && !strings.Contains(text, "\n"+section.key) {
			text += section.text
		}
	}
	return text
}

// TestDefaults decodes every default there is: a wrong one would otherwise show only where it is used.
func TestDefaults(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		d := newDecoder("defaults", noFiles)
		d.fresh(reflect.New(typ).Elem())
		if err := d.err(); err != nil {
			t.Errorf("%v: %v", typ, err)
		}
		for _, f := range fieldsOf(typ) {
			if below, _ := element(f.typ); isMapping(below) {
				walk(below)
			}
		}
	}
	walk(reflect.TypeFor[source]())
	for _, name := range kindNames() {
		walk(reflect.TypeOf(probe.Kinds[name]()).Elem())
	}
}

// TestEveryTextIsReadAndWritten: a type that reads its own text must also write it, or Show could not.
func TestEveryTextIsReadAndWritten(t *testing.T) {
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, path string) {
		for _, f := range fieldsOf(typ) {
			below, _ := element(f.typ)
			switch {
			case isMapping(below):
				walk(below, path+"."+f.key)
			case below.Kind() != reflect.Interface && below != timeType && below != durationType && isText(below):
				if _, ok := textOf(reflect.New(below).Elem()); !ok {
					t.Errorf("%s.%s: %v has neither MarshalText nor String", path, f.key, below)
				}
			}
		}
	}
	walk(reflect.TypeFor[source](), "")
	for _, name := range kindNames() {
		walk(reflect.TypeOf(probe.Kinds[name]()).Elem(), name)
	}
}
