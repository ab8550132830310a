package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/sli"
)

func newSLODraft(std streams) *cobra.Command {
	var o whereOptions
	cmd := &cobra.Command{
		Use:   "draft",
		Short: "Propose SLOs from what was observed, with the evidence",
		Long: "Proposes objectives from what was observed in a window, as configuration that can be pasted: for availability the highest\n" +
			"customary objective of whose budget at most half was spent, and that 28 days have enough slots to show; for latency\n" +
			"95 % under a threshold a quarter above the 95th percentile. They are provisional: what was is no reason for what is to\n" +
			"be. Ask users what they need, and review them.",
		Example: "  gaikei slo draft --window 28d\n  gaikei slo draft --check shop -o json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.window == "" && o.from == "" {
				o.window = "28d"
			}
			return answer[sli.Draft]{ask: draftsOf, text: writeDrafts, csv: noDraftCSV}.print(cmd.Context(), &o, std)
		},
	}
	o.flags(cmd)
	cmd.Flags().Lookup("output").Usage = "`format`: text, which is YAML, or json"
	cmd.Flags().StringArrayVar(&o.checks, "check", nil, "only for the check with this `id`; repeatable")
	return cmd
}

// draftsOf makes proposals of the reports over regions.
func draftsOf(r reader, ctx context.Context, q sli.Query) ([]sli.Draft, error) {
	reports, err := r.Reports(ctx, q)
	var drafts []sli.Draft
	for i := range reports {
		if reports[i].Region == nil {
			drafts = append(drafts, sli.NewDrafts(&reports[i], len(reports[i].Weights))...)
		}
	}
	return drafts, err
}

func noDraftCSV(io.Writer, []sli.Draft) error {
	return usage("use text, which is YAML, or json", "--output csv: a draft is no table")
}

func writeDrafts(w io.Writer, list []sli.Draft) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "# Nothing was observed that an objective could be drawn from, or too little of it was good.")
		return err
	}
	fmt.Fprintln(w, "# Proposals from what was observed. Ask users what they need before you hold anybody to them.\nslos:")
	for i := range list {
		d := &list[i]
		fmt.Fprintf(w, "  - name: %s-%s\n    checks: [%s]\n", d.Check, d.Indicator, d.Check)
		if d.Indicator != sli.IndicatorAvailability {
			fmt.Fprintf(w, "    indicator: %s\n", d.Indicator)
		}
		if d.Under > 0 {
			fmt.Fprintf(w, "    # Needs a threshold in the check: latency: {under: %s}\n", config.FormatDuration(d.Under))
		}
		if d.Quorum > 0 {
			fmt.Fprintf(w, "    combine: {quorum: %d}\n", d.Quorum)
		}
		fmt.Fprintf(w, "    objective: %s\n    window: %s\n    provisional: true\n", sli.Ratio(d.Objective), config.FormatDuration(d.Window))
		for _, e := range d.Evidence {
			fmt.Fprintf(w, "    # %s\n", e)
		}
	}
	return nil
}
