package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// bothPorts listens over TCP and UDP on one port of loopback.
func bothPorts(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if pc, err := net.ListenPacket("udp4", l.Addr().String()); err == nil {
			return l, pc
		}
		l.Close() // somebody else has the port for datagrams
	}
	t.Fatal("no port is free for both TCP and UDP")
	return nil, nil
}

// answering serves over UDP and TCP on one port of loopback.
func answering(t testing.TB, h dns.HandlerFunc) string {
	t.Helper()
	l, pc := bothPorts(t)
	runDNS(t, &dns.Server{Listener: l, Handler: h})
	runDNS(t, &dns.Server{PacketConn: pc, Handler: h})
	return l.Addr().String()
}

// runDNS serves until the test ends.
func runDNS(t testing.TB, s *dns.Server) {
	t.Helper()
	started, ended := make(chan struct{}), make(chan error, 1)
	s.NotifyStartedFunc = func() { close(started) }
	go func() { ended <- s.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		_ = s.Shutdown()
		if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// respond writes a reply.
func respond(t testing.TB, w dns.ResponseWriter, m *dns.Msg) {
	t.Helper()
	if err := w.WriteMsg(m); err != nil {
		t.Error(err)
	}
}

func overUDP(w dns.ResponseWriter) bool { return w.RemoteAddr().Network() == "udp" }

// rrs are those of zone files.
func rrs(t testing.TB, texts ...string) []dns.RR {
	t.Helper()
	return replyTo(t, new(dns.Msg).SetQuestion(".", dns.TypeA), 0, texts...).Answer
}

func TestDNSSections(t *testing.T) {
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := replyTo(t, q, 0, "www.example. 300 IN A 192.0.2.10", "www.example. 300 IN A 192.0.2.11",
			"www.example. 300 IN RRSIG A 8 2 300 20300101000000 20200101000000 1 example. AAAA")
		m.Ns = rrs(t, "example. 3600 IN NS ns.example.")
		m.Extra = append(rrs(t, "ns.example. 60 IN A 192.0.2.53"), &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}})
		switch q.Question[0].Name {
		case "none.example.":
			m.Answer = nil
		case "txt.example.":
			m.Answer = rrs(t, `txt.example. 60 IN TXT "v=spf1 " "include:x -all"`)
		}
		respond(t, w, m)
	})
	two := Data("192.0.2.11", "192.0.2.10")
	most := func(n int) *int { return &n }
	ttl := func(s string) (r TTLRange) {
		if err := r.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		return r
	}
	tests := []struct {
		name string
		dns  DNS
		want Reason
	}{
		{"exact, in any order", DNS{Answer: AnswerMatch{Exact: two}}, ReasonNone},
		{"exact, one too many", DNS{Answer: AnswerMatch{Exact: Data("192.0.2.10")}}, Answer},
		{"exact, one missing", DNS{Answer: AnswerMatch{Exact: append(Data("192.0.2.12"), two...)}}, Answer},
		{"exact, no records", DNS{Name: "none.example", Answer: AnswerMatch{Exact: two}}, Answer},
		{"exact by a pattern", DNS{Answer: AnswerMatch{Exact: []RecordMatch{{Type: 1, Regex: regexp.MustCompile(`^192\.0\.2\.1[01]$`)}}}}, ReasonNone},
		{"count", DNS{Answer: AnswerMatch{Count: &RecordCount{Min: 2, Max: most(2)}}}, ReasonNone},
		{"count, too few", DNS{Answer: AnswerMatch{Count: &RecordCount{Min: 3}}}, Answer},
		{"count, too many", DNS{Answer: AnswerMatch{Count: &RecordCount{Max: most(1)}}}, Answer},
		{"count of none", DNS{Name: "none.example", Answer: AnswerMatch{Count: &RecordCount{Max: most(0)}}}, ReasonNone},
		{"type", DNS{Answer: AnswerMatch{Any: []RecordMatch{{Type: RRType(dns.TypeRRSIG)}}}}, ReasonNone},
		{"another type", DNS{Answer: AnswerMatch{Any: []RecordMatch{{Type: RRType(dns.TypeAAAA)}}}}, Answer},
		{"name", DNS{Answer: AnswerMatch{All: []RecordMatch{{Name: "WWW.example", Data: "192.0.2.10"}}}}, ReasonNone},
		{"another name", DNS{Answer: AnswerMatch{All: []RecordMatch{{Name: "w.example", Data: "192.0.2.10"}}}}, Answer},
		{"time to live", DNS{Answer: AnswerMatch{All: []RecordMatch{{Data: "192.0.2.10", TTL: ttl("5m-1h")}}}}, ReasonNone},
		{"too short a time to live", DNS{Answer: AnswerMatch{All: []RecordMatch{{Data: "192.0.2.10", TTL: ttl("10m-")}}}}, Answer},
		{"too long a time to live", DNS{Answer: AnswerMatch{None: []RecordMatch{{TTL: ttl("1m-")}}}}, Answer},
		{"pattern", DNS{Name: "txt.example", Type: RRType(dns.TypeTXT), Answer: AnswerMatch{Any: []RecordMatch{{Regex: regexp.MustCompile("^v=spf1 include:.* -all$")}}}}, ReasonNone},
		{"pattern that is not there", DNS{Name: "txt.example", Type: RRType(dns.TypeTXT), Answer: AnswerMatch{Any: []RecordMatch{{Regex: regexp.MustCompile("dkim")}}}}, Answer},
		{"authority", DNS{Authority: AnswerMatch{Exact: Data("ns.example.")}}, ReasonNone},
		{"another authority", DNS{Authority: AnswerMatch{Any: Data("ns2.example.")}}, Answer},
		{"additional", DNS{Additional: AnswerMatch{Exact: []RecordMatch{{Name: "ns.example", Data: "192.0.2.53"}}}}, ReasonNone},
		{"another additional", DNS{Additional: AnswerMatch{None: Data("192.0.2.53")}}, Answer},
		{"flag that is not set", DNS{NotFlags: []DNSFlag{FlagAuthoritative, FlagTruncated}}, ReasonNone},
		{"flag that is set", DNS{NotFlags: []DNSFlag{FlagRecursionDesired}}, Flags},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.dns.Name == "" {
				tt.dns.Name = "www.example"
			}
			tt.dns.Server = s
			a := look(t, &tt.dns)
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
		})
	}
}

func TestDNSClass(t *testing.T) {
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := replyTo(t, q, dns.RcodeRefused)
		if q.Question[0].Qclass == dns.ClassCHAOS {
			m = replyTo(t, q, 0, `version.bind. 0 CH TXT "9.18"`)
		}
		respond(t, w, m)
	})
	d := DNS{Server: s, Name: "version.bind", Type: RRType(dns.TypeTXT), Class: DNSClass(dns.ClassCHAOS), Answer: AnswerMatch{Any: Data("9.18")}}
	a := look(t, &d)
	wantReason(t, &a, ReasonNone)
	if want := "dns://" + s + "/version.bind?type=TXT&class=CH"; d.Target().Text != want {
		t.Errorf("target: got %s, want %s", d.Target().Text, want)
	}
	in := DNS{Server: s, Name: "version.bind", Type: RRType(dns.TypeTXT)}
	a = look(t, &in)
	wantReason(t, &a, Rcode)
}

// TestTruncatedIsAskedOverTCP: as phases of their own.
func TestTruncatedIsAskedOverTCP(t *testing.T) {
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := replyTo(t, q, 0, "www.example. 60 IN A 192.0.2.10")
		if overUDP(w) {
			m.Answer, m.Truncated = nil, true
		}
		respond(t, w, m)
	})
	a := look(t, &DNS{Server: s, Name: "www.example", Answer: AnswerMatch{Exact: Data("192.0.2.10")}})
	wantReason(t, &a, ReasonNone)
	wantSpans(t, &a)
	type hop struct {
		Phase Phase
		Hop   int
	}
	var got []hop
	for _, sp := range a.Spans {
		got = append(got, hop{sp.Phase, sp.Hop})
	}
	if diff := cmp.Diff([]hop{{PhaseConnect, 0}, {PhaseExchange, 0}, {PhaseConnect, 1}, {PhaseExchange, 1}}, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(a.Detail.Message, ";; the answer over UDP was truncated, and was asked for again over TCP\n") || !a.Answered || a.Datagram {
		t.Errorf("answered %v, datagram %v, want true, false, and a word about the truncation:\n%s", a.Answered, a.Datagram, a.Detail.Message)
	}
	no := false
	for name, d := range map[string]DNS{
		"not wanted": {RetryOverTCP: &no}, "the flag is wanted": {Flags: []DNSFlag{FlagTruncated}},
	} {
		d.Server, d.Name = s, "www.example"
		if a := look(t, &d); a.Reason != ReasonNone || len(a.Spans) != 2 {
			t.Errorf("%s: got %s and %d spans, want none and 2", name, a.Reason, len(a.Spans))
		}
	}
	a = look(t, &DNS{Server: s, Name: "www.example", NotFlags: []DNSFlag{FlagTruncated}})
	wantReason(t, &a, Flags)
}

// TestTruncatedForNothing: who truncates and does not speak TCP has answered, and has failed.
func TestTruncatedForNothing(t *testing.T) {
	tests := []struct {
		name  string
		serve func(net.Conn) // nil: nobody listens
		want  Reason
	}{
		{"nobody", nil, Refused},
		{"silence", func(net.Conn) {}, ResponseTimeout},
		{"a reset", resets, Reset},
		{"a length and silence", func(c net.Conn) { _, _ = c.Write([]byte{0xff, 0xff, 1}) }, TooSlow},
		{"another truncation", func(c net.Conn) {
			co := dns.Conn{Conn: c}
			if q, err := co.ReadMsg(); err == nil {
				m := replyTo(t, q, 0)
				m.Truncated = true
				_ = co.WriteMsg(m)
			}
		}, Answer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, pc := bothPorts(t)
			address := l.Addr().String()
			if tt.serve == nil {
				l.Close()
			} else {
				acceptOne(t, l, tt.serve)
			}
			runDNS(t, &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
				m := replyTo(t, q, 0)
				m.Truncated = true
				respond(t, w, m)
			})})
			a := attempt(t, &DNS{Server: address, Name: "www.example", Answer: AnswerMatch{Any: Data("192.0.2.10")}}, &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			if !a.Answered || a.Datagram {
				t.Errorf("answered %v, datagram %v, want true, false", a.Answered, a.Datagram)
			}
			wantSpans(t, &a)
		})
	}
}

// acceptOne hands the first connection to f; it is closed when the test ends.
func acceptOne(t *testing.T, l net.Listener, f func(net.Conn)) {
	t.Helper()
	ended := make(chan struct{})
	var conn net.Conn
	go func() {
		defer close(ended)
		if c, err := l.Accept(); err == nil {
			conn = c
			f(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
		if conn != nil {
			conn.Close()
		}
	})
}

// TestSystemServer: the word system is the first name server of resolv.conf.
func TestSystemServer(t *testing.T) {
	first := systemServers(t.Context())
	if len(first) == 0 {
		t.Fatal("resolv.conf has no name server, not even the usual one")
	}
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) { respond(t, w, replyTo(t, q, 0)) })
	var asked string
	w := &World{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		asked = address
		var d net.Dialer
		return d.DialContext(ctx, network, s)
	}}
	ip := OnlyIPv4
	if FamilyOf(first[0].Addr()) == IPv6 {
		ip = OnlyIPv6
	}
	d := &DNS{Server: "system", Name: "www.example", IP: ip}
	a := attempt(t, d, w, 20*time.Second)
	wantReason(t, &a, ReasonNone)
	if asked != first[0].String() || a.Addr != first[0] || a.Host != "system" {
		t.Errorf("asked %s, address %s of %s, want %s of system", asked, a.Addr, a.Host, first[0])
	}
	if got := d.Target(); got.Name || got.Text != "dns://system/www.example?type=A" {
		t.Errorf("target: got %+v, want no name and dns://system/www.example?type=A", got)
	}
	for _, c := range []IPChoice{OnlyIPv4, OnlyIPv6} {
		if !slices.ContainsFunc(first, func(p netip.AddrPort) bool { return FamilyOf(p.Addr()) == c.preferred() }) {
			a := attempt(t, &DNS{Server: "system", Name: "www.example", IP: c}, w, 20*time.Second)
			wantReason(t, &a, Resolver)
		}
	}
}
