package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

func policy(t testing.TB, allow, deny string) *Egress {
	t.Helper()
	e, err := NewEgress(strings.Fields(allow), strings.Fields(deny))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEgress(t *testing.T) {
	tests := []struct{ allow, deny, denied, allowed string }{
		{
			"", "", `169.254.169.254 169.254.0.1 ::ffff:169.254.169.254 ::a9fe:a9fe 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 fe80::1 fe80::1%eth0 febf::1
			fd00:ec2::254 100.100.100.200 192.0.0.192 fd20:ce::254 168.63.129.16 ::ffff:0:168.63.129.16 2001:0:1:2:3:4:5601:5601 64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1:a9:fe:a9fe:: 64:ff9b:1::a9:fea9:fe00:0 64:ff9b:1::a9fe:a9fe
			2001:db8::5efe:169.254.169.254 2001:db8::200:5efe:169.254.169.254`,
			`127.0.0.1 10.0.0.1 169.253.255.255 100.100.100.201 ::1 fec0::1 2001:db8::1 64:ff9b::a00:1 ::ffff:10.0.0.1 fd00:ec2::253 0.0.0.0 ::`,
		},
		{"0.0.0.0/0 ::/0", "", "169.254.169.254 168.63.129.16 fe80::1 fd00:ec2::254 64:ff9b::a9fe:a9fe", "10.0.0.1 2001:db8::1"},
		{"169.254.0.0/16", "", "169.254.169.254 169.254.170.2 fe80::1 10.0.0.1", "169.254.1.1 ::ffff:169.254.1.1"},
		{"169.254.169.254 fe80::/10", "", "169.254.169.253 168.63.129.16 127.0.0.1", "169.254.169.254 fe80::7 fe80::7%eth0 64:ff9b::a9fe:a9fe"},
		{"10.0.0.0/8 2001:db8::/32", "10.1.0.0/16 10.2.3.4", "10.1.2.3 10.2.3.4 ::ffff:10.1.2.3 64:ff9b::10.1.2.3 192.0.2.1 ::1 2001:db9::1", "10.0.0.1 10.2.3.5 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 2001:db8::1"},
		{"", "127.0.0.0/8 ::1", "127.0.0.1 127.9.9.9 ::1 0.0.0.0 :: ::ffff:0.0.0.0 ::ffff:127.0.0.1 2002:7f00:1::", "10.0.0.1"},
		{"::ffff:10.0.0.0/104", "", "11.0.0.1 10::1", "10.0.0.1 ::ffff:10.9.9.9"},
		{"64:ff9b::/96", "10.0.0.0/8", "64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 10.0.0.1", "64:ff9b::192.0.2.1"},
	}
	for _, tt := range tests {
		e := policy(t, tt.allow, tt.deny)
		for _, text := range strings.Fields(tt.denied) {
			if e.Check(netip.MustParseAddr(text)) == nil {
				t.Errorf("allow %q, deny %q: %s is not denied", tt.allow, tt.deny, text)
			}
		}
		for _, text := range strings.Fields(tt.allowed) {
			if err := e.Check(netip.MustParseAddr(text)); err != nil {
				t.Errorf("allow %q, deny %q: %v", tt.allow, tt.deny, err)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { _ = (*Egress)(nil).Check(netip.MustParseAddr("2001:db8::1")) }); n != 0 {
		t.Errorf("to ask the default policy allocates %v times", n)
	}
}

func TestEgressIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ allow, deny, want string }{
		{"10.0.0.0/33", "", `allow "10.0.0.0/33": want a network such as 10.0.0.0/8, or an address`},
		{"", "example.com", `deny "example.com": want a network`},
		{"fe80::1%eth0", "", "want a network"},
		{"10.0.0.1/8", "", "the address has bits beyond the length; want 10.0.0.0/8"},
		{"10.1.0.0/16", "10.0.0.0/8", "allow 10.1.0.0/16: nothing of it can be allowed, since 10.0.0.0/8 is denied"},
	}
	for _, tt := range tests {
		_, err := NewEgress(strings.Fields(tt.allow), strings.Fields(tt.deny))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("allow %q, deny %q: %v, want %q", tt.allow, tt.deny, err, tt.want)
		}
	}
}

// TestEgressOfKinds: before the first answer a denied address is our own word; after it, it was the target that led there.
func TestEgressOfKinds(t *testing.T) {
	t.Parallel()
	const denied = "169.254.169.254"
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+denied+"/", http.StatusFound)
	})
	w := &World{Egress: policy(t, "127.0.0.0/8", "127.0.0.2")}
	for k, want := range map[Kind]Reason{
		&HTTP{URL: "http://" + denied + "/"}:                             EgressDenied,
		&HTTP{URL: base}:                                                 Redirect,
		&TCP{Address: denied + ":80"}:                                    EgressDenied,
		&TCP{Address: "127.0.0.2:80"}:                                    EgressDenied,
		&TCP{Address: "192.0.2.1:80"}:                                    EgressDenied,
		&DNS{Server: denied, Name: "a.example"}:                          EgressDenied,
		&DNS{Server: denied, Name: "a.example", Transport: DNSOverTCP}:   EgressDenied,
		&DNS{Server: denied, Name: "a.example", Transport: DNSOverTLS}:   EgressDenied,
		&DNS{Server: denied, Name: "a.example", Transport: DNSOverHTTPS}: EgressDenied,
		&HTTP{URL: "https://" + denied + "/", Protocol: HTTP3}:           EgressDenied,
		&HTTP{URL: "https://" + denied + "/", Protocol: HTTP2}:           EgressDenied,
		&TCP{Address: "[64:ff9b::a9fe:a9fe]:80", IP: OnlyIPv6}:           EgressDenied,
		&HTTP{URL: "http://[::ffff:169.254.169.254]/"}:                   EgressDenied,
	} {
		a := attempt(t, k, w, 20*time.Second)
		wantReason(t, &a, want)
		if !strings.Contains(a.Detail.Error, "the egress policy of this prober denies ") {
			t.Errorf("the error: %s", a.Detail.Error)
		}
	}
	// What connects past reach does not get past the policy.
	for _, to := range []string{denied + ":80", "a.example:80", "[fe80::1%lo]:80"} {
		if c, err := w.dial(t.Context(), "tcp", to); err == nil {
			c.Close()
			t.Errorf("connected to %s", to)
		}
	}
	if _, err := w.dial(t.Context(), "tcp", denied+":80"); dialReason(t.Context(), err) != EgressDenied {
		t.Errorf("the reason of %v", err)
	}
}

// A hostileNet is a name server and a web server that lead wherever a test says; who connects anywhere is written down and
// led to the web server.
type hostileNet struct {
	names, web string // addresses

	mu      sync.Mutex
	hops    []string              // where each request is redirected to
	asked   int                   // requests so far
	hosts   map[string]netip.Addr // what names resolve to, after an alias
	dialled []netip.Addr
}

func newHostileNet(t *testing.T) *hostileNet {
	n := new(hostileNet)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.asked < len(n.hops) {
			w.Header().Set("Location", n.hops[n.asked])
			w.WriteHeader(http.StatusFound)
		}
		n.asked++
	}))
	t.Cleanup(s.Close)
	n.web = s.Listener.Addr().String()
	n.names = nameserver(t, func(q *dns.Msg, _ int) [][]byte {
		name := q.Question[0].Name
		n.mu.Lock()
		ip := n.hosts[strings.TrimSuffix(name, ".")]
		n.mu.Unlock()
		switch four := q.Question[0].Qtype == dns.TypeA; {
		case ip.Is4() && four:
			return packed(t, replyTo(t, q, 0, name+" 60 IN CNAME other.example.net.", "other.example.net. 60 IN A "+ip.String()))
		case ip.Is6() && !four:
			r := replyTo(t, q, 0, name+" 60 IN CNAME other.example.net.")
			r.Answer = append(r.Answer, &dns.AAAA{Hdr: dns.RR_Header{Name: "other.example.net.", Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: 60}, AAAA: ip.AsSlice()})
			return packed(t, r)
		}
		return packed(t, replyTo(t, q, 0))
	}).address
	return n
}

// dial is that of a world in it.
func (n *hostileNet) dial(ctx context.Context, network, to string) (net.Conn, error) {
	var d net.Dialer
	at := netip.MustParseAddrPort(to)
	if at.Port() == 53 {
		return d.DialContext(ctx, network, n.names)
	}
	n.mu.Lock()
	n.dialled = append(n.dialled, at.Addr())
	n.mu.Unlock()
	return d.DialContext(ctx, network, n.web)
}

// TestEgressHolds: whatever a target redirects to, and whatever its names resolve to, by aliases too, no address that the
// policy denies is connected to.
func TestEgressHolds(t *testing.T) {
	t.Parallel()
	n := newHostileNet(t)
	four := rapid.Custom(func(t *rapid.T) [4]byte {
		b := rapid.SampledFrom([][4]byte{{169, 254, 169, 254}, {168, 63, 129, 16}, {169, 254, 1, 1}, {10, 0, 0, 1}, {10, 1, 2, 3}, {127, 0, 0, 1}, {0, 0, 0, 0}, {192, 0, 2, 1}}).Draw(t, "like")
		b[3] += byte(rapid.IntRange(0, 2).Draw(t, "beside"))
		return b
	})
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		return disguised(four.Draw(t, "four"), rapid.IntRange(0, disguises-1).Draw(t, "disguise"))
	})
	policies := []*Egress{
		nil, policy(t, "", "10.0.0.0/8"), policy(t, "10.0.0.0/8 192.0.2.0/24 64:ff9b::/96", "10.1.0.0/16"),
		policy(t, "0.0.0.0/0 ::/0", "127.0.0.0/8 ::1"),
	}
	reached := 0
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom(policies).Draw(t, "policy")
		addrs := rapid.SliceOfN(address, 1, 4).Draw(t, "addresses")
		var hops []string
		hosts := map[string]netip.Addr{}
		for i, a := range addrs {
			host := netip.AddrPortFrom(a, 8080).String()
			if rapid.Bool().Draw(t, "named") {
				name := fmt.Sprintf("h%d.example.org", i)
				hosts[name], host = a, name+":8080"
			}
			hops = append(hops, "http://"+host+"/")
		}
		n.mu.Lock()
		n.hops, n.dialled, n.asked, n.hosts = hops[1:], nil, 0, hosts
		n.mu.Unlock()
		h := &HTTP{URL: hops[0], IP: PreferIPv6}
		if ps := h.Validate(); len(ps) > 0 {
			t.Fatal(ps)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		a := h.Attempt(ctx, &World{Egress: e, Dial: n.dial})
		n.mu.Lock()
		defer n.mu.Unlock()
		reached += len(n.dialled)
		for i, ip := range addrs {
			if !forbidden(e, ip) {
				continue
			}
			if slices.Contains(n.dialled[min(i, len(n.dialled)):], ip) || len(n.dialled) > i {
				t.Fatalf("connected to %v of %v", n.dialled, addrs)
			}
			if want := map[bool]Reason{true: EgressDenied, false: Redirect}[i == 0]; a.Reason != want {
				t.Fatalf("reason %s, want %s: %s", a.Reason, want, a.Detail.Error)
			}
			break
		}
	})
	if reached == 0 {
		t.Error("nothing was ever connected to")
	}
}

const disguises = 10

// disguised is an address that leads to an IPv4 address.
func disguised(b [4]byte, how int) netip.Addr {
	four := netip.AddrFrom4(b)
	v6 := func(format string) netip.Addr {
		return netip.MustParseAddr(fmt.Sprintf(format, uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3])))
	}
	switch how {
	case 1:
		return v6("64:ff9b::%x:%x")
	case 2:
		return v6("2002:%x:%x::1")
	case 3:
		return v6("::ffff:0:%x:%x")
	case 4:
		return v6("64:ff9b:1::%x:%x")
	case 5:
		return netip.MustParseAddr(fmt.Sprintf("2001:0:1:2:3:4:%x:%x", ^(uint16(b[0])<<8 | uint16(b[1])), ^(uint16(b[2])<<8 | uint16(b[3]))))
	case 6:
		return v6("2001:db8::5efe:%x:%x")
	case 7:
		return netip.MustParseAddr("fe80::1")
	case 8:
		return netip.MustParseAddr("fd00:ec2::254")
	case 9:
		return netip.MustParseAddr("2001:db8::1")
	}
	return four
}

// forbidden is the policy once more, by other means: by what the address was made of.
func forbidden(e *Egress, ip netip.Addr) bool {
	all := []netip.Addr{ip}
	if ip.Is6() {
		for how := 1; how < 7; how++ {
			b := ip.As16()
			for _, four := range [][4]byte{[4]byte(b[12:]), [4]byte(b[2:6]), {^b[12], ^b[13], ^b[14], ^b[15]}} {
				if disguised(four, how) == ip {
					all = append(all, netip.AddrFrom4(four))
				}
			}
		}
	} else if ip.IsUnspecified() {
		all = append(all, netip.MustParseAddr("127.0.0.1"))
	}
	var allow, deny []netip.Prefix
	if e != nil {
		allow, deny = e.allow, e.deny
	}
	some := len(allow) == 0
	for _, a := range all {
		if a.IsLinkLocalUnicast() || slices.Contains([]string{"168.63.129.16", "fd00:ec2::254"}, a.String()) {
			return true
		}
		for _, p := range deny {
			if p.Contains(a) {
				return true
			}
		}
		for _, p := range allow {
			some = some || p.Contains(a)
		}
	}
	return !some
}
