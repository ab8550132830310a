package schedule

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// woken is called by the timer at an instant of the grid, as far as the timer knows.
func (s *Scheduler) woken(g probe.Grid) {
	now := s.fire(g)
	if wait := g.Next(now) - now; wait > 0 && wait < g.Interval/2 {
		signal(s.early)
	}
}

// fire deals with every slot of the wave that has come due. It may be called at any time and more than once. It
// returns the instant by which it did, Unix ms.
func (s *Scheduler) fire(g probe.Grid) int64 {
	var a actions
	s.mu.Lock()
	now := s.clock.now()
	if w := s.book.waves[g]; w != nil && s.alive() {
		a.runs = make([]run, 0, len(w.tasks))
		s.book.fire(w, now, &a)
	}
	ctx := s.take(&a)
	s.mu.Unlock()
	s.do(ctx, &a)
	return now
}

// alive reports whether runs may be started. The mutex is held.
func (s *Scheduler) alive() bool { return s.ctx != nil && s.ctx.Err() == nil }

// take makes the actions ready to be done without the mutex, which is held, and returns the context of the
// runs.
func (s *Scheduler) take(a *actions) context.Context {
	if !s.alive() {
		s.book.stopped(a)
	}
	for _, m := range a.missed {
		s.count(m.Reason, m.grid.Count(m.From, m.To))
	}
	s.group.Add(len(a.runs))
	return s.ctx
}

// count counts missed slots. The mutex is held.
func (s *Scheduler) count(why probe.Reason, slots int64) {
	switch why {
	case probe.Late:
		s.counts.Late += uint64(slots)
	case probe.Overload:
		s.counts.Overload += uint64(slots)
	case probe.Stopped:
		s.counts.Stopped += uint64(slots)
	}
}

// do starts the runs and tells of the missed slots. The mutex is not held: a Runner may call the Scheduler.
func (s *Scheduler) do(ctx context.Context, a *actions) {
	for _, r := range a.runs {
		go s.run(ctx, r)
	}
	for _, m := range a.missed {
		s.runner.Missed(m.Check, m.From, m.To, m.Reason)
	}
}

func (s *Scheduler) run(ctx context.Context, r run) {
	defer s.group.Done()
	defer s.end(r)
	lag := s.clock.now() - r.slot
	if lag > Tolerance(r.grid) {
		s.mu.Lock()
		s.count(probe.Late, 1)
		s.mu.Unlock()
		s.runner.Missed(r.check.id, r.slot, r.slot+1, probe.Late)
		return
	}
	s.lags.observe(lag)
	s.runner.Run(ctx, r.check.id, r.slot)
}

// end gives back the place of a run. It is deferred, and stops a panic: one bad check must not end the
// watching of all others.
func (s *Scheduler) end(r run) {
	p := recover()
	s.mu.Lock()
	s.book.end(r.check)
	if p != nil {
		s.counts.Panics++
	}
	s.mu.Unlock()
	if p != nil {
		s.log.Error("schedule: a run panicked; its slot has no record",
			"check", r.check.id, "slot", time.UnixMilli(r.slot).UTC(), "panic", p, "stack", string(debug.Stack()))
	}
}

// Running returns the number of runs going on.
func (s *Scheduler) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.running
}

// Status returns what the Scheduler has done and is doing.
func (s *Scheduler) Status() Status {
	st := s.state()
	st.Lag = s.lags.read()
	for _, n := range st.Lag.Counts {
		st.Started += n
	}
	return st
}

func (s *Scheduler) state() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.counts
	st.Tasks, st.Waves = s.book.tasks, len(s.book.waves)
	st.Running, st.Overlapping = s.book.running, s.book.overlapping
	st.Behind = time.Duration(max(0, s.book.reach-s.clock.now()-1)) * time.Millisecond
	return st
}
