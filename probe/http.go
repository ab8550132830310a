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
	"time"
)

// HTTP looks at a web server: one request, its redirects, and the body of the last answer to its end.
// Each attempt opens connections of its own and closes them. Unless it is asked to, it uses no proxy, keeps no
// cookies, and does not ask for compression.
type HTTP struct {
	URL    string `yaml:"url" required:"true"`  // http or https; credentials in it become basic authentication
	Method string `yaml:"method" default:"GET"` // any method, in capitals
	// Headers to send. A header whose value holds a secret does not follow a redirect to another host.
	Headers   map[string][]Template  `yaml:"headers"`
	Send      Template               `yaml:"send,file"` // the body to send
	Status    []CodeRange            `yaml:"status" default:"[200-299]"`
	Header    map[string]HeaderMatch `yaml:"header"`                 // of the answer, by name
	Redirects *Redirects             `yaml:"redirects" default:"10"` // nil: 10 of them, anywhere, without cookies
	Body      BodyMatch              `yaml:"body"`
	TLS       TLS                    `yaml:"tls"`
	Announced *Announced             `yaml:"announced"` // how the target tells that it is in maintenance; nil: it does not
	// Traceparent sends a W3C traceparent with a random trace id for each attempt, which is kept in the evidence.
	Traceparent bool     `yaml:"traceparent" default:"false"`
	IP          IPChoice `yaml:"ip" default:"4"`
	// ConnectTo is what is dialled for requests to the URL's own host and port: host:port, or a host for the port of the URL.
	// The URL's name stays that of the Host header and of TLS.
	ConnectTo   string          `yaml:"connect_to"`
	Auth        *Auth           `yaml:"auth"`                    // nil: none
	Proxy       *Proxy          `yaml:"proxy"`                   // nil: none
	Protocol    HTTPProtocol    `yaml:"protocol" default:"auto"` // which HTTP is spoken
	Compression []ContentCoding `yaml:"compression"`             // what is asked for, in this order, and decoded; none: nothing is

	ready *httpReady // made by Validate
}

const defaultUserAgent = "Gaikei"

// httpReady is what the attempts of an HTTP share. It is read only, but for the token of OAuth 2.
type httpReady struct {
	url       *url.URL
	host      string // of the URL
	port      uint16
	to        destination // of requests to this host and port
	method    string
	redirects Redirects
	tls       *tls.Config
	// keepBody is how many bytes of the body bodyScan.kept has at least, for who reads it beside body:. It is set
	// after Validate and before the first attempt; zero costs nothing.
	keepBody  int
	accept    []string // for Accept-Encoding; nil: not sent
	proxy     *proxyReady
	tokens    *tokenSource
	names     []string        // of the headers, canonical, in order
	secret    map[string]bool // the canonical names of headers that hold secrets; nil: none do
	header    []headerRule    // what the headers of the answer must look like, by name
	announced []headerRule
}

// Validate implements Kind.
func (h *HTTP) Validate() []Problem {
	r := &httpReady{method: h.Method}
	ps := h.checkURL(r)
	if r.method == "" {
		r.method = http.MethodGet
	}
	if !isToken(r.method) || r.method != strings.ToUpper(r.method) || r.method == http.MethodConnect {
		ps = append(ps, Problem{Field: "method", Message: fmt.Sprintf("found %q, wanted a method in capitals such as GET or POST", clip(h.Method, 40))})
	}
	ps = append(ps, h.checkHeaders(r)...)
	ps = append(ps, checkCodes("status", h.Status)...)
	ps = append(ps, h.checkAnswer(r)...)
	ps = append(ps, h.checkOptions(r)...)
	ps = append(ps, h.Body.validate()...)
	if r.method == http.MethodHead && (h.Body.any() || h.Body.MinSize > 0) {
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
	r.port = portOf(u)
	ps = append(ps, h.checkConnectTo(r)...)
	config, more := h.TLS.prepare(r.host)
	config.NextProtos = h.Protocol.alpn()
	if v := h.TLS.MaxVersion; v != 0 && v < tls.VersionTLS12 && h.Protocol == HTTPAuto {
		config.NextProtos = HTTP1.alpn() // HTTP/2 is not spoken over older versions (RFC 9113, section 9.2)
	}
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
			if v.HasSecrets() || slices.Contains(sensitive, canonical) {
				r.conceal(canonical)
			}
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

// conceal notes that a header holds a secret.
func (r *httpReady) conceal(name string) {
	if r.secret == nil {
		r.secret = map[string]bool{}
	}
	r.secret[name] = true
}

// checkAnswer prepares what is wanted of the head of the answer.
func (h *HTTP) checkAnswer(r *httpReady) []Problem {
	var ps, more []Problem
	r.header, ps = headerRules("header", h.Header)
	if h.Announced != nil {
		r.announced, more = h.Announced.prepare(h.Status)
		ps = append(ps, more...)
	}
	if h.Traceparent && slices.Contains(r.names, traceHeader) {
		ps = append(ps, Problem{Field: "traceparent", Message: "found true together with headers.traceparent", Hint: "leave one of them out"})
	}
	return ps
}

func checkCodes(field string, codes []CodeRange) []Problem {
	var ps []Problem
	for _, c := range codes {
		if c.From < 100 || c.To > 599 || c.To < c.From {
			ps = append(ps, Problem{Field: field, Message: fmt.Sprintf("found %s, wanted codes between 100 and 599", c)})
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
	to, err := h.dialled(u)
	if err != nil {
		to = destination{host: u.Hostname(), port: portOf(u)}
	}
	t := Target{
		Host: to.host, Port: int(to.port), Families: h.IP.familiesFor(to.host),
		Name: !isIP(to.host), Text: publicURL(u),
	}
	if h.Proxy != nil {
		h.Proxy.target(&t, h.IP)
	}
	return t
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
	from := time.Now()
	out, err := h.compose(w, &hide)
	if err == nil && r.tokens != nil {
		err = r.tokens.authorize(ctx, w, &out, &hide)
	}
	t := begin(w, r.to.host, h.IP)
	t.a.Alias = r.alias()
	if r.tokens != nil {
		t.a.Waited = t.a.Start.Sub(from)
	}
	if err != nil {
		t.fail(Secret, err)
		t.explain(&hide)
		return t.finish()
	}
	x := &exchange{h: h, t: t, ctx: ctx, out: out, hide: &hide}
	x.follow()
	t.leave()
	x.judge()
	return t.finish()
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
	tls    *tls.Config
	proxy  *gateway // nil: none, or what the environment says
	token  *token   // of OAuth 2; nil: none
	fresh  bool     // the token was waited for
}

// compose looks up the secrets and makes what is sent.
func (h *HTTP) compose(w *World, hide *redactor) (outgoing, error) {
	out := outgoing{header: make(http.Header, len(h.Headers)+2)}
	if err := h.composeHeaders(w, &out, hide); err != nil {
		return outgoing{}, err
	}
	var err error
	if out.body, err = h.Send.expand(w, hide); err != nil {
		return outgoing{}, fmt.Errorf("send: %w", err)
	}
	if out.tls, err = w.equip(h.ready.tls); err != nil {
		return outgoing{}, err
	}
	if p, ok := h.ready.url.User.Password(); ok {
		hide.add(p)
		hide.add(h.ready.url.User.Username() + ":" + p)
	}
	if h.Auth != nil {
		if err := h.Auth.expand(w, &out, hide); err != nil {
			return outgoing{}, err
		}
	}
	if h.ready.proxy != nil {
		if out.proxy, err = h.Proxy.expand(h.ready.proxy, w, hide); err != nil {
			return outgoing{}, err
		}
	}
	return out, nil
}

func (h *HTTP) composeHeaders(w *World, out *outgoing, hide *redactor) error {
	out.header["Cache-Control"] = []string{"no-cache"}
	out.header["User-Agent"] = []string{w.userAgent()}
	if h.ready.accept != nil {
		out.header["Accept-Encoding"] = h.ready.accept
	}
	for name, templates := range h.Headers {
		name = http.CanonicalHeaderKey(name)
		values := make([]string, len(templates))
		for i, v := range templates {
			text, err := v.expand(w, hide)
			if err != nil {
				return fmt.Errorf("header %s: %w", name, err)
			}
			if !isHeaderValue(text) {
				return fmt.Errorf("header %s: the secret holds a control character, perhaps a line end", name)
			}
			values[i] = text
		}
		if name == "Host" {
			out.host = values[0]
			continue
		}
		out.header[name] = values
	}
	return nil
}

func (w *World) userAgent() string {
	if w.UserAgent != "" {
		return w.UserAgent
	}
	return defaultUserAgent
}
