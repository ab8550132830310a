package timeline

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"sync"

	"github.com/gaikei/gaikei/probe"
)

// A record is what is stored of one slot. The zero record is no data: it is below every other one.
type record struct {
	outcome   probe.Outcome
	reason    probe.Reason
	latency   probe.LatencyIndex
	attempts  uint8 // 255 stands for 255 or more
	under     bool
	unvouched bool
	prober    proberID
}

// recordOf takes from a result what is kept of it.
func recordOf(r *probe.Result, p proberID) record {
	return record{
		outcome: r.Outcome, reason: r.Reason, latency: r.Latency, under: r.Under, unvouched: r.Unvouched,
		attempts: uint8(min(max(r.Attempts, 0), 255)), prober: p,
	}
}

// missedRecord is what a missed range says of each of its slots.
func missedRecord(reason probe.Reason, p proberID) record {
	return record{outcome: probe.Missed, reason: reason, latency: probe.NoLatency, prober: p}
}

// class orders records by how much they say: a verdict beats a doubt, which beats a hole.
func (r record) class() int {
	switch {
	case r.outcome.Verdict():
		return 3
	case r.outcome == probe.Inconclusive:
		return 2
	case r.outcome == probe.Missed:
		return 1
	}
	return 0
}

// A joiner joins the records of one series. It is a value for the time of some joins and not for concurrent use.
type joiner struct {
	check, region string
	probers       *probers
}

// join returns the greater of two records of the slot at this instant in the lexicographic order of (class,
// tie, outcome, reason, latency, under, attempts, prober, unvouched). Being the maximum of a total order, it is
// commutative, associative and idempotent.
func (j *joiner) join(at int64, a, b record) record {
	if a == b || j.compare(at, a, b) >= 0 {
		return a
	}
	return b
}

func (j *joiner) compare(at int64, a, b record) int {
	c := cmp.Compare(a.class(), b.class())
	if c == 0 && a.prober != b.prober {
		c = cmp.Compare(j.tie(at, a.prober), j.tie(at, b.prober))
	}
	if c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(a.outcome, b.outcome),
		cmp.Compare(a.reason, b.reason),
		cmp.Compare(a.latency, b.latency),
		compareBits(a.under, b.under),
		cmp.Compare(a.attempts, b.attempts),
		cmp.Compare(j.probers.name(a.prober), j.probers.name(b.prober)),
		compareBits(a.unvouched, b.unvouched),
	)
}

// tie is the coin that is tossed between two probers with as much to say: the first two bytes of SHA-256 over
// check, region, slot in ms and prober, NUL-separated. Preferring the good or the bad would be a bias.
func (j *joiner) tie(at int64, p proberID) uint16 {
	text := make([]byte, 0, 128)
	text = append(append(text, j.check...), 0)
	text = append(append(text, j.region...), 0)
	text = append(strconv.AppendInt(text, at, 10), 0)
	text = append(text, j.probers.name(p)...)
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint16(sum[:])
}

func compareBits(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// A proberID stands for a prober's name within this process; it is never stored.
type proberID uint32

// probers gives names numbers, so that a record is small. The zero value is ready for use; safe for
// concurrent use.
type probers struct {
	mu    sync.RWMutex
	names []string            // guarded by mu
	ids   map[string]proberID // guarded by mu
}

func (p *probers) name(id proberID) string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.names[id]
}

func (p *probers) id(name string) proberID {
	p.mu.RLock()
	id, ok := p.ids[name]
	p.mu.RUnlock()
	if ok {
		return id
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id, ok := p.ids[name]; ok {
		return id
	}
	if p.ids == nil {
		p.ids = map[string]proberID{}
	}
	id = proberID(len(p.names))
	p.names = append(p.names, name)
	p.ids[name] = id
	return id
}

// An entry is the record of the slot at an instant (Unix ms).
type entry struct {
	at   int64
	rec  record
	mark mark // of what is in memory, of the message that rec is from; not stored
}

// A gap says that a prober missed every slot of its grid in [from, to), for one reason. Gaps are kept as they
// are, since the grid may become known after them, and a gap of days costs as little as one of a second.
type gap struct {
	from, to int64 // Unix ms
	prober   proberID
	reason   probe.Reason
	mark     mark // of what is in memory; not stored
}

// slots are records in the order of their instants, each instant once, together with gaps in the canonical
// order of normalise: what a block holds.
type slots struct {
	entries []entry
	gaps    []gap
}

func (s *slots) empty() bool { return len(s.entries)+len(s.gaps) == 0 }

// put joins one record in and returns the one that was there before, the zero record if none.
func (s *slots) put(j *joiner, e entry) record {
	n := len(s.entries)
	if n == 0 || s.entries[n-1].at < e.at {
		s.entries = append(s.entries, e)
		return record{}
	}
	i, found := slices.BinarySearchFunc(s.entries, e.at, func(x entry, at int64) int { return cmp.Compare(x.at, at) })
	if !found {
		s.entries = slices.Insert(s.entries, i, e)
		return record{}
	}
	before := s.entries[i].rec
	if after := j.join(e.at, before, e.rec); after != before {
		s.entries[i].rec, s.entries[i].mark = after, e.mark
	}
	return before
}

// merged returns the join of two sets of slots; neither is changed, and either may be what is returned.
func (j *joiner) merged(a, b slots) slots {
	switch {
	case a.empty():
		return b
	case b.empty():
		return a
	}
	gaps := a.gaps
	if len(b.gaps) > 0 {
		gaps = normalise(j.probers, slices.Concat(a.gaps, b.gaps))
	}
	return slots{entries: j.mergedEntries(a.entries, b.entries), gaps: gaps}
}

func (j *joiner) mergedEntries(a, b []entry) []entry {
	if len(b) == 0 {
		return a
	}
	out := make([]entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].at < b[0].at:
			out, a = append(out, a[0]), a[1:]
		case a[0].at > b[0].at:
			out, b = append(out, b[0]), b[1:]
		default:
			out = append(out, entry{at: a[0].at, rec: j.join(a[0].at, a[0].rec, b[0].rec)})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// normalise sorts gaps by prober's name, reason and start and unites those of one prober and reason that
// overlap or touch, in place. Union is a join too.
func normalise(p *probers, gaps []gap) []gap {
	slices.SortFunc(gaps, func(a, b gap) int {
		return cmp.Or(
			cmp.Compare(p.name(a.prober), p.name(b.prober)), cmp.Compare(a.reason, b.reason),
			cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to),
		)
	})
	out := gaps[:0]
	for _, g := range gaps {
		if n := len(out); n > 0 && out[n-1].prober == g.prober && out[n-1].reason == g.reason && g.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, g.to)
			continue
		}
		out = append(out, g)
	}
	return out
}
