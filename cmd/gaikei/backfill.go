package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/export"
)

// backfillStep is how far apart the samples of a backfill are: Prometheus looks back for five minutes by default.
const backfillStep = time.Minute

// backfillPart is how much of a timeline is asked for at once: a server bounds its answers.
const backfillPart = 7 * 24 * time.Hour

// backfillName is the format that is not made of a configuration.
const backfillName = "openmetrics"

func newBackfill(std streams) *cobra.Command {
	var o whereOptions
	cmd := &cobra.Command{
		Use:   backfillName,
		Short: "Write the past by the minute, to backfill a Prometheus with",
		Long: "Writes how the slots of each check and region count, minute by minute, as counters that begin at 0 with the window: in\n" +
			"OpenMetrics, which 'promtool tsdb create-blocks-from openmetrics' takes. Corrections are applied, and what came late is where it\n" +
			"belongs. The names are others than those of the counters that a server shows.",
		Example: "  gaikei export openmetrics --from 2026-11-01T00:00:00Z --to 2026-11-29T00:00:00Z >november.om\n" +
			"  promtool tsdb create-blocks-from openmetrics november.om /var/lib/prometheus\n" +
			"  gaikei export openmetrics --window 28d --check shop --data gaikei-data",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return writeBackfill(cmd.Context(), &o, std) },
	}
	o.regionFlag(cmd)
	o.timeFlags(cmd)
	checkFlag(cmd, &o.checks)
	return cmd
}

// writeBackfill reads the timelines once for each family, since a text has one after the other and they do not fit into memory.
func writeBackfill(ctx context.Context, o *whereOptions, std streams) error {
	q, err := o.query(time.Now())
	if err != nil {
		return err
	}
	q.Figures = sli.FiguresAvailability
	r, err := o.open(ctx, std)
	if err != nil {
		return err
	}
	defer r.Close()
	reports, err := r.Reports(ctx, q)
	if err != nil {
		return err
	}
	noteWindow(q, reports, std.err)
	out := bufio.NewWriterSize(std.out, 1<<16)
	changed := map[sli.Series]bool{}
	for _, family := range export.Backfills() {
		if err := family.Head(out); err != nil {
			return unwritten(err)
		}
		for i := range reports {
			if reports[i].Region == nil {
				continue
			}
			c, err := countsOf(ctx, r, &reports[i])
			if err != nil {
				return err
			}
			if !sameAs(c, &reports[i]) {
				changed[sli.Series{Check: c.Check, Region: c.Region}] = true
			}
			if err := family.Series(out, c); err != nil {
				return unwritten(err)
			}
		}
	}
	if len(changed) > 0 {
		fmt.Fprintf(std.err, "gaikei: hint: %d of the timelines changed while they were read; export again for what is known now\n", len(changed))
	}
	if err := export.EndBackfill(out); err != nil {
		return unwritten(err)
	}
	return unwritten(out.Flush())
}

func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return unreachable(fmt.Errorf("write the samples: %w", err), "")
}

// noteWindow tells where the window is not the one that was asked for.
func noteWindow(q sli.Query, reports []sli.Report, w io.Writer) {
	if len(reports) == 0 {
		fmt.Fprintln(w, "gaikei: hint: no check was due in this window, and there is no sample. "+notYet)
		return
	}
	first := &reports[0]
	if !first.Settled {
		fmt.Fprintf(w, "gaikei: hint: it ends at %s: what comes after that is not settled yet\n", stamp(first.To))
	}
	if first.From.After(q.From) && first.To.Sub(first.From) != q.Window {
		fmt.Fprintf(w, "gaikei: hint: it begins at %s: what was before is not kept\n", stamp(first.From))
	}
}

// countsOf reads a timeline over the window of its report, part by part.
func countsOf(ctx context.Context, r reader, report *sli.Report) (*sli.Counts, error) {
	all := &sli.Counts{Check: report.Check, Region: *report.Region, From: report.From, To: report.To}
	x := sli.Series{Check: all.Check, Region: all.Region}
	for from := all.From; from.Before(all.To); {
		to := from.Truncate(backfillStep).Add(backfillPart) // parts end where steps do
		if to.After(all.To) {
			to = all.To
		}
		c, err := r.Counts(ctx, x, sli.Query{From: from, To: to}, backfillStep)
		if err != nil {
			return nil, err
		}
		all.Steps = append(all.Steps, c.Steps...)
		from = to
	}
	return all, nil
}

// sameAs reports whether the steps add up to a report.
func sameAs(c *sli.Counts, report *sli.Report) bool {
	var n sli.ByVerdict[int64]
	for i := range c.Steps {
		s := &c.Steps[i].Slots
		n.Good += s.Good
		n.Bad += s.Bad
		n.None += s.None
		n.Excluded += s.Excluded
	}
	r := report.Slots
	return n == sli.ByVerdict[int64]{Good: r.Good, Bad: r.Bad, None: r.Inconclusive + r.Missed + r.NoData, Excluded: r.Excluded}
}

func (r *serverReader) Counts(ctx context.Context, x sli.Series, q sli.Query, step time.Duration) (sli.Counts, error) {
	q.Checks, q.Regions = []string{x.Check}, []string{x.Region}
	v := parameters(q)
	v.Set("step", step.String())
	var c sli.Counts
	err := r.get(ctx, r.base+"api/v1/counts?"+v.Encode(), &c)
	return c, err
}
