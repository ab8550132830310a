package export_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/export"
)

var update = flag.Bool("update", false, "write the golden files anew")

const day = 24 * time.Hour

func pooled() sli.Combine { return sli.Combine{Rule: "pooled"} }

// slos are one of each kind that formats treat differently.
func slos() []sli.SLO {
	return []sli.SLO{
		{Name: "shop-availability", Checks: []string{"shop"}, Indicator: "availability", Combine: pooled(), Objective: 0.999, Window: 28 * day, Timezone: "UTC"},
		{Name: "api-latency", Checks: []string{"api", "search"}, Indicator: "latency", Combine: pooled(), Objective: 0.95, Window: 7 * day, Timezone: "UTC"},
		{Name: "shop-month", Checks: []string{"shop"}, Indicator: "availability", Combine: pooled(), Objective: 0.9995, Calendar: "month", Timezone: "Asia/Tokyo"},
		{
			Name: "front.quorum", Checks: []string{"all"}, Indicator: "availability", Group: "all",
			Combine: sli.Combine{Rule: "quorum", Quorum: &sli.Quorum{Count: 2}}, Objective: 0.99, Window: 30 * day, Timezone: "UTC",
		},
		{
			Name: "draft", Checks: []string{"a", "b", "c", "d", "e"}, Indicator: "prober", Combine: pooled(), Objective: 0.9, Window: 36 * time.Hour,
			Timezone: "UTC", Provisional: true,
		},
	}
}

func format(t *testing.T, name string) export.Format {
	t.Helper()
	for _, f := range export.Formats() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no format %s", name)
	return export.Format{}
}

func TestGolden(t *testing.T) {
	for _, f := range export.Formats() {
		t.Run(f.Name, func(t *testing.T) {
			got, err := f.Text(slos())
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", f.Name+".yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

// Files have what the one text has, each an SLO and each a document of its own.
func TestFilesAreTheText(t *testing.T) {
	for _, f := range export.Formats() {
		t.Run(f.Name, func(t *testing.T) {
			text, err := f.Text(slos())
			if err != nil {
				t.Fatal(err)
			}
			files, err := f.Files(slos())
			if err != nil {
				t.Fatal(err)
			}
			var want, got []any
			for i, file := range files {
				if name := slos()[i].Name; file.Name != name+".yaml" {
					t.Errorf("file %d is %s, want it named after %s", i, file.Name, name)
				}
				first, _, _ := strings.Cut(string(file.Text), "\n")
				if want := "# Written by 'gaikei export " + f.Name + "' from the SLO " + slos()[i].Name + ";"; !strings.HasPrefix(first, want) {
					t.Errorf("%s begins with %q, want %q", file.Name, first, want)
				}
				want = append(want, decode(t, file.Text)...)
			}
			if len(want) != len(slos()) {
				t.Errorf("%d documents in the files, want %d", len(want), len(slos()))
			}
			if got = decode(t, text); f.Name == "prometheus-rules" {
				want, got = groups(want), groups(got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-files +text):\n%s", diff)
			}
		})
	}
}

func decode(t *testing.T, text []byte) []any {
	t.Helper()
	var docs []any
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc any
		if err := d.Decode(&doc); err != nil {
			if err.Error() != "EOF" {
				t.Fatal(err)
			}
			return docs
		}
		docs = append(docs, doc)
	}
}

func groups(docs []any) []any {
	var all []any
	for _, d := range docs {
		all = append(all, d.(map[string]any)["groups"].([]any)...)
	}
	return all
}

func worst(s sli.SLO) sli.SLO {
	s.Combine = sli.Combine{Rule: "worst"}
	return s
}

func worstCheck(s sli.SLO) sli.SLO {
	s.Group = "worst"
	return s
}

func slo(name string, window time.Duration) sli.SLO {
	return sli.SLO{Name: name, Checks: []string{"c"}, Indicator: "availability", Combine: pooled(), Objective: 0.999, Window: window, Timezone: "UTC"}
}

// What a format cannot say is an error that names the SLO.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		what, format string
		slos         []sli.SLO
		want         string
	}{
		{"dots become dashes", "openslo", []sli.SLO{slo("a.b", day), slo("a-b", day)}, "SLOs a.b and a-b would both be called a-b in openslo"},
		{"dots become dashes", "openslo-v1alpha", []sli.SLO{slo("a.b", day), slo("a-b", day)}, "SLOs a.b and a-b would both be called a-b in openslo-v1alpha"},
		{"dots become dashes", "nobl9", []sli.SLO{slo("a.b", day), slo("a-b", day)}, "SLOs a.b and a-b would both be called a-b in nobl9"},
		{"dots are fine", "pyrra", []sli.SLO{slo("a.b", day), slo("a-b", day)}, ""},
		{"dots are fine", "sloth", []sli.SLO{slo("a.b", day), slo("a-b", day)}, ""},
		{"one letter", "sloth", []sli.SLO{slo("a", day)}, "SLO a: the name is one letter long, and Sloth wants two"},
		{"a long window", "nobl9", []sli.SLO{slo("year", 365*day)}, "SLO year: the window is 365d, and rolling windows of this format are 31d at most"},
		{"a long window", "openslo-v1alpha", []sli.SLO{slo("year", 365*day)}, "SLO year: the window is 365d, and rolling windows of this format are 31d at most"},
		{"a long window", "openslo", []sli.SLO{slo("year", 365*day)}, ""},
		{"an odd window", "openslo", []sli.SLO{slo("odd", day+1500*time.Millisecond)}, "SLO odd: the window is 1d1s500ms, want whole minutes"},
		{"worst region", "sloth", []sli.SLO{worst(slo("low", day))}, "SLO low: it goes by the worst of several, which is no sum over time, so there is no counter of it"},
		{"worst check", "prometheus-rules", []sli.SLO{worstCheck(slo("low", day))}, "SLO low: it goes by the worst of several, which is no sum over time, so there is no counter of it"},
		{"every fault", "nobl9", []sli.SLO{slo("x", 32*day), slo("ok", day), slo("y", 33*day)}, "SLO x: the window is 32d, and rolling windows of this format are 31d at most\n" +
			"SLO y: the window is 33d, and rolling windows of this format are 31d at most"},
	} {
		t.Run(c.what+" in "+c.format, func(t *testing.T) {
			got := ""
			if _, err := format(t, c.format).Text(c.slos); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("error %q, want %q", got, c.want)
			}
		})
	}
}

// Names that YAML could take for something else stay names, and objectives stay decimals.
func TestScalars(t *testing.T) {
	for name, objective := range map[string]sli.Ratio{"123": 0.99999, "1.5": 0.5, "true": 0.000001, "null": 0.95, "1e3": 0.9999999, "no": 0.29} {
		s := slo(name, day)
		s.Objective = objective
		for _, f := range export.Formats() {
			text, err := f.Text([]sli.SLO{s})
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(text, []byte("e-0")) || bytes.Contains(text, []byte("!!")) {
				t.Errorf("%s in %s: a number is not a plain decimal:\n%s", name, f.Name, text)
			}
			doc := decode(t, text)[0].(map[string]any)
			if m, ok := doc["metadata"].(map[string]any); ok && m["name"] != strings.ReplaceAll(name, ".", "-") && m["name"] != name {
				t.Errorf("in %s the name is %#v, want %q", f.Name, m["name"], name)
			}
		}
	}
}
