package probe

import (
	"context"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// ShortSilence and ShortLookup are timeouts in less than which one blip of our own can be all there is to silence, of a target
// and of the resolver: what was lost at its beginning is sent again after a second, and the answer to that takes a while; a
// resolver that lost a question asks again at a pace of its own. A check with a shorter timeout is seldom believed the first
// time that nothing comes back.
const (
	ShortSilence = 1500 * time.Millisecond
	ShortLookup  = 2 * time.Second
)

// The times of vouching.
const (
	roundAfter   = time.Second            // how long an attempt waits before the first round of controls
	roundEvery   = time.Second            // at most one round of a family in this time
	roundLimit   = 900 * time.Millisecond // of a control's attempt: a SYN retry, after 1 s, hides a blip
	grace        = 200 * time.Millisecond // what a busy machine may take to begin what is due
	atOnce       = 50 * time.Millisecond  // how soon after a failure a round must begin to speak for its instant
	within       = 2 * time.Second        // how far from an instant a sighting still speaks for it
	half         = 500 * time.Millisecond // the shortest blip of our own that a loss must not be taken for
	lead         = 100 * time.Millisecond // what may pass of a timeout before the phase that uses it up
	neighbour    = 3 * time.Second        // how long a kernel asks for a host on its own network before it gives up
	remembered   = 6 * time.Minute        // how long a resolver may try and then remember that it failed: see claim.addRow
	verdictLimit = 10 * time.Second       // the longest wait for a verdict
)

// A claim is what must have been seen for an attempt to be believed: in one of the ways, every stretch.
type claim struct {
	track  track
	target sighting // the host that cannot vouch for itself
	ways   [][]stretch
	lapse  bool // so brief, and nobody's word, that one blip may be all there was to it; another in a row says more
}

// claimOf says what must have been seen of the network for an attempt that ran from s to e. If the check's attempt
// before was a lapse, before is by when others had been seen after it, or in a run of failures to resolve after the
// first; otherwise, and if they were not, zero.
//
// The question is always whether one blip of our own could have made what was seen. A failure is one of the attempt's last
// phase, so it runs from there. Silence of nearly ShortSilence takes a blip that swallowed the first packet and its repetition
// a second later; so it is enough that a quorum was seen between the two, within roundAfter (and grace) of s,
// and against blips that begin later, that it was seen in every two seconds from s to two seconds after e. The same
// is asked of what a gateway or a resolver tells after a second. A word from afar (a refusal, a reset,
// NXDOMAIN) is not made by a blip; it needs a quorum within two seconds after e. What is briefer is a lapse.
//
// A success that took over a second must have been seen throughout, as silence must, but for what comes after
// its end. A success that lost a packet stands if a quorum was seen in every half second from half a second
// before its start to its end: then no blip of half a second swallowed the packet, and the latency is the
// target's. So must a failure at the deadline be seen whose time a loss had used up before.
//
// That a host is unreachable may be our own kernel's word: it asks three times in as many seconds where the host is, of which
// the first may have been for another attempt, and gives up a second after the last. So no round may have been blind
// since the first, though others may be seen again by now. As it gives up it drops what it was given meanwhile, and of a datagram
// it does not tell, so a short silence after one is looked at in the same way.
//
// What no claim can know: that an answer was lost on its way to us, and repeated, in a blip that falls between
// two rounds, or within the first second; that a dead interface was back within atOnce of telling; that a resolver
// remembers a blip in which no round was.
func claimOf(a *Attempt, s, e, before time.Time) claim {
	c := claim{track: trackOf(a.Family), target: a.sighting(time.Time{})}
	if a.Reason.Class() == ClassResolve {
		c.track, c.target = trackResolver, sighting{host: registrable(a.Host)}
		if a.Reason == DNSNXDomain || a.Reason == DNSNoData {
			c.track = trackRecords
		}
	}
	failing := s.Add(a.lastPhase())
	if a.Over {
		failing = s // it may have been any phase, or all of them
	}
	switch d := a.doubt(); {
	case d == doubtLost:
		c.ways = [][]stretch{{dense(s, e)}}
	case d == doubtWaited:
		c.ways = [][]stretch{{first(s), throughout(s, e)}}
	case a.delayed():
		c.ways = [][]stretch{{dense(s, e), first(s), throughout(s, e.Add(within))}}
	case e.Sub(failing) >= a.long():
		c.ways = [][]stretch{{first(failing), throughout(failing, e.Add(within))}}
	case a.Reason.fromAfar():
		c.ways = [][]stretch{{window(e, within)}}
	default:
		c.lapse = true
		c.ways = lapseWays(c.track, a.Reason, failing, e)
		c.addRow(failing, e, before)
		if a.Datagram && a.Reason.silence() {
			c.clear(failing.Add(-neighbour - grace))
		}
	}
	if a.Reason == HostUnreachable {
		c.clear(e.Add(-neighbour - grace))
	}
	return c
}

// clear asks that no round was blind from an instant on.
func (c *claim) clear(from time.Time) {
	for _, way := range c.ways {
		for i := range way {
			s := &way[i]
			if s.clear.IsZero() {
				s.clear = s.from
			}
			if from.Before(s.clear) {
				s.clear = from
			}
		}
	}
}

// lapseWays are those in which a lapse is believed by itself. One is that a quorum was seen as densely as for a loss,
// to half a second after its end. Another is for what is told at once, as by a dead interface ("network unreachable"):
// a round that begins at once after e, and none before it that was blind, for a little later a blip may be over.
// Silence tells of the instant at which it began, so a round at its end comes too late. A resolver's SERVFAIL is told,
// and not for want of an answer, for which resolvers wait longer; but they remember it, so no round of theirs may have
// been blind for as long.
func lapseWays(t track, r Reason, s, e time.Time) [][]stretch {
	now := window(e, atOnce)
	now.controls, now.clear = true, s.Add(-roundEvery-grace)
	switch {
	case t == trackResolver && r.silence():
		return nil
	case t == trackResolver:
		now.clear = s.Add(-remembered)
		return [][]stretch{{now}}
	case r.silence() || e.Sub(s) >= atOnce:
		return [][]stretch{{dense(s, e.Add(half))}}
	}
	return [][]stretch{{now}, {dense(s, e.Add(half))}}
}

// addRow adds the way of a lapse after another. Where others were seen after that and before s, one blip cannot have made
// both; then a quorum within two seconds after e is enough, with no round before it that was blind. A resolver may be
// waiting for an answer, or remember that there was none, from the time of a blip, so what does not resolve must
// have begun later by as long as that can be: it may remember for five minutes (RFC 2308, section 7; RFC 9520,
// section 3.2), and the last minute is more than any tries.
func (c *claim) addRow(s, e, before time.Time) {
	if c.track == trackResolver && !before.IsZero() {
		before = before.Add(remembered)
	}
	if before.IsZero() || before.After(s) {
		return
	}
	again := window(e, within)
	again.clear = s.Add(-roundEvery - grace)
	c.ways = append(c.ways, []stretch{again})
}

// first is the stretch between a packet at s and its repetition.
func first(s time.Time) stretch { return window(s, roundAfter+grace) }

// throughout asks for a quorum in every two seconds.
func throughout(s, to time.Time) stretch {
	return stretch{from: s, to: later(to, s.Add(within)), piece: within}
}

// dense asks for a quorum in every half second, from half a second before s.
func dense(s, to time.Time) stretch { return stretch{from: s.Add(-half), to: to, piece: half} }

// long is how long a failure must have taken for a blip to have swallowed more than one packet. What is not acknowledged
// is sent again after twice the time each: what a blip swallowed that was over by the first round is by then acknowledged.
func (a *Attempt) long() time.Duration {
	switch {
	case a.Pending:
		return 2*(roundAfter+grace) + grace
	case a.Reason == DNSTimeout:
		return ShortLookup - lead
	case a.Reason.silence():
		return ShortSilence - lead
	}
	return roundAfter
}

// silence reports whether a failure is that a time passed, and nothing was told.
func (r Reason) silence() bool {
	switch r {
	case Timeout, ResponseTimeout, TooSlow, DNSTimeout:
		return true
	}
	return false
}

// fromAfar reports whether a failure that needs a voucher is somebody's word, which a dead network of ours
// cannot have made up in passing. A resolver's SERVFAIL and a gateway's "unreachable" often are made by it.
func (r Reason) fromAfar() bool {
	switch r {
	case Refused, Reset, DNSNXDomain, DNSNoData, DNSRefused:
		return true
	}
	return false
}

// end is the last instant at which a sighting can still help.
func (c *claim) end() time.Time {
	var t time.Time
	for _, way := range c.ways {
		for _, s := range way {
			t = later(t, s.to)
		}
	}
	return t
}

// held reports whether one of the ways is covered.
func (c *claim) held(m *memory, quorum int) bool {
	for _, way := range c.ways {
		ok := true
		for _, s := range way {
			ok = ok && m.covered(s, c.target, quorum)
		}
		if ok {
			return true
		}
	}
	return false
}

// claim is what must have been seen for a trial to be believed; before is as for claimOf.
func (t *trial) claim(before time.Time) claim { return claimOf(&t.Attempt, t.Start, t.end, before) }

// witness answers for an attempt, and waits for the rounds that can settle it: until some two seconds after its
// end, in no case over verdictLimit. When ctx ends it is Blind.
func (c *Controls) witness(ctx context.Context, t *trial) Witness {
	if c.none() {
		return NoControls
	}
	defer c.judged(t.lapse)
	ok, next := c.ask(t)
	if next != nil {
		limited, cancel := context.WithDeadline(ctx, t.end.Add(verdictLimit))
		defer cancel()
		ctx = limited
		track := t.claim(time.Time{}).track
		c.join(ctx, track)
		defer c.leave(track)
	}
	for next != nil {
		select {
		case <-next:
			ok, next = c.ask(t)
		case <-ctx.Done():
			return Blind
		}
	}
	if ok {
		return Vouched
	}
	return Blind
}

// ask reports whether a trial's claim holds, and otherwise a channel that closes with the round that may yet settle
// it; nil if none can. A lapse is let wait for a round in any case: the next one may need it.
func (c *Controls) ask(t *trial) (bool, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	claim := t.claim(c.seenAfter(t.before))
	if claim.held(&c.seen[claim.track], c.quorums[claim.track.round()]) {
		return true, nil
	}
	r := &c.rounds[claim.track.round()]
	end := claim.end()
	switch {
	case r.running > 0 && (t.lapse != nil || !r.last.After(end)), time.Now().Before(end), t.lapse != nil && r.last.Before(t.end):
		return false, r.ended
	}
	return false, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// registrable is the domain that somebody registered a name in: a resolver that knows one of them says
// nothing about another. A name that is a public suffix itself, such as "localhost", is its own.
func registrable(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if domain, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return domain
	}
	return name
}
