package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli"
)

func newSLI(std streams) *cobra.Command {
	var o whereOptions
	var steps stepOptions
	cmd := &cobra.Command{
		Use:   "sli",
		Short: "Availability, latency and coverage of every check",
		Long: "Prints the indicators of every check, by region and pooled over the regions. A figure that cannot be computed is\n" +
			"shown as a dash, never as 0 % or 100 %; coverage says how much of the due time the figures rest on. With --step the window\n" +
			"is told step by step, for a chart: each with the figures that it has when it is asked for alone, and they add up to those of\n" +
			"the window. Lengths are counted from midnight UTC on 1 January 1970, so 1d is a day of UTC; the ends may be cut short.",
		Example: "  gaikei sli --window 28d\n  gaikei sli --check shop --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z -o json\n  gaikei sli --step day --timezone Asia/Tokyo --window 28d -o csv\n  gaikei sli --data gaikei-data",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a := answer[sli.Report]{ask: reader.Reports, text: writeSLITable, csv: writeSLICSV}
			switch {
			case o.figures != "" && o.figures != sli.FiguresAvailability:
				return usage("without --figures there are all", "--figures %q: want %s", o.figures, sli.FiguresAvailability)
			case o.figures != "" && steps != (stepOptions{}):
				return usage("steps have all figures", "--figures and --step: want one of them")
			}
			if steps == (stepOptions{}) {
				return a.print(cmd.Context(), &o, std)
			}
			a, err := bySteps(&steps)
			if err != nil {
				return err
			}
			if o.window == "" && o.from == "" {
				o.window = seriesWindow
			}
			return a.print(cmd.Context(), &o, std)
		},
	}
	o.flags(cmd)
	cmd.Flags().Lookup("window").Usage = "`length` of the window that ends now, like 1h or 28d (default 1h; with --step 28d)"
	steps.flags(cmd, "tell the window step by step")
	cmd.Flags().StringVar(&o.figures, "figures", "", "which `figures`: availability leaves latencies out, which is much less to read of thousands of checks")
	checkFlag(cmd, &o.checks)
	return cmd
}

func writeSLITable(w io.Writer, reports []sli.Report) error {
	if len(reports) == 0 {
		_, err := fmt.Fprintln(w, "No check was due in this window. "+notYet)
		return err
	}
	first := reports[0]
	fmt.Fprint(w, heading{first.From, first.To, first.AsOf, first.Settled})
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CHECK\tREGION\tAVAILABILITY\tCOVERAGE\tGOOD\tBAD\tUNDECIDED\tEXCLUDED\tP50\tP95\tP99\tFAST")
	for _, r := range reports {
		undecided := r.Slots.Inconclusive + r.Slots.Missed + r.Slots.NoData
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n",
			r.Check, regionText(r), availabilityText(r), sli.FormatRatio(r.Coverage),
			r.Slots.Good, r.Slots.Bad, undecided, r.Slots.Excluded,
			sli.FormatSeconds(r.Latency.Quantiles["0.5"]), sli.FormatSeconds(r.Latency.Quantiles["0.95"]), sli.FormatSeconds(r.Latency.Quantiles["0.99"]), fastText(r))
	}
	return tw.Flush()
}

// availabilityText also tells what was observed where corrections had a say.
func availabilityText(r sli.Report) string {
	text := sli.FormatRatio(r.Availability.Ratio)
	if o := r.Observed; o != nil {
		text += " (observed " + sli.FormatRatio(o.Availability.Ratio) + ")"
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// notYet explains an empty answer to who has only just started.
const notYet = "(A slot counts once it has settled: when its time is up and 15 s later.)"

// A heading tells the window that a table is about.
type heading struct {
	from, to, asOf time.Time
	settled        bool
}

// String returns the heading as a line, and an empty one.
func (h heading) String() string {
	beyond := ""
	if !h.settled {
		beyond = "; what was asked for beyond that is not settled yet"
	}
	return fmt.Sprintf("From %s to %s, as of %s%s\n\n", stamp(h.from), stamp(h.to), stamp(h.asOf), beyond)
}

// regionText names the region, or how the regions were combined.
func regionText(r sli.Report) string {
	switch {
	case r.Region != nil:
		return *r.Region
	case r.Combine != nil:
		return "(" + *r.Combine + ")"
	}
	return ""
}

// fastText is the share under the latency threshold, and the threshold.
func fastText(r sli.Report) string {
	if r.Latency.UnderSeconds == nil {
		return ""
	}
	return sli.FormatRatio(r.Latency.Ratio) + " < " + sli.FormatSeconds((*sli.Value)(r.Latency.UnderSeconds))
}

// quantileKeys are the quantiles of a report, in order.
var quantileKeys = [...]string{"0.5", "0.9", "0.95", "0.99"}

// sliColumns are the columns of the CSV; names as in the JSON.
var sliColumns = []string{
	"check", "region", "combine", "from", "to", "as_of", "settled",
	"scheduled", "good", "bad", "inconclusive", "missed", "no_data", "excluded",
	"due_seconds", "verdict_seconds", "good_seconds", "bad_seconds", "undecided_seconds", "excluded_seconds",
	"availability", "availability_low", "availability_high", "if_undecided_bad", "if_undecided_good", "coverage",
	"latency_under_seconds", "latency_ratio", "latency_count", "p50_seconds", "p90_seconds", "p95_seconds", "p99_seconds",
	"excluded_by_correction", "corrected_good", "corrected_bad", "availability_observed", "excluded_by_announcement",
}

func writeSLICSV(w io.Writer, reports []sli.Report) error {
	cw := csv.NewWriter(w)
	rows := [][]string{sliColumns}
	for _, r := range reports {
		rows = append(rows, sliRow(r))
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}

func sliRow(r sli.Report) []string {
	row := []string{
		r.Check, text(r.Region), text(r.Combine),
		r.From.Format(time.RFC3339Nano), r.To.Format(time.RFC3339Nano), r.AsOf.Format(time.RFC3339Nano), strconv.FormatBool(r.Settled),
	}
	s := r.Slots
	for _, n := range []int64{s.Scheduled, s.Good, s.Bad, s.Inconclusive, s.Missed, s.NoData, s.Excluded} {
		row = append(row, strconv.FormatInt(n, 10))
	}
	t := r.Seconds
	for _, x := range []float64{t.Due, t.Verdict, t.Good, t.Bad, t.Undecided, t.Excluded} {
		row = append(row, number(&x))
	}
	a := r.Availability
	row = append(row, number(a.Ratio), number(a.Low), number(a.High), number(a.IfUndecidedBad), number(a.IfUndecidedGood), number(r.Coverage))
	row = append(row, number(r.Latency.UnderSeconds), number(r.Latency.Ratio), strconv.FormatInt(r.Latency.Count, 10))
	for _, q := range quantileKeys {
		row = append(row, number((*float64)(r.Latency.Quantiles[q])))
	}
	for _, n := range []int64{r.Excluded.Correction, r.Corrected.Good, r.Corrected.Bad} {
		row = append(row, strconv.FormatInt(n, 10))
	}
	observed := r.Availability.Ratio
	if r.Observed != nil {
		observed = r.Observed.Availability.Ratio
	}
	return append(row, number(observed), strconv.FormatInt(r.Excluded.Announced, 10))
}

// number writes a figure so that it reads back to the same; an undefined one is empty.
func number(x *float64) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'g', -1, 64)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
