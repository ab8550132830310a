package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/sli"
)

// An analyst asks the store about what the configuration in force says.
type analyst struct{ c *centre }

// slos are those of the configuration in force; none while there is none.
func (a analyst) slos() []sli.SLO {
	st := a.c.state.Load()
	if st == nil {
		return nil
	}
	return resolvedSLOs(st.file)
}

// SLOs reports on the SLOs of the configuration in force.
func (a analyst) SLOs(ctx context.Context, now time.Time) ([]sli.SLOReport, error) {
	return a.c.store.SLOs(ctx, a.slos(), now)
}

// Incidents derives incidents, and what share of the budgets they are.
func (a analyst) Incidents(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Incident, error) {
	return a.c.store.Incidents(ctx, q, quorum, a.slos())
}

// Certainties tells how sure availabilities are.
func (a analyst) Certainties(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Certainty, error) {
	return a.c.store.Certainties(ctx, q, quorum)
}

// Uptimes gives windowed user-uptimes.
func (a analyst) Uptimes(ctx context.Context, q sli.Query, lengths []time.Duration) ([]sli.UptimeReport, error) {
	return a.c.store.Uptimes(ctx, q, lengths)
}

// Steps gives the figures of the steps of a window.
func (a analyst) Steps(ctx context.Context, q sli.Query, p sli.Period) ([]sli.Report, error) {
	return a.c.store.Steps(ctx, q, p)
}

// SLONames are those of the configuration in force.
func (a analyst) SLONames() []string {
	var names []string
	for _, o := range a.slos() {
		names = append(names, o.Name)
	}
	return names
}

// SLOHistory tells how SLOs of the configuration in force stood.
func (a analyst) SLOHistory(ctx context.Context, names []string, q sli.Query, p sli.Period) ([]sli.SLOPoint, error) {
	list := slices.DeleteFunc(a.slos(), func(o sli.SLO) bool { return len(names) > 0 && !slices.Contains(names, o.Name) })
	return a.c.store.SLOHistory(ctx, list, q, p)
}

// resolvedSLOs are those of a file, with the ids of all checks in place of "all".
func resolvedSLOs(file *config.File) []sli.SLO {
	list := slices.Clone(file.SLOs)
	for i := range list {
		if slices.Contains(list[i].Checks, "all") {
			list[i].Checks = checkIDs(file)
		}
	}
	return list
}

// sloOptions say which SLOs, and what an exhausted one means for the exit code.
type sloOptions struct {
	listOptions
	exitCode bool
}

func newSLO(std streams) *cobra.Command {
	var o sloOptions
	cmd := &cobra.Command{
		Use:   "slo [NAME …]",
		Short: "How the SLOs stand, and what the error budget policy says",
		Long: "Prints of every SLO the indicator, how much of the error budget is left, how fast it is being spent, and what the\n" +
			"policy decides, with a sentence that says why. Burn is that of the shortest pair of windows whose alert is due, else of\n" +
			"the third, which is a day of thirty; at 1 the budget lasts exactly for the window.",
		Example: "  gaikei slo\n  gaikei slo shop-availability -o json\n  gaikei slo --exit-code && deploy",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return orCommand(cmd, args, o.run(cmd.Context(), args, std))
		},
	}
	o.flags(cmd)
	cmd.Flags().Lookup("output").Usage = "`format`: text, json or csv"
	cmd.AddCommand(newSLODraft(std), newSLOHistory(std), newSLOReview(std))
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "end with 1 if a decision is exhausted")
	return cmd
}

func (o *sloOptions) run(ctx context.Context, names []string, std streams) error {
	write, err := answer[sli.SLOReport]{text: writeSLOTable, csv: writeSLOCSV}.format(o.output)
	if err != nil {
		return err
	}
	r, err := o.configured(ctx, std)
	if err != nil {
		return err
	}
	defer r.Close()
	var list struct{ Items []sli.SLOReport }
	if err := r.get(ctx, r.base+"api/v1/slos?"+url.Values{"slo": names}.Encode(), &list); err != nil {
		return err
	}
	if err := write(std.out, list.Items); err != nil {
		return err
	}
	for _, x := range list.Items {
		if o.exitCode && x.Decision.Decision == "exhausted" {
			return &failure{code: exitNegative, err: fmt.Errorf("the error budget of %s is exhausted", x.Name)}
		}
	}
	return nil
}

// configured finds the server that answers about SLOs: a folder alone knows none.
func (o *whom) configured(ctx context.Context, std streams) (*serverReader, error) {
	r, err := o.running(ctx, std)
	if err == nil && r == nil {
		err = unreachable(fmt.Errorf("no Gaikei runs on %s", o.data), "start it: SLOs are those of the configuration in force")
	}
	return r, err
}

func writeSLOTable(w io.Writer, list []sli.SLOReport) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "The configuration in force has no SLO.")
		return err
	}
	fmt.Fprintf(w, "As of %s\n\n", stamp(list[0].AsOf))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SLO\tSLI\tOBJECTIVE\tWINDOW\tDECIDED\tBUDGET LEFT\tBURN\tSPENT IN\tDECISION")
	for _, x := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Name, sloRatioText(x), sli.Ratio(x.Objective), sloWindowText(x), sli.FormatRatio(x.Decided),
			leftText(x.Budget.Left), burnText(x), exhaustionText(x.Exhaustion), x.Decision.Decision)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, x := range list {
		fmt.Fprintf(w, "\n%s: %s\n  %s\n", x.Name, x.Decision.Sentence, x.Decision.Changed)
	}
	return nil
}

func sloRatioText(x sli.SLOReport) string {
	text := sli.FormatRatio(x.SLI)
	if x.Standing != nil {
		text += " (" + *x.Standing + ")"
	}
	if x.Observed != nil {
		text += " (observed " + sli.FormatRatio(x.Observed) + ")"
	}
	return text
}

func sloWindowText(x sli.SLOReport) string {
	if x.Calendar != nil {
		return *x.Calendar
	}
	return config.FormatDuration(x.To.Sub(x.From))
}

func leftText(left *float64) string {
	if left == nil || *left >= 0 {
		return sli.FormatRatio(left)
	}
	over := -*left
	if over < 0.001 { // no "-0.0%"
		return "-" + sli.FormatRatio(&over)
	}
	return "-" + strconv.FormatFloat(100*over, 'f', 1, 64) + "%"
}

// burnText is the rate that matters most.
func burnText(x sli.SLOReport) string {
	shown := x.Burn[2]
	for _, b := range x.Burn {
		if b.Alert {
			shown = b
			break
		}
	}
	if shown.Long == nil {
		return sli.Undefined
	}
	text := strconv.FormatFloat(*shown.Long, 'f', 1, 64) + "×"
	if shown.Alert {
		text += " (" + shown.Severity + ")"
	}
	return text
}

func exhaustionText(seconds *float64) string {
	switch {
	case seconds == nil:
		return sli.Undefined
	case *seconds == 0:
		return "spent"
	case *seconds < 60:
		return "<1m"
	}
	return config.FormatDuration(time.Duration(*seconds * float64(time.Second)).Truncate(time.Minute))
}

func writeSLOCSV(w io.Writer, list []sli.SLOReport) error {
	cw := csv.NewWriter(w)
	rows := [][]string{{
		"slo", "indicator", "combine", "group", "objective", "from", "to", "end", "as_of", "sli", "if_undecided_bad", "if_undecided_good", "decided",
		"observed", "before", "budget_left", "budget_total_seconds", "budget_spent_seconds", "exhaustion_seconds", "decision", "sentence",
	}}
	for _, x := range list {
		rows = append(rows, []string{
			x.Name, x.Indicator, x.Combine, x.Group, number(&x.Objective), x.From.Format(time.RFC3339Nano), x.To.Format(time.RFC3339Nano),
			x.End.Format(time.RFC3339Nano), x.AsOf.Format(time.RFC3339Nano), number(x.SLI), number(x.IfUndecidedBad), number(x.IfUndecidedGood),
			number(x.Decided), number(x.Observed), number(x.Before), number(x.Budget.Left), number(x.Budget.TotalSeconds), number(x.Budget.SpentSeconds),
			number(x.Exhaustion), x.Decision.Decision, x.Decision.Sentence,
		})
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}
