package probe

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// An RRType is the type of a DNS record, written as in a zone file: A, AAAA, MX, TYPE65280. Zero is A.
type RRType uint16

// UnmarshalText reads the name of a type, in any case.
func (r *RRType) UnmarshalText(text []byte) error {
	name := strings.ToUpper(string(text))
	if t, ok := dns.StringToType[name]; ok && t != dns.TypeNone && t != dns.TypeOPT && t != dns.TypeReserved {
		*r = RRType(t)
		return nil
	}
	var n uint16
	if _, err := fmt.Sscanf(name, "TYPE%d", &n); err == nil && n != 0 && name == fmt.Sprintf("TYPE%d", n) {
		*r = RRType(n)
		return nil
	}
	return fmt.Errorf("%q is no type of record; write it like A, AAAA or MX", clip(string(text), 40))
}

// MarshalText writes what UnmarshalText reads.
func (r RRType) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns the name of the type.
func (r RRType) String() string {
	if r == 0 {
		return "A"
	}
	return dns.Type(r).String()
}

// A ResponseCode is a DNS response code, written NOERROR, NXDOMAIN, SERVFAIL, REFUSED and so on.
type ResponseCode int

// rcodeBadVersion and rcodeBadCookie need EDNS, which has room for them (RFC 6891, section 6.1.3; RFC 7873, section 8).
const (
	rcodeBadVersion ResponseCode = dns.RcodeBadVers
	rcodeBadCookie  ResponseCode = dns.RcodeBadCookie
)

// UnmarshalText reads the name of a code, in any case.
func (r *ResponseCode) UnmarshalText(text []byte) error {
	name := strings.ToUpper(string(text))
	code, ok := dns.StringToRcode[name]
	switch {
	case name == rcodeBadVersion.String():
		*r = rcodeBadVersion
	case name == rcodeBadCookie.String():
		*r = rcodeBadCookie
	case !ok || code > 0xf:
		return fmt.Errorf("%q is no response code; write it like NOERROR or NXDOMAIN", clip(string(text), 40))
	default:
		*r = ResponseCode(code)
	}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (r ResponseCode) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns the name of the code.
func (r ResponseCode) String() string {
	if r == rcodeBadVersion {
		return "BADVERS" // as a code of signatures the same number has another name
	}
	if s, ok := dns.RcodeToString[int(r)]; ok {
		return s
	}
	return fmt.Sprintf("RCODE%d", int(r))
}

// A DNSClass is the class of a question. The zero value is IN.
type DNSClass uint16

var dnsClasses = [...]struct {
	name  string
	class uint16
}{{"IN", dns.ClassINET}, {"CH", dns.ClassCHAOS}, {"HS", dns.ClassHESIOD}, {"ANY", dns.ClassANY}}

// UnmarshalText reads IN, CH, HS or ANY, in any case.
func (c *DNSClass) UnmarshalText(text []byte) error {
	for _, k := range dnsClasses {
		if strings.EqualFold(k.name, string(text)) {
			*c = DNSClass(k.class)
			return nil
		}
	}
	return fmt.Errorf("%q is no class; use IN, CH, HS or ANY", clip(string(text), 40))
}

// MarshalText writes what UnmarshalText reads.
func (c DNSClass) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String returns the name of the class.
func (c DNSClass) String() string {
	for _, k := range dnsClasses {
		if k.class == c.number() {
			return k.name
		}
	}
	return "class?"
}

func (c DNSClass) number() uint16 {
	if c == 0 {
		return dns.ClassINET
	}
	return uint16(c)
}

// A DNSTransport is how a query travels. The zero value is UDP.
type DNSTransport uint8

// The transports.
const (
	DNSOverUDP   DNSTransport = iota
	DNSOverTCP                // RFC 7766
	DNSOverTLS                // RFC 7858
	DNSOverHTTPS              // RFC 8484
)

var dnsTransports = [...]struct {
	name string
	port uint16
}{DNSOverUDP: {"udp", 53}, DNSOverTCP: {"tcp", 53}, DNSOverTLS: {"tls", 853}, DNSOverHTTPS: {"https", 443}}

// UnmarshalText reads udp, tcp, tls or https.
func (t *DNSTransport) UnmarshalText(text []byte) error {
	for i, k := range dnsTransports {
		if k.name == string(text) {
			*t = DNSTransport(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no transport; use udp, tcp, tls or https", clip(string(text), 40))
}

// MarshalText writes what UnmarshalText reads.
func (t DNSTransport) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// String returns the transport as it is configured.
func (t DNSTransport) String() string {
	if int(t) < len(dnsTransports) {
		return dnsTransports[t].name
	}
	return "transport?"
}

// network is what to dial.
func (t DNSTransport) network() string {
	if t == DNSOverUDP {
		return "udp"
	}
	return "tcp"
}

// port is the usual one.
func (t DNSTransport) port() uint16 {
	if int(t) < len(dnsTransports) {
		return dnsTransports[t].port
	}
	return 53
}

func (t DNSTransport) encrypted() bool { return t == DNSOverTLS || t == DNSOverHTTPS }

// A DNSFlag is a flag in the header of a DNS reply.
type DNSFlag uint8

// The flags, by their names in RFC 1035, section 4.1.1, and RFC 2535, section 6.1.
const (
	FlagAuthoritative      DNSFlag = iota + 1 // aa
	FlagTruncated                             // tc
	FlagRecursionDesired                      // rd
	FlagRecursionAvailable                    // ra
	FlagAuthenticData                         // ad
	FlagCheckingDisabled                      // cd
)

var flagNames = [...]string{
	FlagAuthoritative: "aa", FlagTruncated: "tc", FlagRecursionDesired: "rd",
	FlagRecursionAvailable: "ra", FlagAuthenticData: "ad", FlagCheckingDisabled: "cd",
}

// UnmarshalText reads aa, tc, rd, ra, ad or cd.
func (f *DNSFlag) UnmarshalText(text []byte) error {
	for i, name := range flagNames {
		if name != "" && name == string(text) {
			*f = DNSFlag(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no flag; use aa, tc, rd, ra, ad or cd", clip(string(text), 40))
}

// MarshalText writes what UnmarshalText reads.
func (f DNSFlag) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// String returns the name of the flag.
func (f DNSFlag) String() string {
	if f > 0 && int(f) < len(flagNames) {
		return flagNames[f]
	}
	return "flag?"
}

// in reports whether the flag is set in a reply.
func (f DNSFlag) in(m *dns.Msg) bool {
	switch f {
	case FlagAuthoritative:
		return m.Authoritative
	case FlagTruncated:
		return m.Truncated
	case FlagRecursionDesired:
		return m.RecursionDesired
	case FlagRecursionAvailable:
		return m.RecursionAvailable
	case FlagAuthenticData:
		return m.AuthenticatedData
	case FlagCheckingDisabled:
		return m.CheckingDisabled
	}
	return false
}

// list joins words for people.
func list[T fmt.Stringer](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.String()
	}
	return strings.Join(texts, ", ")
}
