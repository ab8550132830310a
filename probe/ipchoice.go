package probe

import (
	"fmt"
	"net/netip"
)

// An IPChoice says which address families a check may use. The family is chosen by what the name resolves
// to, never by what connects, and a literal address has its own. BothFamilies stands for two checks, one over each. The zero
// value is OnlyIPv4.
type IPChoice uint8

// The choices.
const (
	OnlyIPv4 IPChoice = iota
	OnlyIPv6
	PreferIPv4 // IPv4 addresses if the name has any, else IPv6
	PreferIPv6 // the reverse
	BothFamilies
)

var ipChoices = [...]string{OnlyIPv4: "4", OnlyIPv6: "6", PreferIPv4: "prefer4", PreferIPv6: "prefer6", BothFamilies: "both"}

// UnmarshalText reads 4, 6, prefer4, prefer6 or both.
func (c *IPChoice) UnmarshalText(text []byte) error {
	for i, name := range ipChoices {
		if name == string(text) {
			*c = IPChoice(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no choice of an address family; use 4, 6, prefer4, prefer6 or both", text)
}

// MarshalText writes what UnmarshalText reads.
func (c IPChoice) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String returns the choice as it is configured.
func (c IPChoice) String() string {
	if int(c) < len(ipChoices) {
		return ipChoices[c]
	}
	return "ip?"
}

// Families returns the families that the choice permits, preferred first.
func (c IPChoice) Families() []Family {
	switch c {
	case OnlyIPv6:
		return []Family{IPv6}
	case PreferIPv4, BothFamilies:
		return []Family{IPv4, IPv6}
	case PreferIPv6:
		return []Family{IPv6, IPv4}
	}
	return []Family{IPv4}
}

// preferred is the first of Families, without the allocation.
func (c IPChoice) preferred() Family {
	if c == OnlyIPv6 || c == PreferIPv6 {
		return IPv6
	}
	return IPv4
}

// second is the family to turn to when the name has no address in the preferred one.
func (c IPChoice) second() (Family, bool) {
	switch c {
	case PreferIPv4:
		return IPv6, true
	case PreferIPv6:
		return IPv4, true
	}
	return FamilyUnknown, false
}

// check reports a contradiction between the choice and a literal host.
func (c IPChoice) check(host string) []Problem {
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && c == BothFamilies:
		return []Problem{{Field: "ip", Message: fmt.Sprintf("ip is both, but %s is an address of one family", ip), Hint: fmt.Sprintf("say ip: %d", FamilyOf(ip))}}
	case err != nil || c != OnlyIPv6 || FamilyOf(ip) == IPv6:
		return nil
	}
	return []Problem{{Field: "ip", Message: fmt.Sprintf("ip is 6, but %s is an IPv4 address", ip), Hint: "leave ip out"}}
}

// familiesFor is what a target with this host uses.
func (c IPChoice) familiesFor(host string) []Family {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []Family{FamilyOf(ip)}
	}
	return c.Families()
}
