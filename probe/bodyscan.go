package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
)

// errTooLarge ends the reading of a body beyond its limit.
var errTooLarge = errors.New("body too large")

// A bodyScan reads one body and remembers what was found in it. It is for one goroutine, and keeps at most
// wholeBody, or what somebody asked for, and what the longest text needs.
type bodyScan struct {
	match *BodyMatch
	src   io.Reader
	ctx   context.Context // ends the matching; nil: nothing does
	left  int64           // bytes until the limit
	size  int64
	err   error // that ended the reading; io.EOF at the end

	keep    int     // how much of the body is kept for a second reader; what matching needs is kept anyway
	head    []byte  // the beginning of the body
	matched bool    // texts and regexes hold for the whole body
	texts   []found // Contains, then NotContains
	regexes []found // Regex, then NotRegex
	tail    []byte  // of what was fed last, so that a text over the border is found
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
	buf := make([]byte, 16<<10)
	if !s.match.any() {
		_, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{s}, buf)
		return
	}
	s.matched = true
	var ps patterns
	ps.begin(s.ctx, s.match.patterns())
	s.feed(s.head)
	ps.feed(s.head)
	for s.err == nil {
		n, _ := s.Read(buf)
		s.feed(buf[:n])
		ps.feed(buf[:n])
	}
	s.regexes = ps.end()
}

// feed looks for the texts in the next piece of the body.
func (s *bodyScan) feed(b []byte) {
	all := s.match.texts()
	if s.texts == nil {
		s.texts = make([]found, len(all))
		for i := range s.texts {
			s.texts[i] = absent
		}
	}
	if len(all) == 0 || len(b) == 0 {
		return
	}
	longest := 0
	joined := append(s.tail, b...)
	for i, text := range all {
		longest = max(longest, len(text))
		if s.texts[i] != present && bytes.Contains(joined, []byte(text)) {
			s.texts[i] = present
		}
	}
	keep := min(max(longest-1, 0), len(joined))
	s.tail = joined[:copy(joined, joined[len(joined)-keep:])]
}

// quickSteps is how many steps of matching are made in one go, some tens of milliseconds at worst. More can be
// interrupted, which takes longer for the same.
const quickSteps = 1 << 22

// finish matches a body that was kept whole. The clock has stopped by now.
func (s *bodyScan) finish() {
	if s.matched || !s.match.any() {
		return
	}
	s.matched = true
	s.feed(s.head)
	if int64(s.match.steps)*int64(len(s.head)) > quickSteps {
		var ps patterns
		ps.begin(s.ctx, s.match.patterns())
		ps.feed(s.head)
		s.regexes = ps.end()
		return
	}
	s.regexes = make([]found, 0, len(s.match.Regex)+len(s.match.NotRegex))
	for _, list := range [...][]*regexp.Regexp{s.match.Regex, s.match.NotRegex} {
		for _, re := range list {
			s.regexes = append(s.regexes, foundIn([][]byte{s.head}, re.Match))
		}
	}
}

// held reports whether the body is as wanted. Attempts that nobody looks at need no more than this.
func (s *bodyScan) held() bool {
	m := s.match
	s.finish()
	if !m.any() {
		return true
	}
	return allAre(s.texts[:len(m.Contains)], present) && allAre(s.texts[len(m.Contains):], absent) &&
		allAre(s.regexes[:len(m.Regex)], present) && allAre(s.regexes[len(m.Regex):], absent)
}

// fault is why held is false.
func (s *bodyScan) fault() error {
	if slices.Contains(s.regexes, undecided) {
		return errors.New("the time was over before the body was matched: the regexes are too dear for it")
	}
	return errors.New("the body is not as wanted")
}

func allAre(fs []found, want found) bool {
	for _, f := range fs {
		if f != want {
			return false
		}
	}
	return true
}

// observe compares what was found with what was wanted, for people.
func (s *bodyScan) observe() []Observation {
	s.finish()
	var obs []Observation
	if s.match.MinSize > 0 {
		obs = append(obs, Observation{
			What: "body.min_size", Want: "at least " + s.match.MinSize.String(), Got: fmt.Sprintf("%d bytes", s.size),
			Held: !s.short(), Reason: TooSmall,
		})
	}
	if !s.match.any() {
		return obs
	}
	note := func(what, want string, wanted, got found) {
		obs = append(obs, Observation{What: what, Want: clip(want, maxLine), Got: got.String(), Held: got == wanted, Reason: Body})
	}
	m := s.match
	for i, text := range m.texts() {
		if i < len(m.Contains) {
			note("body.contains", text, present, s.texts[i])
		} else {
			note("body.not_contains", text, absent, s.texts[i])
		}
	}
	for i, re := range m.patterns() {
		if i < len(m.Regex) {
			note("body.regex", re.String(), present, s.regexes[i])
		} else {
			note("body.not_regex", re.String(), absent, s.regexes[i])
		}
	}
	return obs
}

// short reports a body that ended before it should have.
func (s *bodyScan) short() bool { return s.size < int64(s.match.MinSize) }
