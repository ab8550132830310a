package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/miekg/dns"
)

// maxDatagram is the longest reply read over UDP. Our queries allow 512 bytes (RFC 1035, section 4.2.1);
// servers that send more are read, up to the size that no path fragments less than twice.
const maxDatagram = 4096

// A question is one attempt of a DNS.
type question struct {
	d       *DNS
	t       *trail
	ctx     context.Context
	reply   *dns.Msg
	ignored int // datagrams that were no reply to the query
}

// ask sends the query and waits for the reply, as a phase. It notes failures.
func (q *question) ask(l *link) {
	q.t.enter(PhaseExchange)
	query := q.d.ready.query
	query.Id = dns.Id()
	wire, err := query.Pack()
	if err != nil {
		q.t.fail(Internal, fmt.Errorf("pack the query: %w", err))
		return
	}
	var msg []byte
	if q.d.Transport == DNSOverTCP {
		msg, err = q.askTCP(l.conn, wire)
	} else {
		msg, err = q.askUDP(l.conn, wire)
	}
	if err != nil {
		q.silent(err)
		return
	}
	q.t.leave()
	q.t.a.Answered = true
	q.reply, err = parseReply(msg, &query)
	if err != nil {
		q.t.fail(Protocol, fmt.Errorf("%s sent %d bytes that are no DNS reply to the query: %w", q.t.a.Addr, len(msg), err))
	}
}

// silent notes that no reply came.
func (q *question) silent(err error) {
	t := q.t
	var cut *cutReplyError
	r := silenceReason(q.ctx, err)
	switch {
	case errors.As(err, &cut):
		t.a.Answered = true
		r = midAnswerReason(q.ctx, err)
	case r == ReasonNone && t.a.Datagram:
		// What a datagram's sender is told comes from the path.
		r = dialReason(q.ctx, err)
	case r == ReasonNone:
		r = Internal
	}
	also := ""
	if q.ignored > 0 {
		also = fmt.Sprintf(" (ignored %d datagrams that were no reply to the query)", q.ignored)
	}
	t.fail(r, fmt.Errorf("no reply from %s%s: %w", t.a.Addr, also, err))
}

// askUDP returns the first datagram that carries the query's ID and question, or its ID and nothing that
// can be read. The socket is connected, so only the server's address is heard.
func (q *question) askUDP(conn net.Conn, wire []byte) ([]byte, error) {
	r := repeater{conn: conn}
	r.deadline, _ = q.ctx.Deadline()
	defer func() { q.t.a.Lost += r.lost }()
	if err := r.send(wire); err != nil {
		return nil, err
	}
	buf := make([]byte, maxDatagram)
	for {
		n, err := r.read(buf)
		if err != nil {
			return nil, err
		}
		if isReply(buf[:n], wire) && sameQuestion(buf[:n], wire) {
			return buf[:n], nil
		}
		q.ignored++
	}
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

// A cutReplyError is a reply over TCP that began and did not end.
type cutReplyError struct{ err error }

func (e *cutReplyError) Error() string { return "the reply was cut short: " + e.err.Error() }
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
	return &cutReplyError{err}
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
