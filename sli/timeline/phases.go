package timeline

import (
	"cmp"
	"math"
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// A look is what one result says of phases: nothing unless its slot was up, and then of its last attempt.
type look struct {
	at     int64 // Unix ms
	prober proberID
	mark   mark // of the message that it is from
	phases [probe.NumPhases]probe.LatencyIndex
}

func lookOf(r *probe.Result, p proberID, m mark) look {
	l := look{at: r.Slot, prober: p, mark: m, phases: r.Phases}
	if r.Outcome != probe.Up {
		for i := range l.phases {
			l.phases[i] = probe.NoLatency
		}
	}
	return l
}

// A bin tells how many slots that were up had a phase, in one hour of the day, that took as long as an index says.
type bin struct {
	hour  uint8
	phase probe.Phase
	index probe.LatencyIndex
	slots uint32
}

func compareBins(a, b bin) int {
	return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.phase, b.phase), cmp.Compare(a.index, b.index))
}

// phases are the histograms of a series on one day. They count what each prober saw: a slot that two probers of the
// region looked at is in them twice, for to take the loser of a join out again its phases would have to be kept.
// They remember whose results they have, so that counting a result again changes nothing, and the order in which
// results come makes no difference.
type phases struct {
	seen []seen
	bins []bin // in the order of compareBins, each once
}

// A seen is the slots of which a prober's results are counted: entries whose records say nothing.
type seen struct {
	prober  proberID
	entries []entry
}

// take counts the looks that were not counted yet. All must be of one day; their order is changed.
func (d *phases) take(looks []look) {
	slices.SortFunc(looks, func(a, b look) int {
		return cmp.Or(cmp.Compare(a.prober, b.prober), cmp.Compare(a.at, b.at), slices.Compare(a.phases[:], b.phases[:]))
	})
	var fresh []binKey
	for len(looks) > 0 {
		n := 1
		for n < len(looks) && looks[n].prober == looks[0].prober {
			n++
		}
		fresh = d.of(looks[0].prober).take(looks[:n], fresh)
		looks = looks[n:]
	}
	slices.Sort(fresh)
	d.bins = mergedBins(d.bins, binsOf(fresh))
}

// A binKey is hour, phase and index of a bin in one number, whose order is that of compareBins: sorting numbers takes a
// fraction of the time.
type binKey uint32

func (b *bin) key() binKey {
	return binKey(b.hour)<<24 | binKey(b.phase)<<16 | binKey(int32(b.index)-math.MinInt16)
}

// binsOf counts ordered keys.
func binsOf(keys []binKey) []bin {
	var bins []bin
	for i, k := range keys {
		if i > 0 && keys[i-1] == k {
			bins[len(bins)-1].slots++
			continue
		}
		bins = append(bins, bin{
			hour: uint8(k >> 24), phase: probe.Phase(k >> 16 & 0xff), index: probe.LatencyIndex(int32(k&0xffff) + math.MinInt16), slots: 1,
		})
	}
	return bins
}

func (d *phases) of(p proberID) *seen {
	i := slices.IndexFunc(d.seen, func(s seen) bool { return s.prober == p })
	if i < 0 {
		i = len(d.seen)
		d.seen = append(d.seen, seen{prober: p})
	}
	return &d.seen[i]
}

// take remembers looks in order and appends a key for each of their phases. Of two about one slot, which no prober
// sends unless it is broken, one counts.
func (s *seen) take(looks []look, bins []binKey) []binKey {
	var fresh []entry
	for i := range looks {
		l := &looks[i]
		if i > 0 && looks[i-1].at == l.at || s.has(l.at) || len(s.entries)+len(fresh) >= maxEntries {
			continue
		}
		fresh = append(fresh, entry{at: l.at})
		hour := uint8((l.at - dayOf(l.at)*dayMillis) / hourMillis)
		for p, index := range l.phases {
			if index != probe.NoLatency {
				b := bin{hour: hour, phase: probe.Phase(p), index: index}
				bins = append(bins, b.key())
			}
		}
	}
	s.entries = new(joiner).mergedEntries(s.entries, fresh)
	return bins
}

func (s *seen) has(at int64) bool {
	_, found := slices.BinarySearchFunc(s.entries, at, func(e entry, at int64) int { return cmp.Compare(e.at, at) })
	return found
}

// mergedBins adds up two ordered lists; b may have bins more than once.
func mergedBins(a, b []bin) []bin {
	out := make([]bin, 0, len(a)+len(b))
	add := func(x bin) {
		if n := len(out); n > 0 && compareBins(out[n-1], x) == 0 {
			out[n-1].slots += x.slots
			return
		}
		out = append(out, x)
	}
	for len(a) > 0 && len(b) > 0 {
		if compareBins(a[0], b[0]) <= 0 {
			add(a[0])
			a = a[1:]
		} else {
			add(b[0])
			b = b[1:]
		}
	}
	for _, x := range slices.Concat(a, b) {
		add(x)
	}
	return out
}

// hourMillis is the length of an hour.
const hourMillis = 60 * 60 * 1000

// looksByDay sorts copies of looks out by the day of their slots.
func looksByDay(looks []look) map[int64][]look {
	days := map[int64][]look{}
	for _, l := range looks {
		day := dayOf(l.at)
		days[day] = append(days[day], l)
	}
	return days
}
