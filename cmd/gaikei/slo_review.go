package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/review"
)

// reviewOptions say what is reviewed, and how it is written where.
type reviewOptions struct {
	whereOptions
	steps stepOptions
	out   string
}

func newSLOReview(std streams) *cobra.Command {
	o := reviewOptions{steps: stepOptions{step: "1d"}}
	cmd := &cobra.Command{
		Use:   "review [NAME …]",
		Short: "Write the page for a review meeting",
		Long: "Writes a page about the SLOs, or those that are named, to decide by: how they stand against their objectives and the window\n" +
			"before, where the budget went, incidents, corrections with what they changed, what could not be seen, how sure it is, and\n" +
			"proposals. Markdown is for a wiki or an issue; HTML is one file with charts that needs nothing else and prints well. All\n" +
			"figures are as of one instant, so they are those of 'gaikei slo' and 'gaikei sli'.",
		Example: "  gaikei slo review --window 28d\n  gaikei slo review --out review.html\n  gaikei slo review shop-availability --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z -o html",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, names []string) error { return o.run(cmd.Context(), names, std) },
	}
	o.windowFlags(cmd)
	cmd.Flags().Lookup("window").Usage = "`length` of the window that ends now, like 7d (default " + seriesWindow + ")"
	output := cmd.Flags().Lookup("output")
	output.Usage, output.DefValue, o.output = "`format`: markdown or html (default: html if --out ends in .html)", "", ""
	o.steps.flags(cmd, "show how the budget was spent in each")
	cmd.Flags().StringVar(&o.out, "out", "", "write into this `file`, which is replaced")
	return cmd
}

// format picks the writer.
func (o *reviewOptions) format() (func(*review.Page, io.Writer) error, error) {
	name := o.output
	if name == "" && strings.HasSuffix(o.out, ".html") {
		name = "html"
	}
	switch name {
	case "", "markdown":
		return (*review.Page).Markdown, nil
	case "html":
		return (*review.Page).HTML, nil
	}
	return nil, usage("", "--output %q: want markdown or html", name)
}

func (o *reviewOptions) run(ctx context.Context, names []string, std streams) error {
	write, err := o.format()
	if err != nil {
		return err
	}
	r, points, err := o.history(ctx, names, &o.steps, std)
	if err != nil {
		return err
	}
	defer r.Close()
	if len(points) == 0 {
		return &failure{code: exitNegative, err: fmt.Errorf("there is nothing to review: no SLO, or nothing is known of this window yet"), hint: "'gaikei slo draft' proposes SLOs from what was observed"}
	}
	in, err := gather(ctx, r, points)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := write(review.New(in), &page); err != nil {
		return err
	}
	if o.out == "" {
		_, err = std.out.Write(page.Bytes())
		return err
	}
	if err := renameio.WriteFile(o.out, page.Bytes(), 0o644); err != nil {
		return unreachable(fmt.Errorf("write the review: %w", err), "")
	}
	return nil
}

// gather asks for all that belongs to the points, over their window and up to their as_of.
func gather(ctx context.Context, r reader, points []sli.SLOPoint) (review.Input, error) {
	in := review.Input{From: points[0].Step.From, To: points[len(points)-1].To}
	whole := sli.Query{From: in.From, To: in.To}
	var err error
	if in.Probers, err = r.Probers(ctx, whole); err != nil {
		return in, err
	}
	corrections, err := r.Corrections(ctx, whole)
	if err != nil {
		return in, err
	}
	for len(points) > 0 {
		n := slices.IndexFunc(points, func(p sli.SLOPoint) bool { return p.Name != points[0].Name })
		if n < 0 {
			n = len(points)
		}
		c, err := gatherOne(ctx, r, whole, points[:n])
		if err != nil {
			return in, err
		}
		if c.Corrections, err = gatherCorrections(ctx, r, &c, whole, corrections); err != nil {
			return in, err
		}
		in.Cases = append(in.Cases, c)
		points = points[n:]
	}
	return in, nil
}

// mostNamed is how many checks are named in a question; of more all are asked for.
const mostNamed = 200

// worstLengths are of the windows of which the worst is told.
var worstLengths = []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour}

// gatherOne asks about the checks and regions of one SLO, by its quorum if it has one.
func gatherOne(ctx context.Context, r reader, q sli.Query, history []sli.SLOPoint) (review.Case, error) {
	c := review.Case{History: history}
	now := history[len(history)-1]
	if len(now.Regions) == 0 {
		return c, nil // nothing was due
	}
	q.Regions = now.Regions
	if len(now.Checks) <= mostNamed {
		q.Checks = now.Checks
	}
	var quorum sli.Quorum
	if text, ok := strings.CutPrefix(now.Combine, "quorum "); ok {
		if err := quorum.UnmarshalText([]byte(text)); err != nil {
			return c, fmt.Errorf("combination of SLO %s: %w", now.Name, err)
		}
	}
	var err error
	if c.Reports, err = r.Reports(ctx, q); err != nil {
		return c, err
	}
	if c.Incidents, err = r.Incidents(ctx, q, quorum); err != nil {
		return c, err
	}
	if c.Uptimes, err = r.Uptimes(ctx, q, worstLengths); err != nil {
		return c, err
	}
	if c.Certainties, err = r.Certainties(ctx, q, quorum); err != nil {
		return c, err
	}
	other := func(check string) bool { return !slices.Contains(now.Checks, check) }
	c.Reports = slices.DeleteFunc(c.Reports, func(x sli.Report) bool { return other(x.Check) })
	c.Incidents = slices.DeleteFunc(c.Incidents, func(x sli.Incident) bool { return other(x.Check) })
	c.Uptimes = slices.DeleteFunc(c.Uptimes, func(x sli.UptimeReport) bool { return other(x.Check) })
	c.Certainties = slices.DeleteFunc(c.Certainties, func(x sli.Certainty) bool { return other(x.Check) })
	return c, nil
}

// gatherCorrections asks what each correction of the SLO's checks changed within the window.
func gatherCorrections(ctx context.Context, r reader, c *review.Case, q sli.Query, list []sli.Correction) ([]review.Correction, error) {
	now := c.History[len(c.History)-1]
	var out []review.Correction
	for _, x := range list {
		among := func(all []string) func(string) bool { return func(s string) bool { return slices.Contains(all, s) } }
		if !slices.ContainsFunc(x.Checks, among(now.Checks)) || len(x.Regions) > 0 && !slices.ContainsFunc(x.Regions, among(now.Regions)) {
			continue
		}
		found := review.Correction{Correction: x}
		if x.Revoked == nil && len(now.Regions) > 0 {
			of := sli.Query{From: x.From, To: x.To, Regions: now.Regions, Checks: slices.DeleteFunc(slices.Clone(x.Checks), func(id string) bool { return !slices.Contains(now.Checks, id) })}
			if of.From.Before(q.From) {
				of.From = q.From
			}
			if of.To.After(q.To) {
				of.To = q.To
			}
			var err error
			if found.Reports, err = r.Reports(ctx, of); err != nil {
				return nil, err
			}
		}
		out = append(out, found)
	}
	return out, nil
}
