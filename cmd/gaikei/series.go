package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/web"
)

// seriesWindow is the window of a question by steps that names none.
const seriesWindow = "28d"

// stepOptions say how long steps are.
type stepOptions struct {
	step, zone string
}

func (o *stepOptions) flags(cmd *cobra.Command, about string) {
	cmd.Flags().StringVar(&o.step, "step", o.step, about+": a `length` like 1h, or day, week, month or quarter")
	cmd.Flags().StringVar(&o.zone, "timezone", "", "`zone` whose days, weeks, months or quarters the steps are, like Asia/Tokyo (default UTC)")
}

func (o *stepOptions) period() (sli.Period, error) {
	p, err := web.ParsePeriod(o.step, o.zone)
	if err != nil {
		return p, usage("for example --step 1h, or --step day --timezone Asia/Tokyo", "--%w", err)
	}
	return p, nil
}

// values adds the step to the parameters of a question.
func (o *stepOptions) values(v url.Values) url.Values {
	if o.step != "" {
		v.Set("step", o.step)
	}
	if o.zone != "" {
		v.Set("timezone", o.zone)
	}
	return v
}

// stepText writes a period as ParsePeriod reads it.
func stepText(p sli.Period) stepOptions {
	if p.Unit == "" {
		return stepOptions{step: p.Length.String()}
	}
	return stepOptions{step: p.Unit, zone: p.Zone.String()}
}

func (r *serverReader) Steps(ctx context.Context, q sli.Query, p sli.Period) ([]sli.Report, error) {
	o := stepText(p)
	return getList[sli.Report](ctx, r, "api/v1/series", o.values(parameters(q)))
}

// Steps tells too great a question from a folder that cannot be read.
func (r folderReader) Steps(ctx context.Context, q sli.Query, p sli.Period) ([]sli.Report, error) {
	reports, err := r.Store.Steps(ctx, q, p)
	if errors.Is(err, sli.ErrTooMany) {
		err = usage("", "%w", err)
	}
	return reports, err
}

// bySteps asks for a window step by step.
func bySteps(o *stepOptions) (answer[sli.Report], error) {
	p, err := o.period()
	ask := func(r reader, ctx context.Context, q sli.Query) ([]sli.Report, error) { return r.Steps(ctx, q, p) }
	return answer[sli.Report]{ask: ask, text: writeStepsTable, csv: writeSLICSV}, err
}

func writeStepsTable(w io.Writer, reports []sli.Report) error {
	if len(reports) == 0 {
		_, err := fmt.Fprintln(w, "No check was due in this window. "+notYet)
		return err
	}
	fmt.Fprintf(w, "As of %s\n\n", stamp(reports[0].AsOf))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CHECK\tREGION\tFROM\tTO\tAVAILABILITY\tCOVERAGE\tGOOD\tBAD\tUNDECIDED\tEXCLUDED\tP50\tP95\tP99\tFAST")
	for _, r := range reports {
		undecided := r.Slots.Inconclusive + r.Slots.Missed + r.Slots.NoData
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n",
			r.Check, regionText(r), stamp(r.From), stamp(r.To), availabilityText(r), sli.FormatRatio(r.Coverage),
			r.Slots.Good, r.Slots.Bad, undecided, r.Slots.Excluded,
			sli.FormatSeconds(r.Latency.Quantiles["0.5"]), sli.FormatSeconds(r.Latency.Quantiles["0.95"]), sli.FormatSeconds(r.Latency.Quantiles["0.99"]), fastText(r))
	}
	return tw.Flush()
}
