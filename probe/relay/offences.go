package relay

import (
	"strconv"
	"strings"
	"sync"
)

// offences are what the server complains of about its clients. The text of a complaint holds what the client
// chose, a subject or a name: so it is not logged but counted by its kind, or a client could fill the log and the memory. They
// are noted where the server holds its locks, and looked at later.
type offences struct {
	mu    sync.Mutex
	noted map[offence]int64
}

type offence struct {
	client uint64 // the server's number of the connection
	why    Refusal
}

// note takes a complaint if it is about a client, and reports whether it is.
func (o *offences) note(text string) bool {
	id, ok := clientOf(text)
	if !ok {
		return false
	}
	if why := offenceOf(text); why != "" {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.noted == nil {
			o.noted = make(map[offence]int64)
		}
		o.noted[offence{client: id, why: why}]++
	}
	return true
}

// take returns what was noted since the last time.
func (o *offences) take() map[offence]int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	noted := o.noted
	o.noted = nil
	return noted
}

// clientOf finds the number of the client that a complaint is about. It begins with the address and the number.
func clientOf(text string) (uint64, bool) {
	_, rest, ok := strings.Cut(text, " - ")
	if !ok {
		return 0, false
	}
	digits, ok := strings.CutPrefix(rest, "cid:")
	if !ok {
		if digits, ok = strings.CutPrefix(rest, "wid:"); !ok {
			return 0, false
		}
	}
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, err == nil
}

// offenceOf tells kinds of complaints apart. Nothing is for what the gate counts itself.
func offenceOf(text string) Refusal {
	for _, kind := range []struct {
		text string
		why  Refusal
	}{
		{"authentication error", ""},
		{"Authorization Violation", ""},
		{"Violation - ", RefusedSubject},
		{"maximum payload exceeded", RefusedTooBig},
		{"maximum subscriptions exceeded", RefusedSubscriptions},
		{"Slow Consumer", RefusedSlow},
		{"handshake error", RefusedHandshake},
	} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(kind.text)) {
			return kind.why
		}
	}
	return RefusedProtocol
}

// judge books offences with the probers that they are of, and ends the connections of those that have too many.
func (g *gate) judge(noted map[offence]int64) {
	for o, n := range noted {
		g.mu.Lock()
		c, known := g.conns[o.client]
		switch {
		case known:
		case o.client == g.self:
			g.log.Error("the centre's own connection to its server is at fault; it connects again", "reason", string(o.why))
		default:
			g.refused[o.why] += n - 1
			g.note(o.why, "a connection that has ended")
		}
		g.mu.Unlock()
		if !known {
			continue
		}
		p := g.peers.of(c.id)
		flooding := p.refuse(g.log, o.why, 0)
		p.more(o.why, n-1)
		if flooding || o.why.deserved() && n > strikeBurst {
			g.ban(c.id)
		}
	}
}
