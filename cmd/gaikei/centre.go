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

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/notify"
	"github.com/gaikei/gaikei/sli/timeline"
	"github.com/gaikei/gaikei/sli/web"
)

// A centre is what keeps and tells: the configuration in force, the store, and what makes others look. In one process
// with a station it hands its orders to that.
type centre struct {
	opts    runOptions
	store   *timeline.Store
	station *station // nil: nothing is looked at in this process
	roster  *roster  // nil: no probers of other processes connect
	planner planner
	deadman *deadman // nil: there is none
	teller  *notify.Notifier
	log     *slog.Logger
	door    *door // who may come in
	gate    *web.Gate
	metrics prometheus.Gatherer
	feeds   *feeds
	state   atomic.Pointer[state]
	planned chan struct{} // closed when the first configuration is in force
}

// A state is what the page and the metrics show of the configuration in force. It is never changed.
type state struct {
	file    *config.File
	regions []string // that are looked from
}

func newCentre(o runOptions, store *timeline.Store, st *station, log *slog.Logger) *centre {
	c := &centre{opts: o, store: store, station: st, planner: planner{store: store, lead: takeover}, log: log, planned: make(chan struct{})}
	c.teller = c.newTeller()
	return c
}

// reloadAgain is how long to wait before a configuration that could not be put into force, as on a full disk, is tried
// again.
const reloadAgain = 5 * time.Second

// run puts the configuration into force, and each new one when the file changes or a signal asks for it, until ctx ends
// and the probers have come to rest.
func (c *centre) run(ctx context.Context, file *config.File, hangup <-chan os.Signal) error {
	g, ctx := errgroup.WithContext(ctx)
	if err := c.start(ctx, g, file); err != nil {
		g.Go(func() error { return unstarted(err) }) // which ends those that have started
		return g.Wait()
	}
	var wanted *config.File // valid, and not in force yet; nil: none
	var now <-chan time.Time
	reread := func() {
		if f := c.reread(); f != nil {
			wanted, now = f, time.After(0)
		}
	}
	watch := watchFile(c.opts.config)
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-hangup:
			c.door.again()
			watch.note()
			reread()
		case <-look.C:
			if watch.changed() {
				reread()
			}
		case <-now:
			now = nil
			if !c.renew(ctx, g, wanted) {
				now = time.After(reloadAgain)
			}
		}
	}
}

// unstarted tells why the first configuration could not be put into force: it is wrong, or something could not be reached.
func unstarted(err error) error {
	if f := (*failure)(nil); errors.As(err, &f) {
		return err
	}
	if errors.Is(err, timeline.ErrOrdinals) {
		return &failure{code: exitNegative, err: err, hint: "a region keeps its ordinal for ever; without the key it is given the right one"}
	}
	return unopened(err)
}

func (c *centre) start(ctx context.Context, g *errgroup.Group, file *config.File) error {
	chosen, err := chooseRegions(file, c.opts.regions)
	if err != nil {
		return err
	}
	if c.station != nil {
		if err := c.station.retire(ctx, regionNames(chosen)); err != nil {
			return err
		}
	}
	if err := c.apply(ctx, g, file); err != nil {
		return err
	}
	close(c.planned)
	c.log.Info("running", "checks", len(file.Checks), "regions", len(chosen), "page", c.door.scheme()+"://"+c.opts.listen)
	if err := pastMaintenance(&config.File{}, file, time.Now()); err != nil {
		c.log.Warn("it counts only as far as it was in force when it began", "maintenance", err)
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
	c.log.Info("configuration reloaded", "checks", len(file.Checks), "regions", len(c.state.Load().regions))
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
	c.store.SetAnnounced(announcedLimits(file))
	if err := c.planner.publish(ctx, file, ordinals); err != nil {
		return err
	}
	if c.station != nil {
		var orders []order
		for _, r := range regions {
			orders = append(orders, order{region: r.Name, ordinal: ordinals[r.Name], controls: file.Controls.Options(), checks: file.Checks})
		}
		if err := c.station.follow(ctx, g, orders); err != nil {
			return err
		}
	}
	c.store.SetObjectives(resolvedSLOs(file))
	c.state.Store(&state{file: file, regions: regionNames(regions)})
	c.feeds.follow(file.Feeds.OTLP)
	return nil
}

func regionNames(rs []config.Region) []string {
	names := make([]string, len(rs))
	for i, r := range rs {
		names[i] = r.Name
	}
	return names
}

// localProber is the name of the probers that run in the aggregator's process, one in each region.
const localProber = "local"

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

// announcedLimits are those of the checks whose targets announce maintenance.
func announcedLimits(file *config.File) map[string]time.Duration {
	limits := map[string]time.Duration{}
	for _, chk := range file.Checks {
		if h, ok := chk.Kind.(*probe.HTTP); ok && h.Announced != nil {
			limits[chk.ID] = h.Announced.Limit
		}
	}
	return limits
}

func storeRegions(rs []config.Region) []timeline.Region {
	var out []timeline.Region
	for _, r := range rs {
		out = append(out, timeline.Region{Name: r.Name, Ordinal: r.Ordinal, Weight: r.Weight})
	}
	return out
}

// ingest takes results from the queue into the store until ctx ends.
func (c *centre) ingest(ctx context.Context) error {
	return c.station.queue.Consume(ctx, func(ctx context.Context, ms []relay.Message) error {
		return c.store.Ingest(ctx, storeMessages(ms))
	})
}

// ingestEvidence takes evidence from the queue into the store until ctx ends. It may be lost, so an error
// is told and forgotten.
func (c *centre) ingestEvidence(ctx context.Context) error {
	return c.station.queue.ConsumeEvidence(ctx, c.storeEvidence)
}

func (c *centre) storeEvidence(ctx context.Context, ms []relay.Message) {
	if err := c.store.IngestEvidence(ctx, storeMessages(ms)); err != nil && ctx.Err() == nil {
		c.log.Warn("evidence lost", "messages", len(ms), "error", err)
	}
}

// faults says what is wrong with Gaikei itself.
func (c *centre) faults() []sli.Fault {
	fs := c.station.faults()
	if c.roster != nil {
		fs = append(fs, c.roster.faults()...)
	}
	return fs
}

// tellFaults logs each fault when it begins and when it is over, until ctx ends.
func (c *centre) tellFaults(ctx context.Context) error {
	return everySight(ctx, c.log, func(ctx context.Context) []string {
		c.station.recheck(ctx)
		return sentences(c.faults())
	})
}

func storeMessages(ms []relay.Message) []timeline.Message {
	out := make([]timeline.Message, len(ms))
	for i, m := range ms {
		out[i] = timeline.Message{Region: m.Region, Prober: m.Prober, Received: m.Stored, Payload: m.Payload}
	}
	return out
}
