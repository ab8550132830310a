package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/probe"
)

// demoConfig is the demo's configuration, a template over the ports its targets got.
//
//go:embed demo.yaml.tmpl
var demoConfig string

func newDemo(std streams) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch Gaikei at work on targets it makes itself; no network needed",
		Long: "Starts small HTTP, TCP and DNS servers on this machine (healthy, slow, flaky, broken, closed on purpose, wrongly\n" +
			"open) and three regions that probe them, one of which loses its network now and then. Everything is kept in a\n" +
			"temporary folder and gone at the end.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), o, std)
		},
	}
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` of the page and the API")
	o.egress.add(cmd.Flags())
	cmd.Flags().BoolVar(&o.insecure, "insecure", false, "listen beyond loopback without authentication")
	return cmd
}

// demo is `gaikei run` on targets of its own, in a temporary folder.
func demo(ctx context.Context, o runOptions, std streams) error {
	if err := o.loopbackOnly(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gaikei-demo-")
	if err != nil {
		return unreachable(fmt.Errorf("make a temporary folder: %w", err), "")
	}
	defer os.RemoveAll(dir)
	targets, err := startDemoTargets(ctx)
	if err != nil {
		return unreachable(err, "")
	}
	defer targets.close()

	path := filepath.Join(dir, "gaikei.yaml")
	if err := writeDemoConfig(path, targets); err != nil {
		return unreachable(err, "")
	}
	o.config, o.data = path, filepath.Join(dir, "data")
	o.regions, o.maxRunning = []string{probe.All}, 1024
	o.world = func(region string) *probe.World { return &probe.World{Dial: demoNetwork(region)} }
	o.ready = func() { fmt.Fprint(std.out, demoGuide(o)) }
	return serve(ctx, o, std)
}

// demoGuide says what to look at, with commands that can be pasted.
func demoGuide(o runOptions) string {
	server := ""
	if "http://"+o.listen != defaultServer {
		server = " --server http://" + o.listen
	}
	return fmt.Sprintf(demoText, o.listen, o.config, o.data, os.Args[0], server)
}

func writeDemoConfig(path string, targets *demoTargets) error {
	t, err := template.New("demo").Option("missingkey=error").Parse(demoConfig)
	if err != nil {
		return fmt.Errorf("demo configuration: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, targets.ports); err != nil {
		return fmt.Errorf("demo configuration: %w", err)
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

const demoText = `
The demo runs. Open http://%[1]s and look at:

  shop              healthy: up everywhere, with a latency you can trust
  shop-search       slow: up, but often not under its threshold; latency is an indicator of its own
  shop-checkout     flaky: fails ten seconds in every minute
  shop-images       broken: answers 500; an answer proves itself, so it is down even when controls are dead
  admin-closed      expected to be closed, and is: counted as good, with its own outcome
  admin-firewalled  unreachable from tokyo and frankfurt on purpose, reachable from the office
  admin-leaked      should be closed and is open: unexpected
  mail, zone        a TCP and a DNS target

  frankfurt loses its network for 20 seconds in every 90. Nothing goes down there then: slots become
  inconclusive, and the prober SLI of the region falls instead of any target's.

Ask from another terminal while it runs (figures settle after about 20 seconds):

  %[4]s sli%[5]s --window 5m
  %[4]s slo%[5]s
  %[4]s probers list%[5]s --window 5m
  %[4]s sli --data %[3]s --window 5m -o json

The configuration is %[2]s. Stop with Ctrl-C.

`
