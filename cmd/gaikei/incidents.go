package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// A folderReader reads a folder without a server, which knows no SLO.
type folderReader struct{ *timeline.Store }

func (r folderReader) Incidents(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Incident, error) {
	return r.Store.Incidents(ctx, q, quorum, nil)
}

func (r *serverReader) Incidents(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Incident, error) {
	return getByQuorum[sli.Incident](ctx, r, "api/v1/incidents", q, quorum)
}

func (r *serverReader) Certainties(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Certainty, error) {
	return getByQuorum[sli.Certainty](ctx, r, "api/v1/certainty", q, quorum)
}

// getByQuorum asks for a list that a quorum decides; the zero one is left to the server.
func getByQuorum[T any](ctx context.Context, r *serverReader, path string, q sli.Query, quorum sli.Quorum) ([]T, error) {
	v := parameters(q)
	if quorum != (sli.Quorum{}) {
		text, err := quorum.MarshalText()
		if err != nil {
			return nil, err
		}
		v.Set("quorum", string(text))
	}
	return getList[T](ctx, r, path, v)
}

func (r *serverReader) Uptimes(ctx context.Context, q sli.Query, lengths []time.Duration) ([]sli.UptimeReport, error) {
	v := parameters(q)
	for _, d := range lengths {
		v.Add("length", d.String())
	}
	return getList[sli.UptimeReport](ctx, r, "api/v1/uptime", v)
}

// getList asks for a list by parameters, to its end.
func getList[T any](ctx context.Context, r *serverReader, path string, v url.Values) ([]T, error) {
	var all []T
	for {
		var list struct {
			Items []T     `json:"items"`
			Next  *string `json:"next"`
		}
		if err := r.get(ctx, r.base+path+"?"+v.Encode(), &list); err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if list.Next == nil {
			return all, nil
		}
		v.Set("next", *list.Next)
	}
}

// quorumOptions are those of a question that a quorum decides.
type quorumOptions struct {
	whereOptions
	text string
}

func (o *quorumOptions) flags(cmd *cobra.Command) {
	o.whereOptions.flags(cmd)
	checkFlag(cmd, &o.checks)
	cmd.Flags().StringVar(&o.text, "quorum", "", "`how many` regions must see an instant good: a number, a percentage, all or any (default 50%)")
}

func (o *quorumOptions) quorum() (q sli.Quorum, err error) {
	if o.text != "" {
		if err := q.UnmarshalText([]byte(o.text)); err != nil {
			return q, usage("for example --quorum 2, 50%, all or any", "--quorum: %w", err)
		}
	}
	return q, nil
}

// byQuorum makes a command of a question that a quorum decides.
func byQuorum[T any](std streams, cmd *cobra.Command, a answer[T], ask func(reader, context.Context, sli.Query, sli.Quorum) ([]T, error)) *cobra.Command {
	var o quorumOptions
	o.flags(cmd)
	cmd.Args = noArguments
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		quorum, err := o.quorum()
		if err != nil {
			return err
		}
		a.ask = func(r reader, ctx context.Context, q sli.Query) ([]T, error) { return ask(r, ctx, q, quorum) }
		return a.print(cmd.Context(), &o.whereOptions, std)
	}
	return cmd
}

func newIncidents(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "incidents",
		Short: "When checks were bad, by how many regions, and why",
		Long: "Prints when checks were bad: when fewer regions than the quorum saw them good. Outbreaks less than three intervals apart are\n" +
			"one incident. When all regions were blind at once, for two intervals or more, nobody can tell: that is an undecided one.\n" +
			"Incidents are derived from the timelines whenever they are asked for, so corrections change them. The last column is what the\n" +
			"first evidence says, if any is kept; the page of the check, and /api/v1/evidence, show all of it.",
		Example: "  gaikei incidents --window 28d\n  gaikei incidents --check shop --quorum 2 -o json",
	}
	return byQuorum(std, cmd, answer[sli.Incident]{text: writeIncidentsTable, csv: writeIncidentsCSV}, reader.Incidents)
}

func writeIncidentsTable(w io.Writer, list []sli.Incident) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "There was no incident in this window. "+notYet)
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CHECK\tKIND\tFROM\tTO\t±\tBAD FOR\tOUTBREAKS\tREGIONS\tREASONS\tWORST LATENCY\tBUDGET SPENT\tFIRST EVIDENCE")
	for i := range list {
		x := &list[i]
		to := "goes on"
		if x.To != nil {
			to = stamp(*x.To)
		}
		var regions []string
		for _, r := range x.Regions {
			regions = append(regions, r.Region)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", x.Check, x.Kind, stamp(x.From), to, secondsText(x.UncertaintySeconds),
			secondsText(x.BadSeconds), x.Outbreaks, strings.Join(regions, ","), strings.Join(x.SortedReasons(), ","),
			sli.FormatSeconds(x.WorstLatency), spentText(x.BudgetSpent), printable(x.Summary()))
	}
	return tw.Flush()
}

func secondsText(seconds float64) string {
	return config.FormatDuration(time.Duration(seconds * float64(time.Second)).Round(time.Second))
}

func spentText(spent map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(spent)) {
		parts = append(parts, name+" "+strconv.FormatFloat(100*spent[name], 'f', 1, 64)+"%")
	}
	return strings.Join(parts, ", ")
}

func writeIncidentsCSV(w io.Writer, list []sli.Incident) error {
	cw := csv.NewWriter(w)
	rows := [][]string{{"check", "kind", "from", "to", "as_of", "uncertainty_seconds", "bad_seconds", "outbreaks", "regions", "reasons", "worst_latency_seconds"}}
	for i := range list {
		x := &list[i]
		to := ""
		if x.To != nil {
			to = x.To.Format(time.RFC3339Nano)
		}
		var regions []string
		for _, r := range x.Regions {
			regions = append(regions, r.Region)
		}
		rows = append(rows, []string{
			x.Check, x.Kind, x.From.Format(time.RFC3339Nano), to, x.AsOf.Format(time.RFC3339Nano), number(&x.UncertaintySeconds), number(&x.BadSeconds),
			strconv.Itoa(x.Outbreaks), strings.Join(regions, " "), strings.Join(x.SortedReasons(), " "), number((*float64)(x.WorstLatency)),
		})
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}

func newUptime(std streams) *cobra.Command {
	var o whereOptions
	var texts []string
	cmd := &cobra.Command{
		Use:   "uptime",
		Short: "The worst minute, hour and day: windowed user-uptime",
		Long: "Prints of every check the worst window of each length: the least share of time that its regions, weighed, saw it good\n" +
			"within it, and when that was. One number for a month hides whether it failed all day once, or a second in every minute;\n" +
			"the curve tells. Windows in which less than half of the time came to a verdict do not count.",
		Example: "  gaikei uptime --window 28d\n  gaikei uptime --check shop --window 7d --length 5m --length 1h",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var lengths []time.Duration
			for _, text := range texts {
				d, err := config.ParseDuration(text)
				if err != nil {
					return usage("for example --length 5m", "--length: %w", err)
				}
				lengths = append(lengths, d)
			}
			ask := func(r reader, ctx context.Context, q sli.Query) ([]sli.UptimeReport, error) {
				return r.Uptimes(ctx, q, lengths)
			}
			return answer[sli.UptimeReport]{ask: ask, text: writeUptimeTable, csv: writeUptimeCSV}.print(cmd.Context(), &o, std)
		},
	}
	o.flags(cmd)
	checkFlag(cmd, &o.checks)
	cmd.Flags().StringArrayVar(&texts, "length", nil, "only windows of this `length`, in minutes rounded up; repeatable (default: powers of two)")
	return cmd
}

func writeUptimeTable(w io.Writer, list []sli.UptimeReport) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No check was due in this window. "+notYet)
		return err
	}
	first := list[0]
	fmt.Fprint(w, heading{first.From, first.To, first.AsOf, first.Settled})
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CHECK\tLENGTH\tWORST\tFROM\tTO")
	for _, r := range list {
		for _, p := range r.Points {
			from, to := sli.Undefined, sli.Undefined
			if p.From != nil {
				from, to = stamp(*p.From), stamp(*p.To)
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", r.Check, secondsText(p.WindowSeconds), sli.FormatRatio(p.MCR), from, to)
		}
	}
	return tw.Flush()
}

func writeUptimeCSV(w io.Writer, list []sli.UptimeReport) error {
	cw := csv.NewWriter(w)
	rows := [][]string{{"check", "window_seconds", "mcr", "from", "to"}}
	for _, r := range list {
		for _, p := range r.Points {
			row := []string{r.Check, number(&p.WindowSeconds), number(p.MCR), "", ""}
			if p.From != nil {
				row[3], row[4] = p.From.Format(time.RFC3339Nano), p.To.Format(time.RFC3339Nano)
			}
			rows = append(rows, row)
		}
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}
