package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// DoH says how a query is put into an HTTP request (RFC 8484).
type DoH struct {
	Path   string    `yaml:"path" default:"/dns-query"`
	Method DoHMethod `yaml:"method" default:"POST"`
}

func (h *DoH) validate() []Problem {
	switch u, err := url.Parse(h.Path); {
	case h.Path == "":
		return nil // the default
	case !strings.HasPrefix(h.Path, "/") || err != nil || u.Path != h.Path || strings.ContainsAny(h.Path, "{}"):
		return []Problem{{Field: "https.path", Message: fmt.Sprintf("found %q, wanted a path such as /dns-query", clip(h.Path, 80)), Hint: "without host, parameters and {?dns}"}}
	}
	return nil
}

// A DoHMethod is the method of a request. The zero value is POST.
type DoHMethod uint8

// The methods.
const (
	DoHPost DoHMethod = iota
	DoHGet            // which caches can keep
)

// UnmarshalText reads POST or GET.
func (m *DoHMethod) UnmarshalText(text []byte) error {
	switch string(text) {
	case http.MethodPost:
		*m = DoHPost
	case http.MethodGet:
		*m = DoHGet
	default:
		return fmt.Errorf("%q is no method for queries; use POST or GET", clip(string(text), 40))
	}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (m DoHMethod) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// String returns the method.
func (m DoHMethod) String() string {
	if m == DoHGet {
		return http.MethodGet
	}
	return http.MethodPost
}

// A dohReady is what all requests of a check share.
type dohReady struct {
	host   string
	path   string
	method DoHMethod
}

// prepareTLS makes the TLS configuration of an encrypted transport.
func (d *DNS) prepareTLS(r *dnsReady) []Problem {
	if !d.Transport.encrypted() {
		return nil
	}
	settings := d.TLS
	if settings == nil {
		settings = new(TLS)
	}
	config, ps := settings.prepare(r.to.host)
	config.NextProtos = []string{"dot"}
	if d.Transport == DNSOverHTTPS {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	r.tls = config
	return ps
}

func (d *DNS) prepareHTTPS(to destination) dohReady {
	r := dohReady{path: "/dns-query", host: to.host}
	if d.HTTPS != nil {
		r.method = d.HTTPS.Method
		if d.HTTPS.Path != "" {
			r.path = d.HTTPS.Path
		}
	}
	if d.TLS != nil && d.TLS.ServerName != "" {
		r.host = d.TLS.ServerName
	}
	if strings.Contains(r.host, ":") {
		r.host = "[" + r.host + "]"
	}
	if to.port != DNSOverHTTPS.port() {
		r.host += ":" + strconv.Itoa(int(to.port))
	}
	return r
}

// maxDoHBody is how many bytes are read of a body over HTTP/1.1, with what its chunks are wrapped in.
const maxDoHBody = 4 * dns.MaxMsgSize

// dnsMedia is the type of what is sent and what must come back.
const dnsMedia = "application/dns-message"

// request makes the request of a query.
func (r *dohReady) request(ctx context.Context, wire []byte) *http.Request {
	req := &http.Request{
		Method: r.method.String(), Host: r.host, Header: http.Header{"Accept": {dnsMedia}},
		URL: &url.URL{Scheme: "https", Host: r.host, Path: r.path},
	}
	if r.method == DoHGet {
		req.URL.RawQuery = "dns=" + base64.RawURLEncoding.EncodeToString(wire)
	} else {
		req.Header.Set("Content-Type", dnsMedia)
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(wire)), int64(len(wire))
	}
	return req.WithContext(ctx)
}

// askHTTPS exchanges one message over HTTP/2, or HTTP/1.1 if the server has agreed on nothing else.
func (q *question) askHTTPS(conn net.Conn, wire []byte) ([]byte, error) {
	req := q.d.ready.doh.request(q.ctx, wire)
	send := sendDoH1
	if q.tls.state.NegotiatedProtocol == "h2" {
		send = sendDoH2
	}
	resp, err := send(conn, req)
	if err != nil {
		return nil, err
	}
	if resp.ProtoMajor == 2 {
		defer resp.Body.Close()
	}
	q.http = clip(resp.Proto+" "+resp.Status, maxLine)
	return readDoH(resp)
}

// readDoH reads the message in an answer, up to the longest that there is.
func readDoH(resp *http.Response) ([]byte, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, &cutReplyError{Status, fmt.Errorf("found the status %s, wanted 200", clip(resp.Status, maxLine))}
	}
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || media != dnsMedia {
		return nil, &cutReplyError{Header, fmt.Errorf("found the Content-Type %q, wanted %s", clip(resp.Header.Get("Content-Type"), 80), dnsMedia)}
	}
	msg, err := io.ReadAll(io.LimitReader(resp.Body, dns.MaxMsgSize+1))
	switch {
	case len(msg) > dns.MaxMsgSize:
		return nil, &cutReplyError{TooLarge, fmt.Errorf("the message exceeds %d bytes", dns.MaxMsgSize)}
	case errors.Is(err, errTooLarge):
		return nil, &cutReplyError{TooLarge, fmt.Errorf("the body exceeds %s", Size(maxDoHBody))}
	case err != nil:
		return nil, &cutReplyError{err: err}
	}
	return msg, nil
}

// sendDoH1 speaks HTTP/1.1 over a connection.
func sendDoH1(conn net.Conn, req *http.Request) (*http.Response, error) {
	req.Close = true
	var buf bytes.Buffer
	if err := req.Write(&buf); err != nil {
		return nil, err
	}
	if _, err := conn.Write(buf.Bytes()); err != nil {
		return nil, err
	}
	head := &headReader{conn: conn, left: maxHeader}
	br := bufio.NewReader(head)
	if _, err := br.Peek(1); err != nil {
		return nil, err
	}
	resp, err := readHead(br, req)
	switch {
	case errors.Is(head.err, errTooLarge):
		return nil, &cutReplyError{TooLarge, fmt.Errorf("the header of the answer exceeds %s", Size(maxHeader))}
	case err != nil:
		return nil, &cutReplyError{err: firstOf(head.err, err)}
	}
	head.left = maxDoHBody
	return resp, nil
}

// sendDoH2 speaks HTTP/2, with net/http's transport over the connection that there is.
func sendDoH2(conn net.Conn, req *http.Request) (*http.Response, error) {
	secure, _ := conn.(*tls.Conn)
	tr := &http.Transport{
		DisableCompression: true, MaxResponseHeaderBytes: maxHeader, ForceAttemptHTTP2: true,
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			if secure == nil {
				return nil, errSecondConn
			}
			c := secure
			secure = nil
			return c, nil
		},
	}
	resp, err := tr.RoundTrip(req)
	switch {
	case err == nil:
		return resp, nil
	case errors.Is(err, errSecondConn), strings.Contains(err.Error(), unasked):
		return nil, io.ErrUnexpectedEOF // which is a reset
	case silenceReason(req.Context(), err) != ReasonNone:
		return nil, err
	}
	return nil, &cutReplyError{Protocol, err}
}

// errSecondConn refuses the second connection that http.Transport would like after a lost first one.
var errSecondConn = errors.New("the connection was lost")
