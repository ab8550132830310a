package relay

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Refusal says why the centre did not take something from a prober. The words are stable.
type Refusal string

// The refusals.
const (
	RefusedEmpty         Refusal = "empty"         // a message without content
	RefusedTooBig        Refusal = "too_big"       // a message or request above its limit
	RefusedTooFast       Refusal = "too_fast"      // more messages, bytes or requests a second than a prober may send
	RefusedBusy          Refusal = "busy"          // too many on their way into the far queue, or requests in hand
	RefusedFull          Refusal = "full"          // the lane has no room, for this prober or at all
	RefusedSubject       Refusal = "subject"       // a subject that no prober has
	RefusedFailed        Refusal = "failed"        // the far queue could not store it
	RefusedUnanswered    Refusal = "unanswered"    // the centre has no answer to a request
	RefusedConnections   Refusal = "connections"   // more connections at once than a prober may have
	RefusedFlooding      Refusal = "flooding"      // connections shortly after one that was ended for flooding
	RefusedUnknownKey    Refusal = "unknown_key"   // connections with a key that is not admitted
	RefusedSubscriptions Refusal = "subscriptions" // more subscriptions than a connection may have
	RefusedSlow          Refusal = "slow"          // connections that did not read what was sent to them
	RefusedProtocol      Refusal = "protocol"      // what no client sends that means well
	RefusedHandshake     Refusal = "handshake"     // connections whose TLS did not come about
	RefusedSignature     Refusal = "signature"     // connections that do not hold the key they claim
)

// deserved reports whether a refusal is the prober's doing. Too much of it ends its connections.
func (r Refusal) deserved() bool {
	switch r {
	case RefusedEmpty, RefusedTooBig, RefusedTooFast, RefusedBusy, RefusedSubject, RefusedSubscriptions, RefusedProtocol:
		return true
	}
	return false
}

// What one prober may do. An honest one sends a message a second, and at most lateRate of a backlog.
const (
	peerRate      = 500 // messages a second
	peerBytes     = 4 << 20
	peerRequests  = 5 // plans and heartbeats a second
	peerFlight    = 4 << 20
	peerBurst     = 2         // seconds worth of the above that may come at once
	strikeRate    = 1000      // refusals a second, after which a prober's connections end
	strikeBurst   = 5000      // that may come at once
	strikeBytes   = 4 << 10   // a refused message is a refusal more for each so many bytes
	tellAgain     = time.Hour // after which a refusal of the same kind is logged again
	flightOverall = 64 << 20  // bytes on their way into the far queue, of all probers
)

// A peer is what the centre knows of a prober.
type peer struct {
	id                       Identity
	messages, bytes, strikes *rate.Limiter
	requests                 *rate.Limiter

	mu          sync.Mutex
	flight      int // bytes on their way into the far queue
	stored      int64
	storedBytes int64
	refused     map[Refusal]int64
	told        map[Refusal]time.Time
	heard       time.Time
}

// peers are all probers that were heard of. The zero value is ready.
type peers struct {
	mu     sync.Mutex
	known  map[Identity]*peer
	flight int // bytes on their way into the far queue, of all
}

func (ps *peers) of(id Identity) *peer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.known[id]
	if p == nil {
		p = &peer{
			id:       id,
			messages: rate.NewLimiter(peerRate, peerRate*peerBurst),
			bytes:    rate.NewLimiter(peerBytes, peerBytes*peerBurst),
			requests: rate.NewLimiter(peerRequests, peerRequests*peerBurst),
			strikes:  rate.NewLimiter(strikeRate, strikeBurst),
			refused:  make(map[Refusal]int64),
			told:     make(map[Refusal]time.Time),
		}
		if ps.known == nil {
			ps.known = make(map[Identity]*peer)
		}
		ps.known[id] = p
	}
	return p
}

func (ps *peers) all() []*peer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return slices.SortedFunc(maps.Values(ps.known), func(a, b *peer) int { return a.id.compare(b.id) })
}

// take reserves room for a message on its way into the far queue, and reports whether there is some.
func (ps *peers) take(p *peer, size int) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flight+size > peerFlight || ps.flight+size > flightOverall {
		return false
	}
	p.flight += size
	ps.flight += size
	return true
}

// give returns the room of take.
func (ps *peers) give(p *peer, size int) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flight -= size
	ps.flight -= size
}

func (p *peer) hear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = time.Now()
}

func (p *peer) count(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stored++
	p.storedBytes += int64(size)
}

// refuse counts a refusal, logs it unless that was done lately, and reports whether there were too many.
func (p *peer) refuse(log *slog.Logger, why Refusal, size int) (flooding bool) {
	p.mu.Lock()
	p.refused[why]++
	n, now := p.refused[why], time.Now()
	tell := now.Sub(p.told[why]) >= tellAgain
	if tell {
		p.told[why] = now
	}
	p.mu.Unlock()
	if tell {
		level := slog.LevelWarn
		if why == RefusedFull {
			level = slog.LevelInfo // it is how a prober with a backlog is told to wait
		}
		log.Log(context.Background(), level, "refused what a prober sent; this is told once an hour", "region", p.id.Region, "prober", p.id.Prober,
			"reason", string(why), "bytes", size, "count", n)
	}
	return why.deserved() && !p.strikes.AllowN(time.Now(), 1+size/strikeBytes)
}

// more counts more refusals of a kind.
func (p *peer) more(why Refusal, n int64) {
	p.mu.Lock()
	p.refused[why] += n
	p.mu.Unlock()
	p.strikes.AllowN(time.Now(), int(min(n, strikeBurst)))
}

func allow(l *rate.Limiter, n int) bool { return l.AllowN(time.Now(), n) }
