package relay

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func scheme(url string) string {
	s, _, _ := strings.Cut(url, "://")
	return s
}

// leaf is the certificate that a prober sees now, verified as of its middle: tests are about other times than now.
func leaf(t *testing.T, creds *Credentials) *x509.Certificate {
	t.Helper()
	config, err := creds.secure()
	if err != nil {
		t.Fatal(err)
	}
	roots := config.RootCAs
	config.InsecureSkipVerify = true
	conn, err := nats.Connect(creds.URLs[0], nats.Nkey(creds.PublicKey(), creds.key.pair().Sign), nats.Secure(config))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	st, err := conn.TLSConnectionState()
	if err != nil {
		t.Fatal(err)
	}
	cert := st.PeerCertificates[0]
	middle := cert.NotBefore.Add(cert.NotAfter.Sub(cert.NotBefore) / 2)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: middle, DNSName: "127.0.0.1"}); err != nil {
		t.Error(err)
	}
	return cert
}

// The CA and the certificate are made at the first start, kept over restarts, and the certificate is renewed by
// itself, without one.
func TestOwnCertificates(t *testing.T) {
	dir := t.TempDir()
	o := HubOptions{Dir: dir, Listen: "127.0.0.1:0", Names: []string{"centre.example.com", "192.0.2.7"}}
	c := openHub(t, o)
	creds := c.enrol(t, "tokyo", "p")
	first := leaf(t, creds)
	for _, host := range []string{"centre.example.com", "192.0.2.7", "127.0.0.1", "localhost"} {
		if err := first.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	st := c.Status()
	year := time.Now().AddDate(1, 0, 0)
	if d := year.Sub(st.CertificateEnds); d < -time.Minute || d > time.Minute || st.CAEnds.Before(year.AddDate(8, 11, 0)) {
		t.Errorf("got ends %v and %v, want a year and ten", st.CertificateEnds, st.CAEnds)
	}
	for _, name := range []string{"ca.key", "server.pem"} {
		info, err := os.Stat(filepath.Join(dir, "tls", name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v, want mode 0600", name, info, err)
		}
	}
	c.certs.look(time.Now().AddDate(0, 11, 0))
	if got := leaf(t, creds); !got.Equal(first) {
		t.Error("certificate was renewed a month before its end, want it kept till thirty days before")
	}
	c.certs.look(time.Now().AddDate(0, 11, 10))
	second := leaf(t, creds)
	if !second.NotAfter.After(first.NotAfter) {
		t.Errorf("got a certificate until %v, want one renewed", second.NotAfter)
	}
	c.end(t)

	c = openHub(t, o)
	c.register.add(creds)
	creds.URLs = c.URLs()
	if got := leaf(t, creds); !got.Equal(second) {
		t.Error("certificate is another after a restart")
	}
	c.end(t)
	o.Names = append(o.Names, "another.example.com")
	c = openHub(t, o)
	c.register.add(creds)
	creds.URLs = c.URLs()
	if got := leaf(t, creds); got.VerifyHostname("another.example.com") != nil {
		t.Errorf("got a certificate for %v, want the new name in it", got.DNSNames)
	}
}

// Given certificates are read again when they change, are warned about before they end, and never touched.
func TestGivenCertificates(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	authority, err := openCA(dir, now.AddDate(-2, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "given.pem")
	issue := func(at time.Time) *x509.Certificate {
		cert, err := authority.issue(file, []string{"127.0.0.1"}, at)
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf
	}
	soon := issue(now.AddDate(-1, 0, 20))
	c := openHub(t, HubOptions{CertFile: file, KeyFile: file, CAFile: filepath.Join(dir, "ca.pem")})
	creds := c.enrol(t, "tokyo", "p")
	if got := leaf(t, creds); !got.Equal(soon) {
		t.Error("got another certificate than the one given")
	}
	for range 3 {
		c.certs.look(now)
	}
	if n := c.log.count("ends soon"); n != 1 {
		t.Errorf("got %d lines about the end, want 1:\n%s", n, c.log)
	}
	fresh := issue(now)
	c.certs.look(now)
	if got := leaf(t, creds); !got.Equal(fresh) {
		t.Error("got the old certificate, want the new one without a restart")
	}
	if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.certs.look(now)
	}
	if n := c.log.count("cannot be renewed"); n != 1 {
		t.Errorf("got %d lines about the unreadable file, want 1:\n%s", n, c.log)
	}
	if got := leaf(t, creds); !got.Equal(fresh) {
		t.Error("got another certificate than the last good one")
	}
	if st := c.Status(); !st.CertificateEnds.Equal(fresh.NotAfter) || !st.CAEnds.IsZero() {
		t.Errorf("got ends %v and %v, want %v and none", st.CertificateEnds, st.CAEnds, fresh.NotAfter)
	}
}

// A prober does not speak to whom it does not trust, nor without encryption beyond this machine.
func TestProberWantsTLS(t *testing.T) {
	c := openHub(t, HubOptions{Names: []string{"centre.example.com"}})
	creds := c.enrol(t, "tokyo", "p")
	other, err := openCA(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stranger := *creds
	stranger.CA = other.pem
	for name, bad := range map[string]*Credentials{"another CA": &stranger, "the system's CAs": {Region: "tokyo", Prober: "p", URLs: creds.URLs, key: creds.key}} {
		r := connect(t, bad)
		until(t, name, func() bool { return strings.Contains(r.up.Status().LastError, "certificate") })
		if st := r.up.Status(); st.Connected {
			t.Errorf("%s: connected", name)
		}
	}
	if _, err := nats.Connect(strings.Replace(creds.URLs[0], "tls://", "nats://", 1), nats.Nkey(creds.PublicKey(), creds.key.pair().Sign)); err == nil {
		t.Error("connected without TLS")
	}
	if got := mustSecure(t, "nats://192.0.2.1:4222"); got == nil {
		t.Error("nats:// beyond this machine goes without TLS")
	}
	if got := mustSecure(t, "nats://127.0.0.1:4222"); got != nil {
		t.Error("nats:// to this machine wants TLS")
	}
}

func mustSecure(t *testing.T, url string) *tls.Config {
	t.Helper()
	creds, err := NewCredentials("tokyo", "p", []string{url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := creds.secure()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestHubThatCannotOpen(t *testing.T) {
	c := openHub(t, HubOptions{})
	taken := c.o.Listen
	for name, one := range map[string]struct {
		o    HubOptions
		want string
	}{
		"port taken":           {HubOptions{Listen: taken}, "in use"},
		"websocket port taken": {HubOptions{Websocket: taken}, "in use"},
		"no port":              {HubOptions{Listen: "127.0.0.1"}, "host:port"},
		"odd port":             {HubOptions{Listen: "127.0.0.1:x"}, "want a number"},
		"half a certificate":   {HubOptions{Listen: "127.0.0.1:0", CertFile: "x"}, "want both"},
		"no certificate":       {HubOptions{Listen: "127.0.0.1:0", CertFile: "/nowhere/x", KeyFile: "/nowhere/y"}, "/nowhere/x"},
		"folder taken":         {HubOptions{Dir: c.o.Dir, Listen: "127.0.0.1:0"}, "in use"},
	} {
		if one.o.Dir == "" {
			one.o.Dir = t.TempDir()
		}
		one.o.MaxBytes = 4 << 20
		h, err := OpenHub(t.Context(), one.o)
		if err == nil || !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, one.want)
		}
		if h != nil {
			_ = h.Close()
		}
	}
}
