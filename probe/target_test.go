package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// attempt validates a kind and looks once. A look that has not returned long after its deadline fails the
// test.
func attempt(t testing.TB, k Kind, w *World, timeout time.Duration) Attempt {
	t.Helper()
	if ps := k.Validate(); len(ps) > 0 {
		t.Fatalf("Validate() found %v", ps)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	done := make(chan Attempt, 1)
	go func() { done <- k.Attempt(ctx, w) }()
	select {
	case a := <-done:
		return a
	case <-time.After(timeout + 10*time.Second):
		t.Fatalf("the attempt with a deadline of %v has not returned", timeout)
		panic("unreachable")
	}
}

// patience is the deadline for a target that should come to this reason: short if it can only be found by
// waiting.
func patience(want Reason) time.Duration {
	switch want {
	case Timeout, ResponseTimeout, TooSlow:
		return 500 * time.Millisecond
	}
	return 20 * time.Second
}

// look is attempt with a deadline that no healthy target meets with, and the whole detail.
func look(t testing.TB, k Kind) Attempt {
	t.Helper()
	return attempt(t, k, &World{Verbose: true}, 20*time.Second)
}

// wantReason compares the reason, and says what the attempt saw if it is another.
func wantReason(t testing.TB, a *Attempt, want Reason) {
	t.Helper()
	if a.Reason != want {
		t.Errorf("reason -want +got:\n- %s\n+ %s\n(%s)", want, a.Reason, a.Detail.Error)
	}
}

// serve listens on loopback and hands each connection to f, which may keep it open: it is closed when the
// test ends. The address is returned.
func serve(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu    sync.Mutex
		conns []net.Conn
		wg    sync.WaitGroup
	)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { f(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// closedPort is an address on which nothing listens.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// web serves HTTP on loopback.
func web(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// authority is a certificate authority of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"},
		NotBefore: time.Now().Add(-400 * 24 * time.Hour), NotAfter: time.Now().Add(4000 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &authority{cert: cert, key: key, pem: string(text)}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate for a name, valid for the days from and until, counted from now, for servers and clients.
func (ca *authority) issue(t testing.TB, name string, from, until int) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().AddDate(0, 0, from), NotAfter: time.Now().AddDate(0, 0, until).Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secureWeb serves HTTPS on loopback with these certificates, chosen by name, and HTTP/2 if it is asked for.
func secureWeb(t testing.TB, h http.HandlerFunc, certs ...tls.Certificate) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = discardLog()
	s.TLS = &tls.Config{Certificates: certs}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
