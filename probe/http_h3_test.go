package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// listenQUIC listens on loopback and hands each connection to f, in a goroutine; all of it ends with the test.
func listenQUIC(t testing.TB, cert tls.Certificate, alpn string, f func(*quic.Conn)) string {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &quic.Transport{Conn: pc}
	l, err := tr.Listen(&tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{alpn}}, &quic.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept(ctx)
			if err != nil {
				return
			}
			go f(c)
		}
	}()
	t.Cleanup(func() { cancel(); <-done; _ = tr.Close(); _ = pc.Close() })
	return pc.LocalAddr().String()
}

// quicWeb serves HTTP/3 on loopback.
func quicWeb(t testing.TB, h http.HandlerFunc, cert tls.Certificate) string {
	s := &http3.Server{Handler: h}
	t.Cleanup(func() { _ = s.Close() })
	return listenQUIC(t, cert, http3.NextProtoH3, func(c *quic.Conn) { _ = s.ServeQUICConn(c) })
}

func TestHTTP3(t *testing.T) {
	ca := newAuthority(t)
	asked := make(chan string, 10)
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- r.Method + " " + r.URL.Path + " " + string(body) + " " + r.TLS.ServerName
		switch r.URL.Path {
		case "/move":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		case "/clear":
			http.Redirect(w, r, "http://shop.example/", http.StatusFound)
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/zip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, compressed(t, "gzip", "by "+r.Proto))
		default:
			_, _ = io.WriteString(w, "by "+r.Proto)
		}
	}
	good, old := ca.issue(t, "shop.example", -1, 30), ca.issue(t, "shop.example", -20, -10)
	address := quicWeb(t, handler, good)
	other := listenQUIC(t, good, "something-else", func(*quic.Conn) {})
	tests := []struct {
		name  string
		http  HTTP
		asked string
		want  Reason
	}{
		{"plain", HTTP{URL: "https://shop.example/", Body: BodyMatch{Contains: []string{"by HTTP/3.0"}}}, "GET /  shop.example", ReasonNone},
		{"with a body", HTTP{URL: "https://shop.example/x", Method: "POST", Send: Literal(strings.Repeat("x", 100_000))}, "POST /x " + strings.Repeat("x", 100_000) + " shop.example", ReasonNone},
		{"redirect", HTTP{URL: "https://shop.example/move", Method: "POST", Send: Literal("x")}, "POST /move x shop.example,POST / x shop.example", ReasonNone},
		{"compressed", HTTP{URL: "https://shop.example/zip", Compression: allCodings, Body: BodyMatch{Contains: []string{"by HTTP/3.0"}}}, "GET /zip  shop.example", ReasonNone},
		{"to what speaks no TLS", HTTP{URL: "https://shop.example/clear"}, "GET /clear  shop.example", Redirect},
		{"status", HTTP{URL: "https://shop.example/gone"}, "GET /gone  shop.example", Status},
		{"days left", HTTP{URL: "https://shop.example/", TLS: TLS{MinDaysLeft: 31}}, "GET /  shop.example", TLSExpired},
		{"another name", HTTP{URL: "https://other.example/"}, "", TLSNameMismatch},
		{"unknown authority", HTTP{URL: "https://shop.example/", TLS: TLS{CA: newAuthority(t).pem}}, "", TLSUntrusted},
		{"expired", HTTP{URL: "https://shop.example/", ConnectTo: quicWeb(t, handler, old)}, "", TLSExpired},
		{"another protocol", HTTP{URL: "https://shop.example/", ConnectTo: other}, "", TLSHandshake},
		{"closed port", HTTP{URL: "https://shop.example/", ConnectTo: closedUDP(t)}, "", Refused},
		{"cloud metadata", HTTP{URL: "https://shop.example/", ConnectTo: "169.254.169.254"}, "", EgressDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := tt.http
			h.Protocol = HTTP3
			if h.ConnectTo == "" {
				h.ConnectTo = address
			}
			if h.TLS.CA == "" {
				h.TLS.CA = ca.pem
			}
			a := look(t, &h)
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			var got []string
			for len(asked) > 0 {
				got = append(got, <-asked)
			}
			if s := strings.Join(got, ","); s != tt.asked {
				t.Errorf("asked -want +got:\n- %s\n+ %s", clip(tt.asked, 200), clip(s, 200))
			}
			if tt.want == ReasonNone && (a.PhaseTime(PhaseTLS) <= 0 || a.Detail.TLS == nil || !strings.HasPrefix(a.Detail.StatusLine, "HTTP/3.0 200")) {
				t.Errorf("tls took %v, with the detail %+v and the status line %q", a.PhaseTime(PhaseTLS), a.Detail.TLS, a.Detail.StatusLine)
			}
		})
	}
}

// closedUDP is an address on which nothing listens.
func closedUDP(t testing.TB) string {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return pc.LocalAddr().String()
}

// datagramServer answers every datagram as f says.
func datagramServer(t testing.TB, f func(got []byte) [][]byte) string {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			for _, answer := range f(b[:n]) {
				_, _ = pc.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	return pc.LocalAddr().String()
}

// initial is an Initial packet with nothing in it that decrypts, for the connection that the client chose.
func initial(got []byte) []byte {
	dst := got[6 : 6+int(got[5])]
	rest := got[6+len(dst):]
	src := rest[1 : 1+int(rest[0])]
	b := append([]byte{0xc0, 0, 0, 0, 1, byte(len(src))}, src...)
	b = append(append(b, byte(len(dst))), dst...)
	b = append(b, 0)                                          // no token
	b = binary.BigEndian.AppendUint16(b, 0x4000|uint16(1000)) // length
	return append(b, make([]byte, 1000)...)
}

// vint is a number of less than 2¹⁴ as QUIC writes it.
func vint(n int) []byte { return binary.BigEndian.AppendUint16(nil, 0x4000|uint16(n)) }

// frame is a frame of HTTP/3.
func frame(kind, length int, body []byte) []byte {
	return append(append(vint(kind), vint(length)...), body...)
}

// ok3 is a HEADERS frame with the status 200, from the static table of QPACK.
var ok3 = frame(1, 3, []byte{0, 0, 0xc0 | 25})

// A hostileQUIC is a hostile target of HTTP/3.
type hostileQUIC struct {
	name     string
	address  string
	want     Reason
	answered bool
}

func (h *hostileQUIC) kind(ca *authority) Kind {
	return &HTTP{URL: "https://shop.example/", ConnectTo: h.address, Protocol: HTTP3, TLS: TLS{CA: ca.pem}, Body: BodyMatch{MaxSize: 1 << 10}}
}

// hostileHTTP3 are servers that misbehave over QUIC.
func hostileHTTP3(t testing.TB, cert tls.Certificate) []hostileQUIC {
	// answers is a server that answers each request stream as f does.
	answers := func(f func(*quic.Conn, *quic.Stream)) string {
		return listenQUIC(t, cert, http3.NextProtoH3, func(c *quic.Conn) {
			if s, err := c.AcceptStream(c.Context()); err == nil {
				f(c, s)
			}
		})
	}
	writes := func(bs ...[]byte) func(*quic.Conn, *quic.Stream) {
		return func(_ *quic.Conn, s *quic.Stream) {
			for _, b := range bs {
				_, _ = s.Write(b)
			}
		}
	}
	forever := func(beginning, more []byte) func(*quic.Conn, *quic.Stream) {
		return func(_ *quic.Conn, s *quic.Stream) {
			_, err := s.Write(beginning)
			for many := bytes.Repeat(more, 1+8192/len(more)); err == nil; {
				_, err = s.Write(many)
			}
		}
	}
	unknown := frame(0x21, 1000, make([]byte, 1000))
	return []hostileQUIC{
		{"silent port", datagramServer(t, func([]byte) [][]byte { return nil }), Timeout, false},
		{"garbage", datagramServer(t, func([]byte) [][]byte { return [][]byte{[]byte("what do you want?")} }), ResponseTimeout, false},
		{"packets that do not decrypt", datagramServer(t, func(got []byte) [][]byte { return [][]byte{initial(got)} }), ResponseTimeout, false},
		{"its own words", datagramServer(t, func(got []byte) [][]byte { return [][]byte{append([]byte(nil), got...)} }), ResponseTimeout, false},
		{"no common version", datagramServer(t, func(got []byte) [][]byte {
			dst := got[6 : 6+int(got[5])]
			rest := got[6+len(dst):]
			src := rest[1 : 1+int(rest[0])]
			b := append([]byte{0x80, 0, 0, 0, 0, byte(len(src))}, src...)
			return [][]byte{append(append(append(b, byte(len(dst))), dst...), 0xfa, 0xce, 0xb0, 0x0c)}
		}), Protocol, true},
		{"shakes hands and is silent", listenQUIC(t, cert, http3.NextProtoH3, func(*quic.Conn) {}), ResponseTimeout, false},
		{"hangs up", listenQUIC(t, cert, http3.NextProtoH3, func(c *quic.Conn) { _ = c.CloseWithError(0, "") }), Protocol, true},
		{"hangs up when asked", answers(func(c *quic.Conn, _ *quic.Stream) { _ = c.CloseWithError(0x107, "too much") }), Protocol, true},
		{"resets the stream", answers(func(_ *quic.Conn, s *quic.Stream) { s.CancelWrite(0x10b) }), Protocol, true},
		{"ends the stream", answers(func(_ *quic.Conn, s *quic.Stream) { _ = s.Close() }), Protocol, true},
		{"garbage for a header", answers(writes(frame(1, 4, []byte{0xff, 0xff, 0xff, 0xff}))), Protocol, true},
		{"a header of a gigabyte", answers(writes([]byte{1, 0xc0, 0, 0, 0, 0x40, 0, 0, 0})), Protocol, true},
		{"half a header", answers(writes(frame(1, 1000, []byte{0, 0}))), ResponseTimeout, false},
		{"unknown frames for ever", answers(forever(nil, unknown)), TooLarge, true},
		{"interim answers for ever", answers(forever(nil, frame(1, 3, []byte{0, 0, 0xc0 | 24}))), Protocol, true},
		{"header and silence", answers(writes(ok3)), TooSlow, true},
		{"body stalls", answers(writes(ok3, frame(0, 100, []byte("abc")))), TooSlow, true},
		{"reset in the body", answers(func(_ *quic.Conn, s *quic.Stream) { _, _ = s.Write(ok3); s.CancelWrite(0x10b) }), Protocol, true},
		{"never-ending body", answers(forever(ok3, frame(0, 1000, make([]byte, 1000)))), TooLarge, true},
		{"empty data for ever", answers(forever(ok3, frame(0, 0, nil))), TooLarge, true},
		{"streams for ever", answers(func(c *quic.Conn, _ *quic.Stream) {
			for {
				s, err := c.OpenUniStreamSync(c.Context())
				if err != nil {
					return
				}
				_, _ = s.Write(append(vint(0x21), make([]byte, 4096)...))
				_ = s.Close()
			}
		}), TooLarge, true},
	}
}

func TestHostileHTTP3(t *testing.T) {
	ca := newAuthority(t)
	for _, tt := range hostileHTTP3(t, ca.issue(t, "shop.example", -1, 30)) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, tt.kind(ca), &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			if a.Answered != tt.answered {
				t.Errorf("answered -want +got:\n- %v\n+ %v", tt.answered, a.Answered)
			}
			wantSpans(t, &a)
		})
	}
}

// TestHTTP3LeavesNothing: after many attempts, good and bad, no socket is open and no goroutine runs.
func TestHTTP3LeavesNothing(t *testing.T) {
	ca := newAuthority(t)
	address := quicWeb(t, func(http.ResponseWriter, *http.Request) {}, ca.issue(t, "shop.example", -1, 30))
	silent := datagramServer(t, func([]byte) [][]byte { return nil })
	good := &HTTP{URL: "https://shop.example/", ConnectTo: address, Protocol: HTTP3, TLS: TLS{CA: ca.pem}}
	bad := &HTTP{URL: "https://shop.example/", ConnectTo: silent, Protocol: HTTP3}
	for _, k := range []*HTTP{good, bad} {
		if ps := k.Validate(); ps != nil {
			t.Fatal(ps)
		}
	}
	before, goroutines := descriptors(t), runtime.NumGoroutine()
	for range 20 {
		a := good.Attempt(t.Context(), &World{})
		wantReason(t, &a, ReasonNone)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		b := bad.Attempt(ctx, &World{})
		cancel()
		wantReason(t, &b, Timeout)
	}
	if after := descriptors(t); after > before {
		t.Errorf("open descriptors -want +got:\n- %d\n+ %d", before, after)
	}
	waitFor(t, func() error {
		// The server keeps its side of the connections a while; ours are gone.
		if n := clientGoroutines(); n > 0 {
			return fmt.Errorf("%d goroutines of clients run, %d in all, %d before", n, runtime.NumGoroutine(), goroutines)
		}
		return nil
	})
}

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(open) == 0 {
		const message = "this system does not show open descriptors"
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	return len(open)
}

// clientGoroutines counts those of HTTP/3 that are of a client.
func clientGoroutines() int {
	b := make([]byte, 4<<20)
	return strings.Count(string(b[:runtime.Stack(b, true)]), "http3.(*ClientConn)")
}

// waitFor waits until a condition has no error any more.
func waitFor(t *testing.T, f func() error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var err error
	for range 2000 {
		if err = f(); err == nil {
			return
		}
		<-tick.C
	}
	t.Error(err)
}
