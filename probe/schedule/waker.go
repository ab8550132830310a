package schedule

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-co-op/gocron/v2"

	"github.com/gaikei/gaikei/probe"
)

// A waker calls a function for each armed grid at the grid's instants: one gocron job a grid. It is used by one
// goroutine.
//
// Jobs have no singleton or limit mode. A limit on the scheduler would drop waves that fall on the same
// instant; singleton mode keeps a goroutine and a queue of 1000 for every job there ever was, 25 KB that
// RemoveJob does not give back. Neither is needed, as a job returns at once and may run twice.
type waker struct {
	cron gocron.Scheduler
	jobs map[probe.Grid]gocron.Job
	wake func(probe.Grid) // called on goroutines of gocron; returns at once
}

func newWaker(wake func(probe.Grid)) (*waker, error) {
	cron, err := gocron.NewScheduler(gocron.WithLocation(time.UTC))
	if err != nil {
		return nil, fmt.Errorf("making the timer of the waves: %w", err)
	}
	cron.Start()
	return &waker{cron: cron, jobs: map[probe.Grid]gocron.Job{}, wake: wake}, nil
}

// arm wakes the grid at the instant first and then every interval, and no longer as it was armed before. Time is
// monotonic: first must have a monotonic reading, and steps of the wall clock need a new arm. An instant
// that has passed is skipped.
func (w *waker) arm(g probe.Grid, first time.Time) error {
	// A new job, never gocron's Update: a firing of the old one that is under way would reschedule the new one
	// past its first instant.
	if err := w.disarm(g); err != nil {
		return err
	}
	job, err := w.cron.NewJob(
		gocron.DurationJob(time.Duration(g.Interval)*time.Millisecond),
		gocron.NewTask(w.wake, g),
		gocron.WithStartAt(gocron.WithStartDateTimePast(first)),
	)
	if err != nil {
		return fmt.Errorf("arming a wave of %d ms: %w", g.Interval, err)
	}
	w.jobs[g] = job
	return nil
}

// disarm ends the waking of a grid. One that is not armed is no error.
func (w *waker) disarm(g probe.Grid) error {
	job, ok := w.jobs[g]
	if !ok {
		return nil
	}
	delete(w.jobs, g)
	if err := w.cron.RemoveJob(job.ID()); err != nil && !errors.Is(err, gocron.ErrJobNotFound) {
		return fmt.Errorf("disarming a wave of %d ms: %w", g.Interval, err)
	}
	return nil
}

// disarmAll ends the waking of every grid.
func (w *waker) disarmAll() error {
	for g := range w.jobs {
		if err := w.disarm(g); err != nil {
			return err
		}
	}
	return nil
}

// close ends all waking; when it has returned nil, wake is not running and will not be called again.
func (w *waker) close() error {
	if err := w.cron.Shutdown(); err != nil {
		return fmt.Errorf("stopping the timer of the waves: %w", err)
	}
	return nil
}
