package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli"
)

func newPhases(std streams) *cobra.Command {
	var o whereOptions
	cmd := &cobra.Command{
		Use:   "phases",
		Short: "Where the latency goes: how long each phase of every check took",
		Long: "Prints how long the phases of every check took, by region, over the slots that were up: finding the address,\n" +
			"connecting, TLS, waiting for the answer, reading it. Phases are counted by whole hours (UTC), so the window is\n" +
			"widened to them.",
		Example: "  gaikei phases --check shop --window 24h\n  gaikei phases --data gaikei-data -o json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return answer[sli.PhaseReport]{ask: reader.Phases, text: writePhasesTable, csv: writePhasesCSV}.print(cmd.Context(), &o, std)
		},
	}
	o.flags(cmd)
	checkFlag(cmd, &o.checks)
	return cmd
}

func writePhasesTable(w io.Writer, reports []sli.PhaseReport) error {
	if !slices.ContainsFunc(reports, func(r sli.PhaseReport) bool { return len(r.Phases) > 0 }) {
		_, err := fmt.Fprintln(w, "Nothing was up in these hours. "+notYet)
		return err
	}
	first := reports[0]
	fmt.Fprint(w, heading{first.From, first.To, first.AsOf, true})
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CHECK\tREGION\tPHASE\tSLOTS\tP50\tP90\tP95\tP99")
	for _, r := range reports {
		for _, p := range r.Phases {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%d", r.Check, r.Region, p.Phase, p.Count)
			for _, q := range quantileKeys {
				fmt.Fprintf(tw, "\t%s", sli.FormatSeconds(p.Quantiles[q]))
			}
			fmt.Fprintln(tw)
		}
	}
	return tw.Flush()
}

func writePhasesCSV(w io.Writer, reports []sli.PhaseReport) error {
	cw := csv.NewWriter(w)
	rows := [][]string{{"check", "region", "phase", "from", "to", "as_of", "count", "p50_seconds", "p90_seconds", "p95_seconds", "p99_seconds"}}
	for _, r := range reports {
		for _, p := range r.Phases {
			row := []string{
				r.Check, r.Region, p.Phase, r.From.Format(time.RFC3339Nano), r.To.Format(time.RFC3339Nano),
				r.AsOf.Format(time.RFC3339Nano), strconv.FormatInt(p.Count, 10),
			}
			for _, q := range quantileKeys {
				row = append(row, number((*float64)(p.Quantiles[q])))
			}
			rows = append(rows, row)
		}
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}
