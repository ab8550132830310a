package relay

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/nats-io/nkeys"
)

const credentialsTitle = "gaikei credentials 1"

// Credentials are what a prober needs to reach the centre: who it is, where the centre is, its secret key, and the CA whose
// certificates it trusts. Printed they show all but the secret.
//
// In a file they are a line "gaikei credentials 1", a line "KEY: VALUE" for each of region, prober, url (one or
// more) and seed, and after an empty line the certificates of the CA in PEM form, if the centre's certificate is
// not one of a public CA. Lines that begin with # are comments. Those of the centre itself, for a server elsewhere, have neither
// region nor prober.
type Credentials struct {
	Region, Prober string
	URLs           []string // nats://, tls://, ws:// or wss://; beyond this machine TLS is used whatever the scheme
	CA             []byte   // PEM; empty: the system's

	key key
}

// NewCredentials makes credentials with a new key for a prober.
func NewCredentials(region, prober string, urls []string, caPEM []byte) (*Credentials, error) {
	k, err := newKey()
	if err != nil {
		return nil, err
	}
	c := &Credentials{Region: region, Prober: prober, URLs: urls, CA: caPEM, key: k}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("make credentials: %w", err)
	}
	return c, nil
}

// NewCentreCredentials makes credentials with a new key for the centre, to be used at a server elsewhere.
func NewCentreCredentials(urls []string, caPEM []byte) (*Credentials, error) {
	return NewCredentials("", "", urls, caPEM)
}

// ReadCredentials reads a file.
func ReadCredentials(path string) (*Credentials, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	c, err := ParseCredentials(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Redirect makes the aggregator be found at other URLs. After an error it is not.
func (c *Credentials) Redirect(urls []string) error {
	next := *c
	next.URLs = urls
	if err := next.check(); err != nil {
		return err
	}
	c.URLs = urls
	return nil
}

// PublicKey is what the centre knows this key by.
func (c Credentials) PublicKey() string { return c.key.public() }

// String tells all but the secret.
func (c Credentials) String() string {
	return fmt.Sprintf("credentials of %q/%q with key %s for %v", c.Region, c.Prober, c.PublicKey(), c.URLs)
}

// Text is the content of a credentials file. It holds the secret.
func (c *Credentials) Text() ([]byte, error) {
	seed, err := c.key.pair().Seed()
	if err != nil {
		return nil, fmt.Errorf("write credentials: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n# Whoever has this file can send results in this prober's name. Keep it secret.\n", credentialsTitle)
	if c.Region != "" {
		fmt.Fprintf(&b, "region: %s\nprober: %s\n", c.Region, c.Prober)
	}
	for _, u := range c.URLs {
		fmt.Fprintf(&b, "url: %s\n", u)
	}
	fmt.Fprintf(&b, "seed: %s\n", seed)
	if len(c.CA) > 0 {
		fmt.Fprintf(&b, "\n%s\n", bytes.TrimSpace(c.CA))
	}
	return b.Bytes(), nil
}

// WriteFile writes a file that only its owner can read. It replaces one that is there.
func (c *Credentials) WriteFile(path string) error {
	text, err := c.Text()
	if err != nil {
		return err
	}
	if err := writePrivate(path, text); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return nil
}

// ParseCredentials reads the content of a credentials file. Its errors name the line, and never show the secret.
func ParseCredentials(text []byte) (*Credentials, error) {
	c := new(Credentials)
	head, ca := text, []byte(nil)
	if i := bytes.Index(text, []byte("-----BEGIN ")); i >= 0 {
		head, ca = text[:i], text[i:]
	}
	lines := strings.Split(string(head), "\n")
	if strings.TrimSpace(lines[0]) != credentialsTitle {
		return nil, fmt.Errorf("credentials: line 1 is not %q: this is no credentials file, or one of another version", credentialsTitle)
	}
	for i, line := range lines[1:] {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := c.set(line); err != nil {
			return nil, fmt.Errorf("credentials: line %d: %w", i+2, err)
		}
	}
	c.CA = ca
	if c.key.pair == nil {
		return nil, errors.New("credentials: there is no seed, want a line \"seed: SU…\"")
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	return c, nil
}

func (c *Credentials) set(line string) error {
	name, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	if !ok || value == "" {
		return errors.New("want KEY: VALUE") // the line is not shown: it may be the secret
	}
	once := func(s *string) error {
		if *s != "" {
			return fmt.Errorf("there is a second %s", name)
		}
		*s = value
		return nil
	}
	switch name {
	case "region":
		return once(&c.Region)
	case "prober":
		return once(&c.Prober)
	case "url":
		c.URLs = append(c.URLs, value)
	case "seed":
		if c.key.pair != nil {
			return errors.New("there is a second seed")
		}
		pair, err := nkeys.FromSeed([]byte(value))
		if err != nil {
			return errors.New("the seed cannot be read, want one that begins with SU")
		}
		c.key = keyOf(pair)
		if !isPublicKey(c.key.public()) {
			return errors.New("the seed is of another kind, want one that begins with SU")
		}
	default:
		return fmt.Errorf("there is a key of %d characters that is none of region, prober, url, seed", len(name))
	}
	return nil
}

func (c *Credentials) check() error {
	var errs []error
	if c.Region != "" || c.Prober != "" {
		errs = append(errs, Identity{Region: c.Region, Prober: c.Prober}.check())
	}
	if len(c.URLs) == 0 {
		errs = append(errs, errors.New("there is no url, want one such as tls://gaikei.example.com:4222"))
	}
	webs := 0
	for _, u := range c.URLs {
		web, err := checkURL(u)
		errs = append(errs, err)
		if web {
			webs++
		}
	}
	if webs != 0 && webs != len(c.URLs) {
		errs = append(errs, errors.New("some urls are of websockets and some are not, want one kind"))
	}
	if rest := bytes.TrimSpace(c.CA); len(rest) > 0 {
		errs = append(errs, checkPEM(rest))
	}
	return errors.Join(errs...)
}

// checkURL reports whether a URL is of a websocket, and what is wrong with it. Passwords are not shown.
func checkURL(text string) (web bool, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return false, errors.New("a url cannot be used, want one such as tls://gaikei.example.com:4222, without user and password")
	}
	switch u.Scheme {
	case "nats", "tls":
		return false, nil
	case "wss":
		return true, nil
	case "ws":
		if isLocal(u.Hostname()) {
			return true, nil
		}
		return true, fmt.Errorf("url %s is not encrypted, want wss:// beyond this machine", text)
	}
	return false, fmt.Errorf("url %s begins with %s://, want nats, tls, ws or wss", text, u.Scheme)
}

func checkPEM(text []byte) error {
	for n := 0; len(text) > 0; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil || block.Type != "CERTIFICATE" {
			return fmt.Errorf("PEM block %d cannot be read, want certificates of the CA only", n+1)
		}
		text = bytes.TrimSpace(text)
	}
	return nil
}

// isLocal reports whether a host is this machine.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// plain reports whether TLS is not needed.
func (c *Credentials) plain() bool {
	for _, text := range c.URLs {
		u, err := url.Parse(text)
		if err != nil || !isLocal(u.Hostname()) || u.Scheme == "tls" || u.Scheme == "wss" {
			return false
		}
	}
	return true
}

// CheckKey reports whether a text is the public key of somebody who can connect.
func CheckKey(public string) error {
	if !isPublicKey(public) {
		return fmt.Errorf("key %.80q: want a public key as credentials have it, which begins with U", public)
	}
	return nil
}
