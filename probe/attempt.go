package probe

import (
	"net/netip"
	"time"
)

// A Phase is a part of an attempt. Phases are stored: never reorder, only append.
type Phase uint8

// The phases of the three kinds.
const (
	PhaseResolve  Phase = iota // finding the target's address
	PhaseConnect               // TCP handshake; for UDP the local connect
	PhaseTLS                   // TLS handshake
	PhaseWait                  // from writing the request to the first byte of the answer
	PhaseRead                  // from there to the end of the body, or its limit
	PhaseExchange              // a DNS query and its answer; one part of a conversation over TCP
	NumPhases
)

var phaseNames = [NumPhases]string{"resolve", "connect", "tls", "wait", "read", "exchange"}

// String returns the phase's stable name.
func (p Phase) String() string {
	if p < NumPhases {
		return phaseNames[p]
	}
	return "phase?"
}

// A Span is one phase of one hop as it was measured, on the monotonic clock.
type Span struct {
	Phase Phase
	Hop   int           // 0 is the first request; each redirect followed adds one
	At    time.Duration // since the attempt's start
	For   time.Duration
}

// A Family is an IP address family.
type Family uint8

// The families; the zero value is unknown, as for a name that did not resolve.
const (
	FamilyUnknown Family = 0
	IPv4          Family = 4
	IPv6          Family = 6
)

// FamilyOf returns the family of an address; an IPv4-mapped address is IPv4.
func FamilyOf(a netip.Addr) Family {
	switch {
	case !a.IsValid():
		return FamilyUnknown
	case a.Unmap().Is4():
		return IPv4
	}
	return IPv6
}

// An Attempt is one execution of a probe: what was seen, not yet judged. It is a plain value; a kind
// fills it in and keeps no reference to it.
type Attempt struct {
	// Start has both clock readings, so that a step of the wall clock can be told.
	Start time.Time
	// Latency runs from Start to the end of the last phase, resolve included. Matching and judging,
	// our own work, are not in it.
	Latency time.Duration
	// Spans in the order in which they began. A phase that was cut off is there with the time it had.
	Spans []Span
	// Reason is ReasonNone when the target answered and every assertion held.
	Reason Reason
	// Answered: something of the target itself came back (for TCP: the connection was accepted; for UDP: a
	// reply). An attempt can be answered and have a path reason, as when a redirect leads to a dead host.
	Answered bool
	// Datagram: the exchange was over UDP, where silence is a fault of the path.
	Datagram bool
	// Family that the attempt used; the family it wanted, if nothing resolved.
	Family Family
	// Host is the configured name or address, without port; Addr is what was dialled, invalid if nothing was.
	Host string
	Addr netip.AddrPort
	// Alias is another name of the target, under which it is configured while Host is dialled; empty: none.
	Alias string
	// Via is the proxy, host:port, through which the target was asked; empty: none. Addr is then the proxy's, and who vouches must
	// have been seen through the same.
	Via string
	// Waited is how long the attempt waited for something of ours before Start, such as a token. It is start lag.
	Waited time.Duration
	// Lost counts packets of ours that had to be sent again while connecting or asking (SYN or request
	// retransmissions, repeated UDP queries), where the system tells; a success after a loss is partly the
	// path's latency.
	Lost int
	// Pending: something of ours was still unacknowledged when the attempt ended, where the system tells. A loss
	// that was made good only cost time; one that is pending is what the failure is about.
	Pending bool
	// Announced: the target says of itself, in the way that the configuration names, that it is in maintenance. The reason
	// is then status.
	Announced bool
	// Over: a phase took longer than the check allows, and nothing else failed.
	Over bool
	// Expires is when clients begin to refuse the target's certificates; zero: none were seen.
	Expires time.Time
	// Detail is what a person needs to see why.
	Detail Detail
}

// PhaseTime returns the time spent in a phase over all hops; zero if the phase did not occur.
func (a *Attempt) PhaseTime(p Phase) time.Duration {
	var sum time.Duration
	for _, s := range a.Spans {
		if s.Phase == p {
			sum += s.For
		}
	}
	return sum
}

// lastPhase returns when the last phase began, after the start: a failure is one of that phase.
func (a *Attempt) lastPhase() time.Duration {
	if len(a.Spans) == 0 {
		return 0
	}
	return a.Spans[len(a.Spans)-1].At
}

// sent returns when the first packet to the target was sent: finding its address comes before that.
func (a *Attempt) sent() time.Time {
	for _, s := range a.Spans {
		if s.Phase != PhaseResolve {
			return a.Start.Add(s.At)
		}
	}
	return a.Start
}

// Detail is the evidence of an attempt for people: bounded in size and free of secrets. Every text in it
// comes from a hostile place; who shows it escapes it.
type Detail struct {
	Error     string       `json:"error,omitempty"`     // the error chain, if any
	Addresses []netip.Addr `json:"addresses,omitempty"` // what the name resolved to
	Hops      []string     `json:"hops,omitempty"`      // URLs, with credentials removed
	// HopStatuses are what the hops answered, "302 Found", in the same order; a hop that did not answer ends them.
	HopStatuses []string      `json:"hop_statuses,omitempty"`
	TraceID     string        `json:"trace_id,omitempty"` // 32 hexadecimal digits, if a traceparent was sent
	SpanIDs     []string      `json:"span_ids,omitempty"` // 16 hexadecimal digits, one a hop
	StatusLine  string        `json:"status_line,omitempty"`
	Headers     []string      `json:"headers,omitempty"` // "Name: value", at most 32, sensitive ones redacted
	Body        string        `json:"body,omitempty"`    // the first KiB, made valid UTF-8
	BodyBytes   int64         `json:"body_bytes,omitempty"`
	WireBytes   int64         `json:"wire_bytes,omitempty"` // of the body as it came, if it was compressed
	Proxy       string        `json:"proxy,omitempty"`      // through which the target was asked, without credentials
	Message     string        `json:"message,omitempty"`    // a DNS message as text
	TLS         *TLSDetail    `json:"tls,omitempty"`
	Assertions  []Observation `json:"assertions,omitempty"`
	Warnings    []string      `json:"warnings,omitempty"` // what is not wrong yet, whatever the outcome
}

// HopStatus is what a hop answered, counted from 0; empty if it did not, or is not there.
func (d Detail) HopStatus(hop int) string {
	if hop < 0 || hop >= len(d.HopStatuses) {
		return ""
	}
	return d.HopStatuses[hop]
}

// TLSDetail is what the target's TLS looked like.
type TLSDetail struct {
	Version    string        `json:"version,omitempty"`
	Cipher     string        `json:"cipher,omitempty"`
	ServerName string        `json:"server_name,omitempty"`
	Chain      []Certificate `json:"chain,omitempty"` // at most 8
}

// Certificate is one certificate of a chain.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"` // at most 16
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Key       string    `json:"key,omitempty"` // "RSA 2048", "ECDSA P-256", "Ed25519"
}

// An Observation is one assertion, what was wanted and what came.
type Observation struct {
	What   string `json:"what"` // as in the configuration: "status", "body.contains"
	Want   string `json:"want"`
	Got    string `json:"got"`
	Held   bool   `json:"held"`
	Reason Reason `json:"-"` // why the attempt failed if it did not hold
}
