package probe

import (
	"net/netip"
	"slices"
)

// denied are the networks that a probe never connects to: link-local ones, where cloud providers put their
// metadata services, and the metadata addresses outside of them. Otherwise whoever writes a configuration,
// or answers with a redirect, could make a prober show its machine's credentials.
var denied = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fd00:ec2::254/128"),  // AWS
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
}

// nat64 and sixToFour carry an IPv4 address in an IPv6 one (RFC 6052, RFC 3056).
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

// egressDenied reports whether the policy forbids connecting to ip.
func egressDenied(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		b := ip.As16()
		switch {
		case nat64.Contains(ip), isCompatible(b):
			ip = netip.AddrFrom4([4]byte(b[12:16]))
		case sixToFour.Contains(ip):
			ip = netip.AddrFrom4([4]byte(b[2:6]))
		}
	}
	return slices.ContainsFunc(denied, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// isCompatible reports an IPv4-compatible address, ::a.b.c.d (RFC 4291, section 2.5.5.1); ::1 is none.
func isCompatible(b [16]byte) bool {
	for _, x := range b[:12] {
		if x != 0 {
			return false
		}
	}
	return b[12] != 0
}
