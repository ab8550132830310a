package main

import (
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli"
)

func newRejected(std streams) *cobra.Command {
	var o whereOptions
	cmd := &cobra.Command{
		Use:   "rejected",
		Short: "Messages of probers that were put aside, and why",
		Long: "Prints the messages, or parts of messages, that could not be taken into any timeline, newest first, and why.\n" +
			"The newest thousand are kept. JSON and CSV also give the first bytes of each.",
		Example: "  gaikei rejected --window 24h\n  gaikei rejected --data gaikei-data --region tokyo -o json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return answer[sli.Rejected]{beyond: true, ask: reader.Rejected, text: writeRejectedTable, csv: writeRejectedCSV}.print(cmd.Context(), &o, std)
		},
	}
	o.flags(cmd)
	return cmd
}

// writeRejectedTable makes what a stranger wrote harmless to the terminal.
func writeRejectedTable(w io.Writer, list []sli.Rejected) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "Nothing was put aside in this window.")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "RECEIVED\tREGION\tPROBER\tREASON\tDETAIL")
	for _, r := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", r.ReceivedAt.Format(time.RFC3339), printable(r.Region), printable(r.Prober), r.Reason, printable(r.Detail))
	}
	return tw.Flush()
}

func writeRejectedCSV(w io.Writer, list []sli.Rejected) error {
	cw := csv.NewWriter(w)
	rows := [][]string{{"received_at", "region", "prober", "reason", "detail", "head_hex"}}
	for _, r := range list {
		rows = append(rows, []string{r.ReceivedAt.Format(time.RFC3339Nano), r.Region, r.Prober, r.Reason, r.Detail, hex.EncodeToString(r.Head)})
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}
