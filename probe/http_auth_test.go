package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAuth(t *testing.T) {
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if ok && user == "joe" && password == "pass:word" || r.Header.Get("Authorization") == "Bearer t0k3n" {
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	w := &World{Secret: secretsOf(map[string]string{"GAIKEI_SECRET_P": "pass:word", "GAIKEI_SECRET_T": "t0k3n", "GAIKEI_SECRET_LINE": "a\nb", "GAIKEI_SECRET_COLON": "a:b"})}
	ref := func(name string) Template { return template(t, "${env:GAIKEI_SECRET_"+name+"}") }
	tests := []struct {
		name string
		auth Auth
		want Reason
	}{
		{"basic", Auth{Basic: &BasicAuth{Literal("joe"), ref("P")}}, ReasonNone},
		{"basic, wrong", Auth{Basic: &BasicAuth{Literal("joe"), Literal("x")}}, Status},
		{"basic, no such secret", Auth{Basic: &BasicAuth{Literal("joe"), ref("GONE")}}, Secret},
		{"basic, a colon in the user", Auth{Basic: &BasicAuth{ref("COLON"), ref("P")}}, Secret},
		{"bearer", Auth{Bearer: ref("T")}, ReasonNone},
		{"bearer, wrong", Auth{Bearer: ref("P")}, Status},
		{"bearer, no such secret", Auth{Bearer: ref("GONE")}, Secret},
		{"bearer, a line end in it", Auth{Bearer: ref("LINE")}, Secret},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := attempt(t, &HTTP{URL: base, Auth: &tt.auth}, w, patience(tt.want))
			wantReason(t, &a, tt.want)
		})
	}
}

// A tokenServer gives out tokens, each once, and counts them.
type tokenServer struct {
	url   string
	given atomic.Int64
	life  int // seconds; 0: not told
}

func newTokenServer(t *testing.T, life int) *tokenServer {
	s := &tokenServer{life: life}
	s.url = web(t, func(w http.ResponseWriter, r *http.Request) {
		id, secret, ok := r.BasicAuth()
		if !ok {
			id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
		}
		if r.FormValue("grant_type") != "client_credentials" || id != "gaikei" || secret != "s3cr3t" || r.FormValue("scope") != "read write" || r.FormValue("audience") != "shop" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"who are you?"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":%d}`, s.given.Add(1), s.life)
	})
	return s
}

func (s *tokenServer) auth(t *testing.T) *Auth {
	return &Auth{OAuth2: &OAuth2{
		TokenURL: s.url, ClientID: Literal("gaikei"), ClientSecret: template(t, "${env:GAIKEI_SECRET_C}"),
		Scopes: []string{"read", "write"}, Params: map[string]Template{"audience": Literal("shop")},
	}}
}

func tokenWorld() *World {
	return &World{Verbose: true, Secret: secretsOf(map[string]string{"GAIKEI_SECRET_C": "s3cr3t", "GAIKEI_SECRET_WRONG": "wr0ng"})}
}

// TestOAuth2: a token is fetched once, in both styles, and used by all attempts until it expires.
func TestOAuth2(t *testing.T) {
	var seen atomic.Value
	base := web(t, func(_ http.ResponseWriter, r *http.Request) { seen.Store(r.Header.Get("Authorization")) })
	for _, style := range []OAuth2Style{OAuth2Header, OAuth2Params} {
		s := newTokenServer(t, 3600)
		h := &HTTP{URL: base, Auth: s.auth(t)}
		h.Auth.OAuth2.AuthStyle = style
		if ps := h.Validate(); ps != nil {
			t.Fatal(ps)
		}
		for range 3 {
			a := h.Attempt(t.Context(), tokenWorld())
			wantReason(t, &a, ReasonNone)
			if text := fmt.Sprintf("%+v", a); strings.Contains(text, "s3cr3t") || strings.Contains(text, "token-") {
				t.Errorf("a secret is in the attempt: %s", text)
			}
		}
		if got := seen.Load(); got != "Bearer token-1" || s.given.Load() != 1 {
			t.Errorf("%s: %d tokens were given, the last shown was %q; want one", style, s.given.Load(), got)
		}
	}
}

// TestOAuth2Shares: attempts at the same time wait for one token.
func TestOAuth2Shares(t *testing.T) {
	s := newTokenServer(t, 3600)
	h := &HTTP{URL: web(t, func(http.ResponseWriter, *http.Request) {}), Auth: s.auth(t)}
	if ps := h.Validate(); ps != nil {
		t.Fatal(ps)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a := h.Attempt(t.Context(), tokenWorld())
			wantReason(t, &a, ReasonNone)
		})
	}
	wg.Wait()
	if got := s.given.Load(); got != 1 {
		t.Errorf("tokens given -want +got:\n- 1\n+ %d", got)
	}
}

// TestOAuth2Renews: a token that expired, or that the target refuses, is fetched anew; a fresh one that is refused is not.
func TestOAuth2Renews(t *testing.T) {
	now, slow := newTokenServer(t, 1), newTokenServer(t, 3600)
	var good atomic.Value
	good.Store("Bearer token-1")
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != good.Load() {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	h := &HTTP{URL: base, Auth: now.auth(t)}
	a := attempt(t, h, tokenWorld(), patience(ReasonNone))
	wantReason(t, &a, ReasonNone)
	h.ready.tokens.last.good = time.Now() // as if its time were up
	a = h.Attempt(t.Context(), tokenWorld())
	if now.given.Load() != 2 || a.Reason != Status {
		t.Errorf("%d tokens and %s, want 2 and status", now.given.Load(), a.Reason)
	}

	h = &HTTP{URL: base, Auth: slow.auth(t)}
	a = attempt(t, h, tokenWorld(), patience(ReasonNone))
	wantReason(t, &a, ReasonNone)
	good.Store("Bearer token-3") // what is kept was revoked, and the next one is no good either
	for i, want := range []struct {
		reason Reason
		given  int64
	}{{Status, 1}, {Status, 2}, {Status, 2}, {ReasonNone, 3}} {
		a := h.Attempt(t.Context(), tokenWorld())
		if a.Reason != want.reason || slow.given.Load() != want.given {
			t.Errorf("attempt %d: %s and %d tokens, want %s and %d", i, a.Reason, slow.given.Load(), want.reason, want.given)
		}
	}
}

// hostileTokens are servers of tokens that misbehave.
func hostileTokens() map[string]func(net.Conn) {
	redirects := says("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")
	json := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	return map[string]func(net.Conn){
		"accepts and is silent":   func(net.Conn) {},
		"hangs up":                func(c net.Conn) { c.Close() },
		"stalls in the body":      saysAndHangs(json + "Content-Length: 100\r\n\r\n{"),
		"one byte at a time":      drips(json+"\r\n", " "),
		"never-ending body":       floods(json+"\r\n", "{\"a\":"),
		"never-ending header":     floods(ok200, "X-More: and more\r\n"),
		"no JSON":                 says(json + "Content-Length: 2\r\n\r\nno"),
		"no token":                says(json + "Content-Length: 2\r\n\r\n{}"),
		"an error":                says("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"),
		"redirects":               redirects,
		"a token of two lines":    says(json + "Content-Length: 26\r\n\r\n{\"access_token\":\"a\\r\\nb: c\"}"),
		"a token of many KiB":     says(json + "Connection: close\r\n\r\n{\"access_token\":\"" + strings.Repeat("x", 32<<10) + "\"}"),
		"speaks something else":   says("220 mail.example.com\r\n"),
		"switches protocols":      says("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
		"a type that is too long": says(json + "Connection: close\r\n\r\n{\"access_token\":\"a\",\"token_type\":\"" + strings.Repeat("x", 32<<10) + "\"}"),
	}
}

const patienceWithTokens = 600 * time.Millisecond

// authorized is a check that needs a token.
func authorized(t testing.TB, base, tokens string) Kind {
	return &HTTP{URL: base, Auth: &Auth{OAuth2: &OAuth2{TokenURL: tokens, ClientID: Literal("gaikei"), ClientSecret: template(t, "${env:GAIKEI_SECRET_C}")}}}
}

// TestOAuth2ServerDown: whatever its server of tokens does, the target is not down.
func TestOAuth2ServerDown(t *testing.T) {
	asked := false
	base := web(t, func(http.ResponseWriter, *http.Request) { asked = true })
	check := func(t *testing.T, url string, w *World) {
		a := attempt(t, authorized(t, base, url), w, patienceWithTokens)
		wantReason(t, &a, Secret)
		for _, e := range []Expectation{{}, {Unreachable: true}} {
			if v := Judge(e, &a, Vouched); v.Outcome != Inconclusive {
				t.Errorf("%s: outcome -want +got:\n- %s\n+ %s", e, Inconclusive, v.Outcome)
			}
		}
		if text := fmt.Sprintf("%+v", a); strings.Contains(text, "s3cr3t") || a.Detail.Error == "" {
			t.Errorf("want an error without the secret, got %s", text)
		}
		if len(a.Spans) > 0 || a.Latency != 0 {
			t.Errorf("waiting for a token is %v of latency in %d phases, want none", a.Latency, len(a.Spans))
		}
	}
	for name, f := range hostileTokens() {
		t.Run(name, func(t *testing.T) { t.Parallel(); check(t, "http://"+serve(t, f)+"/token", tokenWorld()) })
	}
	t.Run("refused", func(t *testing.T) { check(t, "http://"+closedPort(t), tokenWorld()) })
	t.Run("cloud metadata", func(t *testing.T) { check(t, "http://169.254.169.254/token", tokenWorld()) })
	t.Run("no secret", func(t *testing.T) { check(t, "http://127.0.0.1:1/", &World{}) })
	t.Run("wrong secret", func(t *testing.T) { check(t, newTokenServer(t, 0).url, tokenWorld()) })
	t.Cleanup(func() {
		if asked {
			t.Error("the target was asked without a token")
		}
	})
}

// TestOAuth2Slow: the time that a token took is not there for the target, whose silence then proves nothing; with a token that is
// there already it does.
func TestOAuth2Slow(t *testing.T) {
	release := make(chan struct{})
	tokens := web(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"x","expires_in":3600}`)
	})
	silent := "http://" + serve(t, readRequest)
	h := &HTTP{URL: silent, Auth: &Auth{OAuth2: &OAuth2{TokenURL: tokens, ClientID: Literal("a")}}}
	time.AfterFunc(200*time.Millisecond, func() { close(release) })
	a := attempt(t, h, &World{}, 800*time.Millisecond)
	wantReason(t, &a, Secret)
	if a.Waited < 150*time.Millisecond || a.Latency == 0 {
		t.Errorf("waited %v and measured %v, want 200ms and the rest", a.Waited, a.Latency)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	a = h.Attempt(ctx, &World{})
	wantReason(t, &a, ResponseTimeout)
}

// TestWaitingIsLag: in a result, waiting for a token is start lag and no latency, and a slot that began too late for it is missed.
func TestWaitingIsLag(t *testing.T) {
	for _, tt := range []struct {
		name   string
		waited time.Duration
		want   Outcome
	}{{"a little", 300 * time.Millisecond, Up}, {"too long", 2 * time.Second, Missed}} {
		k := &fake{target: host("192.0.2.1"), do: func(context.Context) Attempt {
			return Attempt{Waited: tt.waited, Latency: 5 * time.Millisecond, Answered: true}
		}}
		l := NewLooker(nil, NewControls(ControlOptions{None: true}), "tokyo")
		slot := time.Now().UnixMilli()
		r, e := l.Look(t.Context(), &Check{ID: "a", Kind: k, Interval: 4 * time.Second, Timeout: time.Second}, slot)
		if r.Outcome != tt.want || r.Lag < tt.waited {
			t.Errorf("%s: %s with a lag of %v, want %s and over %v", tt.name, r.Outcome, r.Lag, tt.want, tt.waited)
		}
		if e.Latency > 100*time.Millisecond {
			t.Errorf("%s: latency %v, want 5ms", tt.name, e.Latency)
		}
	}
}
