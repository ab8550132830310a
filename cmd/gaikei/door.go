package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/sli/web"
)

// A door is what the files of --web-config and --tokens say about who may come in. It is safe for concurrent use.
type door struct {
	web    *kept[webAccess]   // nil: no such file
	tokens *kept[[]web.Token] // nil: no such file
}

// A webAccess is a web configuration in force. It is never changed.
type webAccess struct {
	file  *config.Web
	tls   *tls.Config // nil: plain HTTP
	users map[string]string
}

// openDoor reads the files for the first time, and refuses an address that others could reach without them.
func openDoor(o runOptions, log *slog.Logger) (*door, error) {
	d := &door{}
	if o.webConfig != "" {
		d.web = &kept[webAccess]{what: "web configuration", log: log, load: o.loadWeb}
		if err := d.web.open(); err != nil {
			return nil, noAccess(err, "--web-config names a file in the format of the Prometheus exporter toolkit; see docs/reference.md")
		}
	}
	if o.tokens != "" {
		d.tokens = &kept[[]web.Token]{what: "tokens", log: log, load: o.loadTokens}
		if err := d.tokens.open(); err != nil {
			return nil, noAccess(err, "--tokens names a file of bearer tokens; 'gaikei token new' prints what goes into it")
		}
	}
	return d, o.mayListen(d.inForce())
}

// noAccess is the error of a file that says who may read: a bad one is a negative answer, an unreadable one none.
func noAccess(err error, hint string) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return unreachable(err, hint)
	}
	return &failure{code: exitNegative, err: err, hint: "nothing was started; " + hint}
}

// inForce returns the web configuration in force; nil if there is none.
func (d *door) inForce() *config.Web {
	if d.web == nil {
		return nil
	}
	return d.web.get().file
}

// secure reports whether the page is served with TLS. It stays so as long as the process lives.
func (d *door) secure() bool {
	w := d.inForce()
	return w != nil && w.TLS != nil
}

// scheme is how the page's address begins.
func (d *door) scheme() string {
	if d.secure() {
		return "https"
	}
	return "http"
}

// credentials returns what askers must show now.
func (d *door) credentials() *web.Credentials {
	c := &web.Credentials{}
	if d.web != nil {
		w := d.web.get()
		c.Users, c.Certificate, c.Headers = w.users, w.file.TLS.Mutual(), w.file.HTTP.Headers
	}
	if d.tokens != nil {
		c.Bearer, c.Tokens = true, *d.tokens.get()
	}
	return c
}

// handshake returns the TLS configuration for a new connection.
func (d *door) handshake(*tls.ClientHelloInfo) (*tls.Config, error) { return d.web.get().tls, nil }

// again reads the files again, also if they do not seem to have changed.
func (d *door) again() {
	if d.web != nil {
		d.web.again()
	}
	if d.tokens != nil {
		d.tokens.again()
	}
}

// loadWeb reads the web configuration and the certificates that it names. If it is bad, the certificates that the old
// one names are still taken anew: a typing error must not let them expire.
func (o *runOptions) loadWeb(r reading, old *webAccess) (*webAccess, error) {
	file, bad := o.readWeb(r, old)
	if bad != nil {
		if old == nil {
			return nil, bad
		}
		file = old.file
	}
	next := &webAccess{file: file, users: map[string]string{}}
	for name, hash := range file.Users {
		next.users[name] = string(hash)
	}
	if file.TLS != nil {
		var err error
		if next.tls, err = serverTLS(file, filepath.Dir(o.webConfig), r); err != nil {
			return nil, errors.Join(bad, fmt.Errorf("%s: tls_server_config: %w", o.webConfig, err))
		}
	}
	return next, bad
}

// readWeb reads a web configuration that may take the old one's place.
func (o *runOptions) readWeb(r reading, old *webAccess) (*config.Web, error) {
	data, err := r.read(o.webConfig)
	if err != nil {
		return nil, fmt.Errorf("read the web configuration: %w", err)
	}
	file, err := config.ParseWeb(o.webConfig, data)
	if err != nil || old == nil {
		return file, err
	}
	if (file.TLS == nil) != (old.file.TLS == nil) || file.HTTP.HTTP2 != old.file.HTTP.HTTP2 {
		return nil, fmt.Errorf("%s: whether there is tls_server_config, and http2, can only change with a restart", o.webConfig)
	}
	return file, o.mayListen(file)
}

func (o *runOptions) loadTokens(r reading, _ *[]web.Token) (*[]web.Token, error) {
	data, err := r.read(o.tokens)
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	file, err := config.ParseTokens(o.tokens, data)
	if err != nil {
		return nil, err
	}
	tokens := []web.Token{}
	for _, t := range file.List {
		scope := web.ScopeRead
		if t.Scope == config.WriteScope {
			scope = web.ScopeWrite
		}
		tokens = append(tokens, web.Token{Name: t.Name, Scope: scope, Hash: t.SHA256})
	}
	return &tokens, nil
}

// mayListen refuses an address that others could reach, unless they have to say who they are and nobody can listen to
// that, or it is wanted.
func (o *runOptions) mayListen(w *config.Web) error {
	beyond, err := beyondLoopback(o.listen)
	if err != nil || !beyond || o.insecure {
		return err
	}
	secure := w != nil && w.TLS != nil
	known := o.tokens != "" || w != nil && (len(w.Users) > 0 || w.TLS.Mutual())
	const auth = "basic_auth_users or client_auth_type: RequireAndVerifyClientCert in the file of --web-config, or --tokens FILE"
	switch {
	case !secure && !known:
		return usage("give --web-config FILE with tls_server_config, and "+auth+"; or listen on 127.0.0.1 behind a proxy that authenticates, or add --insecure",
			"--listen %s: beyond loopback anybody could read the page and the API: there is neither TLS nor authentication", o.listen)
	case !secure:
		return usage("give --web-config FILE with tls_server_config; or listen on 127.0.0.1 behind a proxy that has TLS, or add --insecure",
			"--listen %s: beyond loopback passwords and tokens would go over the network in clear: there is authentication and no TLS", o.listen)
	case !known:
		return usage("give "+auth+"; or add --insecure",
			"--listen %s: beyond loopback anybody could read the page and the API: there is TLS and no authentication", o.listen)
	}
	return nil
}

// loopbackOnly refuses an address that others could reach, unless that is wanted: for what has no web configuration.
func (o *runOptions) loopbackOnly() error {
	beyond, err := beyondLoopback(o.listen)
	if err != nil || !beyond || o.insecure {
		return err
	}
	return usage("listen on 127.0.0.1, or add --insecure; 'gaikei run' has TLS and authentication",
		"--listen %s: beyond loopback anybody could read the page and the API", o.listen)
}

// beyondLoopback reports whether others than this machine can reach an address.
func beyondLoopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, usage("for example --listen 127.0.0.1:8080", "--listen %s: %w", address, err)
	}
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback()), nil
}
