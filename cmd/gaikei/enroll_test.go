package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gaikei/gaikei/probe/relay"
)

// TestWhoMayEnroll: letting a prober in and ending its key takes the scope write, and what is no name or key is refused.
func TestWhoMayEnroll(t *testing.T) {
	t.Parallel()
	s := newSite(t, newPlant(t).config("tokyo: {}", "web"))
	s.aggregate("--tokens", writeFile(t, s.dir, "tokens.yaml", "tokens:\n"+tokenEntry("reader", "read")+tokenEntry("writer", "write")))
	creds, err := relay.NewCredentials("tokyo", "p1", []string{"nats://127.0.0.1:4222"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := creds.PublicKey()
	good := `{"key":"` + key + `","region":"tokyo","prober":"p1"}`
	const path = "/api/v1/enrollments"
	for _, x := range []struct {
		token, method, path, body string
		want                      int
	}{
		{"", "POST", path, good, http.StatusUnauthorized},
		{"reader", "POST", path, good, http.StatusForbidden},
		{"reader", "GET", path, "", http.StatusOK},
		{"writer", "POST", path, strings.Replace(good, "tokyo", "Tokyo", 1), http.StatusBadRequest},
		{"writer", "POST", path, strings.Replace(good, "p1", "a b", 1), http.StatusBadRequest},
		{"writer", "POST", path, strings.Replace(good, key, "UNOPE", 1), http.StatusBadRequest},
		{"writer", "POST", path, strings.Replace(good, "prober", "probe", 1), http.StatusBadRequest},
		{"writer", "POST", path, good, http.StatusOK},
		{"writer", "POST", path, good, http.StatusBadRequest}, // a key is one prober's
		{"reader", "DELETE", path + "/" + key, "", http.StatusForbidden},
		{"writer", "DELETE", path + "/UNOPE", "", http.StatusNotFound},
		{"writer", "DELETE", path + "/" + key, "", http.StatusOK},
		{"writer", "DELETE", path + "/" + key, "", http.StatusNotFound}, // it was ended
	} {
		req, err := http.NewRequestWithContext(t.Context(), x.method, "http://"+s.listen+x.path, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		if x.token != "" {
			req.Header.Set("Authorization", "Bearer "+x.token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != x.want {
			t.Errorf("%s %s %s by %q: got %d, want %d: %s", x.method, x.path, x.body, x.token, resp.StatusCode, x.want, body)
		}
	}
	s.commandsBy()
	s.stop()
}

// commandsBy lets the commands ask with a token of either scope, or none, and requires that who may not is told why.
func (s *site) commandsBy() {
	t, dir := s.t, s.t.TempDir()
	t.Helper()
	file := map[string]string{"reader": writeFile(t, dir, "reader", "reader"), "writer": writeFile(t, dir, "writer", "writer")}
	for _, x := range []struct {
		token, words string
		code         int
		says         string
	}{
		{"reader", "enroll --region tokyo --name p2 --out " + dir + "/no.creds", exitUnreachable, "scope write"},
		{"writer", "enroll --region tokyo --name p2 --out " + dir + "/p2.creds", exitFine, "The credentials of prober p2"},
		{"reader", "rotate --region tokyo --name p2 --out " + dir + "/no.creds", exitUnreachable, "scope write"},
		{"reader", "revoke --region tokyo --name p2", exitUnreachable, "scope write"},
		{"reader", "keys", exitFine, "p2"},
		{"reader", "status", exitFine, "p2"},
		{"", "status", exitUnreachable, "GAIKEI_TOKEN"},
		{"", "revoke --region tokyo --name p2", exitUnreachable, "GAIKEI_TOKEN"},
		{"writer", "revoke --region tokyo --name p2", exitFine, "is ended"},
	} {
		args := append([]string{"probers"}, strings.Fields(x.words)...)
		args = append(args, "--server", "http://"+s.listen)
		if x.token != "" {
			args = append(args, "--token-file", file[x.token])
		}
		code, out, errs := gaikei(t, args...)
		if code != x.code || !strings.Contains(out+errs, x.says) {
			t.Errorf("probers %s by %q: exit code %d, want %d and %q: %s%s", x.words, x.token, code, x.code, x.says, out, errs)
		}
	}
	if exists(dir + "/no.creds") {
		t.Error("credentials are there for a key that was not let in")
	}
	for _, path := range []string{"probers", "enrollments", "presence", "changes", "config", "transport"} {
		resp, err := http.Get("http://" + s.listen + "/api/v1/" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("GET /api/v1/%s without a token: got %d, want %d", path, resp.StatusCode, http.StatusUnauthorized)
		}
	}
}
