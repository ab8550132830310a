package probe

import (
	"context"
	"io"
	"iter"
	"regexp"
	"slices"
	"sync/atomic"
	"unicode/utf8"
)

// found is what came of looking for something.
type found uint8

const (
	undecided found = iota // the time was over first
	absent
	present
)

// String says what was found, for people.
func (f found) String() string {
	return [...]string{"not decided in time", "not found", "found"}[f]
}

// foundIn looks in texts, in one go.
func foundIn[T any](texts []T, matches func(T) bool) found {
	if slices.ContainsFunc(texts, matches) {
		return present
	}
	return absent
}

// A pattern matches one regex against a text that comes in pieces, and keeps none of them. Package regexp asks
// for a text and cannot be fed one, so the matching is a coroutine, which sleeps while there is no piece. It ends
// early when its time is over: RE2 takes linear time, and a text can be long. It is for one goroutine, which
// calls end.
type pattern struct {
	re    *regexp.Regexp
	over  *atomic.Bool // the time is
	piece []byte       // not read yet; between pieces no more than the beginning of a rune
	room  []byte       // for a piece after the beginning of a rune
	last  bool         // no piece follows
	found found

	sleep func(struct{}) bool // until there is more
	wake  func() (struct{}, bool)
	stop  func()
}

func newPattern(re *regexp.Regexp, over *atomic.Bool) *pattern {
	p := &pattern{re: re, over: over}
	p.wake, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		p.sleep = yield
		switch {
		case p.re.MatchReader(p):
			p.found = present
		case !p.over.Load():
			p.found = absent
		}
	})
	return p
}

// feed matches the next piece, and does not keep it.
func (p *pattern) feed(piece []byte) {
	if p.last || len(piece) == 0 {
		return
	}
	if len(p.piece) > 0 {
		p.room = append(append(p.room[:0], p.piece...), piece...)
		piece = p.room
	}
	p.piece = piece
	if _, asleep := p.wake(); !asleep {
		p.last, p.piece = true, nil // it knows enough
		return
	}
	p.piece = append([]byte(nil), p.piece...) // nothing of the caller's is kept
}

// end says that no piece follows, and returns what was found.
func (p *pattern) end() found {
	if !p.last {
		p.last = true
		p.wake()
	}
	p.stop()
	return p.found
}

// ReadRune implements io.RuneReader for the regex.
func (p *pattern) ReadRune() (rune, int, error) {
	for !utf8.FullRune(p.piece) && !p.last {
		if !p.sleep(struct{}{}) {
			return 0, 0, io.EOF
		}
	}
	if len(p.piece) == 0 || p.over.Load() {
		return 0, 0, io.EOF
	}
	r, n := utf8.DecodeRune(p.piece)
	p.piece = p.piece[n:]
	return r, n, nil
}

// Patterns are all regexes that one text is matched against, in the order of their list.
type patterns struct {
	list  []*pattern
	over  atomic.Bool
	quiet func() bool
}

// begin prepares to match until ctx ends; nil never does.
func (ps *patterns) begin(ctx context.Context, res []*regexp.Regexp) {
	if ctx != nil {
		ps.over.Store(ctx.Err() != nil)
		ps.quiet = context.AfterFunc(ctx, func() { ps.over.Store(true) })
	}
	for _, re := range res {
		ps.list = append(ps.list, newPattern(re, &ps.over))
	}
}

func (ps *patterns) feed(piece []byte) {
	for _, p := range ps.list {
		p.feed(piece)
	}
}

func (ps *patterns) end() []found {
	all := make([]found, len(ps.list))
	for i, p := range ps.list {
		all[i] = p.end()
	}
	if ps.quiet != nil {
		ps.quiet()
	}
	return all
}
