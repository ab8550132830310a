package probe

import (
	"maps"
	"sync"
	"time"
)

// A lapse is a failure so brief, and nobody's word, that one blip of our own may be all there was to it.
// Two in a row are more than one blip can do, if others were seen between them; so the next attempt of the check
// asks what was seen after this one.
type lapse struct {
	track  track
	target sighting // that cannot vouch for itself
	text   string   // of the target: a check that has been given another one starts afresh
	end    time.Time
	until  time.Time // an attempt that ends later is not the next one any more
	run    *run

	seen time.Time // by when others had been seen after it, once it is judged; guarded by Controls.mu
}

// A run is lapses of a check, each after the one before.
type run struct {
	first time.Time // when its first lapse ended

	seen time.Time // by when others had been seen after that; guarded by Controls.mu
}

// since is from when on sightings count for the next lapse. After the first of a run that is its end. Later, what
// was seen in the second before (in which a round begins, while checks fail) has a lapse before it all the same.
func (l *lapse) since() time.Time { return later(l.run.first, l.end.Add(-roundEvery-grace)) }

// lapses keeps the last attempt of each check, if it was a lapse. The zero value is empty. Its methods may be
// called at the same time.
type lapses struct {
	mu    sync.Mutex // guards what is below
	last  map[string]*lapse
	swept time.Time
}

// sweepEvery is how often lapses of checks that are gone are looked for.
const sweepEvery = time.Minute

// follow notes how an attempt of a check ended: in the lapse l, or otherwise if l is nil. It returns the lapse that
// the attempt before ended in, if the two are of one run.
func (ls *lapses) follow(c *Check, l *lapse) *lapse {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	before := ls.last[c.ID]
	if l == nil {
		delete(ls.last, c.ID)
		return nil
	}
	l.text = c.Kind.Target().Text
	if c.extra != nil {
		l.text += c.extra.way.String()
	}
	l.run, l.until = &run{first: l.end}, l.end.Add(2*c.Interval+verdictLimit)
	switch {
	case before == nil:
	case before.track != l.track, before.text != l.text, before.until.Before(l.end):
		before = nil
	default:
		l.run = before.run
	}
	ls.keep(c.ID, l)
	return before
}

// keep puts a lapse in the place of the check's last, and now and then forgets those of checks that are gone.
func (ls *lapses) keep(id string, l *lapse) {
	if ls.last == nil {
		ls.last = map[string]*lapse{}
	}
	ls.last[id] = l
	if l.end.Sub(ls.swept) >= sweepEvery {
		ls.swept = l.end
		maps.DeleteFunc(ls.last, func(_ string, o *lapse) bool { return o.until.Before(l.end) })
	}
}

// remember tells an attempt whether the one before was a lapse, and the next one whether this is.
func (l *Looker) remember(c *Check, e Expectation, t *trial) {
	if l.controls.none() {
		return
	}
	if e.needsWitness(&t.Attempt) && !t.asleep {
		if claim := claimOf(&t.Attempt, t.Start, t.end, time.Time{}); claim.lapse {
			t.lapse = &lapse{track: claim.track, target: claim.target, end: t.end}
		}
	}
	t.before = l.lapses.follow(c, t.lapse)
}

// seenAfter returns by when others had been seen after a lapse, and for the resolver, which remembers, after the first
// of its run; zero if they were not, and for nil. c.mu is held.
func (c *Controls) seenAfter(l *lapse) time.Time {
	switch {
	case l == nil:
		return time.Time{}
	case l.track.round() == trackResolver && !l.run.seen.IsZero():
		return l.run.seen
	case !l.seen.IsZero():
		return l.seen
	}
	return c.seen[l.track].seenBy(l.since(), l.end.Add(within), l.target, c.quorums[l.track.round()])
}

// judged keeps what was seen after a lapse for as long as the lapse is kept: a check's interval may be longer than the
// memory.
func (c *Controls) judged(l *lapse) {
	if l == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.seen = c.seenAfter(l)
	if l.run.seen.IsZero() {
		l.run.seen = l.seen
	}
}
