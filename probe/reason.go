package probe

import (
	"errors"
	"fmt"
	"slices"
)

// A Reason says why an attempt failed, or why a slot has no verdict. The list is closed and its names
// are stable: labels in metrics, words in reports, values of `by:`. The zero value, ReasonNone, means
// that nothing failed. Reasons are stored and sent: never reorder, only append.
type Reason uint8

// The reasons, by class.
const (
	ReasonNone Reason = iota

	// Resolve: the target's address was not found.
	DNSNXDomain // the resolver says that the name does not exist
	DNSNoData   // the name exists and has no address in the family asked for
	DNSServfail // the resolver could not say
	DNSRefused  // the resolver would not say
	DNSTimeout  // the resolver did not answer

	// Path: no connection came about.
	Refused            // TCP reset to a SYN, or ICMP port unreachable
	Timeout            // nothing came back
	NetworkUnreachable // no route, ours or a router's word
	HostUnreachable    // a router's word that the host is not there

	// Session: connected, then nothing that could be called an answer.
	Reset           // the connection was torn down before an answer
	ResponseTimeout // connected (or, over UDP, sent) and silent until the deadline

	// Answer: the target answered, and not as it should.
	TLSHandshake
	TLSExpired
	TLSNotYetValid
	TLSNameMismatch
	TLSUntrusted
	Protocol
	Dialogue
	Status
	Header
	Body
	Redirect
	TooLarge
	TooSmall
	TooSlow
	Rcode
	Answer
	Flags
	Assertion
	Reached // an expected-unreachable target answered, in whatever way

	// Own, missed: the slot was not probed.
	Overload // too many attempts already running
	Late     // started, or would have, too late
	Stopped  // the prober was not running

	// Own, inconclusive: probed, and nothing can be said about the target.
	NoVouch      // no proof that our own network was alive
	EgressDenied // our own policy forbids the address, or our proxy does not let us out
	Clock        // our clock cannot be trusted
	Secret       // a secret could not be read, a token not be fetched, or our proxy wants other credentials
	Resolver     // our resolver is not configured or not usable
	Unsupported  // this prober does not know how to do what is asked
	Internal     // a fault of the prober, or of the way to its proxy

	numReasons
)

// A Class groups the reasons by what they prove.
type Class uint8

// The classes. The zero value belongs to ReasonNone.
const (
	ClassNone    Class = iota
	ClassResolve       // needs a voucher
	ClassPath          // needs a voucher
	ClassSession       // needs a voucher
	ClassAnswer        // proves itself
	ClassMissed        // our own: no probe
	ClassOwn           // our own: no verdict
)

var reasonNames = [numReasons]string{
	ReasonNone:  "",
	DNSNXDomain: "dns_nxdomain", DNSNoData: "dns_no_data", DNSServfail: "dns_servfail",
	DNSRefused: "dns_refused", DNSTimeout: "dns_timeout",
	Refused: "refused", Timeout: "timeout",
	NetworkUnreachable: "network_unreachable", HostUnreachable: "host_unreachable",
	Reset: "reset", ResponseTimeout: "response_timeout",
	TLSHandshake: "tls_handshake", TLSExpired: "tls_expired", TLSNotYetValid: "tls_not_yet_valid",
	TLSNameMismatch: "tls_name_mismatch", TLSUntrusted: "tls_untrusted",
	Protocol: "protocol", Dialogue: "dialogue", Status: "status", Header: "header", Body: "body",
	Redirect: "redirect", TooLarge: "too_large", TooSmall: "too_small", TooSlow: "too_slow",
	Rcode: "rcode", Answer: "answer", Flags: "flags", Assertion: "assertion", Reached: "reached",
	Overload: "overload", Late: "late", Stopped: "stopped",
	NoVouch: "no_vouch", EgressDenied: "egress_denied", Clock: "clock", Secret: "secret",
	Resolver: "resolver", Unsupported: "unsupported", Internal: "internal",
}

// Reasons returns every reason but ReasonNone, in stored order.
func Reasons() []Reason {
	all := make([]Reason, 0, numReasons-1)
	for r := ReasonNone + 1; r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}

// String returns the reason's stable name; it is empty for ReasonNone.
func (r Reason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Valid reports whether r is in the list, ReasonNone included.
func (r Reason) Valid() bool { return r < numReasons }

// ParseReason finds a reason by its name. The empty string is ReasonNone.
func ParseReason(name string) (Reason, error) {
	if i := slices.Index(reasonNames[:], name); i >= 0 {
		return Reason(i), nil
	}
	return ReasonNone, fmt.Errorf("no reason is called %q", name)
}

// Class returns the class the reason belongs to.
func (r Reason) Class() Class {
	switch {
	case r == ReasonNone || r >= numReasons:
		return ClassNone
	case r <= DNSTimeout:
		return ClassResolve
	case r <= HostUnreachable:
		return ClassPath
	case r <= ResponseTimeout:
		return ClassSession
	case r <= Reached:
		return ClassAnswer
	case r <= Stopped:
		return ClassMissed
	}
	return ClassOwn
}

// NeedsVoucher reports whether a failure for this reason could be the prober's own network. It is every
// resolve, path and session reason, and too_slow: a body cut off by the deadline proves that the target
// answered, but not that the silence after it was the target's.
func (r Reason) NeedsVoucher() bool {
	return r.unreachable() || r == TooSlow
}

// unreachable reports whether the reason is one in which a target can be unreachable.
func (r Reason) unreachable() bool {
	switch r.Class() {
	case ClassResolve, ClassPath, ClassSession:
		return true
	}
	return false
}

// UnmarshalText reads a reason where a configuration names ways of being unreachable: only resolve, path and
// session reasons are allowed there. ParseReason reads all of them.
func (r *Reason) UnmarshalText(text []byte) error {
	found, err := ParseReason(string(text))
	if err != nil || !found.unreachable() {
		return errors.New(notUnreachable(string(text)))
	}
	*r = found
	return nil
}
