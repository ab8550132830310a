package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// HTTP looks at a web server: one request, its redirects, and the body of the last answer to its end.
// Each attempt opens connections of its own, uses no proxy, keeps no cookies, and does not ask for
// compression. HTTP/2 is spoken where the server chooses it in the TLS handshake, else HTTP/1.1.
type HTTP struct {
	URL    string `yaml:"url" required:"true"`  // http or https; credentials in it become basic authentication
	Method string `yaml:"method" default:"GET"` // any method, in capitals
	// Headers to send. A header whose value holds a secret does not follow a redirect to another host.
	Headers   map[string][]Template `yaml:"headers"`
	Send      Template              `yaml:"send,file"` // the body to send
	Status    []CodeRange           `yaml:"status" default:"[200-299]"`
	Redirects *int                  `yaml:"redirects" default:"10"` // how many to follow; 0: the redirect is the answer; nil: 10
	Body      BodyMatch             `yaml:"body"`
	TLS       TLS                   `yaml:"tls"`
	IP        IPChoice              `yaml:"ip" default:"4"`

	ready *httpReady // made by Validate
}

const (
	defaultRedirects = 10
	maxRedirects     = 50
	defaultUserAgent = "Gaikei"
)

// httpReady is what the attempts of an HTTP share. It is read only.
type httpReady struct {
	url       *url.URL
	host      string
	method    string
	redirects int
	tls       *tls.Config
	// keepBody is how many bytes of the body bodyScan.kept has at least, for who reads it beside body:. It is set
	// after Validate and before the first attempt; zero costs nothing.
	keepBody int
	names    []string        // of the headers, canonical, in order
	secret   map[string]bool // the canonical names of headers that hold secrets
}

// Validate implements Kind.
func (h *HTTP) Validate() []Problem {
	r := &httpReady{method: h.Method, redirects: defaultRedirects, secret: map[string]bool{}}
	ps := h.checkURL(r)
	if r.method == "" {
		r.method = http.MethodGet
	}
	if !isToken(r.method) || r.method != strings.ToUpper(r.method) || r.method == http.MethodConnect {
		ps = append(ps, Problem{Field: "method", Message: fmt.Sprintf("found %q, wanted a method such as GET or POST", clip(h.Method, 40))})
	}
	if h.Redirects != nil {
		r.redirects = *h.Redirects
	}
	if r.redirects < 0 || r.redirects > maxRedirects {
		ps = append(ps, Problem{Field: "redirects", Message: fmt.Sprintf("found %d, wanted 0 to %d", r.redirects, maxRedirects)})
	}
	ps = append(ps, h.checkHeaders(r)...)
	ps = append(ps, h.checkStatus()...)
	ps = append(ps, h.Body.validate()...)
	if r.method == http.MethodHead && h.Body.any() {
		ps = append(ps, Problem{Field: "body", Message: "an answer to HEAD has no body to look into", Hint: "use method: GET"})
	}
	if len(ps) == 0 {
		h.ready = r
	}
	return ps
}

func (h *HTTP) checkURL(r *httpReady) []Problem {
	u, err := url.Parse(h.URL)
	if err != nil {
		// The parser's error repeats the URL, which may hold credentials.
		return []Problem{{Field: "url", Message: "found something that is no URL: " + urlFault(err), Hint: "write it like https://www.example.com/health"}}
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return []Problem{{Field: "url", Message: fmt.Sprintf("found %q, wanted an absolute http or https URL", publicURL(u)), Hint: "write it like https://www.example.com/health"}}
	}
	u.Fragment, u.RawFragment = "", ""
	r.url, r.host = u, u.Hostname()
	var ps []Problem
	if err := checkHost(r.host); err != nil {
		ps = append(ps, Problem{Field: "url", Message: err.Error(), Hint: "names outside ASCII are written as xn--…"})
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			ps = append(ps, Problem{Field: "url", Message: fmt.Sprintf("found the port %q, wanted a number from 1 to 65535", clip(p, 40))})
		}
	}
	ps = append(ps, h.IP.check(r.host)...)
	config, more := h.TLS.prepare(r.host)
	config.NextProtos = []string{"h2", "http/1.1"}
	r.tls = config
	ps = append(ps, more...)
	if u.Scheme == "http" && h.TLS.set() {
		ps = append(ps, Problem{Field: "tls", Message: "the URL is http, which speaks no TLS", Hint: "write https://, or leave tls out"})
	}
	return ps
}

// urlFault is what url.Parse found, without the URL.
func urlFault(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		switch e.Err.(type) {
		case url.EscapeError, url.InvalidHostError:
			return e.Err.Error()
		}
	}
	return "it cannot be parsed"
}

// ownHeaders are those that follow from the request and cannot be set.
var ownHeaders = []string{"Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Te", "Keep-Alive", "Proxy-Connection"}

func (h *HTTP) checkHeaders(r *httpReady) []Problem {
	var ps []Problem
	for name, values := range h.Headers {
		canonical := http.CanonicalHeaderKey(name)
		field := "headers." + name
		switch {
		case !isToken(name):
			ps = append(ps, Problem{Field: "headers", Message: fmt.Sprintf("%q is no name of a header", clip(name, 80))})
			continue
		case slices.Contains(ownHeaders, canonical):
			ps = append(ps, Problem{Field: field, Message: "this header follows from the request and cannot be set"})
		case slices.Contains(r.names, canonical):
			ps = append(ps, Problem{Field: field, Message: "the header is there twice, in different spelling", Hint: "give a list of values instead"})
		case len(values) == 0:
			ps = append(ps, Problem{Field: field, Message: "found no value, wanted at least one"})
		case canonical == "Host" && len(values) > 1:
			ps = append(ps, Problem{Field: field, Message: fmt.Sprintf("found %d values, wanted one", len(values))})
		}
		r.names = append(r.names, canonical)
		for _, v := range values {
			r.secret[canonical] = r.secret[canonical] || v.HasSecrets()
			for _, p := range v.parts {
				if !isHeaderValue(p.text) {
					ps = append(ps, Problem{Field: field, Message: "found a control character in the value"})
				}
			}
		}
	}
	slices.SortFunc(ps, func(a, b Problem) int { return strings.Compare(a.Field+a.Message, b.Field+b.Message) })
	return ps
}

func (h *HTTP) checkStatus() []Problem {
	var ps []Problem
	for _, c := range h.Status {
		if c.From < 100 || c.To > 599 || c.To < c.From {
			ps = append(ps, Problem{Field: "status", Message: fmt.Sprintf("found %s, wanted codes between 100 and 599", c)})
		}
	}
	return ps
}

// isToken reports a token of RFC 9110, section 5.6.2: a method, or the name of a header.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

func isHeaderValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// Target implements Kind.
func (h *HTTP) Target() Target {
	u, err := url.Parse(h.URL)
	if err != nil {
		return Target{Families: h.IP.Families()}
	}
	host := u.Hostname()
	return Target{
		Host: host, Port: int(portOf(u)), Families: h.IP.familiesFor(host),
		Name: !isIP(host), Text: publicURL(u),
	}
}

// portOf is the port of a URL whose port, if it has one, is known to be good; zero otherwise.
func portOf(u *url.URL) uint16 {
	if p := u.Port(); p != "" {
		n, _ := strconv.ParseUint(p, 10, 16)
		return uint16(n)
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// Attempt implements Kind.
func (h *HTTP) Attempt(ctx context.Context, w *World) Attempt {
	r := h.ready
	if r == nil {
		return unready(w, "http")
	}
	var hide redactor
	out, err := h.compose(w, &hide)
	t := begin(w, r.host, h.IP)
	if err != nil {
		t.fail(Secret, err)
		t.explain(&hide)
		return t.finish()
	}
	x := &exchange{h: h, t: t, ctx: ctx, out: out, hide: &hide}
	x.follow()
	t.leave()
	x.judge()
	a := t.finish()
	return a
}

// unready is the attempt of a kind that was never validated, or not found valid: our fault.
func unready(w *World, kind string) Attempt {
	t := begin(w, "", OnlyIPv4)
	t.fail(Internal, errors.New(kind+": attempted without having been validated"))
	t.explain(&redactor{})
	return t.finish()
}

// An outgoing request, with its secrets in it.
type outgoing struct {
	header http.Header
	host   string // of the Host header, if configured
	body   string
}

// compose looks up the secrets and makes what is sent.
func (h *HTTP) compose(w *World, hide *redactor) (outgoing, error) {
	out := outgoing{header: make(http.Header, len(h.Headers)+2)}
	out.header["Cache-Control"] = []string{"no-cache"}
	out.header["User-Agent"] = []string{w.userAgent()}
	for name, templates := range h.Headers {
		name = http.CanonicalHeaderKey(name)
		values := make([]string, len(templates))
		for i, v := range templates {
			text, err := v.expand(w, hide)
			if err != nil {
				return outgoing{}, fmt.Errorf("header %s: %w", name, err)
			}
			if !isHeaderValue(text) {
				return outgoing{}, fmt.Errorf("header %s: the secret holds a control character, perhaps a line end", name)
			}
			values[i] = text
		}
		if name == "Host" {
			out.host = values[0]
			continue
		}
		out.header[name] = values
	}
	body, err := h.Send.expand(w, hide)
	if err != nil {
		return outgoing{}, fmt.Errorf("send: %w", err)
	}
	out.body = body
	if p, ok := h.ready.url.User.Password(); ok {
		hide.add(p)
		hide.add(h.ready.url.User.Username() + ":" + p)
	}
	return out, nil
}

func (w *World) userAgent() string {
	if w.UserAgent != "" {
		return w.UserAgent
	}
	return defaultUserAgent
}
