package relay

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	renewBefore = 30 * 24 * time.Hour // of the end, certificates are renewed, or complained about
	certsEvery  = time.Minute         // between looks at them
)

// certificates are what the hub proves itself with. Those that it makes itself are in a folder: ca.pem and ca.key, for ten
// years, and server.pem, certificate and key together, for one, renewed by itself. Those that are given are read
// again when their files change.
type certificates struct {
	dir   string   // of those made here
	names []string // host names and addresses, for those made here
	given *givenFiles
	log   *slog.Logger

	mu     sync.Mutex
	server *tls.Certificate
	ca     []byte // PEM
	caEnd  time.Time
	warned bool   // of the end of what cannot be renewed here
	failed string // why the last look failed, so that it is logged once
}

type givenFiles struct {
	cert, key, ca string // ca may be empty
}

// openCertificates loads or makes what there must be; nil if the hub is to be without TLS, which it is only on
// this machine and if nothing was said about certificates.
func openCertificates(o HubOptions, log *slog.Logger, now time.Time) (*certificates, error) {
	c := &certificates{dir: filepath.Join(o.Dir, "tls"), names: o.Names, log: log}
	switch {
	case o.CertFile != "" || o.KeyFile != "":
		if o.CertFile == "" || o.KeyFile == "" {
			return nil, errors.New("set up TLS: got only one of a certificate and its key, want both")
		}
		c.given = &givenFiles{cert: o.CertFile, key: o.KeyFile, ca: o.CAFile}
	case len(o.Names) == 0 && listensLocally(o.Listen) && listensLocally(o.Websocket):
		return nil, nil
	}
	if err := c.refresh(now); err != nil {
		return nil, fmt.Errorf("set up TLS: %w", err)
	}
	return c, nil
}

// listensLocally reports whether only this machine can connect.
func listensLocally(address string) bool {
	host, _, err := splitListen(address)
	return address == "" || err == nil && isLocal(host)
}

// look refreshes, and logs once what went wrong; what there was stays in use then.
func (c *certificates) look(now time.Time) {
	if c == nil {
		return
	}
	err := c.refresh(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != c.failed {
		c.log.Error("the certificates cannot be renewed; the old ones stay in use", "error", err)
	}
	c.failed = text
}

// refresh loads what has changed and renews what is about to end.
func (c *certificates) refresh(now time.Time) error {
	if c.given != nil {
		return c.load(now)
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	ca, err := openCA(c.dir, now)
	if err != nil {
		return err
	}
	server, err := tls.LoadX509KeyPair(c.path("server.pem"), c.path("server.pem"))
	if err != nil || server.Leaf.NotAfter.Sub(now) < renewBefore || !c.covered(server) || server.Leaf.CheckSignatureFrom(ca.cert) != nil {
		if server, err = ca.issue(c.path("server.pem"), c.hosts(), now); err != nil {
			return err
		}
		c.log.Info("made a certificate for the aggregator", "names", c.hosts(), "until", server.Leaf.NotAfter)
	}
	c.use(server, ca.pem, ca.cert.NotAfter)
	c.warn(now, ca.cert.NotAfter, "the CA ends soon: delete its folder and enrol every prober again", c.dir)
	return nil
}

func (c *certificates) path(name string) string { return filepath.Join(c.dir, name) }

// hosts are the names given and those of this machine.
func (c *certificates) hosts() []string {
	return append(slices.Clone(c.names), "localhost", "127.0.0.1", "::1")
}

// covered reports whether a certificate is for all names.
func (c *certificates) covered(cert tls.Certificate) bool {
	return !slices.ContainsFunc(c.hosts(), func(host string) bool { return cert.Leaf.VerifyHostname(host) != nil })
}

// load reads the given files.
func (c *certificates) load(now time.Time) error {
	server, err := tls.LoadX509KeyPair(c.given.cert, c.given.key)
	if err != nil {
		return fmt.Errorf("read certificate %s and key %s: %w", c.given.cert, c.given.key, err)
	}
	var ca []byte
	if c.given.ca != "" {
		if ca, err = os.ReadFile(c.given.ca); err != nil {
			return fmt.Errorf("read the certificate of the CA: %w", err)
		}
		if err := checkPEM(bytes.TrimSpace(ca)); err != nil {
			return fmt.Errorf("%s: %w", c.given.ca, err)
		}
	}
	c.use(server, ca, time.Time{})
	c.warn(now, server.Leaf.NotAfter, "the aggregator's certificate ends soon, and is not Gaikei's to renew", c.given.cert)
	return nil
}

func (c *certificates) use(server tls.Certificate, ca []byte, caEnd time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server, c.ca, c.caEnd = &server, ca, caEnd
}

// warn logs, once until it is over, that something ends soon.
func (c *certificates) warn(now, end time.Time, what, where string) {
	soon := end.Sub(now) < renewBefore
	c.mu.Lock()
	news := soon && !c.warned
	c.warned = soon
	c.mu.Unlock()
	if news {
		c.log.Warn(what, "file", where, "until", end)
	}
}

// config is for a server. What it presents is what is current at each connection.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.server, nil
		},
	}
}

// ends tells when the server's certificate and that of the CA end; zero if there is none of our own.
func (c *certificates) ends() (server, ca time.Time) {
	if c == nil {
		return time.Time{}, time.Time{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server.Leaf.NotAfter, c.caEnd
}

// authority is what probers are to trust, in PEM form; nil if it is no business of ours.
func (c *certificates) authority() []byte {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ca
}

// parseHosts tells names from addresses.
func parseHosts(hosts []string) (names []string, addresses []netip.Addr) {
	for _, h := range hosts {
		if ip, err := netip.ParseAddr(h); err == nil {
			addresses = append(addresses, ip)
		} else {
			names = append(names, h)
		}
	}
	return names, addresses
}
