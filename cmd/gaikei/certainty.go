package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli"
)

func newCertainty(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certainty",
		Short: "How sure availabilities are, and how short an outage is seen",
		Long: "Prints of every check, over its regions, between which bounds its availability in the long run lies with 95 %, by three\n" +
			"methods. Two take slots to be independent of each other, which they are not: outages are runs. The third takes hours to be,\n" +
			"and says nothing before five of them had a failure. Then what the figure would be had all undecided time been bad, or\n" +
			"good; the standard error of the bad time, since slots look only once in a while; and how long an outage must last to\n" +
			"be seen by a quorum of regions. No decision follows from any of it.",
		Example: "  gaikei certainty --window 28d\n  gaikei certainty --check shop --quorum 2 -o json",
	}
	return byQuorum(std, cmd, answer[sli.Certainty]{text: writeCertaintyTable, csv: writeCertaintyCSV}, reader.Certainties)
}

func writeCertaintyTable(w io.Writer, list []sli.Certainty) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No check was due in this window. "+notYet)
		return err
	}
	first := list[0]
	fmt.Fprint(w, heading{first.From, first.To, first.AsOf, first.Settled})
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CHECK\tAVAILABILITY\tWILSON\tCLOPPER-PEARSON\tBY HOURS\tIF UNDECIDED BAD\tGOOD\tBAD TIME ±\tSEES FROM")
	for _, c := range list {
		sees := sli.Undefined
		if c.ShortestOutageSeconds != nil {
			sees = secondsText(*c.ShortestOutageSeconds)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Check, sli.FormatRatio(c.Ratio), boundsText(c.Intervals[0]), boundsText(c.Intervals[1]),
			boundsText(c.Intervals[2]), sli.FormatRatio(c.IfUndecidedBad), sli.FormatRatio(c.IfUndecidedGood), secondsText(c.ScheduleErrorSeconds), sees)
	}
	return tw.Flush()
}

func boundsText(iv sli.Interval) string {
	if iv.Low == nil {
		return "too few to say"
	}
	return sli.FormatRatio(iv.Low) + " to " + sli.FormatRatio(iv.High)
}

func writeCertaintyCSV(w io.Writer, list []sli.Certainty) error {
	cw := csv.NewWriter(w)
	header := []string{"check", "from", "to", "as_of", "settled", "ratio", "slots"}
	for _, m := range []string{sli.MethodWilson, sli.MethodClopperPearson, sli.MethodBlocks} {
		header = append(header, m+"_low", m+"_high")
	}
	rows := [][]string{append(header, "if_undecided_bad", "if_undecided_good", "schedule_error_seconds", "shortest_outage_seconds")}
	for _, c := range list {
		row := []string{
			c.Check, c.From.Format(time.RFC3339Nano), c.To.Format(time.RFC3339Nano), c.AsOf.Format(time.RFC3339Nano), fmt.Sprint(c.Settled),
			number(c.Ratio), number(&c.Slots),
		}
		for _, iv := range c.Intervals {
			row = append(row, number(iv.Low), number(iv.High))
		}
		rows = append(rows, append(row, number(c.IfUndecidedBad), number(c.IfUndecidedGood), number(&c.ScheduleErrorSeconds), number(c.ShortestOutageSeconds)))
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}
