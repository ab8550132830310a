package probe

import (
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// maxServers bounds a list of servers.
const maxServers = 16

// serverHint shows how a name server is written.
const serverHint = "write it like ns1.example.com or 192.0.2.53:53"

// validateServer reports what is wrong with the server, or with each of a list of them.
func (d *DNS) validateServer() []Problem {
	switch {
	case d.Server != "" && len(d.Servers) > 0:
		return []Problem{{Field: "servers", Message: "found server and servers, wanted one of them"}}
	case len(d.Servers) == 0:
		return d.validateOne("server", d.Server)
	}
	ps := validateServers("servers", d.Servers)
	for i, s := range d.Servers {
		ps = append(ps, d.validateOne(fmt.Sprintf("servers[%d]", i), s)...)
	}
	return ps
}

// validateServers reports what is wrong with a list as such.
func validateServers(field string, servers []string) []Problem {
	var ps []Problem
	if len(servers) > maxServers {
		ps = append(ps, Problem{Field: field, Message: fmt.Sprintf("found %d servers, wanted at most %d", len(servers), maxServers)})
	}
	for i, s := range servers {
		if slices.Contains(servers[:i], s) {
			ps = append(ps, Problem{Field: fmt.Sprintf("%s[%d]", field, i), Message: fmt.Sprintf("found %q again", clip(s, 80))})
		}
	}
	return ps
}

// validateOne reports what is wrong with one server.
func (d *DNS) validateOne(field, server string) []Problem {
	one := *d
	one.Server = server
	host, _, err := one.address()
	switch {
	case err != nil && server == "":
		return []Problem{{Field: field, Message: "found no host, wanted a name server", Hint: serverHint + ", or system"}}
	case err != nil:
		return []Problem{{Field: field, Message: err.Error(), Hint: serverHint}}
	case host == systemServer && d.Transport.encrypted():
		return []Problem{{Field: field, Message: "system over " + d.Transport.String() + ": the servers of resolv.conf speak udp and tcp", Hint: "name the server"}}
	}
	return d.IP.check(host)
}

// validateTransport reports options that the transport has not.
func (d *DNS) validateTransport() []Problem {
	var ps []Problem
	if d.Transport > DNSOverHTTPS {
		ps = append(ps, Problem{Field: "transport", Message: "wanted udp, tcp, tls or https"})
	}
	if d.TLS != nil && !d.Transport.encrypted() {
		ps = append(ps, Problem{Field: "tls", Message: "found tls over " + d.Transport.String(), Hint: "use transport: tls or https, or leave tls out"})
	}
	if d.HTTPS != nil && d.Transport != DNSOverHTTPS {
		ps = append(ps, Problem{Field: "https", Message: "found https over " + d.Transport.String(), Hint: "use transport: https, or leave https out"})
	}
	if d.HTTPS != nil {
		ps = append(ps, d.HTTPS.validate()...)
	}
	switch {
	case d.RetryOverTCP != nil && d.Transport != DNSOverUDP:
		ps = append(ps, Problem{Field: "retry_over_tcp", Message: "found it over " + d.Transport.String() + ", where nothing is truncated", Hint: "leave it out"})
	case d.RetryOverTCP != nil && *d.RetryOverTCP && d.judgesTruncation():
		ps = append(ps, Problem{Field: "retry_over_tcp", Message: "the answer is judged by tc, and an answer with tc is asked for again over TCP", Hint: "leave one of them out"})
	}
	return ps
}

// validateReply reports contradictions in what is wanted of the reply.
func (d *DNS) validateReply() []Problem {
	ps := slices.Concat(d.Answer.validate("answer"), d.Authority.validate("authority"), d.Additional.validate("additional"))
	if d.Answer.wantsData() && len(d.Rcode) > 0 && !slices.Contains(d.Rcode, dns.RcodeSuccess) {
		ps = append(ps, Problem{Field: "answer", Message: "records are wanted, and a code with which there are none", Hint: "leave answer out, or add NOERROR to rcode"})
	}
	if slices.Contains(d.Flags, FlagTruncated) && d.Transport != DNSOverUDP {
		ps = append(ps, Problem{Field: "flags", Message: "tc is wanted, which is set over UDP only", Hint: "use transport: udp"})
	}
	for _, f := range d.NotFlags {
		if slices.Contains(d.Flags, f) {
			ps = append(ps, Problem{Field: "not_flags", Message: f.String() + " is in flags too"})
		}
	}
	if d.EDNS != nil {
		ps = append(ps, d.EDNS.validate()...)
	}
	if d.EDNS == nil && slices.Contains(d.Rcode, rcodeBadCookie) {
		ps = append(ps, Problem{Field: "rcode", Message: "BADCOOKIE is wanted, which only a query with EDNS gets", Hint: "add edns: {cookie: true}"})
	}
	if d.RRSIG != nil {
		ps = append(ps, d.validateSignatures()...)
	}
	if d.Serial != nil {
		ps = append(ps, d.validateSerial()...)
	}
	return ps
}
