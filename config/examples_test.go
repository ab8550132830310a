package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestEveryOptionHasAnExample: whatever a check can say is in an example of docs/checks.md, which TestExamplesInDocs loads.
// Keys of one type, such as those of TLS, need one at any place.
func TestEveryOptionHasAnExample(t *testing.T) {
	page, err := os.ReadFile("../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		var doc struct {
			Checks []yaml.Node
		}
		if err := yaml.Unmarshal([]byte(completed(m[1])), &doc); err != nil {
			t.Fatalf("%v\n%s", err, m[1])
		}
		for i := range doc.Checks {
			collectOptions(&doc.Checks[i], "", shown)
		}
	}
	options := 0
	walkKeys(reflect.TypeFor[source](), "", func(r row) {
		key, ok := strings.CutPrefix(r.Key, "checks[].")
		if !ok && !regexp.MustCompile(`^(http|tcp|dns)\.`).MatchString(r.Key) {
			return
		}
		options++
		key = strings.NewReplacer("[]", "", ".NAME", ".*").Replace(key)
		if !shown[option(key)] {
			t.Errorf("docs/checks.md has no example of %s", key)
		}
	})
	if options < 100 {
		t.Errorf("there are %d options, want at least 100: is the pattern still right?", options)
	}
}

// option is a key of a check, the same one for all that has keys of one type.
func option(key string) string {
	if i := strings.Index(key, "tls."); i > 0 {
		return key[i:]
	}
	key = strings.Replace(key, "announced.header", "header", 1)
	return regexp.MustCompile(`^dns\.(answer|authority|additional)\.(any|all|none|exact)\.`).ReplaceAllString(key, "record.")
}

// collectOptions collects the keys of a node by their paths. Names of headers are a star.
func collectOptions(n *yaml.Node, path string, into map[string]bool) {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			collectOptions(c, path, into)
		}
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			key := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
			if strings.HasSuffix(path, ".header") {
				key = path + ".*"
			}
			into[option(key)] = true
			collectOptions(n.Content[i+1], key, into)
		}
	}
}
