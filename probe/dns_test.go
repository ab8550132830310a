package probe

import (
	"encoding/binary"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestDNSJudges(t *testing.T) {
	s := nameserver(t, func(q *dns.Msg, _ int) [][]byte {
		m := replyTo(t, q, dns.RcodeSuccess)
		switch q.Question[0].Name {
		case "www.example.":
			m = replyTo(t, q, 0, "www.example. 60 IN A 192.0.2.10", "www.example. 60 IN A 192.0.2.11")
		case "six.example.":
			m = replyTo(t, q, 0, "six.example. 60 IN AAAA 2001:db8::1")
		case "mx.example.":
			m = replyTo(t, q, 0, "mx.example. 60 IN MX 10 Mail.Example.")
		case "txt.example.":
			m = replyTo(t, q, 0, `txt.example. 60 IN TXT "v=spf1 " "-all"`)
		case "gone.example.":
			m = replyTo(t, q, dns.RcodeNameError)
		case "sick.example.":
			m = replyTo(t, q, dns.RcodeServerFailure)
		case "cut.example.":
			m = replyTo(t, q, 0, "cut.example. 60 IN A 192.0.2.10")
			m.Truncated = true
		}
		m.Authoritative = true
		m.AuthenticatedData = q.AuthenticatedData
		return packed(t, m)
	})
	no := false
	tests := []struct {
		name string
		dns  DNS
		want Reason
	}{
		{"answers", DNS{Name: "www.example"}, ReasonNone},
		{"any", DNS{Name: "www.example", Answer: AnswerMatch{Any: Data("192.0.2.99", "192.0.2.11")}}, ReasonNone},
		{"any, none there", DNS{Name: "www.example", Answer: AnswerMatch{Any: Data("192.0.2.99")}}, Answer},
		{"all", DNS{Name: "www.example", Answer: AnswerMatch{All: Data("192.0.2.11", "192.0.2.10")}}, ReasonNone},
		{"all, one missing", DNS{Name: "www.example", Answer: AnswerMatch{All: Data("192.0.2.10", "192.0.2.12")}}, Answer},
		{"none", DNS{Name: "www.example", Answer: AnswerMatch{None: Data("192.0.2.12")}}, ReasonNone},
		{"none, one there", DNS{Name: "www.example", Answer: AnswerMatch{None: Data("192.0.2.10")}}, Answer},
		{"spelling of addresses", DNS{Name: "six.example", Type: RRType(dns.TypeAAAA), Answer: AnswerMatch{All: Data("2001:DB8:0::1")}}, ReasonNone},
		{"spelling of names", DNS{Name: "mx.example", Type: RRType(dns.TypeMX), Answer: AnswerMatch{All: Data("10  mail.example")}}, ReasonNone},
		{"text, joined", DNS{Name: "txt.example", Type: RRType(dns.TypeTXT), Answer: AnswerMatch{All: Data("v=spf1 -all")}}, ReasonNone},
		{"text, quoted", DNS{Name: "txt.example", Type: RRType(dns.TypeTXT), Answer: AnswerMatch{All: Data(`"v=spf1 " "-all"`)}}, ReasonNone},
		{"text, in another case", DNS{Name: "txt.example", Type: RRType(dns.TypeTXT), Answer: AnswerMatch{All: Data("V=SPF1 -all")}}, Answer},
		{"no records", DNS{Name: "other.example", Answer: AnswerMatch{Any: Data("192.0.2.10")}}, Answer},
		{"no records wanted", DNS{Name: "other.example"}, ReasonNone},
		{"no such name", DNS{Name: "gone.example"}, Rcode},
		{"no such name wanted", DNS{Name: "gone.example", Rcode: []ResponseCode{dns.RcodeSuccess, dns.RcodeNameError}}, ReasonNone},
		{"server failure", DNS{Name: "sick.example"}, Rcode},
		{"flag", DNS{Name: "www.example", Flags: []DNSFlag{FlagAuthoritative, FlagRecursionDesired}}, ReasonNone},
		{"flag missing", DNS{Name: "www.example", Flags: []DNSFlag{FlagRecursionAvailable}}, Flags},
		{"flag not asked for", DNS{Name: "www.example", RecursionDesired: &no, Flags: []DNSFlag{FlagRecursionDesired}}, Flags},
		{"flag that is asked for", DNS{Name: "www.example", Flags: []DNSFlag{FlagAuthenticData}}, ReasonNone},
		{"truncated", DNS{Name: "cut.example", Flags: []DNSFlag{FlagTruncated}}, ReasonNone},
		{"truncated, any is there", DNS{RetryOverTCP: &no, Name: "cut.example", Answer: AnswerMatch{Any: Data("192.0.2.10")}}, ReasonNone},
		{"truncated, any is not there", DNS{RetryOverTCP: &no, Name: "cut.example", Answer: AnswerMatch{Any: Data("192.0.2.11")}}, Answer},
		{"truncated, none cannot be told", DNS{RetryOverTCP: &no, Name: "cut.example", Answer: AnswerMatch{None: Data("192.0.2.11")}}, Answer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.dns.Server = s.address
			a := look(t, &tt.dns)
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if !a.Answered || !a.Datagram || a.Detail.Message == "" {
				t.Errorf("answered: %v, datagram: %v, message %q, want true, true and the message", a.Answered, a.Datagram, a.Detail.Message)
			}
		})
	}
}

// A hostileReply is what a name server answers with; nothing, if it has neither function.
type hostileReply struct {
	name     string
	reply    func(q *dns.Msg, before int) []*dns.Msg
	raw      func(q *dns.Msg) []byte
	want     Reason
	answered bool
	queries  int
}

func (h *hostileReply) serve(t testing.TB) *nameServer {
	return nameserver(t, func(q *dns.Msg, before int) [][]byte {
		switch {
		case h.raw != nil:
			return [][]byte{h.raw(q)}
		case h.reply != nil:
			return packed(t, h.reply(q, before)...)
		}
		return nil
	})
}

// hostileDNS are name servers that misbehave over UDP.
func hostileDNS(t testing.TB) []hostileReply {
	return []hostileReply{
		{name: "silent", want: ResponseTimeout, queries: 2},
		{name: "another ID", reply: func(q *dns.Msg, _ int) []*dns.Msg {
			m := replyTo(t, q, 0)
			m.Id++
			return []*dns.Msg{m}
		}, want: ResponseTimeout, queries: 2},
		{name: "another ID, then the right one", reply: func(q *dns.Msg, _ int) []*dns.Msg {
			m := replyTo(t, q, dns.RcodeServerFailure)
			m.Id++
			return []*dns.Msg{m, replyTo(t, q, 0)}
		}, want: ReasonNone, answered: true, queries: 1},
		{name: "another question", reply: func(q *dns.Msg, _ int) []*dns.Msg {
			m := replyTo(t, q, 0)
			m.Question[0].Name = "evil.example."
			return []*dns.Msg{m}
		}, want: ResponseTimeout, queries: 2},
		{name: "another type", reply: func(q *dns.Msg, _ int) []*dns.Msg {
			m := replyTo(t, q, 0)
			m.Question[0].Qtype = dns.TypeNS
			return []*dns.Msg{m}
		}, want: ResponseTimeout, queries: 2},
		{name: "the query itself", reply: func(q *dns.Msg, _ int) []*dns.Msg { return []*dns.Msg{q} }, want: ResponseTimeout, queries: 2},
		{name: "answers the second query", reply: func(q *dns.Msg, before int) []*dns.Msg {
			if before == 0 {
				return nil
			}
			return []*dns.Msg{replyTo(t, q, 0)}
		}, want: ReasonNone, answered: true, queries: 2},
		{name: "no question", reply: func(q *dns.Msg, _ int) []*dns.Msg {
			m := replyTo(t, q, 0)
			m.Question = nil
			return []*dns.Msg{m}
		}, want: Protocol, answered: true, queries: 1},
		{name: "refuses without a question", reply: func(q *dns.Msg, _ int) []*dns.Msg {
			m := replyTo(t, q, dns.RcodeRefused)
			m.Question = nil
			return []*dns.Msg{m}
		}, want: Rcode, answered: true, queries: 1},
		{name: "garbage", raw: func(*dns.Msg) []byte { return []byte("\xff\xfe garbage garbage garbage") }, want: ResponseTimeout, queries: 2},
		{name: "too short", raw: func(q *dns.Msg) []byte { return packed(t, replyTo(t, q, 0))[0][:11] }, want: ResponseTimeout, queries: 2},
		{name: "header and nothing more", raw: func(q *dns.Msg) []byte { return packed(t, replyTo(t, q, 0))[0][:12] }, want: Protocol, answered: true, queries: 1},
		{name: "cut in a record", raw: func(q *dns.Msg) []byte {
			b := packed(t, replyTo(t, q, 0, "www.example. 60 IN A 192.0.2.10"))[0]
			return b[:len(b)-2]
		}, want: Protocol, answered: true, queries: 1},
		{name: "pointer loop", raw: func(q *dns.Msg) []byte {
			b := packed(t, replyTo(t, q, 0))[0]
			binary.BigEndian.PutUint16(b[6:], 1)
			return append(b, 0xc0, byte(len(b)), 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4)
		}, want: Protocol, answered: true, queries: 1},
		{name: "oversize", raw: func(q *dns.Msg) []byte {
			b := packed(t, replyTo(t, q, 0))[0]
			binary.BigEndian.PutUint16(b[6:], 9999)
			return append(b, make([]byte, 30_000)...)
		}, want: Protocol, answered: true, queries: 1},
	}
}

func TestHostileDNS(t *testing.T) {
	for _, tt := range hostileDNS(t) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := tt.serve(t)
			a := attempt(t, &DNS{Server: s.address, Name: "www.example"}, &World{}, patience(tt.want)+repeatAfter)
			wantReason(t, &a, tt.want)
			if a.Answered != tt.answered || !a.Datagram {
				t.Errorf("answered: %v, datagram: %v, want %v, true", a.Answered, a.Datagram, tt.answered)
			}
			if got := s.queries(); got != tt.queries || a.Lost != tt.queries-1 {
				t.Errorf("queries: %d, lost: %d, want %d, %d", got, a.Lost, tt.queries, tt.queries-1)
			}
			wantSpans(t, &a)
		})
	}
}

func TestDNSRefused(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := pc.LocalAddr().String()
	pc.Close()
	for _, transport := range []DNSTransport{DNSOverUDP, DNSOverTCP} {
		a := look(t, &DNS{Server: address, Name: "www.example", Transport: transport})
		wantReason(t, &a, Refused)
		if a.Answered || a.Lost != 0 {
			t.Errorf("%s: answered: %v, lost: %d, want false, 0", transport, a.Answered, a.Lost)
		}
	}
}

// TestSpoofedSource: a datagram from another address than the server's is not heard.
func TestSpoofedSource(t *testing.T) {
	other, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	go func() {
		buf := make([]byte, 4096)
		n, from, err := pc.ReadFrom(buf)
		q := new(dns.Msg)
		if err != nil || q.Unpack(buf[:n]) != nil {
			return
		}
		_, _ = other.WriteTo(packed(t, replyTo(t, q, dns.RcodeRefused))[0], from)
		_, _ = pc.WriteTo(packed(t, replyTo(t, q, 0))[0], from)
	}()
	a := look(t, &DNS{Server: pc.LocalAddr().String(), Name: "www.example"})
	wantReason(t, &a, ReasonNone)
}

// A hostileStream is a name server that misbehaves over TCP.
type hostileStream struct {
	name     string
	serve    func(c net.Conn)
	want     Reason
	answered bool
}

func (h *hostileStream) kind(t testing.TB) Kind {
	return &DNS{Server: serve(t, h.serve), Name: "www.example", Transport: DNSOverTCP}
}

// hostileDNSOverTCP are name servers that misbehave over TCP.
func hostileDNSOverTCP(t testing.TB) []hostileStream {
	read := func(c net.Conn) *dns.Msg {
		var length [2]byte
		_, _ = io.ReadFull(c, length[:])
		b := make([]byte, binary.BigEndian.Uint16(length[:]))
		_, _ = io.ReadFull(c, b)
		q := new(dns.Msg)
		_ = q.Unpack(b)
		return q
	}
	framed := func(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }
	return []hostileStream{
		{"answers", func(c net.Conn) { _, _ = c.Write(framed(packed(t, replyTo(t, read(c), 0))[0])) }, ReasonNone, true},
		{"answers at length", func(c net.Conn) {
			q := read(c)
			m := replyTo(t, q, 0)
			for range 1000 {
				m.Answer = append(m.Answer, replyTo(t, q, 0, "www.example. 60 IN A 192.0.2.10").Answer...)
			}
			m.Compress = true
			_, _ = c.Write(framed(packed(t, m)[0]))
		}, ReasonNone, true},
		{"silent", func(net.Conn) {}, ResponseTimeout, false},
		{"hangs up", func(c net.Conn) { read(c); c.Close() }, Reset, false},
		{"resets", func(c net.Conn) { read(c); resets(c) }, Reset, false},
		{"half a length", func(c net.Conn) { read(c); _, _ = c.Write([]byte{0}); c.Close() }, Protocol, true},
		{"a length and silence", func(c net.Conn) { read(c); _, _ = c.Write([]byte{0xff, 0xff, 1}) }, TooSlow, true},
		{"a length of nothing", func(c net.Conn) { read(c); _, _ = c.Write([]byte{0, 0}) }, Protocol, true},
		{"less than its length", func(c net.Conn) { read(c); _, _ = c.Write([]byte{0, 99, 1, 2, 3}); c.Close() }, Protocol, true},
		{"another ID", func(c net.Conn) {
			m := replyTo(t, read(c), 0)
			m.Id++
			_, _ = c.Write(framed(packed(t, m)[0]))
		}, Protocol, true},
		{"HTTP", func(c net.Conn) { read(c); _, _ = io.WriteString(c, ok200+"\r\n"); c.Close() }, Protocol, true},
	}
}

func TestHostileDNSOverTCP(t *testing.T) {
	for _, tt := range hostileDNSOverTCP(t) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, tt.kind(t), &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			if a.Answered != tt.answered || a.Datagram {
				t.Errorf("answered: %v, datagram: %v, want %v, false", a.Answered, a.Datagram, tt.answered)
			}
			wantSpans(t, &a)
		})
	}
}

func TestDNSDetail(t *testing.T) {
	s := nameserver(t, func(q *dns.Msg, _ int) [][]byte {
		return packed(t, replyTo(t, q, 0, "www.example. 60 IN A 192.0.2.10"))
	})
	d := &DNS{Server: s.address, Name: "www.example", Answer: AnswerMatch{Any: Data("192.0.2.1")}, Flags: []DNSFlag{FlagAuthoritative}}
	a := attempt(t, d, &World{}, 20*time.Second)
	want := []Observation{
		{What: "rcode", Want: "NOERROR", Got: "NOERROR", Held: true, Reason: Rcode},
		{What: "flags", Want: "aa", Got: "not set", Reason: Flags},
		{What: "answer.any", Want: "192.0.2.1", Got: "192.0.2.10", Reason: Answer},
	}
	if diff := cmp.Diff(want, a.Detail.Assertions); diff != "" {
		t.Errorf("assertions -want +got:\n%s", diff)
	}
	if !strings.Contains(a.Detail.Message, "192.0.2.10") {
		t.Errorf("the message does not show the record:\n%s", a.Detail.Message)
	}
}

func FuzzReply(f *testing.F) {
	query := new(dns.Msg)
	query.SetQuestion("www.example.", dns.TypeA)
	query.Id = 0x1234
	wire, err := query.Pack()
	if err != nil {
		f.Fatal(err)
	}
	reply := new(dns.Msg)
	reply.SetReply(query)
	b, err := reply.Pack()
	if err != nil {
		f.Fatal(err)
	}
	seven := 7
	judging := &DNS{
		Server: "192.0.2.1", Name: "www.example", Type: RRType(dns.TypeSOA), EDNS: &EDNS{DO: true, Cookie: true}, RRSIG: &Signatures{}, Serial: &SOASerial{AtLeast: 1},
		Answer:     AnswerMatch{Any: Data("192.0.2.10"), None: []RecordMatch{{Name: "x", TTL: TTLRange{To: 60, Set: true}, Regex: regexp.MustCompile("a+")}}},
		Authority:  AnswerMatch{Exact: Data("x")},
		Additional: AnswerMatch{Count: &RecordCount{Max: &seven}},
	}
	if ps := judging.Validate(); ps != nil {
		f.Fatal(ps)
	}
	f.Add(b)
	f.Add(wire)
	f.Add(b[:12])
	f.Fuzz(func(t *testing.T, msg []byte) {
		taken := isReply(msg, wire) && sameQuestion(msg, wire)
		m, err := parseReply(msg, query)
		if err == nil && !taken && len(m.Question) > 0 {
			t.Errorf("a reply is good and was not taken: %x", msg)
		}
		if err == nil {
			q := question{d: judging, t: begin(&World{}, "", OnlyIPv4), reply: m}
			q.observe()
			q.describe(nil)
		}
	})
}
