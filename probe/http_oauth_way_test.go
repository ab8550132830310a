package probe

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A tokenBench is a proxyBench beside a server of tokens over TLS that wants a client's certificate.
type tokenBench struct {
	*proxyBench
	cert, key string // of the client, PEM
	asked     atomic.Int64
	target    string
}

func newTokenBench(t *testing.T) *tokenBench {
	b := &tokenBench{proxyBench: newProxyBench(t)}
	give := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"token-1%s"}`, r.Header.Get("Proxy-Authorization")) // which is for the proxy alone
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(give))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{b.ca.issue(t, "login.example", -1, 30)}, ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	b.hosts["login.example:443"], b.hosts["login.example:80"] = s.Listener.Addr().String(), hostOf(web(t, give))
	client := b.ca.issue(t, "gaikei", -1, 30)
	key, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	b.cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client.Certificate[0]}))
	b.key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	b.target = web(t, func(w http.ResponseWriter, r *http.Request) {
		b.asked.Add(1)
		if r.Header.Get("Authorization") != "Bearer token-1" {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	return b
}

func (b *tokenBench) world() *World {
	w := leading(map[string]string{"192.0.2.7:443": b.hosts["login.example:443"]})
	w.Secret = secretsOf(map[string]string{"GAIKEI_SECRET_P": "pa:ss", "GAIKEI_SECRET_KEY": b.key, "GAIKEI_SECRET_C": "s3cr3t"})
	return w
}

// TestOAuth2Way: a token comes through proxies, over TLS of one's own, and what goes wrong there is never the target's.
func TestOAuth2Way(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	secure, socks := b.secureProxy(t), serve(t, socksServer(b.hosts, "joe:pa:ss", 4))
	login := func() TLS {
		return TLS{CA: b.ca.pem, Cert: Literal(b.cert), Key: template(t, "${env:GAIKEI_SECRET_KEY}")}
	}
	joe := func(url string) *Proxy {
		return &Proxy{URL: url, Username: Literal("joe"), Password: template(t, "${env:GAIKEI_SECRET_P}")}
	}
	skip := login()
	skip.CA, skip.SkipVerify = "", true
	bare := TLS{CA: b.ca.pem}
	other := login()
	other.CA = newAuthority(t).pem
	named := login()
	named.ServerName = "login.example"
	tests := []struct {
		name  string
		url   string
		tls   TLS
		proxy *Proxy
		error string // in what is said; empty: there is a token
		seen  string // by the HTTP proxy
	}{
		{"no proxy", "https://192.0.2.7/token", named, nil, "", ""},
		{"tunnelled", "https://login.example/token", login(), &Proxy{URL: "http://" + b.http}, "", "CONNECT login.example:443"},
		{"tunnelled, with credentials", "https://login.example/token", login(), joe("http://" + b.guarded), "", "CONNECT login.example:443"},
		{"forwarded, with credentials", "http://login.example/token", TLS{}, joe("http://" + b.guarded), "", "POST http://login.example/token"},
		{"an https proxy", "http://login.example/token", TLS{}, &Proxy{URL: "https://localhost:" + secure[strings.LastIndexByte(secure, ':')+1:], CA: b.ca.pem}, "", "POST http://login.example/token"},
		{"socks5", "https://login.example/token", login(), joe("socks5://" + socks), "", ""},
		{"skip verify", "https://login.example/token", skip, &Proxy{URL: "http://" + b.http}, "", "CONNECT login.example:443"},
		{"an unknown authority", "https://login.example/token", other, &Proxy{URL: "http://" + b.http}, "unknown authority", "CONNECT login.example:443"},
		{"no certificate of the client", "https://login.example/token", bare, &Proxy{URL: "http://" + b.http}, "certificate required", "CONNECT login.example:443"},
		{"wrong credentials", "https://login.example/token", login(), &Proxy{URL: "http://" + b.guarded}, "407", "CONNECT login.example:443"},
		{"wrong credentials, forwarded", "http://login.example/token", TLS{}, &Proxy{URL: "http://" + b.guarded}, "407", "POST http://login.example/token"},
		{"the proxy knows no such host", "https://gone.example.org/", login(), &Proxy{URL: "http://" + b.http}, "does not connect to gone.example.org:443: 403", "CONNECT gone.example.org:443"},
		{"the proxy is down", "https://login.example/token", login(), &Proxy{URL: "http://" + closedPort(t)}, "connection refused", ""},
		{"the proxy is in forbidden space", "https://login.example/token", login(), &Proxy{URL: "http://169.254.169.254"}, "169.254.169.254", ""},
		{"the server is in forbidden space", "http://169.254.169.254/token", TLS{}, &Proxy{URL: "http://" + b.http}, "169.254.169.254", ""},
		{"a secret of the proxy is missing", "https://login.example/token", login(), &Proxy{URL: "http://" + b.http, Username: template(t, "${env:GAIKEI_SECRET_GONE}")}, "auth.oauth2", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := b.asked.Load()
			o := &OAuth2{TokenURL: tt.url, ClientID: Literal("gaikei"), ClientSecret: template(t, "${env:GAIKEI_SECRET_C}"), TLS: tt.tls, Proxy: tt.proxy}
			h := &HTTP{URL: b.target, Auth: &Auth{OAuth2: o}}
			a := attempt(t, h, b.world(), 20*time.Second)
			want, asked := ReasonNone, int64(1)
			if tt.error != "" {
				want, asked = Secret, 0
			}
			wantReason(t, &a, want)
			if !strings.Contains(a.Detail.Error, tt.error) || b.asked.Load()-before != asked || a.Via != "" {
				t.Errorf("error %q, want %q in it; the target was asked %d times through %q", a.Detail.Error, tt.error, b.asked.Load()-before, a.Via)
			}
			var seen []string
			for len(b.seen) > 0 {
				seen = append(seen, <-b.seen)
			}
			if got := strings.Join(seen, ","); got != tt.seen {
				t.Errorf("at the proxy -want +got:\n- %s\n+ %s", tt.seen, got)
			}
			if text := fmt.Sprintf("%+v", a); strings.Contains(text, "pa:ss") || strings.Contains(text, "s3cr3t") || strings.Contains(text, "token-1") {
				t.Errorf("a secret is in the attempt: %s", text)
			}
		})
	}
}

// TestOAuth2HostileProxy: whatever a proxy for tokens does, the attempt ends in time, and the target is not down.
func TestOAuth2HostileProxy(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]string{"stalls": "", "hangs up": "x", "never-ending header": "HTTP/1.1 200 OK\r\n"} {
		serves := floods(f, "X-More: and more\r\n")
		switch name {
		case "stalls":
			serves = saysAndHangs("HTTP/1.1 200")
		case "hangs up":
			serves = hangsUp
		}
		for _, url := range []string{"https://login.example/", "http://login.example/"} {
			t.Run(name+" "+url, func(t *testing.T) {
				t.Parallel()
				o := &OAuth2{TokenURL: url, ClientID: Literal("gaikei"), Proxy: &Proxy{URL: "http://" + serve(t, serves)}}
				a := attempt(t, &HTTP{URL: "http://127.0.0.1:1/", Auth: &Auth{OAuth2: o}}, &World{Verbose: true}, 600*time.Millisecond)
				wantReason(t, &a, Secret)
				if v := Judge(Expectation{}, &a, Vouched); v.Outcome != Inconclusive || len(a.Spans) > 0 {
					t.Errorf("outcome %s in %d phases, want inconclusive in none", v.Outcome, len(a.Spans))
				}
			})
		}
	}
}

func TestValidateOAuth2Way(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t).pem
	tests := []struct {
		o    OAuth2
		want string
	}{
		{OAuth2{TokenURL: "https://login.example/", CA: ca, TLS: TLS{CA: ca}}, "auth.oauth2.ca: found tls.ca as well"},
		{OAuth2{TokenURL: "https://login.example/", CA: "x"}, "auth.oauth2.ca: found no certificate"},
		{OAuth2{TokenURL: "https://login.example/", TLS: TLS{CA: "x"}}, "auth.oauth2.tls.ca: found no certificate"},
		{OAuth2{TokenURL: "https://login.example/", CA: ca, TLS: TLS{SkipVerify: true}}, "auth.oauth2.tls.insecure_skip_verify: found true together with ca"},
		{OAuth2{TokenURL: "https://login.example/", TLS: TLS{MinDaysLeft: 3}}, "auth.oauth2.tls: the days left"},
		{OAuth2{TokenURL: "http://login.example/", TLS: TLS{SkipVerify: true}}, "auth.oauth2.tls: token_url is http"},
		{OAuth2{TokenURL: "https://login.example/", TLS: TLS{Cert: Literal("x")}}, "auth.oauth2.tls.key: found a certificate without its key"},
		{OAuth2{TokenURL: "https://login.example/", Proxy: &Proxy{URL: "ftp://x"}}, "auth.oauth2.proxy.url: found"},
		{OAuth2{TokenURL: "https://login.example/", Proxy: &Proxy{URL: "from_environment", CA: ca}}, "auth.oauth2.proxy: from_environment"},
		{OAuth2{TokenURL: "https://login.example/", Proxy: &Proxy{URL: "from_environment"}}, ""},
	}
	for _, tt := range tests {
		tt.o.ClientID = Literal("gaikei")
		var got []string
		for _, p := range (&HTTP{URL: "http://shop.example/", Auth: &Auth{OAuth2: &tt.o}}).Validate() {
			got = append(got, p.Field+": "+p.Message)
		}
		if text := strings.Join(got, "\n"); !strings.HasPrefix(text, tt.want) || (tt.want == "") != (text == "") || len(got) > 1 {
			t.Errorf("-want +got:\n- %s\n+ %s", tt.want, text)
		}
	}
}
