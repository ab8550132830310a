package main

import (
	"strings"
	"testing"
)

// TestFolderInUse: a folder that a process has is told with a way out, and that process is not disturbed.
func TestFolderInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := writeFile(t, dir, "gaikei.yaml", `
regions: {here: {}}
controls: none
checks:
  - {name: closed, tcp: {address: "127.0.0.4:1"}}
`)
	p := start(t, config, dir+"/data")
	code, _, errs := gaikei(t, "run", "-c", config, "--data", p.data, "--listen", "127.0.0.1:"+freePort(t))
	if code != exitUnreachable || !strings.Contains(errs, "in use by process") || !strings.Contains(errs, "hint: ask that process with 'gaikei sli --data'") {
		t.Errorf("exit code %d, want 3, the process and a hint: %s", code, errs)
	}
	if code, _, errs := gaikei(t, "sli", "--data", p.data); code != exitFine {
		t.Errorf("gaikei sli beside the process: exit code %d, want 0: %s", code, errs)
	}
	p.stop()
}
