package main

import (
	"strings"
	"testing"
)

// oneCheck writes a configuration with one check, one region and no controls.
func oneCheck(t *testing.T, dir, check string) string {
	t.Helper()
	return writeFile(t, dir, "gaikei.yaml", "regions: {here: {}}\ncontrols: none\nchecks:\n  - "+check+"\n")
}

// TestFolderInUse: a folder that a process has is told with a way out, and that process is not disturbed.
func TestFolderInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := oneCheck(t, dir, `{name: closed, tcp: {address: "127.0.0.4:1"}}`)
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

// TestFolderKnowsNames: of a name that a folder has nothing of there is no empty answer but a way out, also of a check that stands
// for several.
func TestFolderKnowsNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := oneCheck(t, dir, `{name: shop, tcp: {address: "localhost:1", ip: both}}`)
	p := start(t, config, dir+"/data")
	code, _, errs := gaikei(t, "sli", "--data", p.data, "--check", "shop")
	if code != exitFine {
		t.Errorf("beside the process: exit code %d, want 0: %s", code, errs)
	}
	p.stop()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--check", "shop"}, exitUsage, "hint: ask for its sub-checks, if that is what they are: --check shop.ipv4 --check shop.ipv6; a running server"},
		{[]string{"--check", "shop.ipv4", "--check", "shop.ipv6"}, exitFine, ""},
		{[]string{"--check", "shoop"}, exitUsage, "hint: checks there are: shop.ipv4, shop.ipv6"},
		{[]string{"--region", "there"}, exitUsage, "hint: regions there are: here"},
		{[]string{"--region", "here"}, exitFine, ""},
	} {
		code, _, errs := gaikei(t, append([]string{"sli", "--data", p.data}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit code %d, want %d; %q, want %q in it", tt.args, code, tt.code, errs, tt.want)
		}
	}
}
