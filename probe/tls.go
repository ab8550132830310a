package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"
)

// TLS says how a target's TLS is spoken and judged. The zero value verifies the certificate against the
// system's roots and the name that is dialled. In a TCP check the word true is a TLS with no settings.
type TLS struct {
	ServerName   string     `yaml:"server_name"`                          // asked for and verified; default: the target's name
	MinDaysLeft  int        `yaml:"min_days_left"`                        // whole days until the chain expires; zero: not looked at
	WarnDaysLeft int        `yaml:"warn_days_left"`                       // with fewer whole days there is a warning in the evidence; zero: never
	CA           string     `yaml:"ca,file"`                              // PEM; if set, these roots and no others
	SkipVerify   bool       `yaml:"insecure_skip_verify" default:"false"` // any certificate will do; days left and pins still count
	MinVersion   VersionTLS `yaml:"min_version"`                          // the oldest spoken; zero: 1.2, or MaxVersion if that is older
	MaxVersion   VersionTLS `yaml:"max_version"`                          // the newest spoken; zero: 1.3
	Cert         Template   `yaml:"cert,file"`                            // the client's certificate and what signed it, PEM
	Key          Template   `yaml:"key"`                                  // its key, PEM: one reference to a secret
	// Pins are the public keys of which one must be in the verified chain, as base64 of the SHA-256 of the key's
	// SubjectPublicKeyInfo; unverified, it must be the target's own.
	Pins []string `yaml:"pins"`
}

// UnmarshalText reads the short form, true.
func (c *TLS) UnmarshalText(text []byte) error {
	if string(text) != "true" {
		return fmt.Errorf("found %q, wanted true or a mapping; leave tls out to speak without it", clip(string(text), 40))
	}
	*c = TLS{}
	return nil
}

// set reports whether anything is configured.
func (c *TLS) set() bool { return !reflect.ValueOf(*c).IsZero() }

// prepare makes the part of the TLS configuration that all attempts share. World.equip adds what is secret.
func (c *TLS) prepare(host string) (*tls.Config, []Problem) {
	ready := &tls.Config{ServerName: serverName(c.ServerName, host), InsecureSkipVerify: c.SkipVerify}
	ps := c.checkDaysLeft()
	if c.ServerName != "" && !isHostName(c.ServerName) && !isIP(c.ServerName) {
		ps = append(ps, Problem{Field: "tls.server_name", Message: fmt.Sprintf("found %q, wanted a host name or an address", clip(c.ServerName, 80)), Hint: "write it without scheme and port"})
	}
	ps = append(ps, c.prepareVersions(ready)...)
	ps = append(ps, c.prepareCertificate(ready)...)
	ps = append(ps, c.preparePins(ready)...)
	return ready, append(ps, c.prepareRoots(ready)...)
}

func (c *TLS) checkDaysLeft() []Problem {
	var ps []Problem
	if c.MinDaysLeft < 0 {
		ps = append(ps, Problem{Field: "tls.min_days_left", Message: fmt.Sprintf("found %d, wanted 0 or more", c.MinDaysLeft)})
	}
	switch {
	case c.WarnDaysLeft < 0:
		ps = append(ps, Problem{Field: "tls.warn_days_left", Message: fmt.Sprintf("found %d, wanted 0 or more", c.WarnDaysLeft)})
	case c.WarnDaysLeft > 0 && c.WarnDaysLeft <= c.MinDaysLeft:
		ps = append(ps, Problem{
			Field: "tls.warn_days_left", Message: fmt.Sprintf("found %d, wanted more than tls.min_days_left (%d): the check fails before it warns", c.WarnDaysLeft, c.MinDaysLeft),
		})
	}
	return ps
}

func (c *TLS) prepareRoots(ready *tls.Config) []Problem {
	if c.CA == "" {
		// Reading the system's roots takes up to a tenth of a second, once. It must not become part of the
		// latency of the first attempt; whether there are any shows there.
		_, _ = x509.SystemCertPool()
		return nil
	}
	var ps []Problem
	if c.SkipVerify {
		ps = append(ps, Problem{Field: "tls.insecure_skip_verify", Message: "found true together with ca: roots that nothing is verified against", Hint: "leave one of them out"})
	}
	roots, err := parseRoots(c.CA)
	if err != nil {
		ps = append(ps, Problem{Field: "tls.ca", Message: err.Error(), Hint: "give certificates in PEM, or {file: path}"})
	}
	ready.RootCAs = roots
	return ps
}

// parseRoots reads PEM that holds the certificates of authorities.
func parseRoots(text string) (*x509.CertPool, error) {
	certs, err := parseCertificates(text)
	roots := x509.NewCertPool()
	for _, cert := range certs {
		roots.AddCert(cert)
	}
	return roots, err
}

// parseCertificates reads PEM that holds certificates, at least one, and nothing else.
func parseCertificates(text string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := []byte(text); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("found a PEM block of type %s, wanted CERTIFICATE", clip(b.Type, 40))
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("found no certificate, wanted at least one")
	}
	return certs, nil
}

// serverName is the name to ask for: the configured one, or the host. A root dot is not part of a name in
// a certificate.
func serverName(configured, host string) string {
	if configured != "" {
		return configured
	}
	return strings.TrimSuffix(host, ".")
}

// A handshake is what a TLS handshake came to.
type handshake struct {
	conn  *tls.Conn
	state tls.ConnectionState
	name  string
	certs []*x509.Certificate // as shown by the server, verified or not
}

// secure speaks TLS over a connection, as a phase. It returns nil after a failure, which it has noted.
// The connection's deadline is the handshake's. Who has equipped the configuration before the attempt began keeps
// the reading of a client's key out of the latency.
func (t *trail) secure(ctx context.Context, conn net.Conn, config *tls.Config) *handshake {
	config, err := t.w.equip(config)
	if err != nil {
		t.fail(Secret, err)
		return nil
	}
	t.enter(PhaseTLS)
	h := &handshake{conn: tls.Client(lingering{conn}, config), name: config.ServerName}
	err = h.conn.Handshake()
	h.state = h.conn.ConnectionState()
	h.certs = h.state.PeerCertificates
	if err == nil {
		return h
	}
	t.fail(h.refuted(t.handshakeFailed(ctx, err), err), fmt.Errorf("TLS handshake with %s: %w", t.a.Addr, err))
	t.a.Detail.TLS, t.a.Expires = h.detail(), expiry(h)
	return nil
}

// refuted keeps the certificates that were not accepted, and returns the reason: that they have run out comes before who signed them.
func (h *handshake) refuted(r Reason, err error) Reason {
	bad, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok {
		return r
	}
	h.certs = bad.UnverifiedCertificates
	if r == TLSUntrusted && expired(h.certs) {
		return TLSExpired
	}
	return r
}

// handshakeFailed classifies, and marks the attempt as answered if it was the target that objected.
func (t *trail) handshakeFailed(ctx context.Context, err error) Reason {
	if r := silenceReason(ctx, err); r != ReasonNone {
		return r
	}
	t.a.Answered = true
	return certificateReason(err)
}

func certificateReason(err error) Reason {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason != x509.Expired {
			return TLSUntrusted
		}
		if e.Cert != nil && time.Now().Before(e.Cert.NotBefore) {
			return TLSNotYetValid
		}
		return TLSExpired
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return TLSNameMismatch
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return TLSUntrusted
	}
	if _, ok := errors.AsType[*pinError](err); ok {
		return TLSUntrusted
	}
	return TLSHandshake
}

// expired reports whether the target's own certificate has run out.
func expired(certs []*x509.Certificate) bool {
	return len(certs) > 0 && time.Now().After(certs[0].NotAfter)
}

// checkDays notes when the certificates of a handshake end, judges the days left, and warns of them.
func (t *trail) checkDays(c *TLS, h *handshake) {
	t.a.Expires = expiry(h)
	if c.MinDaysLeft == 0 && c.WarnDaysLeft == 0 {
		return
	}
	left := h.daysLeft(t.a.Start)
	if left < c.MinDaysLeft {
		o := h.days(c, t.a.Start)
		t.fail(TLSExpired, fmt.Errorf("the certificate of %s expires on %s, in %s; wanted %s",
			h.name, expiry(h).UTC().Format(time.DateOnly), o.Got, o.Want))
	}
	if left < c.WarnDaysLeft {
		t.warn("the certificate of %s expires on %s, in %d days; from %d days on there is a warning",
			h.name, expiry(h).UTC().Format(time.DateOnly), left, c.WarnDaysLeft-1)
	}
}

// daysLeft is how many whole days remain until clients begin to fail.
func (h *handshake) daysLeft(now time.Time) int { return int(expiry(h).Sub(now) / (24 * time.Hour)) }

// days compares the whole days left with those wanted.
func (h *handshake) days(c *TLS, now time.Time) Observation {
	left := h.daysLeft(now)
	return Observation{
		What: "tls.min_days_left", Want: fmt.Sprintf("at least %d days", c.MinDaysLeft), Got: fmt.Sprintf("%d days", left),
		Held: left >= c.MinDaysLeft, Reason: TLSExpired,
	}
}

// maxWarnings is how many warnings an attempt has at most.
const maxWarnings = 8

// warn notes what is not wrong yet. It is kept whatever comes of the attempt.
func (t *trail) warn(format string, args ...any) {
	if len(t.a.Detail.Warnings) < maxWarnings {
		t.a.Detail.Warnings = append(t.a.Detail.Warnings, clip(fmt.Sprintf(format, args...), maxLine))
	}
}

func (h *handshake) detail() *TLSDetail { return tlsDetail(&h.state, h.name, h.certs) }

// expiry is when clients will begin to fail: the first end of a certificate in the chain, and if several
// chains were found good, that of the one that lasts longest.
func expiry(h *handshake) time.Time {
	var last time.Time
	for _, chain := range h.state.VerifiedChains {
		if end := firstEnd(chain); end.After(last) {
			last = end
		}
	}
	if last.IsZero() {
		last = firstEnd(h.certs)
	}
	return last
}

func firstEnd(chain []*x509.Certificate) time.Time {
	var end time.Time
	for _, c := range chain {
		if end.IsZero() || c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}
