package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// helpOfCommands makes `help` refuse what is no command. Cobra's own would print the help of what is above it.
func helpOfCommands(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	help, _, _ := root.Find([]string{"help"}) // it was just made
	help.Run = nil
	help.RunE = func(_ *cobra.Command, args []string) error {
		cmd, rest, _ := root.Find(args) // what it complains of is left over, too
		if len(rest) > 0 {
			return unknownCommand(cmd, rest[0])
		}
		cmd.InitDefaultHelpFlag()
		cmd.InitDefaultVersionFlag()
		return cmd.Help()
	}
}

// helpless is the error of a mistyped command that help is asked about with a flag; nil if there is none.
func helpless(root *cobra.Command, args []string) error {
	if !slices.Contains(args, "--help") && !slices.Contains(args, "-h") {
		return nil
	}
	cmd, rest, _ := root.Find(args) // what it complains of are arguments of the command that it found
	return mistyped(cmd, rest)
}

// mistyped is the error of a word that stands where a command is meant; nil if it may be an argument of cmd, or a flag.
func mistyped(cmd *cobra.Command, rest []string) error {
	if !cmd.HasSubCommands() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil
	}
	if cmd.ValidateArgs(rest) == nil && meant(cmd, rest[0]) == "" {
		return nil
	}
	return unknownCommand(cmd, rest[0])
}

// unknownCommand tells which command was meant, if one is near.
func unknownCommand(cmd *cobra.Command, word string) error {
	hint := seeHelp(cmd)
	if near := meant(cmd, word); near != "" {
		hint = "did you mean '" + near + "'?"
	}
	return usage(hint, "unknown command %q for '%s'", word, cmd.CommandPath())
}

// meant is the subcommand that a word may have been meant for, with all before it; empty if none is near.
func meant(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = suggestionDistance
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return cmd.CommandPath() + " " + near[0]
	}
	return ""
}

// orCommand adds to an error about names which command may have been meant in place of the first: who is asked says whether
// there is one of that name, or cannot be asked.
func orCommand(cmd *cobra.Command, names []string, err error) error {
	var f *failure
	if !errors.As(err, &f) || f.code == exitNegative || len(names) == 0 {
		return err
	}
	near := meant(cmd, names[0])
	if near == "" {
		return err
	}
	hint := "did you mean '" + near + "'?"
	if f.code == exitUnreachable && f.hint != "" {
		hint += " If not: " + f.hint
	}
	return &failure{code: f.code, err: err, hint: hint}
}
