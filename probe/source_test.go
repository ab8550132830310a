package probe

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestSource: what a target sees of who connects.
func TestSource(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 8)
	page := func(_ http.ResponseWriter, r *http.Request) { seen <- r.RemoteAddr }
	ca := newAuthority(t)
	base, quick := web(t, page), quicWeb(t, page, ca.issue(t, "source.test", -1, 90))
	tcp := serve(t, func(c net.Conn) { seen <- c.RemoteAddr().String() })
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: udp, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		seen <- w.RemoteAddr().String()
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	kinds := []Kind{
		&HTTP{URL: base}, &HTTP{URL: "https://" + quick, Protocol: HTTP3, TLS: TLS{CA: ca.pem, ServerName: "source.test"}},
		&TCP{Address: tcp}, &DNS{Server: udp.LocalAddr().String(), Name: "a.example"},
	}
	for _, k := range kinds {
		a := attemptOf(t, &Check{Kind: k, Source: "127.0.0.9"}, &World{}, 20*time.Second)
		wantReason(t, &a, ReasonNone)
		if got := <-seen; !strings.HasPrefix(got, "127.0.0.9:") {
			t.Errorf("%T: the target was connected to from %s", k, got)
		}
		if runtime.GOOS == "linux" {
			a = attemptOf(t, &Check{Kind: k, Source: "lo"}, &World{}, 20*time.Second)
			wantReason(t, &a, ReasonNone)
			<-seen
		}
		for _, absent := range []string{"192.0.2.77", "nonesuch0"} {
			a = attemptOf(t, &Check{Kind: k, Source: absent}, &World{}, 20*time.Second)
			wantReason(t, &a, Unsupported)
			if !strings.Contains(a.Detail.Error, absent) || !strings.Contains(a.Detail.Error, "cannot connect from the source") {
				t.Errorf("%T from %s: %s", k, absent, a.Detail.Error)
			}
		}
	}
}

func TestValidateSourceAndResolver(t *testing.T) {
	t.Parallel()
	tests := []struct {
		check Check
		want  string
	}{
		{Check{Kind: &TCP{Address: "a.example:1"}, Source: "2001:db8::7"}, "source: found an IPv6 address, and attempts of this check can be over another family"},
		{Check{Kind: &TCP{Address: "a.example:1", IP: PreferIPv6}, Source: "192.0.2.7"}, "source: found an IPv4 address"},
		{Check{Kind: &TCP{Address: "[2001:db8::1]:1", IP: OnlyIPv6}, Source: "2001:db8::7"}, ""},
		{Check{Kind: &TCP{Address: "a.example:1", IP: PreferIPv6}, Source: "eth0.100"}, ""},
		{Check{Kind: &TCP{Address: "a.example:1"}, Source: "192.0.2.7:80"}, "source: found \"192.0.2.7:80\", wanted an address or the name of an interface"},
		{Check{Kind: &TCP{Address: "a.example:1"}, Source: "0.0.0.0"}, "source: found 0.0.0.0, which is no address of a machine"},
		{Check{Kind: &TCP{Address: "a.example:1"}, Resolver: []string{"system"}}, ""},
		{Check{Kind: &TCP{Address: "a.example:1"}, Resolver: []string{"192.0.2.53", "[2001:db8::53]:5353", "2001:db8::54"}}, ""},
		{Check{Kind: &TCP{Address: "a.example:1"}, Resolver: []string{"192.0.2.53", "system"}}, "resolver[1]: found system among addresses"},
		{Check{Kind: &TCP{Address: "a.example:1"}, Resolver: []string{"ns.example"}}, "resolver[0]: found \"ns.example\", wanted an address"},
		{Check{Kind: &TCP{Address: "a.example:1"}, Resolver: []string{"192.0.2.53", "192.0.2.53:53"}}, "resolver[1]: found 192.0.2.53:53 again"},
		{Check{Kind: &TCP{Address: "192.0.2.1:1"}, Resolver: []string{"192.0.2.53"}}, "resolver: the target is an address"},
		{Check{Kind: &DNS{Server: "system", Name: "a.example"}, Resolver: []string{"192.0.2.53"}}, "resolver: the target is an address"},
		{Check{Kind: &DNS{Server: "192.0.2.1", Name: "example", Type: RRType(dns.TypeSOA), Serial: &SOASerial{EqualTo: []string{"ns2.example"}}}, Resolver: []string{"192.0.2.53"}}, ""},
	}
	for _, tt := range tests {
		if ps := tt.check.Kind.Validate(); ps != nil {
			t.Fatal(ps)
		}
		got := ""
		for _, p := range tt.check.Validate() {
			got += p.Field + ": " + p.Message + "\n"
		}
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("source %q, resolver %q: found %q, want %q", tt.check.Source, tt.check.Resolver, got, tt.want)
		}
	}
}

// namedResolver answers over UDP and TCP; what begins with "long." only over TCP.
func namedResolver(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m, name := new(dns.Msg).SetReply(q), q.Question[0].Name
		_, udp := w.RemoteAddr().(*net.UDPAddr)
		switch {
		case strings.HasPrefix(name, "silent."):
			return
		case strings.HasPrefix(name, "gone."), strings.Contains(name, "gaikei-"):
			m.Rcode = dns.RcodeNameError
		case strings.HasPrefix(name, "private."):
			m.Rcode = dns.RcodeRefused
		case strings.HasPrefix(name, "long.") && udp:
			m.Truncated = true
		case strings.HasPrefix(name, "loop."):
			m.Answer = append(m.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: name})
		case q.Question[0].Qtype == dns.TypeA:
			m.Answer = append(m.Answer,
				&dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: "b.example."},
				&dns.A{Hdr: dns.RR_Header{Name: "other.example.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(192, 0, 2, 1)},
				&dns.A{Hdr: dns.RR_Header{Name: "b.example.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)})
		}
		_ = w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{Listener: l, Handler: h}, {PacketConn: pc, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

func TestNamedResolver(t *testing.T) {
	t.Parallel()
	named, closed := namedResolver(t), closedPort(t)
	_, port, _ := net.SplitHostPort(serve(t, func(net.Conn) {}))
	tests := []struct {
		host     string
		resolver []string
		ip       IPChoice
		want     Reason
	}{
		{"a.example", []string{named}, OnlyIPv4, ReasonNone},
		{"localhost", []string{named}, OnlyIPv4, ReasonNone}, // and not by the hosts file
		{"long.example", []string{named}, OnlyIPv4, ReasonNone},
		{"a.example", []string{closed, named}, OnlyIPv4, ReasonNone},
		{"a.example", []string{closed}, OnlyIPv4, Resolver},
		{"a.example", []string{named}, OnlyIPv6, DNSNoData},
		{"a.example", []string{named}, PreferIPv6, ReasonNone},
		{"gone.example", []string{named, closed}, OnlyIPv4, DNSNXDomain},
		{"loop.example", []string{named}, OnlyIPv4, DNSNoData},
		{"private.example", []string{named}, OnlyIPv4, DNSRefused},
		{"silent.example", []string{named}, OnlyIPv4, DNSTimeout},
		{"a.example", []string{"169.254.169.254"}, OnlyIPv4, EgressDenied},
	}
	for _, tt := range tests {
		timeout := 20 * time.Second
		if tt.want == DNSTimeout {
			timeout = 300 * time.Millisecond
		}
		c := &Check{Kind: &TCP{Address: net.JoinHostPort(tt.host, port), IP: tt.ip}, Resolver: tt.resolver}
		a := attemptOf(t, c, &World{}, timeout)
		if a.Reason != tt.want {
			t.Errorf("%s by %v: reason -want +got:\n- %s\n+ %s\n(%s)", tt.host, tt.resolver, tt.want, a.Reason, a.Detail.Error)
		}
		if a.Reason == ReasonNone && a.Addr.Addr() != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("%s: dialled %s", tt.host, a.Addr)
		}
	}
}

// TestVouchedByTheSameWay: a check's own resolver is vouched for by itself, and its own source by controls asked from there.
func TestVouchedByTheSameWay(t *testing.T) {
	t.Parallel()
	named := namedResolver(t)
	from := make(chan string, 16)
	target := serve(t, func(c net.Conn) { from <- c.RemoteAddr().String() })
	control := &TCP{Address: target}
	if ps := control.Validate(); ps != nil {
		t.Fatal(ps)
	}
	base := NewControls(ControlOptions{Targets: []Kind{control}, World: &World{}})
	check := &Check{Kind: &TCP{Address: "gone.example:1"}, Resolver: []string{named}, Source: "127.0.0.9", Timeout: time.Second}
	if ps := append(check.Kind.Validate(), check.Validate()...); len(ps) > 0 {
		t.Fatal(ps)
	}
	v := base.via(check.extra)
	if v == base || v != base.via(check.extra) || base.via(nil) != base || base.via(&extra{}) != base {
		t.Error("the controls of a way are not its own, or not one")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if answered, _ := v.resolve(ctx, "gaikei-x.example"); !answered {
		t.Error("the check's resolver was not asked, or its NXDOMAIN proves nothing")
	}
	if a, _ := v.look(ctx, v.lists[trackIPv4][0]); a.Reason != ReasonNone {
		t.Errorf("the control from the source: %s", a.Detail.Error)
	}
	if got := <-from; !strings.HasPrefix(got, "127.0.0.9:") {
		t.Errorf("the control was asked from %s", got)
	}
	names := map[string]bool{}
	for _, s := range base.Status().Sights {
		names[s.Name] = true
	}
	if !names["ipv4"] || !names["ipv4 from 127.0.0.9 by "+named] {
		t.Errorf("the sights are %v", names)
	}
}
