package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/sli/web"
)

// proberOptions is what `gaikei prober` was asked to do. Of runOptions it takes what both have.
type proberOptions struct {
	runOptions
	region, name string // empty: as in the credentials
	urls         []string
	creds        string        // path of the credentials
	replay       time.Duration // what is still in the queue of this time is sent once more
}

func newProberCommand(std streams) *cobra.Command {
	var o proberOptions
	cmd := &cobra.Command{
		Use:   "prober --creds FILE [--region R --name P --url nats://…]",
		Short: "Probe for one region, and send what was seen to the aggregator",
		Long:  proberText,
		Example: "  gaikei prober --creds tokyo-1.creds\n" +
			"  gaikei prober --region tokyo --name p1 --url nats://gaikei.example.com:4222 --creds tokyo-1.creds --data /var/lib/gaikei",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return serveProber(cmd.Context(), o, std) },
	}
	f := cmd.Flags()
	f.StringVar(&o.creds, "creds", "", "credentials `file`, as 'gaikei probers enroll' makes it")
	f.StringVar(&o.region, "region", "", "`region` to probe for; must be that of the credentials (default: is)")
	f.StringVar(&o.name, "name", "", "`name` of this prober; must be that of the credentials (default: is)")
	f.StringArrayVar(&o.urls, "url", nil, "`URL` of the aggregator: nats://, tls://, ws:// or wss://; repeatable (default: those of the credentials)")
	f.StringVar(&o.data, "data", "gaikei-prober", "`folder` for the queue and the plan")
	f.StringVar(&o.secrets, "secrets", "", "`folder` that ${file:…} references are read from")
	f.IntVar(&o.maxRunning, "max-running", 1024, "attempts that may overlap an earlier one of the same check")
	o.egress.add(f)
	f.Var((*prometheusDuration)(&o.replay), "replay", "send once more what was seen within this `time` and is still in the queue, like 6h")
	f.StringVar(&o.listen, "listen", "", "`address` of health and metrics (default: none)")
	f.StringVar(&o.webConfig, "web-config", "", "`file` with TLS and users for --listen, in the format of the Prometheus exporter toolkit")
	f.StringVar(&o.tokens, "tokens", "", "`file` of bearer tokens for --listen")
	f.BoolVar(&o.insecure, "insecure", false, "let --listen be beyond loopback also without TLS or without authentication")
	return cmd
}

const proberText = `Probes what the aggregator plans for its region. It needs its credentials and a folder, nothing else: without the
aggregator it goes on with the last plan that it knows, also after a restart, keeps what it sees for 72 hours, and
catches up by itself. What is fresh is never kept waiting by what was missed.

References to secrets in the configuration are resolved here: variables named GAIKEI_SECRET_… and files below the
folder that --secrets names.`

// serveProber is the whole of `gaikei prober`. To be told to stop is no error, also while it starts.
func serveProber(ctx context.Context, o proberOptions, std streams) error {
	err := serveProberUntil(ctx, o, std)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serveProberUntil serves until ctx ends, in the order of the data: plan, probers, queue, uplink.
func serveProberUntil(ctx context.Context, o proberOptions, std streams) error {
	log := newLog(std.err)
	creds, err := o.credentials()
	if err != nil {
		return err
	}
	egress, err := o.egress.policy()
	if err != nil {
		return err
	}
	door, at, err := o.status(ctx, log)
	if err != nil {
		return err
	}
	if err := o.folders(); err != nil {
		return err
	}
	queue, err := relay.Open(ctx, relay.Options{Dir: filepath.Join(o.data, "queue"), Logger: log, Witness: journal()})
	if errors.Is(err, relay.ErrLocked) {
		return unreachable(err, "each prober needs a folder of its own; name another one with --data")
	}
	if err != nil {
		return unopened(err)
	}
	defer queue.Close()
	uplink, err := relay.NewUplink(relay.UplinkOptions{Queue: queue, Credentials: creds, Replay: o.replay, Logger: log})
	if err != nil {
		return unreachable(err, "")
	}

	p := &pulse{beat: uplink.Beat, started: time.Now(), log: log}
	st := newStation(stationOptions{
		data: o.data, prober: creds.Prober, secrets: o.secrets, maxRunning: o.maxRunning, world: p.clock.world(o.world), egress: egress,
	}, queue, log)
	p.follower = newFollower(st, creds.Region, uplink.Plan)
	ready := func() error { return p.follower.ready() }

	var s stages
	s.add(ctx, uplink.Run, st.tellFaults)
	if at != nil {
		s.add(ctx, func(ctx context.Context) error {
			gate := web.NewGate(web.GateOptions{Credentials: door.credentials, Logger: log})
			h := web.NewStatusHandler(web.Options{Ready: ready, Version: version(), Gatherer: proberGatherer(st, uplink, gate), Gate: gate})
			return door.serve(ctx, at, newServer(h, gate, log))
		})
	}
	s.add(ctx, func(ctx context.Context) error { return st.forwardTo(ctx, uplink) })
	s.add(ctx, p.follower.run, p.run)
	log.Info("probing", "region", creds.Region, "prober", creds.Prober, "data", o.data)
	if o.ready != nil {
		o.ready()
	}
	return s.wait(ctx)
}

// credentials reads the credentials, and holds the flags against them.
func (o *proberOptions) credentials() (*relay.Credentials, error) {
	switch {
	case o.creds == "":
		return nil, usage("'gaikei probers enroll' makes such a file where the aggregator runs", "--creds FILE is missing: who is this prober?")
	case o.maxRunning < 1:
		return nil, usage("the default is 1024", "--max-running %d: want at least 1", o.maxRunning)
	}
	c, err := relay.ReadCredentials(o.creds)
	if err != nil {
		hint := "'gaikei probers enroll' makes such a file where the aggregator runs"
		if path := new(fs.PathError); errors.As(err, &path) {
			return nil, unreachable(err, hint)
		}
		return nil, &failure{code: exitNegative, err: err, hint: hint}
	}
	for _, x := range []struct{ flag, got, want string }{{"region", o.region, c.Region}, {"name", o.name, c.Prober}} {
		if x.got != "" && x.got != x.want {
			return nil, usage("leave the flag out, or enroll this prober", "--%s %s: the credentials in %s are for %s", x.flag, x.got, o.creds, x.want)
		}
	}
	if len(o.urls) > 0 {
		if err := c.Redirect(o.urls); err != nil {
			return nil, usage("for example --url nats://gaikei.example.com:4222 or --url wss://gaikei.example.com:4223", "--url: %w", err)
		}
	}
	return c, nil
}

// status opens the address of health and metrics; nil if there is none.
func (o *proberOptions) status(ctx context.Context, log *slog.Logger) (*door, net.Listener, error) {
	if o.listen == "" {
		if o.webConfig != "" || o.tokens != "" || o.insecure {
			return nil, nil, usage("without it nobody can ask a prober", "--web-config, --tokens and --insecure are about --listen, which is missing")
		}
		return nil, nil, nil
	}
	d, err := openDoor(o.runOptions, log)
	if err != nil {
		return nil, nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return nil, nil, unreachable(fmt.Errorf("listen for health and metrics: %w", err), "choose another address with --listen")
	}
	return d, l, nil
}

// world adds the clock to what makes a world.
func (c *offClock) world(make func(region string) *probe.World) func(region string) *probe.World {
	return func(region string) *probe.World {
		w := &probe.World{}
		if make != nil {
			w = make(region)
		}
		w.ClockOffset = c.aheadBy
		return w
	}
}

// forwardTo is forward for a queue that is read by an uplink: what it cannot send now stays for the next start.
func (s *station) forwardTo(ctx context.Context, u *relay.Uplink) error {
	if err := s.queue.Run(ctx); err != nil {
		return err
	}
	s.drain(func() bool { return !u.Status().Connected })
	return nil
}

// ready tells why the prober cannot do its work, nil if it can. That the aggregator is away does not keep it from it.
func (f *follower) ready() error {
	if err := f.following().err; err != nil && f.station.now() == nil {
		return fmt.Errorf("there is no plan yet: %w", err)
	}
	return f.station.working()
}

// proberGatherer collects what /metrics of a prober shows.
func proberGatherer(st *station, u *relay.Uplink, gate *web.Gate) prometheus.Gatherer {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newStationCollector(st),
		newUplinkCollector(u),
		gate,
	)
	return reg
}
