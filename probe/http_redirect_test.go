package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// leading is a world in which addresses lead to others: there are many hosts, and all are on loopback.
func leading(to map[string]string) *World {
	return &World{Verbose: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if other, ok := to[address]; ok {
			address = other
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
}

// away is the address of another host, in the worlds of these tests.
const away = "192.0.2.7:80"

func hostOf(url string) string {
	return strings.TrimPrefix(strings.TrimPrefix(url, "http://"), "https://")
}

// secretsOf gives out secrets by their names.
func secretsOf(m map[string]string) func(string, string) (string, error) {
	return func(_, name string) (string, error) {
		if s, ok := m[name]; ok {
			return s, nil
		}
		return "", fmt.Errorf("%s is not set", name)
	}
}

func TestRedirectsWithinHost(t *testing.T) {
	other := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "elsewhere") })
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "http://"+away+"/", http.StatusFound)
		case "/port": // another server, on the same host
			http.Redirect(w, r, other, http.StatusFound)
		}
	})
	w := leading(map[string]string{away: hostOf(other)})
	tests := []struct {
		name, path string
		within     bool
		want       Reason
	}{
		{"away, allowed", "/away", false, ReasonNone},
		{"away, within the host", "/away", true, Redirect},
		{"another port, within the host", "/port", true, ReasonNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &HTTP{URL: base + tt.path, Redirects: &Redirects{Max: 3, WithinHost: tt.within}}
			if tt.want == ReasonNone {
				h.Body.Contains = []string{"elsewhere"}
			}
			a := attempt(t, h, w, patience(tt.want))
			wantReason(t, &a, tt.want)
			if !a.Answered {
				t.Error("the target answered with a redirect, and is not said to have")
			}
		})
	}
}

func TestCookiesWithinAnAttempt(t *testing.T) {
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "s3"})
			http.Redirect(w, r, "/in", http.StatusSeeOther)
			return
		}
		fmt.Fprintf(w, "cookies: %s", r.Header.Get("Cookie"))
	})
	for _, asked := range []bool{false, true} {
		h := &HTTP{URL: base + "/", Redirects: &Redirects{Max: 2, Cookies: asked}, Body: BodyMatch{Contains: []string{"session=s3"}}}
		want := Body
		if asked {
			want = ReasonNone
		}
		for range 2 { // what the first attempt was given the second does not have
			a := look(t, h)
			wantReason(t, &a, want)
		}
	}
}

// TestCookieFlood: a target that sets cookies without end is sent a bounded number of them.
func TestCookieFlood(t *testing.T) {
	longest := 0
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		longest = max(longest, len(r.Header.Get("Cookie")))
		for i := range 40 {
			http.SetCookie(w, &http.Cookie{Name: fmt.Sprintf("c%s-%d", r.URL.Path[1:], i), Value: strings.Repeat("x", 1000)})
		}
		http.SetCookie(w, &http.Cookie{Name: "huge", Value: strings.Repeat("y", 8000)})
		http.Redirect(w, r, r.URL.Path+"1", http.StatusFound)
	})
	a := look(t, &HTTP{URL: base + "/1", Redirects: &Redirects{Max: 5, Cookies: true}})
	wantReason(t, &a, Redirect)
	if longest < 60*1000 || longest > maxCookies*1100 {
		t.Errorf("cookies of %d bytes were sent, want 64 of a thousand", longest)
	}
}

// TestCredentialsStay: what shows who we are does not follow to another host, nor to another port of it.
func TestCredentialsStay(t *testing.T) {
	const secret = "hunter2hunter2"
	shown := make(chan string, 10)
	other := web(t, func(_ http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Authorization") + r.Header.Get("Cookie") + r.Header.Get("X-Api-Key")
	})
	var to string
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		case "/again":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		default:
			shown <- r.Header.Get("Authorization") + r.Header.Get("Cookie") + r.Header.Get("X-Api-Key")
		}
	})
	w := leading(map[string]string{away: hostOf(other)})
	w.Secret = secretsOf(map[string]string{"GAIKEI_SECRET_X": secret})
	reference := template(t, "${env:GAIKEI_SECRET_X}")
	kinds := map[string]HTTP{
		"basic":   {Auth: &Auth{Basic: &BasicAuth{Username: Literal("joe"), Password: reference}}},
		"bearer":  {Auth: &Auth{Bearer: reference}},
		"plain":   {Auth: &Auth{Bearer: Literal(secret)}},
		"cookie":  {Headers: map[string][]Template{"Cookie": {Literal("a=" + secret)}}},
		"api key": {Headers: map[string][]Template{"X-Api-Key": {Literal(secret)}}},
	}
	for name, h := range kinds {
		t.Run(name, func(t *testing.T) {
			for path, where := range map[string]string{"/again": "", "/away": "http://" + away, "/away?port": other} {
				to = where
				h := h
				h.URL = base + path
				a := attempt(t, &h, w, patience(ReasonNone))
				wantReason(t, &a, ReasonNone)
				if got := <-shown; (got != "") != (where == "") {
					t.Errorf("%s: at the end there was %q", path, got)
				}
				if text := fmt.Sprintf("%+v", a.Detail); strings.Contains(text, secret) {
					t.Errorf("the secret is in the evidence: %s", text)
				}
			}
		})
	}
}
