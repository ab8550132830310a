package timeline

import (
	"cmp"
	"slices"
	"time"
	"unique"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A timeline is what is in memory of one series. It changes only under both Store.writing and Store.mu, so
// either is enough to read it. There may be many, with nothing new most of the time, so what few have is behind pointers.
type timeline struct {
	sli.Series
	id      int64 // in table series; 0: it has no block yet; gone: the store no longer knows it
	newest  stand
	tail    *tail     // nil: everything is folded
	came    *arrivals // nil: nothing came
	next    *timeline // see order
	only    epoch     // the zero epoch: there is none, or there are several
	several *course   // nil: there is at most one
}

// A course is what several epochs say.
type course struct {
	epochs []epoch // by start and prober; replaced, never changed in place
	due    []sli.Segment
}

// gone is the id of a timeline that was retired.
const gone = -1

// A tail is what of a series is not folded yet. Its entries are in the order of slots, each slot once; its gaps are as
// they came.
type tail struct {
	slots
	looks []look // as they came
	since int64  // the first row of the journal that has something in it
}

// size is what counts as unfolded.
func (r *tail) size() int {
	if r == nil {
		return 0
	}
	return len(r.entries) + len(r.gaps)
}

// An epoch is the word of a prober, as it is stored. Two that are == say the same.
type epoch struct {
	start     int64 // Unix ms
	announced int64 // Unix ns
	offset    int64 // of the grid, ms
	kept      unique.Handle[terms]
}

// terms are what is mostly alike in the epochs of many checks, and kept once.
type terms struct {
	prober   string
	interval int64 // of the grid, ms
	budget   int64 // ms
	under    time.Duration
	of       probe.Population
	expected bool
}

func (e *epoch) terms() terms {
	if *e == (epoch{}) {
		return terms{} // which nobody keeps
	}
	return e.kept.Value()
}

// interval is that of the grid in ms; 0: the prober follows none any more.
func (e *epoch) interval() int64 { return e.terms().interval }

func (e *epoch) prober() string { return e.terms().prober }

func (e *epoch) public() sli.Epoch {
	t := e.terms()
	return sli.Epoch{Prober: t.prober, From: e.start, Interval: t.interval, Offset: e.offset}
}

func (t *timeline) dirty() bool { return t.tail != nil }

// rest is what is not folded yet, for reading; the zero tail if everything is.
func (t *timeline) rest() tail {
	if t.tail == nil {
		return tail{}
	}
	return *t.tail
}

// open returns the tail for what comes from a row of the journal.
func (t *timeline) open(seq int64) *tail {
	if t.tail == nil {
		n := t.usual()
		t.tail = &tail{slots: slots{entries: make([]entry, 0, n)}, looks: make([]look, 0, n), since: seq}
	}
	return t.tail
}

// usual is about how many results come from one fold to the next, if that is no great number.
func (t *timeline) usual() int {
	es := t.epochs()
	if len(es) == 0 || es[len(es)-1].interval() == 0 {
		return 0
	}
	return int(min((foldParts*foldTick).Milliseconds()/es[len(es)-1].interval()+1, 64))
}

// announce takes in an epoch. Of two with the same start and prober the one announced last counts, whatever
// the order in which they arrive.
func (t *timeline) announce(e epoch) {
	es := t.epochs()
	i, found := slices.BinarySearchFunc(es, e, compareEpochs)
	switch {
	case found && es[i].announced >= e.announced:
		return
	case found:
		es = slices.Clone(es)
		es[i] = e
		t.follow(es)
	default:
		t.follow(slices.Concat(es[:i], []epoch{e}, es[i:]))
	}
}

// forget drops an epoch that is no longer needed.
func (t *timeline) forget(e epoch) {
	es := t.epochs()
	if i, found := slices.BinarySearchFunc(es, e, compareEpochs); found {
		t.follow(slices.Concat(es[:i], es[i+1:]))
	}
}

// follow puts epochs, in their order, in the place of those that were known.
func (t *timeline) follow(es []epoch) {
	t.only, t.several = epoch{}, nil
	switch len(es) {
	case 0:
	case 1:
		t.only = es[0]
	default:
		t.several = &course{es, timetable(es)}
	}
}

// epochs are in the order of starts and probers. They must not be changed.
func (t *timeline) epochs() []epoch {
	switch {
	case t.several != nil:
		return t.several.epochs
	case t.only == epoch{}:
		return nil
	}
	return []epoch{t.only}
}

// due is the timetable. It must not be changed.
func (t *timeline) due() []sli.Segment {
	if t.several != nil {
		return t.several.due
	}
	return timetable(t.epochs())
}

// dueOf is the timetable of a series, nil if it is not known. It must not be changed.
func (s *Store) dueOf(x sli.Series) []sli.Segment {
	if t := s.timelines.of(x); t != nil {
		return t.due()
	}
	return nil
}

// cellAt is sli.CellAt of the timetable, without making one.
func (t *timeline) cellAt(at int64) int64 {
	if t.several != nil {
		return sli.CellAt(t.several.due, at)
	}
	one, ok := t.only.public().Segment()
	if !ok {
		return 0
	}
	return sli.CellAt([]sli.Segment{one}, at)
}

func compareEpochs(a, b epoch) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.prober(), b.prober()))
}

func timetable(epochs []epoch) []sli.Segment {
	es := make([]sli.Epoch, len(epochs))
	for i := range epochs {
		es[i] = epochs[i].public()
	}
	return sli.Timetable(es)
}

// followed is the timetable of one prober alone.
func followed(epochs []epoch, prober string) []sli.Segment {
	return timetable(slices.DeleteFunc(slices.Clone(epochs), func(e epoch) bool { return e.prober() != prober }))
}

// useless returns the epochs that say nothing about any instant from cutoff on: those that their prober
// replaced before it, and an end before it.
func useless(epochs []epoch, cutoff int64) []epoch {
	last := map[string]epoch{}
	var out []epoch
	for _, e := range epochs {
		if e.start > cutoff {
			break
		}
		if l, ok := last[e.prober()]; ok {
			out = append(out, l)
		}
		last[e.prober()] = e
	}
	for _, e := range last {
		if e.interval() == 0 {
			out = append(out, e)
		}
	}
	return out
}

// budget returns the largest time budget in ms of the epochs that were in force at since or later.
func budget(epochs []epoch, since int64) int64 {
	largest := int64(0)
	replaced := map[string]int64{} // by prober: when the epoch before it in time was replaced
	for _, e := range slices.Backward(epochs) {
		t := e.terms()
		until, ok := replaced[t.prober]
		if !ok || until > since {
			largest = max(largest, t.budget)
		}
		replaced[t.prober] = e.start
	}
	return largest
}

// atEnd returns the epoch that is in force last before to; of those that ended before, the last one; false
// if no grid was ever followed before to.
func atEnd(epochs []epoch, to int64) (epoch, bool) {
	var last epoch
	ended := map[string]bool{}
	for _, e := range slices.Backward(epochs) {
		switch {
		case e.start >= to:
		case e.interval() == 0:
			ended[e.prober()] = true
		case !ended[e.prober()]:
			return e, true
		case last.interval() == 0:
			last = e
		}
	}
	return last, last.interval() > 0
}
