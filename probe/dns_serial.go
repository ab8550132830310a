package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// SOASerial says what the serial number of a zone must be. The zero value wants nothing.
type SOASerial struct {
	AtLeast uint32 `yaml:"at_least"` // in the arithmetic of serial numbers (RFC 1982); zero: any
	// EqualTo are name servers that must have the same serial. They are asked the same, over the same transport, after the
	// server itself; what they take is no latency. One that does not answer is no failure of this server.
	EqualTo []string `yaml:"equal_to"`
}

// peerWait is how long other servers may take for their serial.
const peerWait = 900 * time.Millisecond

func (d *DNS) validateSerial() []Problem {
	var ps []Problem
	s := d.Serial
	if s.AtLeast == 0 && len(s.EqualTo) == 0 {
		ps = append(ps, Problem{Field: "serial", Message: "found neither at_least nor equal_to", Hint: "serial: {at_least: 2026112901}"})
	}
	if uint16(d.rrType()) != dns.TypeSOA {
		ps = append(ps, Problem{Field: "serial", Message: "found it with type " + d.rrType().String() + ": only SOA has a serial", Hint: "use type: SOA"})
	}
	if !d.accepts(dns.RcodeSuccess) {
		ps = append(ps, Problem{Field: "serial", Message: "a serial is wanted, and a code with which there is none", Hint: "leave serial out, or add NOERROR to rcode"})
	}
	ps = append(ps, validateServers("serial.equal_to", s.EqualTo)...)
	if len(s.EqualTo) == 1 && s.EqualTo[0] == d.Server {
		ps = append(ps, Problem{Field: "serial.equal_to[0]", Message: "found the server itself, wanted another one"})
	}
	return ps
}

// peers makes the questions to the servers whose serial must be the same, and reports what is wrong with them.
func (d *DNS) peers() ([]*DNS, []Problem) {
	if d.Serial == nil {
		return nil, nil
	}
	var peers []*DNS
	var ps []Problem
	for i, server := range d.Serial.EqualTo {
		if server == d.Server {
			continue
		}
		p := &DNS{
			Server: server, Name: d.Name, Type: d.Type, Class: d.Class, Transport: d.Transport, TLS: d.TLS, HTTPS: d.HTTPS,
			RecursionDesired: d.RecursionDesired, EDNS: d.EDNS, IP: d.IP,
		}
		peers = append(peers, p)
		field := fmt.Sprintf("serial.equal_to[%d]", i)
		ps = append(ps, p.validateOne(field, server)...)
		if p.IP != BothFamilies {
			_ = p.Validate() // what is wrong with the rest is told of the check itself
		}
	}
	return peers, ps
}

// serialOf finds the serial in a reply.
func serialOf(m *dns.Msg) (uint32, bool) {
	if m == nil || m.Rcode != dns.RcodeSuccess {
		return 0, false
	}
	for _, rr := range m.Answer {
		if soa, ok := rr.(*dns.SOA); ok && strings.EqualFold(soa.Hdr.Name, m.Question[0].Name) {
			return soa.Serial, true
		}
	}
	return 0, false
}

// notBefore reports whether serial a is b or comes after it (RFC 1982, section 3.2).
func notBefore(a, b uint32) bool { return int32(a-b) >= 0 }

func (q *question) observeSerial() []Observation {
	serial, ok := serialOf(q.reply)
	o := Observation{What: "serial", Want: "a SOA record of " + clip(q.d.Name, 255), Got: "none in the answer", Reason: Answer}
	switch want := q.d.Serial.AtLeast; {
	case !ok:
		return []Observation{o}
	case want == 0:
		return nil
	default:
		return []Observation{{
			What: "serial.at_least", Want: fmt.Sprint(want), Got: fmt.Sprint(serial), Held: notBefore(serial, want), Reason: Answer,
		}}
	}
}

// A peerSerial is what another server said of its serial.
type peerSerial struct {
	server string
	serial uint32
	err    string // why there is none; empty: there is one
}

// compareSerials asks the other servers, if there are any and nothing else has failed. Those that have another serial are
// asked once more, and the server itself too: a zone may change between two questions. Only two different serials, seen
// twice, are a failure.
func (q *question) compareSerials() (Observation, bool) {
	own, ok := serialOf(q.reply)
	if len(q.d.ready.others) == 0 || !ok || q.t.a.Reason != ReasonNone {
		return Observation{}, false
	}
	seen := askSerials(q.ctx, q.t.w, q.d.ready.others)
	var again []*DNS
	for i, p := range seen {
		if p.err == "" && p.serial != own {
			again = append(again, q.d.ready.others[i])
		}
	}
	o := Observation{What: "serial.equal_to", Want: fmt.Sprint(own), Held: true, Reason: Answer}
	if len(again) > 0 {
		second := askSerials(q.ctx, q.t.w, append(again, q.d))
		me := second[len(second)-1]
		o.Held = !slices.ContainsFunc(second, func(p peerSerial) bool { return me.err == "" && p.err == "" && p.serial != me.serial })
		seen = second
		if me.err == "" {
			o.Want = fmt.Sprint(me.serial)
		}
	}
	texts := make([]string, len(seen))
	for i, p := range seen {
		texts[i] = fmt.Sprintf("%s: %d", p.server, p.serial)
		if p.err != "" {
			texts[i] = p.server + ": not known (" + p.err + ")"
		}
	}
	o.Got = clip(strings.Join(texts, ", "), maxLine)
	return o, true
}

// askSerials asks servers at once. All have ended when it returns, within peerWait.
func askSerials(ctx context.Context, w *World, servers []*DNS) []peerSerial {
	ctx, cancel := context.WithTimeout(ctx, peerWait)
	defer cancel()
	seen := make([]peerSerial, len(servers))
	var wg sync.WaitGroup
	for i, d := range servers {
		wg.Go(func() { seen[i] = d.serial(ctx, w) })
	}
	wg.Wait()
	return seen
}

// serial asks a server for its serial.
func (d *DNS) serial(ctx context.Context, w *World) (s peerSerial) {
	s = peerSerial{server: d.Server, err: "internal error"}
	defer func() { _ = recover() }() // what one server says must not end the probe of another
	q := d.question(ctx, w)
	q.run()
	a := q.t.finish()
	serial, ok := serialOf(q.reply)
	switch {
	case ok:
		s.serial, s.err = serial, ""
	case q.reply != nil && q.reply.Rcode != dns.RcodeSuccess:
		s.err = ResponseCode(q.reply.Rcode).String()
	case q.reply != nil:
		s.err = "no SOA record"
	default:
		s.err = a.Reason.String()
	}
	return s
}
