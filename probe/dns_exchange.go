package probe

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/miekg/dns"
)

// maxDatagram is the longest reply read over UDP, unless the query allows more. Without EDNS it allows 512 bytes (RFC 1035,
// section 4.2.1); servers that send more are read, up to the size that no path fragments less than twice.
const maxDatagram = 4096

// maxIgnored is how many datagrams that are no reply are read before the server counts as one that does not reply.
const maxIgnored = 4096

// A question is one attempt of a DNS.
type question struct {
	d       *DNS
	t       *trail
	ctx     context.Context
	via     DNSTransport // of the exchange that is made
	query   dns.Msg
	config  *tls.Config // nil: none
	cookie  cookie
	tls     *handshake // nil: none, or it failed
	reply   *dns.Msg   // nil: none
	http    string     // the status line, of DNS over HTTPS
	ignored int        // datagrams that were no reply to the query
	notes   []string   // for people, shown with the reply
}

// note keeps a line for people.
func (q *question) note(line string) {
	if len(q.notes) < maxNotes {
		q.notes = append(q.notes, line)
	}
}

// maxNotes bounds what a server can make us say.
const maxNotes = 16

// run asks over the configured transport, and again where the reply asks for that. It notes failures. The trail is still to be
// finished.
func (q *question) run() {
	defer q.t.leave()
	to, ok := q.server()
	if !ok || q.t.a.Reason != ReasonNone {
		return
	}
	l := q.t.reach(q.ctx, q.via.network(), to)
	if l == nil {
		return
	}
	conn := l.conn
	if q.via.encrypted() {
		if q.tls = q.t.secure(q.ctx, conn, q.config); q.tls == nil {
			return
		}
		conn = q.tls.conn
	}
	q.ask(conn)
	if q.wantsCookie() {
		q.t.hop++
		q.note("the server wanted its own cookie, and was asked again with it")
		q.ask(conn)
	}
	if q.reply != nil && q.reply.Truncated && q.d.ready.retry {
		q.askAgain()
	}
}

// askAgain asks over TCP what was truncated over UDP, as a hop of its own (RFC 7766, section 5).
func (q *question) askAgain() {
	q.t.hop++
	q.note("the answer over UDP was truncated, and was asked for again over TCP")
	q.reply, q.via, q.t.a.Datagram = nil, DNSOverTCP, false
	if l := q.t.reach(q.ctx, q.via.network(), destination{q.t.a.Addr.Addr().String(), q.t.a.Addr.Port(), q.d.IP}); l != nil {
		q.ask(l.conn)
	}
}

// ask sends the query and waits for the reply, as a phase. It notes failures.
func (q *question) ask(conn net.Conn) {
	q.t.enter(PhaseExchange)
	q.reply = nil
	if q.via != DNSOverHTTPS { // there it is 0, so that caches are of use (RFC 8484, section 4.1)
		q.query.Id = dns.Id()
	}
	q.addCookie()
	wire, err := q.query.Pack()
	if err != nil {
		q.t.fail(Internal, fmt.Errorf("pack the query: %w", err))
		return
	}
	var msg []byte
	switch q.via {
	case DNSOverUDP:
		msg, err = q.askUDP(conn, wire)
	case DNSOverHTTPS:
		msg, err = q.askHTTPS(conn, wire)
	default:
		msg, err = q.askTCP(conn, wire)
	}
	if err != nil {
		q.silent(err)
		return
	}
	q.t.leave()
	q.t.a.Answered = true
	reply, err := parseReply(msg, &q.query)
	if err == nil && q.cookie.client != "" && !q.returned(reply) {
		err = errAnotherCookie
	}
	if err != nil {
		q.t.fail(Protocol, fmt.Errorf("%s sent %d bytes that are no DNS reply to the query: %w", q.t.a.Addr, len(msg), err))
		return
	}
	q.reply = reply
}

// silent notes that no reply came.
func (q *question) silent(err error) {
	t := q.t
	r := silenceReason(q.ctx, err)
	what := "no reply"
	if cut, ok := errors.AsType[*cutReplyError](err); ok {
		t.a.Answered = true
		r = midAnswerReason(q.ctx, err)
		if cut.reason != ReasonNone && !stopped(q.ctx) {
			r, what = cut.reason, "no DNS reply"
		}
	} else if r == ReasonNone {
		r = q.brokenReason(err)
	}
	also := ""
	if q.ignored > 0 {
		also = fmt.Sprintf(" (ignored %d datagrams that were no reply to the query)", q.ignored)
	}
	t.fail(r, fmt.Errorf("%s from %s%s: %w", what, t.a.Addr, also, err))
}

// brokenReason classifies an error that is not about silence.
func (q *question) brokenReason(err error) Reason {
	switch {
	case errors.Is(err, errFlooded):
		return ResponseTimeout
	case q.t.a.Datagram:
		// What a datagram's sender is told comes from the path.
		return dialReason(q.ctx, err)
	case q.via.encrypted():
		// An alert, or records that do not decrypt: something of the target, if no DNS.
		q.t.a.Answered = true
		return TLSHandshake
	}
	return Internal
}

var errFlooded = errors.New("gave up listening")

// askUDP returns the first datagram that carries the query's ID and question, or its ID and nothing that
// can be read. The socket is connected, so only the server's address is heard.
func (q *question) askUDP(conn net.Conn, wire []byte) ([]byte, error) {
	r := repeater{conn: conn}
	r.deadline, _ = q.ctx.Deadline()
	defer func() { q.t.a.Lost += r.lost }()
	if err := r.send(wire); err != nil {
		return nil, err
	}
	size := maxDatagram
	if q.d.EDNS != nil {
		size = max(size, q.d.EDNS.size())
	}
	buf := make([]byte, size)
	for q.ignored < maxIgnored {
		n, err := r.read(buf)
		if err != nil {
			return nil, err
		}
		if isReply(buf[:n], wire) && sameQuestion(buf[:n], wire) && !q.foreignCookie(buf[:n]) {
			return buf[:n], nil
		}
		q.ignored++
	}
	return nil, errFlooded
}

// sameQuestion reports whether a reply repeats the query's question; a reply whose question cannot be read
// counts as one, for its ID is right and its sender is.
func sameQuestion(msg, query []byte) bool {
	if binary.BigEndian.Uint16(msg[4:]) != 1 {
		return true
	}
	name, off, err := dns.UnpackDomainName(msg, dnsHeader)
	if err != nil || off+4 > len(msg) {
		return true
	}
	want, end, err := dns.UnpackDomainName(query, dnsHeader)
	return err == nil && strings.EqualFold(name, want) && string(msg[off:off+4]) == string(query[end:end+4])
}

// A cutReplyError is a reply that began and came to nothing: cut short, or for a reason of its own.
type cutReplyError struct {
	reason Reason // ReasonNone: cut short
	err    error
}

func (e *cutReplyError) Error() string {
	if e.reason != ReasonNone {
		return e.err.Error()
	}
	return "the reply was cut short: " + e.err.Error()
}

func (e *cutReplyError) Unwrap() error { return e.err }

// askTCP exchanges one message, each after its length in two bytes (RFC 1035, section 4.2.2).
func (q *question) askTCP(conn net.Conn, wire []byte) ([]byte, error) {
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(wire)), uint16(len(wire)))
	if _, err := conn.Write(append(framed, wire...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if n, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, cutAfter(n, err)
	}
	msg := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, msg); err != nil {
		return nil, cutAfter(2, err)
	}
	return msg, nil
}

// cutAfter marks an error that came after n bytes of a reply.
func cutAfter(n int, err error) error {
	if n == 0 {
		return err
	}
	return &cutReplyError{err: err}
}

// parseReply reads a message strictly, as the reply to a query.
func parseReply(msg []byte, query *dns.Msg) (*dns.Msg, error) {
	m := new(dns.Msg)
	if err := m.Unpack(msg); err != nil {
		return nil, err
	}
	switch {
	case m.Id != query.Id:
		return nil, errors.New("the ID is another one")
	case !m.Response:
		return nil, errors.New("it is a query")
	case m.Opcode != query.Opcode:
		return nil, fmt.Errorf("the opcode is %d", m.Opcode)
	case len(m.Question) == 0 && m.Rcode != dns.RcodeSuccess:
		// Servers that fail early do not repeat the question.
		return m, nil
	case len(m.Question) != 1:
		return nil, fmt.Errorf("it repeats %d questions", len(m.Question))
	}
	got, want := m.Question[0], query.Question[0]
	if !strings.EqualFold(got.Name, want.Name) || got.Qtype != want.Qtype || got.Qclass != want.Qclass {
		return nil, errors.New("it repeats another question")
	}
	return m, nil
}
