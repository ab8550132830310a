package probe

import (
	"net/netip"
	"slices"
	"time"
)

// A sighting is the proof that a region's network was alive at an instant: an attempt on another host that sent its first
// packet then and succeeded without a loss.
type sighting struct {
	at   time.Time
	host string // configured name or address; for the resolver the registrable domain that was asked for
	// alias is another name that the host is configured under; via the proxy through which it was seen, with no addr then.
	alias, via string
	addr       netip.Addr // what was dialled, if anything
	took       time.Duration
	// control: it was a control that saw, in a round.
	control bool
}

// sighting is what an attempt that began at an instant shows to have been seen, or was to be.
func (a *Attempt) sighting(at time.Time) sighting {
	s := sighting{at: at, host: a.Host, alias: a.Alias, via: a.Via}
	if a.Via == "" { // a proxy's address says nothing about which host was seen
		s.addr = a.Addr.Addr()
	}
	return s
}

// same reports whether two sightings are of one host: of one name, or one address.
func (s sighting) same(o sighting) bool {
	return s.host == o.host || s.addr.IsValid() && s.addr == o.addr ||
		s.alias != "" && (s.alias == o.host || s.alias == o.alias) || o.alias != "" && o.alias == s.host
}

// anyWay stands for every proxy, and for none.
const anyWay = "*"

// sameWay reports whether two sightings are by the same way out of our network. One by another says nothing about it.
func (s sighting) sameWay(o sighting) bool { return s.via == o.via || o.via == anyWay }

// over is the instant at which the attempt had succeeded. A resolver may have found its answer only just before.
func (s sighting) over() time.Time { return s.at.Add(s.took) }

// distinct counts hosts, taking two for one if they share a name or an address, up to a limit.
func distinct(ss []sighting, limit int) int {
	var room [8]sighting
	seen := room[:0]
	for _, s := range ss {
		if !slices.ContainsFunc(seen, s.same) {
			seen = append(seen, s)
		}
		if len(seen) >= limit {
			break
		}
	}
	return len(seen)
}

// A memory keeps the sightings of the last minutes in one address family. It is bounded: a look into it
// costs as much as the time it is over, and not as much as was seen. The zero value is empty. It is not safe
// for concurrent use.
type memory struct {
	origin  time.Time // so that instants are compared on the monotonic clock
	buckets []bucket  // by instant, round and round
	// blind has the instants at which all controls were asked and none answered, in order.
	blind []time.Time
}

type bucket struct {
	number int64 // of this bucket since origin
	seen   []sighting
}

const (
	bucketTime  = 100 * time.Millisecond
	bucketCount = 4096 // nearly seven minutes
	bucketMax   = 32
	blindCount  = 1024
)

// glimpse remembers what a check saw, unless the same host, or more than enough hosts, were seen by the same way at nearly the
// same instant: enough is what leaves a quorum after a target's name and its address are taken out.
func (m *memory) glimpse(s sighting, enough int) {
	b := m.bucket(s.at)
	if b == nil || len(b.seen) >= bucketMax {
		return
	}
	for _, o := range b.seen {
		if !o.sameWay(s) {
			continue
		}
		if enough--; enough <= 0 || s.same(o) {
			return
		}
	}
	b.seen = append(b.seen, s)
}

// note remembers what a control saw.
func (m *memory) note(s sighting) {
	if b := m.bucket(s.at); b != nil && len(b.seen) < bucketMax {
		b.seen = append(b.seen, s)
	}
}

// noteBlind remembers a round without any success.
func (m *memory) noteBlind(at time.Time) {
	if len(m.blind) == blindCount {
		m.blind = slices.Delete(m.blind, 0, blindCount/2)
	}
	m.blind = append(m.blind, at)
}

// bucket returns the one for an instant, emptied of what it held a round ago; nil for one long past.
func (m *memory) bucket(at time.Time) *bucket {
	if m.buckets == nil {
		m.origin = at.Add(-bucketTime * bucketCount)
		m.buckets = make([]bucket, bucketCount)
	}
	n := m.number(at)
	if n <= 0 {
		return nil
	}
	b := &m.buckets[n%bucketCount]
	if n < b.number {
		return nil
	}
	if n > b.number {
		b.number, b.seen = n, b.seen[:0]
	}
	return b
}

func (m *memory) number(t time.Time) int64 { return int64(t.Sub(m.origin) / bucketTime) }

// between returns the sightings in [from, to] of hosts other than the target, by its way, in order. Of more than the
// memory spans it knows nothing.
func (m *memory) between(from, to time.Time, target sighting) []sighting {
	if m.buckets == nil {
		return nil
	}
	var found []sighting
	last := m.number(to)
	for n := max(m.number(from), last-bucketCount+1, 0); n <= last; n++ {
		b := &m.buckets[n%bucketCount]
		if b.number != n {
			continue
		}
		for _, s := range b.seen {
			if !s.at.Before(from) && !s.at.After(to) && s.sameWay(target) && !s.same(target) {
				found = append(found, s)
			}
		}
	}
	slices.SortFunc(found, func(a, b sighting) int { return a.at.Compare(b.at) })
	return found
}

// seenBy returns the earliest instant by which a quorum had been seen in attempts that began in [from, to]; zero
// if there is none, or a blind instant before it.
func (m *memory) seenBy(from, to time.Time, target sighting, quorum int) time.Time {
	by := m.between(from, to, target)
	slices.SortStableFunc(by, func(a, b sighting) int { return a.over().Compare(b.over()) })
	for i := range by {
		if distinct(by[:i+1], quorum) < quorum {
			continue
		}
		seen := by[i].over()
		if m.covered(window(from, seen.Sub(from)), target, quorum) {
			return seen
		}
		break
	}
	return time.Time{}
}

// A stretch asks whether every piece of a given length of an interval has a quorum of sightings. A blip of
// our own that is longer than the piece then cannot lie in the interval.
type stretch struct {
	from, to time.Time // at least one piece long
	piece    time.Duration
	controls bool      // only sightings of controls count
	clear    time.Time // nor may there be a blind instant from here on; zero: from
}

// window is a stretch of a single piece.
func window(from time.Time, length time.Duration) stretch {
	return stretch{from: from, to: from.Add(length), piece: length}
}

// covered answers a stretch. An instant in it at which no control answered spoils it, unless checks saw a
// quorum just before and just after: then it was the controls.
func (m *memory) covered(s stretch, target sighting, quorum int) bool {
	by := m.between(s.from, s.to, target)
	if s.controls {
		by = slices.DeleteFunc(by, func(s sighting) bool { return !s.control })
	}
	if !s.covered(by, quorum) {
		return false
	}
	clear := s.from
	if !s.clear.IsZero() {
		clear = s.clear
	}
	i, _ := slices.BinarySearchFunc(m.blind, clear, time.Time.Compare)
	for ; i < len(m.blind) && !m.blind[i].After(s.to); i++ {
		before, after := window(m.blind[i].Add(-half/2), half/2), window(m.blind[i], half/2)
		for _, w := range []stretch{before, after} {
			if distinct(m.between(w.from, w.to, target), quorum) < quorum {
				return false
			}
		}
	}
	return true
}

// covered answers from sightings in order.
func (s stretch) covered(by []sighting, quorum int) bool {
	if !seenIn(by, s.from, s.from.Add(s.piece), quorum) {
		return false
	}
	// A piece that lacks a quorum can be moved right until it begins just after a sighting, or ends at the end.
	for i := range by {
		from := later(by[i].at.Add(1), s.from)
		to := from.Add(s.piece)
		if !to.After(s.to) && !seenIn(by[i:], from, to, quorum) {
			return false
		}
	}
	return true
}

// seenIn reports whether a quorum lies in [from, to], of sightings in order.
func seenIn(by []sighting, from, to time.Time, quorum int) bool {
	i := 0
	for i < len(by) && by[i].at.Before(from) {
		i++
	}
	j := i
	for j < len(by) && !by[j].at.After(to) {
		j++
	}
	return distinct(by[i:j], quorum) >= quorum
}
