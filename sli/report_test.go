package sli_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The JSON that others build on: fields, their order, how numbers and nulls are written. Vectors compare values
// only; this compares bytes.
func TestReportJSON(t *testing.T) {
	for golden, pick := range map[string]func(answer) any{
		"report.golden":   func(a answer) any { return a.Regions[0] },
		"combined.golden": func(a answer) any { return a.Pooled },
		"prober.golden":   func(a answer) any { return a.Probers[0] },
	} {
		t.Run(golden, func(t *testing.T) {
			v := readVector(t, "testdata/03-example.json")
			got, err := json.Marshal(pick(v.answer(t, v.Questions[0])))
			if err != nil {
				t.Fatal(err)
			}
			compareGolden(t, golden, string(got)+"\n")
		})
	}
}

func TestUndefinedReportJSON(t *testing.T) {
	got, err := json.Marshal(sli.RegionReport(sli.Window{}, sli.Subject{Check: "shop", Region: "tokyo"}, sli.Part{Tally: new(sli.Tally)}))
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "undefined.golden", string(got)+"\n")
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fields := func(s string) string { return strings.ReplaceAll(s, `,"`, ",\n\"") }
	if diff := cmp.Diff(fields(string(want)), fields(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// A report read back is the same report.
func TestReportRoundTrip(t *testing.T) {
	v := readVector(t, "testdata/12-latency-valid.json")
	want := v.answer(t, v.Questions[0])
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got answer
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
