package main

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/wire"
)

// silentAfter is how long after its last heartbeat a prober is called silent: before the second one has been missed for
// as long as one may take on its way.
const silentAfter = 2 * wire.BeatEvery

// A presence knows the probers that are enrolled, and when each was last heard of. It is safe for concurrent use.
type presence struct {
	since time.Time // when it began to listen

	mu       sync.Mutex                   // guards what follows
	heard    map[relay.Identity]heartbeat // since the start
	enrolled map[relay.Identity]bool
}

func newPresence(now time.Time) *presence {
	return &presence{since: now, heard: map[relay.Identity]heartbeat{}}
}

type heartbeat struct {
	at   time.Time
	beat wire.Beat
}

// A presentProber is a prober as it is known at an instant.
type presentProber struct {
	relay.Identity
	Heard    time.Time // zero: never
	Beat     wire.Beat
	enrolled bool
	awaited  time.Time // since when it could have been heard
	now      time.Time
}

// silent reports whether a prober that should be heard is not.
func (p *presentProber) silent() bool { return p.enrolled && p.now.Sub(p.awaited) > silentAfter }

// hear takes in a heartbeat, and reports whether it is the first.
func (p *presence) hear(id relay.Identity, b wire.Beat, at time.Time) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.heard[id]
	p.heard[id] = heartbeat{at, b}
	return !known
}

// expect says which probers are enrolled. Those that no longer are and fell silent are forgotten.
func (p *presence) expect(ids map[relay.Identity]bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enrolled = ids
	for id, h := range p.heard {
		if !ids[id] && now.Sub(h.at) > silentAfter {
			delete(p.heard, id)
		}
	}
}

// list returns the probers that are enrolled or were heard, by region and name.
func (p *presence) list(now time.Time) []presentProber {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[relay.Identity]presentProber{}
	for id := range p.enrolled {
		all[id] = presentProber{Identity: id, enrolled: true, awaited: p.since, now: now}
	}
	for id, h := range p.heard {
		all[id] = presentProber{Identity: id, Heard: h.at, Beat: h.beat, enrolled: p.enrolled[id], awaited: h.at, now: now}
	}
	list := make([]presentProber, 0, len(all))
	for _, x := range all {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b presentProber) int {
		return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Prober, b.Prober))
	})
	return list
}
