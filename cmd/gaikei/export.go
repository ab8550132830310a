package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/export"
)

// exportOptions say what is exported and where to.
type exportOptions struct {
	config, out string
}

func newExport(std streams) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export FORMAT [SLO …]",
		Short: "Write the SLOs of a configuration for other SLO evaluators",
		Long: "Writes the SLOs of a configuration, or those that are named, in the format of another SLO evaluator, to standard\n" +
			"output or into a folder, a file each. All formats read the counter gaikei_slo_seconds_total from a Prometheus that\n" +
			"scrapes Gaikei. What a format cannot say is in a comment at the top of the SLO, or an error.\n\nFormats:\n" + formatList() +
			"\n\nWhat was seen, and not what is defined, is written by 'gaikei export openmetrics'.",
		Example: "  gaikei export prometheus-rules -c gaikei.yaml\n  gaikei export sloth -c gaikei.yaml --out slos\n  gaikei export nobl9 -c gaikei.yaml shop-availability",
		RunE:    func(_ *cobra.Command, args []string) error { return o.run(args, std) },
	}
	for _, f := range export.Formats() {
		cmd.ValidArgs = append(cmd.ValidArgs, f.Name)
	}
	cmd.AddCommand(newBackfill(std))
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.out, "out", "", "write a file for each SLO into this `folder`, which is made if need be")
	return cmd
}

func formatList() string {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range export.Formats() {
		fmt.Fprintf(tw, "  %s\t%s\n", f.Name, f.About)
	}
	tw.Flush()
	return strings.TrimRight(b.String(), "\n")
}

func (o *exportOptions) run(args []string, std streams) error {
	f, err := chooseFormat(args)
	if err != nil {
		return err
	}
	file, err := loadConfig(o.config, config.Options{})
	if err != nil {
		return err
	}
	slos, err := o.chooseSLOs(file, args[1:])
	if err != nil {
		return err
	}
	if o.out != "" {
		return o.writeFiles(f, slos)
	}
	text, err := f.Text(slos)
	if err != nil {
		return cannotSay(f, err)
	}
	_, err = std.out.Write(text)
	return err
}

func chooseFormat(args []string) (export.Format, error) {
	var names []string
	for _, f := range export.Formats() {
		if len(args) > 0 && f.Name == args[0] {
			return f, nil
		}
		names = append(names, f.Name)
	}
	names = append(names, backfillName)
	hint := "formats are: " + strings.Join(names, ", ")
	if len(args) == 0 {
		return export.Format{}, usage(hint, "the format is missing")
	}
	if near := nearest(args[0], names); near != "" {
		hint = "did you mean 'gaikei export " + near + "'?"
	}
	return export.Format{}, usage(hint, "unknown format %q", args[0])
}

// chooseSLOs returns the SLOs that are named, in the order of the file; all if none is.
func (o *exportOptions) chooseSLOs(file *config.File, asked []string) ([]sli.SLO, error) {
	if len(file.SLOs) == 0 {
		return nil, &failure{code: exitNegative, err: fmt.Errorf("%s has no SLO to export", o.config), hint: "add one under slos; docs/configuration.md has the keys"}
	}
	if len(asked) == 0 {
		return file.SLOs, nil
	}
	var names []string
	wanted := map[string]bool{}
	for _, name := range asked {
		wanted[name] = true
	}
	var chosen []sli.SLO
	for _, s := range file.SLOs {
		if wanted[s.Name] {
			chosen = append(chosen, s)
			delete(wanted, s.Name)
		}
		names = append(names, s.Name)
	}
	for _, name := range asked {
		if wanted[name] {
			return nil, usage("SLOs are: "+strings.Join(names, ", "), "no SLO is called %q", name)
		}
	}
	return chosen, nil
}

// cannotSay tells which SLOs are not for a format.
func cannotSay(f export.Format, err error) error {
	return &failure{code: exitNegative, err: fmt.Errorf("export to %s: %w", f.Name, err), hint: "to export the others name them: gaikei export " + f.Name + " SLO …"}
}

// writeFiles replaces each file at once, since what reads the folder may do so at any time.
func (o *exportOptions) writeFiles(f export.Format, slos []sli.SLO) error {
	files, err := f.Files(slos)
	if err != nil {
		return cannotSay(f, err)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return unreachable(fmt.Errorf("make the folder: %w", err), "")
	}
	for _, file := range files {
		if err := renameio.WriteFile(filepath.Join(o.out, file.Name), file.Text, 0o644); err != nil {
			return unreachable(fmt.Errorf("write %s: %w", file.Name, err), "")
		}
	}
	return nil
}
