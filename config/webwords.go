package config

import (
	"cmp"
	"crypto/tls"
	"fmt"
)

// A hinted error knows a way out.
type hinted struct {
	error
	hint string
}

// Hint returns the way out.
func (h hinted) Hint() string { return h.hint }

// A word is one of a table of words that stand for numbers.
type word[T cmp.Ordered] struct {
	text string
	n    T
}

// unword finds the number of a word.
func unword[T cmp.Ordered](text []byte, words []word[T]) (T, error) {
	var texts []string
	for _, w := range words {
		if w.text == string(text) {
			return w.n, nil
		}
		texts = append(texts, w.text)
	}
	var none T
	return none, hinted{fmt.Errorf("found %s, wanted %s", found(string(text)), listed(texts)), meant(string(text), texts)}
}

// reword finds the word of a number.
func reword[T cmp.Ordered](n T, words []word[T]) string {
	for _, w := range words {
		if w.n == n {
			return w.text
		}
	}
	return fmt.Sprint(n)
}

// ClientAuth says which certificates a server wants of clients; a tls.ClientAuthType.
type ClientAuth int

func clientAuths() []word[ClientAuth] {
	return []word[ClientAuth]{
		{"NoClientCert", ClientAuth(tls.NoClientCert)},
		{"RequestClientCert", ClientAuth(tls.RequestClientCert)},
		{"RequireAnyClientCert", ClientAuth(tls.RequireAnyClientCert)},
		{"VerifyClientCertIfGiven", ClientAuth(tls.VerifyClientCertIfGiven)},
		{"RequireAndVerifyClientCert", ClientAuth(tls.RequireAndVerifyClientCert)},
		{"RequireClientCert", ClientAuth(tls.RequireAnyClientCert)}, // an old word of the format
	}
}

// UnmarshalText takes the toolkit's words.
func (c *ClientAuth) UnmarshalText(text []byte) (err error) {
	*c, err = unword(text, clientAuths())
	return err
}

// String returns the word.
func (c ClientAuth) String() string { return reword(c, clientAuths()) }

// A TLSVersion is a protocol version, as in crypto/tls.
type TLSVersion uint16

func tlsVersions() []word[TLSVersion] {
	return []word[TLSVersion]{{"TLS13", tls.VersionTLS13}, {"TLS12", tls.VersionTLS12}, {"TLS11", tls.VersionTLS11}, {"TLS10", tls.VersionTLS10}}
}

// UnmarshalText takes TLS10 to TLS13.
func (v *TLSVersion) UnmarshalText(text []byte) (err error) {
	*v, err = unword(text, tlsVersions())
	return err
}

// String returns the word.
func (v TLSVersion) String() string { return reword(v, tlsVersions()) }

// A TLSCipher is a cipher suite, as in crypto/tls.
type TLSCipher uint16

func tlsCiphers() []word[TLSCipher] {
	var ws []word[TLSCipher]
	for _, s := range tls.CipherSuites() {
		ws = append(ws, word[TLSCipher]{s.Name, TLSCipher(s.ID)})
	}
	return ws
}

// UnmarshalText takes the names of the suites that crypto/tls calls secure.
func (c *TLSCipher) UnmarshalText(text []byte) (err error) {
	*c, err = unword(text, tlsCiphers())
	return err
}

// String returns the name.
func (c TLSCipher) String() string { return reword(c, tlsCiphers()) }

// A TLSCurve is an elliptic curve, as in crypto/tls.
type TLSCurve uint16

func tlsCurves() []word[TLSCurve] {
	return []word[TLSCurve]{
		{"CurveP256", TLSCurve(tls.CurveP256)},
		{"CurveP384", TLSCurve(tls.CurveP384)},
		{"CurveP521", TLSCurve(tls.CurveP521)},
		{"X25519", TLSCurve(tls.X25519)},
	}
}

// UnmarshalText takes the toolkit's words.
func (c *TLSCurve) UnmarshalText(text []byte) (err error) {
	*c, err = unword(text, tlsCurves())
	return err
}

// String returns the word.
func (c TLSCurve) String() string { return reword(c, tlsCurves()) }
