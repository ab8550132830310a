package probe

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// A RecordMatch says what a record must be. Its short form is the data in the form of a zone file: "192.0.2.10",
// "10 mail.example.com.", "v=spf1 -all". Case, root dots and the spelling of addresses do not matter; for TXT the strings
// of a record are joined and everything matters. The long form is a mapping; all of what it says must hold.
type RecordMatch struct {
	Type  RRType         `yaml:"type"` // zero: any
	Name  string         `yaml:"name"` // whose record it is; empty: anybody's
	TTL   TTLRange       `yaml:"ttl"`
	Data  string         `yaml:"data"`
	Regex *regexp.Regexp `yaml:"regex"` // RE2, anywhere in the data

	data  string // as it is compared, made by validate
	owner string
	steps int // what a byte can cost at most to match, in instructions
}

// Data returns matches of records by their data.
func Data(texts ...string) []RecordMatch {
	ms := make([]RecordMatch, len(texts))
	for i, s := range texts {
		ms[i].Data = s
	}
	return ms
}

// UnmarshalText reads the short form.
func (m *RecordMatch) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return fmt.Errorf("found an empty text, wanted the data of a record")
	}
	*m = RecordMatch{Data: string(text)}
	return nil
}

// MarshalText writes the short form; it is empty for a match that has none.
func (m RecordMatch) MarshalText() ([]byte, error) {
	if m.onlyData() {
		return []byte(m.Data), nil
	}
	return nil, nil
}

func (m *RecordMatch) onlyData() bool {
	return m.Type == 0 && m.Name == "" && !m.TTL.Set && m.Regex == nil
}

// String is the match for people.
func (m *RecordMatch) String() string {
	if m.onlyData() {
		return m.Data
	}
	var parts []string
	if m.Name != "" {
		parts = append(parts, m.Name)
	}
	if m.TTL.Set {
		parts = append(parts, "ttl "+m.TTL.String())
	}
	if m.Type != 0 {
		parts = append(parts, m.Type.String())
	}
	if m.Data != "" {
		parts = append(parts, m.Data)
	}
	if m.Regex != nil {
		parts = append(parts, "/"+m.Regex.String()+"/")
	}
	return strings.Join(parts, " ")
}

// validate prepares the match and reports its faults.
func (m *RecordMatch) validate(field string) []Problem {
	var ps []Problem
	if m.onlyData() && m.Data == "" {
		ps = append(ps, Problem{Field: field, Message: "found an empty text, wanted the data of a record"})
	}
	if m.Name != "" {
		if _, ok := dns.IsDomainName(m.Name); !ok {
			ps = append(ps, Problem{Field: field + ".name", Message: fmt.Sprintf("found %q, wanted a domain name", clip(m.Name, 80))})
		}
		m.owner = dns.CanonicalName(m.Name)
	}
	m.data = normalData(m.Data)
	if m.Regex != nil {
		var more []Problem
		more, m.steps = checkRegexes(field+".regex", []*regexp.Regexp{m.Regex})
		ps = append(ps, more...)
	}
	return ps
}

// fits reports whether all but the regex holds of a record.
func (m *RecordMatch) fits(d *datum) bool {
	h := d.rr.Header()
	switch {
	case m.Type != 0 && uint16(m.Type) != h.Rrtype,
		m.owner != "" && m.owner != dns.CanonicalName(h.Name),
		m.TTL.Set && !m.TTL.has(h.Ttl),
		m.Data != "" && !m.isData(d):
		return false
	}
	return true
}

func (m *RecordMatch) isData(d *datum) bool {
	if d.exact {
		return m.Data == d.text || m.Data == d.shown
	}
	return m.data == d.text
}

// A TTLRange is the times to live that will do, in seconds, both ends included. It is written 60s-1d, 60s- (at least), -1d
// (at most) or 1h (exactly). The zero value is any.
type TTLRange struct {
	From, To uint32
	Set      bool // that there is a range
}

// longestTTL is the largest value that a record can have, in seconds (RFC 2181, section 8).
const longestTTL = 1<<31 - 1

func (r TTLRange) has(ttl uint32) bool { return r.From <= ttl && ttl <= r.To }

// UnmarshalText reads a range.
func (r *TTLRange) UnmarshalText(text []byte) error {
	from, to, isRange := strings.Cut(string(text), "-")
	if !isRange {
		to = from
	}
	out := TTLRange{To: longestTTL, Set: true}
	okFrom, okTo := true, true
	if from != "" {
		out.From, okFrom = parseTTL(from)
	}
	if to != "" {
		out.To, okTo = parseTTL(to)
	}
	switch {
	case !okFrom || !okTo || from+to == "":
		return fmt.Errorf("%q is no range of times to live; write it like 60s-1d, 60s-, -1d or 1h", clip(string(text), 40))
	case out.From > out.To:
		return fmt.Errorf("the range %s is empty; write the shorter time first", text)
	}
	*r = out
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (r TTLRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns the range as it is configured.
func (r TTLRange) String() string {
	switch {
	case !r.Set:
		return ""
	case r.From == r.To:
		return formatTTL(r.From)
	case r.To == longestTTL:
		return formatTTL(r.From) + "-"
	case r.From == 0:
		return "-" + formatTTL(r.To)
	}
	return formatTTL(r.From) + "-" + formatTTL(r.To)
}

var ttlUnits = [...]struct {
	name    string
	seconds uint32
}{{"w", 604800}, {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}

// parseTTL reads whole numbers with units, the longest first: 1h30m.
func parseTTL(s string) (uint32, bool) {
	sum := uint64(0)
	for _, u := range ttlUnits {
		digits, rest, ok := strings.Cut(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			return 0, false
		}
		sum, s = sum+n*uint64(u.seconds), rest
		if s == "" {
			return uint32(min(sum, longestTTL)), sum <= longestTTL
		}
	}
	return 0, false
}

func formatTTL(ttl uint32) string {
	if ttl == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range ttlUnits {
		if n := ttl / u.seconds; n > 0 {
			b.WriteString(strconv.FormatUint(uint64(n), 10) + u.name)
			ttl %= u.seconds
		}
	}
	return b.String()
}
