package probe

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// ControlOptions says what shows that a region's own network is alive.
type ControlOptions struct {
	// Targets are the controls, validated. One succeeds when its attempt has no reason to fail, so what it
	// asserts counts.
	Targets []Kind
	// Quorum is how many hosts must be seen in a family. Zero: two, or the number of hosts among the family's
	// controls if that is smaller.
	Quorum int
	// World is what the controls dial with: that of the region's checks. Nil is the real one.
	World *World
	// None is the literal `none`: nobody vouches, failures are down and marked unvouched.
	None bool
}

// Controls vouch for what a region's attempts saw: they know when other hosts could be reached, from rounds
// of the region's controls and from the successes of its checks. Rounds run only while an attempt waits or a
// verdict is open, so an idle or healthy region asks nobody. All methods may be called at the same time. A nil
// *Controls is `controls: none`.
type Controls struct {
	world    *World
	options  ControlOptions
	disabled bool
	lists    [numRounds][]*control
	quorums  [numRounds]int
	// resolve asks the region's resolver for a name: does it answer at all, and with records.
	resolve func(ctx context.Context, name string) (answered, records bool)

	mu     sync.Mutex // guards what is below, and the lower part of each control
	rounds [numRounds]rounds
	seen   [numTracks]memory
	ways   map[via]*Controls // of checks that look by another way
}

// A control is one target that vouches in one family, or one domain that vouches for the resolver.
type control struct {
	kind   Kind
	target Target
	domain string // for the resolver: what somebody registered

	busy      bool      // an attempt of it is under way, perhaps hanging
	asked     time.Time // when it was last asked
	succeeded time.Time // when an attempt last began that succeeded
	failing   bool      // the last attempt failed
	alone     time.Time // since when it has failed while a quorum of others succeeded
	reason    Reason    // of its last attempt
	err       string
}

// A track is one thing that can be vouched for apart from the others.
type track uint8

const (
	trackIPv4     track = iota
	trackIPv6           //
	trackResolver       // the resolver answers, past its cache
	trackRecords        // and also has records for a name
	numTracks
	numRounds = trackRecords // a round of the resolver is for both of its tracks
)

// round returns the track whose rounds feed this one.
func (t track) round() track { return min(t, trackResolver) }

func trackOf(f Family) track {
	if f == IPv6 {
		return trackIPv6
	}
	return trackIPv4
}

// NewControls returns the controls of one region. It starts nothing.
func NewControls(o ControlOptions) *Controls {
	c := &Controls{world: o.World, options: o, disabled: o.None}
	if c.world == nil {
		c.world = new(World)
	}
	c.resolve = c.world.resolverAnswers
	for _, k := range o.Targets {
		t := k.Target()
		family := trackOf(t.family())
		c.lists[family] = append(c.lists[family], &control{kind: k, target: t})
		if domain := registrable(t.Host); t.Name && !c.hasDomain(domain) {
			c.lists[trackResolver] = append(c.lists[trackResolver], &control{target: t, domain: domain})
		}
	}
	for t := range c.rounds {
		c.rounds[t].ended = make(chan struct{})
		c.quorums[t] = quorumOf(o.Quorum, hostsOf(c.lists[t]))
	}
	c.quorums[trackResolver] = 1 // it is one and the same for all domains
	return c
}

func (c *Controls) none() bool { return c == nil || c.disabled }

func (c *Controls) hasDomain(domain string) bool {
	return slices.ContainsFunc(c.lists[trackResolver], func(k *control) bool { return k.domain == domain })
}

// family is the one that a control vouches for: the one it prefers, since that is what it will mostly dial.
func (t Target) family() Family {
	if len(t.Families) == 0 {
		return IPv4
	}
	return t.Families[0]
}

// quorumOf gives a family's quorum: as configured, or two, or as many hosts as there are.
func quorumOf(wanted, hosts int) int {
	if wanted > 0 {
		return wanted
	}
	return max(min(2, hosts), 1)
}

func hostsOf(list []*control) int {
	var hosts []string
	for _, k := range list {
		if h := strings.ToLower(k.target.Host); !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return len(hosts)
}

// saw remembers an attempt of a check that succeeded without a loss.
func (c *Controls) saw(a *Attempt) {
	if c.none() || a.Reason != ReasonNone || a.doubt() == doubtLost {
		return
	}
	t := trackOf(a.Family)
	c.mu.Lock()
	defer c.mu.Unlock()
	at := a.sent()
	s := a.sighting(at)
	s.took = time.Since(at)
	c.seen[t].glimpse(s, c.quorums[t]+2)
	if r := &c.rounds[t]; !r.blind.IsZero() {
		c.sees(t, time.Now().Add(-within))
	}
}

// sees reports whether a quorum has been seen since an instant, and if so notes that the region is not blind.
func (c *Controls) sees(t track, since time.Time) bool {
	last := c.seen[t].between(since, time.Now(), sighting{via: anyWay})
	if distinct(last, c.quorums[t]) < c.quorums[t] {
		return false
	}
	c.rounds[t].lastSeen, c.rounds[t].blind = last[len(last)-1].at, time.Time{}
	return true
}

// Recheck asks the controls of every sight that is blind once more and waits for the answer. Rounds run only
// when an attempt has need of them, so without it a region whose checks all succeed again would stay blind.
func (c *Controls) Recheck(ctx context.Context) {
	if c.none() {
		return
	}
	for _, v := range c.others() {
		v.Recheck(ctx)
	}
	for t := range track(numRounds) {
		c.mu.Lock()
		blind, ended := !c.rounds[t].blind.IsZero(), c.rounds[t].ended
		c.mu.Unlock()
		if !blind || len(c.lists[t]) == 0 {
			continue
		}
		c.join(ctx, t)
		select {
		case <-ended:
		case <-ctx.Done():
		}
		c.leave(t)
	}
}

// A ControlStatus is how one control fares.
type ControlStatus struct {
	Sight       string    // as in SightStatus
	Target      string    // for the resolver: the domain asked for
	LastSuccess time.Time // zero: not since the start
	LastAsked   time.Time // zero: never
	// FailingAlone is since when it has failed while a quorum of others succeeded; zero if it does not.
	FailingAlone time.Time
	Reason       Reason // of the last attempt
	Error        string // of the last attempt
}

// A SightStatus is whether a region can see in one family, or its resolver answers.
type SightStatus struct {
	Name     string // "ipv4", "ipv6", "resolver"
	Controls int
	Quorum   int
	Rounds   int64     // so far
	LastSeen time.Time // when a quorum last began to succeed; zero: not since the start
	// BlindSince is since when rounds have failed and no quorum of checks has succeeded; zero if the region
	// sees, or nobody has had to ask.
	BlindSince time.Time
}

// ControlsStatus is a region's state of vouching, for metrics and pages.
type ControlsStatus struct {
	None     bool // `controls: none`
	Controls []ControlStatus
	Sights   []SightStatus
}

// Status returns the present state. Sights without controls are left out.
func (c *Controls) Status() ControlsStatus {
	if c.none() {
		return ControlsStatus{None: true}
	}
	var s ControlsStatus
	s.add(c, "")
	for way, v := range c.others() {
		s.add(v, way.String())
	}
	return s
}

// add adds the state of controls that are asked by a way.
func (s *ControlsStatus) add(c *Controls, way string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, name := range [numRounds]string{"ipv4", "ipv6", "resolver"} {
		list, r := c.lists[t], &c.rounds[t]
		if len(list) == 0 {
			continue
		}
		s.Sights = append(s.Sights, SightStatus{
			Name: name + way, Controls: len(list), Quorum: c.quorums[t],
			Rounds: r.count, LastSeen: r.lastSeen, BlindSince: r.blind,
		})
		for _, k := range list {
			s.Controls = append(s.Controls, k.status(name+way))
		}
	}
}

func (k *control) status(sight string) ControlStatus {
	s := ControlStatus{
		Sight: sight, Target: k.target.Text, LastSuccess: k.succeeded, LastAsked: k.asked,
		FailingAlone: k.alone, Reason: k.reason, Error: k.err,
	}
	if k.domain != "" {
		s.Target = k.domain
	}
	return s
}
