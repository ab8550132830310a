package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/schedule"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// A centre holds one process together: the configuration in force, the probers it makes of it, and the way
// of results from the queue into the store.
type centre struct {
	opts    runOptions
	store   *timeline.Store
	queue   *relay.Queue
	log     *slog.Logger
	probers map[string]*prober // by region; touched by run's goroutine only
	state   atomic.Pointer[state]
}

// A state is what the page and the metrics show of the configuration in force. It is never changed.
type state struct {
	file    *config.File
	probers []*prober
}

func newCentre(o runOptions, store *timeline.Store, queue *relay.Queue, log *slog.Logger) *centre {
	return &centre{opts: o, store: store, queue: queue, log: log, probers: map[string]*prober{}}
}

// reloadAgain is how long to wait before a configuration that could not be put into force, as on a full disk, is tried
// again.
const reloadAgain = 5 * time.Second

// run puts the configuration into force, and each new one when asked to by a signal, until ctx ends and the
// probers have come to rest.
func (c *centre) run(ctx context.Context, file *config.File, hangup <-chan os.Signal) error {
	g, ctx := errgroup.WithContext(ctx)
	if err := c.start(ctx, g, file); err != nil {
		g.Go(func() error { return err }) // which ends those that have started
		return g.Wait()
	}
	var wanted *config.File // valid, and not in force yet; nil: none
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-hangup:
			if f := c.reread(); f != nil {
				wanted = f
			}
		case <-again:
		}
		again = nil
		if wanted != nil && !c.renew(ctx, g, wanted) {
			again = time.After(reloadAgain)
		} else {
			wanted = nil
		}
	}
}

func (c *centre) start(ctx context.Context, g *errgroup.Group, file *config.File) error {
	if err := c.retire(ctx, file); err != nil {
		return err
	}
	if err := c.apply(ctx, g, file); err != nil {
		return err
	}
	c.log.Info("running", "checks", len(file.Checks), "regions", len(c.state.Load().probers), "page", "http://"+c.opts.listen)
	if err := pastMaintenance(&config.File{}, file, time.Now()); err != nil {
		c.log.Warn("it counts only as far as it was in force when it began", "maintenance", err)
	}
	for _, n := range file.Notices() {
		c.log.Info(n.String())
	}
	if c.opts.ready != nil {
		c.opts.ready()
	}
	return nil
}

// reread reads the configuration again. A bad one is told and changes nothing: it is nil.
func (c *centre) reread() *config.File {
	file, err := loadConfig(c.opts.config, c.opts.forConfig())
	if err == nil {
		_, err = chooseRegions(file, c.opts.regions)
	}
	if err == nil {
		err = pastMaintenance(c.state.Load().file, file, time.Now())
	}
	if err != nil {
		c.log.Error("configuration not reloaded, the old one stays in force", "error", err)
		return nil
	}
	return file
}

// renew puts a configuration into force in place of another one. If that cannot be done, some regions may be ahead of
// others until it can.
func (c *centre) renew(ctx context.Context, g *errgroup.Group, file *config.File) bool {
	if err := c.apply(ctx, g, file); err != nil {
		if ctx.Err() == nil {
			c.log.Error("configuration not reloaded yet, it is tried again", "error", err)
		}
		return false
	}
	c.log.Info("configuration reloaded", "checks", len(file.Checks), "regions", len(c.state.Load().probers))
	return true
}

// apply puts a valid configuration into force.
func (c *centre) apply(ctx context.Context, g *errgroup.Group, file *config.File) error {
	regions, err := chooseRegions(file, c.opts.regions)
	if err != nil {
		return err
	}
	ordinals, err := c.store.Ordinals(ctx, storeRegions(file.Regions))
	if err != nil {
		return err
	}
	if err := c.store.SetMaintenance(ctx, file.Maintenance, checkIDs(file)); err != nil {
		return err
	}
	stays := map[string]bool{}
	var running []*prober
	for _, r := range regions {
		stays[r.Name] = true
		p, err := c.put(ctx, g, file, r.Name, ordinals[r.Name])
		if err != nil {
			return err
		}
		running = append(running, p)
	}
	for name, p := range c.probers {
		if !stays[name] && p.started {
			if err := p.follow(ctx, nil, takeoverInstant()); err != nil {
				return err
			}
		}
	}
	c.state.Store(&state{file: file, probers: running})
	return nil
}

// put makes the prober of a region follow the configuration, and starts it if it is new.
func (c *centre) put(ctx context.Context, g *errgroup.Group, file *config.File, region string, ordinal int) (*prober, error) {
	p := c.probers[region]
	if p == nil {
		p = c.newProber(region, ordinal)
		p.scheduler = schedule.New(p, schedule.Options{MaxRunning: c.opts.maxRunning, Logger: c.log.With("region", region)})
		c.probers[region] = p
	}
	p.open(file.Controls.Options())
	if p.started {
		return p, p.follow(ctx, file.Checks, takeoverInstant())
	}
	if err := p.resume(ctx, file.Checks); err != nil {
		return nil, err
	}
	p.started = true
	g.Go(func() error { return p.scheduler.Run(ctx) })
	return p, nil
}

// retire ends what was followed in this folder for regions that this process no longer probes for.
func (c *centre) retire(ctx context.Context, file *config.File) error {
	chosen, err := chooseRegions(file, c.opts.regions)
	if err != nil {
		return err
	}
	here := map[string]bool{}
	for _, r := range chosen {
		here[r.Name] = true
	}
	followed, err := followedRegions(c.opts.data)
	if err != nil {
		return err
	}
	for _, region := range followed {
		if here[region] {
			continue
		}
		p := c.newProber(region, 0)
		p.scheduler = schedule.New(p, schedule.Options{Logger: c.log})
		if err := p.resume(ctx, nil); err != nil {
			return fmt.Errorf("end what region %s followed: %w", region, err)
		}
	}
	return nil
}

func (c *centre) newProber(region string, ordinal int) *prober {
	return &prober{
		region:  region,
		ordinal: ordinal,
		world:   c.worldOf(region),
		gate:    new(probe.EvidenceGate),
		outbox:  c.queue.Outbox(region, proberName),
		file:    followedIn(c.opts.data, region),
	}
}

// proberName is the name of the probers that run in the aggregator's process, one in each region.
const proberName = "local"

func (c *centre) worldOf(region string) *probe.World {
	w := &probe.World{}
	if c.opts.world != nil {
		w = c.opts.world(region)
	}
	w.Secret = secretsIn(c.opts.secrets)
	w.UserAgent = userAgent()
	return w
}

func takeoverInstant() int64 { return time.Now().Add(takeover).UnixMilli() }

// pastMaintenance tells of one-off maintenance that is new in a configuration and past already: planning cannot
// change the past. At start it may have been in force when it began, so there it is only told.
func pastMaintenance(old, file *config.File, now time.Time) error {
	var errs []error
	for _, m := range file.Maintenance {
		known := slices.ContainsFunc(old.Maintenance, func(o sli.Maintenance) bool { return o.Name == m.Name && o.To.Equal(m.To) })
		if !m.To.IsZero() && !m.To.After(now) && !known {
			errs = append(errs, fmt.Errorf("maintenance %q ended at %s; what is past is changed by corrections, not by planning", m.Name, m.To.Format(time.RFC3339)))
		}
	}
	return errors.Join(errs...)
}

func checkIDs(file *config.File) []string {
	var ids []string
	for _, chk := range file.Checks {
		ids = append(ids, chk.ID)
	}
	return ids
}

func storeRegions(rs []config.Region) []timeline.Region {
	var out []timeline.Region
	for _, r := range rs {
		out = append(out, timeline.Region{Name: r.Name, Ordinal: r.Ordinal, Weight: r.Weight})
	}
	return out
}

// drainLimit is how long the store may take at the end for what the queue still holds.
const drainLimit = 5 * time.Second

// forward runs the queue, and at its end waits until the store has what was put last; what it does not take in
// time stays in the queue for the next start.
func (c *centre) forward(ctx context.Context) error {
	err := c.queue.Run(ctx)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < drainLimit; <-tick.C {
		if q := c.queue.Status(); q.Pending == 0 || q.Broken {
			break
		}
	}
	return err
}

// ingest takes results from the queue into the store until ctx ends.
func (c *centre) ingest(ctx context.Context) error {
	return c.queue.Consume(ctx, func(ctx context.Context, ms []relay.Message) error {
		return c.store.Ingest(ctx, storeMessages(ms))
	})
}

// ingestEvidence takes evidence from the queue into the store until ctx ends. It may be lost, so an error
// is told and forgotten.
func (c *centre) ingestEvidence(ctx context.Context) error {
	return c.queue.ConsumeEvidence(ctx, func(ctx context.Context, ms []relay.Message) {
		if err := c.store.IngestEvidence(ctx, storeMessages(ms)); err != nil && ctx.Err() == nil {
			c.log.Warn("evidence lost", "messages", len(ms), "error", err)
		}
	})
}

func storeMessages(ms []relay.Message) []timeline.Message {
	out := make([]timeline.Message, len(ms))
	for i, m := range ms {
		out[i] = timeline.Message{Region: m.Region, Prober: m.Prober, Received: m.Stored, Payload: m.Payload}
	}
	return out
}
