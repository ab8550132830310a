package probe

import (
	"fmt"
	"strconv"
	"strings"
)

// A CodeRange is one HTTP status code, or a range of them with both ends: 204, 200-299.
type CodeRange struct{ From, To int }

// UnmarshalText reads a code or a range.
func (c *CodeRange) UnmarshalText(text []byte) error {
	from, to, isRange := strings.Cut(string(text), "-")
	a, errA := parseCode(from)
	b, errB := a, error(nil)
	if isRange {
		b, errB = parseCode(to)
	}
	switch {
	case errA != nil || errB != nil:
		return fmt.Errorf("%q is no status code or range of them; write 204 or 200-299, between 100 and 599", clip(string(text), 40))
	case b < a:
		return fmt.Errorf("the range %s is empty; write the lower code first", text)
	}
	*c = CodeRange{a, b}
	return nil
}

// parseCode reads three digits. Codes of the first class but 101 never reach a client as an answer.
func parseCode(s string) (int, error) {
	s = strings.TrimSpace(s)
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || len(s) != 3 || n < 100 || n > 599 {
		return 0, fmt.Errorf("no status code: %q", s)
	}
	return int(n), nil
}

// MarshalText writes what UnmarshalText reads.
func (c CodeRange) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String writes 204 or 200-299.
func (c CodeRange) String() string {
	if c.From == c.To {
		return strconv.Itoa(c.From)
	}
	return strconv.Itoa(c.From) + "-" + strconv.Itoa(c.To)
}

func (c CodeRange) has(code int) bool { return c.From <= code && code <= c.To }

// success is the default: any code of the second class.
var success = CodeRange{200, 299}

// inCodes reports whether code is wanted; no ranges at all mean the default.
func inCodes(rs []CodeRange, code int) bool {
	if len(rs) == 0 {
		return success.has(code)
	}
	for _, r := range rs {
		if r.has(code) {
			return true
		}
	}
	return false
}

func codesText(rs []CodeRange) string {
	if len(rs) == 0 {
		return success.String()
	}
	texts := make([]string, len(rs))
	for i, r := range rs {
		texts[i] = r.String()
	}
	return strings.Join(texts, ", ")
}
