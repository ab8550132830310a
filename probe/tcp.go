package probe

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
)

// TCP looks whether a port accepts connections and, if asked, speaks TLS and holds a dialogue. Without either the
// target has answered once it accepts; otherwise once it says something: a port that accepts and then hangs has
// not answered.
type TCP struct {
	Address string `yaml:"address" required:"true"` // host:port; an IPv6 address in brackets
	TLS     *TLS   `yaml:"tls"`                     // nil: none; the name asked for is the address's host by default
	// StartTLS begins in plain, as this protocol does, and goes on with TLS; a nil TLS is then one with no settings.
	StartTLS StartTLS `yaml:"starttls"`
	// ExpectAlert: the target is to refuse the handshake with any of these alerts. Empty: it is to succeed.
	ExpectAlert []TLSAlert `yaml:"expect_alert"`
	// Banner is what the target has to say first, over TLS unless that begins later; nil: it is not waited for.
	Banner   *Banner  `yaml:"banner"`
	Dialogue []Step   `yaml:"dialogue"` // what is said after all that, in order
	IP       IPChoice `yaml:"ip" default:"4"`

	ready *tcpReady // made by Validate
}

type tcpReady struct {
	to  destination
	tls *tls.Config // nil: none
	// moves are all that happens once connected; empty if that is a TLS handshake at most.
	moves []move
	heeds bool // assertions look at what is heard
}

// Validate implements Kind.
func (c *TCP) Validate() []Problem {
	host, port, err := splitHostPort(c.Address, 0)
	if err != nil {
		return []Problem{{Field: "address", Message: err.Error(), Hint: "write it like db.example.com:5432"}}
	}
	r := &tcpReady{to: destination{host, port, c.IP}}
	ps := c.IP.check(host)
	if settings := c.security(); settings != nil {
		config, more := settings.prepare(host)
		r.tls = config
		ps = append(ps, more...)
	}
	ps = append(ps, c.plan(r)...)
	if len(ps) == 0 {
		c.ready = r
	}
	return ps
}

// security is how TLS is spoken; nil if it is not.
func (c *TCP) security() *TLS {
	if c.TLS == nil && (c.StartTLS != NoStartTLS || c.upgrade() >= 0) {
		return new(TLS)
	}
	return c.TLS
}

// Target implements Kind.
func (c *TCP) Target() Target {
	host, port, err := splitHostPort(c.Address, 0)
	if err != nil {
		return Target{Families: c.IP.Families(), Text: clip(c.Address, maxLine)}
	}
	return Target{
		Host: host, Port: int(port), Families: c.IP.familiesFor(host), Name: !isIP(host),
		Text: "tcp://" + net.JoinHostPort(host, strconv.Itoa(int(port))),
	}
}

// Attempt implements Kind.
func (c *TCP) Attempt(ctx context.Context, w *World) Attempt {
	switch {
	case c.ready == nil:
		return unready(w, "tcp")
	case len(c.ready.moves) > 0:
		return c.converse(ctx, w)
	}
	config, err := w.equip(c.ready.tls) // before the clock starts: it may read files
	t := begin(w, c.ready.to.host, c.IP)
	if err != nil {
		t.fail(Secret, err)
	} else if l := t.reach(ctx, "tcp", c.ready.to); l != nil {
		if config == nil {
			t.a.Answered = true
			t.leave()
			t.hold(ctx, seen{})
		} else {
			c.secure(ctx, t, l, config)
		}
	}
	t.leave()
	t.explain(&redactor{})
	return t.finish()
}

// secure speaks TLS and judges it.
func (c *TCP) secure(ctx context.Context, t *trail, l *link, config *tls.Config) {
	h := t.secure(ctx, l.conn, config)
	if h == nil {
		return
	}
	t.a.Answered = true
	t.leave()
	t.checkDays(c.TLS, h)
	t.hold(ctx, seen{tls: h})
	if !t.wanted() {
		return
	}
	t.a.Detail.TLS = h.detail()
	if c.TLS.MinDaysLeft > 0 {
		t.a.Detail.Assertions = []Observation{h.days(c.TLS, t.a.Start)}
	}
}
