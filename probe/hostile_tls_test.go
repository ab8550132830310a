package probe

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tlsRecord is a TLS record; handshake records have the type 22, alerts 21.
func tlsRecord(typ byte, body string) string {
	return string([]byte{typ, 3, 3, byte(len(body) >> 8), byte(len(body))}) + body
}

// afterHello reads what comes first and then answers as f does, which hangs up or not.
func afterHello(f func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.ReadAtLeast(c, make([]byte, 4096), 5)
		f(c)
	}
}

func writes(text string) func(net.Conn) {
	return afterHello(func(c net.Conn) { _, _ = io.WriteString(c, text) })
}

// repeats writes the same for ever.
func repeats(text string) func(net.Conn) {
	return afterHello(func(c net.Conn) {
		for err := error(nil); err == nil; {
			_, err = io.WriteString(c, text)
		}
	})
}

// hostileTLS are servers that speak no TLS, or break it off.
func hostileTLS(t testing.TB) []hostile {
	cert := newAuthority(t).issue(t, "localhost", -1, 30)
	tests := []hostile{
		{"accepts and is silent", func(net.Conn) {}, ResponseTimeout, Inconclusive},
		{"hangs up at once", func(c net.Conn) { c.Close() }, Reset, Inconclusive},
		{"resets at once", resets, Reset, Inconclusive},
		{"resets after the hello", afterHello(resets), Reset, Inconclusive},
		{"hangs up after the hello", afterHello(func(c net.Conn) { c.Close() }), Reset, Inconclusive},
		{"half-open", func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }, Reset, Inconclusive},
		{"half-open after the hello", afterHello(func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }), Reset, Inconclusive},
		{"stalls after the hello", afterHello(func(net.Conn) {}), ResponseTimeout, Inconclusive},
		{"one byte at a time", dripsTLS(tlsRecord(22, strings.Repeat("x", 9999))), ResponseTimeout, Inconclusive},
		{"no TLS", writes("HTTP/1.1 400 Bad Request\r\n\r\n"), TLSHandshake, Down},
		{"zeros", writes(strings.Repeat("\x00", 999)), TLSHandshake, Down},
		{"garbage", writes(strings.Repeat(tlsRecord(22, "abcd"), 9)), TLSHandshake, Down},
		{"record too long", writes("\x16\x03\x03\xff\xff"), TLSHandshake, Down},
		{"half a record", writes("\x16\x03\x03\x00\x40abc"), ResponseTimeout, Inconclusive},
		{"version of SSL 2", writes("\x80\x2e\x01\x00\x02" + strings.Repeat("x", 99)), TLSHandshake, Down},
		{"data before the handshake", writes(tlsRecord(23, "hello")), TLSHandshake, Down},
		{"hello of another version", writes(tlsRecord(22, "\x02\x00\x00\x26\x02\x00"+strings.Repeat("\x01", 32)+"\x00\x13\x01\x00")), TLSHandshake, Down},
		{"hello of a length that it has not", writes(tlsRecord(22, "\x02\xff\xff\xff") + tlsRecord(22, "abc")), TLSHandshake, Down},
		{"alert: handshake failure", writes(tlsRecord(21, "\x02\x28")), TLSHandshake, Down},
		{"alert: protocol version", writes(tlsRecord(21, "\x02\x46")), TLSHandshake, Down},
		{"alert: internal error", writes(tlsRecord(21, "\x02\x50")), TLSHandshake, Down},
		{"alert: unrecognized name", writes(tlsRecord(21, "\x02\x70")), TLSHandshake, Down},
		{"alert that there is not", writes(tlsRecord(21, "\x02\xfe")), TLSHandshake, Down},
		{"alert of three bytes", writes(tlsRecord(21, "\x02\x28\x00")), TLSHandshake, Down},
		{"alert: close", writes(tlsRecord(21, "\x01\x00")), Reset, Inconclusive},
		{"warnings for ever", repeats(tlsRecord(21, "\x01\x5a")), TLSHandshake, Down},
		{"empty records for ever", repeats(tlsRecord(22, "")), TLSHandshake, Down},
		{"changes of cipher for ever", repeats(tlsRecord(20, "\x01")), TLSHandshake, Down},
		{"hello that never ends", repeats(tlsRecord(22, "\x02\x00\xff\xff"+strings.Repeat("x", 9999))), TLSHandshake, Down},
	}
	for _, at := range []int{1, 5, 60, 130, 400, 700} {
		after := " " + strconv.Itoa(at) + " bytes into a good handshake"
		tests = append(
			tests,
			hostile{"stalls" + after, cuts(cert, at, func(net.Conn) {}), ResponseTimeout, Inconclusive},
			hostile{"resets" + after, cuts(cert, at, resets), Reset, Inconclusive},
			hostile{"hangs up" + after, cuts(cert, at, func(c net.Conn) { c.Close() }), Reset, Inconclusive},
		)
	}
	return tests
}

// unverified are the kinds that speak TLS, with whatever certificate.
func unverified(address string) []Kind {
	return []Kind{&HTTP{URL: "https://" + address, TLS: TLS{SkipVerify: true}}, &TCP{Address: address, TLS: &TLS{SkipVerify: true}}}
}

// TestHostileTLS looks at servers that speak no TLS, or break it off.
func TestHostileTLS(t *testing.T) { testHostile(t, hostileTLS(t), unverified) }

// dripsTLS writes a text one byte every few milliseconds.
func dripsTLS(text string) func(net.Conn) {
	return afterHello(func(c net.Conn) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i, err := 0, error(nil); err == nil && i < len(text); i++ {
			<-tick.C
			_, err = c.Write([]byte{text[i]})
		}
	})
}

// cuts speaks TLS 1.3 with a certificate, and after so many bytes does something else.
func cuts(cert tls.Certificate, after int, then func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		_ = tls.Server(&cutConn{Conn: c, left: after, then: then}, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
	}
}

// A cutConn writes only so many bytes.
type cutConn struct {
	net.Conn
	left int
	then func(net.Conn)
}

var errCut = errors.New("cut off")

func (c *cutConn) Write(b []byte) (int, error) {
	if c.left < 0 {
		return 0, errCut
	}
	n, err := c.Conn.Write(b[:min(len(b), c.left)])
	if c.left -= n; c.left > 0 && err == nil {
		return n, nil
	}
	c.left = -1
	c.then(c.Conn)
	return n, errCut
}

// A tinyKey signs with RSA keys that crypto/rsa refuses. It knows PKCS #1 v1.5 with SHA-256 and nothing else.
type tinyKey struct {
	pub rsa.PublicKey
	d   *big.Int
}

func newTinyKey(t testing.TB, bits int) *tinyKey {
	t.Helper()
	e, one := big.NewInt(65537), big.NewInt(1)
	for {
		p, errP := rand.Prime(rand.Reader, bits/2)
		q, errQ := rand.Prime(rand.Reader, bits/2)
		if errP != nil || errQ != nil {
			t.Fatal(errP, errQ)
		}
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		n, d := new(big.Int).Mul(p, q), new(big.Int).ModInverse(e, phi)
		if d != nil && n.BitLen() == bits {
			return &tinyKey{rsa.PublicKey{N: n, E: 65537}, d}
		}
	}
}

// Public implements crypto.Signer.
func (k *tinyKey) Public() crypto.PublicKey { return &k.pub }

// Sign implements crypto.Signer.
func (k *tinyKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	info := append([]byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), digest...)
	size := k.pub.Size()
	padded := append(append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, size-3-len(info))...), 0)
	m := new(big.Int).SetBytes(append(padded, info...))
	return m.Exp(m, k.d, k.pub.N).FillBytes(make([]byte, size)), nil
}

// forged makes a certificate for localhost, bent, and signed by signer for key.
func forged(t testing.TB, signer *authority, key crypto.Signer, bend func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	bend(c)
	der, err := x509.CreateCertificate(rand.Reader, c, signer.cert, key.Public(), signer.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A hostileCertificate is one that is not to be trusted, or barely.
type hostileCertificate struct {
	name string
	cert tls.Certificate
	want Reason
	key  string // as the evidence tells it
}

// config is that of a server that shows it.
func (c *hostileCertificate) config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.cert}, MaxVersion: tls.VersionTLS12}
}

// verified are the kinds that speak TLS, with who trusts an authority.
func verified(port string, ca *authority) []Kind {
	return []Kind{&HTTP{URL: "https://localhost:" + port, TLS: TLS{CA: ca.pem}}, &TCP{Address: "localhost:" + port, TLS: &TLS{CA: ca.pem}}}
}

// hostileCertificates are what servers show that speak TLS well.
func hostileCertificates(t testing.TB, ca *authority) []hostileCertificate {
	stranger := newAuthority(t)
	as := func(bend func(*x509.Certificate)) tls.Certificate { return forged(t, ca, newKey(t), bend) }
	tiny := func(bits int) tls.Certificate {
		c := forged(t, ca, newTinyKey(t, bits), func(*x509.Certificate) {})
		c.SupportedSignatureAlgorithms = []tls.SignatureScheme{tls.PKCS1WithSHA256}
		return c
	}
	// A chain of 100 certificates of an authority that nobody knows.
	long := ca.issue(t, "localhost", -1, 30)
	for range 99 {
		long.Certificate = append(long.Certificate, stranger.cert.Raw)
	}
	liar, other := ca.issue(t, "localhost", -1, 30), newKey(t)
	liar.Leaf, liar.PrivateKey = liarLeaf(t, liar, other), other
	return []hostileCertificate{
		{"expired", as(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Now().Add(-time.Minute) }), TLSExpired, "ECDSA P-256"},
		{"expired before it began", as(func(c *x509.Certificate) { c.NotAfter = time.Unix(0, 0) }), TLSExpired, "ECDSA P-256"},
		{"not yet valid", as(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), TLSNotYetValid, "ECDSA P-256"},
		{"wrong name", as(func(c *x509.Certificate) { c.DNSNames = []string{"localhost.example"} }), TLSNameMismatch, "ECDSA P-256"},
		{"name only in the subject", as(func(c *x509.Certificate) { c.DNSNames = nil }), TLSNameMismatch, "ECDSA P-256"},
		{"thousands of wrong names", as(func(c *x509.Certificate) {
			c.DNSNames = strings.Split(strings.Repeat("a.example,", 5000)+"b.example", ",")
		}), TLSNameMismatch, "ECDSA P-256"},
		{"a subject of 60 KiB", as(func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = strings.Repeat("x", 60<<10), nil }), TLSNameMismatch, "ECDSA P-256"},
		{"unknown authority", stranger.issue(t, "localhost", -1, 30), TLSUntrusted, "ECDSA P-256"},
		{"for clients only", as(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), TLSUntrusted, "ECDSA P-256"},
		{"with an extension that nobody knows and all must", as(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		}), TLSUntrusted, "ECDSA P-256"},
		{"key of 512 bits", tiny(512), TLSHandshake, "RSA 512"},
		{"key of 768 bits", tiny(768), TLSHandshake, "RSA 768"},
		{"key of 1024 bits", tiny(1024), ReasonNone, "RSA 1024"},
		{"key that is not its own", liar, TLSHandshake, "ECDSA P-256"},
		{"chain of 100, good", long, ReasonNone, "ECDSA P-256"},
	}
}

// TestHostileCertificates looks at servers that speak TLS well and show a certificate that is not to be trusted. What it was
// is in the evidence, bounded.
func TestHostileCertificates(t *testing.T) {
	ca := newAuthority(t)
	for _, tt := range hostileCertificates(t, ca) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := hostile{want: tt.want, outcome: map[bool]Outcome{true: Up, false: Down}[tt.want == ReasonNone]}
			for _, k := range verified(speaksTLS(t, tt.config()), ca) {
				h.test(t, k)
				a := look(t, k)
				if d := a.Detail.TLS; d == nil || len(d.Chain) == 0 || d.Chain[0].Key != tt.key || d.Version != "TLS 1.2" {
					t.Errorf("evidence of TLS: got %+v, want a chain that begins with %s", d, tt.key)
				}
				wantBounded(t, &a.Detail)
			}
		})
	}
}

// liarLeaf is a certificate as crypto/tls compares it with its key: with the public key of another.
func liarLeaf(t testing.TB, c tls.Certificate, key crypto.Signer) *x509.Certificate {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	leaf.PublicKey = key.Public()
	return leaf
}

// hostileChain is a chain that nobody can make sense of: 100 authorities of one name, none of which signed the next.
func hostileChain(t testing.TB) *tls.Config {
	t.Helper()
	cert := newAuthority(t).issue(t, "localhost", -1, 30)
	for range 99 {
		cert.Certificate = append(cert.Certificate, newAuthority(t).cert.Raw)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// TestHostileChain: looking for a way through such a chain is bounded.
func TestHostileChain(t *testing.T) {
	h := hostile{want: TLSUntrusted, outcome: Down}
	for _, k := range verified(speaksTLS(t, hostileChain(t)), newAuthority(t)) {
		if a := h.test(t, k); a.Detail.TLS == nil || len(a.Detail.TLS.Chain) != maxChain {
			t.Errorf("evidence of TLS: got %+v, want the first %d certificates", a.Detail.TLS, maxChain)
		}
	}
}
