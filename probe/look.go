package probe

import (
	"context"
	"fmt"
	"time"
)

// A Looker runs the slots of one region: it looks, has what it saw vouched for, and judges. It may be used by
// many goroutines at a time.
type Looker struct {
	world    *World
	controls *Controls
	region   string
	wall     func() time.Time // the wall clock; its monotonic reading is not used
	lapses   lapses
}

// NewLooker returns a Looker for a region. A nil world is the real one; nil controls are `controls: none`.
func NewLooker(w *World, c *Controls, region string) *Looker {
	if w == nil {
		w = new(World)
	}
	l := &Looker{world: w, controls: c, region: region, wall: time.Now}
	if w.Wall != nil {
		l.wall = w.Wall
	}
	return l
}

// maxClockStep is how far wall and monotonic time may part within an attempt.
const maxClockStep = time.Second

// maxClockOffset is how far the prober's clock may be off the aggregator's for a check's slots to mean the same instants
// to both.
func (c *Check) maxClockOffset() time.Duration { return min(c.Interval/2, 5*time.Second) }

// LatestLag is how late after its instant a slot may still be probed.
func (c *Check) LatestLag() time.Duration { return min(c.Interval/4, 5*time.Second) }

// Look probes one slot, given in Unix ms, and says what it came to: as many attempts as the check's client
// makes, each with the check's timeout, with controls alongside. It returns when the verdict is settled, up to
// verdictLimit after the last attempt. If ctx ends first the slot is missed{stopped}, unless its target had
// answered as wanted; a slot whose time is past is missed{late} and not probed. The evidence is never nil.
func (l *Looker) Look(ctx context.Context, c *Check, slot int64) (Result, *Evidence) {
	r := Result{Check: c.ID, Slot: slot, Latency: NoLatency, Phases: noPhases()}
	r.Lag = max(l.wall().Sub(time.UnixMilli(slot)), 0)
	first, last := new(trial), new(trial)
	v := Verdict{Outcome: Missed, Reason: Late}
	decided := last
	var trials []*trial
	if c.Interval == 0 || r.Lag <= c.LatestLag() {
		e := c.Expect.In(l.region)
		trials = l.try(ctx, c, e)
		var i int
		v, i = l.settle(ctx, e, trials)
		first, last, decided = trials[0], trials[len(trials)-1], trials[i]
		if r.Lag += first.Waited; c.Interval > 0 && r.Lag > c.LatestLag() && v.Outcome.Verdict() {
			v = Verdict{Outcome: Missed, Reason: Late}
		}
		r.Attempts, r.Phases = attemptsOf(trials), phasesOf(&last.Attempt)
	}
	r.Outcome, r.Reason, r.Unvouched = v.Outcome, v.Reason, v.Unvouched
	r.Announced = v.Outcome == Down && v.Reason == Status && decided.Announced
	ev := evidenceOf(v, &decided.Attempt)
	ev.Check, ev.Slot, ev.Target, ev.Announced, ev.Asleep = c.ID, slot, c.Kind.Target().Text, r.Announced, decided.asleep
	if v.Outcome == Up {
		ev.Latency = last.Start.Sub(first.Start) + last.Latency - waitedBetween(trials)
		r.Latency, r.Under = IndexOf(ev.Latency), ev.Latency < c.Latency.Under
	}
	return r, ev
}

// waitedBetween is for how long attempts after the first waited for something of ours.
func waitedBetween(ts []*trial) time.Duration {
	var sum time.Duration
	for _, t := range ts[1:] {
		sum += t.Waited
	}
	return sum
}

// A trial is an attempt, when it ended, and who can vouch for it.
type trial struct {
	Attempt
	end     time.Time
	witness chan Witness // nil until asked for
	lapse   *lapse       // nil if it was none
	before  *lapse       // what the check's attempt before was, if both are of one run
	// controls are those that look as the check does.
	controls *Controls
	asleep   bool // this process did not run as the time was up: nobody can vouch
}

// try makes a slot's attempts, at least one. Those that are followed by another are vouched for meanwhile.
func (l *Looker) try(ctx context.Context, c *Check, e Expectation) []*trial {
	var ts []*trial
	for {
		t := l.attempt(ctx, c)
		l.remember(c, e, t)
		ts = append(ts, t)
		if e.settles(&t.Attempt) || len(ts) > c.Client.Retries {
			return ts
		}
		t.witness = make(chan Witness, 1)
		go func() { t.witness <- l.vouch(ctx, e, t) }()
		if !pause(ctx, c.Client.After) {
			return append(ts, &trial{Attempt: Attempt{Start: time.Now(), Reason: Stopped}})
		}
	}
}

// pause waits; it reports whether the wait was not cut short by the end of ctx.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// attempt makes one attempt, within the check's timeout. A fault of our own takes the place of whatever the
// attempt says.
func (l *Looker) attempt(ctx context.Context, c *Check) *trial {
	deadline, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	controls := l.controls.via(c.extra)
	if c.Timeout > roundAfter {
		defer controls.watch(deadline, c.Kind).end()
	}
	start, wall := time.Now(), l.wall()
	bell := newBell(start, c.Timeout)
	t := &trial{Attempt: l.guarded(deadline, c), controls: controls}
	t.end = time.Now()
	if t.Start.IsZero() {
		t.Start = start
	}
	t.stalled(bell)
	step := l.wall().Round(0).Sub(wall.Round(0)) - t.end.Sub(start)
	switch {
	case step.Abs() > maxClockStep:
		t.Reason = Clock
		t.Detail.Error = fmt.Sprintf("the wall clock was set by %v during the attempt, over %v", step, maxClockStep)
	case l.clockOffset().Abs() > c.maxClockOffset() && c.Interval > 0:
		t.Reason = Clock
		t.Detail.Error = fmt.Sprintf("the prober's clock is off the aggregator's by %v, over %v", l.clockOffset(), c.maxClockOffset())
	case ctx.Err() != nil && t.Reason != ReasonNone:
		t.Reason = Stopped
	}
	controls.saw(&t.Attempt)
	return t
}

func (l *Looker) clockOffset() time.Duration {
	if l.world.ClockOffset == nil {
		return 0
	}
	return l.world.ClockOffset()
}

// guarded makes an attempt of a panic.
func (l *Looker) guarded(ctx context.Context, c *Check) (a Attempt) {
	defer func() {
		if p := recover(); p != nil {
			a = panicked(p)
		}
	}()
	return c.Kind.Attempt(ctx, l.world.of(c))
}

// vouch finds a witness for an attempt, if one is needed and there can be one.
func (l *Looker) vouch(ctx context.Context, e Expectation, t *trial) Witness {
	if !e.needsWitness(&t.Attempt) || t.asleep {
		return Blind
	}
	return t.controls.witness(ctx, t)
}

// settle judges a slot's attempts. The second value is the index of the one that decided.
func (l *Looker) settle(ctx context.Context, e Expectation, ts []*trial) (Verdict, int) {
	vs := make([]Verdict, len(ts))
	for i, t := range ts {
		var w Witness
		if t.witness != nil {
			w = <-t.witness
		} else {
			w = l.vouch(ctx, e, t)
		}
		vs[i] = Judge(e, &t.Attempt, w)
	}
	v, i := Settle(vs)
	if v.Reason == NoVouch && ctx.Err() != nil {
		v.Outcome, v.Reason = Missed, Stopped
	}
	return v, i
}

// attemptsOf counts attempts; a query repeated over UDP is one of its own.
func attemptsOf(ts []*trial) int {
	n := 0
	for _, t := range ts {
		if t.Reason != Stopped || !t.end.IsZero() {
			n++
		}
		if t.Datagram {
			n += t.Lost
		}
	}
	return n
}

func noPhases() (ps [NumPhases]LatencyIndex) {
	for i := range ps {
		ps[i] = NoLatency
	}
	return ps
}

// phasesOf quantises the time that an attempt spent in each phase, over all hops.
func phasesOf(a *Attempt) [NumPhases]LatencyIndex {
	ps := noPhases()
	var sums [NumPhases]time.Duration
	for _, s := range a.Spans {
		if s.Phase < NumPhases {
			sums[s.Phase] += s.For
			ps[s.Phase] = IndexOf(sums[s.Phase])
		}
	}
	return ps
}
