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

func newProbers(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probers",
		Short: "Whether the regions could see, and who may probe",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newProbersList(std), newProbersStatus(std), newProbersEnroll(std), newProbersRotate(std), newProbersRevoke(std), newProbersKeys(std))
	return cmd
}

func newProbersList(std streams) *cobra.Command {
	var o whereOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The prober SLI of every region: time with a verdict ÷ all due time",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return answer[sli.ProberReport]{ask: reader.Probers, text: writeProbersTable, csv: writeProbersCSV}.print(cmd.Context(), &o, std)
		},
	}
	o.flags(cmd)
	return cmd
}

func writeProbersTable(w io.Writer, reports []sli.ProberReport) error {
	if len(reports) == 0 {
		_, err := fmt.Fprintln(w, "No region had anything to probe in this window. "+notYet)
		return err
	}
	first := reports[0]
	fmt.Fprint(w, heading{first.From, first.To, first.AsOf, first.Settled})
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "REGION\tCHECKS\tPROBER SLI\tSCHEDULED\tINCONCLUSIVE\tMISSED\tNO DATA")
	for _, r := range reports {
		fmt.Fprintf(tw, "%s\t%d\t%s\t%d\t%d\t%d\t%d\n", r.Region, r.Checks, sli.FormatRatio(r.Ratio),
			r.Slots.Scheduled, r.Slots.Inconclusive, r.Slots.Missed, r.Slots.NoData)
	}
	return tw.Flush()
}

func writeProbersCSV(w io.Writer, reports []sli.ProberReport) error {
	cw := csv.NewWriter(w)
	rows := [][]string{{"region", "checks", "from", "to", "as_of", "settled", "due_seconds", "verdict_seconds", "ratio", "scheduled", "inconclusive", "missed", "no_data"}}
	for _, r := range reports {
		row := []string{
			r.Region, strconv.Itoa(r.Checks), r.From.Format(time.RFC3339Nano), r.To.Format(time.RFC3339Nano), r.AsOf.Format(time.RFC3339Nano),
			strconv.FormatBool(r.Settled), number(&r.Seconds.Due), number(&r.Seconds.Verdict), number(r.Ratio),
		}
		for _, n := range []int64{r.Slots.Scheduled, r.Slots.Inconclusive, r.Slots.Missed, r.Slots.NoData} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		rows = append(rows, row)
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}
