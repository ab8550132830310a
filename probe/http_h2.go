package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

const (
	// maxFrames is how many bytes of a connection of many frames may come before we know the head of the answer. What is let be
	// sent of the body may be there by then.
	maxFrames = 4*maxHeader + maxStream + maxStream/8
	// A body may come in frames so small that they are most of it: as often its limit, and so many bytes beside.
	maxFraming = 8
	maxExtra   = 256 << 10
	// maxStream and maxConn are what is kept of a body that has come and is not read yet.
	maxStream = 512 << 10
	maxConn   = 512 << 10
)

// errFlood is what ends a connection on which more comes than an answer can need, such as frames without end.
var errFlood = errors.New("more came over the connection than the answer can need")

// traffic is how many bytes of a connection of many frames may come for a body.
func (m *BodyMatch) traffic() int64 { return maxFraming*min(m.limit(), math.MaxInt64/16) + maxExtra }

// Frames of HTTP/2 (RFC 9113, section 4.1).
const (
	frameHead    = 9
	maxFrame     = 16 << 10 // of what we let be sent, without the head
	lastFrame    = 9        // the highest type that RFC 9113 knows
	frameType    = 3        // where the type stands in the head
	framesBuffer = 4 << 10
)

// A framesConn is a connection of which HTTP/2 is read, up to a limit. Frames of types that are not those of RFC 9113 are to be
// ignored; it leaves them out, because net/http would tell of each in the log. Its Read is for one goroutine.
type framesConn struct {
	net.Conn
	left atomic.Int64 // bytes that may still come
	// foreign: what came is no HTTP/2.
	foreign atomic.Bool
	br      *bufio.Reader
	head    []byte // of a frame, not passed on yet
	body    int    // bytes of the present frame that are to come
}

func newFrames(conn net.Conn, limit int64) *framesConn {
	f := &framesConn{Conn: conn}
	f.left.Store(limit)
	f.br = bufio.NewReaderSize(readerFunc(f.metered), framesBuffer)
	return f
}

type readerFunc func([]byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// metered reads from the connection and counts.
func (f *framesConn) metered(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if f.left.Add(-int64(n)) < 0 {
		return 0, errFlood
	}
	return n, err
}

// exceeded reports whether more came than the limit. There is no limit to a connection that is nil.
func (f *framesConn) exceeded() bool { return f != nil && f.left.Load() < 0 }

// Read implements net.Conn.
func (f *framesConn) Read(b []byte) (int, error) {
	for len(f.head) == 0 && f.body == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.head) > 0 {
		n := copy(b, f.head)
		f.head = f.head[n:]
		return n, nil
	}
	n, err := f.br.Read(b[:min(len(b), f.body)])
	f.body -= n
	return n, err
}

// next reads the head of the next frame, and passes over the frame if nobody knows it. What is no frame at all is passed on.
func (f *framesConn) next() error {
	head, err := f.br.Peek(frameHead)
	if err != nil && len(head) == 0 {
		return err
	}
	length := math.MaxInt
	if err == nil {
		length = int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	}
	if length > maxFrame {
		f.foreign.Store(true)
		f.body = math.MaxInt
		return nil
	}
	known := head[frameType] <= lastFrame
	f.head = append(f.head[:0], head...)
	if _, err := f.br.Discard(frameHead); err != nil {
		return err
	}
	if known {
		f.body = length
		return nil
	}
	f.head = f.head[:0]
	_, err = f.br.Discard(length)
	return err
}

// sendH2 speaks HTTP/2, with net/http over the connection that there is: it sees no TLS below. Nothing is sent a second time.
func (x *exchange) sendH2(conn net.Conn, req *http.Request) (*http.Response, error) {
	x.frames = newFrames(conn, maxFrames)
	dial := func(context.Context, string, string) (net.Conn, error) { return x.frames, nil }
	tr := &http.Transport{
		DisableCompression: true, MaxResponseHeaderBytes: maxHeader, DialTLSContext: dial, DialContext: dial, Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: maxStream, MaxReceiveBufferPerConnection: maxConn, MaxReadFrameSize: maxFrame},
	}
	tr.Protocols.SetUnencryptedHTTP2(true)
	x.t.enter(PhaseWait)
	out := req.Clone(x.ctx)
	out.Close = false // over HTTP/2 it has no meaning
	cc, err := tr.NewClientConn(x.ctx, req.URL.Scheme, hostPort(req.URL))
	if err != nil {
		return nil, x.brokenH2(x.alerted(conn, err))
	}
	resp, err := cc.RoundTrip(out)
	if err != nil {
		return nil, x.brokenH2(x.alerted(conn, err))
	}
	x.t.a.Answered = true
	x.t.enter(PhaseRead)
	return resp, nil
}

// unasked is how net/http says, in an error without a name, that the connection was closed before the request could be sent on it.
const unasked = "client conn could not be established"

func (x *exchange) brokenH2(err error) error {
	r := silenceReason(x.ctx, err)
	switch {
	case x.frames.exceeded():
		r, x.t.a.Answered, err = TooLarge, true, errFlood
	case x.frames.foreign.Load() && r != Stopped:
		r, x.t.a.Answered = Protocol, true
	case isAlert(err):
		r, x.t.a.Answered = TLSHandshake, true
	case strings.Contains(err.Error(), unasked):
		r = Reset
	case r == ReasonNone:
		r, x.t.a.Answered = Protocol, true
	}
	x.t.fail(r, fmt.Errorf("no answer from %s over HTTP/2: %w", x.t.a.Addr, err))
	return x.t.cause
}
