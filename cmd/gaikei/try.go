package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
)

// tryOptions is what `gaikei try` was asked.
type tryOptions struct {
	config, region, secrets, output string
	timeout                         durationFlag
	egress                          egressFlags
}

// A durationFlag is a flag written as durations are in the configuration; zero and less are refused.
type durationFlag time.Duration

func (d *durationFlag) String() string { return config.FormatDuration(time.Duration(*d)) }

// Type implements pflag.Value: it names the value in the help.
func (d *durationFlag) Type() string { return "duration" }

// Set implements pflag.Value.
func (d *durationFlag) Set(text string) error {
	v, err := durationIn(text)
	if err == nil && v == 0 {
		err = errors.New("want more than nothing")
	}
	*d = durationFlag(v)
	return err
}

func newTry(std streams) *cobra.Command {
	o := tryOptions{timeout: durationFlag(10 * time.Second)}
	cmd := &cobra.Command{
		Use:   "try URL | try -c gaikei.yaml CHECK",
		Short: "Look at one target once, and show everything that was seen",
		Long: "Makes one attempt and shows it: a waterfall of its phases, the certificate, every assertion with what came and\n" +
			"what was wanted. The exit code is 0 if the target came up to what is expected of it, and 1 if not.",
		Example: "  gaikei try https://www.example.com/\n  gaikei try tcp://db.example.com:5432\n  gaikei try 'dns://192.0.2.53/www.example.com?type=AAAA'\n  gaikei try -c gaikei.yaml shop",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.agree(cmd.Flags().Changed, len(args)); err != nil {
				return err
			}
			return try(cmd.Context(), o, strings.Join(args, ""), std)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "", "take the check from this `file`; without CHECK, list them")
	f.StringVar(&o.region, "region", "", "with -c, expect what this `region` expects (default: the first of the file)")
	f.StringVar(&o.secrets, "secrets", "", "with -c, `folder` that ${file:…} references are read from")
	f.Var(&o.timeout, "timeout", "of the attempt at a URL; a check of a file has its own")
	f.StringVarP(&o.output, "output", "o", "text", "`format`: text or json")
	o.egress.add(f)
	return cmd
}

// agree refuses flags and arguments that would have no effect together.
func (o *tryOptions) agree(changed func(string) bool, args int) error {
	const example = "for example 'gaikei try https://www.example.com/' or 'gaikei try -c gaikei.yaml shop'"
	if args > 1 {
		return usage(example, "one look is at one target: got %d arguments", args)
	}
	if o.config != "" {
		if changed("timeout") {
			return usage("change it in "+o.config, "--timeout is for a URL: a check of a file has its own")
		}
		return nil
	}
	if args == 0 {
		return usage(example, "nothing to try: want a URL, or -c and a check's name")
	}
	for _, name := range []string{"region", "secrets"} {
		if changed(name) {
			return usage("add -c and name a check", "--%s has no effect on a URL: it is for a check of a file", name)
		}
	}
	return nil
}

func try(ctx context.Context, o tryOptions, what string, std streams) error {
	if o.output != "text" && o.output != "json" {
		return usage("", "--output %q: want text or json", o.output)
	}
	egress, err := o.egress.policy()
	if err != nil {
		return err
	}
	t, err := o.trial(what)
	if err != nil {
		return err
	}
	world := &probe.World{Egress: egress, Secret: secretsIn(o.secrets), UserAgent: userAgent(), Verbose: true}
	t.controls.World = world
	controls := probe.NewControls(t.controls)
	looker := probe.NewLooker(world, controls, t.region)
	result, evidence := looker.Look(ctx, t.check, time.Now().UnixMilli())
	if err := showTrial(std.out, o.output, evidence); err != nil {
		return err
	}
	if result.Reason == probe.NoVouch {
		fmt.Fprintf(std.err, "gaikei: hint: %s\n", unvouched(o.config, controls.Status(), evidence))
	}
	if result.Outcome != probe.Up && result.Outcome != probe.ExpectedUnreachable {
		return errNegative
	}
	return nil
}

// unvouched says why what was seen may be this machine's own, and what would tell.
func unvouched(file string, s probe.ControlsStatus, e *probe.Evidence) string {
	if slices.ContainsFunc(s.Sights, func(s probe.SightStatus) bool { return !s.BlindSince.IsZero() }) {
		what := "the failure"
		if e.Suspected == "" {
			what = "the latency"
		}
		return "no control of " + file + " answered, so " + what + " may be this machine's own"
	}
	if e.Suspected == "" {
		return "the target answered, but the controls of " + file + " were not seen at every instant that matters, so the latency may be this machine's own: look again"
	}
	if e.Asleep {
		return "this machine was too busy, or asleep, to see an answer if there was one: look again"
	}
	long := probe.ShortSilence
	if e.Suspected == probe.DNSTimeout.String() {
		long = probe.ShortLookup
	}
	last := len(e.Spans) - 1
	if last < 0 || e.Spans[last].For >= long {
		return "the controls of " + file + " were not seen at every instant that matters, so what was seen may be this machine's own"
	}
	return fmt.Sprintf("the controls of %s answered afterwards, but what took under %s can be a blip of this machine's network that was over by then: "+
		"look again, and at silence with a timeout of %s or more; 'gaikei run' believes a failure after another", file, long, probe.ShortLookup)
}

// A trial is a check and what is needed to judge it.
type trial struct {
	check    *probe.Check
	region   string
	controls probe.ControlOptions
}

func (o *tryOptions) trial(what string) (trial, error) {
	if o.config == "" {
		check, err := checkOfURL(what, time.Duration(o.timeout))
		return trial{check: check, controls: probe.ControlOptions{None: true}}, err
	}
	file, err := loadConfig(o.config, config.Options{})
	if err != nil {
		return trial{}, err
	}
	check, err := findCheck(file, what)
	if err != nil {
		return trial{}, err
	}
	t := trial{check: check, region: file.Regions[0].Name, controls: file.Controls.Options()}
	if o.region != "" {
		regions, err := chooseRegions(file, []string{o.region})
		if err != nil {
			return trial{}, err
		}
		if len(regions) > 1 {
			return trial{}, usage("regions are: "+strings.Join(file.RegionNames(), ", "), "one look is from one region: got --region %s", o.region)
		}
		t.region = regions[0].Name
	}
	return t, nil
}

func findCheck(file *config.File, name string) (*probe.Check, error) {
	for _, c := range file.Checks {
		if c.Name == name || c.ID == name {
			return c, nil
		}
	}
	known := "checks are: " + strings.Join(checkIDs(file), ", ")
	if name == "" {
		return nil, usage(known, "which check of the file?")
	}
	if strings.Contains(name, "://") {
		known = "leave -c out to try a URL; " + known
	}
	if parts := partsOf(file, name); len(parts) > 0 {
		return nil, usage("name one of them: "+strings.Join(parts, ", "), "%q stands for several checks", name)
	}
	return nil, usage(known, "no check is called %q", name)
}

// partsOf returns the ids of the checks that one stands for.
func partsOf(file *config.File, name string) []string {
	var ids []string
	for _, c := range file.Checks {
		if c.Labels[probe.PartOf] == name || slices.Contains(c.Groups, name) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// checkOfURL makes a check of a URL: http, https, tcp://host:port, tls://host:port, dns://server/name?type=A.
func checkOfURL(raw string, timeout time.Duration) (*probe.Check, error) {
	const hint = "for example https://www.example.com/, tcp://db.example.com:5432, tls://mail.example.com:465, dns://192.0.2.53/www.example.com?type=AAAA"
	u, err := url.Parse(raw)
	if err != nil {
		return nil, usage(hint, "%q is not a URL: %w", raw, withoutURL(err))
	}
	if u.Scheme == "" || u.Host == "" {
		return nil, usage(cmp.Or(withScheme(raw), hint), "%q is not a URL with a scheme and a host", raw)
	}
	var settings map[string]any
	kind := u.Scheme
	switch u.Scheme {
	case "http", "https":
		kind, settings = "http", map[string]any{"url": raw}
	case "tcp", "tls":
		if rest := strings.TrimPrefix(raw, u.Scheme+"://"); rest != u.Host {
			return nil, usage(hint, "%s: found %q, want host:port and nothing else", raw, rest)
		}
		kind, settings = "tcp", map[string]any{"address": u.Host}
		if u.Scheme == "tls" {
			settings["tls"] = true
		}
	case "dns":
		settings = dnsSettings(u)
	default:
		return nil, usage(hint, "%s: found the scheme %q, want http, https, tcp, tls or dns", raw, u.Scheme)
	}
	block, err := yaml.Marshal(map[string]any{"name": "try", kind: settings})
	if err != nil {
		return nil, err
	}
	check, err := config.ParseCheck(raw, block)
	if err != nil {
		return nil, usage(hint, "%w", withoutPlaces(raw, err))
	}
	check.Timeout = timeout
	return check, nil
}

// withScheme is a hint for a URL that lacks its scheme, or part of it; empty if none can be told.
func withScheme(raw string) string {
	rest := regexp.MustCompile(`^https?:?/*`).ReplaceAllString(raw, "")
	_, port, err := net.SplitHostPort(rest)
	switch _, digits := strconv.ParseUint(port, 10, 16); {
	case err == nil && digits == nil && rest == raw:
		return fmt.Sprintf("did you mean tcp://%s or http://%[1]s/?", rest)
	case regexp.MustCompile(`^[^/:.]+\.[^:]+$`).MatchString(rest):
		return fmt.Sprintf("did you mean https://%s?", rest)
	case regexp.MustCompile(`^[-a-z0-9]+$`).MatchString(raw):
		return fmt.Sprintf("a URL is like https://www.example.com/; a check is tried with 'gaikei try -c gaikei.yaml %s'", raw)
	}
	return ""
}

// withoutPlaces tells the faults of a URL without lines and columns: those are of a text that nobody wrote.
func withoutPlaces(raw string, err error) error {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return err
	}
	var lines []string
	for _, f := range faults {
		line := raw + ": " + f.Path + ": " + f.Message
		if f.Hint != "" {
			line += " (" + f.Hint + ")"
		}
		lines = append(lines, line)
	}
	return errors.New(strings.Join(lines, "\n"))
}

func dnsSettings(u *url.URL) map[string]any {
	s := map[string]any{"server": u.Host, "name": strings.TrimPrefix(u.Path, "/")}
	for key, vs := range u.Query() {
		s[key] = vs[len(vs)-1]
	}
	return s
}
