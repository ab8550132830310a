// Command gaikei watches targets from the outside, from many regions, and says how available and how fast
// they were, and how sure that is.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	_ "time/tzdata" // maintenance is planned in time zones, also where the system has no database of them

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the program in order; whoever does not want to wait for that sends a second.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// streams is where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// The exit codes.
const (
	exitFine        = 0
	exitNegative    = 1 // a failed probe, a bad configuration
	exitUsage       = 2
	exitUnreachable = 3 // could not reach or read what was asked
)

// What help tells of them.
const (
	exitHeading = "Exit codes: "
	exitText    = "0 fine; 1 a negative answer, such as a failed probe or a bad configuration; 2 usage; 3 what was\n" +
		"asked could not be reached or read"
)

// A failure is an error that knows its exit code and, where there is one, the way out.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usage(hint, format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

func unreachable(err error, hint string) error {
	return &failure{code: exitUnreachable, err: err, hint: hint}
}

// errNegative ends a command with exit code 1 when all there is to say has been said.
var errNegative = errors.New("negative answer")

// run is the whole program: it takes the arguments, does what they say until it is done or ctx ends, and
// returns the exit code.
func run(ctx context.Context, args []string, std streams) int {
	root := newRoot(std)
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, args, err) })
	if err := helpless(root, args); err != nil {
		return explain(err, std.err)
	}
	return explain(root.ExecuteContext(ctx), std.err)
}

func newRoot(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "gaikei",
		Short: "External monitoring that says what it could not see",
		Long: "Gaikei probes HTTP, TCP and DNS targets from the outside, on schedule, and computes availability and latency\n" +
			"indicators from every outcome. Targets that are expected to be unreachable are a case of their own, a prober\n" +
			"that cannot see blames itself, and every figure carries its coverage.\n\n" +
			exitHeading + exitText + ".",
		Example:       "  gaikei demo\n  gaikei try https://www.example.com/\n  gaikei config check -c gaikei.yaml\n  gaikei run -c gaikei.yaml\n  gaikei sli --window 28d",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetVersionTemplate("gaikei {{.Version}}\n")
	root.AddCommand(
		newRun(std), newAggregator(std), newProberCommand(std), newCluster(std), newDemo(std), newTry(std), newConfig(std), newSLI(std), newPhases(std), newRejected(std), newSLO(std), newExport(std), newIncidents(std), newUptime(std), newCertainty(std), newCorrections(std), newProbers(std), newToken(std),
		newBackup(std), newRestore(std), newImport(std), newMan(std),
	)
	helpOfCommands(root)
	return root
}

// noArguments refuses arguments, with the command's own words for an unknown subcommand.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		return unknownCommand(cmd, args[0])
	}
	return usage(argumentHint(cmd, args[0]), "unknown argument %q for '%s'", args[0], cmd.CommandPath())
}

// suggestionDistance is how many letters a suggestion may differ from what was typed.
const suggestionDistance = 2

func seeHelp(cmd *cobra.Command) string { return "see '" + cmd.CommandPath() + " --help'" }

// flagError tells what is wrong with a flag; if it is of a command that there is none of, that.
func flagError(cmd *cobra.Command, args []string, err error) error {
	_, rest, _ := cmd.Root().Find(args)
	if unknown := mistyped(cmd, rest); unknown != nil {
		return unknown
	}
	var number *strconv.NumError
	var value *pflag.InvalidValueError
	if errors.As(err, &value) && errors.As(err, &number) && !errors.Is(err, strconv.ErrRange) {
		return usage(seeHelp(cmd), "--%s: got %q, want %s", value.GetFlag().Name, value.GetValue(), wanted(value.GetFlag().Value.Type()))
	}
	return usage(flagHint(cmd, err), "%w", err)
}

// wanted names what a flag of a type of pflag takes.
func wanted(kind string) string {
	switch kind {
	case "bool":
		return "true or false"
	case "float64":
		return "a number"
	}
	return "a whole number"
}

// argumentHint tells the flag that an argument was meant for, if one is likely.
func argumentHint(cmd *cobra.Command, word string) string {
	if ext := filepath.Ext(word); (ext == ".yaml" || ext == ".yml") && cmd.Flags().Lookup("config") != nil {
		return "did you mean -c " + word + "?"
	}
	if cmd.Flags().Lookup("check") != nil {
		return "did you mean --check " + word + "?"
	}
	return seeHelp(cmd)
}

// flagHint tells the flag that was meant, if one is near.
func flagHint(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return seeHelp(cmd)
	}
	var names []string
	for _, name := range regexp.MustCompile("--([a-z][-a-z]+)").FindAllStringSubmatch(cmd.Flags().FlagUsages(), -1) {
		names = append(names, name[1])
	}
	if near := nearest(unknown.GetSpecifiedName(), names); near != "" && near != unknown.GetSpecifiedName() {
		return "did you mean --" + near + "?"
	}
	return seeHelp(cmd)
}

// nearest is the first of the words that may have been meant; empty if none is near. Cobra knows which are, but only among
// commands.
func nearest(word string, words []string) string {
	all := &cobra.Command{SuggestionsMinimumDistance: suggestionDistance}
	for _, w := range words {
		all.AddCommand(&cobra.Command{Use: w, Run: func(*cobra.Command, []string) {}})
	}
	if near := all.SuggestionsFor(word); len(near) > 0 {
		return near[0]
	}
	return ""
}

// explain tells the person at the terminal what went wrong and what can be done, and chooses the exit code.
func explain(err error, w io.Writer) int {
	var f *failure
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errNegative):
		return exitNegative
	case errors.As(err, &f):
	default:
		f = &failure{code: exitNegative, err: err}
	}
	fmt.Fprintf(w, "gaikei: error: %s\n", strings.TrimRight(err.Error(), "\n"))
	if f.hint != "" {
		fmt.Fprintf(w, "gaikei: hint: %s\n", f.hint)
	}
	return f.code
}

// release is the version that the Makefile builds with; empty in a plain go build.
var release string

// version is the release, or the module's version as it was built, or "devel".
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// userAgent is how HTTP checks name themselves.
func userAgent() string { return "Gaikei/" + version() + " (+https://github.com/gaikei/gaikei)" }
