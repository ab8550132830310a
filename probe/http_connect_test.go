package probe

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConnectTo: another address is dialled, and Host and the name in TLS stay.
func TestConnectTo(t *testing.T) {
	ca := newAuthority(t)
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/there":
			http.Redirect(w, r, "http://"+away+"/", http.StatusFound)
		}
		fmt.Fprintf(w, "host %s", r.Host)
		if r.TLS != nil {
			fmt.Fprintf(w, " name %s", r.TLS.ServerName)
		}
	}
	plain, secure := hostOf(web(t, handler)), secureWeb(t, handler, ca.issue(t, "shop.example", -1, 30))
	other := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the other") })
	port := plain[strings.LastIndexByte(plain, ':')+1:]
	tests := []struct {
		name string
		http HTTP
		body string
		want Reason
	}{
		{"address and port", HTTP{URL: "http://shop.example/", ConnectTo: plain}, "host shop.example", ReasonNone},
		{"the port of the URL", HTTP{URL: "http://shop.example:" + port, ConnectTo: "127.0.0.1"}, "host shop.example:" + port, ReasonNone},
		{"with TLS", HTTP{URL: "https://shop.example/here", ConnectTo: secure, TLS: TLS{CA: ca.pem}}, "host shop.example name shop.example", ReasonNone},
		{"a wrong name", HTTP{URL: "https://other.example/", ConnectTo: secure, TLS: TLS{CA: ca.pem}}, "", TLSNameMismatch},
		{"a redirect to another host goes there", HTTP{URL: "http://shop.example/there", ConnectTo: plain}, "the other", ReasonNone},
		{"nobody there", HTTP{URL: "http://shop.example/", ConnectTo: closedPort(t)}, "", Refused},
		{"cloud metadata", HTTP{URL: "http://shop.example/", ConnectTo: "169.254.169.254"}, "", EgressDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.body != "" {
				tt.http.Body.Contains = []string{tt.body}
			}
			a := attempt(t, &tt.http, leading(map[string]string{away: hostOf(other)}), patience(tt.want))
			wantReason(t, &a, tt.want)
		})
	}
}

// TestConnectToVouching: neither the dialled host nor the one that is configured vouches for such a target.
func TestConnectToVouching(t *testing.T) {
	h := &HTTP{URL: "https://shop.example/", ConnectTo: "192.0.2.1:8443"}
	if ps := h.Validate(); ps != nil {
		t.Fatal(ps)
	}
	want := Target{Host: "192.0.2.1", Port: 8443, Families: []Family{IPv4}, Text: "https://shop.example/"}
	if diff := cmp.Diff(want, h.Target()); diff != "" {
		t.Errorf("target -want +got:\n%s", diff)
	}
	a := attempt(t, &HTTP{URL: "http://shop.example/", ConnectTo: closedPort(t)}, &World{}, patience(Refused))
	target := a.sighting(at(0))
	for name, tt := range map[string]struct {
		seen sighting
		want bool
	}{
		"the name":           {sighting{host: "shop.example"}, true},
		"the dialled":        {sighting{host: "127.0.0.1"}, true},
		"its address":        {sighting{host: "else.example", addr: a.Addr.Addr()}, true},
		"another to the URL": {sighting{host: "192.0.2.9", alias: "shop.example"}, true},
		"another":            {sighting{host: "else.example"}, false},
	} {
		if got := tt.seen.same(target); got != tt.want || target.same(tt.seen) != tt.want {
			t.Errorf("%s is the same host -want +got:\n- %v\n+ %v", name, tt.want, got)
		}
	}
}

// TestRefusedWhateverTheStatus: a status condition that everything meets is none that silence meets.
func TestRefusedWhateverTheStatus(t *testing.T) {
	a := look(t, &HTTP{URL: "http://" + closedPort(t), Status: []CodeRange{{100, 599}}})
	wantReason(t, &a, Refused)
	if v := Judge(Expectation{}, &a, Vouched); v.Outcome != Down {
		t.Errorf("outcome -want +got:\n- %s\n+ %s", Down, v.Outcome)
	}
}
