package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/config"
)

func newConfigDiff(std streams) *cobra.Command {
	var o whom
	var path, against string
	cmd := &cobra.Command{
		Use:   "diff -c NEW.yaml [--against OLD.yaml]",
		Short: "Tell what a configuration would change: against the one in force, or another file",
		Long: "Tells which checks, regions, controls and maintenance a configuration would add, remove or change if it were put in\n" +
			"place of the one in force on a running server, or of another file. It names keys and shows no values, for some are\n" +
			"secret. Exit code 0 says that nothing would change, 1 that something would.",
		Example: "  gaikei config diff -c gaikei.yaml --data gaikei-data\n  gaikei config diff -c new.yaml --against gaikei.yaml",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			next, err := loadConfig(path, config.Options{})
			if err != nil {
				return err
			}
			old, err := o.inForce(cmd.Context(), against, std)
			if err != nil {
				return err
			}
			ds, err := config.Differences(old, next.Show())
			if err != nil {
				return unreachable(err, anotherServer)
			}
			return tellDifferences(std.out, ds)
		},
	}
	configFlag(cmd, &path)
	o.flags(cmd)
	cmd.Flags().StringVar(&against, "against", "", "`file` to compare with (default: the configuration in force)")
	return cmd
}

// inForce is the configuration to compare with, as it is shown: of a file, or of a running server.
func (o *whom) inForce(ctx context.Context, file string, std streams) ([]byte, error) {
	if file != "" {
		old, err := loadConfig(file, config.Options{})
		if err != nil {
			return nil, err
		}
		return old.Show(), nil
	}
	r, err := o.running(ctx, std)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, unreachable(fmt.Errorf("no server runs on %s", o.data), "compare with a file: --against FILE")
	}
	defer r.Close()
	var shown struct{ YAML string }
	err = r.get(ctx, r.base+"api/v1/config", &shown)
	return []byte(shown.YAML), err
}

// tellDifferences prints them; that there are any is a negative answer.
func tellDifferences(w io.Writer, ds []config.Difference) error {
	if len(ds) == 0 {
		_, err := fmt.Fprintln(w, "Nothing would change.")
		return err
	}
	for _, d := range ds {
		line := d.String()
		switch {
		case slices.Contains(d.Keys, "interval"):
			line += " (its slots move to another grid, from the next one on)"
		case d.What == "retention":
			line += " (with the next start)"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return errNegative
}
