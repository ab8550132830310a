package probe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// BodyMatch says what the body of an answer must look like. The zero value accepts every body of at most
// 1 MiB.
type BodyMatch struct {
	Contains    []string       `yaml:"contains"`     // every one of them
	NotContains []string       `yaml:"not_contains"` // none of them
	Regex       *regexp.Regexp `yaml:"regex"`        // RE2, anywhere in the body
	MaxSize     Size           `yaml:"max_size" default:"1MiB"`
}

const (
	defaultMaxSize = 1 << 20
	// wholeBody is how much of a body is kept to be matched when it has been read to its end, so that
	// matching is no part of the latency. Longer bodies are matched as they stream.
	wholeBody = 64 << 10
	maxNeedle = 16 << 10
)

func (m *BodyMatch) limit() int64 {
	if m.MaxSize == 0 {
		return defaultMaxSize
	}
	return int64(m.MaxSize)
}

func (m *BodyMatch) any() bool {
	return len(m.Contains)+len(m.NotContains) > 0 || m.Regex != nil
}

func (m *BodyMatch) validate() []Problem {
	var ps []Problem
	if m.MaxSize < 0 {
		ps = append(ps, Problem{Field: "body.max_size", Message: "found a negative size, wanted 0 or more"})
	}
	for _, list := range []struct {
		field string
		texts []string
	}{{"body.contains", m.Contains}, {"body.not_contains", m.NotContains}} {
		for _, s := range list.texts {
			switch {
			case s == "":
				ps = append(ps, Problem{Field: list.field, Message: "found an empty text, which every body contains"})
			case len(s) > maxNeedle:
				ps = append(ps, Problem{Field: list.field, Message: fmt.Sprintf("found a text of %d bytes, wanted at most %d", len(s), maxNeedle)})
			case int64(len(s)) > m.limit():
				ps = append(ps, Problem{Field: list.field, Message: fmt.Sprintf("found a text of %d bytes, longer than body.max_size (%s)", len(s), Size(m.limit()))})
			}
		}
	}
	for _, s := range m.Contains {
		for _, n := range m.NotContains {
			if n != "" && strings.Contains(s, n) {
				ps = append(ps, Problem{Field: "body", Message: fmt.Sprintf("contains %q and not_contains %q cannot both hold", clip(s, 80), clip(n, 80))})
			}
		}
	}
	return ps
}

// errTooLarge ends the reading of a body beyond its limit.
var errTooLarge = errors.New("body too large")

// A bodyScan reads one body and remembers what was found in it. It is for one goroutine, and keeps at most
// wholeBody and what the longest text needs.
type bodyScan struct {
	match *BodyMatch
	src   io.Reader
	left  int64 // bytes until the limit
	size  int64
	err   error // that ended the reading; io.EOF at the end

	keep    int    // how much of the body is kept for a second reader; what matching needs is kept anyway
	head    []byte // the beginning of the body
	matched bool   // found and regex hold for the whole body
	found   []bool // by text: Contains, then NotContains
	regex   bool
	tail    []byte // of what was fed last, so that a text over the border is found
}

// newBodyScan prepares reading; hint is the length that the answer announces, or less than zero.
func newBodyScan(m *BodyMatch, src io.Reader, hint int64) *bodyScan {
	s := &bodyScan{match: m, src: src, left: m.limit()}
	size := int64(2048)
	if hint >= 0 {
		size = min(hint+1, 32<<10)
	}
	s.head = make([]byte, 0, min(size, s.left+1))
	return s
}

// read reads to the end of the body or the limit. Matching a body of up to wholeBody is left to finish.
// It returns nil, errTooLarge, or what broke off the reading.
func (s *bodyScan) read() error {
	keep := max(maxBody, s.keep)
	if s.match.any() {
		keep = max(wholeBody, s.keep)
	}
	for len(s.head) < keep && s.err == nil {
		s.grow(keep)
		n, _ := s.Read(s.head[len(s.head):cap(s.head)])
		s.head = s.head[:len(s.head)+n]
	}
	if s.err == nil {
		s.stream()
	}
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

// kept returns the beginning of the body, at least the bytes that were to be kept, and whether that is all of it. Whoever
// reads it must not change it.
func (s *bodyScan) kept() (body []byte, whole bool) {
	return s.head, errors.Is(s.err, io.EOF) && s.size == int64(len(s.head))
}

// grow makes room at the end of head, by doubling, so that memory follows what has really come.
func (s *bodyScan) grow(keep int) {
	if len(s.head) == cap(s.head) {
		bigger := make([]byte, len(s.head), min(max(2*cap(s.head), 512), max(keep, cap(s.head)+512)))
		copy(bigger, s.head)
		s.head = bigger
	}
}

// Read reads from the body and counts. An error is remembered.
func (s *bodyScan) Read(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.src.Read(b)
	s.size += int64(n)
	if s.left -= int64(n); s.left < 0 {
		err = errTooLarge
	}
	s.err = err
	return n, err
}

// stream reads what comes after head, and matches while reading.
func (s *bodyScan) stream() {
	if !s.match.any() {
		_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{s}, make([]byte, 16<<10))
		return
	}
	s.matched = true
	s.feed(s.head)
	rest := &feeder{s}
	if s.match.Regex != nil {
		s.regex = s.match.Regex.MatchReader(bufio.NewReaderSize(io.MultiReader(bytes.NewReader(s.head), rest), 16<<10))
	}
	_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{rest}, make([]byte, 16<<10))
}

// A feeder looks for texts in what is read through it.
type feeder struct{ s *bodyScan }

func (f *feeder) Read(b []byte) (int, error) {
	n, err := f.s.Read(b)
	f.s.feed(b[:n])
	return n, err
}

// feed looks for the texts in the next piece of the body.
func (s *bodyScan) feed(b []byte) {
	if s.found == nil {
		s.found = make([]bool, len(s.match.Contains)+len(s.match.NotContains))
	}
	if len(s.found) == 0 || len(b) == 0 {
		return
	}
	longest := 0
	joined := append(s.tail, b...)
	for i, text := range s.texts() {
		longest = max(longest, len(text))
		s.found[i] = s.found[i] || bytes.Contains(joined, []byte(text))
	}
	keep := min(max(longest-1, 0), len(joined))
	s.tail = joined[:copy(joined, joined[len(joined)-keep:])]
}

func (s *bodyScan) texts() []string {
	if len(s.match.NotContains) == 0 {
		return s.match.Contains
	}
	return append(s.match.Contains[:len(s.match.Contains):len(s.match.Contains)], s.match.NotContains...)
}

// finish matches a body that was kept whole. The clock has stopped by now.
func (s *bodyScan) finish() {
	if s.matched || !s.match.any() {
		return
	}
	s.matched = true
	s.feed(s.head)
	s.regex = s.match.Regex != nil && s.match.Regex.Match(s.head)
}

// observe compares what was found with what was wanted; ok tells whether all of it held.
func (s *bodyScan) observe() (obs []Observation, ok bool) {
	s.finish()
	ok = true
	note := func(what, want string, held bool, got string) {
		ok = ok && held
		obs = append(obs, Observation{What: what, Want: clip(want, maxLine), Got: got, Held: held, Reason: Body})
	}
	says := map[bool]string{true: "found", false: "not found"}
	for i, text := range s.match.Contains {
		note("body.contains", text, s.was(i), says[s.was(i)])
	}
	for i, text := range s.match.NotContains {
		there := s.was(len(s.match.Contains) + i)
		note("body.not_contains", text, !there, says[there])
	}
	if s.match.Regex != nil {
		note("body.regex", s.match.Regex.String(), s.regex, map[bool]string{true: "matches", false: "no match"}[s.regex])
	}
	return obs, ok
}

// was reports whether text i was found; in a body that never began nothing was.
func (s *bodyScan) was(i int) bool { return i < len(s.found) && s.found[i] }

// held is observe for the many attempts that nobody looks at.
func (s *bodyScan) held() bool {
	if !s.match.any() {
		return true
	}
	s.finish()
	for i := range s.match.Contains {
		if !s.was(i) {
			return false
		}
	}
	for i := range s.match.NotContains {
		if s.was(len(s.match.Contains) + i) {
			return false
		}
	}
	return s.match.Regex == nil || s.regex
}
