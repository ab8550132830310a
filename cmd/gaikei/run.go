package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/sli/notify"
	"github.com/gaikei/gaikei/sli/timeline"
)

// runOptions is what `gaikei run` was asked to do.
type runOptions struct {
	config     string   // path of the configuration
	data       string   // folder of the queue and the timelines
	database   string   // address of a PostgreSQL database for the timelines; empty: the variable's, or none
	listen     string   // host:port of the page and the API
	webConfig  string   // path of the web configuration: TLS and users; empty: none
	tokens     string   // path of the bearer tokens; empty: none
	ping       string   // URL of a dead man's switch; empty: the variable's, or none
	secrets    string   // folder that file references are read from; empty: none
	regions    []string // that this process probes for; empty: the only one
	maxRunning int
	scraped    prometheusDuration // from one scrape of the metrics to the next; 0: the store's default
	insecure   bool
	egress     egressFlags
	world      func(region string) *probe.World // nil: the real one
	ready      func()                           // called once everything runs; may be nil
	told       notify.Timing                    // of notifications; zero: as they are
}

// forConfig is what the validity of a configuration depends on besides its text. Maintenance that is past is no
// fault here: it was planned when it began.
func (o *runOptions) forConfig() config.Options { return config.Options{MaxRunning: o.maxRunning} }

func newRun(std streams) *cobra.Command {
	o := runOptions{}
	cmd := &cobra.Command{
		Use:   "run -c gaikei.yaml [--region R|all]",
		Short: "Probe, keep timelines and serve them, all in one process",
		Long:  runText,
		Example: "  gaikei run -c gaikei.yaml\n  gaikei run -c gaikei.yaml --region tokyo --region osaka --data /var/lib/gaikei\n" +
			"  gaikei run -c gaikei.yaml --listen :8443 --web-config web-config.yaml --tokens tokens.yaml",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), o, std)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "gaikei.yaml", "configuration `file`")
	f.StringVar(&o.data, "data", "gaikei-data", "`folder` for the queue and the timelines")
	f.StringVar(&o.database, "database", "", databaseUsage)
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` of the page and the API")
	f.StringArrayVar(&o.regions, "region", nil, "`region` to probe for, repeatable, or all; needed when there are several")
	f.StringVar(&o.secrets, "secrets", "", "`folder` that ${file:…} references are read from")
	f.IntVar(&o.maxRunning, "max-running", 1024, "attempts that may overlap an earlier one of the same check")
	o.egress.add(f)
	accessFlags(cmd, &o)
	f.Var(&o.scraped, "scrape-interval", "how long it is at most from one scrape of /metrics to the next: new counters are 0 for as long (default 1m)")
	f.StringVar(&o.ping, "ping", "", "`URL` to ask for every minute while all is well: a dead man's switch (default $"+pingVariable+")")
	f.BoolVar(&o.insecure, "insecure", false, "listen beyond loopback also without TLS or without authentication")
	return cmd
}

const runText = `Runs the probers of one or several regions and the aggregator in one process, with everything it keeps in one
folder. The configuration is read again on SIGHUP: a bad file is refused whole and the old one stays in force.

Who may read the page and the API

Without --web-config and --tokens, whoever reaches --listen may read. Beyond loopback nothing listens so, unless
--insecure is given: it takes TLS, and either users, client certificates or tokens.

  --web-config  has tls_server_config (certificate and key, perhaps an authority for clients) and basic_auth_users
                (name and bcrypt hash). The format is that of the Prometheus exporter toolkit.
  --tokens      has the SHA-256 hashes of bearer tokens, each with a name and the scope read or write.

With tokens, users or required client certificates, all but /healthz and /readyz wants a token, a user with a password
or, if there are no users, such a certificate. Users and client certificates may read; what changes something takes a
token with scope write, or the socket in the data folder, which its permissions protect.

Both files and the certificates are read again when they change and on SIGHUP. A bad one is refused and told in the
log, and the old one stays in force; so look at the log after a change. Whether there is TLS, and HTTP/2, can only
change with a restart.`

// serve is the whole of `gaikei run`. To be told to stop is no error, also while it starts.
func serve(ctx context.Context, o runOptions, std streams) error {
	err := serveUntil(ctx, o, std)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serveUntil serves until ctx ends, in the order of the data: configuration, probers, queue, store, page.
func serveUntil(ctx context.Context, o runOptions, std streams) error {
	log := newLog(std.err)
	// First of all: until it is asked for, a SIGHUP ends a process, also one that is busy starting.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	file, err := loadConfig(o.config, o.forConfig())
	if err != nil {
		return err
	}
	if o.maxRunning < 1 {
		return usage("the default is 1024", "--max-running %d: want at least 1", o.maxRunning)
	}
	egress, err := o.egress.policy()
	if err != nil {
		return err
	}
	door, err := openDoor(o, log)
	if err != nil {
		return err
	}
	if _, err := chooseRegions(file, o.regions); err != nil {
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
	queue, err := relay.Open(ctx, relay.Options{Dir: filepath.Join(o.data, "queue"), Logger: log})
	if err != nil {
		return unopened(err)
	}
	defer queue.Close()

	st := newStation(stationOptions{
		data: o.data, prober: localProber, secrets: o.secrets, maxRunning: o.maxRunning, world: o.world, egress: egress,
	}, queue, log)
	c := newCentre(o, store, st, log)
	c.door = door
	if c.deadman, err = newDeadman(o.ping, c.well, log); err != nil {
		return err
	}
	listeners, err := listen(ctx, o)
	if err != nil {
		return err
	}
	c.observe(listeners)

	var s stages
	s.add(ctx, store.Run, c.ingest, c.ingestEvidence, c.tellFaults, c.deadman.run, c.teller.Run, c.web(listeners))
	s.add(ctx, c.feeds.run)
	s.add(ctx, st.forward)
	s.add(ctx, func(ctx context.Context) error { return c.run(ctx, file, hangup) })
	return s.wait(ctx)
}

func newLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// folders makes the data folder, and makes sure that it can be written and the secrets can be read.
func (o *runOptions) folders() error {
	if o.secrets != "" {
		if _, err := os.ReadDir(o.secrets); err != nil {
			return unreachable(fmt.Errorf("--secrets: %w", err), "name the folder that ${file:…} references are read from, or leave the flag out")
		}
	}
	if err := os.MkdirAll(o.data, 0o750); err != nil {
		return unreachable(fmt.Errorf("make the data folder: %w", err), writableData)
	}
	if err := unix.Access(o.data, unix.W_OK); err != nil {
		return unreachable(fmt.Errorf("write to the data folder %s: %w", o.data, err), writableData)
	}
	return nil
}

const writableData = "name a folder that this user can write with --data"

// unopened tells why a data folder could not be opened, and what can be done.
func unopened(err error) error {
	switch {
	case errors.Is(err, timeline.ErrLocked), errors.Is(err, relay.ErrLocked):
		return unreachable(err, "ask that process with 'gaikei sli --data', or name another folder with --data")
	case errors.Is(err, fs.ErrPermission):
		return unreachable(err, writableData)
	}
	return unreachable(err, "")
}

// loadConfig reads the configuration; a bad one is a negative answer, an unreadable one cannot be answered.
func loadConfig(path string, o config.Options) (*config.File, error) {
	file, err := config.Load(path, o)
	var faults config.Faults
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, unreachable(err, "name the configuration with -c; 'gaikei demo' needs none")
	case err != nil && !errors.As(err, &faults):
		return nil, unreachable(err, "")
	case err != nil:
		return nil, &failure{code: exitNegative, err: err, hint: "nothing was started or changed; 'gaikei config check -c " + path + "' tells the same"}
	}
	return file, nil
}

// chooseRegions returns the regions this process probes for, in the order of the file.
func chooseRegions(file *config.File, asked []string) ([]config.Region, error) {
	names := file.RegionNames()
	known := strings.Join(names, ", ")
	switch {
	case len(asked) == 0 && len(file.Regions) == 1, len(asked) == 1 && asked[0] == probe.All:
		return file.Regions, nil
	case len(asked) == 0:
		return nil, usage("add --region "+names[0]+", or --region all to probe for every region from here",
			"the configuration has %d regions (%s): which one is this?", len(names), known)
	}
	var chosen []config.Region
	for _, name := range asked {
		if name == probe.All {
			return nil, usage("", "--region all stands alone")
		}
	}
	left := map[string]bool{}
	for _, name := range asked {
		left[name] = true
	}
	for _, r := range file.Regions {
		if left[r.Name] {
			chosen = append(chosen, r)
			delete(left, r.Name)
		}
	}
	for name := range left {
		return nil, usage("regions are: "+known, "no region is called %q", name)
	}
	return chosen, nil
}
