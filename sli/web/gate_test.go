package web

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"
)

// hashed is a password's hash that is quick to compare with.
func hashed(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func tokenOf(text string, scope Scope) Token {
	return Token{Name: text, Scope: scope, Hash: sha256.Sum256([]byte(text))}
}

// gated serves the routes there are and one that can be written to.
func gated(t *testing.T, c *Credentials, o GateOptions) (*httptest.Server, *Gate) {
	t.Helper()
	if c != nil {
		o.Credentials = func() *Credentials { return c }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	g := NewGate(o)
	m, catalog := scene()
	s := newServer(Options{Source: m, Catalog: func() []Check { return catalog }, Now: func() time.Time { return m.now }, Gate: g})
	routes := s.routes()
	routes["/api/v1/written"] = route{ScopeWrite, func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "done") }}
	h := s.serving(routes)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/by-local-socket/") {
			Local(http.StripPrefix("/by-local-socket", h)).ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server, g
}

func basic(user, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

// answered is what a request came to: the status, and what WWW-Authenticate asks for.
type answered struct {
	Status     int
	Challenges []string
}

func TestGate(t *testing.T) {
	users := map[string]string{"alice": hashed(t, "wonder")}
	tokens := []Token{tokenOf("looks", ScopeRead), tokenOf("changes", ScopeWrite)}
	const (
		basicAsked   = `Basic realm="Gaikei", charset="UTF-8"`
		bearerAsked  = `Bearer realm="Gaikei"`
		unknownToken = `Bearer realm="Gaikei", error="invalid_token"`
		moreScope    = `Bearer realm="Gaikei", error="insufficient_scope", scope="write"`
	)
	for _, side := range []struct {
		name string
		c    *Credentials
		rows string // method path shown → status challenges
		want []answered
	}{
		{"nothing is asked for", nil, `
			GET  /                        -
			GET  /metrics                 -
			GET  /api/v1/sli              Bearer whatever
			POST /api/v1/sli              -
			GET  /api/v1/written          -
			POST /api/v1/written          -
			POST /by-local-socket/api/v1/written -`, []answered{
			{200, nil}, {200, nil}, {200, nil}, {405, nil}, {200, nil}, {403, nil}, {200, nil},
		}},
		{"tokens", &Credentials{Bearer: true, Tokens: tokens}, `
			GET  /                        -
			GET  /nowhere                 -
			GET  /static/style.css        -
			GET  /metrics                 -
			GET  /api/v1/sli              -
			GET  /healthz                 -
			GET  /readyz                  Bearer wrong
			HEAD /healthz                 -
			POST /healthz                 -
			GET  /                        Bearer looks
			GET  /metrics                 bearer looks
			GET  /api/v1/sli              BEARER  changes
			HEAD /api/v1/sli              Bearer looks
			GET  /nowhere                 Bearer looks
			GET  /api/v1/sli              Bearer wrong
			GET  /api/v1/sli              Bearer look
			GET  /api/v1/sli              Bearer looks2
			GET  /api/v1/sli              Bearer
			GET  /api/v1/sli              looks
			GET  /api/v1/sli              Digest looks
			GET  /api/v1/sli              $alice
			POST /api/v1/sli              -
			POST /api/v1/sli              Bearer looks
			POST /api/v1/sli              Bearer changes
			GET  /api/v1/written          Bearer looks
			POST /api/v1/written          Bearer looks
			POST /api/v1/written          Bearer changes
			PUT  /api/v1/written          Bearer looks
			OPTIONS /api/v1/written       -
			GET  /by-local-socket/metrics -
			POST /by-local-socket/api/v1/written Bearer wrong
			GET  //api//v1/sli            -`, []answered{
			{401, []string{bearerAsked}},
			{401, []string{bearerAsked}},
			{401, []string{bearerAsked}},
			{401, []string{bearerAsked}},
			{401, []string{bearerAsked}},
			{200, nil},
			{200, nil},
			{200, nil},
			{405, nil},
			{200, nil},
			{200, nil},
			{200, nil},
			{200, nil},
			{404, nil},
			{401, []string{unknownToken}},
			{401, []string{unknownToken}},
			{401, []string{unknownToken}},
			{401, []string{unknownToken}},
			{401, []string{bearerAsked}},
			{401, []string{bearerAsked}},
			{401, []string{bearerAsked}},
			{401, []string{bearerAsked}},
			{405, nil},
			{405, nil},
			{200, nil},
			{403, []string{moreScope}},
			{200, nil},
			{403, []string{moreScope}},
			{401, []string{bearerAsked}},
			{200, nil},
			{200, nil},
			{401, []string{bearerAsked}},
		}},
		{"no token is left", &Credentials{Bearer: true}, `
			GET  /api/v1/sli              -
			GET  /api/v1/sli              Bearer looks
			GET  /api/v1/sli              Bearer`, []answered{
			{401, []string{bearerAsked}}, {401, []string{unknownToken}}, {401, []string{unknownToken}},
		}},
		{"users", &Credentials{Users: users}, `
			GET  /                        -
			GET  /                        $alice
			GET  /metrics                 $alice
			POST /api/v1/sli              $alice
			POST /api/v1/written          $alice
			GET  /                        $mallory
			GET  /                        $nobody
			GET  /                        Basic !!
			GET  /                        Bearer looks
			GET  /healthz                 -`, []answered{
			{401, []string{basicAsked}},
			{200, nil},
			{200, nil},
			{405, nil},
			{403, nil},
			{401, []string{basicAsked}},
			{401, []string{basicAsked}},
			{401, []string{basicAsked}},
			{401, []string{basicAsked}},
			{200, nil},
		}},
		{"both", &Credentials{Users: users, Bearer: true, Tokens: tokens}, `
			GET  /                        -
			GET  /                        $alice
			GET  /                        Bearer looks
			POST /api/v1/written          $alice
			POST /api/v1/written          Bearer changes
			GET  /                        $mallory`, []answered{
			{401, []string{basicAsked, bearerAsked}}, {200, nil}, {200, nil}, {403, []string{moreScope}}, {200, nil}, {401, []string{basicAsked, bearerAsked}},
		}},
		{"a certificate, and the connection has none", &Credentials{Certificate: true}, `
			GET  /                        -
			GET  /                        Bearer looks
			GET  /healthz                 -`, []answered{{401, nil}, {401, nil}, {200, nil}}},
	} {
		t.Run(side.name, func(t *testing.T) {
			server, _ := gated(t, side.c, GateOptions{})
			var got []answered
			rows := strings.Split(strings.TrimSpace(side.rows), "\n")
			for _, row := range rows {
				got = append(got, try(t, server.URL, strings.TrimSpace(row)))
			}
			for i, row := range rows {
				if d := cmp.Diff(side.want[i], got[i]); d != "" {
					t.Errorf("%s (-want +got):\n%s", strings.TrimSpace(row), d)
				}
			}
		})
	}
}

// try makes the request of a row: method, path, and what is shown.
func try(t *testing.T, server, row string) answered {
	t.Helper()
	words := strings.SplitN(row, " ", 2)
	rest := strings.SplitN(strings.TrimSpace(words[1]), " ", 2)
	req, err := http.NewRequestWithContext(t.Context(), words[0], server+rest[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	switch shown := strings.TrimSpace(rest[1]); shown {
	case "-":
	case "$alice":
		req.Header.Set("Authorization", basic("alice", "wonder"))
	case "$mallory":
		req.Header.Set("Authorization", basic("alice", "guess"))
	case "$nobody":
		req.Header.Set("Authorization", basic("nobody", "wonder"))
	default:
		req.Header.Set("Authorization", shown)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if refused := resp.StatusCode == 401 || resp.StatusCode == 403; refused && words[0] != "HEAD" {
		isProblem := resp.Header.Get("Content-Type") == "application/problem+json" && strings.Contains(string(body), fmt.Sprintf(`"status":%d,"detail":"`, resp.StatusCode))
		if strings.HasPrefix(rest[0], "/api/") != isProblem {
			t.Errorf("%s: got %s %s, want a problem under /api/ and only there", row, resp.Header.Get("Content-Type"), body)
		}
	}
	return answered{resp.StatusCode, resp.Header.Values("WWW-Authenticate")}
}

// TestGateTakesOneHeader: of two, each could be meant, and a proxy and we might each look at another one.
func TestGateTakesOneHeader(t *testing.T) {
	server, g := gated(t, &Credentials{Bearer: true, Tokens: []Token{tokenOf("looks", ScopeRead)}}, GateOptions{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/sli", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"] = []string{"Bearer looks", "Bearer looks"}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized || g.denied[DeniedScheme].count != 1 {
		t.Errorf("two headers: status %d, %+v; want 401 for the scheme", resp.StatusCode, g.denied)
	}
}

// TestDenialsAreCounted: every reason is there at 0 before anything happens.
func TestDenialsAreCounted(t *testing.T) {
	server, g := gated(t, &Credentials{
		Bearer: true, Tokens: []Token{tokenOf("looks", ScopeRead)}, Users: map[string]string{"alice": hashed(t, "wonder")},
	}, GateOptions{})
	want := map[string]float64{"missing": 0, "scheme": 0, "token": 0, "password": 0, "certificate": 0, "handshake": 0, "scope": 0}
	if d := cmp.Diff(want, scraped(t, g)); d != "" {
		t.Errorf("at birth (-want +got):\n%s", d)
	}
	for _, row := range []string{
		"GET / -", "GET /metrics -", "GET / Bearer wrong", "GET / $mallory", "GET / $nobody", "GET / Digest x", "POST /api/v1/written Bearer looks",
		"GET / $alice", "GET / Bearer looks", "GET /healthz -",
	} {
		try(t, server.URL, row)
	}
	g.Deny(DeniedCertificate, "192.0.2.1:1", "no certificate")
	g.Deny(DeniedHandshake, "192.0.2.1:1", "EOF")
	want = map[string]float64{"missing": 2, "scheme": 1, "token": 1, "password": 2, "certificate": 1, "handshake": 1, "scope": 1}
	if d := cmp.Diff(want, scraped(t, g)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// scraped returns the denials by reason as Prometheus gets them.
func scraped(t *testing.T, g *Gate) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(g)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "gaikei_http_auth_failures_total" {
			t.Errorf("a metric is called %s", f.GetName())
		}
		for _, m := range f.GetMetric() {
			got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return got
}

// TestDenialsAreLoggedOnceAMinute: the first of each reason at once, then one a minute that says how many it stands for.
func TestDenialsAreLoggedOnceAMinute(t *testing.T) {
	var log bytes.Buffer
	now := noon
	g := NewGate(GateOptions{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
		Now: func() time.Time { return now },
	})
	for range 5 {
		g.Deny(DeniedToken, "192.0.2.1:1", "GET /")
	}
	g.Deny(DeniedPassword, "192.0.2.2:2", "GET /")
	now = now.Add(logEvery - 1)
	g.Deny(DeniedToken, "192.0.2.1:1", "GET /")
	now = now.Add(1)
	g.Deny(DeniedToken, "192.0.2.3:3", "GET /")
	g.Deny(DeniedToken, "192.0.2.1:1", "GET /")
	now = now.Add(2 * logEvery)
	g.Deny(DeniedToken, "192.0.2.4:4", "GET /")
	want := `level=WARN msg="not let in" reason=token from=192.0.2.1:1 asked="GET /" more_since_last_told=0
level=WARN msg="not let in" reason=password from=192.0.2.2:2 asked="GET /" more_since_last_told=0
level=WARN msg="not let in" reason=token from=192.0.2.3:3 asked="GET /" more_since_last_told=5
level=WARN msg="not let in" reason=token from=192.0.2.4:4 asked="GET /" more_since_last_told=1
`
	if d := cmp.Diff(want, log.String()); d != "" {
		t.Errorf("log (-want +got):\n%s", d)
	}
}

// TestPasswords: what matched is remembered until the hash is another one, and what did not is not.
func TestPasswords(t *testing.T) {
	p := newPasswords()
	first, second := hashed(t, "wonder"), hashed(t, "other")
	users := map[string]string{"alice": first}
	for _, row := range []struct {
		users map[string]string
		given login
		want  bool
		known int // matches remembered afterwards
	}{
		{users, login{"alice", "guess"}, false, 0},
		{users, login{"bob", "wonder"}, false, 0},
		{users, login{"alice", "wonder"}, true, 1},
		{users, login{"alice", "wonder"}, true, 1},
		{users, login{"bob", "wonder"}, false, 1},
		{map[string]string{"alice": second}, login{"alice", "wonder"}, false, 1},
		{map[string]string{"alice": second}, login{"alice", "other"}, true, 2},
		{map[string]string{}, login{"alice", "other"}, false, 2},
		{users, login{"alice", ""}, false, 2},
	} {
		if got := p.match(t.Context(), row.users, row.given); got != row.want || len(p.matched) != row.known {
			t.Errorf("%+v: got %v and %d remembered, want %v and %d", row.given, got, len(p.matched), row.want, row.known)
		}
	}
	for d := range p.matched {
		if bytes.Contains(d[:], []byte("wonder")) {
			t.Error("a password is in memory")
		}
	}
	for i := range 2 * maxMatched {
		p.remember(p.digest(fmt.Sprint(i), login{}))
	}
	if len(p.matched) > maxMatched {
		t.Errorf("%d remembered, want at most %d", len(p.matched), maxMatched)
	}
}

// TestUnknownUserCostsAsMuch: the hash that an unknown name is compared with is as expensive as any.
func TestUnknownUserCostsAsMuch(t *testing.T) {
	cheap, dear := hashed(t, "a"), "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
	if got := costliest(map[string]string{"a": cheap, "b": dear, "c": cheap}); got != dear {
		t.Errorf("got %s, want %s", got, dear)
	}
}

// TestHeadersOfTheWebConfiguration replace ours, also in a refusal.
func TestHeadersOfTheWebConfiguration(t *testing.T) {
	server, _ := gated(t, &Credentials{Bearer: true, Headers: map[string]string{"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=60"}}, GateOptions{})
	for _, path := range []string{"/", "/healthz"} {
		resp, _ := ask(t, http.MethodGet, server.URL+path)
		got := []string{resp.Header.Get("X-Frame-Options"), resp.Header.Get("Strict-Transport-Security"), resp.Header.Get("X-Content-Type-Options")}
		if d := cmp.Diff([]string{"sameorigin", "max-age=60", "nosniff"}, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
}

// TestEveryRouteDeclaresItsScope: what needs none is health and nothing else.
func TestEveryRouteDeclaresItsScope(t *testing.T) {
	open := map[string]bool{}
	for path, rt := range newServer(Options{Source: newMemory()}).routes() {
		if rt.scope == ScopeNone {
			open[path] = true
		}
	}
	if d := cmp.Diff(map[string]bool{"/healthz": true, "/readyz": true}, open); d != "" {
		t.Errorf("routes without a scope (-want +got):\n%s", d)
	}
}

// TestWhatIsNoRouteIsForReaders: a stranger is not even told that there is nothing.
func TestWhatIsNoRouteIsForReaders(t *testing.T) {
	g := NewGate(GateOptions{Credentials: func() *Credentials { return &Credentials{Bearer: true} }})
	s := newServer(Options{Source: newMemory(), Gate: g})
	w := httptest.NewRecorder()
	s.serving(map[string]route{"/here": reads(s.healthz)}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/elsewhere", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", w.Code)
	}
}
