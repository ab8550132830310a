package probe

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// resolvedBy is a world whose resolver, whatever resolv.conf says, is at this address.
func resolvedBy(address string) *World {
	return &World{Dial: func(ctx context.Context, network, to string) (net.Conn, error) {
		var d net.Dialer
		if _, port, _ := net.SplitHostPort(to); port == "53" {
			to = address
		}
		return d.DialContext(ctx, network, to)
	}}
}

// zone is a resolver with a name for each thing that can come of asking.
func zone(t *testing.T) *nameServer {
	t.Helper()
	return nameserver(t, func(q *dns.Msg, _ int) [][]byte {
		name, four := q.Question[0].Name, q.Question[0].Qtype == dns.TypeA
		switch {
		case strings.HasPrefix(name, "silent."):
			return nil
		case strings.HasPrefix(name, "gone."):
			return packed(t, replyTo(t, q, dns.RcodeNameError))
		case strings.HasPrefix(name, "sick."):
			return packed(t, replyTo(t, q, dns.RcodeServerFailure))
		case strings.HasPrefix(name, "private."):
			return packed(t, replyTo(t, q, dns.RcodeRefused))
		case strings.HasPrefix(name, "odd."):
			return packed(t, replyTo(t, q, dns.RcodeFormatError))
		case strings.HasPrefix(name, "both."), strings.HasPrefix(name, "four.") && four, strings.HasPrefix(name, "six.") && !four:
			if four {
				return packed(t, replyTo(t, q, 0, name+" 60 IN A 127.0.0.1", name+" 60 IN A 127.0.0.2"))
			}
			return packed(t, replyTo(t, q, 0, name+" 60 IN AAAA ::1"))
		case strings.HasPrefix(name, "metadata."):
			return packed(t, replyTo(t, q, 0, name+" 60 IN A 169.254.169.254"))
		}
		return packed(t, replyTo(t, q, 0))
	})
}

func TestResolveReasons(t *testing.T) {
	w := resolvedBy(zone(t).address)
	type result struct {
		Reason             Reason
		Addr               string
		Answered, Positive bool
	}
	tests := []struct {
		name string
		want result
	}{
		{"four.example", result{ReasonNone, "127.0.0.1", true, true}},
		{"six.example", result{DNSNoData, "", true, false}},
		{"none.example", result{DNSNoData, "", true, false}},
		{"gone.example", result{DNSNXDomain, "", true, false}},
		{"sick.example", result{DNSServfail, "", false, false}},
		{"private.example", result{DNSRefused, "", false, false}},
		{"odd.example", result{DNSServfail, "", false, false}},
		{"silent.example", result{DNSTimeout, "", false, false}},
		{"127.0.0.7", result{ReasonNone, "127.0.0.7", false, false}},
		{"localhost", result{ReasonNone, "127.0.0.1", false, false}},
		{"::1", result{DNSNoData, "", false, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 1300*time.Millisecond)
			defer cancel()
			l := w.ask(ctx, tt.name, IPv4)
			got := result{Reason: l.reason}
			if len(l.addrs) > 0 {
				got.Addr = l.addrs[0].String()
			}
			if (l.err == nil) != (l.reason == ReasonNone) {
				t.Errorf("reason %q with the error %v", l.reason, l.err)
			}
			got.Answered, got.Positive = w.resolverAnswers(ctx, tt.name)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestResolveRepeats: a lost query is repeated after a second, and counted.
func TestResolveRepeats(t *testing.T) {
	s := nameserver(t, func(q *dns.Msg, before int) [][]byte {
		if before == 0 {
			return nil
		}
		return packed(t, replyTo(t, q, 0, "late.example. 60 IN A 127.0.0.1"))
	})
	a := attempt(t, &TCP{Address: "late.example:1"}, resolvedBy(s.address), 5*time.Second)
	wantReason(t, &a, Refused)
	if a.Lost != 1 || s.queries() != 2 || a.PhaseTime(PhaseResolve) < repeatAfter {
		t.Errorf("lost: %d, queries: %d, resolve: %v, want 1, 2, over a second", a.Lost, s.queries(), a.PhaseTime(PhaseResolve))
	}
}

// TestResolveTruncated: an answer too long for a datagram is fetched over TCP, as every resolver does.
func TestResolveTruncated(t *testing.T) {
	s := nameserver(t, func(q *dns.Msg, _ int) [][]byte {
		m := replyTo(t, q, 0)
		m.Truncated = true
		return packed(t, m)
	})
	overTCP := serve(t, func(c net.Conn) {
		var length [2]byte
		_, _ = c.Read(length[:])
		b := make([]byte, binary.BigEndian.Uint16(length[:]))
		_, _ = c.Read(b)
		q := new(dns.Msg)
		if q.Unpack(b) != nil {
			return
		}
		out := packed(t, replyTo(t, q, 0, "long.example. 60 IN A 127.0.0.9"))[0]
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
	})
	w := &World{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		if network == "tcp" {
			return d.DialContext(ctx, network, overTCP)
		}
		return d.DialContext(ctx, network, s.address)
	}}
	l := w.ask(t.Context(), "long.example", IPv4)
	if diff := cmp.Diff([]netip.Addr{netip.MustParseAddr("127.0.0.9")}, l.addrs, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || !l.answered {
		t.Errorf("answered: %v (%v), addresses -want +got:\n%s", l.answered, l.err, diff)
	}
}

// TestNoResolver: a resolver that cannot be asked is our own fault.
func TestNoResolver(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := pc.LocalAddr().String()
	pc.Close()
	for name, w := range map[string]*World{
		"nothing listens": resolvedBy(closed),
		"no route": {Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
		}},
	} {
		a := attempt(t, &TCP{Address: "four.example:1"}, w, 5*time.Second)
		if a.Reason != Resolver {
			t.Errorf("%s: reason -want +got:\n- %s\n+ %s (%s)", name, Resolver, a.Reason, a.Detail.Error)
		}
	}
}

// TestFamilies: the family is what the choice and the name come to, and never what connects.
func TestFamilies(t *testing.T) {
	w := resolvedBy(zone(t).address)
	refused := closedPort(t)
	_, port, _ := net.SplitHostPort(refused)
	tests := []struct {
		host   string
		ip     IPChoice
		want   Reason
		family Family
	}{
		{"both.example", OnlyIPv4, Refused, IPv4},
		{"both.example", PreferIPv4, Refused, IPv4},
		{"six.example", OnlyIPv4, DNSNoData, IPv4},
		{"four.example", OnlyIPv6, DNSNoData, IPv6},
		{"four.example", PreferIPv6, Refused, IPv4},
		{"gone.example", PreferIPv6, DNSNXDomain, IPv6},
		{"sick.example", PreferIPv6, DNSServfail, IPv6},
		{"none.example", PreferIPv4, DNSNoData, IPv4},
		{"metadata.example", OnlyIPv4, EgressDenied, IPv4},
	}
	for _, tt := range tests {
		t.Run(tt.host+" "+tt.ip.String(), func(t *testing.T) {
			c := &TCP{Address: net.JoinHostPort(tt.host, port), IP: tt.ip}
			a := attempt(t, c, w, 5*time.Second)
			wantReason(t, &a, tt.want)
			if a.Family != tt.family || a.Host != tt.host {
				t.Errorf("family and host -want +got:\n- %d %s\n+ %d %s", tt.family, tt.host, a.Family, a.Host)
			}
		})
	}
}

// TestFirstAddress: the first address is dialled and no other, and all are recorded.
func TestFirstAddress(t *testing.T) {
	w := resolvedBy(zone(t).address)
	l, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	a := attempt(t, &TCP{Address: "four.example:" + port}, w, 5*time.Second)
	wantReason(t, &a, Refused)
	if got := a.Addr.Addr().String(); got != "127.0.0.1" || len(a.Detail.Addresses) != 2 {
		t.Errorf("dialled %s of %v, want 127.0.0.1 of two", got, a.Detail.Addresses)
	}
}

// TestStopped: an attempt that is given up says nothing about its target.
func TestStopped(t *testing.T) {
	silent := serve(t, func(net.Conn) {})
	name := nameserver(t, func(*dns.Msg, int) [][]byte { return nil })
	kinds := map[string]Kind{
		"http": &HTTP{URL: "http://" + silent}, "https": &HTTP{URL: "https://" + silent},
		"tcp": &TCP{Address: silent, TLS: &TLS{}}, "dns": &DNS{Server: name.address, Name: "a.example"},
		"dns over tcp": &DNS{Server: silent, Name: "a.example", Transport: DNSOverTCP},
		"resolving":    &TCP{Address: "a.example:1"},
	}
	for what, k := range kinds {
		t.Run(what, func(t *testing.T) {
			if ps := k.Validate(); ps != nil {
				t.Fatal(ps)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			time.AfterFunc(100*time.Millisecond, cancel)
			a := k.Attempt(ctx, resolvedBy(name.address))
			wantReason(t, &a, Stopped)
		})
	}
}

func TestUnvalidated(t *testing.T) {
	for name, build := range Kinds {
		a := build().Attempt(t.Context(), &World{})
		if a.Reason != Internal || a.Start.IsZero() {
			t.Errorf("%s: reason -want +got:\n- %s\n+ %s", name, Internal, a.Reason)
		}
	}
}
