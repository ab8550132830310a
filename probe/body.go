package probe

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// BodyMatch says what the body of an answer must look like. The zero value accepts every body of at most
// 1 MiB.
type BodyMatch struct {
	Contains    []string         `yaml:"contains"`     // every one of them
	NotContains []string         `yaml:"not_contains"` // none of them
	Regex       []*regexp.Regexp `yaml:"regex"`        // RE2: each of them matches somewhere in the body
	NotRegex    []*regexp.Regexp `yaml:"not_regex"`    // RE2: none of them matches anywhere
	MinSize     Size             `yaml:"min_size"`     // a shorter body is too_small
	MaxSize     Size             `yaml:"max_size" default:"1MiB"`

	steps int // what a byte of the body can cost at most to match, in instructions; set by validate
}

const (
	defaultMaxSize = 1 << 20
	// wholeBody is how much of a body is kept to be matched when it has been read to its end, so that
	// matching is no part of the latency. Longer bodies are matched as they stream.
	wholeBody = 64 << 10
	maxNeedle = 16 << 10
	// maxProgram is how many instructions a regex may compile to. Matching takes time in proportion to them
	// for each byte, and a target chooses its bytes.
	maxProgram = 10_000
)

func (m *BodyMatch) limit() int64 {
	if m.MaxSize == 0 {
		return defaultMaxSize
	}
	return int64(m.MaxSize)
}

func (m *BodyMatch) any() bool {
	return len(m.Contains)+len(m.NotContains)+len(m.Regex)+len(m.NotRegex) > 0
}

// texts are those to look for, Contains first.
func (m *BodyMatch) texts() []string {
	if len(m.NotContains) == 0 {
		return m.Contains
	}
	return append(m.Contains[:len(m.Contains):len(m.Contains)], m.NotContains...)
}

// patterns are the regexes to match, Regex first.
func (m *BodyMatch) patterns() []*regexp.Regexp {
	return append(m.Regex[:len(m.Regex):len(m.Regex)], m.NotRegex...)
}

func (m *BodyMatch) validate() []Problem {
	ps := m.checkSizes()
	ps = append(ps, m.checkTexts("body.contains", m.Contains)...)
	ps = append(ps, m.checkTexts("body.not_contains", m.NotContains)...)
	m.steps = 0
	for _, list := range []struct {
		field string
		regex []*regexp.Regexp
	}{{"body.regex", m.Regex}, {"body.not_regex", m.NotRegex}} {
		more, steps := checkRegexes(list.field, list.regex)
		ps = append(ps, more...)
		m.steps += steps
	}
	for _, s := range m.Contains {
		for _, n := range m.NotContains {
			if n != "" && strings.Contains(s, n) {
				ps = append(ps, Problem{Field: "body", Message: fmt.Sprintf("contains %q and not_contains %q cannot both hold", clip(s, 80), clip(n, 80))})
			}
		}
	}
	return append(ps, bothWays("body", m.Regex, m.NotRegex)...)
}

func (m *BodyMatch) checkSizes() []Problem {
	var ps []Problem
	if m.MaxSize < 0 {
		ps = append(ps, Problem{Field: "body.max_size", Message: "found a negative size, wanted 0 or more"})
	}
	switch {
	case m.MinSize < 0:
		ps = append(ps, Problem{Field: "body.min_size", Message: "found a negative size, wanted 0 or more"})
	case m.MinSize > 0 && int64(m.MinSize) > m.limit():
		ps = append(ps, Problem{
			Field: "body.min_size", Message: fmt.Sprintf("found %s, more than body.max_size (%s)", m.MinSize, Size(m.limit())),
			Hint: "raise max_size, which is 1MiB if it is left out",
		})
	}
	return ps
}

func (m *BodyMatch) checkTexts(field string, texts []string) []Problem {
	var ps []Problem
	for _, s := range texts {
		switch {
		case s == "":
			ps = append(ps, Problem{Field: field, Message: "found an empty text, which every body contains"})
		case len(s) > maxNeedle:
			ps = append(ps, Problem{Field: field, Message: fmt.Sprintf("found a text of %d bytes, wanted at most %d", len(s), maxNeedle)})
		case int64(len(s)) > m.limit():
			ps = append(ps, Problem{Field: field, Message: fmt.Sprintf("found a text of %d bytes, longer than body.max_size (%s)", len(s), Size(m.limit()))})
		}
	}
	return ps
}

// checkRegexes reports regexes that are there without a text or cost too much, and what all of them cost a byte.
func checkRegexes(field string, res []*regexp.Regexp) (ps []Problem, steps int) {
	for _, re := range res {
		n := programSize(re)
		switch {
		case re.String() == "":
			ps = append(ps, Problem{Field: field, Message: "found an empty regex, which matches everything"})
		case n > maxProgram:
			ps = append(ps, Problem{
				Field: field, Message: fmt.Sprintf("found a regex that compiles to %d instructions, wanted at most %d: %s", n, maxProgram, clip(re.String(), 80)),
				Hint: "each of them may cost time for each byte of the answer; use smaller repetitions",
			})
		}
		steps += n
	}
	return ps, steps
}

// programSize is how many instructions a regex compiles to.
func programSize(re *regexp.Regexp) int {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return 0 // it has been compiled already
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0
	}
	return len(prog.Inst)
}

// bothWays reports regexes that shall match and not match.
func bothWays(field string, yes, no []*regexp.Regexp) []Problem {
	var ps []Problem
	for _, re := range yes {
		if slices.ContainsFunc(no, func(n *regexp.Regexp) bool { return n.String() == re.String() }) {
			ps = append(ps, Problem{Field: field, Message: fmt.Sprintf("regex and not_regex %q cannot both hold", clip(re.String(), 80))})
		}
	}
	return ps
}
