package probe

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// EDNS is what a query says by EDNS (RFC 6891). What comes back is in the evidence.
type EDNS struct {
	BufferSize   int          `yaml:"buffer_size" default:"1232"` // bytes that a datagram may have; 512 to 65535
	DO           bool         `yaml:"do"`                         // ask for signatures (RFC 3225)
	NSID         bool         `yaml:"nsid"`                       // ask which server of several answers (RFC 5001)
	ClientSubnet ClientSubnet `yaml:"client_subnet"`              // ask as a client of this network would (RFC 7871)
	// Cookie sends a random cookie, which the server must return with one of its own (RFC 7873). A server that wants its
	// own to be sent along is asked once more.
	Cookie bool `yaml:"cookie"`
}

// usualBuffer is the size of datagrams that no path fragments (DNS flag day 2020).
const usualBuffer = 1232

func (e *EDNS) size() int {
	if e.BufferSize == 0 {
		return usualBuffer
	}
	return e.BufferSize
}

func (e *EDNS) validate() []Problem {
	var ps []Problem
	if n := e.size(); n < dns.MinMsgSize || n > dns.MaxMsgSize {
		ps = append(ps, Problem{Field: "edns.buffer_size", Message: fmt.Sprintf("found %d, wanted %d to %d", n, dns.MinMsgSize, dns.MaxMsgSize)})
	}
	if e.ClientSubnet != "" {
		if err := new(ClientSubnet).UnmarshalText([]byte(e.ClientSubnet)); err != nil {
			ps = append(ps, Problem{Field: "edns.client_subnet", Message: err.Error()})
		}
	}
	return ps
}

// record is the pseudo-record of a query, without a cookie.
func (e *EDNS) record() *dns.OPT {
	o := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	o.SetUDPSize(uint16(e.size()))
	if e.DO {
		o.SetDo()
	}
	if e.NSID {
		o.Option = append(o.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	}
	if p, err := netip.ParsePrefix(string(e.ClientSubnet)); err == nil {
		s := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
		if p.Addr().Is6() {
			s.Family = 2
		}
		o.Option = append(o.Option, s)
	}
	return o
}

// A ClientSubnet is a network, written 192.0.2.0/24. The zero value is none.
type ClientSubnet string

// UnmarshalText reads a network whose address has no bits beyond its length.
func (c *ClientSubnet) UnmarshalText(text []byte) error {
	p, err := netip.ParsePrefix(string(text))
	switch {
	case err != nil || p.Addr().Is4In6():
		return fmt.Errorf("%q is no network; write it like 192.0.2.0/24 or 2001:db8::/56", clip(string(text), 60))
	case p != p.Masked():
		return fmt.Errorf("%q has bits beyond its length; write %s", clip(string(text), 60), p.Masked())
	}
	*c = ClientSubnet(p.String())
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (c ClientSubnet) MarshalText() ([]byte, error) { return []byte(c), nil }

// A cookie is that of one attempt (RFC 7873, section 4). The zero value is none.
type cookie struct {
	client string // eight bytes, in hexadecimal
	server string // what the server gave
}

const (
	clientCookie = 16 // hexadecimal digits
	minDNSCookie = clientCookie + 16
	maxDNSCookie = clientCookie + 64
)

// addCookie puts a cookie into a query, whose records are shared.
func (q *question) addCookie() {
	if q.d.EDNS == nil || !q.d.EDNS.Cookie {
		return
	}
	if q.cookie.client == "" {
		var b [clientCookie / 2]byte
		_, _ = rand.Read(b[:]) // never fails
		q.cookie.client = hex.EncodeToString(b[:])
	}
	o := q.d.EDNS.record()
	o.Option = append(o.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: q.cookie.client + q.cookie.server})
	q.query.Extra = []dns.RR{o}
}

// cookieOf returns the cookie of a message in hexadecimal; empty if it has none.
func cookieOf(m *dns.Msg) string {
	o := m.IsEdns0()
	if o == nil {
		return ""
	}
	for _, x := range o.Option {
		if c, ok := x.(*dns.EDNS0_COOKIE); ok {
			return strings.ToLower(c.Cookie)
		}
	}
	return ""
}

var errAnotherCookie = errors.New("it returns another cookie")

// foreignCookie reports whether a message returns a cookie that was not sent, as somebody who cannot see the queries would
// (RFC 7873, section 5.3).
func (q *question) foreignCookie(msg []byte) bool {
	if q.cookie.client == "" {
		return false
	}
	m := new(dns.Msg)
	return m.Unpack(msg) == nil && !q.returned(m)
}

// returned reports whether the cookie of a message, if it has one, begins with the one that was sent.
func (q *question) returned(m *dns.Msg) bool {
	got := cookieOf(m)
	return got == "" || strings.HasPrefix(got, q.cookie.client)
}

// wantsCookie reports whether the server asks for its own cookie to be sent along, and keeps it.
func (q *question) wantsCookie() bool {
	if q.reply == nil || q.cookie.client == "" || q.cookie.server != "" || ResponseCode(q.reply.Rcode) != rcodeBadCookie || q.d.accepts(rcodeBadCookie) {
		return false
	}
	got := cookieOf(q.reply)
	if len(got) < minDNSCookie || len(got) > maxDNSCookie {
		return false
	}
	q.cookie.server = got[clientCookie:]
	return true
}

// observeCookie tells whether the server returned the cookie with one of its own.
func (q *question) observeCookie() Observation {
	got := cookieOf(q.reply)
	o := Observation{What: "edns.cookie", Want: "ours and one of the server", Got: "none", Reason: Answer}
	switch {
	case len(got) >= minDNSCookie && len(got) <= maxDNSCookie:
		o.Held, o.Got = true, "both"
	case got != "":
		o.Got = fmt.Sprintf("%d bytes", len(got)/2)
	}
	return o
}

// noteEDNS keeps for people what the reply says by EDNS.
func (q *question) noteEDNS() {
	o := q.reply.IsEdns0()
	if o == nil {
		if q.d.EDNS != nil {
			q.note("the reply has no EDNS")
		}
		return
	}
	for _, x := range o.Option {
		switch x := x.(type) {
		case *dns.EDNS0_NSID:
			id, _ := hex.DecodeString(x.Nsid)
			q.note(fmt.Sprintf("server id: %q", id))
		case *dns.EDNS0_SUBNET:
			q.note(fmt.Sprintf("the answer is for clients in %s/%d", x.Address, x.SourceScope))
		case *dns.EDNS0_EDE:
			q.note(fmt.Sprintf("extended error %d (%s): %q", x.InfoCode, dns.ExtendedErrorCodeToString[x.InfoCode], x.ExtraText))
		}
	}
}
