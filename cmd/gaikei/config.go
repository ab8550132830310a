package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/docs"
)

func newConfig(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check, show, compare or describe configurations",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(std), newConfigShow(std), newConfigDiff(std), newConfigSchema(std))
	return cmd
}

func newConfigCheck(std streams) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "check -c gaikei.yaml",
		Short: "Tell every fault of a configuration, and what is doubtful in it",
		Long: "Tells every fault of a configuration, and what is doubtful in it. With --web-config and --tokens, it reads those files\n" +
			"and the certificates they name as 'gaikei run' would.",
		Example: "  gaikei config check -c gaikei.yaml\n  gaikei config check -c gaikei.yaml --web-config web-config.yaml --tokens tokens.yaml",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			file, err := loadConfig(o.config, config.Options{Now: time.Now()})
			if err != nil {
				return checkFailed(err)
			}
			for _, w := range file.Lint() {
				fmt.Fprintln(std.out, w)
			}
			fmt.Fprintf(std.out, "%s is valid: %s, %s.\n", o.config, count(len(file.Checks), "check"), count(len(file.Regions), "region"))
			return checkFailed(o.checkAccess(std))
		},
	}
	configFlag(cmd, &o.config)
	accessFlags(cmd, &o)
	return cmd
}

// checkAccess tells every fault of the files that say who may ask, as far as there are any.
func (o *runOptions) checkAccess(std streams) error {
	o.listen = "127.0.0.1:0" // which address they are for is not known here
	d, err := openDoor(*o, newLog(std.err))
	if err != nil {
		return err
	}
	c := d.credentials()
	if d.web != nil {
		fmt.Fprintf(std.out, "%s is valid: %s, %s.\n", o.webConfig, d.scheme(), count(len(c.Users), "user"))
	}
	if d.tokens != nil {
		fmt.Fprintf(std.out, "%s is valid: %s.\n", o.tokens, count(len(c.Tokens), "token"))
	}
	return nil
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

func newConfigSchema(std streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of configurations, for editors",
		Long: "Prints a JSON Schema (draft 2020-12) of gaikei.yaml, with which editors complete keys, say what they mean and mark\n" +
			"what has the wrong form. What contradicts itself only 'gaikei config check' tells.",
		Example: "  gaikei config schema > gaikei.schema.json\n  # and as the first line of gaikei.yaml:\n  # yaml-language-server: $schema=gaikei.schema.json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema(docs.Configuration)
			return printText(std, string(schema)+"\n", err)
		},
	}
}

// printText prints what was made, or returns why it was not.
func printText(std streams, text string, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(std.out, text)
	return err
}

// checkFlag adds the flag that names checks.
func checkFlag(cmd *cobra.Command, checks *[]string) {
	cmd.Flags().StringArrayVar(checks, "check", nil, "only the check with this `id`, or those of a group; repeatable")
}

func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "gaikei.yaml", "configuration `file`")
}

// accessFlags are the files that say who may ask.
func accessFlags(cmd *cobra.Command, o *runOptions) {
	cmd.Flags().StringVar(&o.webConfig, "web-config", "", "`file` with TLS and users, in the format of the Prometheus exporter toolkit")
	cmd.Flags().StringVar(&o.tokens, "tokens", "", "`file` of bearer tokens, as 'gaikei token new' makes them")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
