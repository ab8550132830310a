package probe

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// What of an attempt is kept for people, at most.
const (
	maxAddresses = 16
	maxHops      = 32
	maxStatus    = 128 // bytes of the status of a hop
	maxHeaders   = 32
	maxLine      = 1024 // bytes of one text
	maxBody      = 1024 // bytes of the body
	maxMessage   = 4096 // bytes of a DNS message as text
	maxChain     = 8
	maxNames     = 16
)

// clip cuts a text to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
		// A rune cut in half would read as a broken one of the target's.
		for i := 0; i < utf8.UTFMax && s != ""; i++ {
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size > 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func encode64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func htmlForm(s string) string { return html.EscapeString(s) }

func jsonForm(s string) string {
	b, err := json.Marshal(s)
	if err != nil || len(b) < 2 {
		return s
	}
	return string(b[1 : len(b)-1])
}

// publicURL is a URL for people: without credentials, bounded.
func publicURL(u *url.URL) string {
	if u.User != nil {
		c := *u
		c.User = nil
		u = &c
	}
	return clip(u.String(), maxLine)
}

// sensitive are the headers whose values are nobody's business.
var sensitive = []string{
	"Authorization", "Cookie", "Proxy-Authorization", "Set-Cookie", "X-Amz-Security-Token", "X-Api-Key", "X-Auth-Token",
}

// headerLines are the headers of an answer for people, by name.
func headerLines(h http.Header, hide *redactor) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	var lines []string
	for _, name := range names {
		for _, v := range h[name] {
			if len(lines) == maxHeaders {
				return lines
			}
			if slices.Contains(sensitive, name) {
				v = redacted
			}
			// Cleaned before it is cut: half a secret would not be recognised.
			lines = append(lines, clip(hide.clean(name+": "+v), maxLine))
		}
	}
	return lines
}

// tlsDetail describes a handshake; certs are those the server showed.
func tlsDetail(s *tls.ConnectionState, serverName string, certs []*x509.Certificate) *TLSDetail {
	d := &TLSDetail{ServerName: clip(serverName, maxLine)}
	if s.Version != 0 {
		d.Version = tls.VersionName(s.Version)
	}
	if s.CipherSuite != 0 {
		d.Cipher = tls.CipherSuiteName(s.CipherSuite)
	}
	for _, c := range certs[:min(len(certs), maxChain)] {
		d.Chain = append(d.Chain, Certificate{
			Subject: clip(c.Subject.String(), maxLine), Issuer: clip(c.Issuer.String(), maxLine),
			Names: certNames(c, maxNames), NotBefore: c.NotBefore, NotAfter: c.NotAfter, Key: keyText(c.PublicKey),
		})
	}
	return d
}

// keyText says what kind of key a public key is: "RSA 2048", "ECDSA P-256".
func keyText(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return ""
}

// certNames are the names of a certificate, at most as many as are asked for.
func certNames(c *x509.Certificate, most int) []string {
	var names []string
	for _, n := range c.DNSNames[:min(len(c.DNSNames), most)] {
		names = append(names, clip(n, 255))
	}
	for _, ip := range c.IPAddresses[:min(len(c.IPAddresses), most)] {
		names = append(names, ip.String())
	}
	return names[:min(len(names), most)]
}

// clean takes secrets out of what a target has put into its certificates.
func (d *TLSDetail) clean(hide *redactor) {
	if len(hide.forms) == 0 {
		return
	}
	d.ServerName = hide.clean(d.ServerName)
	for i := range d.Chain {
		c := &d.Chain[i]
		c.Subject, c.Issuer = hide.clean(c.Subject), hide.clean(c.Issuer)
		for j := range c.Names {
			c.Names[j] = hide.clean(c.Names[j])
		}
	}
}

// explain puts the failure of a trail into its attempt's detail.
func (t *trail) explain(hide *redactor) {
	if t.cause != nil {
		t.a.Detail.Error = clip(hide.clean(t.cause.Error()), maxLine)
	}
}
