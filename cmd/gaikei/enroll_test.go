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
	s.stop()
}
