package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// An Egress is a prober's policy about where its probes may connect to. Nil and the zero value are the default: everywhere
// but link-local networks, where cloud providers put their metadata services, and the metadata addresses outside of them.
// Otherwise whoever writes a configuration, or answers with a redirect, could make a prober show its machine's
// credentials. Immutable; safe for concurrent use.
type Egress struct {
	allow []netip.Prefix // empty: everything
	deny  []netip.Prefix
}

// unlessNamed are denied unless the policy allows them, or a part of them, by name; that it allows all the world is not
// enough. A smaller network stands for itself: to name one around it does not name it.
var unlessNamed = [...]netip.Prefix{
	netip.MustParsePrefix("169.254.169.254/32"), // AWS, Google Cloud, Azure, OpenStack and others
	netip.MustParsePrefix("169.254.170.2/32"),   // AWS, of containers
	netip.MustParsePrefix("169.254.170.23/32"),  // AWS, of pods
	netip.MustParsePrefix("fd00:ec2::254/128"),  // AWS
	netip.MustParsePrefix("fd00:ec2::23/128"),   // AWS, of pods
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
	netip.MustParsePrefix("fd00:42::42/128"),    // Scaleway
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
}

// NewEgress makes a policy of networks such as 10.0.0.0/8, and of addresses. What is denied is denied whatever is allowed; if
// anything is allowed, all else is denied. Its error says which of them is wrong.
func NewEgress(allow, deny []string) (*Egress, error) {
	e := new(Egress)
	var err error
	if e.allow, err = parsePrefixes(allow); err != nil {
		return nil, fmt.Errorf("allow %w", err)
	}
	if e.deny, err = parsePrefixes(deny); err != nil {
		return nil, fmt.Errorf("deny %w", err)
	}
	for _, a := range e.allow {
		for _, d := range e.deny {
			if partOf(a, d) {
				return nil, fmt.Errorf("allow %s: nothing of it can be allowed, since %s is denied", a, d)
			}
		}
	}
	return e, nil
}

func parsePrefixes(texts []string) ([]netip.Prefix, error) {
	ps := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		p, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q: want a network such as 10.0.0.0/8, or an address", clip(text, 80))
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q: the address has bits beyond the length; want %s", clip(text, 80), p.Masked())
	}
	return p, nil
}

// partOf reports whether a network is a part of another, or the same.
func partOf(inner, outer netip.Prefix) bool {
	return inner.Bits() >= outer.Bits() && outer.Contains(inner.Addr())
}

// A deniedError is an address to which a policy forbids to connect.
type deniedError struct {
	ip  netip.Addr
	why string
}

func (e *deniedError) Error() string {
	return fmt.Sprintf("the egress policy of this prober denies %s: %s", e.ip, e.why)
}

// Check returns an error if the policy forbids to connect to an address. An address that leads to another one, as those that
// carry an IPv4 address do, is judged by both.
func (e *Egress) Check(ip netip.Addr) error {
	var room [8]netip.Addr
	forms := formsOf(ip, room[:0])
	var allow, deny []netip.Prefix
	if e != nil {
		allow, deny = e.allow, e.deny
	}
	allowed := len(allow) == 0
	for _, f := range forms {
		if p, ok := holder(deny, f); ok {
			return &deniedError{ip, p.String() + " is denied"}
		}
		for _, d := range unlessNamed {
			if d.Contains(f) && !slices.ContainsFunc(allow, func(a netip.Prefix) bool { return a.Contains(f) && partOf(a, d) }) {
				return &deniedError{ip, "link-local and cloud metadata addresses are, unless " + d.String() + " is allowed by name"}
			}
		}
		if !allowed {
			_, allowed = holder(allow, f)
		}
	}
	if !allowed {
		return &deniedError{ip, "it is in none of the networks that are allowed"}
	}
	return nil
}

func holder(ps []netip.Prefix, ip netip.Addr) (netip.Prefix, bool) {
	i := slices.IndexFunc(ps, func(p netip.Prefix) bool { return p.Contains(ip) })
	if i < 0 {
		return netip.Prefix{}, false
	}
	return ps[i], true
}

// A carrier is a network whose addresses carry an IPv4 address.
type carrier struct {
	net    netip.Prefix
	at     [4]int // the bytes in which they do
	masked bool   // its bits are inverted
}

// carriers are all that are known.
var carriers = [...]carrier{
	{net: netip.MustParsePrefix("64:ff9b::/96"), at: [4]int{12, 13, 14, 15}},            // NAT64 (RFC 6052)
	{net: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{6, 7, 9, 10}},             // NAT64 of a site (RFC 8215), by each length of RFC 6052
	{net: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{7, 9, 10, 11}},            //
	{net: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{9, 10, 11, 12}},           //
	{net: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{12, 13, 14, 15}},          //
	{net: netip.MustParsePrefix("2002::/16"), at: [4]int{2, 3, 4, 5}},                   // 6to4 (RFC 3056)
	{net: netip.MustParsePrefix("::/96"), at: [4]int{12, 13, 14, 15}},                   // compatible (RFC 4291, section 2.5.5.1)
	{net: netip.MustParsePrefix("::ffff:0:0:0/96"), at: [4]int{12, 13, 14, 15}},         // translated (RFC 2765, section 2.1)
	{net: netip.MustParsePrefix("2001::/32"), at: [4]int{12, 13, 14, 15}, masked: true}, // Teredo (RFC 4380, section 4)
}

// formsOf adds an address and those that it leads to.
func formsOf(ip netip.Addr, to []netip.Addr) []netip.Addr {
	ip = ip.Unmap().WithZone("")
	to = append(to, ip)
	if ip.IsUnspecified() { // systems take it for themselves
		return append(to, netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	if !ip.Is6() {
		return to
	}
	b := ip.As16()
	for i := range carriers {
		if c := &carriers[i]; c.net.Contains(ip) && ip != netip.IPv6Loopback() {
			to = append(to, c.carried(b))
		}
	}
	if isatap := [4]byte(b[8:12]); isatap == [4]byte{0, 0, 0x5e, 0xfe} || isatap == [4]byte{2, 0, 0x5e, 0xfe} { // RFC 5214, section 6.1
		to = append(to, netip.AddrFrom4([4]byte(b[12:16])))
	}
	return to
}

func (c *carrier) carried(b [16]byte) netip.Addr {
	var four [4]byte
	for i, j := range c.at {
		four[i] = b[j]
		if c.masked {
			four[i] = ^b[j]
		}
	}
	return netip.AddrFrom4(four)
}

// dial connects to an address, which is never a name, if the policy allows it. Whatever connects for an attempt, to whatever
// end, does it through here: nothing can be resolved, redirected or configured around it.
func (w *World) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %q: not an address with a port", address)
	}
	if err := w.Egress.Check(to.Addr()); err != nil {
		return nil, err
	}
	return w.connect(ctx, network, address)
}

// connect connects to an address that the policy allows. Keep-alive is off: it costs system calls, and no connection lives
// long enough for it.
func (w *World) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if w.extra == nil || w.extra.source == (source{}) {
		return w.connectAny(ctx, network, address)
	}
	if w.Dial != nil {
		return nil, &sourceError{errors.New("its network is a made-up one")}
	}
	s := w.extra.source
	c, err := s.dialer(network).DialContext(ctx, network, address)
	if err != nil {
		return nil, s.explained(err)
	}
	return c, nil
}

// connectAny is connect from whatever address the system chooses, as for resolvers: they need not be on the source's network.
func (w *World) connectAny(ctx context.Context, network, address string) (net.Conn, error) {
	if w.Dial != nil {
		return w.Dial(ctx, network, address)
	}
	d := net.Dialer{KeepAlive: -1}
	return d.DialContext(ctx, network, address)
}
