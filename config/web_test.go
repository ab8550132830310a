package config

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const aHash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"

// everyWebKey has every key of the exporter toolkit's format that is taken here, none with its default.
const everyWebKey = `tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: clients.crt
  client_allowed_sans: [grafana.example.com, 192.0.2.1]
  min_version: TLS13
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [X25519, CurveP256]
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: default-src 'self'
    X-Frame-Options: sameorigin
    X-Content-Type-Options: nosniff
    X-XSS-Protection: "0"
    Strict-Transport-Security: max-age=3600
basic_auth_users:
  alice: ` + aHash + "\n"

func TestWeb(t *testing.T) {
	got, err := ParseWeb("web.yaml", []byte(everyWebKey))
	if err != nil {
		t.Fatal(err)
	}
	want := &Web{
		TLS: &WebTLS{
			CertFile: "server.crt", KeyFile: "server.key", ClientCAFile: "clients.crt",
			ClientAuth: ClientAuth(tls.RequireAndVerifyClientCert), AllowedSANs: []string{"grafana.example.com", "192.0.2.1"},
			MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS13,
			Ciphers: []TLSCipher{TLSCipher(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)},
			Curves:  []TLSCurve{TLSCurve(tls.X25519), TLSCurve(tls.CurveP256)},
		},
		HTTP: WebHTTP{Headers: map[string]string{
			"Content-Security-Policy": "default-src 'self'", "X-Frame-Options": "sameorigin", "X-Content-Type-Options": "nosniff",
			"X-XSS-Protection": "0", "Strict-Transport-Security": "max-age=3600",
		}},
		Users: map[string]PasswordHash{"alice": aHash},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if !got.TLS.Mutual() || want.Users["alice"].Cost() != 10 {
		t.Errorf("mutual TLS %v, cost %d; want true, 10", got.TLS.Mutual(), want.Users["alice"].Cost())
	}
}

// TestWebDefaults: what is left out is as in the toolkit.
func TestWebDefaults(t *testing.T) {
	got, err := ParseWeb("web.yaml", []byte("tls_server_config: {cert: C, key: K}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Web{
		TLS:  &WebTLS{Cert: "C", Key: "K", MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13, PreferServerCiphers: true},
		HTTP: WebHTTP{HTTP2: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got, err = ParseWeb("web.yaml", []byte("basic_auth_users: {}\n")); err != nil || got.TLS != nil || got.TLS.Mutual() {
		t.Errorf("without TLS: %+v, %v; want plain HTTP", got, err)
	}
}

// TestWebIsTheToolkits shows our examples to the toolkit itself, which promtool has inside.
func TestWebIsTheToolkits(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no promtool")
	}
	example, err := os.ReadFile("../deploy/examples/web-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Replace(everyWebKey, "  client_allowed_sans: [grafana.example.com, 192.0.2.1]\n", "", 1) // newer than Debian's
	for name, text := range map[string]string{"every key": known, "example": string(example)} {
		path := filepath.Join(t.TempDir(), "web.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("promtool", "check", "web-config", path).CombinedOutput()
		// What is not there are the files of certificates, which come after all keys have been understood.
		if err == nil || !strings.Contains(string(out), "no such file") {
			t.Errorf("%s: promtool says %v %s, want that it lacks only the certificate", name, err, out)
		}
	}
}

func TestBadWeb(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"empty", "", "web.yaml:1:1: the file is empty (a web configuration has tls_server_config, basic_auth_users or both)"},
		{"unknown key", "basic_auth_user: {}\n", `web.yaml:1:1: basic_auth_user: unknown key "basic_auth_user" (did you mean basic_auth_users?)`},
		{"later", "rate_limit: {burst: 1}\n", "web.yaml:1:1: rate_limit: rate_limit is not supported yet (remove it; this version limits no rates, a proxy in front can)"},
		{"no certificate", "tls_server_config: {key_file: k}\n", "web.yaml:1:20: tls_server_config.cert_file: missing, wanted cert_file or cert (without TLS leave the whole block out)"},
		{"no key", "tls_server_config: {cert: c}\n", "web.yaml:1:20: tls_server_config.key_file: missing, wanted key_file or key (without TLS leave the whole block out)"},
		{"twice", "tls_server_config: {cert: c, cert_file: c, key: k}\n", "web.yaml:1:41: tls_server_config.cert_file: found cert and cert_file, wanted one of them"},
		{"versions", "tls_server_config: {cert: c, key: k, min_version: TLS13, max_version: TLS12}\n", "web.yaml:1:71: tls_server_config.max_version: found TLS12, wanted at least min_version, which is TLS13"},
		{"version", "tls_server_config: {cert: c, key: k, min_version: TLS14}\n", `web.yaml:1:51: tls_server_config.min_version: found "TLS14", wanted TLS13, TLS12, TLS11 or TLS10 (did you mean TLS13?)`},
		{"curve", "tls_server_config: {cert: c, key: k, curve_preferences: [P256]}\n", `web.yaml:1:58: tls_server_config.curve_preferences[0]: found "P256", wanted CurveP256, CurveP384, CurveP521 or X25519`},
		{"client auth", "tls_server_config: {cert: c, key: k, client_auth_type: RequireAndVerify, client_ca: c}\n", `web.yaml:1:56: tls_server_config.client_auth_type: found "RequireAndVerify", wanted NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert or RequireClientCert`},
		{"authority without use", "tls_server_config: {cert: c, key: k, client_ca: c}\n", "web.yaml:1:20: tls_server_config.client_auth_type: found an authority for client certificates and none are asked for (client_auth_type: RequireAndVerifyClientCert)"},
		{"any authority", "tls_server_config: {cert: c, key: k, client_auth_type: RequireAndVerifyClientCert}\n", "web.yaml:1:56: tls_server_config.client_auth_type: found RequireAndVerifyClientCert without client_ca_file: whoever has a certificate of any public authority would be let in (name the authority of your clients in client_ca_file)"},
		{"names nobody verifies", "tls_server_config: {cert: c, key: k, client_auth_type: RequireAnyClientCert, client_allowed_sans: a}\n", "web.yaml:1:56: tls_server_config.client_auth_type: found RequireAnyClientCert with client_allowed_sans: names in certificates that nobody verifies prove nothing (client_auth_type: RequireAndVerifyClientCert)"},
		{"header", "http_server_config: {headers: {X-Powered-By: me}}\n", `web.yaml:1:46: http_server_config.headers.X-Powered-By: no header "X-Powered-By" can be set, wanted Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options or X-XSS-Protection`},
		{"value of a header", "http_server_config: {headers: {X-Frame-Options: DENY}}\n", `web.yaml:1:49: http_server_config.headers.X-Frame-Options: found "DENY", wanted deny or sameorigin`},
		{"name of a user", "basic_auth_users: {\"a:b\": " + aHash + "}\n", "web.yaml:1:27: basic_auth_users.a:b: found a user whose name is empty or holds a colon (in basic authentication the colon ends the name)"},
		{"expensive", "basic_auth_users: {a: " + strings.Replace(aHash, "$10$", "$31$", 1) + "}\n", "web.yaml:1:23: basic_auth_users.a: found a bcrypt hash of cost 31, wanted 4 to 16 (every guess at a password costs this server as much; 10 to 12 is usual)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := ParseWeb("web.yaml", []byte(row.text))
			if d := cmp.Diff(row.want, errText(err)); d != "" {
				t.Errorf("fault (-want +got):\n%s", d)
			}
		})
	}
}

// TestNoSecretInAccessFaults: whatever stands in the place of a hash, it could be the secret itself.
func TestNoSecretInAccessFaults(t *testing.T) {
	for _, secret := range []string{
		"hunter2", `"${hunter2}"`, "*hunter2", "&hunter2 x", "!hunter2 x", "[hunter2]", "{a: hunter2}", "hunter2x0123456789012345678901234567890123456789012345678901234567",
	} {
		texts := []string{"basic_auth_users: {alice: " + secret + "}\n", "basic_auth_users: " + secret + "\n"}
		if !strings.Contains(secret, ":") {
			texts = append(texts, "tls_server_config: "+secret+"\n", "http_server_config: {http2: "+secret+"}\n")
		}
		for _, text := range texts {
			if _, err := ParseWeb("web.yaml", []byte(text)); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: got %v, want a fault without the secret", text, err)
			}
		}
		for _, text := range []string{"tokens: " + secret + "\n", "tokens: [" + secret + "]\n", "tokens: [{name: a, scope: " + secret + ", sha256: " + secret + "}]\n"} {
			if strings.Contains(text, "[{a: ") || strings.Contains(text, "tokens: {a") {
				continue // a is a key here, and keys are no secrets
			}
			if _, err := ParseTokens("tokens.yaml", []byte(text)); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: got %v, want a fault without the secret", text, err)
			}
		}
	}
}

// aDigest is 64 hexadecimal digits, all the same.
func aDigest(digit string) string { return strings.Repeat(digit, 64) }

func TestTokens(t *testing.T) {
	got, err := ParseTokens("tokens.yaml", []byte("tokens:\n  - {name: grafana, scope: read, sha256: "+aDigest("A")+"}\n  - {name: deploy, scope: write, sha256: "+aDigest("1")+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var a, one Digest
	for i := range a {
		a[i], one[i] = 0xaa, 0x11
	}
	want := &Tokens{List: []Token{{"grafana", ReadScope, a}, {"deploy", WriteScope, one}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got, err = ParseTokens("tokens.yaml", []byte("tokens: []\n")); err != nil || len(got.List) != 0 {
		t.Errorf("an empty list: %+v, %v; want that no token is taken", got, err)
	}
}

func TestBadTokens(t *testing.T) {
	good := "{name: a, scope: read, sha256: " + aDigest("a") + "}"
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"tokens.yaml:1:1: the file is empty (write tokens: [] to take none)"}},
		{"nothing", "{}\n", []string{"tokens.yaml:1:1: tokens: tokens is missing, wanted a list (tokens: [] takes none)"}},
		{"bare", "tokens: [{}]\n", []string{
			"tokens.yaml:1:10: tokens[0].name: name is missing, wanted text", "tokens.yaml:1:10: tokens[0].scope: scope is missing, wanted a value",
			"tokens.yaml:1:10: tokens[0].sha256: sha256 is missing, wanted a value ('gaikei token new' prints it)",
		}},
		{"scope", "tokens: [{name: a, scope: admin, sha256: " + aDigest("a") + "}]\n", []string{"tokens.yaml:1:27: tokens[0].scope: found another text, wanted read or write"}},
		{"plain", "tokens: [{name: a, scope: read, sha256: gaikei_secret}]\n", []string{"tokens.yaml:1:41: tokens[0].sha256: found 13 characters, wanted 64 hexadecimal digits (here stands the token's hash, not the token; 'gaikei token new' prints both)"}},
		{"digits", "tokens: [{name: a, scope: read, sha256: " + aDigest("g") + "}]\n", []string{"tokens.yaml:1:41: tokens[0].sha256: found other characters, wanted 64 hexadecimal digits (here stands the token's hash; 'gaikei token new' prints it)"}},
		{"name", "tokens: [{name: Grafana Cloud, scope: read, sha256: " + aDigest("a") + "}]\n", []string{`tokens.yaml:1:17: tokens[0].name: found "Grafana Cloud", wanted a name of a-z, 0-9, - and . with at most 63 characters (for example grafana-cloud)`}},
		{"twice", "tokens:\n- " + good + "\n- " + good + "\n", []string{
			`tokens.yaml:3:10: tokens[1].name: found "a" again, first in line 2`,
			"tokens.yaml:3:34: tokens[1].sha256: found the hash again that is in line 2 (a token has one name and one scope)",
		}},
		{"key twice", "tokens: [{name: a, name: b, scope: read, sha256: " + aDigest("a") + "}]\n", []string{`tokens.yaml:1:20: tokens[0].name: the key "name" is there twice, first in line 1 (remove one of them)`}},
		{"second document", "tokens: []\n---\ntokens: []\n", []string{"tokens.yaml:2:1: found a second document, wanted one (remove the line --- and what is below, or put it into a file of its own)"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := ParseTokens("tokens.yaml", []byte(row.text))
			if d := cmp.Diff(row.want, strings.Split(errText(err), "\n")); d != "" {
				t.Errorf("faults (-want +got):\n%s", d)
			}
		})
	}
}

// TestAccessExamples loads the examples that say who may read.
func TestAccessExamples(t *testing.T) {
	web, err := os.ReadFile("../deploy/examples/web-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if w, err := ParseWeb("web-config.yaml", web); err != nil || w.TLS == nil || len(w.Users) != 1 {
		t.Errorf("web-config.yaml: %+v, %v; want TLS and one user", w, err)
	}
	commented := strings.ReplaceAll(string(web), "  # client_", "  client_")
	if w, err := ParseWeb("web-config.yaml", []byte(commented)); err != nil || !w.TLS.Mutual() {
		t.Errorf("web-config.yaml with what stands in comments: %+v, %v; want mutual TLS", w, err)
	}
	tokens, err := os.ReadFile("../deploy/examples/tokens.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseTokens("tokens.yaml", tokens); err != nil || len(got.List) != 1 {
		t.Errorf("tokens.yaml: %+v, %v; want one token", got, err)
	}
}

// FuzzParseTokens: whatever the text, nothing panics, every fault has a place and quotes no hash, and what loads has
// names and scopes.
func FuzzParseTokens(f *testing.F) {
	example, err := os.ReadFile("../deploy/examples/tokens.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, s := range []string{"", "tokens: []", "tokens: [{}]", "tokens: [{name: a, scope: read, sha256: " + aDigest("0") + "}]", "tokens: {a: b}", "tokens: &a [*a]", "- x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tokens, err := ParseTokens("fuzz.yaml", data)
		if err != nil {
			checkPlaces(t, data, err)
			return
		}
		seen := map[Digest]bool{}
		for _, token := range tokens.List {
			if !validName(token.Name) || (token.Scope != ReadScope && token.Scope != WriteScope) || seen[token.SHA256] {
				t.Errorf("a token that should be refused: %+v", token)
			}
			seen[token.SHA256] = true
		}
	})
}

// FuzzParseWeb: whatever the text, nothing panics, every fault has a place, and what loads lets in nobody unverified.
func FuzzParseWeb(f *testing.F) {
	f.Add([]byte(everyWebKey))
	f.Add([]byte("tls_server_config: {cert: c, key: k, client_auth_type: VerifyClientCertIfGiven, client_ca: c}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := ParseWeb("fuzz.yaml", data)
		if err != nil {
			checkPlaces(t, data, err)
			return
		}
		if w.TLS.Mutual() && w.TLS.ClientCA+w.TLS.ClientCAFile == "" && len(w.TLS.AllowedSANs) == 0 {
			t.Error("mutual TLS that takes every certificate")
		}
		for name, h := range w.Users {
			if h.Cost() < 4 || h.Cost() > maxCost {
				t.Errorf("user %q: cost %d", name, h.Cost())
			}
		}
	})
}
