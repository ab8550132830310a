package main

import (
	"maps"
	"sync"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// notices keep what the last attempts at targets with TLS told that is no failure yet. The zero value is empty. The methods may be
// called at the same time.
type notices struct {
	mu   sync.Mutex // guards what is below
	last map[string]notice
}

// A notice is what was seen of one check.
type notice struct {
	at       time.Time // of the last attempt
	expires  time.Time // when clients begin to refuse the certificates
	warnings int       // of the last attempt that came to certificates
}

// take keeps what the evidence of a check tells. What failed before it came to certificates leaves what was seen before; what succeeded
// without any has none.
func (n *notices) take(ev *probe.Evidence, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	was, ok := n.last[ev.Check]
	switch {
	case !ev.Expires.IsZero():
		was.expires, was.warnings = ev.Expires, len(ev.Detail.Warnings)
	case !ok:
		return
	case ev.Outcome == probe.Up.String():
		delete(n.last, ev.Check)
		return
	}
	if n.last == nil {
		n.last = map[string]notice{}
	}
	was.at = now
	n.last[ev.Check] = was
}

// of returns the notices of checks that are looked at still, and forgets the others.
func (n *notices) of(fresh func(id string, at time.Time) bool) map[string]notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.last, func(id string, x notice) bool { return !fresh(id, x.at) })
	return maps.Clone(n.last)
}
