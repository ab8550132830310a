package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// A pin is the SHA-256 of a public key's SubjectPublicKeyInfo (RFC 7469, section 2.4).
type pin [sha256.Size]byte

func pinOf(c *x509.Certificate) pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

func (p pin) String() string { return "sha256//" + base64.StdEncoding.EncodeToString(p[:]) }

// parsePin reads base64, also with the prefix of curl, sha256//, or that of others, sha256/.
func parsePin(text string) (pin, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimPrefix(text, "sha256/"), "/"))
	if err != nil || len(b) != sha256.Size {
		return pin{}, fmt.Errorf("found %q, wanted the SHA-256 of a public key in base64, 44 characters", clip(text, 80))
	}
	return pin(b), nil
}

// A pinError is a chain with none of the keys that are pinned.
type pinError struct {
	found []pin
}

func (e *pinError) Error() string {
	all := make([]string, len(e.found))
	for i, p := range e.found {
		all[i] = p.String()
	}
	return "no key of the certificates is one of tls.pins; found " + strings.Join(all, ", ")
}

func (c *TLS) preparePins(ready *tls.Config) []Problem {
	if len(c.Pins) == 0 {
		return nil
	}
	var ps []Problem
	pins := make([]pin, len(c.Pins))
	for i, text := range c.Pins {
		var err error
		if pins[i], err = parsePin(text); err != nil {
			ps = append(ps, Problem{
				Field: "tls.pins", Message: err.Error(),
				Hint: "openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64",
			})
		}
	}
	ready.VerifyConnection = func(s tls.ConnectionState) error { return checkPins(pins, &s) }
	return ps
}

// checkPins looks for a pinned key in the chains that were verified. Without verification only the target's own key
// counts: anybody can show certificates that did not sign theirs.
func checkPins(pins []pin, s *tls.ConnectionState) error {
	chains := s.VerifiedChains
	if len(chains) == 0 {
		chains = [][]*x509.Certificate{s.PeerCertificates[:min(1, len(s.PeerCertificates))]}
	}
	var seen []pin
	for _, chain := range chains {
		for _, c := range chain {
			p := pinOf(c)
			if slices.Contains(pins, p) {
				return nil
			}
			if len(seen) < maxChain && !slices.Contains(seen, p) {
				seen = append(seen, p)
			}
		}
	}
	return &pinError{seen}
}
