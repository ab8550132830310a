package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// HeaderMatch says what a header of an answer must look like. The zero value wants it to be there. A header can be
// there several times: what is wanted must hold for one of its values, each wish by itself, and what is not wanted for
// none. Values are not taken apart at their commas. Trailers are no headers.
type HeaderMatch struct {
	Equals      string           `yaml:"equals"`       // a value is this, to the letter
	Contains    []string         `yaml:"contains"`     // every one of these is in a value
	NotContains []string         `yaml:"not_contains"` // none of these is in any value
	Regex       []*regexp.Regexp `yaml:"regex"`        // RE2: each of these matches somewhere in a value
	NotRegex    []*regexp.Regexp `yaml:"not_regex"`    // RE2: none of these matches anywhere in any value
	Optional    bool             `yaml:"optional" default:"false"`
	Absent      bool             `yaml:"absent" default:"false"`
}

// UnmarshalText reads the short forms, present and absent.
func (m *HeaderMatch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "present":
		*m = HeaderMatch{}
	case "absent":
		*m = HeaderMatch{Absent: true}
	default:
		return &hinted{
			fmt.Sprintf("found %q, wanted present, absent or a mapping", clip(string(text), 80)),
			"for the text itself write {equals: …}",
		}
	}
	return nil
}

// MarshalText returns the short form, and nothing if there is none.
func (m HeaderMatch) MarshalText() ([]byte, error) {
	switch {
	case m.asks(), m.Optional:
		return nil, nil
	case m.Absent:
		return []byte("absent"), nil
	}
	return []byte("present"), nil
}

// A hinted error knows a way out.
type hinted struct{ message, hint string }

func (e *hinted) Error() string { return e.message }

// Hint returns the way out.
func (e *hinted) Hint() string { return e.hint }

// asks reports whether anything is said about values.
func (m *HeaderMatch) asks() bool {
	return m.Equals != "" || len(m.Contains)+len(m.NotContains)+len(m.Regex)+len(m.NotRegex) > 0
}

// A headerRule is a HeaderMatch and the canonical name of its header.
type headerRule struct {
	name  string
	match HeaderMatch
	steps int // what a byte of a value can cost at most to match with all rules of the table, in instructions; 0: without regexes
}

// takenOff are the headers that net/http takes off an answer before anybody can look.
var takenOff = []string{"Trailer", "Transfer-Encoding"}

// headerRules prepares the matches of a table, by name; field is the key of the table.
func headerRules(field string, table map[string]HeaderMatch) ([]headerRule, []Problem) {
	rules := make([]headerRule, 0, len(table))
	var ps []Problem
	for _, name := range slices.Sorted(maps.Keys(table)) {
		m := table[name]
		at, canonical := field+"."+name, http.CanonicalHeaderKey(name)
		switch {
		case !isToken(name):
			ps = append(ps, Problem{Field: field, Message: fmt.Sprintf("%q is no name of a header", clip(name, 80))})
			continue
		case slices.Contains(takenOff, canonical):
			ps = append(ps, Problem{Field: at, Message: "this header is about the connection, and is gone before it can be looked at"})
		case slices.ContainsFunc(rules, func(r headerRule) bool { return r.name == canonical }):
			ps = append(ps, Problem{Field: at, Message: "the header is there twice, in different spelling"})
		}
		more, steps := m.validate(at)
		ps = append(ps, more...)
		rules = append(rules, headerRule{canonical, m, steps})
	}
	shareSteps(rules)
	slices.SortFunc(rules, func(a, b headerRule) int { return strings.Compare(a.name, b.name) })
	return rules, ps
}

// shareSteps makes what is matched in one go bounded for all rules together.
func shareSteps(rules []headerRule) {
	all := 0
	for _, r := range rules {
		all += r.steps
	}
	for i := range rules {
		if rules[i].steps > 0 {
			rules[i].steps = all
		}
	}
}

// validate reports faults, and what the regexes cost for each byte of a value.
func (m *HeaderMatch) validate(field string) (ps []Problem, steps int) {
	switch {
	case m.Absent && (m.asks() || m.Optional):
		ps = append(ps, Problem{Field: field, Message: "absent is wanted together with other things, which then have nothing to hold for"})
	case m.Optional && !m.asks():
		ps = append(ps, Problem{Field: field, Message: "found optional: true alone, which wants nothing", Hint: "say what it must be if it is there, or leave it out"})
	}
	if slices.Contains(m.Contains, "") || slices.Contains(m.NotContains, "") {
		ps = append(ps, Problem{Field: field, Message: "found an empty text, which every value contains"})
	}
	yes, a := checkRegexes(field+".regex", m.Regex)
	no, b := checkRegexes(field+".not_regex", m.NotRegex)
	ps = append(append(ps, yes...), no...)
	return append(ps, bothWays(field, m.Regex, m.NotRegex)...), a + b
}

// headersHold reports whether all headers are as wanted. Matching ends with ctx.
func headersHold(ctx context.Context, rules []headerRule, h http.Header) bool {
	for i := range rules {
		if what, _ := rules[i].broken(ctx, h); what != "" {
			return false
		}
	}
	return true
}

// broken returns what does not hold, as a key of HeaderMatch, and what was wanted; empty if all of it holds.
func (r *headerRule) broken(ctx context.Context, h http.Header) (what, want string) {
	values, there := h[r.name]
	m := &r.match
	switch {
	case m.Absent && there:
		return "absent", "none"
	case m.Absent, m.Optional && !there:
		return "", ""
	case !there:
		return "present", "the header"
	case m.Equals != "" && !slices.Contains(values, m.Equals):
		return "equals", m.Equals
	}
	if what, want = m.brokenText(values); what != "" {
		return what, want
	}
	return r.brokenRegex(ctx, values)
}

func (m *HeaderMatch) brokenText(values []string) (what, want string) {
	has := func(text string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, text) })
	}
	for _, text := range m.Contains {
		if !has(text) {
			return "contains", text
		}
	}
	for _, text := range m.NotContains {
		if has(text) {
			return "not_contains", text
		}
	}
	return "", ""
}

func (r *headerRule) brokenRegex(ctx context.Context, values []string) (what, want string) {
	if r.steps == 0 {
		return "", ""
	}
	matches := r.matcher(ctx, values)
	for _, re := range r.match.Regex {
		if matches(re) != present {
			return "regex", re.String()
		}
	}
	for _, re := range r.match.NotRegex {
		if matches(re) != absent {
			return "not_regex", re.String()
		}
	}
	return "", ""
}

// matcher returns what looks for a regex in the values: in one go, or so that it ends with ctx if it could take long.
func (r *headerRule) matcher(ctx context.Context, values []string) func(*regexp.Regexp) found {
	bytes := 0
	for _, v := range values {
		bytes += len(v) + 1
	}
	if int64(r.steps)*int64(bytes) <= quickSteps {
		return func(re *regexp.Regexp) found { return foundIn(values, re.MatchString) }
	}
	return func(re *regexp.Regexp) found {
		for _, v := range values {
			var ps patterns
			ps.begin(ctx, []*regexp.Regexp{re})
			ps.feed([]byte(v))
			if f := ps.end()[0]; f != absent {
				return f
			}
		}
		return absent
	}
}

// observe compares a header with what is wanted, for people. One line tells all of what holds, or what does not.
func (r *headerRule) observe(ctx context.Context, h http.Header, hide *redactor) Observation {
	o := Observation{What: "header." + r.name, Want: r.match.String(), Got: "none", Held: true, Reason: Header}
	if what, want := r.broken(ctx, h); what != "" {
		o.Held = false
		o.What += "." + what
		o.Want = clip(want, maxLine)
	}
	if values := h[r.name]; len(values) > 0 {
		o.Got = strings.Join(values[:min(len(values), maxHeaders)], "; ")
		switch {
		case slices.Contains(sensitive, r.name):
			o.Got = redacted
		case o.Got == "":
			o.Got = "an empty value"
		}
		// Cleaned before it is cut: half a secret would not be recognised.
		o.Got = clip(hide.clean(o.Got), maxLine)
	}
	return o
}

// String says what is wanted, for people.
func (m *HeaderMatch) String() string {
	var all []string
	if m.Equals != "" {
		all = append(all, "equals "+m.Equals)
	}
	for _, list := range []struct {
		word string
		what []string
	}{
		{"contains", m.Contains}, {"not_contains", m.NotContains}, {"regex", regexTexts(m.Regex)}, {"not_regex", regexTexts(m.NotRegex)},
	} {
		for _, s := range list.what {
			all = append(all, list.word+" "+s)
		}
	}
	switch {
	case m.Absent:
		return "none"
	case len(all) == 0:
		return "the header"
	case m.Optional:
		all = append(all, "or none")
	}
	return clip(strings.Join(all, ", "), maxLine)
}

func regexTexts(res []*regexp.Regexp) []string {
	texts := make([]string, len(res))
	for i, re := range res {
		texts[i] = re.String()
	}
	return texts
}

// headerFault is what headersHold found.
func (x *exchange) headerFault() error {
	for _, r := range x.h.ready.header {
		if what, want := r.broken(x.ctx, x.resp.Header); what != "" {
			return fmt.Errorf("header %s: %s %s does not hold", r.name, what, clip(want, 80))
		}
	}
	return errors.New("a header is not as wanted")
}
