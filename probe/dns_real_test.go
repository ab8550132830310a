package probe

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// signed finds a name server serving the zone with signatures: signing goes on after it has begun to answer.
func signed(address string) Kind {
	return &DNS{Server: address, Name: "www.example", Transport: DNSOverTCP, EDNS: &EDNS{DO: true}, RRSIG: &Signatures{}}
}

// signingKnot starts one that signs the zone, and wants cookies.
func signingKnot(t *testing.T) string {
	t.Helper()
	path, dir, address := program(t, "knotd", "knot"), t.TempDir(), freePort(t)
	write(t, dir, "example.zone", zoneFile)
	conf := fmt.Sprintf(`
server:
  rundir: %[1]s
  listen: %[2]s
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  nsid: knot-1
  version: "3"
database:
  storage: %[1]s
mod-cookies:
  - id: cookies
template:
  - id: default
    global-module: mod-cookies/cookies
zone:
  - domain: example
    storage: %[1]s
    file: example.zone
    dnssec-signing: on
`, dir, strings.Replace(address, ":", "@", 1))
	daemon(t, signed(address), path, "-c", write(t, dir, "knot.conf", conf))
	return address
}

// A bind is where a name server listens, and who vouches for its certificate.
type bind struct{ plain, tls, https, ca string }

// signingBind starts one that signs the zone, speaks TLS and HTTPS, and wants its own cookie to be sent along.
func signingBind(t *testing.T) bind {
	t.Helper()
	path, dir, ca := program(t, "named", "bind9"), t.TempDir(), newAuthority(t)
	b := bind{freePort(t), freePort(t), freePort(t), ca.pem}
	cert := ca.issue(t, "dns.example", -1, 30)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certPath := write(t, dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
	keyPath := write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	port := func(address string) string {
		_, p, _ := net.SplitHostPort(address)
		return p
	}
	conf := fmt.Sprintf(`
tls mine { cert-file %q; key-file %q; };
http mine { endpoints { "/dns-query"; }; };
options {
	directory %q; pid-file none; session-keyfile none; recursion no; dnssec-validation no; listen-on-v6 { none; };
	server-id "bind-1"; require-server-cookie yes;
	listen-on port %s { 127.0.0.1; };
	listen-on port %s tls mine { 127.0.0.1; };
	listen-on port %s tls mine http mine { 127.0.0.1; };
};
controls {};
zone example { type primary; file %q; dnssec-policy default; inline-signing yes; };
`, certPath, keyPath, dir, port(b.plain), port(b.tls), port(b.https), write(t, dir, "example.zone", zoneFile))
	daemon(t, signed(b.plain), path, "-g", "-n", "1", "-c", write(t, dir, "named.conf", conf))
	return b
}

// validatingBind starts one that asks the server of the zone and validates what it says, by the zone's own keys.
func validatingBind(t *testing.T, authority string) string {
	t.Helper()
	q := new(dns.Msg).SetQuestion("example.", dns.TypeDNSKEY)
	m, _, err := (&dns.Client{Net: "tcp"}).Exchange(q, authority)
	if err != nil {
		t.Fatal(err)
	}
	anchors := ""
	for _, rr := range m.Answer {
		if k, ok := rr.(*dns.DNSKEY); ok && k.Flags == 257 {
			anchors += fmt.Sprintf("example. static-key %d %d %d %q; ", k.Flags, k.Protocol, k.Algorithm, k.PublicKey)
		}
	}
	path, dir, address := program(t, "named", "bind9"), t.TempDir(), freePort(t)
	_, port, _ := net.SplitHostPort(address)
	_, other, _ := net.SplitHostPort(authority)
	conf := fmt.Sprintf(`
options {
	directory %q; pid-file none; session-keyfile none; recursion yes; dnssec-validation yes; listen-on-v6 { none; };
	listen-on port %s { 127.0.0.1; };
	forward only; forwarders { 127.0.0.1 port %s; };
};
controls {};
trust-anchors { %s };
`, dir, port, other, anchors)
	daemon(t, signed(address), path, "-g", "-n", "1", "-c", write(t, dir, "named.conf", conf))
	return address
}

func TestSigningServers(t *testing.T) {
	t.Parallel()
	knot, named := signingKnot(t), signingBind(t)
	validating := validatingBind(t, knot)
	trusted := &TLS{ServerName: "dns.example", CA: named.ca}
	all := &EDNS{DO: true, NSID: true, Cookie: true}
	tests := []struct {
		name  string
		dns   DNS
		want  Reason
		shows string
	}{
		{"knot, signed", DNS{Server: knot, Name: "www.example", EDNS: all, RRSIG: &Signatures{MinDaysLeft: 5}}, ReasonNone, `server id: "knot-1"`},
		{"knot, signed for longer than it is", DNS{Server: knot, Name: "www.example", EDNS: all, RRSIG: &Signatures{MinDaysLeft: 60}}, Answer, ""},
		{"knot, an alias", DNS{Server: knot, Name: "alias.example", EDNS: all, RRSIG: &Signatures{MinDaysLeft: 5}, Answer: AnswerMatch{Exact: Data("www.example.", "192.0.2.10", "192.0.2.11")}}, ReasonNone, ""},
		{"knot, too small a buffer", DNS{Server: knot, Name: "example", Type: RRType(dns.TypeDNSKEY), EDNS: &EDNS{DO: true, BufferSize: 512}, Answer: AnswerMatch{Count: &RecordCount{Min: 2}}}, ReasonNone, ""},
		{"knot, its version", DNS{Server: knot, Name: "version.bind", Type: RRType(dns.TypeTXT), Class: DNSClass(dns.ClassCHAOS), Answer: AnswerMatch{Any: Data("3")}}, ReasonNone, ""},
		{"knot, no such name", DNS{Server: knot, Name: "gone.example", EDNS: all, Rcode: []ResponseCode{dns.RcodeNameError}, Authority: AnswerMatch{Any: []RecordMatch{{Type: RRType(dns.TypeSOA), Name: "example"}, {Type: RRType(dns.TypeNSEC)}}}}, ReasonNone, ""},
		{"bind, signed, and its cookie wanted", DNS{Server: named.plain, Name: "www.example", EDNS: all, RRSIG: &Signatures{MinDaysLeft: 5}}, ReasonNone, "the server wanted its own cookie"},
		{"bind, its name", DNS{Server: named.plain, Name: "www.example", EDNS: &EDNS{NSID: true}}, ReasonNone, `server id: "bind-1"`},
		{"bind, not signed", DNS{Server: named.plain, Name: "www.other", EDNS: &EDNS{DO: true}, Rcode: []ResponseCode{dns.RcodeRefused, 0}, RRSIG: &Signatures{}}, Answer, ""},
		{"bind over TLS", DNS{Server: named.tls, Name: "www.example", Transport: DNSOverTLS, TLS: trusted, Answer: AnswerMatch{Exact: Data("192.0.2.10", "192.0.2.11")}}, ReasonNone, ""},
		{"bind over TLS, not trusted", DNS{Server: named.tls, Name: "www.example", Transport: DNSOverTLS, TLS: &TLS{ServerName: "dns.example"}}, TLSUntrusted, ""},
		{"bind over HTTPS", DNS{Server: named.https, Name: "www.example", Transport: DNSOverHTTPS, TLS: trusted, Answer: AnswerMatch{Exact: Data("192.0.2.10", "192.0.2.11")}}, ReasonNone, ""},
		{"bind over HTTPS by GET", DNS{Server: named.https, Name: "www.example", Transport: DNSOverHTTPS, HTTPS: &DoH{Method: DoHGet}, TLS: trusted, EDNS: all, RRSIG: &Signatures{}}, ReasonNone, `server id: "bind-1"`},
		{"bind over HTTPS elsewhere", DNS{Server: named.https, Name: "www.example", Transport: DNSOverHTTPS, HTTPS: &DoH{Path: "/q"}, TLS: trusted}, Status, ""},
		{"validated", DNS{Server: validating, Name: "www.example", EDNS: all, Flags: []DNSFlag{FlagAuthenticData, FlagRecursionAvailable}, NotFlags: []DNSFlag{FlagAuthoritative}, RRSIG: &Signatures{}}, ReasonNone, ""},
		{"not validated", DNS{Server: knot, Name: "www.example", EDNS: all, Flags: []DNSFlag{FlagAuthenticData}}, Flags, ""},
		{"equal serials", DNS{Server: named.plain, Name: "example", Type: RRType(dns.TypeSOA), Serial: &SOASerial{AtLeast: 7, EqualTo: []string{named.plain, strings.Replace(named.plain, "127.0.0.1", "localhost", 1)}}}, ReasonNone, ""},
	}
	for _, tt := range tests {
		a := look(t, &tt.dns)
		if a.Reason != tt.want || !strings.Contains(a.Detail.Message, tt.shows) {
			t.Errorf("%s: reason -want +got:\n- %s\n+ %s (%s)\nand %q in:\n%s", tt.name, tt.want, a.Reason, a.Detail.Error, tt.shows, a.Detail.Message)
		}
	}
}
