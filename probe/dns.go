package probe

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// DNS asks one name server one question. The server is the target: that it does not answer is
// response_timeout, and dns_… reasons are about finding the server's own address. Over UDP a query that
// goes unanswered is repeated once after a second.
type DNS struct {
	Server    string         `yaml:"server" required:"true"` // host or host:port
	Name      string         `yaml:"name" required:"true"`   // what to ask for; always absolute
	Type      RRType         `yaml:"type" default:"A"`
	Transport DNSTransport   `yaml:"transport" default:"udp"`
	Rcode     []ResponseCode `yaml:"rcode" default:"[NOERROR]"` // any of these
	Answer    AnswerMatch    `yaml:"answer"`
	Flags     []DNSFlag      `yaml:"flags"` // all of these must be set in the reply
	// RecursionDesired is what the query says; nil: true.
	RecursionDesired *bool    `yaml:"recursion_desired" default:"true"`
	IP               IPChoice `yaml:"ip" default:"4"`

	ready *dnsReady // made by Validate
}

// AnswerMatch says what the answer section must hold, as the data of records in the form of a zone file:
// "192.0.2.10", "10 mail.example.com.", "v=spf1 -all". Case, root dots and the spelling of addresses do not
// matter; for TXT the strings of a record are joined and everything matters. The zero value wants nothing.
type AnswerMatch struct {
	Any  []string `yaml:"any"`  // at least one of these
	All  []string `yaml:"all"`  // every one of these
	None []string `yaml:"none"` // none of these
}

type dnsReady struct {
	to    destination
	name  string // canonical
	query dns.Msg
}

// Validate implements Kind.
func (d *DNS) Validate() []Problem {
	var ps []Problem
	host, port, err := splitHostPort(d.Server, 53)
	if err != nil {
		ps = append(ps, Problem{Field: "server", Message: err.Error(), Hint: "write it like ns1.example.com or 192.0.2.53:53"})
	}
	ps = append(ps, d.IP.check(host)...)
	if _, ok := dns.IsDomainName(d.Name); !ok || d.Name == "" {
		ps = append(ps, Problem{Field: "name", Message: fmt.Sprintf("found %q, wanted a domain name", clip(d.Name, 80))})
	}
	ps = append(ps, d.Answer.validate()...)
	if d.Transport > DNSOverTCP {
		ps = append(ps, Problem{Field: "transport", Message: "wanted udp or tcp"})
	}
	if d.Answer.wantsData() && len(d.Rcode) > 0 && !slices.Contains(d.Rcode, dns.RcodeSuccess) {
		ps = append(ps, Problem{Field: "answer", Message: "records are wanted, and a code with which there are none", Hint: "leave answer out, or add NOERROR to rcode"})
	}
	if slices.Contains(d.Flags, FlagTruncated) && d.Transport == DNSOverTCP {
		ps = append(ps, Problem{Field: "flags", Message: "tc is wanted, which is not set over TCP", Hint: "use transport: udp"})
	}
	if len(ps) == 0 {
		d.prepare(destination{host, port, d.IP})
	}
	return ps
}

func (d *DNS) prepare(to destination) {
	r := &dnsReady{to: to, name: dns.CanonicalName(d.Name)}
	r.query.SetQuestion(dns.Fqdn(d.Name), uint16(d.rrType()))
	r.query.RecursionDesired = d.RecursionDesired == nil || *d.RecursionDesired
	// The bit in the query asks for the bit in the reply (RFC 6840, section 5.7).
	r.query.AuthenticatedData = slices.Contains(d.Flags, FlagAuthenticData)
	r.query.CheckingDisabled = slices.Contains(d.Flags, FlagCheckingDisabled)
	d.ready = r
}

func (d *DNS) rrType() RRType {
	if d.Type == 0 {
		return RRType(dns.TypeA)
	}
	return d.Type
}

// Target implements Kind.
func (d *DNS) Target() Target {
	host, port, err := splitHostPort(d.Server, 53)
	if err != nil {
		return Target{Families: d.IP.Families(), Text: clip(d.Server, maxLine)}
	}
	server := host
	if port != 53 || strings.Contains(host, ":") {
		server = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	name := d.Name
	if name != "." {
		name = strings.TrimSuffix(name, ".")
	}
	return Target{
		Host: host, Port: int(port), Families: d.IP.familiesFor(host), Name: !isIP(host),
		Text: fmt.Sprintf("dns://%s/%s?type=%s", server, clip(name, 255), d.rrType()),
	}
}

// Attempt implements Kind.
func (d *DNS) Attempt(ctx context.Context, w *World) Attempt {
	if d.ready == nil {
		return unready(w, "dns")
	}
	t := begin(w, d.ready.to.host, d.IP)
	t.a.Datagram = d.Transport == DNSOverUDP
	q := &question{d: d, t: t, ctx: ctx}
	if l := t.reach(ctx, d.Transport.String(), d.ready.to); l != nil {
		q.ask(l)
	}
	t.leave()
	if q.reply != nil {
		q.judge()
	}
	t.explain(&redactor{})
	return t.finish()
}
