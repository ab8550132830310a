package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/config"
)

func newConfig(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check or show a configuration",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(std), newConfigShow(std))
	return cmd
}

func newConfigCheck(std streams) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "check -c gaikei.yaml",
		Short: "Tell every fault of a configuration, and what is doubtful in it",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			file, err := loadConfig(path, config.Options{Now: time.Now()})
			if err != nil {
				return checkFailed(err)
			}
			for _, w := range file.Lint() {
				fmt.Fprintln(std.out, w)
			}
			for _, n := range file.Notices() {
				fmt.Fprintln(std.out, n)
			}
			fmt.Fprintf(std.out, "%s is valid: %s, %s.\n", path, count(len(file.Checks), "check"), count(len(file.Regions), "region"))
			return nil
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// checkFailed takes away loadConfig's hint to run the very command that was run.
func checkFailed(err error) error {
	var f *failure
	if errors.As(err, &f) && f.code == exitNegative {
		f.hint = ""
	}
	return err
}

func newConfigShow(std streams) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "show -c gaikei.yaml",
		Short: "Print a configuration as it is understood, with every default filled in",
		Long:  "Prints the configuration as it is understood, with every default filled in. References to secrets are printed\nas references; nothing is resolved.",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			file, err := loadConfig(path, config.Options{})
			if err != nil {
				return err
			}
			_, err = std.out.Write(file.Show())
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "gaikei.yaml", "configuration `file`")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
