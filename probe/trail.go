package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A trail notes what an attempt does while it does it. Phases follow each other without a gap, so that they
// add up. It is for one goroutine.
type trail struct {
	w     *World
	a     Attempt
	hop   int
	open  bool // the last span is still running
	cause error
	links []*link // every connection opened, in order; all are shut by finish
	// observed is what came of the assertions and limits that checks of every kind may have, for people.
	observed []Observation
}

// begin starts the clock.
func begin(w *World, host string, ip IPChoice) *trail {
	t := &trail{w: w}
	t.a = Attempt{Start: time.Now(), Host: host, Family: ip.preferred()}
	return t
}

// enter ends the running phase, if there is one, and begins the next.
func (t *trail) enter(p Phase) { t.enterAt(p, time.Now()) }

func (t *trail) enterAt(p Phase, now time.Time) {
	at := now.Sub(t.a.Start)
	t.leaveAt(at)
	if t.a.Spans == nil {
		t.a.Spans = make([]Span, 0, 5)
	}
	t.a.Spans = append(t.a.Spans, Span{Phase: p, Hop: t.hop, At: at})
	t.open = true
}

// leave ends the running phase, if there is one. What is done until the next phase is no latency.
func (t *trail) leave() { t.leaveAt(time.Since(t.a.Start)) }

func (t *trail) leaveAt(at time.Duration) {
	if !t.open {
		return
	}
	s := &t.a.Spans[len(t.a.Spans)-1]
	s.For = at - s.At
	t.a.Latency = at
	t.open = false
}

// fail notes why the attempt failed; the first failure stands.
func (t *trail) fail(r Reason, err error) {
	if t.a.Reason != ReasonNone {
		return
	}
	if r == EgressDenied && t.a.Answered {
		// A target must not be able to hide an outage behind a redirect into forbidden space.
		r = Redirect
	}
	t.a.Reason, t.cause = r, err
}

// finish ends the running phase, shuts every connection, and returns the attempt.
func (t *trail) finish() Attempt {
	t.leave()
	t.closeLinks()
	t.a.Detail.Assertions = append(t.a.Detail.Assertions, t.observed...)
	return t.a
}

func (t *trail) closeLinks() {
	for _, l := range t.links {
		l.close()
	}
}

// wanted reports whether somebody will look at the details: they cost more than the probe itself.
func (t *trail) wanted() bool { return t.a.Reason != ReasonNone || t.w.Verbose }

// reach resolves and connects, as two phases. It returns nil after a failure, which it has noted.
func (t *trail) reach(ctx context.Context, network string, d destination) *link {
	ip, ok := t.resolve(ctx, d)
	if !ok {
		return nil
	}
	t.a.Addr = netip.AddrPortFrom(ip, d.port)
	if err := t.w.Egress.Check(ip); err != nil {
		t.fail(EgressDenied, fmt.Errorf("connect to %s: %w", t.a.Addr, err))
		return nil
	}
	t.enter(PhaseConnect)
	conn, err := t.w.connect(ctx, network, t.a.Addr.String())
	if err != nil {
		t.fail(dialReason(ctx, err), fmt.Errorf("connect to %s: %w", t.a.Addr, innermost(err)))
		return nil
	}
	l := newLink(ctx, t, conn)
	t.links = append(t.links, l)
	return l
}

// innermost is the error below those of package net, which repeat the address.
func innermost(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err
	}
	return err
}

// A destination is where to connect.
type destination struct {
	host string // a name, or an address without brackets
	port uint16
	ip   IPChoice
}

// resolve finds the first address of the family that the choice and the name come to.
func (t *trail) resolve(ctx context.Context, d destination) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(d.host); err == nil {
		t.a.Family = FamilyOf(ip)
		return ip.Unmap(), true
	}
	t.enter(PhaseResolve)
	t.a.Family = d.ip.preferred()
	l := t.w.ask(ctx, d.host, t.a.Family)
	t.a.Lost += l.lost
	if second, has := d.ip.second(); has && l.reason == DNSNoData {
		// Only the resolver's word that there is no such address leads to the other family: silence or an
		// error is a failure, not a choice.
		o := t.w.ask(ctx, d.host, second)
		t.a.Lost += o.lost
		if o.reason == ReasonNone {
			t.a.Family, l = second, o
		}
	}
	if l.reason != ReasonNone {
		t.fail(l.reason, l.err)
		return netip.Addr{}, false
	}
	t.a.Detail.Addresses = l.addrs[:min(len(l.addrs), maxAddresses)]
	return l.addrs[0], true
}

// A link is an open connection of an attempt. It is closed when the attempt's context ends, so that
// nothing outlives the deadline, whatever set which deadline on it.
type link struct {
	conn net.Conn
	t    *trail
	stop func() bool
	once sync.Once
	info tcpInfo // of the moment before it was closed
	shut bool
}

func newLink(ctx context.Context, t *trail, conn net.Conn) *link {
	if d, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(d) // an unusable connection shows at the first read
	}
	l := &link{conn: conn, t: t}
	l.stop = context.AfterFunc(ctx, l.closeOnce)
	return l
}

func (l *link) closeOnce() {
	l.once.Do(func() {
		l.info = tcpInfoOf(l.conn)
		_ = l.conn.Close() // nothing was written that still matters
	})
}

// close notes what was lost and closes the connection. It may be called twice.
func (l *link) close() {
	l.stop()
	l.closeOnce()
	if l.shut {
		return
	}
	l.shut = true
	l.t.a.Lost += l.info.lost
	l.t.a.Pending = l.info.pending
}

// A tcpInfo is what the system knows of a TCP connection's losses. The zero value: none, or not known.
type tcpInfo struct {
	lost    int  // segments of ours sent again, SYNs included
	pending bool // something of ours is not acknowledged
}
