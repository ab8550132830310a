package probe

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

func TestEDNSIsSaidAndShown(t *testing.T) {
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := replyTo(t, q, 0)
		o := q.IsEdns0()
		if o == nil || !o.Do() || o.UDPSize() != 1400 || len(o.Option) != 2 {
			m.Rcode = dns.RcodeFormatError
		} else {
			back := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
			for _, x := range o.Option {
				switch x := x.(type) {
				case *dns.EDNS0_NSID:
					back.Option = append(back.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: "6e7331"})
				case *dns.EDNS0_SUBNET:
					x.SourceScope = 20
					back.Option = append(back.Option, x)
				}
			}
			m.Extra = append(m.Extra, &dns.OPT{Hdr: back.Hdr, Option: append(back.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeStaleAnswer, ExtraText: "upstream is gone"})})
		}
		respond(t, w, m)
	})
	a := look(t, &DNS{Server: s, Name: "www.example", EDNS: &EDNS{BufferSize: 1400, DO: true, NSID: true, ClientSubnet: "198.51.100.0/24"}})
	wantReason(t, &a, ReasonNone)
	for _, want := range []string{`;; server id: "ns1"`, ";; the answer is for clients in 198.51.100.0/20", `;; extended error 3 (Stale Answer): "upstream is gone"`} {
		if !strings.Contains(a.Detail.Message, want+"\n") {
			t.Errorf("the evidence lacks %s:\n%s", want, a.Detail.Message)
		}
	}
	a = look(t, &DNS{Server: s, Name: "www.example", EDNS: &EDNS{ClientSubnet: "2001:db8::/56"}})
	wantReason(t, &a, Rcode)
	if !strings.Contains(a.Detail.Message, ";; the reply has no EDNS") {
		t.Errorf("the evidence does not say that EDNS is missing:\n%s", a.Detail.Message)
	}
}

// TestLongDatagram: what the query allows is read, and what it does not allow is bounded.
func TestLongDatagram(t *testing.T) {
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := replyTo(t, q, 0)
		for range 500 {
			m.Answer = append(m.Answer, rrs(t, "www.example. 60 IN A 192.0.2.10")...)
		}
		m.Compress = true
		respond(t, w, m)
	})
	a := look(t, &DNS{Server: s, Name: "www.example", EDNS: &EDNS{BufferSize: 9000}, Answer: AnswerMatch{Count: &RecordCount{Min: 500}}})
	wantReason(t, &a, ReasonNone)
	a = look(t, &DNS{Server: s, Name: "www.example", EDNS: &EDNS{}})
	wantReason(t, &a, Protocol)
}

func TestCookies(t *testing.T) {
	const server = "0011223344556677"
	give := func(cookie string) *dns.OPT {
		return &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}, Option: []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}}}
	}
	tests := []struct {
		name      string
		reply     func(got string) (rcode int, cookie string)
		transport DNSTransport
		rcode     []ResponseCode
		want      Reason
		asked     int32
	}{
		{"returned", func(got string) (int, string) { return 0, got + server }, DNSOverUDP, nil, ReasonNone, 1},
		{"returned alone", func(got string) (int, string) { return 0, got }, DNSOverUDP, nil, Answer, 1},
		{"none", func(string) (int, string) { return 0, "" }, DNSOverUDP, nil, Answer, 1},
		{"too long", func(got string) (int, string) { return 0, got + strings.Repeat(server, 5) }, DNSOverUDP, nil, Answer, 1},
		{"another over UDP", func(string) (int, string) { return 0, server + server }, DNSOverUDP, nil, ResponseTimeout, 1},
		{"another over TCP", func(string) (int, string) { return 0, server + server }, DNSOverTCP, nil, Protocol, 1},
		{"wanted by the server", func(got string) (int, string) {
			if strings.HasSuffix(got, server) {
				return 0, got
			}
			return dns.RcodeBadCookie, got + server
		}, DNSOverUDP, nil, ReasonNone, 2},
		{"wanted again and again", func(got string) (int, string) { return dns.RcodeBadCookie, got[:16] + server }, DNSOverTCP, nil, Rcode, 2},
		{"wanted, and none given", func(got string) (int, string) { return dns.RcodeBadCookie, got }, DNSOverUDP, nil, Rcode, 1},
		{"wanted, as is wanted here", func(got string) (int, string) { return dns.RcodeBadCookie, got + server }, DNSOverUDP, []ResponseCode{dns.RcodeBadCookie}, ReasonNone, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
				asked.Add(1)
				code, cookie := tt.reply(cookieOf(q))
				m := replyTo(t, q, code)
				m.Extra = nil
				if cookie != "" {
					m.Extra = []dns.RR{give(cookie)}
				}
				respond(t, w, m)
			})
			d := &DNS{Server: s, Name: "www.example", Transport: tt.transport, Rcode: tt.rcode, EDNS: &EDNS{Cookie: true}}
			a := attempt(t, d, &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if got := asked.Load(); got != tt.asked {
				t.Errorf("queries: %d, want %d", got, tt.asked)
			}
		})
	}
}

// TestCookiesDiffer: no two attempts have the same.
func TestCookiesDiffer(t *testing.T) {
	cookies := make(chan string, 3)
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		cookies <- cookieOf(q)
		respond(t, w, replyTo(t, q, 0))
	})
	d := &DNS{Server: s, Name: "www.example", EDNS: &EDNS{Cookie: true}}
	var seen []string
	for range 3 {
		look(t, d)
		seen = append(seen, <-cookies)
	}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != 3 || len(seen[0]) != clientCookie {
		t.Errorf("cookies: got %q, want three that differ", seen)
	}
}
