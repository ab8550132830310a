package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// shown is what is shown to a server, and what is wanted of it in return. A token itself is no flag: every user of a
// machine can see the flags of every process.
type shown struct {
	tokenFile string
	ca        string
	cert, key string
}

func (s *shown) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.tokenFile, "token-file", "", "`file` with a bearer token to show to the server (default $GAIKEI_TOKEN, the token itself)")
	f.StringVar(&s.ca, "ca", "", "PEM `file` with the only authorities that may have signed the server's certificate (default the system's)")
	f.StringVar(&s.cert, "cert", "", "PEM `file` with a client certificate to show to the server")
	f.StringVar(&s.key, "key", "", "PEM `file` with the key of --cert")
}

// given names the first of the flags that was given; empty for none.
func (s *shown) given() string {
	for _, f := range []struct{ name, value string }{{"--token-file", s.tokenFile}, {"--ca", s.ca}, {"--cert", s.cert}, {"--key", s.key}} {
		if f.value != "" {
			return f.name
		}
	}
	return ""
}

// maxToken bounds a token: headers have their limits.
const maxToken = 4 << 10

// credential makes the Authorization header of a token, or of the user of a URL; empty for neither.
func (s *shown) credential(user *url.Userinfo) (string, error) {
	token, from := os.Getenv("GAIKEI_TOKEN"), "GAIKEI_TOKEN"
	if s.tokenFile != "" {
		from = "--token-file " + s.tokenFile
		data, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return "", unreachable(fmt.Errorf("read the token: %w", err), "name a file that holds the token and nothing else")
		}
		token = strings.TrimSpace(string(data))
		if token == "" {
			return "", usage("name a file that holds the token and nothing else", "%s: found nothing in it, wanted a token", from)
		}
	}
	switch {
	case token != "" && user != nil:
		return "", usage("give one of them", "the URL has a user and there is a token (%s)", from)
	case len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", usage("it has one line, such as 'gaikei token new' prints", "%s: found a text that is no token", from)
	case token != "":
		return "Bearer " + token, nil
	case user != nil:
		password, _ := user.Password()
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)), nil
	}
	return "", nil
}

// client makes what asks the server.
func (s *shown) client(scheme string) (*http.Client, error) {
	c := &http.Client{Timeout: 2 * time.Minute, CheckRedirect: sameServer}
	if scheme != "https" {
		for _, f := range []struct{ name, value string }{{"--ca", s.ca}, {"--cert", s.cert}, {"--key", s.key}} {
			if f.value != "" {
				return nil, usage("begin the server's URL with https://", "%s has no effect without TLS", f.name)
			}
		}
		return c, nil
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	// It is one request, and HTTP/2 would say of a refused connection only that there is none.
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	var err error
	if t.TLSClientConfig, err = s.clientTLS(); err != nil {
		return nil, err
	}
	c.Transport = t
	return c, nil
}

func (s *shown) clientTLS() (*tls.Config, error) {
	c := &tls.Config{}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, unreachable(fmt.Errorf("--ca: %w", err), "")
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usage("", "--ca %s: found no certificate in PEM", s.ca)
		}
	}
	if (s.cert == "") != (s.key == "") {
		return nil, usage("give both", "--cert and --key belong together")
	}
	if s.cert != "" {
		pair, err := clientPair(s.cert, s.key)
		if err != nil {
			return nil, err
		}
		// Shown whatever authorities the server names: else it would say that there was none.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return c, nil
}

func clientPair(cert, key string) (tls.Certificate, error) {
	certPEM, err := os.ReadFile(cert)
	if err != nil {
		return tls.Certificate{}, unreachable(fmt.Errorf("--cert: %w", err), "")
	}
	keyPEM, err := os.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, unreachable(fmt.Errorf("--key: %w", err), "")
	}
	pair, err := tls.X509KeyPair(bytes.TrimSpace(certPEM), bytes.TrimSpace(keyPEM))
	if err != nil {
		return pair, usage("", "--cert %s with --key %s: %w", cert, key, err)
	}
	return pair, nil
}

const saysElsewhere = "it says to ask "

// sameServer follows a redirect only to where what is shown was meant to go.
func sameServer(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Host != first.Host || req.URL.Scheme != first.Scheme || len(via) >= 5 {
		return fmt.Errorf(saysElsewhere+"%s instead", (&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: "/"}).String())
	}
	return nil
}

// serverURL reads the URL of a server; from says where it was given.
func serverURL(from, address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, usage("for example --server "+defaultServer, "%s %q: want a URL with http or https", from, withoutUser(address))
	}
	return u, nil
}

// withoutUser takes out what may be user and password of a text that was meant to be a URL.
func withoutUser(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		scheme, rest = "", address
	} else {
		scheme += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "redacted" + rest[i:]
	}
	return scheme + rest
}

// connectHint says what can be done about a server that could not be asked.
func (r *serverReader) connectHint(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch text := err.Error(); {
	case errors.As(err, &unknown):
		return "--ca names the authority that signed the server's certificate"
	case errors.As(err, &name):
		return "ask it by a name that is in its certificate"
	case strings.Contains(text, saysElsewhere):
		return "if that is right, name it with --server"
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return "it has no TLS: begin its URL with http://"
	case strings.Contains(text, "remote error: tls: certificate required"):
		return "it wants a client certificate: --cert and --key name one"
	case strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate"):
		return "it does not take the client certificate that --cert names"
	case strings.HasPrefix(r.base, "https:") && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
		// Servers end a connection in the middle of a request that came with a certificate they do not take.
		return "it ended the connection: if it wants a client certificate, --cert and --key name one"
	}
	return "is 'gaikei run' running there? --server and --data say whom to ask"
}
