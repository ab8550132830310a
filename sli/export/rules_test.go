package export_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRulesPassPromtool has promtool check the rules and evaluate them over scripted series.
func TestRulesPassPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("promtool is not installed; it is in the Debian package prometheus")
	case err != nil:
		t.Skip("promtool is not installed; it is in the Debian package prometheus")
	}
	run := func(dir string, args ...string) {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("testdata", "check", "rules", "prometheus-rules.yaml")
	run("testdata", "test", "rules", "prometheus-rules.test.yaml")

	files, err := format(t, "prometheus-rules").Files(slos())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Text, 0o644); err != nil {
			t.Fatal(err)
		}
		run(dir, "check", "rules", f.Name)
	}
}
