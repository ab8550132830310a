package probe

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// speaksTLS answers each connection by a TLS configuration: with a page over HTTP/1.1, or over HTTP/2 if it is chosen.
func speaksTLS(t testing.TB, config *tls.Config) (port string) {
	t.Helper()
	l, err := tls.Listen("tcp4", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "by "+r.Proto) }),
		ErrorLog: discardLog(),
	}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// pemOf writes a certificate and its key as PEM.
func pemOf(t *testing.T, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(c.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func pool(ca *authority) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.cert)
	return p
}

// secrets gives these out.
func secrets(texts map[string]string) func(scheme, name string) (string, error) {
	return func(_, name string) (string, error) {
		text, ok := texts[name]
		if !ok {
			return "", errors.New("no such file")
		}
		return text, nil
	}
}

func TestClientCertificate(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	good, goodKey := pemOf(t, ca.issue(t, "client", -1, 30))
	other, otherKey := pemOf(t, stranger.issue(t, "client", -1, 30))
	world := &World{Verbose: true, Secret: secrets(map[string]string{"good.key": goodKey, "other.key": otherKey, "good.crt": good, "no.key": "not a key"})}
	key := func(name string) Template { return template(t, "${file:"+name+"}") }
	tests := []struct {
		name      string
		cert, key Template
		want      Reason
	}{
		{"wanted", Literal(good), key("good.key"), ReasonNone},
		{"the certificate is on the prober, too", key("good.crt"), key("good.key"), ReasonNone},
		{"none", Template{}, Template{}, TLSHandshake},
		{"of another authority", Literal(other), key("other.key"), TLSHandshake},
		{"the key of another certificate", Literal(good), key("other.key"), Secret},
		{"no such secret", Literal(good), key("gone.key"), Secret},
		{"no key in it", Literal(good), key("no.key"), Secret},
		{"no certificate in it", key("no.key"), key("good.key"), Secret},
	}
	for _, proto := range []string{"h2", "http/1.1"} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			port := speaksTLS(t, &tls.Config{
				Certificates: []tls.Certificate{ca.issue(t, "localhost", -1, 30)}, ClientCAs: pool(ca), ClientAuth: tls.RequireAndVerifyClientCert,
				MaxVersion: version, NextProtos: []string{proto},
			})
			for _, tt := range tests {
				t.Run(proto+" over "+tls.VersionName(version)+"/"+tt.name, func(t *testing.T) {
					t.Parallel()
					config := TLS{CA: ca.pem, Cert: tt.cert, Key: tt.key}
					a := attempt(t, &HTTP{URL: "https://localhost:" + port, TLS: config}, world, patience(tt.want))
					wantReason(t, &a, tt.want)
					if tt.want == Secret && (a.Answered || len(a.Spans) > 0) {
						t.Errorf("answered: %v, spans: %v; want nothing to be dialled", a.Answered, a.Spans)
					}
					wantNoSecret(t, &a, goodKey, otherKey, "not a key")
					if version == tls.VersionTLS12 || tt.want == Secret {
						// In TLS 1.3 the client is ready before the server has looked at its certificate.
						b := attempt(t, &TCP{Address: "localhost:" + port, TLS: &config}, world, patience(tt.want))
						wantReason(t, &b, tt.want)
						wantNoSecret(t, &b, goodKey, otherKey, "not a key")
					}
				})
			}
		}
	}
}

// wantNoSecret looks for lines of secrets in what is kept for people.
func wantNoSecret(t *testing.T, a *Attempt, texts ...string) {
	t.Helper()
	detail := cmp.Diff(Detail{}, a.Detail)
	for _, text := range texts {
		for line := range strings.SplitSeq(text, "\n") {
			if len(line) > 8 && !strings.HasPrefix(line, "---") && strings.Contains(detail, line) {
				t.Errorf("a secret is in the detail:\n%s", detail)
			}
		}
	}
}

// TestClientCertificateChanges: a certificate and a key that are exchanged are taken up by the next attempt, and only a
// change makes them be parsed again.
func TestClientCertificateChanges(t *testing.T) {
	ca := newAuthority(t)
	texts := map[string]string{}
	texts["c"], texts["k"] = pemOf(t, ca.issue(t, "client", -1, 30))
	w := &World{Secret: secrets(texts)}
	c := &TCP{Address: "localhost:1", TLS: &TLS{Cert: template(t, "${file:c}"), Key: template(t, "${file:k}")}}
	if ps := c.Validate(); ps != nil {
		t.Fatal(ps)
	}
	shown := func() *tls.Certificate {
		config, err := w.equip(c.ready.tls)
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.equip(config)
		if err != nil || again != config {
			t.Errorf("an equipped configuration was equipped again (error %v)", err)
		}
		cert, err := config.GetClientCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	first, second := shown(), shown()
	texts["c"], texts["k"] = pemOf(t, ca.issue(t, "client", -1, 30))
	third := shown()
	if first != second || third == first {
		t.Errorf("the same secrets gave the same certificate: %v, want true; others gave it, too: %v, want false", first == second, first == third)
	}
	if _, err := c.ready.tls.GetClientCertificate(nil); err == nil {
		t.Error("a configuration that was not equipped goes on without its certificate")
	}
}

func TestPins(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	cert, foreign := ca.issue(t, "localhost", -1, 30), stranger.issue(t, "localhost", -1, 30)
	pinned := func(c *x509.Certificate) string { return pinOf(c).String() }
	leaf := func(c tls.Certificate) *x509.Certificate {
		parsed, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	// Shows the pinned certificate beside its own, which that did not sign.
	liar := foreign
	liar.Certificate = append(liar.Certificate[:1:1], cert.Certificate[0], ca.cert.Raw)
	tests := []struct {
		name string
		cert tls.Certificate
		tls  TLS
		want Reason
	}{
		{"of the target", cert, TLS{CA: ca.pem, Pins: []string{pinned(leaf(cert))}}, ReasonNone},
		{"bare base64", cert, TLS{CA: ca.pem, Pins: []string{strings.TrimPrefix(pinned(leaf(cert)), "sha256//")}}, ReasonNone},
		{"of the authority, which the target does not show", cert, TLS{CA: ca.pem, Pins: []string{pinned(ca.cert)}}, ReasonNone},
		{"one of two", cert, TLS{CA: ca.pem, Pins: []string{pinned(stranger.cert), strings.Replace(pinned(ca.cert), "//", "/", 1)}}, ReasonNone},
		{"of another", cert, TLS{CA: ca.pem, Pins: []string{pinned(stranger.cert)}}, TLSUntrusted},
		{"right, of an unknown authority", foreign, TLS{CA: ca.pem, Pins: []string{pinned(leaf(foreign))}}, TLSUntrusted},
		{"unverified", foreign, TLS{SkipVerify: true, Pins: []string{pinned(leaf(foreign))}}, ReasonNone},
		{"unverified, of another", foreign, TLS{SkipVerify: true, Pins: []string{pinned(leaf(cert))}}, TLSUntrusted},
		{"unverified, of another that is shown as well", liar, TLS{SkipVerify: true, Pins: []string{pinned(leaf(cert)), pinned(ca.cert)}}, TLSUntrusted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			port := speaksTLS(t, &tls.Config{Certificates: []tls.Certificate{tt.cert}, NextProtos: []string{"h2", "http/1.1"}})
			for kind, k := range map[string]Kind{
				"http": &HTTP{URL: "https://localhost:" + port, TLS: tt.tls}, "tcp": &TCP{Address: "localhost:" + port, TLS: &tt.tls},
			} {
				a := look(t, k)
				if a.Reason != tt.want {
					t.Errorf("%s: reason -want +got:\n- %s\n+ %s\n(%s)", kind, tt.want, a.Reason, a.Detail.Error)
				}
				if tt.want != ReasonNone && (!a.Answered || a.Detail.TLS == nil || len(a.Detail.TLS.Chain) == 0) {
					t.Errorf("%s: no chain in the detail, or not answered", kind)
				}
			}
		})
	}
}

func TestTLSVersions(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "localhost", -1, 30)
	const v10, v11, v12, v13 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13
	tests := []struct {
		name                 string
		serverMin, serverMax uint16
		min, max             VersionTLS
		want                 string // what is spoken; empty: nothing
	}{
		{"the newest of both", v10, v13, 0, 0, "TLS 1.3"},
		{"no newer than", v10, v13, 0, v12, "TLS 1.2"},
		{"an old one by name", v10, v13, 0, v11, "TLS 1.1"},
		{"the oldest", v10, v10, v10, 0, "TLS 1.0"},
		{"too old for the default", v10, v11, 0, 0, ""},
		{"too old", v10, v12, v13, 0, ""},
		{"too new", v13, v13, 0, v12, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tt.serverMin, MaxVersion: tt.serverMax}
			if tt.serverMax >= v12 {
				server.NextProtos = []string{"h2", "http/1.1"}
			}
			port := speaksTLS(t, server)
			config := TLS{CA: ca.pem, MinVersion: tt.min, MaxVersion: tt.max}
			for _, k := range []Kind{&HTTP{URL: "https://localhost:" + port, TLS: config}, &TCP{Address: "localhost:" + port, TLS: &config}} {
				a := look(t, k)
				if tt.want == "" {
					wantReason(t, &a, TLSHandshake)
					continue
				}
				wantReason(t, &a, ReasonNone)
				if got := a.Detail.TLS.Version; got != tt.want {
					t.Errorf("version -want +got:\n- %s\n+ %s", tt.want, got)
				}
			}
		})
	}
}

// TestWarnings: a certificate that runs out soon is a warning and no failure, and is told whatever else went wrong.
func TestWarnings(t *testing.T) {
	ca := newAuthority(t)
	port := speaksTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", -1, 30)}})
	for _, tt := range []struct {
		name       string
		warn, fail int
		status     []CodeRange
		want       Reason
		warned     bool
	}{
		{"enough days", 30, 0, nil, ReasonNone, false},
		{"too few to be silent", 31, 30, nil, ReasonNone, true},
		{"too few", 40, 31, nil, TLSExpired, true},
		{"something else is wrong", 31, 7, []CodeRange{{404, 404}}, Status, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := TLS{CA: ca.pem, WarnDaysLeft: tt.warn, MinDaysLeft: tt.fail}
			kinds := []Kind{&HTTP{URL: "https://localhost:" + port, TLS: config, Status: tt.status}}
			if tt.status == nil {
				kinds = append(kinds, &TCP{Address: "localhost:" + port, TLS: &config})
			}
			for _, k := range kinds {
				a := attempt(t, k, &World{}, patience(tt.want))
				wantReason(t, &a, tt.want)
				if got := a.Detail.Warnings; len(got) > 1 || (len(got) == 1) != tt.warned || tt.warned && !strings.Contains(got[0], "localhost expires on") {
					t.Errorf("warnings: got %q, want one: %v", got, tt.warned)
				}
			}
		})
	}
}

// TestSecretInACertificate: a target that was told a secret can put it into the name that it redirects to and into the
// certificate that it shows there.
func TestSecretInACertificate(t *testing.T) {
	const secret = "hunter2-and-more"
	ca := newAuthority(t)
	port := speaksTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, secret+".example", -1, 30)}})
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://localhost:"+port+"/"+strings.TrimPrefix(r.Header.Get("X-Token"), "is "), http.StatusFound)
	})
	h := &HTTP{
		URL: strings.Replace(base, "127.0.0.1", "localhost", 1), Headers: map[string][]Template{"X-Token": {template(t, "is ${env:GAIKEI_SECRET_X}")}},
	}
	w := &World{Verbose: true, Secret: secrets(map[string]string{"GAIKEI_SECRET_X": secret})}
	a := attempt(t, h, w, patience(TLSNameMismatch))
	wantReason(t, &a, TLSNameMismatch)
	if a.Detail.TLS == nil || len(a.Detail.TLS.Chain) != 1 {
		t.Fatalf("evidence of TLS: got %+v, want a chain", a.Detail.TLS)
	}
	if detail := cmp.Diff(Detail{}, a.Detail); strings.Contains(detail, secret) || !strings.Contains(detail, redacted+".example") {
		t.Errorf("the secret is not taken out of the detail:\n%s", detail)
	}
}
