package probe

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestEvidenceIsWhole: what a person needs to see why is there after each way of failing, bounded, and without secrets.
func TestEvidenceIsWhole(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	long := strings.Repeat("x", 100<<10)
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/end?"+long[:2000], http.StatusFound)
			return
		case "/dead":
			http.Redirect(w, r, "http://"+r.Host[:0]+"127.0.0.1:1/", http.StatusFound)
			return
		}
		w.Header().Set("Set-Cookie", "session=c00kie")
		w.Header().Set("X-Echo", r.Header.Get("X-Key"))
		w.Header().Set("X-Long", long[:8000])
		w.WriteHeader(503)
		io.WriteString(w, "key "+r.Header.Get("X-Key")+" "+long)
	}
	base := web(t, handler)
	_, port, _ := strings.Cut(secureWeb(t, handler, ca.issue(t, "other.example", -1, 20)), ":")
	names := nameserver(t, func(q *dns.Msg, _ int) [][]byte {
		return packed(t, replyTo(t, q, dns.RcodeNameError, q.Question[0].Name+" 60 IN TXT \""+long[:200]+"\""))
	})
	_, plain, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
	key, err := parseTemplate("${env:GAIKEI_SECRET_KEY}")
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string][]Template{"X-Key": {{parts: key}}}
	tests := []struct {
		name string
		kind Kind
		want []string // what is in the evidence
	}{
		{"a status", &HTTP{URL: "http://four.example:" + plain + "/", Headers: headers}, []string{
			`"dialled":"127.0.0.1:` + plain, `"addresses":["127.0.0.1","127.0.0.2"]`, `"status_line":"HTTP/1.1 503 Service Unavailable"`, `"Set-Cookie: [redacted]"`,
			`"X-Echo: [redacted]"`, `"body":"key [redacted] xxx`, `"phase":"wait"`, `"what":"status"`, `"body_bytes":`, `wanted 200-299`,
		}},
		{"a redirect", &HTTP{URL: base + "/redirect"}, []string{`"hops":["` + base + `/redirect","` + base + `/end?xx`, `"hop_statuses":["302 Found","503 Service Unavailable"]`, `"status_line":"HTTP/1.1 503`}},
		{"a dead end", &HTTP{URL: base + "/dead"}, []string{`"hops":["` + base + `/dead","http://127.0.0.1:1/"]`, `"hop_statuses":["302 Found"]`, `"dialled":"127.0.0.1:1"`, "connection refused"}},
		{"a certificate", &HTTP{URL: "https://four.example:" + port + "/", TLS: TLS{CA: ca.pem}}, []string{
			`"subject":"CN=other.example"`, `"issuer":"CN=Test Authority"`, `"names":["other.example"]`, `"not_after":`, `"server_name":"four.example"`, "not four.example",
		}},
		{"a certificate over TCP", &TCP{Address: "four.example:" + port, TLS: &TLS{CA: ca.pem}}, []string{`"subject":"CN=other.example"`, `"phase":"tls"`}},
		{"a reply", &DNS{Server: names.address, Name: "a.example"}, []string{`"message":";; opcode: QUERY, status: NXDOMAIN`, `a.example. 60 IN TXT`, `"what":"rcode"`, `"phase":"exchange"`}},
		{"a name", &TCP{Address: "gone.example:1"}, []string{"resolve gone.example", `"phase":"resolve"`}},
		{"a port", &TCP{Address: closedPort(t)}, []string{`"dialled":"127.0.0.1:`, "connection refused"}},
		{"silence", &HTTP{URL: "http://" + serve(t, func(net.Conn) {})}, []string{`"phase":"wait"`, "no answer from 127.0.0.1:"}},
	}
	w := resolvedBy(zone(t).address)
	w.Secret = func(string, string) (string, error) { return "s3cret<key>", nil }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			timeout := 20 * time.Second
			if tt.name == "silence" {
				timeout = 300 * time.Millisecond
			}
			a := attempt(t, tt.kind, w, timeout)
			if a.Reason == ReasonNone {
				t.Fatal("the attempt did not fail")
			}
			var b strings.Builder
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(evidenceOf(Verdict{Outcome: Down, Reason: a.Reason}, &a)); err != nil {
				t.Fatal(err)
			}
			text := b.String()
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in the evidence:\n%s", want, clip(text, 3000))
				}
			}
			if strings.Contains(text, "s3cret") || strings.Contains(text, "c00kie") {
				t.Errorf("a secret is in the evidence: %s", clip(text, 3000))
			}
			if len(text) > 16<<10 {
				t.Errorf("the evidence has %d bytes", len(text))
			}
		})
	}
}

// TestEvidenceFits: whatever a target puts everywhere at once, the evidence is small enough to travel, and says why.
func TestEvidenceFits(t *testing.T) {
	t.Parallel()
	for _, c := range []string{"x", "\x01", "<", "ä", "\u2028", "\uFFFD"} {
		much := clip(strings.Repeat(c, maxLine), maxLine)
		many := make([]string, 32)
		for i := range many {
			many[i] = much
		}
		chain := make([]Certificate, maxChain)
		for i := range chain {
			chain[i] = Certificate{Subject: much, Issuer: much, Names: many[:maxNames]}
		}
		a := Attempt{Reason: Assertion, Detail: Detail{
			Error: much, StatusLine: much, Hops: many, HopStatuses: many, Headers: many, Body: much, Message: strings.Repeat(much, 4), TLS: &TLSDetail{Chain: chain},
		}}
		for range maxAssertions {
			a.Detail.Assertions = append(a.Detail.Assertions, Observation{What: "assert", Want: much, Got: much})
		}
		e := evidenceOf(Verdict{Outcome: Down, Reason: Assertion}, &a)
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 60<<10 || e.Detail.Error != much || len(e.Detail.Assertions) == 0 {
			t.Errorf("of %q: %d bytes of evidence, with %d assertions", c, len(text), len(e.Detail.Assertions))
		}
		if len(a.Detail.TLS.Chain) != maxChain {
			t.Error("the attempt was changed")
		}
	}
}
