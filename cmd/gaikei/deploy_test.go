package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestAlertRules has promtool check and test the rules.
func TestAlertRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is not installed; it is in the Debian package prometheus")
		}
		t.Skip("promtool is not installed; it is in the Debian package prometheus")
	}
	dir := "../../deploy/prometheus"
	for _, args := range [][]string{{"check", "rules", "gaikei.rules.yaml"}, {"test", "rules", "gaikei.rules.test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
