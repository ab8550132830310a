package probe

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// An alertCase is one, and the alerts that it should answer with.
type alertCase struct {
	name   string
	serve  func(net.Conn)
	alerts []TLSAlert
	want   Reason
}

func (c *alertCase) kind(t testing.TB, ca *authority) Kind {
	return &TCP{Address: serve(t, c.serve), TLS: &TLS{CA: ca.pem, ServerName: "localhost"}, ExpectAlert: c.alerts}
}

// patience is the deadline.
func (c *alertCase) patience() time.Duration {
	if c.name == "accepts and listens until we go" { // which we do when half of the time is over
		return 2 * time.Second
	}
	return patience(c.want)
}

// alerting are servers that are to answer a handshake with an alert, and do or do not.
func alerting(t testing.TB, ca *authority) []alertCase {
	cert := ca.issue(t, "localhost", -1, 30)
	open := &tls.Config{Certificates: []tls.Certificate{cert}}
	guarded := func(version uint16) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, MinVersion: version, MaxVersion: version}
	}
	// The handshake, then something else with the connection in TLS.
	then := func(config *tls.Config, f func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			s := tls.Server(c, config)
			if err := s.Handshake(); err != nil {
				c.Close()
				return
			}
			f(s)
		}
	}
	keeps := func(net.Conn) {}
	drains := func(c net.Conn) { _, _ = io.Copy(io.Discard, c); c.Close() }
	required, handshake := []TLSAlert{116}, []TLSAlert{40, 42, 116}
	return []alertCase{
		{"certificate required, TLS 1.3", then(guarded(tls.VersionTLS13), keeps), required, ReasonNone},
		{"certificate required, TLS 1.2", then(guarded(tls.VersionTLS12), keeps), handshake, ReasonNone},
		{"another alert, TLS 1.3", then(guarded(tls.VersionTLS13), keeps), []TLSAlert{112}, TLSHandshake},
		{"another alert, TLS 1.2", then(guarded(tls.VersionTLS12), keeps), []TLSAlert{112}, TLSHandshake},
		{"accepts and speaks", then(open, func(c net.Conn) { _, _ = io.WriteString(c, "welcome") }), required, TLSHandshake},
		{"accepts and hangs up", then(open, hangsUp), required, TLSHandshake},
		{"accepts and resets", then(open, func(c net.Conn) { resets(c.(*tls.Conn).NetConn()) }), required, TLSHandshake},
		{"accepts and listens until we go", then(open, drains), required, TLSHandshake},
		{"accepts and is deaf", then(open, keeps), required, TooSlow},
		{"accepts, TLS 1.2", then(&tls.Config{Certificates: open.Certificates, MaxVersion: tls.VersionTLS12}, keeps), required, TLSHandshake},
		{"untrusted", then(&tls.Config{Certificates: []tls.Certificate{newAuthority(t).issue(t, "localhost", -1, 30)}}, keeps), required, TLSUntrusted},
		{"silent", keeps, required, ResponseTimeout},
		{"hangs up", hangsUp, required, Reset},
		{"no TLS", func(c net.Conn) { _, _ = io.WriteString(c, "220 mail.example ESMTP ready\r\n") }, required, TLSHandshake},
		{"an alert in plain", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "\x15\x03\x03\x00\x02\x02\x70")
		}, []TLSAlert{112}, ReasonNone},
		{"an alert without a name", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "\x15\x03\x03\x00\x02\x02\xc8")
		}, []TLSAlert{200}, ReasonNone},
		{"alerts that only warn, for ever", func(c net.Conn) {
			_, err := c.Read(make([]byte, 4096))
			for err == nil {
				_, err = io.WriteString(c, "\x15\x03\x03\x00\x02\x01\x70")
			}
		}, required, TLSHandshake},
	}
}

func TestExpectAlert(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, tt := range alerting(t, ca) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, tt.kind(t, ca), &World{Verbose: true}, tt.patience())
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if silent := tt.want == ResponseTimeout || tt.want == Reset; a.Answered == silent {
				t.Errorf("answered: %v, want %v", a.Answered, !silent)
			}
			if obs := a.Detail.Assertions; len(obs) != 1 || obs[0].Held != (tt.want == ReasonNone) || (a.Detail.Error == "") != obs[0].Held {
				t.Errorf("assertions %+v and error %q, want one that tells of %q", obs, a.Detail.Error, tt.want)
			}
		})
	}
}

// TestExpectAlertOfNginx: a server that refuses names it does not serve.
func TestExpectAlertOfNginx(t *testing.T) {
	t.Parallel()
	ca, path, dir, address := newAuthority(t), program(t, "nginx", "nginx"), t.TempDir(), freePort(t)
	cert := ca.issue(t, "localhost", -1, 30)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certPath := write(t, dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
	keyPath := write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	conf := nginxConf(dir, freePort(t)) + fmt.Sprintf(`
	server { listen %[1]s ssl default_server; ssl_reject_handshake on; }
	server { listen %[1]s ssl; server_name localhost; ssl_certificate %[2]s; ssl_certificate_key %[3]s; }
}
`, address, certPath, keyPath)
	daemon(t, &TCP{Address: address}, path, "-e", "stderr", "-p", dir, "-c", write(t, dir, "nginx.conf", conf))
	for name, want := range map[string]Reason{"other.example": ReasonNone, "localhost": TLSHandshake} {
		c := &TCP{Address: address, TLS: &TLS{CA: ca.pem, ServerName: name}, ExpectAlert: []TLSAlert{112}}
		a := attempt(t, c, &World{Verbose: true}, 2*time.Second)
		wantReason(t, &a, want)
		if got := a.Detail.Assertions[0].Got; want == ReasonNone && !strings.HasPrefix(got, "the alert unrecognized_name in ") {
			t.Errorf("got %q, want the alert", got)
		}
	}
}

func TestExpectAlertAfterStartTLS(t *testing.T) {
	t.Parallel()
	config := &tls.Config{Certificates: []tls.Certificate{newAuthority(t).issue(t, "localhost", -1, 30)}, ClientAuth: tls.RequireAnyClientCert}
	guarded := func(c net.Conn) { _ = tls.Server(c, config).Handshake(); c.Close() }
	for name, c := range map[string]*TCP{
		"by name": {Address: serve(t, inTurn(agreeing()[StartTLSIMAP], guarded)), StartTLS: StartTLSIMAP},
		"by step": {Address: serve(t, inTurn(plays(mailbox[:2]...), guarded)), Dialogue: []Step{expect("ready.*\r\n"), send("USER me\r\n"), {ExpectText: "+OK\r\n"}, {StartTLS: true}}},
	} {
		c.TLS, c.ExpectAlert = &TLS{SkipVerify: true}, []TLSAlert{116}
		a := look(t, c)
		if a.Reason != ReasonNone {
			t.Errorf("%s: reason %s (%s), want none", name, a.Reason, a.Detail.Error)
		}
	}
}

func TestTLSAlertText(t *testing.T) {
	t.Parallel()
	for n := range 256 {
		var a TLSAlert
		if err := a.UnmarshalText([]byte(TLSAlert(n).String())); err != nil || int(a) != n {
			t.Errorf("alert %d is written %q and read as %d (%v)", n, TLSAlert(n), a, err)
		}
		wire := &net.OpError{Op: "remote error", Err: tls.AlertError(n)}
		if got, ok := alertOf(wire); n > 0 && (!ok || int(got) != n) {
			t.Errorf("alert %d is recognised as %v", n, got)
		}
	}
	var a TLSAlert
	for _, text := range []string{"", "256", "-1", "certificate required", "Unknown_CA"} {
		if err := a.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v, want an error", text, a)
		}
	}
}
