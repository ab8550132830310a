package probe

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"github.com/miekg/dns"
)

// A seen is what assertions look at: what an attempt of some kind saw. Values are made when an expression asks for them.
type seen struct {
	resp  *http.Response // of HTTP
	scan  *bodyScan      // of HTTP
	tls   *handshake     // nil: none was spoken
	reply *dns.Msg       // of DNS
	talk  *conversation  // of TCP with moves
	hide  *redactor      // nil: there are no secrets

	t     *trail
	known map[string]any // what was asked for before
}

// seenTLS is the variable tls.
type seenTLS struct {
	Version    string    `cel:"version"` // "TLS 1.3"
	Cipher     string    `cel:"cipher"`
	ServerName string    `cel:"server_name"`
	ALPN       string    `cel:"alpn"`
	DaysLeft   int       `cel:"days_left"` // whole days until the chain expires
	Subject    string    `cel:"subject"`   // of the target's own certificate
	Issuer     string    `cel:"issuer"`
	Names      []string  `cel:"names"`
	NotBefore  time.Time `cel:"not_before"`
	NotAfter   time.Time `cel:"not_after"`
}

// seenDNS is the variable dns.
type seenDNS struct {
	Rcode      string       `cel:"rcode"`
	Flags      []string     `cel:"flags"`
	Answers    []seenRecord `cel:"answers"`
	Authority  []seenRecord `cel:"authority"`
	Additional []seenRecord `cel:"additional"`
}

// seenRecord is one record of a DNS reply.
type seenRecord struct {
	Name string `cel:"name"`
	Type string `cel:"type"`
	TTL  int    `cel:"ttl"` // seconds
	Data string `cel:"data"`
}

// ResolveName gives the value of a variable. It implements cel.Activation.
func (s *seen) ResolveName(name string) (any, bool) {
	if v, ok := s.known[name]; ok {
		return v, true
	}
	v, err := s.value(name)
	if err != nil {
		v = types.WrapErr(err)
	}
	if v == nil {
		return nil, false
	}
	if s.known == nil {
		s.known = make(map[string]any)
	}
	s.known[name] = v
	return v, true
}

// Parent implements cel.Activation.
func (s *seen) Parent() cel.Activation { return nil }

// value makes the value of a variable; nil if it is none. An error is what looking at it comes to.
func (s *seen) value(name string) (any, error) {
	switch name {
	case "latency":
		return s.t.a.Latency, nil
	case "phases":
		return s.phases(), nil
	case "address":
		return s.t.a.Addr.Addr().String(), nil
	case "tls":
		return s.tlsValue()
	case "tcp":
		return s.talk.heardValue()
	case "dns":
		return s.dnsValue(), nil
	case "status":
		return s.resp.StatusCode, nil
	case "headers":
		return s.headers(), nil
	case "body":
		b, err := s.body()
		return strings.ToValidUTF8(string(b), "\uFFFD"), err
	case "json":
		return s.json()
	}
	return nil, nil
}

// phases has every phase there is; one that did not occur took no time.
func (s *seen) phases() map[string]time.Duration {
	m := make(map[string]time.Duration, NumPhases)
	for p := range NumPhases {
		m[p.String()] = s.t.a.PhaseTime(p)
	}
	return m
}

func (s *seen) headers() map[string][]string {
	m := make(map[string][]string, len(s.resp.Header))
	for name, values := range s.resp.Header {
		name = strings.ToLower(name)
		for _, v := range values {
			m[name] = append(m[name], strings.ToValidUTF8(v, "\uFFFD"))
		}
	}
	return m
}

// body returns the whole body, never a part of it: what is not in a part may well be in the rest.
func (s *seen) body() ([]byte, error) {
	b, whole := s.scan.kept()
	if !whole || len(b) > maxAssertedBody {
		return nil, fmt.Errorf("the body has %d bytes, more than the %s that assertions look into", s.scan.size, Size(maxAssertedBody))
	}
	return b, nil
}

// json parses the body. Whole numbers stay whole, so that json.count + 1 is one.
func (s *seen) json() (any, error) {
	b, err := s.body()
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("the body is no JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the body is no JSON: there is more after the first value")
	}
	if v = plainJSON(v); v == nil {
		return types.NullValue, nil
	}
	return v, nil
}

// plainJSON turns the numbers of a decoded value into those of Go, in place.
func plainJSON(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // out of range: the largest
		return f
	case []any:
		for i := range v {
			v[i] = plainJSON(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainJSON(v[k])
		}
	}
	return v
}

func (s *seen) tlsValue() (any, error) {
	h := s.tls
	if h == nil || len(h.certs) == 0 {
		return nil, errors.New("the answer came without TLS")
	}
	leaf := h.certs[0]
	return &seenTLS{
		Version: tls.VersionName(h.state.Version), Cipher: tls.CipherSuiteName(h.state.CipherSuite),
		ServerName: h.name, ALPN: h.state.NegotiatedProtocol,
		DaysLeft: h.daysLeft(s.t.a.Start), Subject: strings.ToValidUTF8(leaf.Subject.String(), "\uFFFD"),
		Issuer: strings.ToValidUTF8(leaf.Issuer.String(), "\uFFFD"),
		Names:  certNames(leaf, len(leaf.DNSNames)+len(leaf.IPAddresses)), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
	}, nil
}

func (s *seen) dnsValue() *seenDNS {
	m := s.reply
	d := &seenDNS{
		Rcode:   ResponseCode(m.Rcode).String(),
		Answers: records(m.Answer), Authority: records(m.Ns), Additional: records(m.Extra),
	}
	for f, name := range flagNames {
		if name != "" && DNSFlag(f).in(m) {
			d.Flags = append(d.Flags, name)
		}
	}
	return d
}

func records(rrs []dns.RR) []seenRecord {
	rs := make([]seenRecord, 0, len(rrs))
	for _, rr := range slices.DeleteFunc(slices.Clone(rrs), func(rr dns.RR) bool { return rr == nil }) {
		h := rr.Header()
		rs = append(rs, seenRecord{
			Name: h.Name, Type: RRType(h.Rrtype).String(), TTL: int(h.Ttl),
			Data: strings.ToValidUTF8(strings.TrimPrefix(rr.String(), h.String()), "\uFFFD"),
		})
	}
	return rs
}
