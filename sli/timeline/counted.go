package timeline

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// Every slot is counted once, when it settles, and what was counted is stored, so that counters go on where they were
// whoever counts and whoever shows them. How that stays exact:
//
//   - Who folds counts. A row of table counted is read, added to and written in one transaction, and carries a number that
//     must be the one after the last: of two who count the same, one fails.
//   - Nothing of it is kept in memory, so an error leaves nothing to set right: whether or not a commit took place, the
//     next transaction reads what there is.
//   - A ledger says as what each slot was counted. Whenever something is known that may change how slots count, they are
//     compared with the ledger, and what differs is counted as late and written into it, in the transaction of the
//     change where a fold makes it. To compare again finds no difference. So what was counted, and what of it became
//     something else since, is together what the timeline says, whatever happened to it.
//   - What may change how slots count: results (compared as they are folded), corrections and revocations (those are marked
//     whose effect is counted), epochs (each is marked in the row), and an import (which leaves a note).
//     Maintenance does not: nothing is counted before it is known which maintenance began.

// lateAfter is how long a slot waits for its result before it is counted as one without.
const lateAfter = 10 * time.Minute

// numVerdicts is the number of values that sli.Verdict has.
const numVerdicts = int(notDue)

// A partCount is what was counted of a part of the series.
type partCount struct {
	begin   int64 // Unix ms: slots from then on are counted
	upTo    int64 // Unix ms: slots before it are counted, but those that wait
	written int64 // Unix ms
	series  map[sli.Series]*seriesCount
	regions map[string]*regionCount
}

func newPartCount() *partCount {
	return &partCount{series: map[sli.Series]*seriesCount{}, regions: map[string]*regionCount{}}
}

// A seriesCount is what was counted of a series.
type seriesCount struct {
	born      int64    // Unix ms
	open      int64    // Unix ms: of the slots before it none waits
	epochs    []uint32 // marks of those by which slots are counted
	slots, ms [numVerdicts]int64
	bins      []sli.LatencyBin
	bounds    []sli.LatencyBound // the one in force last first
	late      []lateCount
	recent    ledger // of what is not in table counted_day: all from open on, and what was counted since the last fold
}

// A lateCount is of slots that were counted as one thing and came to be another.
type lateCount struct {
	was, is         standing
	born, slots, ms int64
}

// A regionCount is due time of cells in ms, and that for which there was a verdict in time.
type regionCount struct{ born, due, told int64 }

// become counts that a slot became another thing than it was counted as.
func (x *seriesCount) become(was, is standing, cell, now int64) {
	if was == is {
		return
	}
	i := slices.IndexFunc(x.late, func(l lateCount) bool { return l.was == was && l.is == is })
	if i < 0 {
		i = len(x.late)
		x.late = append(x.late, lateCount{was: was, is: is, born: now})
	}
	x.late[i].slots++
	x.late[i].ms += cell
}

// observe counts the latency of an up slot whose threshold was under.
func (x *seriesCount) observe(s *sli.Slot, under time.Duration) {
	if s.Outcome != sli.Up || s.Latency == sli.NoLatency {
		return
	}
	i, found := slices.BinarySearchFunc(x.bins, s.Latency, func(b sli.LatencyBin, i sli.Index) int { return cmp.Compare(b.Index, i) })
	if !found {
		x.bins = slices.Insert(x.bins, i, sli.LatencyBin{Index: s.Latency})
	}
	x.bins[i].N++
	if under > 0 {
		x.bound(under).More += beyond(s, under.Seconds())
	}
}

// gamma is how far a bin of latencies reaches at most, and a little.
const gamma = 101.0/99 + 1e-9

// beyond is 1 if a slot was under a threshold and the value of its bin is not, -1 the other way round. Only the bin that a
// threshold divides can have such.
func beyond(s *sli.Slot, under float64) int64 {
	value := s.Latency.Seconds()
	divided := value < under*gamma && value*gamma > under
	switch {
	case divided && s.Under && value > under:
		return 1
	case divided && !s.Under && value <= under:
		return -1
	}
	return 0
}

// maxBounds is how many thresholds of a series are remembered.
const maxBounds = 4

// bound returns the count of a threshold, and makes it one if there is none.
func (x *seriesCount) bound(under time.Duration) *sli.LatencyBound {
	i := slices.IndexFunc(x.bounds, func(b sli.LatencyBound) bool { return b.Under == under })
	if i < 0 {
		i = len(x.bounds)
		x.bounds = append(x.bounds, sli.LatencyBound{Under: under})
	}
	return &x.bounds[i]
}

// inForce puts the count of the threshold in force first, and forgets those that were in force longest ago.
func (x *seriesCount) inForce(under time.Duration) {
	if under > 0 && (len(x.bounds) == 0 || x.bounds[0].Under != under) {
		b := *x.bound(under)
		x.bounds = slices.DeleteFunc(x.bounds, func(o sli.LatencyBound) bool { return o.Under == under })
		x.bounds = slices.Insert(x.bounds, 0, b)
	}
	x.bounds = x.bounds[:min(len(x.bounds), maxBounds)]
}

// markOf tells epochs apart.
func markOf(e *epoch) uint32 {
	h := fnv.New32a()
	h.Write(appendNumbers([]byte(e.prober()), e.start, e.announced, e.interval(), e.offset))
	return h.Sum32()
}

// account marks the epochs by which slots are counted from now on, and returns the instant from which one of them is new,
// upTo if none is before that.
func (x *seriesCount) account(epochs []epoch, upTo int64) int64 {
	marks := make([]uint32, len(epochs))
	from := upTo
	for i := range epochs {
		if marks[i] = markOf(&epochs[i]); !slices.Contains(x.epochs, marks[i]) {
			from = min(from, epochs[i].start)
		}
	}
	x.epochs = marks
	return from
}

// A recount compares slots, in order of time, with a ledger. What differs is late.
type recount struct {
	x   *seriesCount
	now int64
	old reckoner
	out ledger
}

// slot compares one that is due.
func (r *recount) slot(at, cell int64, as standing) {
	for r.pass(at) {
	}
	was, wasCell := notDue, cell
	if next, c, s, ok := r.old.next(); ok && next == at {
		was, wasCell = s, c
		r.old.take()
	} else if at >= r.x.open {
		return // it waits
	}
	if was != notDue && wasCell != cell {
		r.x.become(was, notDue, wasCell, r.now)
		was = notDue
	}
	r.x.become(was, as, cell, r.now)
	r.out.add(at, cell, as)
}

// pass takes a slot before an instant that was counted and is not due; false: there is none.
func (r *recount) pass(before int64) bool {
	at, cell, as, ok := r.old.next()
	if !ok || at >= before {
		return false
	}
	r.x.become(as, notDue, cell, r.now)
	r.old.take()
	return true
}

// end returns the ledger as it is after a comparison with all slots.
func (r *recount) end() ledger {
	for r.pass(maxInstant) {
	}
	return r.out
}
