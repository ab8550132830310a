package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAlertRules has promtool check and test the rules, and holds the metrics in them against the docs, which another
// test holds against the program.
func TestAlertRules(t *testing.T) {
	promtool := promtoolOf(t)
	dir := "../../deploy/prometheus"
	for _, args := range [][]string{{"check", "rules", "gaikei.rules.yaml"}, {"test", "rules", "gaikei.rules.test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	rules, err := os.ReadFile(filepath.Join(dir, "gaikei.rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`\bgaikei_[a-z_]+`).FindAllString(string(rules), -1) {
		if !strings.Contains(string(reference), "| `"+name+"` |") {
			t.Errorf("a rule uses %s, which docs/reference.md does not know", name)
		}
	}
}

// promtoolOf is where promtool is.
func promtoolOf(t *testing.T) string {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is not installed; it is in the Debian package prometheus")
		}
		t.Skip("promtool is not installed; it is in the Debian package prometheus")
	}
	return promtool
}
