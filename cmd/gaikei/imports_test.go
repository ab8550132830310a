package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gaikei/gaikei/"

// allowed says which packages of ours each package may import; see ARCHITECTURE.md.
var allowed = map[string][]string{
	"probe":           nil,
	"sli":             nil,
	"config":          {"probe", "sli"},
	"probe/schedule":  {"probe"},
	"probe/wire":      {"probe", "probe/wire/internal/pb"},
	"probe/relay":     {"probe", "probe/wire"},
	"sli/export":      {"sli"},
	"sli/export/otlp": nil,
	"sli/notify":      {"sli"},
	"sli/review":      {"sli"},
	"sli/timeline":    {"probe", "sli", "probe/wire"},
	"sli/web":         {"probe", "sli"},
	"docs":            nil,
	"docs/scale":      nil,

	"internal/bubble":   nil, // for tests
	"internal/pgtest":   nil, // for tests
	"internal/otlptest": nil, // for tests
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "cmd/") || strings.Contains(name, "/internal/") {
			continue
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s is not on the map", name)
		}
		for _, imp := range p.Imports {
			ours, found := strings.CutPrefix(imp, module)
			if found && !slices.Contains(may, ours) {
				t.Errorf("%s imports %s, want only %v", name, ours, may)
			}
		}
	}
}
