// Package schedule runs slots at their instants. It decides when a slot of a check is due, hands it to a Runner in
// time, and says of every slot that it did not hand over that it was missed, and why: each due slot of
// each task is either run once or in one missed range, whatever the clock, the load or a new configuration do.
//
// It does not know what a check is, look at anything, judge, or store; and it does not say since when or
// until when a check is followed, which is the caller's to announce. The timer is gocron's, which stays
// hidden in here: tasks that share a grid form a wave, and a wave is one job.
package schedule

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// A Task is a check to be followed on a grid.
type Task struct {
	ID   string
	Grid probe.Grid // a task on a grid without an interval is refused
	// The slots in [From, Until), Unix ms; an Until of 0 means for ever. One ID may have several tasks, such as
	// an old grid until T and a new one from T; their spans must not overlap.
	From, Until int64
}

// A Runner is what the slots are for. Its methods are called on many goroutines at a time.
type Runner interface {
	// Run looks once. It may block; when ctx ends, it returns soon. A panic is logged, counted, and leaves
	// the slot without a record.
	Run(ctx context.Context, id string, slot int64)
	// Missed tells that no slot of the task's grid in [from, to), Unix ms, was run: from is the first of them,
	// to lies right behind the last. The reason is one of the class missed. It must not block.
	Missed(id string, from, to int64, reason probe.Reason)
}

// Options of a Scheduler. The zero value is ready to use.
type Options struct {
	// MaxRunning bounds the runs that overlap an earlier run of the same id; the first run of an id is always
	// allowed. 0 means 1024, a negative number none.
	MaxRunning int
	Logger     *slog.Logger // nil: slog.Default
	// Shift is how far the wall clock is to be taken to be off time.Now, for tests; nil: not at all.
	Shift func() time.Duration
}

const (
	defaultMaxRunning = 1024
	// watchEvery is how often the wall clock is compared with the monotonic one.
	watchEvery = time.Second
	// stepFrom is the least difference that is taken for a step. Smaller ones add up until they are one.
	stepFrom = 5 * time.Millisecond
	// earlyFrom is what is taken for one when a wave was woken early.
	earlyFrom = 500 * time.Microsecond
	// loudFrom is the least step worth a warning.
	loudFrom = time.Second
	// soon is how far ahead a wave is armed. A job of gocron takes about a kilobyte, and checks with long intervals
	// are nearly as many waves.
	soon = 2 * time.Minute
	// alignEvery is how often the waves are looked at for those that have come near: twice as often as is needed.
	alignEvery = soon / 2
)

// A Scheduler runs the slots of tasks. Its methods are safe for concurrent use, and may be called from a Runner.
type Scheduler struct {
	runner Runner
	log    *slog.Logger
	clock  clock
	lags   lags
	group  sync.WaitGroup // runs

	changed chan struct{} // the set of waves may have changed
	early   chan struct{} // a wave was woken before its instant: the clock must have been set back

	mu     sync.Mutex
	ctx    context.Context // of the runs; nil unless Run is running
	book   *book
	counts Status // only the counters
}

// New makes a Scheduler. It does nothing until Run.
func New(r Runner, o Options) *Scheduler {
	s := &Scheduler{
		runner:  r,
		log:     cmp.Or(o.Logger, slog.Default()),
		clock:   newClock(o.Shift),
		changed: make(chan struct{}, 1),
		early:   make(chan struct{}, 1),
		book:    newBook(max(cmp.Or(o.MaxRunning, defaultMaxRunning), 0)),
	}
	return s
}

// Set replaces the tasks. It returns the instant, Unix ms, at which it did so: slots up to it are those of
// the old tasks, slots after it those of the new ones. A task of the same id and grid as before goes on
// undisturbed, with its new span. Runs going on are left alone, also those of tasks no longer there. A span
// that began in the past is taken to be followed already: what passed of it before the returned instant is
// the caller's to account for (see Stopped).
//
// What has come due of the old tasks while Run was not running is missed, stopped.
func (s *Scheduler) Set(tasks []Task) int64 {
	tasks = s.valid(tasks)
	var a actions
	s.mu.Lock()
	now := s.clock.now()
	s.book.set(tasks, now, &a)
	ctx := s.take(&a)
	s.mu.Unlock()
	s.do(ctx, &a)
	signal(s.changed)
	return now
}

// signal wakes the reader of c, which has room for one; a signal that waits already is enough.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// valid leaves out what could not be followed.
func (s *Scheduler) valid(tasks []Task) []Task {
	ok := make([]Task, 0, len(tasks))
	for _, t := range tasks {
		if t.Grid.Interval <= 0 {
			s.log.Error("schedule: task refused: the grid has no interval", "check", t.ID)
			continue
		}
		ok = append(ok, t)
	}
	return ok
}

// Run runs the slots of the tasks until ctx ends; then it starts no more, waits for the runs going on, whose context
// ends with ctx, and returns nil. Any other return is an error of the timer. It can be called once at a time.
func (s *Scheduler) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := newWaker(s.woken)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	err = s.watch(ctx, w)
	cancel() // with the timer broken, the runs have to end too
	err = errors.Join(err, w.close())
	s.retire()
	return err
}

// retire waits until no run is going on and no further one can begin.
func (s *Scheduler) retire() {
	s.mu.Lock()
	s.ctx = nil
	s.mu.Unlock()
	s.group.Wait()
}

// watch keeps the waker in step with the waves and with the wall clock.
func (s *Scheduler) watch(ctx context.Context, w *waker) error {
	tick, again := time.NewTicker(watchEvery), time.NewTicker(alignEvery)
	defer tick.Stop()
	defer again.Stop()
	offset := s.clock.offset()
	err := s.align(w, offset)
	for err == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-s.changed:
			err = s.align(w, offset)
		case <-again.C:
			err = s.align(w, offset)
		case <-s.early:
			offset, err = s.resync(w, offset, earlyFrom)
		case <-tick.C:
			offset, err = s.resync(w, offset, stepFrom)
		}
	}
	return err
}

// resync arms the waves anew if the wall clock is off what they were armed for by at least this much. It
// returns the offset they are armed for.
func (s *Scheduler) resync(w *waker, offset, least time.Duration) (time.Duration, error) {
	step := s.clock.offset() - offset
	if step.Abs() < least {
		return offset, nil
	}
	if step.Abs() >= stepFrom {
		s.stepped(step)
	}
	offset += step
	if err := w.disarmAll(); err != nil {
		return offset, err
	}
	return offset, s.align(w, offset)
}

// align arms the waves that come due soon and are not armed, and disarms all others.
func (s *Scheduler) align(w *waker, offset time.Duration) error {
	grids := s.upcoming()
	for g := range w.jobs {
		if _, ok := grids[g]; ok {
			delete(grids, g)
		} else if err := w.disarm(g); err != nil {
			return err
		}
	}
	for g := range grids {
		if err := w.arm(g, s.clock.at(g.Next(s.clock.now()+1), offset)); err != nil {
			return err
		}
		// What came due before the wave was armed would otherwise wait for the next firing.
		s.fire(g)
	}
	return nil
}

// upcoming deals with every slot that has come due, and returns the grids that have one soon after.
func (s *Scheduler) upcoming() map[probe.Grid]struct{} {
	var a actions
	gs := map[probe.Grid]struct{}{}
	s.mu.Lock()
	now := s.clock.now()
	if s.alive() {
		s.book.fireAll(now, &a)
	}
	for g := range s.book.waves {
		if g.Next(now+1) <= now+soon.Milliseconds() {
			gs[g] = struct{}{}
		}
	}
	ctx := s.take(&a)
	s.mu.Unlock()
	s.do(ctx, &a)
	return gs
}

// stepped tells of a step of the wall clock.
func (s *Scheduler) stepped(step time.Duration) {
	s.mu.Lock()
	s.counts.Steps++
	s.mu.Unlock()
	level := slog.LevelInfo
	if step.Abs() >= loudFrom {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, "schedule: the wall clock was set, or the machine was suspended; "+
		"slots that were skipped are missed, slots that come again are not repeated", "step", step)
}
