package probe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"time"
	"unicode/utf8"
)

const (
	// maxCapture is how long a captured text may be.
	maxCapture = 1 << 10
	// Matching takes up to the product of an expression's instructions and the length of the text, some 30 ns for each,
	// and cannot be interrupted. So the size of expressions is bounded, and the window of large ones is smaller:
	// trying once takes a tenth of a second at most.
	maxInstructions = 500
	maxWork         = 2 << 20
	// eagerWork is how much is done on every piece that comes. After that a target that sends byte by byte is
	// matched more rarely: when an eighth more has come, or nothing for a while.
	eagerWork = 16 << 20
	quietTime = 100 * time.Millisecond
)

// An expecting waits until what came holds a text, matches an expression, or both.
type expecting struct {
	text     []byte         // nil: none
	re       *regexp.Regexp // nil: none
	cost     int            // instructions of re
	window   int            // how much is looked at
	anchored bool           // re can only match at the beginning
	captures bool           // something sent later holds one
	groups   bool           // captures, or an assertion that may look at them
	keep     bool           // what matched is left for the move that follows
}

// newExpecting prepares an expression. Its error says why it cannot be used.
func newExpecting(re *regexp.Regexp) (*expecting, error) {
	e := &expecting{re: re, cost: 1, window: maxWindow}
	if re == nil {
		return e, nil
	}
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return e, err
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return e, err
	}
	e.cost = len(prog.Inst)
	e.window = min(maxWindow, maxWork/e.cost)
	e.anchored = prog.StartCond()&syntax.EmptyBeginText != 0
	switch {
	case e.cost > maxInstructions:
		return e, fmt.Errorf("found an expression of %d instructions, wanted at most %d", e.cost, maxInstructions)
	case re.MatchString(""):
		return e, errors.New("found an expression that matches before anything has come")
	}
	return e, nil
}

// A search is a move's matching of what has come so far.
type search struct {
	work  int // bytes times instructions
	tried int // length of what was tried last
}

// due reports whether to match now that so much has come.
func (s *search) due(length int, e *expecting) bool {
	if length <= s.tried {
		return false
	}
	return s.work+length*e.cost <= eagerWork || length-s.tried >= length/8
}

func (e *expecting) make(v *conversation) (Reason, error) {
	s := search{}
	v.room = e.window
	for {
		var ended error
		for ended == nil && !s.due(len(v.buf), e) {
			ended = e.more(v, &s)
		}
		// Whatever ended the wait, what has not been tried may match.
		if len(v.buf) > s.tried {
			if r, err := e.try(v, &s); r != ReasonNone || err == nil {
				return r, err
			}
		}
		if ended != nil && !errors.Is(ended, errQuiet) {
			return v.lost(ended, Dialogue)
		}
	}
}

// more reads. Where there is something that was not tried yet it does not wait for long.
func (e *expecting) more(v *conversation, s *search) error {
	if len(v.buf) > s.tried {
		return v.fillWithin(quietTime)
	}
	return v.fill()
}

// errNotYet: what came does not match, and may if more comes.
var errNotYet = errors.New("no match yet")

// try matches what has come. ReasonNone with errNotYet says that more may help.
func (e *expecting) try(v *conversation, s *search) (Reason, error) {
	s.tried = len(v.buf)
	b := v.buf[:min(len(v.buf), e.window)]
	s.work += len(b) * e.cost
	groups, end := e.find(b)
	if end < 0 {
		if e.dead(b) {
			v.hear(v.buf)
			return Dialogue, fmt.Errorf("got %s", v.quote(v.buf))
		}
		return ReasonNone, errNotYet
	}
	v.hear(v.buf[:end])
	v.heard.add(v.move, v.buf[:end], e.re, groups)
	if e.captures {
		if err := v.capture(e.re, groups); err != nil {
			return Dialogue, err
		}
	}
	if !e.keep {
		v.take(end)
	}
	return ReasonNone, nil
}

// find returns the groups of the expression, if they are needed, and where the match ends; less than 0 if there is
// none.
func (e *expecting) find(b []byte) (groups []int, end int) {
	if e.text != nil {
		i := bytes.Index(b, e.text)
		if i < 0 {
			return nil, -1
		}
		end = i + len(e.text)
	}
	if e.re == nil {
		return nil, end
	}
	if e.groups {
		groups = e.re.FindSubmatchIndex(b)
	} else {
		groups = e.re.FindIndex(b)
	}
	if groups == nil {
		return nil, -1
	}
	return groups, max(end, groups[1])
}

// dead reports whether no match can come about, whatever follows: an expression that is bound to the beginning
// gave up before the end.
func (e *expecting) dead(b []byte) bool {
	if !e.anchored {
		return false
	}
	r := &edgeReader{b: b}
	return !e.re.MatchReader(r) && !r.reached
}

// An edgeReader reads runes and remembers whether it was asked for more than there is.
type edgeReader struct {
	b       []byte
	reached bool
}

// ReadRune implements io.RuneReader.
func (r *edgeReader) ReadRune() (rune, int, error) {
	if !utf8.FullRune(r.b) {
		r.reached = true
		return 0, 0, io.EOF
	}
	c, n := utf8.DecodeRune(r.b)
	r.b = r.b[n:]
	return c, n, nil
}

// capture keeps the groups of a match in what came.
func (v *conversation) capture(re *regexp.Regexp, groups []int) error {
	v.numbered = v.numbered[:0]
	for i := 0; i+1 < len(groups); i += 2 {
		text, name := "", re.SubexpNames()[i/2]
		if groups[i] >= 0 {
			text = string(v.buf[groups[i]:groups[i+1]])
		}
		if i > 0 && len(text) > maxCapture {
			return fmt.Errorf("group %d captured %d bytes, wanted at most %d", i/2, len(text), maxCapture)
		}
		v.numbered = append(v.numbered, text)
		if name == "" {
			continue
		}
		if v.named == nil {
			v.named = map[string]string{}
		}
		v.named[name] = text
	}
	return nil
}

// An exactly waits for certain bytes, the next that come. The first that differs ends it.
type exactly struct {
	bytes []byte
	any   []bool // by byte: it may be any; nil: none may
}

func (e *exactly) make(v *conversation) (Reason, error) {
	for {
		n := min(len(v.buf), len(e.bytes))
		for i := range n {
			if v.buf[i] != e.bytes[i] && (e.any == nil || !e.any[i]) {
				v.hear(v.buf)
				return Dialogue, fmt.Errorf("got %s, which differs in byte %d", v.quote(v.buf), i+1)
			}
		}
		if n == len(e.bytes) {
			v.hear(v.buf[:n])
			v.heard.add(v.move, v.buf[:n], nil, nil)
			v.take(n)
			return ReasonNone, nil
		}
		if err := v.fill(); err != nil {
			return v.lost(err, Dialogue)
		}
	}
}

// A sending sends bytes, or the text of a step.
type sending struct {
	bytes []byte // nil: the text
	step  int
}

func (s *sending) make(v *conversation) (Reason, error) {
	b := s.bytes
	if b == nil {
		var err error
		if b, err = v.text(v.sends[s.step]); err != nil {
			return Dialogue, err
		}
	}
	_, err := v.conn.Write(b)
	v.at = time.Now()
	if err != nil {
		// Who will not read may have said why.
		_ = v.fill()
		return v.lost(err, Dialogue)
	}
	v.rec.sent = len(b)
	return ReasonNone, nil
}

// text is what is sent, with captures in it.
func (v *conversation) text(parts []part) ([]byte, error) {
	var b []byte
	for _, p := range parts {
		text := p.text
		if p.scheme == matchScheme {
			text = v.captured(p.name)
		}
		if b = append(b, text...); len(b) > maxSend {
			return nil, fmt.Errorf("with what was captured the text has over %s", Size(maxSend))
		}
	}
	return b, nil
}

// captured is the text of a group that is known to exist; empty if it was no part of the match.
func (v *conversation) captured(name string) string {
	if i, ok := groupNumber(name); ok {
		return v.numbered[i]
	}
	return v.named[name]
}

// A closing ends our side of the connection.
type closing struct{}

func (*closing) make(v *conversation) (Reason, error) {
	half, ok := v.conn.(interface{ CloseWrite() error })
	if !ok {
		return Internal, fmt.Errorf("a connection of type %T cannot be closed by half", v.conn)
	}
	err := half.CloseWrite()
	v.at = time.Now()
	if err != nil {
		return v.lost(err, Dialogue)
	}
	v.rec.note = "done"
	return ReasonNone, nil
}

// A closed waits until the target ends the connection, and reads over what it says until then.
type closed struct{}

func (*closed) make(v *conversation) (Reason, error) {
	for {
		v.hear(v.buf)
		v.take(len(v.buf))
		err := v.fill()
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			v.rec.note = "closed"
		case silenceReason(v.ctx, err) == Reset && v.said:
			v.rec.note = "reset"
		default:
			return v.lost(err, Dialogue)
		}
		v.at = time.Now()
		return ReasonNone, nil
	}
}
