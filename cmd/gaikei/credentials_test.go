package main

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// notAdmitted is what a prober says of credentials that were revoked.
const notAdmitted = "the aggregator does not admit these credentials"

// TestRotated gives a prober another key on the folder that it has: the old one holds until it is revoked, its end is
// told once, and what was seen while no key let it in arrives with the new one.
func TestRotated(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	s := newSite(t, l.config("tokyo: {}", "web"))
	s.aggregate("--name", "localhost")
	folder, old := t.TempDir(), s.enroll("enroll", "tokyo", "p1")
	text, err := os.ReadFile(old)
	if err != nil || !strings.Contains(string(text), "url: tls://localhost:") {
		t.Errorf("the credentials do not name the aggregator as --name does, error %v: %s", err, text)
	}
	p := s.probeIn(folder, old)
	s.follow(1, 1)
	in := span{from: time.Now()}
	oldKey, next := s.keys(t)[0], s.enroll("rotate", "tokyo", "p1")
	s.answered(l.truth, "web", 2)
	if code, _, errs := gaikei(t, "probers", "revoke", "--data", s.data, "--public-key", oldKey); code != exitFine {
		t.Fatalf("revoke: exit code %d: %s", code, errs)
	}
	p.says(notAdmitted)
	p.answered(l.truth, "web", 5)
	p.stop()
	if n := strings.Count(p.log.String(), notAdmitted); n != 1 {
		t.Errorf("the prober told %d times that it is not admitted, want once:\n%s", n, p.log)
	}

	listen := "127.0.0.1:" + freePort(t)
	p = s.probeIn(folder, next, "--listen", listen)
	p.answered(l.truth, "web", 3)
	p.until("has sent everything", func() bool {
		return strings.Contains(scrape(t, listen), "\ngaikei_queue_pending_messages 0\n")
	})
	in.to = time.Now().Add(-time.Second)
	p.stop()
	s.stop()
	slots := slotsOf(t, s.data, "web", "tokyo")
	wantSteps(t, "web", slots, time.Second)
	up := 0
	for _, slot := range slots {
		at := time.UnixMilli(slot.At)
		switch {
		case at.Before(in.from) || at.After(in.to):
		case slot.Outcome == sli.Up:
			up++
		case slot.Outcome != sli.Missed || slot.Reason != "stopped":
			t.Errorf("web at %v came to %v (%s), want up, or stopped between the keys", at, slot.Outcome, slot.Reason)
		}
	}
	if up < 8 {
		t.Errorf("%d slots are up, want at least 8: the old key's, those without a key, and the new key's", up)
	}
}

// TestFolderOfOneProcess: a second process on a folder, or on an address, is told whose it is and what can be done.
func TestFolderOfOneProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t, newPlant(t).config("tokyo: {}", "web"))
	s.aggregate()
	creds := s.enroll("enroll", "tokyo", "p1")
	p := s.probe(creds)
	p.says("following a plan")
	other := t.TempDir()
	aggregator := []string{"aggregator", "-c", s.config, "--listen", "127.0.0.1:" + freePort(t), "--data"}
	for name, tt := range map[string]struct {
		args        []string
		error, hint string
	}{
		"prober":         {[]string{"prober", "--creds", creds, "--data", p.data}, p.data + "/queue: the folder is in use by process", "each prober needs a folder of its own"},
		"aggregator":     {append(aggregator, s.data, "--accept", "127.0.0.1:"+freePort(t)), s.data + ": the data folder is in use by process", "name another folder with --data"},
		"run":            {[]string{"run", "-c", s.config, "--data", s.data}, s.data + ": the data folder is in use by process", "name another folder with --data"},
		"second address": {append(aggregator, other, "--accept", s.accept), s.accept, "choose another address with --accept"},
	} {
		code, _, errs := gaikei(t, tt.args...)
		if code != exitUnreachable || !strings.Contains(errs, tt.error) || !strings.Contains(errs, "gaikei: hint: ") || !strings.Contains(errs, tt.hint) {
			t.Errorf("%s: exit code %d, want %d, %q and the hint %q:\n%s", name, code, exitUnreachable, tt.error, tt.hint, errs)
		}
	}
	p.stop()
	s.stop()
}

// TestSecretsStay has a target that repeats a secret in all that it answers: it is neither in what the aggregator tells
// nor in what either process keeps or prints.
func TestSecretsStay(t *testing.T) {
	t.Parallel()
	const secret = "the-horse-is-at-the-battery"
	target := listenOn(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := r.Header.Get("Authorization")
		if shown != "Bearer "+secret {
			t.Errorf("the target was asked with %q, want the secret", shown)
		}
		w.Header().Set("X-Echo", shown)
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, "you said "+shown)
	}))
	s := newSite(t, newPlant(t).config("tokyo: {}", "web")+
		fmt.Sprintf("  - {name: shop, http: {url: \"http://%s/\", headers: {Authorization: \"Bearer ${env:GAIKEI_SECRET_SHOP}\"}}}\n", target))
	s.aggregate()
	folder, listen := t.TempDir(), "127.0.0.1:"+freePort(t)
	p := s.probeIn(folder, s.enroll("enroll", "tokyo", "p1"), "GAIKEI_SECRET_SHOP="+secret, "--listen", listen)
	s.follow(1, 1)
	var evidence string
	s.until("has evidence", func() bool {
		_, evidence = s.get("/api/v1/evidence?check=shop")
		return strings.Contains(evidence, "you said")
	})
	told := map[string]string{"evidence": evidence, "metrics of the prober": scrape(t, listen)}
	for _, path := range []string{"/", "/checks/shop", "/metrics", "/api/v1/config", "/api/v1/checks", "/api/v1/changes", "/api/v1/presence", "/api/v1/sli"} {
		_, told[path] = s.get(path)
	}
	if !strings.Contains(told["/api/v1/config"], "${env:GAIKEI_SECRET_SHOP}") {
		t.Errorf("the configuration does not show the reference: %s", told["/api/v1/config"])
	}
	p.stop()
	s.stop()
	told["log of the aggregator"], told["log of the prober"] = s.log.String(), p.log.String()
	for _, dir := range []string{s.data, folder} {
		addFiles(t, dir, told)
	}
	for where, text := range told {
		if strings.Contains(text, secret) {
			t.Errorf("%s has the secret", where)
		}
	}
	if len(told) < 20 {
		t.Errorf("looked at %d texts and files, want at least 20", len(told))
	}
}

// addFiles reads all files below a folder.
func addFiles(t *testing.T, dir string, texts map[string]string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		texts[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
