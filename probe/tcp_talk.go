package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	// maxWindow is how much one move reads, and how much of what came is kept for matching.
	maxWindow = 64 << 10
	// maxHeard is how much of what a move got is kept for people.
	maxHeard = 256
)

// A move is one part of what happens on a connection.
type move struct {
	what string // as in the configuration: "dialogue[2].expect"
	want string // for people, bounded
	maker
}

// A maker makes a move. It returns ReasonNone and nil if all went as wanted.
type maker interface {
	make(v *conversation) (Reason, error)
}

// A record is what a move came to.
type record struct {
	took  time.Duration
	heard []byte // the beginning of what was got, with room for a secret across the cut
	note  string // in place of that
	sent  int    // bytes
}

// A conversation is one attempt of a TCP that has moves. It is for one goroutine.
type conversation struct {
	c        *TCP
	ctx      context.Context
	t        *trail
	hide     *redactor
	config   *tls.Config // nil: none
	conn     net.Conn    // TLS once it is spoken
	tls      *handshake
	sends    [][]part  // by step, with secrets
	buf      []byte    // what came and is not matched yet, at most maxWindow
	left     int       // bytes that the running move may still read
	room     int       // how many of them it keeps at a time
	at       time.Time // when something last came or went
	said     bool      // the target has said something, other than in a handshake
	numbered []string  // captures of the last expect
	named    map[string]string
	rec      *record // of the running move
	move     int     // the running move
	records  []record
	failed   bool     // the last one
	heard    *hearing // nil: nobody asks for it
}

// converse is Attempt for a TCP with moves.
func (c *TCP) converse(ctx context.Context, w *World) Attempt {
	var hide redactor
	sends, err := c.compose(w, &hide)
	config := c.ready.tls
	if err == nil {
		config, err = w.equip(config)
	}
	t := begin(w, c.ready.to.host, c.IP)
	if err != nil {
		t.fail(Secret, err)
		t.explain(&hide)
		return t.finish()
	}
	v := &conversation{c: c, ctx: ctx, t: t, hide: &hide, sends: sends, config: config}
	if l := t.reach(ctx, "tcp", c.ready.to); l != nil {
		v.conn = l.conn
		v.hold()
	}
	t.leave()
	if t.a.Reason == ReasonNone {
		t.a.Answered = true
		if v.tls != nil && c.TLS != nil {
			t.checkDays(c.TLS, v.tls)
		}
		t.hold(ctx, seen{tls: v.tls, talk: v, hide: &hide})
	}
	v.describe()
	return t.finish()
}

// compose looks up the secrets in all that is sent.
func (c *TCP) compose(w *World, hide *redactor) ([][]part, error) {
	if len(c.Dialogue) == 0 {
		return nil, nil
	}
	sends := make([][]part, len(c.Dialogue))
	for i := range c.Dialogue {
		parts, err := c.Dialogue[i].Send.compose(w, hide)
		if err != nil {
			return nil, fmt.Errorf("dialogue[%d].send: %w", i, err)
		}
		sends[i] = parts
	}
	return sends, nil
}

// hold makes the moves until one fails, each in a phase. The last phase ends when the last byte came or went:
// matching it is no latency.
func (v *conversation) hold() {
	moves := v.c.ready.moves
	v.records = make([]record, len(moves))
	if v.c.ready.heeds {
		v.heard = &hearing{texts: make([]heardText, len(moves))}
	}
	for i := range moves {
		start := time.Now()
		v.at, v.left, v.room, v.rec, v.move = start, maxWindow, maxWindow, &v.records[i], i
		switch moves[i].maker.(type) {
		case *securing, *refusal: // enter a phase of their own
		default:
			v.t.enterAt(PhaseExchange, start)
		}
		r, err := moves[i].make(v)
		v.rec.took = v.at.Sub(start)
		if r != ReasonNone {
			v.records, v.failed = v.records[:i+1], true
			v.t.fail(r, fmt.Errorf("%s: %w", moves[i].what, err))
			break
		}
	}
	v.t.leaveAt(v.at.Sub(v.t.a.Start))
}

var (
	// errFull ends the reading of a move that has read all it may.
	errFull = errors.New("more came than is looked at")
	// errQuiet: for a while nothing came.
	errQuiet = errors.New("nothing came for a while")
)

// fill reads what comes next, at least one byte.
func (v *conversation) fill() error {
	room := min(v.left, v.room-len(v.buf))
	if room <= 0 {
		return errFull
	}
	if len(v.buf) == cap(v.buf) {
		bigger := make([]byte, len(v.buf), min(max(2*len(v.buf), 1<<10), maxWindow))
		copy(bigger, v.buf)
		v.buf = bigger
	}
	n, err := v.conn.Read(v.buf[len(v.buf):min(cap(v.buf), len(v.buf)+room)])
	if n > 0 {
		v.at = time.Now()
		v.buf, v.left = v.buf[:len(v.buf)+n], v.left-n
		v.said, v.t.a.Answered = true, true
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// fillWithin is fill, and errQuiet if nothing comes for a time.
func (v *conversation) fillWithin(d time.Duration) error {
	deadline, limited := v.ctx.Deadline()
	until := time.Now().Add(d)
	if limited && deadline.Before(until) {
		return v.fill()
	}
	_ = v.conn.SetReadDeadline(until) // an unusable connection shows when it is read
	err := v.fill()
	_ = v.conn.SetReadDeadline(deadline)
	if err != nil && v.ctx.Err() == nil && isTimeout(v.ctx, err) {
		return errQuiet
	}
	return err
}

// take removes the first n bytes of what came.
func (v *conversation) take(n int) {
	if n == len(v.buf) {
		v.buf = v.buf[:0] // the room is used again
		return
	}
	v.buf = v.buf[n:]
}

// hear keeps the beginning of what a move got.
func (v *conversation) hear(b []byte) {
	v.rec.heard = append(v.rec.heard[:0], b[:min(len(b), maxHeard+v.hide.longest+1)]...)
}

// quote is a text of the target's for people. It is cleaned before it is cut, and what may be half a secret at the
// end is dropped.
func (v *conversation) quote(b []byte) string {
	whole, most := len(b), maxHeard+v.hide.longest
	text := v.hide.clean(string(b[:min(whole, most)]))
	if whole > most {
		text = text[:max(0, len(text)-v.hide.longest)]
	}
	if len(text) > maxHeard || whole > most {
		return strconv.Quote(text[:min(len(text), maxHeard)]) + "…"
	}
	return strconv.Quote(text)
}

// lost classifies a connection that ended, or its time did, before a move was over. cut is the reason if it ended
// after the target had said something; what it said until then is in order, for TCP leaves no gaps.
func (v *conversation) lost(err error, cut Reason) (Reason, error) {
	if !errors.Is(err, errFull) {
		v.at = time.Now()
	}
	r := v.lostReason(err, cut)
	if len(v.buf) == 0 {
		return r, fmt.Errorf("no answer from %s: %w", v.t.a.Addr, err)
	}
	v.hear(v.buf)
	return r, fmt.Errorf("after %d bytes, %s: %w", len(v.buf), v.quote(v.buf), err)
}

func (v *conversation) lostReason(err error, cut Reason) Reason {
	switch r := silenceReason(v.ctx, err); {
	case errors.Is(err, errFull):
		return cut
	case r == ResponseTimeout && v.said:
		return TooSlow
	case r == Reset && v.said:
		return cut
	case r == ReasonNone && v.tls != nil:
		// An alert, or records that do not decrypt.
		v.t.a.Answered = true
		return TLSHandshake
	case r == ReasonNone:
		return Internal
	default:
		return r
	}
}

// describe fills in the details, if anybody wants them.
func (v *conversation) describe() {
	t := v.t
	if !t.wanted() {
		return
	}
	t.explain(v.hide)
	d := &t.a.Detail
	for i := range v.records {
		d.Assertions = append(d.Assertions, v.observe(i))
	}
	if v.tls == nil {
		return
	}
	d.TLS = v.tls.detail()
	if s := v.c.TLS; s != nil && s.MinDaysLeft > 0 {
		d.Assertions = append(d.Assertions, v.tls.days(s, t.a.Start))
	}
}

// observe tells what a move came to. Only the last can have failed.
func (v *conversation) observe(i int) Observation {
	m, rec := &v.c.ready.moves[i], &v.records[i]
	o := Observation{What: m.what, Want: m.want, Held: true, Got: rec.note}
	switch {
	case rec.note != "":
	case rec.sent > 0:
		o.Got = fmt.Sprintf("%d bytes sent", rec.sent)
	case len(rec.heard) > 0:
		o.Got = v.quote(rec.heard)
	default:
		o.Got = "nothing"
	}
	o.Got += " in " + rec.took.Round(10*time.Microsecond).String()
	if v.failed && i == len(v.records)-1 {
		o.Held, o.Reason = false, v.t.a.Reason
	}
	return o
}
