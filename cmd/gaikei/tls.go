package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gaikei/gaikei/config"
)

// serverTLS makes the TLS of a server; dir is where relative names of files start. An error does not show the key.
func serverTLS(w *config.Web, dir string, r reading) (*tls.Config, error) {
	t := w.TLS
	in := pemIn{dir: dir, r: r}
	cert, certFrom, err := in.read("cert", t.Cert, t.CertFile)
	if err != nil {
		return nil, err
	}
	key, keyFrom, err := in.read("key", string(t.Key), t.KeyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", certFrom, keyFrom, err)
	}
	c := &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: uint16(t.MinVersion), MaxVersion: uint16(t.MaxVersion),
		ClientAuth: tls.ClientAuthType(t.ClientAuth), NextProtos: []string{"http/1.1"},
	}
	if w.HTTP.HTTP2 {
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	for _, s := range t.Ciphers {
		c.CipherSuites = append(c.CipherSuites, uint16(s))
	}
	for _, id := range t.Curves {
		c.CurvePreferences = append(c.CurvePreferences, tls.CurveID(id))
	}
	if len(t.AllowedSANs) > 0 {
		c.VerifyConnection = oneOf(t.AllowedSANs)
	}
	if t.ClientCA != "" || t.ClientCAFile != "" {
		c.ClientCAs, err = in.authorities("client_ca", t.ClientCA, t.ClientCAFile)
	}
	return c, err
}

// pemIn reads what stands in a configuration or in files beside it.
type pemIn struct {
	dir string
	r   reading
}

// read returns the text, or what is in the file, and which of them it was.
func (in pemIn) read(key, text, file string) (data []byte, from string, err error) {
	if file == "" {
		return []byte(text), key, nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(in.dir, file)
	}
	from = key + "_file " + file
	if data, err = in.r.read(file); err != nil {
		return nil, from, fmt.Errorf("%s_file: %w", key, err)
	}
	return data, from, nil
}

func (in pemIn) authorities(key, text, file string) (*x509.CertPool, error) {
	data, from, err := in.read(key, text, file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: found no certificate in PEM", from)
	}
	return pool, nil
}

// errOtherNames is why a client's certificate is refused that its authority signed.
var errOtherNames = errors.New("no name in the client's certificate is in client_allowed_sans")

// oneOf refuses certificates of clients that have none of the names. It looks at resumed connections too, which a check
// of the certificate alone would not see.
func oneOf(allowed []string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 { // let through by the kind of client authentication
			return nil
		}
		leaf := s.PeerCertificates[0]
		names := slices.Concat(leaf.DNSNames, leaf.EmailAddresses)
		for _, ip := range leaf.IPAddresses {
			names = append(names, ip.String())
		}
		for _, uri := range leaf.URIs {
			names = append(names, uri.String())
		}
		if !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(allowed, n) }) {
			return fmt.Errorf("%w: it has %q", errOtherNames, names)
		}
		return nil
	}
}
