package probe

import "github.com/miekg/dns"

// rootServers is the name, IPv4 and IPv6 address of every root name server. Source: the root hints file of
// IANA, https://www.internic.net/domain/named.root, which changes about once in five years.
var rootServers = [...][3]string{
	{"a.root-servers.net", "198.41.0.4", "2001:503:ba3e::2:30"},
	{"b.root-servers.net", "170.247.170.2", "2801:1b8:10::b"},
	{"c.root-servers.net", "192.33.4.12", "2001:500:2::c"},
	{"d.root-servers.net", "199.7.91.13", "2001:500:2d::d"},
	{"e.root-servers.net", "192.203.230.10", "2001:500:a8::e"},
	{"f.root-servers.net", "192.5.5.241", "2001:500:2f::f"},
	{"g.root-servers.net", "192.112.36.4", "2001:500:12::d0d"},
	{"h.root-servers.net", "198.97.190.53", "2001:500:1::53"},
	{"i.root-servers.net", "192.36.148.17", "2001:7fe::53"},
	{"j.root-servers.net", "192.58.128.30", "2001:503:c27::2:30"},
	{"k.root-servers.net", "193.0.14.129", "2001:7fd::1"},
	{"l.root-servers.net", "199.7.83.42", "2001:500:9f::42"},
	{"m.root-servers.net", "202.12.27.33", "2001:dc3::35"},
}

// rootsByAddress is how many of them are dialled by address: so many that a dead resolver does not take the
// vouching for addresses with it. The others are there by name, so that names can be vouched for.
const rootsByAddress = 9

// RootDNSControls returns the controls of `preset: root-dns`, validated: the root name servers over both
// families, each asked for the name servers of the root. Which families are used is up to the checks. A round
// asks only a few of them.
func RootDNSControls() []Kind {
	var ks []Kind
	for i, s := range rootServers {
		for _, ip := range []IPChoice{OnlyIPv4, OnlyIPv6} {
			server := s[0]
			if i < rootsByAddress {
				server = s[1+ip]
			}
			// Nobody who merely answers everything passes for a root server.
			k := &DNS{
				Server: server, Name: ".", Type: RRType(dns.TypeNS), IP: ip, RecursionDesired: new(bool),
				Flags: []DNSFlag{FlagAuthoritative}, Answer: AnswerMatch{Any: Data("a.root-servers.net.")}, RetryOverTCP: new(bool),
			}
			k.Validate()
			ks = append(ks, k)
		}
	}
	return ks
}
