package probe

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
)

// TCP looks whether a port accepts connections and, if asked, speaks TLS. Without TLS the target has
// answered once it accepts; with TLS once it says something in the handshake: a port that accepts and
// then hangs has not answered.
type TCP struct {
	Address string   `yaml:"address" required:"true"` // host:port; an IPv6 address in brackets
	TLS     *TLS     `yaml:"tls"`                     // nil: none; the name asked for is the address's host by default
	IP      IPChoice `yaml:"ip" default:"4"`

	ready *tcpReady // made by Validate
}

type tcpReady struct {
	to  destination
	tls *tls.Config // nil: none
}

// Validate implements Kind.
func (c *TCP) Validate() []Problem {
	host, port, err := splitHostPort(c.Address, 0)
	if err != nil {
		return []Problem{{Field: "address", Message: err.Error(), Hint: "write it like db.example.com:5432"}}
	}
	r := &tcpReady{to: destination{host, port, c.IP}}
	ps := c.IP.check(host)
	if c.TLS != nil {
		config, more := c.TLS.prepare(host)
		r.tls = config
		ps = append(ps, more...)
	}
	if len(ps) == 0 {
		c.ready = r
	}
	return ps
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
	if c.ready == nil {
		return unready(w, "tcp")
	}
	t := begin(w, c.ready.to.host, c.IP)
	if l := t.reach(ctx, "tcp", c.ready.to); l != nil {
		if c.ready.tls == nil {
			t.a.Answered = true
			t.leave()
			t.hold(ctx, seen{})
		} else {
			c.secure(ctx, t, l)
		}
	}
	t.leave()
	t.explain(&redactor{})
	return t.finish()
}

// secure speaks TLS and judges it.
func (c *TCP) secure(ctx context.Context, t *trail, l *link) {
	h := t.secure(ctx, l.conn, c.ready.tls)
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
