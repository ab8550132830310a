package probe

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxSteps = 32
	maxSend  = 64 << 10 // bytes of one send
	maxWant  = 256      // bytes of what a move wants, for people
)

// A planner makes the moves of a TCP and finds what contradicts.
type planner struct {
	c        *TCP
	r        *tcpReady
	problems []Problem
	last     *expecting      // the last one with an expression, for numbered captures
	named    map[string]bool // groups of any expression so far
	ended    string          // the step after which nothing can be sent; empty: none yet
}

// plan makes the moves. There are none if all there is to do is to connect and speak TLS.
func (c *TCP) plan(r *tcpReady) []Problem {
	p := &planner{c: c, r: r, named: map[string]bool{}}
	p.opening()
	for i := range c.Dialogue {
		p.step(i)
	}
	if len(c.Dialogue) > maxSteps {
		p.tell("dialogue", fmt.Sprintf("found %d steps, wanted at most %d", len(c.Dialogue), maxSteps), "")
	}
	p.alerts()
	if len(r.moves) == 1 {
		if _, only := r.moves[0].maker.(*securing); only {
			r.moves = nil
		}
	}
	return p.problems
}

func (p *planner) tell(field, message, hint string) {
	p.problems = append(p.problems, Problem{Field: field, Message: message, Hint: hint})
}

func (p *planner) add(what, want string, m maker) {
	p.r.moves = append(p.r.moves, move{what: what, want: clip(want, maxWant), maker: m})
}

// upgrade is the step at which TLS begins; less than 0 if there is none.
func (c *TCP) upgrade() int {
	return slices.IndexFunc(c.Dialogue, func(s Step) bool { return s.StartTLS })
}

// opening is what comes before the dialogue: banner, TLS, or the protocol's way to it.
func (p *planner) opening() {
	c, upgrade := p.c, p.c.upgrade()
	switch {
	case c.StartTLS >= numStartTLS:
		p.tell("starttls", "wanted "+strings.Join(startTLSNames(), ", "), "")
	case c.StartTLS == NoStartTLS:
		if c.TLS != nil && upgrade < 0 {
			p.secure("tls")
		}
		p.banner()
	case upgrade >= 0:
		p.tell("starttls", fmt.Sprintf("TLS would begin twice, here and at dialogue[%d]", upgrade), "leave one of them out")
	default:
		p.banner()
		p.add("starttls", c.StartTLS.String(), &startTLS{by: c.StartTLS})
		p.secure("tls")
	}
}

// banner is what the target says first. Before STARTTLS it is a greeting, which the protocol has to read, too.
func (p *planner) banner() {
	b, greeting := p.c.Banner, p.c.StartTLS != NoStartTLS
	if b == nil {
		return
	}
	if greeting && !preludes[p.c.StartTLS].greets {
		p.tell("banner", "a server of "+p.c.StartTLS.String()+" says nothing before it is spoken to", "leave banner out")
	}
	e := p.expression("banner.regex", b.Regex)
	e.keep = greeting
	var wants []string
	if b.Contains != "" {
		e.text = []byte(b.Contains)
		wants = append(wants, "with "+strconv.Quote(b.Contains))
	}
	if b.Regex != nil {
		wants = append(wants, b.Regex.String())
	}
	switch {
	case len(wants) == 0:
		p.tell("banner", "found neither contains nor regex, wanted at least one", "")
	case len(b.Contains) > maxNeedle:
		p.tell("banner.contains", fmt.Sprintf("found a text of %d bytes, wanted at most %d", len(b.Contains), maxNeedle), "")
	}
	p.add("banner", strings.Join(wants, " and "), e)
}

// expression prepares one that is waited for.
func (p *planner) expression(field string, re *regexp.Regexp) *expecting {
	e, err := newExpecting(re)
	if err != nil {
		p.tell(field, err.Error(), "")
	}
	if re == nil {
		return e
	}
	p.last = e
	for _, name := range re.SubexpNames() {
		if name != "" {
			p.named[name] = true
		}
	}
	return e
}

// secure is a TLS handshake.
func (p *planner) secure(what string) {
	if len(p.c.ExpectAlert) == 0 {
		p.add(what, "a TLS handshake", &securing{})
		return
	}
	texts := make([]string, len(p.c.ExpectAlert))
	for i, a := range p.c.ExpectAlert {
		texts[i] = a.String()
	}
	p.add("expect_alert", "the alert "+strings.Join(texts, " or "), &refusal{alerts: p.c.ExpectAlert})
}

// alerts finds what contradicts an expected alert: after it there is nothing.
func (p *planner) alerts() {
	c := p.c
	if len(c.ExpectAlert) == 0 {
		return
	}
	for _, a := range c.ExpectAlert {
		if a == 0 {
			p.tell("expect_alert", "close_notify ends a connection and refuses nothing", "")
		}
	}
	switch n := len(p.r.moves); {
	case c.security() == nil:
		p.tell("expect_alert", "an alert is expected, and no TLS is spoken", "add tls: true")
		return
	case n > 0:
		if _, last := p.r.moves[n-1].maker.(*refusal); !last {
			p.tell("expect_alert", "an alert ends the connection, and "+p.r.moves[n-1].what+" comes after it", "make it two checks")
		}
	}
	if c.TLS != nil && c.TLS.MinDaysLeft > 0 {
		p.tell("expect_alert", "a handshake that is to fail leaves no certificate to count days of", "leave tls.min_days_left out")
	}
}

// step makes the move of a step.
func (p *planner) step(i int) {
	s, field := &p.c.Dialogue[i], fmt.Sprintf("dialogue[%d]", i)
	keys := s.keys()
	if len(keys) != 1 {
		found := "found " + strings.Join(keys, " and ")
		if len(keys) == 0 {
			found = "found nothing to do"
		}
		p.tell(field, found+", wanted one of send, send_hex, expect, expect_text, expect_hex, close, starttls", "begin each step with its dash")
		return
	}
	what := field + "." + keys[0]
	p.order(s, field, what)
	switch keys[0] {
	case "send", "send_hex":
		p.send(s, i, what)
	case "expect":
		p.add(what, s.Expect.String(), p.expression(what, s.Expect))
	case "expect_text", "expect_hex":
		p.exact(s, what)
	case "close":
		p.close(s, what)
	case "starttls":
		p.secure(what)
	}
}

// keys are those that are set.
func (s *Step) keys() []string {
	var keys []string
	for _, k := range []struct {
		key string
		set bool
	}{
		{"send", !s.Send.IsZero()},
		{"send_hex", s.SendHex.bytes != nil},
		{"expect", s.Expect != nil},
		{"expect_text", s.ExpectText != ""},
		{"expect_hex", s.ExpectHex.bytes != nil},
		{"close", s.Close != NoClosing},
		{"starttls", s.StartTLS},
	} {
		if k.set {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// order finds steps that cannot follow those before them.
func (p *planner) order(s *Step, field, what string) {
	switch {
	case p.ended == "":
	case p.ended == "expect":
		p.tell(field, "the target has closed the connection by then", "let close: expect be the last step")
	case !s.Send.IsZero(), s.SendHex.bytes != nil, s.StartTLS, s.Close == CloseSend:
		p.tell(what, "our side of the connection is closed by then", "after close: send there are only expectations")
	}
	if s.StartTLS && slices.IndexFunc(p.r.moves, isSecure) >= 0 {
		p.tell(what, "TLS is spoken already", "leave this step out")
	}
}

func isSecure(m move) bool {
	switch m.maker.(type) {
	case *securing, *refusal:
		return true
	}
	return false
}

func (p *planner) send(s *Step, i int, what string) {
	m := &sending{bytes: s.SendHex.bytes, step: i}
	if slices.Contains(s.SendHex.any, true) {
		p.tell(what, "found ??, wanted bytes: what is sent is known", "")
	}
	size := len(m.bytes)
	for _, part := range s.Send.parts {
		size += len(part.text)
	}
	if size > maxSend {
		p.tell(what, fmt.Sprintf("found %d bytes, wanted at most %d", size, maxSend), "")
	}
	for _, name := range s.Send.captures() {
		p.useCapture(name, what)
	}
	p.add(what, "all of it sent", m)
}

// useCapture finds the expressions that a capture is of.
func (p *planner) useCapture(name, what string) {
	n, isNumber := groupNumber(name)
	switch {
	case p.last == nil:
		p.tell(what, fmt.Sprintf("${match:%s} has no expect before it", clip(name, 40)), "")
		return
	case isNumber && n > p.last.re.NumSubexp():
		p.tell(what, fmt.Sprintf("${match:%d} is not there: the expect before it has %d groups", n, p.last.re.NumSubexp()), "a group stands in parentheses")
	case !isNumber && !p.named[name]:
		p.tell(what, fmt.Sprintf("${match:%s} is no group of an expect before it", clip(name, 40)), "a named group is written (?P<name>…)")
	}
	for _, m := range p.r.moves {
		if e, ok := m.maker.(*expecting); ok && e.re != nil {
			e.captures, e.groups = true, true
		}
	}
}

// groupNumber reads the number of a group.
func groupNumber(name string) (int, bool) {
	n, err := strconv.ParseUint(name, 10, 16)
	return int(n), err == nil
}

func (p *planner) exact(s *Step, what string) {
	m, want := &exactly{bytes: s.ExpectHex.bytes, any: s.ExpectHex.any}, s.ExpectHex.String()
	if s.ExpectText != "" {
		m, want = &exactly{bytes: []byte(s.ExpectText)}, strconv.Quote(s.ExpectText)
	}
	if len(m.bytes) > maxNeedle {
		p.tell(what, fmt.Sprintf("found %d bytes, wanted at most %d", len(m.bytes), maxNeedle), "")
	}
	p.add(what, want, m)
}

func (p *planner) close(s *Step, what string) {
	switch p.ended = s.Close.String(); s.Close {
	case CloseSend:
		p.add(what, "our side is closed", &closing{})
	case CloseExpect:
		p.add(what, "the target closes", &closed{})
	default:
		p.tell(what, "wanted send or expect", "")
	}
}
