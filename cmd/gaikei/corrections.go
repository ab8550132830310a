package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/web"
)

func newCorrections(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "corrections",
		Short: "Say after the fact how the slots of an interval count",
		Long: "A correction takes an interval out of the figures, or counts it bad or good, for some checks and regions, whatever was\n" +
			"observed. It goes before maintenance, and a newer one before an older one. Every figure that one changes is shown as\n" +
			"observed, too. Corrections are never changed or deleted: who was wrong revokes one, and both stay on record.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCorrectionsList(std), newCorrectionsAdd(std), newCorrectionsRevoke(std))
	return cmd
}

func newCorrectionsList(std streams) *cobra.Command {
	var o whereOptions
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "The corrections that touch a window, also revoked ones (default: of all time)",
		Example: "  gaikei corrections list --window 28d\n  gaikei corrections list --check shop -o json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.window == "" && o.from == "" && o.to == "" {
				o.from = time.Unix(0, 0).UTC().Format(time.RFC3339)
			}
			return answer[sli.Correction]{beyond: true, ask: reader.Corrections, text: writeCorrectionsTable, csv: writeCorrectionsCSV}.print(cmd.Context(), &o, std)
		},
	}
	o.flags(cmd)
	cmd.Flags().StringArrayVar(&o.checks, "check", nil, "only of the check with this `id`; repeatable")
	return cmd
}

func writeCorrectionsTable(w io.Writer, list []sli.Correction) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "There is no correction.")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tFROM\tTO\tEFFECT\tCHECKS\tREGIONS\tCATEGORY\tAUTHOR\tCREATED\tREVOKED\tREASON")
	for _, c := range list {
		revoked := ""
		if r := c.Revoked; r != nil {
			revoked = stamp(r.At) + " by " + printable(r.Author) + ": " + printable(r.Reason)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(c.ID), stamp(c.From), stamp(c.To), c.Effect, strings.Join(c.Checks, ","),
			regionsText(c.Regions), c.Category, printable(c.Author), stamp(c.Created), revoked, printable(c.Reason))
	}
	return tw.Flush()
}

func regionsText(regions []string) string {
	if len(regions) == 0 {
		return "(all)"
	}
	return strings.Join(regions, ",")
}

func writeCorrectionsCSV(w io.Writer, list []sli.Correction) error {
	cw := csv.NewWriter(w)
	rows := [][]string{{
		"id", "from", "to", "effect", "checks", "regions", "category", "reason", "author", "created_at", "revoked_at", "revoked_by", "revoked_reason",
	}}
	for _, c := range list {
		row := []string{
			c.ID, c.From.Format(time.RFC3339Nano), c.To.Format(time.RFC3339Nano), c.Effect, strings.Join(c.Checks, " "), strings.Join(c.Regions, " "),
			c.Category, c.Reason, c.Author, c.Created.Format(time.RFC3339Nano), "", "", "",
		}
		if r := c.Revoked; r != nil {
			row[10], row[11], row[12] = r.At.Format(time.RFC3339Nano), r.Author, r.Reason
		}
		rows = append(rows, row)
	}
	if err := cw.WriteAll(rows); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}

// correctOptions say what is to be corrected, and whom to tell.
type correctOptions struct {
	whom
	sli.Correction
	from, to string
	labels   []string
	file     string
	dryRun   bool
	window   string
}

func newCorrectionsAdd(std streams) *cobra.Command {
	var o correctOptions
	cmd := &cobra.Command{
		Use:   "add --check ID --from T --to T --effect E --category C --reason TEXT | --file F",
		Short: "Make a correction, and show what it changes",
		Long: "Makes a correction and prints the figures that it changes, before and after; with --dry-run it only prints them.\n" +
			"A file holds a list of corrections, with the keys of the flags; those whose id is known already are left as they are,\n" +
			"so that a file can be applied again and again.",
		Example: "  gaikei corrections add --check shop --from 2026-11-23T09:00:00Z --to 2026-11-23T09:40:00Z --effect exclude \\\n" +
			"    --category false_alarm --reason 'a load test of ours, ticket 12' --dry-run\n" +
			"  gaikei corrections add --file corrections.yaml",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), std) },
	}
	o.flags(cmd)
	return cmd
}

func (o *correctOptions) flags(cmd *cobra.Command) {
	o.whom.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&o.Checks, "check", nil, "`id` of a check; repeatable")
	f.StringArrayVar(&o.labels, "label", nil, "`name=value`: all checks that now have the label; repeatable, then all of them")
	f.StringArrayVar(&o.Regions, "region", nil, "only this `region`; repeatable (default: all)")
	f.StringVar(&o.from, "from", "", "`time` it begins at: RFC 3339, or relative like -2h")
	f.StringVar(&o.to, "to", "", "`time` it ends before: RFC 3339, or relative like -1h")
	f.StringVar(&o.Effect, "effect", "", "`what` it does: exclude, bad or good")
	f.StringVar(&o.Category, "category", "", "`kind` of reason: "+strings.Join(sli.CorrectionCategories(), ", "))
	f.StringVar(&o.Reason, "reason", "", "`text` for who reads the figures in a year")
	f.StringVar(&o.Author, "author", "", "who is responsible (default: your user `name`)")
	f.StringVar(&o.ID, "id", "", "`id` of the correction (default: a random one)")
	f.StringVar(&o.file, "file", "", "`file` with a list of corrections in YAML")
	f.BoolVar(&o.dryRun, "dry-run", false, "only show what it would change")
	f.StringVar(&o.window, "window", "28d", "`length` of the window whose figures are shown")
}

func (o *correctOptions) run(ctx context.Context, std streams) error {
	list, err := o.corrections(time.Now())
	if err != nil {
		return err
	}
	r, err := o.changing(ctx, std)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, c := range list {
		if err := o.correct(ctx, r, c, std); err != nil {
			return err
		}
	}
	return nil
}

// changing finds the server that keeps corrections.
func (o *whom) changing(ctx context.Context, std streams) (*serverReader, error) {
	r, err := o.running(ctx, std)
	if err == nil && r == nil {
		err = unreachable(fmt.Errorf("no Gaikei runs on %s", o.data), "start it: it is who keeps corrections")
	}
	return r, err
}

// corrections are those of the flags, or of the file.
func (o *correctOptions) corrections(now time.Time) ([]sli.Correction, error) {
	author := o.Author
	if author == "" {
		if u, err := user.Current(); err == nil {
			author = u.Username
		}
	}
	if o.file != "" {
		if len(o.Checks)+len(o.labels) > 0 || o.from+o.to+o.Effect+o.Reason+o.Category+o.ID != "" {
			return nil, usage("put it into the file", "--file says everything; it excludes the flags of a single correction")
		}
		return readCorrections(o.file, author, now)
	}
	c := o.Correction
	c.Author = author
	if o.from != "" || o.to != "" {
		q, err := web.ParseQuery("", o.from, o.to, now)
		if err != nil {
			return nil, usage("for example --from 2026-11-23T09:00:00Z --to -10m", "%w", err)
		}
		c.From, c.To = q.From, q.To
	}
	for _, l := range o.labels {
		name, value, ok := strings.Cut(l, "=")
		if !ok {
			return nil, usage("for example --label team=web", "--label: got %q, want name=value", l)
		}
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[name] = value
	}
	whole := c
	if len(c.Labels) > 0 {
		whole.Checks = append([]string{"chosen by labels"}, c.Checks...)
	}
	if err := whole.Validate(now); err != nil {
		return nil, usage("'gaikei corrections add --help' shows an example", "%w", err)
	}
	return []sli.Correction{c}, nil
}

// readCorrections reads the file of a list.
func readCorrections(path, author string, now time.Time) ([]sli.Correction, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreachable(err, "")
	}
	list, err := config.ParseCorrections(path, text, author, now)
	if err != nil {
		return nil, &failure{code: exitNegative, err: err}
	}
	return list, nil
}

// correct makes a correction and shows what it changes.
func (o *correctOptions) correct(ctx context.Context, r *serverReader, c sli.Correction, std streams) error {
	if c.ID != "" {
		known, err := o.known(ctx, r, c, std)
		if known || err != nil {
			return err
		}
	}
	// What is shown was asked for before: after it, the figures are as corrected.
	var preview struct {
		Items []struct{ Now, Then sli.Report }
	}
	path := "api/v1/corrections/preview?" + url.Values{"window": {o.window}}.Encode()
	if err := r.change(ctx, http.MethodPost, path, c, &preview); err != nil {
		return err
	}
	if !o.dryRun {
		var stored sli.Correction
		if err := r.change(ctx, http.MethodPost, "api/v1/corrections", c, &stored); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "Correction %s is in force: %s to %s counts as %s.\n", stored.ID, stamp(stored.From), stamp(stored.To), stored.Effect)
	}
	would := "changes"
	if o.dryRun {
		would = "would change"
	}
	if len(preview.Items) == 0 {
		fmt.Fprintf(std.out, "It %s no figure of the last %s.\n", would, o.window)
		return nil
	}
	fmt.Fprintf(std.out, "It %s these figures of the last %s:\n\n", would, o.window)
	tw := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CHECK\tREGION\tAVAILABILITY\tTHEN\tGOOD\tTHEN\tBAD\tTHEN\tEXCLUDED\tTHEN")
	for _, x := range preview.Items {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n", x.Now.Check, regionText(x.Now),
			sli.FormatRatio(x.Now.Availability.Ratio), sli.FormatRatio(x.Then.Availability.Ratio),
			x.Now.Slots.Good, x.Then.Slots.Good, x.Now.Slots.Bad, x.Then.Slots.Bad, x.Now.Slots.Excluded, x.Then.Slots.Excluded)
	}
	return tw.Flush()
}

// known reports whether a correction with the id is stored, and tells how it fares. One that says something else is an error, and so
// is one that was revoked.
func (o *correctOptions) known(ctx context.Context, r *serverReader, c sli.Correction, std streams) (bool, error) {
	list, err := r.Corrections(ctx, sli.Query{From: time.Unix(0, 0).UTC()})
	if err != nil || !slices.ContainsFunc(list, func(x sli.Correction) bool { return x.ID == c.ID }) {
		return false, err
	}
	var stored sli.Correction // which changes nothing
	if err := r.change(ctx, http.MethodPost, "api/v1/corrections", c, &stored); err != nil {
		return true, err
	}
	if stored.Revoked != nil {
		return true, &failure{
			code: exitNegative, err: fmt.Errorf("correction %s was revoked at %s by %s: nothing is changed", c.ID, stamp(stored.Revoked.At), printable(stored.Revoked.Author)),
			hint: "make another one, with another id",
		}
	}
	fmt.Fprintf(std.out, "Correction %s is there already, since %s.\n", c.ID, stamp(stored.Created))
	return true, nil
}

func oneCorrection(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("'gaikei corrections list' shows them", "got %d arguments, want the id of one correction", len(args))
	}
	return nil
}

func newCorrectionsRevoke(std streams) *cobra.Command {
	var o struct {
		whom
		sli.Revocation
	}
	cmd := &cobra.Command{
		Use:     "revoke ID --reason TEXT",
		Short:   "End a correction, as if it had never been made",
		Example: "  gaikei corrections revoke k3v9x2mqp4za --reason 'it was no test after all'",
		Args:    oneCorrection,
		RunE: func(cmd *cobra.Command, args []string) error {
			if u, err := user.Current(); o.Author == "" && err == nil {
				o.Author = u.Username
			}
			r, err := o.changing(cmd.Context(), std)
			if err != nil {
				return err
			}
			defer r.Close()
			what := map[string]string{"author": o.Author, "reason": o.Reason}
			if err := r.change(cmd.Context(), http.MethodPost, "api/v1/corrections/"+url.PathEscape(args[0])+"/revoke", what, new(map[string]string)); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "Correction %s is revoked.\n", args[0])
			return nil
		},
	}
	o.whom.flags(cmd)
	cmd.Flags().StringVar(&o.Reason, "reason", "", "`text` for who reads the figures in a year")
	cmd.Flags().StringVar(&o.Author, "author", "", "who is responsible (default: your user `name`)")
	return cmd
}
