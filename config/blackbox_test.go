package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestBlackboxKeys: a key of blackbox_exporter is refused with what to write here, wherever it stands, and docs/checks.md has it, too.
func TestBlackboxKeys(t *testing.T) {
	page, err := os.ReadFile("../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	for key, hint := range blackboxKeys {
		for _, block := range []string{
			"{name: a, http: {url: 'https://www.example.com/', %s: x}}",
			"{name: a, http: {url: 'https://www.example.com/', tls: {%s: x}}}",
			"{name: a, tcp: {address: 'www.example.com:25', %s: x}}",
			"{name: a, dns: {server: 192.0.2.53, name: example.com, %s: x}}",
			"{name: a, http: {url: 'https://www.example.com/'}, %s: x}",
		} {
			_, err := ParseCheck("check", fmt.Appendf(nil, block, key))
			var faults Faults
			if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Hint != hint {
				t.Errorf("%s: got %v, want one fault with the hint %q", fmt.Sprintf(block, key), err, hint)
			}
		}
		if !strings.Contains(string(page), key) {
			t.Errorf("docs/checks.md does not say what %s is here", key)
		}
	}
}

// TestBlackboxHints: what the hints say can be written.
func TestBlackboxHints(t *testing.T) {
	known := map[string]bool{}
	walkKeys(reflect.TypeFor[source](), "", func(r row) { known[r.Key[strings.LastIndex(r.Key, ".")+1:]] = true })
	for key, hint := range blackboxKeys {
		word := regexp.MustCompile(`^(?:write )?(\w+)`).FindStringSubmatch(hint)[1]
		if word == "want" || word == "the" {
			continue // words for people
		}
		if !known[word] {
			t.Errorf("%s: the hint %q begins with %q, which is no key", key, hint, word)
		}
	}
}
