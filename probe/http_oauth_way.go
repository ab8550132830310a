package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
)

// prepareWay prepares how the server of tokens is reached.
func (o *OAuth2) prepareWay(s *tokenSource) []Problem {
	const field = "auth.oauth2."
	settings := o.TLS
	var ps []Problem
	switch {
	case o.CA != "" && o.TLS.CA != "":
		ps = append(ps, Problem{Field: field + "ca", Message: "found tls.ca as well", Hint: "leave one of them out"})
	case o.CA != "":
		settings.CA = o.CA
	}
	if o.TLS.MinDaysLeft != 0 || o.TLS.WarnDaysLeft != 0 {
		ps = append(ps, Problem{Field: field + "tls", Message: "the days left of the server of tokens are not looked at", Hint: "make it a check of its own"})
	}
	if s.url.Scheme == "http" && o.TLS.set() {
		ps = append(ps, Problem{Field: field + "tls", Message: "token_url is http, which speaks no TLS", Hint: "write https://, or leave tls out"})
	}
	config, more := settings.prepare(s.url.Hostname())
	s.tls = config
	for _, p := range more {
		if p.Field == "tls.ca" && o.CA != "" {
			p.Field = "ca"
		}
		p.Field = field + p.Field
		ps = append(ps, p)
	}
	if o.Proxy == nil {
		return ps
	}
	s.proxy, more = o.Proxy.prepare(PreferIPv4)
	for _, p := range more {
		p.Field = field + p.Field
		ps = append(ps, p)
	}
	return ps
}

// A tokenDialer connects to a server of tokens as an attempt does: by the same resolver and under the same policy.
type tokenDialer struct {
	w     *World
	ctx   context.Context // of the fetch; http.Transport dials with one that has no deadline
	url   *url.URL
	tls   *tls.Config
	proxy *gateway // nil: none

	mu    sync.Mutex // guards links
	links []*link
}

// way looks up the secrets of the way to the server of tokens.
func (s *tokenSource) way(ctx context.Context, w *World, hide *redactor) (*tokenDialer, error) {
	d := &tokenDialer{w: w, ctx: ctx, url: s.url}
	var err error
	if d.tls, err = w.equip(s.tls); err != nil || s.conf.Proxy == nil {
		return d, err
	}
	x := exchange{h: &HTTP{Proxy: s.conf.Proxy, IP: PreferIPv4}, hide: hide}
	if s.proxy != nil {
		if x.out.proxy, err = s.conf.Proxy.expand(s.proxy, w, hide); err != nil {
			return nil, err
		}
	}
	if d.proxy, err = x.gateway(s.url); err != nil {
		return nil, fmt.Errorf("the proxy that the environment names: %w", err)
	}
	if g := d.proxy; g != nil && (g.user != "" || g.password != "") {
		basicValue(g.user, g.password, hide) // known as secret before anything is dialled
	}
	return d, nil
}

// transport makes one request. What a proxy forwards itself is written for it.
func (d *tokenDialer) transport() *http.Transport {
	tr := &http.Transport{
		DialContext: d.dial, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
		TLSClientConfig: d.tls,
	}
	if g := d.proxy; g != nil && g.forwards(d.url) {
		// TLS with the proxy is spoken by dial already.
		u := &url.URL{Scheme: "http", Host: g.address()}
		if g.user != "" || g.password != "" {
			u.User = url.UserPassword(g.user, g.password)
		}
		tr.Proxy = http.ProxyURL(u)
	}
	return tr
}

// dial connects, through the proxy if there is one. It may still run when the fetch has ended, so what it notes is its own.
func (d *tokenDialer) dial(context.Context, string, string) (net.Conn, error) {
	host, port := d.url.Hostname(), portOf(d.url)
	t := begin(d.w, host, PreferIPv4)
	var conn net.Conn
	if d.proxy != nil {
		x := &exchange{h: &HTTP{IP: PreferIPv4}, t: t, ctx: d.ctx, hide: &redactor{}}
		conn = x.through(d.proxy, d.url)
	} else if l := t.reach(d.ctx, "tcp", destination{host, port, PreferIPv4}); l != nil {
		conn = l.conn
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links = append(d.links, t.links...)
	if conn == nil {
		return nil, t.cause
	}
	return conn, nil
}

func (d *tokenDialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.links {
		l.close()
	}
}
