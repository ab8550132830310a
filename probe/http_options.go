package probe

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
)

// checkOptions looks at what is sent over what, beside the request itself.
func (h *HTTP) checkOptions(r *httpReady) []Problem {
	r.redirects = Redirects{Max: defaultRedirects}
	if h.Redirects != nil {
		r.redirects = *h.Redirects
	}
	ps := r.redirects.validate()
	ps = append(ps, h.checkProtocol(r)...)
	ps = append(ps, h.checkCompression(r)...)
	if h.Auth != nil {
		ps = append(ps, h.checkAuth(r)...)
	}
	if h.Proxy != nil {
		ps = append(ps, h.checkProxy(r)...)
	}
	return ps
}

func (h *HTTP) checkProtocol(r *httpReady) []Problem {
	if r.url != nil && h.Protocol == HTTP3 && r.url.Scheme == "http" {
		return []Problem{{Field: "protocol", Message: "found http3 for an http URL, and HTTP/3 is always over TLS", Hint: "write https://, or another protocol"}}
	}
	least := map[HTTPProtocol]VersionTLS{HTTP2: tls.VersionTLS12, HTTP3: tls.VersionTLS13}[h.Protocol]
	if v := h.TLS.MaxVersion; v != 0 && v < least {
		return []Problem{{
			Field:   "tls.max_version",
			Message: fmt.Sprintf("found %s, and %s is spoken over TLS %s or later", v, h.Protocol, least), Hint: "leave one of them out",
		}}
	}
	return nil
}

// dialled is where requests for the URL's own host and port are sent.
func (h *HTTP) dialled(u *url.URL) (destination, error) {
	to := destination{u.Hostname(), portOf(u), h.IP}
	if h.ConnectTo == "" {
		return to, nil
	}
	host, port, err := splitHostPort(h.ConnectTo, to.port)
	to.host, to.port = host, port
	return to, err
}

func (h *HTTP) checkConnectTo(r *httpReady) []Problem {
	to, err := h.dialled(r.url)
	if err != nil {
		return []Problem{{Field: "connect_to", Message: err.Error(), Hint: "write it like 192.0.2.1:8443, or without the port for that of the URL"}}
	}
	r.to = to
	return h.IP.check(to.host)
}

// ownPlace reports whether a URL is on the host and port of the check's own.
func (r *httpReady) ownPlace(u *url.URL) bool {
	return strings.EqualFold(u.Hostname(), r.host) && portOf(u) == r.port
}

// destination is where a request is sent if no proxy is in between.
func (x *exchange) destination(u *url.URL) destination {
	if r := x.h.ready; r.ownPlace(u) {
		return r.to
	}
	return destination{u.Hostname(), portOf(u), x.h.IP}
}

// alias is the name under which the target is configured, if what is dialled is called otherwise.
func (r *httpReady) alias() string {
	if r.host == r.to.host {
		return ""
	}
	return r.host
}
