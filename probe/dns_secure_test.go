package probe

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// overTLS listens with a certificate of a new authority, and hands each connection to f.
func overTLS(t testing.TB, protocols []string, f func(*tls.Conn)) (address, ca string) {
	t.Helper()
	a := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{a.issue(t, "dns.example", -1, 30)}, NextProtos: protocols}
	return serve(t, func(c net.Conn) {
		secure := tls.Server(c, config)
		if secure.Handshake() == nil {
			f(secure)
		}
	}), a.pem
}

// replyOver answers the next query of a connection.
func replyOver(t *testing.T, c net.Conn) {
	co := dns.Conn{Conn: c}
	if q, err := co.ReadMsg(); err == nil {
		_ = co.WriteMsg(replyTo(t, q, 0, "www.example. 60 IN A 192.0.2.10"))
	}
}

func TestDNSOverTLS(t *testing.T) {
	type settings = func(*DNS)
	tests := []struct {
		name     string
		serve    func(*tls.Conn)
		more     settings
		want     Reason
		answered bool
	}{
		{"answers", func(c *tls.Conn) { replyOver(t, c) }, nil, ReasonNone, true},
		{"another name", nil, func(d *DNS) { d.TLS.ServerName = "other.example" }, TLSNameMismatch, true},
		{"another authority", nil, func(d *DNS) { d.TLS.CA = newAuthority(t).pem }, TLSUntrusted, true},
		{"days left", func(c *tls.Conn) { replyOver(t, c) }, func(d *DNS) { d.TLS.MinDaysLeft = 31 }, TLSExpired, true},
		{"another answer", func(c *tls.Conn) { replyOver(t, c) }, func(d *DNS) { d.Answer.Any = Data("192.0.2.11") }, Answer, true},
		{"stalls", func(*tls.Conn) {}, nil, ResponseTimeout, false},
		{"hangs up", func(c *tls.Conn) { c.Close() }, nil, Reset, false},
		{"a length and silence", func(c *tls.Conn) { _, _ = c.Write([]byte{0xff, 0xff, 1}) }, nil, TooSlow, true},
		{"less than its length", func(c *tls.Conn) { _, _ = c.Write([]byte{0, 99, 1}); c.Close() }, nil, Protocol, true},
		{"HTTP", func(c *tls.Conn) { _, _ = io.WriteString(c, ok200+"\r\n"); c.Close() }, nil, Protocol, true},
		{"garbage beneath", func(c *tls.Conn) { _, _ = c.NetConn().Write(bytes.Repeat([]byte("garbage "), 99)) }, nil, TLSHandshake, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address, ca := overTLS(t, []string{"dot"}, func(c *tls.Conn) {
				if got := c.ConnectionState().NegotiatedProtocol; got != "dot" {
					t.Errorf("protocol: got %q, want dot", got)
				}
				if tt.serve != nil {
					tt.serve(c)
				}
			})
			d := &DNS{Server: address, Name: "www.example", Transport: DNSOverTLS, TLS: &TLS{ServerName: "dns.example", CA: ca}}
			if tt.more != nil {
				tt.more(d)
			}
			a := attempt(t, d, &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if a.Answered != tt.answered || a.Datagram {
				t.Errorf("answered %v, datagram %v, want %v, false", a.Answered, a.Datagram, tt.answered)
			}
			if tt.want != ReasonNone && a.Detail.TLS == nil {
				t.Error("the evidence has no TLS")
			}
		})
	}
}

// TestDNSOverTLSStalls: a port that accepts and says nothing has not answered.
func TestDNSOverTLSStalls(t *testing.T) {
	a := attempt(t, &DNS{Server: serve(t, func(net.Conn) {}), Name: "www.example", Transport: DNSOverTLS}, &World{}, patience(ResponseTimeout))
	wantReason(t, &a, ResponseTimeout)
}

// doh serves DNS over HTTPS, with HTTP/2 if asked.
func doh(t testing.TB, h http.HandlerFunc, settings TLS, certs ...tls.Certificate) *DNS {
	t.Helper()
	address := secureWeb(t, h, certs...)
	return &DNS{Server: address, Name: "www.example", Transport: DNSOverHTTPS, TLS: &settings}
}

func TestDNSOverHTTPS(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "dns.example", -1, 30)
	trusted := TLS{ServerName: "dns.example", CA: ca.pem}
	answer := func(w http.ResponseWriter, r *http.Request) {
		wire, err := io.ReadAll(r.Body)
		if r.Method == http.MethodGet {
			wire, err = base64.RawURLEncoding.DecodeString(r.URL.Query().Get("dns"))
		}
		q := new(dns.Msg)
		if err != nil || q.Unpack(wire) != nil || q.Id != 0 || r.Header.Get("Accept") != dnsMedia || !strings.HasPrefix(r.Host, "dns.example:") {
			http.Error(w, fmt.Sprintf("%v %v %v %s", err, q, r.Header, r.Host), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", dnsMedia)
		_, _ = w.Write(packed(t, replyTo(t, q, 0, `www.example. 60 IN TXT "`+r.Method+" "+r.URL.Path+" "+r.Proto+`"`))[0])
	}
	for _, tt := range []struct {
		https *DoH
		want  string
	}{
		{nil, "POST /dns-query HTTP/2.0"},
		{&DoH{Method: DoHGet, Path: "/q/1"}, "GET /q/1 HTTP/2.0"},
	} {
		d := doh(t, answer, trusted, cert)
		d.HTTPS, d.Type, d.Answer.Exact = tt.https, RRType(dns.TypeTXT), Data(tt.want)
		a := look(t, d)
		wantReason(t, &a, ReasonNone)
		wantSpans(t, &a)
		if a.Detail.StatusLine != "HTTP/2.0 200 OK" || a.Detail.TLS == nil {
			t.Errorf("status line %q, TLS %v, want HTTP/2.0 200 OK, and what was shown", a.Detail.StatusLine, a.Detail.TLS)
		}
	}
	for _, method := range []DoHMethod{DoHPost, DoHGet} { // over HTTP/1.1
		address, pem := overTLS(t, nil, func(c *tls.Conn) {
			_ = (&http.Server{Handler: http.HandlerFunc(answer), ErrorLog: discardLog()}).Serve(&oneConn{conn: c, done: make(chan struct{})})
		})
		d := &DNS{Server: address, Name: "www.example", Type: RRType(dns.TypeTXT), Transport: DNSOverHTTPS, HTTPS: &DoH{Method: method}, TLS: &TLS{ServerName: "dns.example", CA: pem}}
		d.Answer.Exact = Data(method.String() + " /dns-query HTTP/1.1")
		a := look(t, d)
		wantReason(t, &a, ReasonNone)
	}
}

// oneConn is a listener for one connection that there is.
type oneConn struct {
	conn net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// A hostileBytes is a server of DNS over HTTP/1.1 that misbehaves.
type hostileBytes struct {
	name     string
	serve    func(net.Conn)
	want     Reason
	answered bool
}

func (h *hostileBytes) kind(t testing.TB) Kind {
	address, ca := overTLS(t, []string{"http/1.1"}, func(c *tls.Conn) { h.serve(c) })
	return &DNS{Server: address, Name: "www.example", Transport: DNSOverHTTPS, TLS: &TLS{ServerName: "dns.example", CA: ca}}
}

// hostileDNSOverHTTP1 are servers that write bytes.
func hostileDNSOverHTTP1() []hostileBytes {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n"
	forever := func(c net.Conn, text string) {
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
	return []hostileBytes{
		{"silent", func(net.Conn) {}, ResponseTimeout, false},
		{"hangs up", func(c net.Conn) { c.Close() }, Reset, false},
		{"a status", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		}, Status, true},
		{"a redirect", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
		}, Status, true},
		{"a page", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")
		}, Header, true},
		{"a body for ever", func(c net.Conn) { _, _ = io.WriteString(c, head+"\r\n"); forever(c, strings.Repeat("x", 4096)) }, TooLarge, true},
		{"chunks for ever", func(c net.Conn) {
			_, _ = io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n")
			forever(c, strings.Repeat("1\r\nx\r\n", 500))
		}, TooLarge, true},
		{"a header for ever", func(c net.Conn) {
			_, _ = io.WriteString(c, head)
			forever(c, strings.Repeat("X-Header: text\r\n", 100))
		}, TooLarge, true},
		{"interim answers for ever", func(c net.Conn) { forever(c, "HTTP/1.1 103 Early Hints\r\n\r\n") }, Protocol, true},
		{"a body and silence", func(c net.Conn) { _, _ = io.WriteString(c, head+"Content-Length: 99\r\n\r\nx") }, TooSlow, true},
		{"less than its length", func(c net.Conn) { _, _ = io.WriteString(c, head+"Content-Length: 99\r\n\r\nx"); c.Close() }, Protocol, true},
		{"no message", func(c net.Conn) { _, _ = io.WriteString(c, head+"Content-Length: 5\r\n\r\nhello") }, Protocol, true},
		{"no HTTP", func(c net.Conn) { _, _ = io.WriteString(c, "220 smtp.example ESMTP\r\n"); c.Close() }, Protocol, true},
	}
}

// TestHostileDNSOverHTTP1 has servers that write bytes.
func TestHostileDNSOverHTTP1(t *testing.T) {
	for _, tt := range hostileDNSOverHTTP1() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, tt.kind(t), &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			if a.Answered != tt.answered {
				t.Errorf("answered %v, want %v", a.Answered, tt.answered)
			}
			wantSpans(t, &a)
		})
	}
}

// A hostileHandler is a server of DNS over HTTP/2 that misbehaves.
type hostileHandler struct {
	name string
	h    http.HandlerFunc
	want Reason
}

func (h *hostileHandler) kind(t testing.TB, ca *authority) Kind {
	return doh(t, h.h, TLS{ServerName: "dns.example", CA: ca.pem}, ca.issue(t, "dns.example", -1, 30))
}

// hostileDNSOverHTTP2 are servers that speak HTTP/2 and misbehave above it.
func hostileDNSOverHTTP2() []hostileHandler {
	return []hostileHandler{
		{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ResponseTimeout},
		{"a body for ever", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", dnsMedia)
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, TooLarge},
		{"a body and silence", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", dnsMedia)
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, TooSlow},
		{"a reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Protocol},
		{"a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, Status},
	}
}

// TestHostileDNSOverHTTP2 has servers that speak HTTP/2 and misbehave above it.
func TestHostileDNSOverHTTP2(t *testing.T) {
	ca := newAuthority(t)
	for _, tt := range hostileDNSOverHTTP2() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, tt.kind(t, ca), &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
		})
	}
}
