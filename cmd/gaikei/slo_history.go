package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli"
)

func newSLOHistory(std streams) *cobra.Command {
	var o whereOptions
	steps := stepOptions{step: "1d"}
	cmd := &cobra.Command{
		Use:   "history [NAME …]",
		Short: "How the SLOs stood in the past, step by step",
		Long: "Prints of every SLO how it stood at the end of each step of the window: the indicator over the SLO's own window, the budget\n" +
			"left and the decision, as 'gaikei slo' would have said then, from what is known now: late results and corrections are in it.\n" +
			"Step is the indicator of the step alone, and spent the share of the budget that went in it. At the end of a calendar's\n" +
			"unit it is about the unit that ends.",
		Example: "  gaikei slo history\n  gaikei slo history shop-availability --step week --window 180d\n  gaikei slo history --step month --timezone Asia/Tokyo --window 400d -o csv",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, names []string) error {
			write, err := answer[sli.SLOPoint]{text: writeHistoryTable, csv: writeHistoryCSV}.format(o.output)
			if err != nil {
				return err
			}
			r, points, err := o.history(cmd.Context(), names, &steps, std)
			if err != nil {
				return err
			}
			defer r.Close()
			return write(std.out, points)
		},
	}
	o.windowFlags(cmd)
	cmd.Flags().Lookup("window").Usage = "`length` of the window that ends now, like 7d (default " + seriesWindow + ")"
	steps.flags(cmd, "tell how they stood at the end of each")
	return cmd
}

// history asks how SLOs stood, and returns whom it asked, who is to be closed.
func (o *whereOptions) history(ctx context.Context, names []string, steps *stepOptions, std streams) (*serverReader, []sli.SLOPoint, error) {
	if o.window == "" && o.from == "" {
		o.window = seriesWindow
	}
	q, err := o.query(time.Now())
	if err != nil {
		return nil, nil, err
	}
	p, err := steps.period()
	if err != nil {
		return nil, nil, err
	}
	r, err := o.configured(ctx, std)
	if err != nil {
		return nil, nil, err
	}
	points, err := r.history(ctx, names, q, p)
	if err != nil {
		_ = r.Close() // it only lets go of connections
		return nil, nil, err
	}
	return r, points, nil
}

func (r *serverReader) history(ctx context.Context, names []string, q sli.Query, p sli.Period) ([]sli.SLOPoint, error) {
	steps := stepText(p)
	v := steps.values(parameters(q))
	v["slo"] = slices.Clone(names)
	return getList[sli.SLOPoint](ctx, r, "api/v1/slos/history", v)
}

func writeHistoryTable(w io.Writer, list []sli.SLOPoint) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "The configuration in force has no SLO, or nothing is known of this window yet.")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SLO\tAT\tSLI\tOBJECTIVE\tDECIDED\tBUDGET LEFT\tDECISION\tSTEP\tSPENT")
	for i := range list {
		x := &list[i]
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Name, stamp(x.AsOf), sloRatioText(x.SLOReport), sli.Ratio(x.Objective), sli.FormatRatio(x.Decided),
			leftText(x.Budget.Left), x.Decision.Decision, sli.FormatRatio(x.Step.SLI), spentShare(x.Step.Spent))
	}
	return tw.Flush()
}

// spentShare rounds up what is spent: nothing may look better than it is.
func spentShare(spent *float64) string {
	if spent == nil {
		return sli.Undefined
	}
	return fmt.Sprintf("%.1f%%", math.Ceil(1000**spent-1e-6)/10)
}

func writeHistoryCSV(w io.Writer, list []sli.SLOPoint) error {
	cw := csv.NewWriter(w)
	rows := [][]string{{
		"slo", "as_of", "from", "to", "end", "objective", "sli", "decided", "observed", "budget_left", "budget_total_seconds", "budget_spent_seconds",
		"decision", "step_from", "step_sli", "step_spent",
	}}
	for i := range list {
		x := &list[i]
		rows = append(rows, []string{
			x.Name, x.AsOf.Format(time.RFC3339Nano), x.From.Format(time.RFC3339Nano), x.To.Format(time.RFC3339Nano), x.End.Format(time.RFC3339Nano),
			number(&x.Objective), number(x.SLI), number(x.Decided), number(x.Observed), number(x.Budget.Left), number(x.Budget.TotalSeconds),
			number(x.Budget.SpentSeconds), x.Decision.Decision, x.Step.From.Format(time.RFC3339Nano), number(x.Step.SLI), number(x.Step.Spent),
		})
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}
