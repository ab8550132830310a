package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gaikei/gaikei/probe/wire"
)

// A pulse tells the aggregator every few seconds that the prober is alive and how it fares, and learns from the answers
// how far its clock is off.
type pulse struct {
	follower *follower
	beat     func(ctx context.Context, beat []byte) ([]byte, error)
	started  time.Time
	clock    offClock
	log      *slog.Logger
}

const beatTimeout = 5 * time.Second

// run beats until ctx ends.
func (p *pulse) run(ctx context.Context) error {
	tick := time.NewTicker(wire.BeatEvery)
	defer tick.Stop()
	for {
		p.once(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-p.follower.news: // so that who changed the plan sees at once that it is followed
		}
	}
}

// once sends a beat. That there is no answer is told by who is connected, or not.
func (p *pulse) once(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	b := p.state()
	b.Sent = wallClock()
	data, err := p.beat(ctx, b.Marshal())
	if err != nil {
		return
	}
	received := wallClock()
	a, err := wire.ReadBeatAnswer(data)
	if err != nil {
		p.log.Warn("the aggregator's answer to a heartbeat cannot be read", "error", err)
		return
	}
	if p.clock.measure(b.Sent, received, a.Now) {
		off, _ := p.clock.offset()
		if off.Abs() >= clockWarning {
			p.log.Warn("the clock is off the aggregator's; beyond half an interval, or 5s, slots are inconclusive{clock}", "offset", off.Round(time.Millisecond))
		} else {
			p.log.Info("the clock agrees with the aggregator's again", "offset", off.Round(time.Millisecond))
		}
	}
	p.follower.newer(a.Revision)
}

// state is how the prober fares.
func (p *pulse) state() wire.Beat {
	st := p.follower.station
	f, q := p.follower.following(), st.queue.Status()
	b := wire.Beat{
		Version: version(), Started: p.started, Revision: f.revision, Checks: f.checks, Refused: len(f.refused),
		PlanError: errText(f.err), MaxRunning: st.opts.maxRunning,
		QueuePending: q.Pending, QueueAge: q.Oldest.Seconds(), QueueBytes: q.Bytes, QueueMax: q.MaxBytes,
		QueueHeld: q.Held, QueueBroken: q.Broken, Faults: sentences(st.faults()),
	}
	for _, pr := range st.now() {
		b.Running += pr.scheduler.Status().Running
	}
	for _, d := range q.Dropped {
		b.Dropped += d.Count
	}
	if off, known := p.clock.offset(); known {
		seconds := off.Seconds()
		b.ClockOffset = &seconds
	}
	return b
}

// clockWarning is how far a clock may be off the aggregator's before that is told.
const clockWarning = 250 * time.Millisecond

// clockForgets is how long a measurement stands for what comes after it: without an aggregator to compare with, a clock
// may have been set right, or wrong.
const clockForgets = 5 * time.Minute

// An offClock knows how far the clock of this machine is ahead of the aggregator's. The zero value knows nothing. It is
// safe for concurrent use.
type offClock struct {
	mu       sync.Mutex // guards what follows
	ahead    time.Duration
	measured time.Time // zero: never
	warned   bool
}

// measure takes in an answer: it was given at the instant theirs of the other clock, between two of this one. Of the
// way there and back it is only known how long both took, so an offset of less than half of that is none. It reports
// whether the clock has come to be off by more than clockWarning, or has ceased to be.
func (c *offClock) measure(sent, received, theirs time.Time) (changed bool) {
	trip := received.Sub(sent)
	// Wall clocks are compared here, so the monotonic readings must not be.
	ahead := sent.Round(0).Add(trip / 2).Sub(theirs)
	switch {
	case ahead.Abs() <= trip/2:
		ahead = 0
	case ahead > 0:
		ahead -= trip / 2
	default:
		ahead += trip / 2
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead, c.measured = ahead, received
	off := ahead.Abs() >= clockWarning
	changed = off != c.warned
	c.warned = off
	return changed
}

// offset returns how far this clock is ahead; false if that is not known.
func (c *offClock) offset() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.measured.IsZero() || time.Since(c.measured) > clockForgets {
		return 0, false
	}
	return c.ahead, true
}

// ahead is offset for a probe.World.
func (c *offClock) aheadBy() time.Duration {
	d, _ := c.offset()
	return d
}
