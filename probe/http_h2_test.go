package probe

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestProtocol: each protocol is spoken where it is chosen, and a server that does not speak it fails.
func TestProtocol(t *testing.T) {
	ca := newAuthority(t)
	says := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "by "+r.Proto) }
	both := "https://" + secureWeb(t, says, ca.issue(t, "localhost", -1, 30))
	only := func(alpn ...string) string {
		return "https://" + serve(t, func(c net.Conn) {
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", -1, 30)}, NextProtos: alpn})
			if req, err := http.ReadRequest(bufio.NewReader(s)); err == nil {
				_, _ = io.WriteString(s, ok200+"Content-Length: 11\r\n\r\nby "+req.Proto)
			}
		})
	}
	h2c := clearWeb(t, says)
	tests := []struct {
		name     string
		url      string
		protocol HTTPProtocol
		body     string
		want     Reason
	}{
		{"auto over TLS", both, HTTPAuto, "by HTTP/2.0", ReasonNone},
		{"auto, one that knows no other", only("http/1.1"), HTTPAuto, "by HTTP/1.1", ReasonNone},
		{"http1 over TLS", both, HTTP1, "by HTTP/1.1", ReasonNone},
		{"http2 over TLS", both, HTTP2, "by HTTP/2.0", ReasonNone},
		{"http2 not spoken", only("http/1.1"), HTTP2, "", TLSHandshake},
		{"http2 not chosen", only(), HTTP2, "", Protocol},
		{"auto in clear", h2c, HTTPAuto, "by HTTP/1.1", ReasonNone},
		{"http2 in clear", h2c, HTTP2, "by HTTP/2.0", ReasonNone},
		{"http2 in clear, not spoken", "http://" + serve(t, says11), HTTP2, "", Protocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &HTTP{URL: tt.url, Protocol: tt.protocol, Body: BodyMatch{Contains: []string{tt.body}}}
			if tt.body == "" {
				h.Body.Contains = nil
			}
			if strings.HasPrefix(tt.url, "https") {
				h.TLS = TLS{CA: ca.pem, ServerName: "localhost"}
			}
			a := look(t, h)
			wantReason(t, &a, tt.want)
			if version, _, _ := strings.Cut(a.Detail.StatusLine, " "); tt.want == ReasonNone && "by "+version != tt.body {
				t.Errorf("the status line says %q, want what was spoken: %q", a.Detail.StatusLine, tt.body)
			}
			wantSpans(t, &a)
		})
	}
}

// TestLargeBodies: what comes faster than it is read is no flood.
func TestLargeBodies(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "localhost", -1, 30)
	body := strings.Repeat("all work and no play ", 1<<20/21)
	says := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	for protocol, address := range map[HTTPProtocol]string{HTTP1: secureWeb(t, says, cert), HTTP2: secureWeb(t, says, cert), HTTP3: quicWeb(t, says, cert)} {
		h := &HTTP{URL: "https://localhost/", ConnectTo: address, Protocol: protocol, TLS: TLS{CA: ca.pem}, Body: BodyMatch{NotContains: []string{"absent"}}}
		for range 5 {
			a := look(t, h)
			wantReason(t, &a, ReasonNone)
			if a.Detail.BodyBytes != int64(len(body)) {
				t.Errorf("%s: size -want +got:\n- %d\n+ %d", protocol, len(body), a.Detail.BodyBytes)
			}
		}
	}
}

// says11 speaks HTTP/1.1 and nothing else.
func says11(c net.Conn) {
	_, _ = c.Read(make([]byte, 1024))
	_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
}

// clearWeb serves HTTP/1.1 and HTTP/2 without TLS.
func clearWeb(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return "http://" + l.Addr().String()
}

// A framed is a server's side of HTTP/2 that has been asked on stream 1.
type framed struct {
	*http2.Framer
	conn net.Conn
	out  *bufio.Writer // floods come in large pieces
}

// asked waits for the request.
func (f *framed) asked() bool {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return false
		}
		if _, ok := frame.(*http2.HeadersFrame); ok {
			return true
		}
	}
}

// header writes the head of an answer; a header block that is not ended is to be continued.
func (f *framed) header(end bool) {
	var b strings.Builder
	e := hpack.NewEncoder(&b)
	_ = e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte(b.String()), EndHeaders: end})
}

// often does something until it fails.
func often(f func() error) {
	for f() == nil {
	}
}

// A hostileFramed is a server that misbehaves once it was asked on stream 1.
type hostileFramed struct {
	name  string
	serve func(*framed)
	want  Reason
}

func (h *hostileFramed) kind(t testing.TB) Kind {
	address := serve(t, func(c net.Conn) {
		out := bufio.NewWriterSize(c, 16<<10)
		f := &framed{http2.NewFramer(out, c), c, out}
		defer out.Flush()
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil || f.WriteSettings() != nil || out.Flush() != nil || !f.asked() {
			return
		}
		go often(func() error { _, err := c.Read(make([]byte, 4096)); return err })
		h.serve(f)
	})
	return &HTTP{URL: "http://" + address, Protocol: HTTP2, Body: BodyMatch{MaxSize: 1 << 10}}
}

// hostileFrames are servers that misbehave in frames of HTTP/2.
func hostileFrames() []hostileFramed {
	block := []byte(strings.Repeat("\x00\x01a\x7f\x80\x01"+strings.Repeat("v", 255), 8)) // a: vvvv…
	return []hostileFramed{
		{"settings", func(f *framed) { often(func() error { return f.WriteSettings() }) }, TooLarge},
		{"many settings", func(f *framed) {
			many := make([]http2.Setting, 2000)
			for i := range many {
				many[i] = http2.Setting{ID: 0xf000, Val: uint32(i)}
			}
			often(func() error { return f.WriteSettings(many...) })
		}, TooLarge},
		{"pings", func(f *framed) { often(func() error { return f.WritePing(false, [8]byte{1}) }) }, TooLarge},
		{"continuations", func(f *framed) {
			f.header(false)
			often(func() error { return f.WriteContinuation(1, false, block) })
		}, Protocol},
		{"empty continuations", func(f *framed) {
			f.header(false)
			often(func() error { return f.WriteContinuation(1, false, nil) })
		}, TooLarge},
		{"interim answers", func(f *framed) {
			often(func() error {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x08, 3, '1', '0', '3'}, EndHeaders: true})
			})
		}, Protocol},
		{"empty data", func(f *framed) { f.header(true); often(func() error { return f.WriteData(1, false, nil) }) }, TooLarge},
		{"pings in the body", func(f *framed) {
			f.header(true)
			often(func() error { return f.WritePing(false, [8]byte{1}) })
		}, TooLarge},
		{"data", func(f *framed) {
			f.header(true)
			often(func() error { return f.WriteData(1, false, make([]byte, 16<<10)) })
		}, TooLarge},
		{"unknown frames", func(f *framed) { often(func() error { return f.WriteRawFrame(0xee, 0, 1, make([]byte, 1000)) }) }, TooLarge},
		{"resets the stream", func(f *framed) { _ = f.WriteRSTStream(1, http2.ErrCodeRefusedStream) }, Protocol},
		{"goes away", func(f *framed) { _ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("no")) }, Protocol},
		{"goes away in the body", func(f *framed) {
			f.header(true)
			_ = f.WriteData(1, false, []byte("ab"))
			_ = f.WriteGoAway(1, http2.ErrCodeNo, nil)
			f.out.Flush()
			f.conn.Close()
		}, Protocol},
		{"stalls in the body", func(f *framed) { f.header(true); _ = f.WriteData(1, false, []byte("ab")) }, TooSlow},
		{"stalls in the header", func(f *framed) { f.header(false) }, ResponseTimeout},
	}
}

// TestHTTP2Floods: servers that answer with frames without end, with or without an answer among them, are read up to a bound and
// into bounded memory.
func TestHTTP2Floods(t *testing.T) {
	for _, tt := range hostileFrames() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := tt.kind(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a := attempt(t, k, &World{}, patience(tt.want))
			runtime.ReadMemStats(&after)
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if took := int64(after.HeapInuse) - int64(before.HeapInuse); took > 64<<20 {
				t.Errorf("the heap grew by %d MiB", took>>20)
			}
		})
	}
}
