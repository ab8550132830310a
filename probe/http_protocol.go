package probe

import (
	"fmt"
)

// An HTTPProtocol is which HTTP is spoken.
type HTTPProtocol uint8

// The protocols. The zero value is HTTPAuto.
const (
	HTTPAuto HTTPProtocol = iota // what the server chooses in the TLS handshake: HTTP/2, else HTTP/1.1; HTTP/1.1 without TLS
	HTTP1                        // HTTP/1.1
	HTTP2                        // HTTP/2; without TLS with prior knowledge (RFC 9113, section 3.3)
	HTTP3                        // HTTP/3, over QUIC
)

var httpProtocolNames = [...]string{HTTPAuto: "auto", HTTP1: "http1", HTTP2: "http2", HTTP3: "http3"}

// UnmarshalText reads auto, http1, http2 or http3.
func (p *HTTPProtocol) UnmarshalText(text []byte) error {
	for i, name := range httpProtocolNames {
		if name == string(text) {
			*p = HTTPProtocol(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no protocol; use auto, http1, http2 or http3", clip(string(text), 40))
}

// MarshalText writes what UnmarshalText reads.
func (p HTTPProtocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String returns the protocol as it is configured.
func (p HTTPProtocol) String() string {
	if int(p) < len(httpProtocolNames) {
		return httpProtocolNames[p]
	}
	return "protocol?"
}

// alpn is what is offered in the TLS handshake. It is shared and must not be changed.
func (p HTTPProtocol) alpn() []string {
	if int(p) < len(httpALPN) {
		return httpALPN[p]
	}
	return nil
}

var httpALPN = [...][]string{HTTPAuto: {alpnHTTP2, "http/1.1"}, HTTP1: {"http/1.1"}, HTTP2: {alpnHTTP2}, HTTP3: {alpnHTTP3}}

const (
	alpnHTTP2 = "h2"
	alpnHTTP3 = "h3"
)
