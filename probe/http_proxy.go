package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Proxy is what HTTP requests go through. Its short form is a URL, or from_environment for what HTTP_PROXY, HTTPS_PROXY and
// NO_PROXY say where the prober runs.
type Proxy struct {
	URL      string   `yaml:"url" required:"true"` // http, https or socks5; its standard ports are 80, 443 and 1080
	Username Template `yaml:"username"`
	Password Template `yaml:"password"`
	CA       string   `yaml:"ca,file"` // of an https proxy, PEM; if set, these roots and no others
}

// fromEnvironment is the URL of a Proxy that is to be found in the environment.
const fromEnvironment = "from_environment"

// UnmarshalText reads the short form.
func (p *Proxy) UnmarshalText(text []byte) error {
	if strings.Contains(string(text), "${") {
		return proxyReference{}
	}
	*p = Proxy{URL: string(text)}
	return nil
}

type proxyReference struct{}

func (proxyReference) Error() string { return "found a reference in the URL of a proxy, wanted none" }

func (proxyReference) Hint() string {
	return "write proxy: {url: …, username: …, password: …}, whose last two take references"
}

// HasSecrets reports whether there is a reference in it.
func (p Proxy) HasSecrets() bool { return p.Username.HasSecrets() || p.Password.HasSecrets() }

// MarshalText writes the short form; it is empty if there is more to say.
func (p Proxy) MarshalText() ([]byte, error) {
	if !p.Username.IsZero() || !p.Password.IsZero() || p.CA != "" {
		return nil, nil
	}
	return []byte(p.URL), nil
}

// A proxyReady is what attempts share of a proxy that is configured.
type proxyReady struct {
	url *url.URL
	gateway
}

// A gateway is the proxy of one request, with its secrets. It is read only.
type gateway struct {
	scheme         string // http, https or socks5
	to             destination
	user, password string
	tls            *tls.Config // of an https proxy
}

// address is the proxy for people and for vouching.
func (g *gateway) address() string { return net.JoinHostPort(g.to.host, strconv.Itoa(int(g.to.port))) }

// forwards reports whether requests are sent to the proxy itself, in absolute form, and not through a tunnel.
func (g *gateway) forwards(u *url.URL) bool { return g.scheme != "socks5" && u.Scheme == "http" }

func (h *HTTP) checkProxy(r *httpReady) []Problem {
	var ps []Problem
	if h.ConnectTo != "" {
		ps = append(ps, Problem{Field: "connect_to", Message: "there is a proxy as well, and then it is the proxy that connects", Hint: "leave one of them out"})
	}
	if h.Protocol == HTTP3 {
		ps = append(ps, Problem{Field: "protocol", Message: "found http3, which goes through no proxy", Hint: "use another protocol, or leave the proxy out"})
	}
	ready, more := h.Proxy.prepare(h.IP)
	ps = append(ps, more...)
	if ready == nil {
		return ps
	}
	if r.url != nil && h.Protocol == HTTP2 && ready.forwards(r.url) {
		ps = append(ps, Problem{Field: "protocol", Message: "found http2 without TLS, which an HTTP proxy does not forward", Hint: "use http1, or a socks5 proxy"})
	}
	r.proxy = ready
	return ps
}

// prepare returns nil for a proxy that is to be found in the environment.
func (p *Proxy) prepare(ip IPChoice) (*proxyReady, []Problem) {
	if p.URL == fromEnvironment {
		if p.Username.IsZero() && p.Password.IsZero() && p.CA == "" {
			return nil, nil
		}
		return nil, []Problem{{Field: "proxy", Message: "from_environment has its credentials from there", Hint: "write proxy: from_environment"}}
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, []Problem{{Field: "proxy.url", Message: "found something that is no URL: " + urlFault(err), Hint: proxyHint}}
	}
	g, err := gatewayOf(u, ip)
	if err != nil {
		return nil, []Problem{{Field: "proxy.url", Message: err.Error(), Hint: proxyHint}}
	}
	var ps []Problem
	switch {
	case u.User != nil && !(p.Username.IsZero() && p.Password.IsZero()):
		ps = append(ps, Problem{Field: "proxy.url", Message: "the URL has credentials, and username and password are there as well", Hint: "take them out of the URL"})
	case p.Username.IsZero() && !p.Password.IsZero():
		ps = append(ps, Problem{Field: "proxy.username", Message: "it is missing, and there is a password"})
	case p.CA != "" && g.scheme != "https":
		ps = append(ps, Problem{Field: "proxy.ca", Message: "the URL is " + g.scheme + ", which speaks no TLS", Hint: "leave it out"})
	case p.CA != "":
		var roots *x509.CertPool
		if roots, err = parseRoots(p.CA); err != nil {
			ps = append(ps, Problem{Field: "proxy.ca", Message: err.Error(), Hint: "give certificates in PEM, or {file: path}"})
			break
		}
		g.tls.RootCAs = roots
	}
	return &proxyReady{url: u, gateway: *g}, ps
}

const proxyHint = "write it like http://proxy.example.com:3128, or from_environment"

// gatewayOf reads the URL of a proxy.
func gatewayOf(u *url.URL, ip IPChoice) (*gateway, error) {
	ports := map[string]uint16{"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
	standard, ok := ports[u.Scheme]
	if !ok || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("found %q, wanted an http, https or socks5 URL of host and port only", publicURL(u))
	}
	host, port, err := splitHostPort(u.Host, standard)
	if err != nil {
		return nil, err
	}
	g := &gateway{scheme: strings.TrimSuffix(u.Scheme, "h"), to: destination{host, port, ip}, user: u.User.Username()}
	g.password, _ = u.User.Password()
	if g.scheme == "https" {
		g.tls = &tls.Config{ServerName: serverName("", host), NextProtos: []string{"http/1.1"}}
	}
	return g, nil
}

// expand looks up the credentials.
func (p *Proxy) expand(r *proxyReady, w *World, hide *redactor) (*gateway, error) {
	g := r.gateway
	if p.Username.IsZero() {
		hide.add(g.password)
		return &g, nil
	}
	var err error
	if g.user, err = p.Username.expand(w, hide); err != nil {
		return nil, fmt.Errorf("proxy.username: %w", err)
	}
	if g.password, err = p.Password.expand(w, hide); err != nil {
		return nil, fmt.Errorf("proxy.password: %w", err)
	}
	hide.add(g.password)
	return &g, nil
}

// target tells of a check's target what changes with the proxy: the proxy finds the addresses.
func (p *Proxy) target(t *Target, ip IPChoice) {
	u, err := url.Parse(p.URL)
	if err != nil || p.URL == fromEnvironment {
		return
	}
	if g, err := gatewayOf(u, ip); err == nil {
		t.Via, t.Name, t.Families = g.address(), false, ip.familiesFor(g.to.host)
	}
}

// gateway finds the proxy for a URL; nil: none.
func (x *exchange) gateway(u *url.URL) (*gateway, error) {
	p := x.h.Proxy
	if p == nil || p.URL != fromEnvironment {
		return x.out.proxy, nil
	}
	at, err := httpproxy.FromEnvironment().ProxyFunc()(u)
	if err != nil || at == nil {
		return nil, err
	}
	g, err := gatewayOf(at, x.h.IP)
	if err != nil {
		return nil, err
	}
	x.hide.add(g.password)
	return g, nil
}

// connect opens the connection for a request, through a proxy if there is one. It returns nil after a failure, which it has
// noted. A tunnel that is dug belongs to connecting.
func (x *exchange) connect(u *url.URL) net.Conn {
	t := x.t
	g, err := x.gateway(u)
	x.forward = nil
	switch {
	case err != nil:
		t.fail(Unsupported, fmt.Errorf("the proxy that the environment names: %w", err))
		return nil
	case g == nil:
		t.a.Via = ""
		if l := t.reach(x.ctx, "tcp", x.destination(u)); l != nil {
			return l.conn
		}
		return nil
	}
	return x.through(g, u)
}

// through opens the connection for a request through a proxy, as connect does.
func (x *exchange) through(g *gateway, u *url.URL) net.Conn {
	t := x.t
	t.a.Via = g.address()
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := t.w.Egress.Check(ip); err != nil {
			t.fail(EgressDenied, fmt.Errorf("ask the proxy for %s: %w", ip, err))
			return nil
		}
	}
	if x.h.Protocol == HTTP2 && g.forwards(u) {
		t.fail(Unsupported, fmt.Errorf("the proxy %s, which the environment names, does not forward HTTP/2", g.address()))
		return nil
	}
	var err error
	conn := x.toProxy(g)
	switch {
	case conn == nil || g.forwards(u):
		x.forward = g
		return conn
	case g.scheme == "socks5":
		err = x.socks(conn, g, u)
	default:
		err = x.tunnel(conn, g, u)
	}
	if err != nil {
		return nil
	}
	return conn
}

// toProxy connects to a proxy. That it cannot be reached is no fault of the target.
func (x *exchange) toProxy(g *gateway) net.Conn {
	t := x.t
	had := t.a.Reason
	l := t.reach(x.ctx, "tcp", g.to)
	if l == nil {
		if had == ReasonNone && !slices.Contains([]Reason{Stopped, EgressDenied, Redirect}, t.a.Reason) {
			t.a.Reason = Internal
		}
		t.cause = fmt.Errorf("the proxy %s: %w", g.address(), t.cause)
		return nil
	}
	if g.tls == nil {
		return l.conn
	}
	conn := tls.Client(l.conn, g.tls)
	if err := conn.Handshake(); err != nil {
		x.proxyFailed(Internal, fmt.Errorf("TLS handshake with the proxy %s: %w", g.address(), err))
		return nil
	}
	return conn
}

// proxyFailed notes a failure for a reason, or that the attempt was stopped.
func (x *exchange) proxyFailed(r Reason, err error) {
	if stopped(x.ctx) {
		r = Stopped
	}
	x.t.fail(r, err)
}

var errNoTunnel = errors.New("no tunnel through the proxy")
