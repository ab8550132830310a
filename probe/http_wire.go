package probe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
)

const (
	// maxHeader is how many bytes of status line, headers and interim answers are read.
	maxHeader = 64 << 10
	// maxInterim is how many interim (1xx) answers are read past.
	maxInterim = 8
	// maxQuietSend is the longest body that is written before the answer is read. It fits into the buffers
	// of the kernels; a longer one could block for ever on a server that answers first.
	maxQuietSend = 16 << 10
)

// send speaks TLS if the URL says so, sends, and reads the head of the answer. It notes failures.
func (x *exchange) send(conn net.Conn, req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" {
		if x.h.Protocol == HTTP2 {
			return x.sendH2(conn, req)
		}
		return x.sendPlain(conn, req)
	}
	config := x.out.tls
	if host := req.URL.Hostname(); x.h.TLS.ServerName == "" && config.ServerName != serverName("", host) {
		config = config.Clone()
		config.ServerName = serverName("", host)
	}
	s := x.t.secure(x.ctx, conn, config)
	if s == nil {
		return nil, x.t.cause
	}
	x.shook(s)
	switch {
	case s.state.NegotiatedProtocol == alpnHTTP2:
		return x.sendH2(s.conn, req)
	case x.h.Protocol == HTTP2:
		x.t.a.Answered = true
		x.t.fail(Protocol, fmt.Errorf("%s did not choose HTTP/2 in the TLS handshake", x.t.a.Addr))
		return nil, x.t.cause
	}
	return x.sendPlain(s.conn, req)
}

// shook keeps a handshake if it is the one to tell of.
func (x *exchange) shook(s *handshake) {
	if x.tls == nil || x.h.TLS.MinDaysLeft+x.h.TLS.WarnDaysLeft == 0 || expiry(s).Before(expiry(x.tls)) {
		x.tls = s
	}
}

// sendPlain speaks HTTP/1.1 over a connection.
func (x *exchange) sendPlain(conn net.Conn, req *http.Request) (*http.Response, error) {
	x.t.enter(PhaseWait)
	wrote, err := x.write(conn, req)
	if err != nil {
		return nil, x.broken(err)
	}
	head := &headReader{conn: conn, left: maxHeader}
	br := bufio.NewReader(head)
	if _, err := br.Peek(1); err != nil {
		// A server that will not read may say why before it hangs up; only if it said nothing it is the
		// writing that failed.
		if !isAlert(err) {
			err = firstOf(wrote(), err)
		}
		return nil, x.broken(err)
	}
	x.t.a.Answered = true
	x.t.enter(PhaseRead)
	resp, err := readHead(br, req)
	if err != nil {
		x.headFailed(firstOf(head.err, err))
		return nil, x.t.cause
	}
	head.left = math.MaxInt
	x.head = head
	return resp, nil
}

// A headReader reads the head of an answer up to a limit. It keeps the error that ended the reading, for the
// parser hides it behind its own when it comes in the middle of a line.
type headReader struct {
	conn net.Conn
	left int
	err  error
}

func (r *headReader) Read(b []byte) (int, error) {
	if r.left <= 0 {
		r.err = errTooLarge
		return 0, r.err
	}
	n, err := r.conn.Read(b[:min(len(b), r.left)])
	r.left -= n
	r.err = err
	return n, err
}

func (x *exchange) headFailed(err error) {
	if errors.Is(err, errTooLarge) {
		x.t.fail(TooLarge, fmt.Errorf("the header of the answer exceeds %s", Size(maxHeader)))
		return
	}
	x.t.fail(midAnswerReason(x.ctx, err), fmt.Errorf("read the header of the answer: %w", err))
}

// write sends the request. Its error is one of building the request; how writing went is told by the
// function it returns, when the answer is known to be missing.
func (x *exchange) write(conn net.Conn, req *http.Request) (wrote func() error, err error) {
	var buf bytes.Buffer
	buf.Grow(512)
	if err := x.writeTo(&buf, req); err != nil {
		return nil, err
	}
	if buf.Len() <= maxQuietSend {
		_, err := conn.Write(buf.Bytes())
		return func() error { return err }, nil
	}
	done := make(chan error, 1)
	go func() {
		_, err := conn.Write(buf.Bytes())
		done <- err
	}()
	return func() error {
		select {
		case err := <-done:
			return err
		default:
			return nil
		}
	}, nil
}

// writeTo writes the request as the one who reads it wants it: a proxy that forwards it, in absolute form.
func (x *exchange) writeTo(buf *bytes.Buffer, req *http.Request) error {
	if x.forward == nil {
		return req.Write(buf)
	}
	out := *req
	out.Header = req.Header.Clone()
	x.forward.authorize(out.Header, x.hide)
	return out.WriteProxy(buf)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// broken notes that no answer came.
func (x *exchange) broken(err error) error {
	r := silenceReason(x.ctx, err)
	if r == ReasonNone {
		r = Internal
		if x.tls != nil {
			// An alert, or records that do not decrypt: something of the target, if no HTTP.
			r, x.t.a.Answered = TLSHandshake, true
		}
	}
	x.t.fail(r, fmt.Errorf("no answer from %s: %w", x.t.a.Addr, err))
	return x.t.cause
}

// readHead reads the head of the final answer past interim ones.
func readHead(br *bufio.Reader, req *http.Request) (*http.Response, error) {
	for range maxInterim + 1 {
		resp, err := http.ReadResponse(br, req)
		if err != nil {
			return nil, err
		}
		if resp.ProtoMajor != 1 {
			// It is not what it says, and would be treated as if it were.
			return nil, fmt.Errorf("found %s in the status line, wanted HTTP/1.1 or HTTP/1.0", resp.Proto)
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, fmt.Errorf("more than %d interim answers (status 1xx)", maxInterim)
}
