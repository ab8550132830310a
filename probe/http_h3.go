package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// A quicLink is a QUIC connection over a UDP socket of its own. A nil one is none.
type quicLink struct {
	socket    *datagrams
	transport *quic.Transport
	conn      *quic.Conn // nil until the handshake is over
	link      *link
}

// close ends the connection, notes what was lost, and closes the socket. It may be called twice.
func (q *quicLink) close(t *trail) {
	if q == nil || q.transport == nil {
		return
	}
	if q.conn != nil {
		t.a.Lost += int(q.conn.ConnectionStats().PacketsLost)
		_ = q.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
	_ = q.transport.Close() // it waits for its goroutines
	q.transport = nil
	q.link.close()
}

// datagrams is a connected UDP socket in the form that package quic takes, up to a number of bytes. Being connected it hears that
// a port is closed.
type datagrams struct {
	net.Conn
	got  atomic.Int64 // bytes
	left atomic.Int64
}

// ReadFrom implements net.PacketConn. That the time is up must not look like something that passes: it would be tried again.
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := d.Read(b)
	d.got.Add(int64(n))
	switch {
	case d.left.Add(-int64(n)) < 0:
		return 0, nil, errFlood
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, nil, fmt.Errorf("read from %s: %w", d.RemoteAddr(), os.ErrDeadlineExceeded)
	}
	return n, d.RemoteAddr(), err
}

// WriteTo implements net.PacketConn; the address is the connected one. That the time is up is told by who reads: from who writes,
// package quic would take it for a fault in the connection.
func (d *datagrams) WriteTo(b []byte, _ net.Addr) (int, error) {
	n, err := d.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return len(b), nil
	}
	return n, err
}

// SetReadBuffer and SetWriteBuffer leave the buffers of the system as they are: one short answer needs no more.
func (d *datagrams) SetReadBuffer(int) error { return nil }

// SetWriteBuffer implements what package quic looks for.
func (d *datagrams) SetWriteBuffer(int) error { return nil }

// sendH3 makes a request over HTTP/3 and returns the head of the answer. It returns nil after a failure, which it has noted.
// QUIC and TLS shake hands in one; that is the phase tls, and connecting is but making a socket.
func (x *exchange) sendH3(req *http.Request) *http.Response {
	l := x.t.reach(x.ctx, "udp", x.destination(req.URL))
	if l == nil {
		return nil
	}
	d := &datagrams{Conn: l.conn}
	d.left.Store(maxFrames)
	x.quic = &quicLink{socket: d, link: l, transport: &quic.Transport{Conn: d}}
	if !x.shakeQUIC(req) {
		return nil
	}
	x.t.enter(PhaseWait)
	tr := &http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: maxHeader}
	out := req.WithContext(x.ctx)
	out.Close = false
	resp, err := tr.NewClientConn(x.quic.conn).RoundTrip(out)
	if err != nil {
		x.brokenH3(err)
		return nil
	}
	x.t.a.Answered = true
	x.t.enter(PhaseRead)
	d.left.Store(x.h.Body.traffic())
	return resp
}

// shakeQUIC makes the connection. It notes failures.
func (x *exchange) shakeQUIC(req *http.Request) bool {
	t, q := x.t, x.quic
	config := x.out.tls.Clone()
	if x.h.TLS.ServerName == "" {
		config.ServerName = serverName("", req.URL.Hostname())
	}
	t.enter(PhaseTLS)
	h := &handshake{name: config.ServerName}
	conn, err := q.transport.Dial(x.ctx, q.socket.RemoteAddr(), config, quicConfig(x.ctx))
	if err != nil {
		x.quicFailed(h, err)
		return false
	}
	q.conn = conn
	h.state = conn.ConnectionState().TLS
	h.certs = h.state.PeerCertificates
	x.shook(h)
	return true
}

// quicConfig bounds a connection. Its own timeouts come after the attempt's, which tell what they mean.
func quicConfig(ctx context.Context) *quic.Config {
	last := time.Hour
	if d, ok := ctx.Deadline(); ok {
		last = time.Until(d) + time.Minute
	}
	return &quic.Config{
		HandshakeIdleTimeout: last, MaxIdleTimeout: last,
		InitialStreamReceiveWindow: maxStream, MaxStreamReceiveWindow: maxStream,
		InitialConnectionReceiveWindow: maxConn, MaxConnectionReceiveWindow: maxConn,
		MaxIncomingStreams: -1, MaxIncomingUniStreams: maxUniStreams,
		DisablePathMTUDiscovery: true, // a probe that is lost would count as a loss
	}
}

// maxUniStreams is how many streams a server may open at a time: three that it needs, and those that are there to be ignored.
const maxUniStreams = 8

// quicFailed classifies a handshake that failed. Nothing at all is what a closed path looks like; a server that began to answer
// and then is silent was reached.
func (x *exchange) quicFailed(h *handshake, err error) {
	t, q := x.t, x.quic
	r := dialReason(x.ctx, err)
	switch {
	case r == Stopped:
	case q.socket.left.Load() < 0:
		r, t.a.Answered, err = TooLarge, true, errFlood
	case r == Timeout && q.socket.got.Load() > 0:
		r = ResponseTimeout
	case r == Internal:
		r, t.a.Answered = quicReason(err), q.socket.got.Load() > 0
	}
	t.fail(h.refuted(r, err), fmt.Errorf("QUIC handshake with %s: %w", t.a.Addr, err))
	t.a.Detail.TLS, t.a.Expires = h.detail(), expiry(h)
}

// quicReason classifies what a server said in a handshake.
func quicReason(err error) Reason {
	if _, ok := errors.AsType[*quic.VersionNegotiationError](err); ok {
		return Protocol
	}
	if _, ok := errors.AsType[*quic.StatelessResetError](err); ok {
		return Reset
	}
	if e, ok := errors.AsType[*quic.TransportError](err); ok && !e.ErrorCode.IsCryptoError() {
		return Protocol
	}
	return certificateReason(err)
}

// brokenH3 notes that no answer came.
func (x *exchange) brokenH3(err error) {
	t, d := x.t, x.quic.socket
	r := silenceReason(x.ctx, err)
	_, reset := errors.AsType[*quic.StatelessResetError](err)
	switch {
	case r == Stopped:
	case d.left.Load() < 0:
		r, t.a.Answered, err = TooLarge, true, errFlood
	case reset:
		r = Reset
	case r == ReasonNone, r == Reset:
		r, t.a.Answered = Protocol, true
	}
	t.fail(r, fmt.Errorf("no answer from %s over HTTP/3: %w", t.a.Addr, err))
}
