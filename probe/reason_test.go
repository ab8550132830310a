package probe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReasonNames holds numbers and names: both are stored, and neither ever changes.
func TestReasonNames(t *testing.T) {
	want := strings.Fields(`dns_nxdomain dns_no_data dns_servfail dns_refused dns_timeout
		refused timeout network_unreachable host_unreachable
		reset response_timeout
		tls_handshake tls_expired tls_not_yet_valid tls_name_mismatch tls_untrusted protocol dialogue status header body
		redirect too_large too_small too_slow rcode answer flags assertion reached
		overload late stopped
		no_vouch egress_denied clock secret resolver unsupported internal`)
	var got []string
	for i, r := range Reasons() {
		if int(r) != i+1 {
			t.Errorf("reason %d is listed as number %d", r, i+1)
		}
		got = append(got, r.String())
		if back, err := ParseReason(r.String()); err != nil || back != r {
			t.Errorf("ParseReason(%q) = %v, %v", r, back, err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := ParseReason("timed_out"); err == nil {
		t.Error("an unknown name was accepted")
	}
	if numReasons > 64 {
		t.Error("a ReasonSet has only 64 members")
	}
	if got := numReasons.String(); got != "reason(41)" || numReasons.Valid() {
		t.Errorf("the first number that is no reason: %q, valid %v", got, numReasons.Valid())
	}
}

func TestReasonClasses(t *testing.T) {
	first := map[Class]Reason{}
	count := map[Class]int{}
	for _, r := range Reasons() {
		if count[r.Class()] == 0 {
			first[r.Class()] = r
		}
		count[r.Class()]++
	}
	if diff := cmp.Diff(map[Class]int{ClassResolve: 5, ClassPath: 4, ClassSession: 2, ClassAnswer: 19, ClassMissed: 3, ClassOwn: 7}, count); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[Class]Reason{
		ClassResolve: DNSNXDomain, ClassPath: Refused, ClassSession: Reset, ClassAnswer: TLSHandshake, ClassMissed: Overload, ClassOwn: NoVouch,
	}, first); diff != "" {
		t.Errorf("first members (-want +got):\n%s", diff)
	}
	for _, r := range []Reason{ReasonNone, numReasons, 255} {
		if r.Class() != ClassNone || r.NeedsVoucher() {
			t.Errorf("%d is in class %d, needs a voucher: %v", r, r.Class(), r.NeedsVoucher())
		}
	}
}

// TestReasonText: only ways of being unreachable can be named in a configuration, and the message names them.
func TestReasonText(t *testing.T) {
	for _, r := range Reasons() {
		got := Internal
		err := got.UnmarshalText([]byte(r.String()))
		switch r.Class() {
		case ClassResolve, ClassPath, ClassSession:
			if err != nil || got != r {
				t.Errorf("%q: %v, %v", r, got, err)
			}
		default:
			if err == nil || got != Internal {
				t.Errorf("%q was accepted", r)
			}
		}
	}
	const want = `"tiemout" is no way of being unreachable: want dns_nxdomain, dns_no_data, dns_servfail, dns_refused, ` +
		`dns_timeout, refused, timeout, network_unreachable, host_unreachable, reset, response_timeout`
	if diff := cmp.Diff(want, new(Reason).UnmarshalText([]byte("tiemout")).Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
