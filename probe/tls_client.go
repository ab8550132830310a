package probe

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
)

// prepareCertificate makes a configuration that cannot show the client's certificate before it was equipped.
func (c *TLS) prepareCertificate(ready *tls.Config) []Problem {
	switch {
	case c.Cert.IsZero() && c.Key.IsZero():
		return nil
	case c.Key.IsZero():
		return []Problem{{Field: "tls.key", Message: "found a certificate without its key", Hint: "write key: \"${file:NAME}\", a file below the prober's folder of secrets"}}
	case c.Cert.IsZero():
		return []Problem{{Field: "tls.cert", Message: "found a key without its certificate", Hint: "give the certificate in PEM, or {file: path}"}}
	}
	var ps []Problem
	if len(c.Key.parts) != 1 || !c.Key.HasSecrets() {
		// What is there may be the key itself, so it is not shown.
		ps = append(ps, Problem{
			Field: "tls.key", Message: "found something else than one reference to a secret",
			Hint: "write \"${file:NAME}\", a file below the prober's folder of secrets, or \"${env:GAIKEI_SECRET_NAME}\"",
		})
	}
	if !c.Cert.HasSecrets() {
		if _, err := parseCertificates(c.Cert.plain()); err != nil {
			ps = append(ps, Problem{Field: "tls.cert", Message: err.Error(), Hint: "give certificates in PEM, or {file: path}"})
		}
	}
	ready.GetClientCertificate = (&clientCert{cert: c.Cert, key: c.Key}).ask
	return ps
}

// plain is the text of a template without references.
func (t Template) plain() string {
	if len(t.parts) == 0 {
		return ""
	}
	return t.parts[0].text
}

// A clientCert is a client's certificate whose key is a secret of the prober. It may be used by many goroutines at a time.
type clientCert struct {
	cert, key Template
	last      atomic.Pointer[keyPair]
}

// A keyPair is what secrets stood for, and what was made of them: parsing a key takes longer than a handshake.
type keyPair struct {
	cert, key string
	pair      *tls.Certificate
}

// A notEquipped is what a prepared configuration says in place of a certificate.
type notEquipped struct{ cert *clientCert }

func (*notEquipped) Error() string { return "the key of the client certificate was not looked up" }

func (c *clientCert) ask(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return nil, &notEquipped{c}
}

// equip returns a configuration with the client's certificate, if it has one: the secrets are looked up for each attempt,
// so that they can be changed. Its error is for the reason secret; it names references and shows nothing of a key. A
// configuration that is equipped already is returned as it is.
func (w *World) equip(config *tls.Config) (*tls.Config, error) {
	if config == nil || config.GetClientCertificate == nil {
		return config, nil
	}
	_, err := config.GetClientCertificate(nil)
	missing, ok := errors.AsType[*notEquipped](err)
	if !ok {
		return config, nil
	}
	pair, err := missing.cert.lookUp(w)
	if err != nil {
		return nil, err
	}
	equipped := config.Clone()
	// The certificate is shown whatever authorities the server names: that it is the wrong one is for the server to say.
	equipped.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	return equipped, nil
}

func (c *clientCert) lookUp(w *World) (*tls.Certificate, error) {
	var hide redactor // what is looked up here is never sent, and so never comes back
	cert, err := c.cert.expand(w, &hide)
	if err != nil {
		return nil, fmt.Errorf("tls.cert: %w", err)
	}
	key, err := c.key.expand(w, &hide)
	if err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	if last := c.last.Load(); last != nil && last.cert == cert && last.key == key {
		return last.pair, nil
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return nil, fmt.Errorf("tls.cert and tls.key %s: %w", c.key, err)
	}
	c.last.Store(&keyPair{cert, key, &pair})
	return &pair, nil
}

// A lingering connection is not closed by who speaks over it, since what the other side said last would then be lost; its
// link closes it in the end.
type lingering struct{ net.Conn }

// Close does nothing.
func (lingering) Close() error { return nil }

// isAlert reports whether the other side ended TLS with an alert. In TLS 1.3 that is how it refuses a client's certificate,
// after the handshake.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// alerted returns the alert that a connection ended with, and otherwise err: http.Transport may only say that the connection
// was lost, or that it could not be written to.
func (x *exchange) alerted(conn net.Conn, err error) error {
	if strings.Contains(err.Error(), unasked) || silenceReason(x.ctx, err) == Reset {
		// Nothing more comes of it than what is there already.
		if _, end := conn.Read(make([]byte, 1)); isAlert(end) {
			return end
		}
	}
	return err
}
