package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/schedule"
)

// A station is what looks, in one process: a prober for each of its regions, and the queue that takes what they see.
type station struct {
	opts    stationOptions
	queue   *relay.Queue
	log     *slog.Logger
	probers map[string]*prober // by region, also those that have ended; for one goroutine only
	running atomic.Pointer[[]*prober]
}

// stationOptions say where a station keeps things and what its probers may do.
type stationOptions struct {
	data       string                           // folder; the queue is in it
	prober     string                           // name of the probers, one in each region
	secrets    string                           // folder that file references are read from; empty: none
	maxRunning int                              // attempts that may overlap an earlier one of their check
	world      func(region string) *probe.World // nil: the real one
	egress     *probe.Egress                    // nil: the default policy
}

// An order is what the prober of a region is to do from now on.
type order struct {
	region   string
	ordinal  int
	at       int64 // Unix ms: slots from here on follow it, or from takeoverInstant if that is later
	controls probe.ControlOptions
	checks   []*probe.Check
}

func newStation(o stationOptions, queue *relay.Queue, log *slog.Logger) *station {
	return &station{opts: o, queue: queue, log: log, probers: map[string]*prober{}}
}

// follow makes the probers of these regions do what they are ordered to, starting those that are new, and all others
// do nothing more. After an error some may be ahead of others.
func (s *station) follow(ctx context.Context, g *errgroup.Group, orders []order) error {
	stays := map[string]bool{}
	var running []*prober
	for _, o := range orders {
		stays[o.region] = true
		p, err := s.put(ctx, g, o)
		if err != nil {
			return err
		}
		running = append(running, p)
	}
	for region, p := range s.probers {
		if !stays[region] && p.started {
			if err := p.follow(ctx, nil, takeoverInstant()); err != nil {
				return err
			}
		}
	}
	s.running.Store(&running)
	return nil
}

// put makes the prober of a region do what it is ordered to, and starts it if it is new.
func (s *station) put(ctx context.Context, g *errgroup.Group, o order) (*prober, error) {
	p := s.probers[o.region]
	if p == nil {
		p = s.newProber(o.region)
		p.scheduler = schedule.New(p, schedule.Options{MaxRunning: s.opts.maxRunning, Shift: clockShift(), Logger: s.log.With("region", o.region)})
		s.probers[o.region] = p
	}
	p.ordinal = o.ordinal
	if p.open(o.controls) {
		s.tellDenied(o)
	}
	if p.started {
		return p, p.follow(ctx, o.checks, max(o.at, takeoverInstant()))
	}
	if err := p.resume(ctx, o.checks); err != nil {
		return nil, err
	}
	p.started = true
	g.Go(func() error { return s.probe(ctx, p) })
	return p, nil
}

// probe runs a prober until ctx ends.
func (s *station) probe(ctx context.Context, p *prober) error {
	err := p.scheduler.Run(ctx)
	if resting := p.rest(); resting != nil {
		s.log.Warn("a few slots of now will be no data", "region", p.region, "error", resting)
	}
	return err
}

// retire ends what was followed in this folder for regions that this process no longer probes for.
func (s *station) retire(ctx context.Context, here []string) error {
	followed, err := followedRegions(s.opts.data)
	if err != nil {
		return err
	}
	for _, region := range followed {
		if slices.Contains(here, region) {
			continue
		}
		p := s.newProber(region)
		p.scheduler = schedule.New(p, schedule.Options{Logger: s.log})
		if err := p.resume(ctx, nil); err != nil {
			return fmt.Errorf("end what region %s followed: %w", region, err)
		}
	}
	return nil
}

func (s *station) newProber(region string) *prober {
	return &prober{
		region: region,
		world:  s.worldOf(region),
		gate:   new(probe.EvidenceGate),
		outbox: s.queue.Outbox(region, s.opts.prober),
		file:   followedIn(s.opts.data, region),
	}
}

func (s *station) worldOf(region string) *probe.World {
	w := &probe.World{}
	if s.opts.world != nil {
		w = s.opts.world(region)
	}
	w.Secret = secretsIn(s.opts.secrets)
	w.UserAgent = userAgent()
	w.Egress = s.opts.egress
	w.Wall = wallClock
	return w
}

func takeoverInstant() int64 { return wallClock().Add(takeover).UnixMilli() }

// now returns the probers that follow something, in the order of the regions; nil before any does.
func (s *station) now() []*prober {
	if s == nil || s.running.Load() == nil {
		return nil
	}
	return *s.running.Load()
}

// drainLimit is how long the reader of the queue may take at the end for what it still holds.
const drainLimit = 5 * time.Second

// forward runs the queue, and at its end waits until its reader has what was put last; what that does not take in
// time stays in the queue for the next start.
func (s *station) forward(ctx context.Context) error {
	err := s.queue.Run(ctx)
	s.drain(func() bool { return false })
	return err
}

// drain waits until the queue has been read, or there is no use in waiting.
func (s *station) drain(hopeless func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < drainLimit && !hopeless(); <-tick.C {
		if q := s.queue.Status(); q.Pending == 0 || q.Broken {
			return
		}
	}
}

// working tells why nothing is looked at, or what is seen is not kept; nil if all is well.
func (s *station) working() error {
	if q := s.queue.Status(); q.Broken {
		return fmt.Errorf("the queue takes no results since %s: %s", q.Since.UTC().Format(time.RFC3339), q.LastError)
	}
	if s.now() == nil {
		return errNoPlan
	}
	return nil
}

// ready tells also why what was kept is not taken in.
func (s *station) ready() error {
	if q := s.queue.Status(); q.Oldest > staleAfter {
		return fmt.Errorf("the store has not taken results from %s ago", q.Oldest.Round(time.Second))
	}
	return s.working()
}
