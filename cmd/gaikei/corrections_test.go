package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// TestCorrections makes and revokes corrections of a running Gaikei, by flags, by file and by the API. Each is in the very
// next answer, with what was observed beside it.
func TestCorrections(t *testing.T) {
	t.Parallel()
	target := listenOn(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	dir := t.TempDir()
	data := dir + "/data"
	p := start(t, writeFile(t, dir, "gaikei.yaml", "regions: {here: {weight: 1}}\ndefaults: {interval: 500ms, timeout: 200ms}\n"+twoControls(t)+
		fmt.Sprintf("checks:\n  - {name: shop, labels: {team: web}, http: {url: \"http://%s/\"}}\n", target)), data)
	begin := time.Now().Truncate(time.Second).Add(3 * time.Second).UTC() // the first slots have passed by then
	window := between(begin, begin.Add(3*time.Second))
	p.until("has settled the window", func() bool { return p.report("shop", "here", window).Settled })
	at := func(seconds int) string { return begin.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339) }
	do := func(code int, says string, words ...string) string {
		t.Helper()
		got, out, errs := gaikei(t, append(append([]string{"corrections"}, words...), "--data", data)...)
		if got != code || !strings.Contains(out+errs, says) {
			t.Fatalf("corrections %s: exit code %d, want %d and %q:\n%s%s", strings.Join(words, " "), got, code, says, out, errs)
		}
		return out
	}
	want := func(what, counts string) {
		t.Helper()
		r := p.report("shop", "here", window)
		got := fmt.Sprintf("%d good %d bad %d excluded", r.Slots.Good, r.Slots.Bad, r.Slots.Excluded)
		if r.Observed != nil {
			got += fmt.Sprintf(", observed %d bad", r.Observed.Slots.Bad)
		}
		if got != counts {
			t.Errorf("%s: got %s, want %s", what, got, counts)
		}
	}
	want("before", "0 good 6 bad 0 excluded")
	excluding := []string{
		"add", "--label", "team=web", "--from", at(0), "--to", at(1), "--effect", "exclude", "--category", "test",
		"--reason", "no answer was to be had", "--author", "kei", "--id", "first", "--window", "1m",
	}
	do(exitFine, "It would change these figures", append(excluding, "--dry-run")...)
	want("after a dry run", "0 good 6 bad 0 excluded")
	do(exitFine, "Correction first is in force", excluding...)
	want("two slots taken out", "0 good 4 bad 2 excluded, observed 6 bad")

	file := writeFile(t, dir, "corrections.yaml", fmt.Sprintf(`corrections:
  - {id: second, checks: [shop], from: %s, to: %s, effect: good, category: false_alarm, reason: r, author: ume}
`, at(0), at(2)))
	do(exitFine, "Correction second is in force", "add", "--file", file)
	do(exitFine, "Correction second is there already", "add", "--file", file, "--author", "somebody else")
	want("the newer one wins", "4 good 2 bad 0 excluded, observed 6 bad")
	do(exitFine, "Correction second is revoked", "revoke", "second", "--reason", "it was none", "--author", "kei")
	want("revoked", "0 good 4 bad 2 excluded, observed 6 bad")

	do(exitUsage, "in force", "revoke", "second", "--reason", "again")
	do(exitNegative, "was revoked at", "add", "--file", file)
	want("a revoked one again", "0 good 4 bad 2 excluded, observed 6 bad")
	do(exitUsage, "reason is missing", "revoke", "first")
	do(exitUsage, "want the id of one correction", "revoke")
	do(exitUsage, "another correction has this id, with other regions", append(slices.Clone(excluding), "--region", "here")...)
	do(exitUsage, `did you mean "shop"`, "add", "--check", "shopp", "--from", at(0), "--to", at(1), "--effect", "bad", "--category", "test", "--reason", "r")
	do(exitUsage, "is in the future", "add", "--check", "shop", "--from", at(0), "--to", at(7200), "--effect", "bad", "--category", "test", "--reason", "r")
	do(exitUsage, `effect is ""`, "add")
	do(exitNegative, "corrections.yaml:1:1", "add", "--file", writeFile(t, dir+"/..", "corrections.yaml", "correction: []\n"))

	resp, err := http.Post("http://"+p.listen+"/api/v1/corrections", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a correction by who may only read: got %d %s, want 403", resp.StatusCode, body)
	}
	resp.Body.Close()

	running := do(exitFine, "", "list", "-o", "json")
	if text := do(exitFine, "no answer was to be had", "list"); !strings.Contains(text, "by kei: it was none") {
		t.Errorf("list: got\n%s\nwant who revoked the second one, and why", text)
	}
	p.stop()
	var list []sli.Correction
	if err := json.Unmarshal([]byte(do(exitFine, "", "list", "-o", "json")), &list); err != nil || len(list) != 2 {
		t.Fatalf("list from the files: got %d, %v, want 2", len(list), err)
	}
	if files := do(exitFine, "", "list", "-o", "json"); files != running {
		t.Errorf("list: got\n%s\nfrom the files, and from the server\n%s", files, running)
	}
	do(exitUnreachable, "no Gaikei runs on", "revoke", "first", "--reason", "r")
}
