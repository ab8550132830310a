package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// DNS asks one name server one question. The server is the target: that it does not answer is
// response_timeout, and dns_… reasons are about finding the server's own address. Over UDP a query that
// goes unanswered is repeated once after a second, and one whose answer does not fit is sent again over TCP.
type DNS struct {
	// Server is host or host:port, or the word system for the first name server of the prober's resolv.conf. Servers, in its
	// place, makes as many checks as there are servers.
	Server    string       `yaml:"server"`
	Servers   []string     `yaml:"servers"`
	Name      string       `yaml:"name" required:"true"` // what to ask for; always absolute
	Type      RRType       `yaml:"type" default:"A"`
	Class     DNSClass     `yaml:"class" default:"IN"`
	Transport DNSTransport `yaml:"transport" default:"udp"`
	// RetryOverTCP says whether a query whose answer over UDP is truncated is sent again over TCP; nil: yes, unless Flags or
	// NotFlags name tc.
	RetryOverTCP *bool          `yaml:"retry_over_tcp"`
	TLS          *TLS           `yaml:"tls"`   // nil: verify the certificate for the server's name or address
	HTTPS        *DoH           `yaml:"https"` // nil: POST to /dns-query
	Rcode        []ResponseCode `yaml:"rcode" default:"[NOERROR]"`
	Answer       AnswerMatch    `yaml:"answer"`
	Authority    AnswerMatch    `yaml:"authority"`
	Additional   AnswerMatch    `yaml:"additional"` // without the pseudo-record of EDNS
	Flags        []DNSFlag      `yaml:"flags"`      // all of these must be set in the reply
	NotFlags     []DNSFlag      `yaml:"not_flags"`  // none of these may be set
	// RecursionDesired is what the query says; nil: true.
	RecursionDesired *bool       `yaml:"recursion_desired" default:"true"`
	EDNS             *EDNS       `yaml:"edns"` // nil: the query has no EDNS
	Serial           *SOASerial  `yaml:"serial"`
	RRSIG            *Signatures `yaml:"rrsig"` // nil: signatures are not looked at
	IP               IPChoice    `yaml:"ip" default:"4"`

	ready *dnsReady // made by Validate
}

type dnsReady struct {
	to     destination
	query  dns.Msg
	retry  bool        // over TCP, what was truncated
	tls    *tls.Config // nil: none
	doh    dohReady
	others []*DNS // whose serial must be the same
}

// Validate implements Kind.
func (d *DNS) Validate() []Problem {
	ps := d.validateServer()
	if _, ok := dns.IsDomainName(d.Name); !ok || d.Name == "" {
		ps = append(ps, Problem{Field: "name", Message: fmt.Sprintf("found %q, wanted a domain name", clip(d.Name, 80))})
	}
	ps = append(ps, d.validateTransport()...)
	ps = append(ps, d.validateReply()...)
	r := &dnsReady{retry: d.retries()}
	if host, port, err := d.address(); err == nil {
		r.to = destination{host, port, d.IP}
	}
	ps = append(ps, d.prepareTLS(r)...)
	others, more := d.peers()
	r.others, ps = others, append(ps, more...)
	if len(ps) == 0 && !d.several() {
		d.prepare(r)
	}
	return ps
}

func (d *DNS) prepare(r *dnsReady) {
	r.query.SetQuestion(dns.Fqdn(d.Name), uint16(d.rrType()))
	r.query.Id, r.query.Question[0].Qclass = 0, d.Class.number()
	r.query.RecursionDesired = d.RecursionDesired == nil || *d.RecursionDesired
	// The bit in the query asks for the bit in the reply (RFC 6840, section 5.7).
	r.query.AuthenticatedData = slices.Contains(d.Flags, FlagAuthenticData) || slices.Contains(d.NotFlags, FlagAuthenticData)
	r.query.CheckingDisabled = slices.Contains(d.Flags, FlagCheckingDisabled)
	if d.EDNS != nil {
		r.query.Extra = []dns.RR{d.EDNS.record()}
	}
	r.doh = d.prepareHTTPS(r.to)
	d.ready = r
}

func (d *DNS) rrType() RRType {
	if d.Type == 0 {
		return RRType(dns.TypeA)
	}
	return d.Type
}

// address splits Server; the word system has no address until an attempt.
func (d *DNS) address() (host string, port uint16, err error) {
	if d.Server == systemServer {
		return systemServer, 53, nil
	}
	return splitHostPort(d.Server, d.Transport.port())
}

// retries reports whether a truncated answer leads to a query over TCP.
func (d *DNS) retries() bool {
	if d.Transport != DNSOverUDP {
		return false
	}
	if d.RetryOverTCP != nil {
		return *d.RetryOverTCP
	}
	return !d.judgesTruncation()
}

// judgesTruncation reports whether the flag itself is what the check is about.
func (d *DNS) judgesTruncation() bool {
	return slices.Contains(d.Flags, FlagTruncated) || slices.Contains(d.NotFlags, FlagTruncated)
}

// Target implements Kind.
func (d *DNS) Target() Target {
	host, port, err := d.address()
	if err != nil {
		return Target{Families: d.IP.Families(), Text: clip(d.Server, maxLine)}
	}
	server := host
	if port != d.Transport.port() || strings.Contains(host, ":") {
		server = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	name := d.Name
	if name != "." {
		name = strings.TrimSuffix(name, ".")
	}
	t := Target{
		Host: host, Port: int(port), Families: d.IP.familiesFor(host), Name: host != systemServer && !isIP(host),
		Text: fmt.Sprintf("dns://%s/%s?type=%s", server, clip(name, 255), d.rrType()),
	}
	if d.Class.number() != dns.ClassINET {
		t.Text += "&class=" + d.Class.String()
	}
	if d.Transport.encrypted() {
		t.Text += "&transport=" + d.Transport.String()
	}
	return t
}

// Attempt implements Kind.
func (d *DNS) Attempt(ctx context.Context, w *World) Attempt {
	if d.ready == nil {
		return unready(w, "dns")
	}
	q := d.question(ctx, w)
	q.run()
	q.judge()
	q.t.explain(&redactor{})
	return q.t.finish()
}

// question begins an attempt.
func (d *DNS) question(ctx context.Context, w *World) question {
	config, err := w.equip(d.ready.tls) // before the clock starts: it may read files
	t := begin(w, d.ready.to.host, d.IP)
	t.a.Datagram = d.Transport == DNSOverUDP
	if err != nil {
		t.fail(Secret, err)
	}
	return question{d: d, t: t, ctx: ctx, via: d.Transport, query: d.ready.query, config: config}
}
