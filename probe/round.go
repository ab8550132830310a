package probe

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// rounds is the state of one family's rounds, or the resolver's. They run, one at a time and at most one a
// second, while somebody waits for them.
type rounds struct {
	waiting int           // attempts that wait, and open verdicts
	looping bool          // a goroutine runs rounds
	idle    chan struct{} // closed when nobody waits any more
	running int           // rounds under way: 0 or 1
	last    time.Time     // when the last one began
	ended   chan struct{} // closed, and replaced, at the end of each
	count   int64

	lastSeen time.Time
	blind    time.Time
}

// join makes rounds of a track run until leave. The first begins at once, or a second after the last. A round
// outlives ctx, since it serves everybody, but not for longer than roundLimit.
func (c *Controls) join(ctx context.Context, t track) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.rounds[t.round()]
	r.waiting++
	if r.waiting == 1 {
		r.idle = make(chan struct{})
	}
	if !r.looping {
		r.looping = true
		go c.loop(context.WithoutCancel(ctx), t.round())
	}
}

func (c *Controls) leave(t track) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.rounds[t.round()]
	r.waiting--
	if r.waiting == 0 {
		close(r.idle)
	}
}

// loop runs rounds until nobody waits for them.
func (c *Controls) loop(ctx context.Context, t track) {
	for {
		idle, wait, ok := c.next(t)
		if !ok {
			return
		}
		if wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-idle:
				timer.Stop()
			}
			continue
		}
		c.round(ctx, t)
	}
}

// next says how long to wait before the next round, and what ends the wait. When it reports that there is
// none, the loop is over.
func (c *Controls) next(t track) (idle <-chan struct{}, wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.rounds[t]
	if r.waiting == 0 {
		r.looping = false
		return nil, 0, false
	}
	if r.last.IsZero() {
		return r.idle, 0, true
	}
	return r.idle, time.Until(r.last.Add(roundEvery)), true
}

// round asks the controls of a track, all at once. It is over when all have answered, or at roundLimit: one
// that hangs, or succeeds later, has failed.
func (c *Controls) round(ctx context.Context, t track) {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	picked := c.begin(t)
	done := make(chan struct{}, len(picked))
	for _, k := range picked {
		go func() {
			c.question(ctx, t, k)
			done <- struct{}{}
		}()
	}
	for range picked {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	c.conclude(t)
}

// begin starts a round and picks whom to ask: a quorum and two more that did not fail the last time, those
// first that were asked longest ago, and one that failed; everybody, if too few are known to work. So large
// sets, such as the root name servers, are asked rarely, and a dead control does not stay unnoticed. A control
// whose last attempt still hangs is not asked again.
func (c *Controls) begin(t track) []*control {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.rounds[t]
	r.last = time.Now()
	r.running++
	r.count++
	list := slices.DeleteFunc(slices.Clone(c.lists[t]), func(k *control) bool { return k.busy })
	slices.SortStableFunc(list, func(a, b *control) int { return a.asked.Compare(b.asked) })
	var picked, failing []*control
	for _, k := range list {
		if k.failing {
			failing = append(failing, k)
		} else {
			picked = append(picked, k)
		}
	}
	quorum := c.quorums[t]
	picked = picked[:min(len(picked), quorum+2)]
	if hostsOf(picked) >= quorum {
		failing = failing[:min(len(failing), 1)]
	}
	picked = append(picked, failing...)
	for _, k := range picked {
		k.busy, k.asked = true, r.last
	}
	return picked
}

// conclude ends a round, and wakes those who wait for it.
func (c *Controls) conclude(t track) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.rounds[t]
	r.running--
	for _, k := range c.lists[t] {
		if k.busy { // what it finds later changes nothing
			k.failing, k.reason, k.err = true, Timeout, fmt.Sprintf("no answer within %v", roundLimit)
		}
	}
	if !slices.ContainsFunc(c.lists[t], func(k *control) bool { return !k.succeeded.Before(r.last) }) {
		c.seen[t].noteBlind(r.last)
		if t == trackResolver {
			c.seen[trackRecords].noteBlind(r.last)
		}
	}
	sees := c.sees(t, r.last)
	if !sees && r.blind.IsZero() {
		r.blind = r.last
	}
	for _, k := range c.lists[t] {
		if sees && k.failing && k.alone.IsZero() {
			k.alone = r.last
		}
	}
	close(r.ended)
	r.ended = make(chan struct{})
}

// question asks one control and notes what came.
func (c *Controls) question(ctx context.Context, t track, k *control) {
	at := time.Now()
	a, records := c.look(ctx, k)
	if a.Reason == ReasonNone && time.Since(at) >= roundLimit {
		a.Reason, a.Detail.Error = Timeout, fmt.Sprintf("an answer only after %v", roundLimit)
	}
	if t != trackResolver && a.Family != FamilyUnknown {
		t = trackOf(a.Family)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k.busy, k.failing, k.reason, k.err = false, a.Reason != ReasonNone, a.Reason, a.Detail.Error
	if k.failing {
		return
	}
	k.succeeded, k.alone = at, time.Time{}
	if a.Lost > 0 {
		return
	}
	if !a.Start.IsZero() {
		at = a.sent()
	}
	s := a.sighting(at)
	s.took, s.control = time.Since(at), true
	c.seen[t].note(s)
	if records {
		c.seen[trackRecords].note(s)
	}
}

// look makes one attempt of a control. A panic in it is a failure like any other.
func (c *Controls) look(ctx context.Context, k *control) (a Attempt, records bool) {
	defer func() {
		if p := recover(); p != nil {
			a = panicked(p)
		}
	}()
	if k.domain == "" {
		a = k.kind.Attempt(ctx, c.world)
		if a.Host == "" {
			a.Host = k.target.Host
		}
		return a, false
	}
	a.Host = k.domain
	// Nobody has asked for this name before, so no cache knows it.
	label := "gaikei-" + strings.ToLower(rand.Text())
	if answered, _ := c.resolve(ctx, label+"."+k.domain); !answered {
		a.Reason, a.Detail.Error = DNSTimeout, "the resolver has no answer from "+k.domain
		return a, false
	}
	_, records = c.resolve(ctx, k.target.Host)
	return a, records
}

// A vigil keeps rounds running while an attempt waits.
type vigil struct {
	controls *Controls
	kind     Kind
	ctx      context.Context // of the attempt; a vigil does not outlive it
	timer    *time.Timer

	mu     sync.Mutex // guards what is below
	over   bool
	joined []track
}

// watch begins a vigil over an attempt that begins now: from a second on, and until end, rounds run for every
// family that it may use and, if its target has a name, for the resolver. Until then it costs a timer. It is nil
// when there is nothing to run.
func (c *Controls) watch(ctx context.Context, k Kind) *vigil {
	if c.none() {
		return nil
	}
	v := &vigil{controls: c, kind: k, ctx: ctx}
	v.timer = time.AfterFunc(roundAfter, v.begin)
	return v
}

func (v *vigil) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over {
		return
	}
	v.joined = v.kind.Target().tracks()
	for _, t := range v.joined {
		v.controls.join(v.ctx, t)
	}
}

// end ends the vigil, nil or not.
func (v *vigil) end() {
	if v == nil || v.timer.Stop() {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over = true
	for _, t := range v.joined {
		v.controls.leave(t)
	}
}

// tracks returns what an attempt on the target may need vouched for.
func (t Target) tracks() []track {
	ts := []track{trackOf(t.family())}
	for _, f := range t.Families {
		if !slices.Contains(ts, trackOf(f)) {
			ts = append(ts, trackOf(f))
		}
	}
	if t.Name {
		ts = append(ts, trackResolver)
	}
	return ts
}
