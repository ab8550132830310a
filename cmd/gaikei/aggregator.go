package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/sli/timeline"
)

// aggregatorOptions is what `gaikei aggregator` was asked to do. Of runOptions it takes what both have.
type aggregatorOptions struct {
	runOptions
	accept    string   // host:port that probers connect to
	websocket string   // host:port that they connect to through HTTPS; empty: none
	names     []string // host names and addresses that they reach this by
	certFile  string
	keyFile   string
	caFile    string
	cluster   clusterOptions
}

func newAggregator(std streams) *cobra.Command {
	var o aggregatorOptions
	cmd := &cobra.Command{
		Use:   "aggregator -c gaikei.yaml",
		Short: "Keep timelines and serve them; probers elsewhere connect and probe",
		Long:  aggregatorText,
		Example: "  gaikei aggregator -c gaikei.yaml --accept :4222 --name gaikei.example.com\n" +
			"  gaikei probers enroll --data gaikei-data --region tokyo --name p1",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.fits(cmd.Flags().Changed); err != nil {
				return err
			}
			return serveAggregator(cmd.Context(), o, std)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "gaikei.yaml", "configuration `file`")
	f.StringVar(&o.data, "data", "gaikei-data", "`folder` for the far queue and the timelines")
	f.StringVar(&o.database, "database", "", databaseUsage)
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` of the page and the API")
	f.StringVar(&o.accept, "accept", "127.0.0.1:4222", "`address` that probers connect to")
	f.StringVar(&o.websocket, "accept-websocket", "", "`address` that probers connect to with wss://, where only HTTPS gets out (default: none)")
	f.StringArrayVar(&o.names, "name", nil, "host `name` or address that probers reach this by, for URLs and the certificate; repeatable")
	f.StringVar(&o.certFile, "cert", "", "certificate `file` for probers, PEM (default: one is made, with a CA of its own)")
	f.StringVar(&o.keyFile, "key", "", "key `file` of --cert, PEM")
	f.StringVar(&o.caFile, "ca", "", "`file` of the CA of --cert, PEM, for probers to trust (default: their system's)")
	o.cluster.flags(cmd)
	f.StringVar(&o.secrets, "secrets", "", "`folder` that ${file:…} references in the headers of feeds and below notify are read from")
	f.IntVar(&o.maxRunning, "max-running", 1024, "the probers' --max-running, for telling whether the configuration fits")
	f.StringVar(&o.webConfig, "web-config", "", "`file` with TLS and users for --listen, in the format of the Prometheus exporter toolkit")
	f.StringVar(&o.tokens, "tokens", "", "`file` of bearer tokens, as 'gaikei token new' makes them")
	f.Var(&o.scraped, "scrape-interval", "how long it is at most from one scrape of /metrics to the next: new counters are 0 for as long (default 1m)")
	f.StringVar(&o.ping, "ping", "", "`URL` to ask for every minute while all is well: a dead man's switch (default $"+pingVariable+")")
	f.BoolVar(&o.insecure, "insecure", false, "let --listen be beyond loopback also without TLS or without authentication")
	return cmd
}

const aggregatorText = `Keeps the timelines and serves page, API and metrics, as 'gaikei run' does, and probes nothing itself: probers connect
to --accept with credentials that 'gaikei probers enroll' makes, fetch what the configuration plans for their region,
and send what they see. The configuration is read again when the file changes, and on SIGHUP.

Beyond loopback probers are spoken to with TLS only. Unless --cert is given, a CA and a certificate are made in the data
folder; the credentials carry the CA.`

// fits tells of flags that could not be meant: changed says which were given.
func (o *aggregatorOptions) fits(changed func(flag string) bool) error {
	switch {
	case o.maxRunning < 1:
		return usage("the default is 1024", "--max-running %d: want at least 1", o.maxRunning)
	case (o.certFile == "") != (o.keyFile == ""):
		return usage("give both, or neither to have them made", "--cert and --key go together")
	case o.caFile != "" && o.certFile == "":
		return usage("without --cert a CA of its own is made, and given to probers", "--ca is of --cert, which is missing")
	}
	for _, x := range []struct{ flag, address string }{{"--accept", o.accept}, {"--accept-websocket", o.websocket}} {
		if _, _, err := net.SplitHostPort(x.address); err != nil && x.address != "" {
			return usage("for example "+x.flag+" :4222", "%s: %w", x.flag, err)
		}
	}
	for _, name := range o.names {
		if !isHost(name) {
			return usage("without scheme and port, like gaikei.example.com or 192.0.2.10", "--name %q: want a host name or an address", name)
		}
	}
	return o.cluster.fits(changed)
}

// isHost reports whether a text can be a host in a URL: a name or an address.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	const label = `[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?`
	return len(text) <= 253 && regexp.MustCompile(`^`+label+`(\.`+label+`)*$`).MatchString(text)
}

// reachedBy is where probers find who listens at URLs: by its names if it has any.
func reachedBy(urls, names []string) []string {
	if len(names) == 0 {
		return urls
	}
	var by []string
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			return urls
		}
		for _, name := range names {
			by = append(by, u.Scheme+"://"+net.JoinHostPort(name, u.Port()))
		}
	}
	return by
}

// serveAggregator is the whole of `gaikei aggregator`. To be told to stop is no error, also while it starts.
func serveAggregator(ctx context.Context, o aggregatorOptions, std streams) error {
	err := serveAggregatorUntil(ctx, o, std)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serveAggregatorUntil serves until ctx ends, in the order of the data: configuration, far queue, store, page.
func serveAggregatorUntil(ctx context.Context, o aggregatorOptions, std streams) error {
	log := newLog(std.err)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	file, err := loadConfig(o.config, o.forConfig())
	if err != nil {
		return err
	}
	door, err := openDoor(o.runOptions, log)
	if err != nil {
		return err
	}
	if err := o.folders(); err != nil {
		return err
	}
	store, err := o.openStore(ctx, timeline.Options{Retention: file.Retention, Scraped: o.scraped.of(), Logger: log})
	if err != nil {
		return err
	}
	defer store.Close()

	o.regions = []string{"all"}
	c := newCentre(o.runOptions, store, nil, log)
	c.door, c.planner.lead = door, planLead
	if c.deadman, err = newDeadman(o.ping, c.well, log); err != nil {
		return err
	}
	c.roster = &roster{store: store, presence: newPresence(time.Now()), planner: c.planner, log: log}
	// Before anybody can connect: who is let in.
	if err := c.roster.refresh(ctx); err != nil {
		return unopened(err)
	}
	hub, err := o.openHub(ctx, c.roster, log)
	if err != nil {
		return err
	}
	defer hub.Close()
	c.roster.hub, c.roster.urls = hub, reachedBy(hub.URLs(), o.names)
	log.Info("probers can connect", "urls", c.roster.urls)
	listeners, err := listen(ctx, o.runOptions)
	if err != nil {
		return err
	}
	c.observe(listeners)

	var s stages
	s.add(ctx, store.Run, c.web(listeners), c.deadman.run, c.teller.Run, c.tellFaults)
	s.add(ctx, c.feeds.run)
	s.add(ctx, c.take(hub, relay.Live), c.take(hub, relay.Late), c.takeEvidence(hub))
	s.add(ctx, hub.Run, c.roster.run,
		func(ctx context.Context) error { return hub.ServePlans(ctx, c.answerPlans) },
		func(ctx context.Context) error { return hub.ServeBeats(ctx, c.roster.beat) },
		func(ctx context.Context) error { return hub.HearBeats(ctx, c.roster.hear) },
		func(ctx context.Context) error { return c.run(ctx, file, hangup) })
	return s.wait(ctx)
}

func (o *aggregatorOptions) openHub(ctx context.Context, r *roster, log *slog.Logger) (*relay.Hub, error) {
	elsewhere, err := o.cluster.elsewhere()
	if err != nil {
		return nil, err
	}
	hub, err := relay.OpenHub(ctx, relay.HubOptions{
		Dir: filepath.Join(o.data, "hub"), Listen: o.accept, Websocket: o.websocket,
		Names: o.names, CertFile: o.certFile, KeyFile: o.keyFile, CAFile: o.caFile,
		Admit: r.admits, Elsewhere: elsewhere, Logger: log,
	})
	switch {
	case err == nil:
		return hub, nil
	case strings.Contains(err.Error(), "address already in use"): // of the server there is only a text
		return nil, unreachable(err, "choose another address with --accept or --accept-websocket")
	}
	return nil, unopened(err)
}

// answerPlans answers for plans once the configuration is one: who asks while this starts must not hear of an older one,
// or none.
func (c *centre) answerPlans(ctx context.Context, region string, question []byte) []byte {
	select {
	case <-c.planned:
		return c.planner.answer(ctx, region, question)
	case <-ctx.Done():
		return nil
	}
}

// take returns the stage that takes a lane's results into the store until its context ends.
func (c *centre) take(hub *relay.Hub, lane relay.Lane) func(context.Context) error {
	ingest := c.store.Ingest
	if lane == relay.Live {
		ingest = c.store.IngestFresh
	}
	return func(ctx context.Context) error {
		return hub.Consume(ctx, lane, func(ctx context.Context, ms []relay.Message) error {
			return ingest(ctx, storeMessages(ms))
		})
	}
}

// takeEvidence returns the stage that takes evidence into the store. It may be lost, so an error is told and forgotten.
func (c *centre) takeEvidence(hub *relay.Hub) func(context.Context) error {
	return func(ctx context.Context) error {
		return hub.Consume(ctx, relay.Evidence, func(ctx context.Context, ms []relay.Message) error {
			c.storeEvidence(ctx, ms)
			return nil
		})
	}
}
