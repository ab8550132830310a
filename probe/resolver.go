package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// maxResolvers bounds how many are asked for one name, and maxAliases how many aliases are followed in a reply.
const (
	maxResolvers = 4
	maxAliases   = 16
)

// systemResolver stands for the servers of resolv.conf and the hosts file.
const systemResolver = "system"

func (c *Check) checkResolvers(x *extra) []Problem {
	if len(c.Resolver) == 0 || slices.Equal(c.Resolver, []string{systemResolver}) {
		return nil
	}
	if !c.resolves() {
		return []Problem{{Field: "resolver", Message: "the target is an address, for which nobody is asked", Hint: "leave it out"}}
	}
	if len(c.Resolver) > maxResolvers {
		return []Problem{{Field: "resolver", Message: fmt.Sprintf("found %d resolvers, wanted at most %d", len(c.Resolver), maxResolvers)}}
	}
	var ps []Problem
	for i, text := range c.Resolver {
		at, err := parseResolver(text)
		switch {
		case err != nil:
			ps = append(ps, Problem{Field: fmt.Sprintf("resolver[%d]", i), Message: err.Error(), Hint: "write it like 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53"})
		case slices.Contains(x.resolvers, at):
			ps = append(ps, Problem{Field: fmt.Sprintf("resolver[%d]", i), Message: fmt.Sprintf("found %s again", at)})
		}
		x.resolvers = append(x.resolvers, at)
	}
	return ps
}

// resolves reports whether an attempt can have a name to find the address of: the target's, or that of a server whose serial
// must be the same.
func (c *Check) resolves() bool {
	named := func(d *DNS) bool { return slices.Contains(d.phases(), PhaseResolve) }
	if d, ok := c.Kind.(*DNS); ok && slices.ContainsFunc(d.ready.others, named) {
		return true
	}
	k, ok := c.Kind.(scoped)
	return ok && slices.Contains(k.phases(), PhaseResolve)
}

func parseResolver(text string) (netip.AddrPort, error) {
	if text == systemResolver {
		return netip.AddrPort{}, errors.New("found system among addresses, wanted one or the other")
	}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), 53), nil
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Port() == 0 {
		return at, fmt.Errorf("found %q, wanted an address, with a port or without", clip(text, 80))
	}
	return at, nil
}

// askNamed finds the addresses of host by the check's own resolvers, one after the other until one has a word about the name.
// Each has an equal part of the time that is left. Neither the hosts file nor what is cached here plays a part.
func (w *World) askNamed(ctx context.Context, host string, f Family) lookup {
	servers := w.extra.resolvers
	var l lookup
	lost := 0
	for i, s := range servers {
		part, cancel := partOfTime(ctx, len(servers)-i)
		l = w.askServer(part, s, host, f)
		if l.reason == DNSTimeout && stopped(ctx) {
			l.reason = Stopped
		}
		cancel()
		lost += l.lost
		if l.answered || l.reason == Stopped {
			break
		}
	}
	l.lost = lost
	return l
}

// partOfTime is one of n equal parts of what is left of a context's time.
func partOfTime(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	if d, ok := ctx.Deadline(); ok && n > 1 {
		return context.WithTimeout(ctx, time.Until(d)/time.Duration(n))
	}
	return context.WithCancel(ctx)
}

// askServer asks one resolver, over TCP if its reply over UDP was truncated.
func (w *World) askServer(ctx context.Context, server netip.AddrPort, host string, f Family) lookup {
	query := new(dns.Msg)
	query.SetQuestion(dns.Fqdn(host), dns.TypeA)
	if f == IPv6 {
		query.Question[0].Qtype = dns.TypeAAAA
	}
	a := asking{w: w, server: server, query: query}
	reply, err := a.over(ctx, "udp")
	if err == nil && reply.Truncated {
		reply, err = a.over(ctx, "tcp")
	}
	l := lookup{lost: a.lost}
	if err == nil {
		l.answered = reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError
		l.addrs = addressesOf(reply, query.Question[0])
		if l.reason = replyReason(reply.Rcode, len(l.addrs)); l.reason == ReasonNone {
			return l
		}
		err = fmt.Errorf("the answer is %s with %d addresses", ResponseCode(reply.Rcode&0xf), len(l.addrs))
		l.addrs = nil
	} else {
		l.reason = resolverReason(ctx, err)
	}
	l.err = fmt.Errorf("resolve %s (IPv%d) by %s: %w", strings.TrimSuffix(host, "."), f, server, err)
	return l
}

// replyReason is what a reply comes to that has this code and so many addresses.
func replyReason(rcode, addresses int) Reason {
	switch {
	case rcode == dns.RcodeNameError:
		return DNSNXDomain
	case rcode == dns.RcodeRefused:
		return DNSRefused
	case rcode != dns.RcodeSuccess:
		return DNSServfail
	case addresses == 0:
		return DNSNoData
	}
	return ReasonNone
}

// resolverReason classifies that no reply came.
func resolverReason(ctx context.Context, err error) Reason {
	_, denied := errors.AsType[*deniedError](err)
	switch {
	case stopped(ctx):
		return Stopped
	case denied:
		return EgressDenied
	case isTimeout(ctx, err):
		return DNSTimeout
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENETUNREACH), isLocalFault(err):
		return Resolver
	}
	return DNSServfail
}

// An asking is one question to one resolver.
type asking struct {
	w      *World
	server netip.AddrPort
	query  *dns.Msg
	lost   int // queries that had to be sent again
}

// over makes one exchange.
func (a *asking) over(ctx context.Context, network string) (*dns.Msg, error) {
	if err := a.w.Egress.Check(a.server.Addr()); err != nil {
		return nil, err
	}
	conn, err := a.w.connectAny(ctx, network, a.server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	a.query.Id = dns.Id()
	wire, err := a.query.Pack()
	if err != nil {
		return nil, err
	}
	var msg []byte
	if network == "tcp" {
		msg, err = new(question).askTCP(conn, wire)
	} else {
		msg, err = a.repeat(&repeater{conn: conn, deadline: deadline}, wire)
	}
	if err != nil {
		return nil, err
	}
	return parseReply(msg, a.query)
}

// repeat asks over UDP.
func (a *asking) repeat(r *repeater, wire []byte) ([]byte, error) {
	defer func() { a.lost += r.lost }()
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
	}
}

// addressesOf is the addresses of a reply, aliases followed, in its order.
func addressesOf(reply *dns.Msg, q dns.Question) []netip.Addr {
	name := q.Name
	var addrs []netip.Addr
	for range maxAliases {
		next := ""
		for _, rr := range reply.Answer {
			h := rr.Header()
			if !strings.EqualFold(h.Name, name) || h.Rrtype != q.Qtype && h.Rrtype != dns.TypeCNAME {
				continue
			}
			switch rr := rr.(type) {
			case *dns.CNAME:
				next = rr.Target
			case *dns.A:
				addrs = addAddress(addrs, rr.A)
			case *dns.AAAA:
				addrs = addAddress(addrs, rr.AAAA)
			}
		}
		if len(addrs) > 0 || next == "" {
			break
		}
		name = next
	}
	return addrs
}

func addAddress(to []netip.Addr, ip net.IP) []netip.Addr {
	if a, ok := netip.AddrFromSlice(ip); ok {
		return append(to, a.Unmap())
	}
	return to
}
