//go:build chaos

package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A fault is done to one victim.
type fault struct {
	name   string
	hold   [2]time.Duration // how long it is on: from, to
	spoils spoil
	inject func(ctx context.Context) (undo, error)
}

// An undo takes a fault back. It is called once.
type undo func(ctx context.Context) error

// A spoil says what a fault may do to what a prober sees, and so what can be asked of its word meanwhile.
type spoil uint8

const (
	spoilsNothing spoil = iota // of what it sees
	spoilsSight                // it sees nothing, and must know that
	spoilsProof                // it sees too little or too seldom to say that a target fails
	spoilsPart                 // some packets are lost or late: a failure may be that of the target's path alone
	spoilsClock                // its clock is off
	spoilsPace                 // it does not run, but loses nothing
	spoilsLife                 // it is killed
)

// A span of harm is when what was done to whom.
type harm struct {
	victim, fault string
	spoils        spoil
	from, to      time.Time // the injection began, and the undoing had ended
	struck        time.Time // the injection had ended
	ended         time.Time // the undoing began
}

// A victim suffers one fault after the other, as its own random source says, each kind once before any comes again.
type victim struct {
	name   string
	faults []fault
	pause  [2]time.Duration // between two
}

// A scourge makes all victims suffer.
type scourge struct {
	seed  uint64
	diary io.Writer // what was done when

	mu    sync.Mutex
	harms []harm
	errs  []error
}

// suffer lets the victims suffer until a moment, and then waits until everything is undone.
func (s *scourge) suffer(ctx context.Context, victims []victim, until time.Time) {
	var all sync.WaitGroup
	for _, v := range victims {
		all.Go(func() { s.one(ctx, v, until) })
	}
	all.Wait()
}

func (s *scourge) one(ctx context.Context, v victim, until time.Time) {
	h := fnv.New64a()
	h.Write([]byte(v.name))
	random := rand.New(rand.NewPCG(s.seed, h.Sum64()))
	between := func(d [2]time.Duration) time.Duration {
		return d[0] + time.Duration(random.Int64N(int64(d[1]-d[0])+1))
	}
	var deck []fault
	for {
		rest(ctx, min(between(v.pause), time.Until(until)))
		if !time.Now().Before(until) || ctx.Err() != nil {
			return
		}
		if len(deck) == 0 {
			deck = slices.Clone(v.faults)
			random.Shuffle(len(deck), func(i, k int) { deck[i], deck[k] = deck[k], deck[i] })
		}
		f := deck[0]
		deck = deck[1:]
		s.strike(ctx, v.name, f, between(f.hold))
	}
}

// strike does one fault, and undoes it unless the whole test is to end.
func (s *scourge) strike(ctx context.Context, name string, f fault, hold time.Duration) {
	h := harm{victim: name, fault: f.name, spoils: f.spoils, from: time.Now()}
	back, err := f.inject(ctx)
	h.struck = time.Now()
	if errors.Is(err, errNotNow) {
		return
	}
	rest(ctx, hold)
	h.ended = time.Now()
	if back != nil && ctx.Err() == nil {
		err = errors.Join(err, back(ctx))
	}
	h.to = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.harms = append(s.harms, h)
	const clock = "15:04:05.000"
	fmt.Fprintf(s.diary, "%s: %s: begun %s struck %s ended %s undone %s: %v\n", h.victim, h.fault, h.from.UTC().Format(clock), h.struck.UTC().Format(clock),
		h.ended.UTC().Format(clock), h.to.UTC().Format(clock), err)
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("%s: %s: %w", name, f.name, err))
	}
}

// errNotNow says that a fault cannot be done to this victim at the moment.
var errNotNow = errors.New("not now")

// rest lets the world go on.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// seconds2 is a range of time.
func seconds2(from, to float64) [2]time.Duration {
	return [2]time.Duration{time.Duration(from * float64(time.Second)), time.Duration(to * float64(time.Second))}
}

// fenced makes a fault of a fence.
func fenced(name string, spoils spoil, hold [2]time.Duration, f fence) fault {
	return fault{name: name, spoils: spoils, hold: hold, inject: func(context.Context) (undo, error) { return f.inject() }}
}
