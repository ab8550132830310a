package probe

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Banner is what a target has to say before it is spoken to. Both have to hold if both are given; the zero value
// is not valid. The short form is the text that it contains.
type Banner struct {
	Contains string         `yaml:"contains"`
	Regex    *regexp.Regexp `yaml:"regex"` // RE2, anywhere in what has come
}

// UnmarshalText reads the short form.
func (b *Banner) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("found an empty text, which every banner contains")
	}
	*b = Banner{Contains: string(text)}
	return nil
}

// A Step is one thing that is said, or that the target has to say. Exactly one of its fields is set.
type Step struct {
	Send       SendText       `yaml:"send,file"`
	SendHex    Hex            `yaml:"send_hex"`
	Expect     *regexp.Regexp `yaml:"expect"`      // RE2, anywhere in what has come since the last match
	ExpectText string         `yaml:"expect_text"` // the next bytes are these
	ExpectHex  Hex            `yaml:"expect_hex"`  // the next bytes are these
	Close      Closing        `yaml:"close"`
	StartTLS   bool           `yaml:"starttls"` // the TLS handshake begins here
}

// A SendText is a Template that may also hold what was captured before: ${match:NAME} for a named group of any
// expect before it, ${match:1} for a group of the last one.
type SendText struct{ Template }

// matchScheme is that of references to captures.
const matchScheme = "match"

// UnmarshalText reads a text with references.
func (s *SendText) UnmarshalText(text []byte) error {
	parts, err := parseTemplate(string(text), matchScheme)
	if err != nil {
		return err
	}
	s.Template = Template{source: string(text), parts: parts}
	return nil
}

// captures are the names of the captures in it.
func (s *SendText) captures() []string {
	var names []string
	for _, p := range s.parts {
		if p.scheme == matchScheme {
			names = append(names, p.name)
		}
	}
	return names
}

// compose looks up the secrets in it; captures are left.
func (s *SendText) compose(w *World, hide *redactor) ([]part, error) {
	secret := func(p part) bool { return p.scheme != "" && p.scheme != matchScheme }
	if !slices.ContainsFunc(s.parts, secret) {
		return s.parts, nil
	}
	parts := slices.Clone(s.parts)
	for i, p := range parts {
		if !secret(p) {
			continue
		}
		text, err := Template{parts: []part{p}}.expand(w, hide)
		if err != nil {
			return nil, err
		}
		parts[i] = part{text: text}
	}
	return parts, nil
}

// Hex is bytes in hexadecimal, "00 0f ff"; in what is expected ?? stands for any byte. The zero value is none.
type Hex struct {
	bytes []byte
	any   []bool // by byte
}

// UnmarshalText reads pairs of digits, with or without blanks between them.
func (h *Hex) UnmarshalText(text []byte) error {
	digits := strings.Join(strings.Fields(string(text)), "")
	if digits == "" || len(digits)%2 != 0 {
		return fmt.Errorf("found %q, wanted bytes in hexadecimal such as \"00 0f ff\"", clip(string(text), 40))
	}
	var x Hex
	for pair := range slices.Chunk([]byte(digits), 2) {
		b := []byte{0}
		if string(pair) != "??" {
			if _, err := hex.Decode(b, pair); err != nil {
				return fmt.Errorf("found %q, wanted two digits from 0 to f for each byte", pair)
			}
		}
		x.bytes, x.any = append(x.bytes, b[0]), append(x.any, string(pair) == "??")
	}
	*h = x
	return nil
}

// Equal reports whether two are the same bytes.
func (h Hex) Equal(o Hex) bool { return h.String() == o.String() }

// MarshalText writes what UnmarshalText reads.
func (h Hex) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// String writes the bytes with blanks between them.
func (h Hex) String() string {
	pairs := make([]string, len(h.bytes))
	for i, b := range h.bytes {
		pairs[i] = fmt.Sprintf("%02x", b)
		if h.any[i] {
			pairs[i] = "??"
		}
	}
	return strings.Join(pairs, " ")
}

// Closing says who ends a connection. The zero value: nobody.
type Closing uint8

// The ways to close.
const (
	NoClosing   Closing = iota
	CloseSend           // we end our side of the connection, and can still read
	CloseExpect         // the target has to end the connection
)

var closingNames = [...]string{NoClosing: "", CloseSend: "send", CloseExpect: "expect"}

// UnmarshalText reads send or expect.
func (c *Closing) UnmarshalText(text []byte) error {
	i := slices.Index(closingNames[:], string(text))
	if i <= 0 {
		return fmt.Errorf("found %q, wanted send (end our side) or expect (the target has to close)", clip(string(text), 40))
	}
	*c = Closing(i)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (c Closing) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String returns the name in the configuration.
func (c Closing) String() string {
	if int(c) < len(closingNames) {
		return closingNames[c]
	}
	return fmt.Sprintf("closing(%d)", uint8(c))
}
