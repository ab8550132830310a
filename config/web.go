package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Web is how a server protects its page and API: the web configuration file of the Prometheus exporter toolkit, with
// the same keys, defaults and meaning. It is not changed once it is read.
type Web struct {
	TLS  *WebTLS `yaml:"tls_server_config"` // nil: plain HTTP
	HTTP WebHTTP `yaml:"http_server_config"`
	// Users are those who may read with a password.
	Users map[string]PasswordHash `yaml:"basic_auth_users"`
}

// A WebTLS is the TLS of a server. Names of files are as they are written: relative ones start at the folder of the
// web configuration. Of each pair with and without _file at most one is set.
type WebTLS struct {
	Cert         string      `yaml:"cert"` // PEM
	Key          PrivateText `yaml:"key"`  // PEM
	ClientCA     string      `yaml:"client_ca"`
	CertFile     string      `yaml:"cert_file"`
	KeyFile      string      `yaml:"key_file"`
	ClientAuth   ClientAuth  `yaml:"client_auth_type" default:"NoClientCert"`
	ClientCAFile string      `yaml:"client_ca_file"`
	AllowedSANs  []string    `yaml:"client_allowed_sans"` // empty: whatever the authority signed
	MinVersion   TLSVersion  `yaml:"min_version" default:"TLS12"`
	MaxVersion   TLSVersion  `yaml:"max_version" default:"TLS13"`
	Ciphers      []TLSCipher `yaml:"cipher_suites"` // up to TLS 1.2; empty: Go's choice
	Curves       []TLSCurve  `yaml:"curve_preferences"`
	// PreferServerCiphers has had no effect since Go 1.17, here as in the toolkit: files that have it keep loading.
	PreferServerCiphers bool `yaml:"prefer_server_cipher_suites" default:"true"`
}

// A WebHTTP is what else a server does.
type WebHTTP struct {
	HTTP2   bool              `yaml:"http2" default:"true"` // with TLS only
	Headers map[string]string `yaml:"headers"`
}

// ParseWeb validates a web configuration that was read from the file called name. The error, if any, is a Faults, and
// quotes no value.
func ParseWeb(name string, data []byte) (*Web, error) {
	d := newDecoder(name, noFiles)
	d.discreet, d.least = true, "a web configuration has tls_server_config, basic_auth_users or both"
	w := new(Web)
	if root := d.document(data); root != nil {
		v := reflect.ValueOf(w).Elem()
		d.fresh(v)
		d.value(root, v, "")
		d.web(w)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return w, nil
}

// web tells every contradiction of what could be decoded.
func (d *decoder) web(w *Web) {
	if w.TLS != nil && d.sound("tls_server_config") {
		d.webTLS(w.TLS)
	}
	for _, name := range slices.Sorted(maps.Keys(w.HTTP.Headers)) {
		d.webHeader(name, w.HTTP.Headers[name])
	}
	for name := range w.Users {
		if p := join("basic_auth_users", name); name == "" || strings.Contains(name, ":") {
			d.tell(d.where(p), "found a user whose name is empty or holds a colon", "in basic authentication the colon ends the name")
		}
	}
}

// A pair is one thing that is either in the web configuration or in a file of its own.
type pair struct{ key, text, file string }

func (d *decoder) webTLS(t *WebTLS) {
	const block = "tls_server_config"
	for _, p := range []pair{
		{"cert", t.Cert, t.CertFile},
		{"key", string(t.Key), t.KeyFile},
		{"client_ca", t.ClientCA, t.ClientCAFile},
	} {
		switch inline, file := p.key, p.key+"_file"; {
		case p.text != "" && p.file != "":
			d.tell(d.where(join(block, file)), "found "+inline+" and "+file+", wanted one of them", "")
		case p.text == "" && p.file == "" && p.key != "client_ca":
			d.tell(d.where(join(block, file)), "missing, wanted "+file+" or "+inline, "without TLS leave the whole block out")
		}
	}
	if t.MinVersion > t.MaxVersion {
		d.tell(d.where(join(block, "max_version")), fmt.Sprintf("found %s, wanted at least min_version, which is %s", t.MaxVersion, t.MinVersion), "")
	}
	d.clientAuth(t)
}

// clientAuth tells what would let in whom nobody has checked.
func (d *decoder) clientAuth(t *WebTLS) {
	here := d.where("tls_server_config.client_auth_type")
	ca := t.ClientCA != "" || t.ClientCAFile != ""
	verifies := t.ClientAuth == ClientAuth(tls.RequireAndVerifyClientCert) || t.ClientAuth == ClientAuth(tls.VerifyClientCertIfGiven)
	switch {
	case ca && t.ClientAuth == ClientAuth(tls.NoClientCert):
		d.tell(here, "found an authority for client certificates and none are asked for", "client_auth_type: RequireAndVerifyClientCert")
	case verifies && !ca && len(t.AllowedSANs) == 0:
		d.tell(here, fmt.Sprintf("found %s without client_ca_file: whoever has a certificate of any public authority would be let in", t.ClientAuth),
			"name the authority of your clients in client_ca_file")
	case len(t.AllowedSANs) > 0 && !verifies:
		d.tell(here, fmt.Sprintf("found %s with client_allowed_sans: names in certificates that nobody verifies prove nothing", t.ClientAuth),
			"client_auth_type: RequireAndVerifyClientCert")
	}
}

// webHeader tells a header that the format does not have, or a value that the header cannot have.
func (d *decoder) webHeader(name, value string) {
	values := map[string][]string{
		"Strict-Transport-Security": nil, "X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"deny", "sameorigin"},
		"X-XSS-Protection": nil, "Content-Security-Policy": nil,
	}
	allowed, known := values[name]
	switch p := join("http_server_config.headers", name); {
	case !known:
		names := slices.Sorted(maps.Keys(values))
		d.tell(d.where(p), "no header "+found(name)+" can be set, wanted "+listed(names), meant(name, names))
	case len(allowed) > 0 && !slices.Contains(allowed, value):
		d.tell(d.where(p), "found "+found(value)+", wanted "+listed(allowed), "")
	}
}

// Mutual reports whether nobody gets past TLS without a certificate that was verified.
func (t *WebTLS) Mutual() bool {
	return t != nil && t.ClientAuth == ClientAuth(tls.RequireAndVerifyClientCert)
}

// A PrivateText is a text that is never quoted.
type PrivateText string

// String hides the text.
func (PrivateText) String() string { return concealment }

// A PasswordHash is a password as bcrypt hashed it.
type PasswordHash string

// maxCost bounds what one guess of a password can cost: about four seconds.
const maxCost = 16

var errPasswordHash = errors.New("found a text that is no bcrypt hash, wanted one such as $2y$10$…")

// UnmarshalText takes a bcrypt hash and, so that a password written by mistake is not shown, quotes nothing.
func (h *PasswordHash) UnmarshalText(text []byte) error {
	m := regexp.MustCompile(`^\$2[aby]?\$(\d\d)\$[./A-Za-z0-9]{53}$`).FindSubmatch(text)
	if m == nil {
		return hinted{errPasswordHash, "htpasswd -nB NAME asks for a password and prints name and hash"}
	}
	if cost, err := strconv.Atoi(string(m[1])); err != nil || cost < 4 || cost > maxCost {
		return hinted{fmt.Errorf("found a bcrypt hash of cost %s, wanted 4 to %d", m[1], maxCost), "every guess at a password costs this server as much; 10 to 12 is usual"}
	}
	*h = PasswordHash(text)
	return nil
}

// Cost is the base 2 logarithm of the rounds that a comparison takes.
func (h PasswordHash) Cost() int {
	n, _ := strconv.Atoi(strings.Split(string(h)+"$$$", "$")[2])
	return n
}
