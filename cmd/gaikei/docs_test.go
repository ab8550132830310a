package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
)

// TestReferenceNamesEveryReason holds the table of reasons in the docs against the closed list.
func TestReferenceNamesEveryReason(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	classes := map[probe.Class]string{
		probe.ClassResolve: "resolve", probe.ClassPath: "path", probe.ClassSession: "session",
		probe.ClassAnswer: "answer", probe.ClassMissed: "missed", probe.ClassOwn: "own",
	}
	var want, got [][2]string
	for _, r := range probe.Reasons() {
		want = append(want, [2]string{r.String(), classes[r.Class()]})
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(string(page), -1) {
		got = append(got, [2]string{row[1], row[2]})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("reasons in docs/reference.md (-want +got):\n%s", d)
	}
}
