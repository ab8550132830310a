package main

import (
	"cmp"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gaikei/gaikei/docs"
)

func newMan(std streams) *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Print the manual page, gaikei(1)",
		Long: "Prints the manual page in the macros of mdoc(7), for man or mandoc to show. It is made of what 'gaikei help' tells, so it\n" +
			"is always that of this very program. 'make install' installs it.",
		Example: "  gaikei man | man -l -\n  gaikei man > /usr/local/share/man/man1/gaikei.1",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			page, err := manual(cmd.Root(), docs.Reference)
			return printText(std, page, err)
		},
	}
}

// manual makes the page of a program's commands. Variables, signals and files are those that the reference tells of.
func manual(root *cobra.Command, reference string) (string, error) {
	place, err := placeOf(reference)
	if err != nil {
		return "", err
	}
	m := &mdoc{}
	m.macro("Dd", dateOf(buildSettings()))
	m.macro("Dt", strings.ToUpper(root.Name()), "1")
	m.macro("Os", `"`+words("Gaikei "+version())+`"`)
	m.introduction(root)
	m.commands(root)
	m.places("ENVIRONMENT", "Ev", place.variables)
	m.files(place.folder)
	m.macro("Sh", "EXIT STATUS")
	m.list("", exitRows())
	m.examples(root)
	m.places("SIGNALS", "Dv", place.signals)
	m.macro("Sh", "SEE ALSO")
	m.macro("Xr", "prometheus", "1", ",")
	m.macro("Xr", "promtool", "1")
	m.paragraph("All pages of the documentation, of which docs/checks.md is about checks, docs/configuration.md has every key of " +
		"gaikei.yaml, and docs/reference.md says what reasons, JSON and metrics mean:")
	m.macro("Lk", "https://github.com/gaikei/gaikei")
	return m.String(), nil
}

// introduction is what the page begins with.
func (m *mdoc) introduction(root *cobra.Command) {
	root.InitDefaultHelpFlag()
	root.InitDefaultVersionFlag()
	m.macro("Sh", "NAME")
	m.macro("Nm", root.Name())
	m.macro("Nd", words(strings.ToLower(root.Short[:1])+root.Short[1:]))
	m.macro("Sh", "SYNOPSIS")
	m.macro("Nm")
	m.macro("Ar", "command", "Oo", "Ar", "argument", "...", "Oc", "Oo", "Ar", "flags", "Oc")
	m.macro("Nm")
	m.macro("Fl", `\-version`)
	m.macro("Sh", "DESCRIPTION")
	about, _, _ := strings.Cut(root.Long, exitHeading) // which have a section of their own
	m.text(about)
	m.paragraph("What is told here of a command, `" + root.Name() + " help` tells, too, with the command after it.")
	m.flags(root)
}

// commands are all there are, each with what `help` tells of it.
func (m *mdoc) commands(root *cobra.Command) {
	m.macro("Sh", "COMMANDS")
	m.macro("Bl", "-tag", "-width", "corrections", "-compact")
	for _, c := range subcommands(root) {
		m.macro("It", "Cm", words(c.Name()))
		m.text(c.Short)
	}
	m.macro("El")
	for _, c := range everyCommand(root)[1:] {
		m.command(c)
	}
}

// command is one command.
func (m *mdoc) command(c *cobra.Command) {
	name := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
	use := strings.TrimPrefix(c.UseLine(), c.CommandPath())
	if c.HasSubCommands() && !c.HasAvailableLocalFlags() {
		use = "command" // alone it only tells which there are
	}
	m.macro("Ss", words(name))
	m.macro("Nm", synopsis(name, use))
	m.prose(cmp.Or(c.Long, c.Short+"."))
	m.flags(c)
}

// flags are those of a command, all but --help, which is the same everywhere.
func (m *mdoc) flags(c *cobra.Command) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && (f.Name != "help" || c == c.Root()) {
			flags.AddFlag(f)
		}
	})
	if !flags.HasFlags() {
		return
	}
	m.macro("Bl", "-tag", "-width", "Ds")
	flags.VisitAll(m.flag)
	m.macro("El")
}

// subcommands are those that `help` lists, itself included.
func subcommands(c *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, s := range c.Commands() {
		if s.IsAvailableCommand() || s.Name() == "help" {
			list = append(list, s)
		}
	}
	return list
}

// everyCommand is a command and all below it, in the order of `help`.
func everyCommand(c *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{c}
	for _, s := range subcommands(c) {
		list = append(list, everyCommand(s)...)
	}
	return list
}

// examples are those of all commands.
func (m *mdoc) examples(root *cobra.Command) {
	m.macro("Sh", "EXAMPLES")
	m.text("To begin with:")
	m.example(root)
	for _, c := range everyCommand(root)[1:] {
		if c.Example != "" {
			m.paragraph(c.Short + ":")
			m.example(c)
		}
	}
}

// example is what a command has for one, in lines that fit the page.
func (m *mdoc) example(c *cobra.Command) {
	var lines []string
	whole := regexp.MustCompile(`\s*\\\n\s*`).ReplaceAllString(c.Example, " ")
	for line := range strings.SplitSeq(whole, "\n") {
		lines = append(lines, folded(strings.TrimPrefix(line, "  "))...)
	}
	m.literal(lines)
}

// exampleWidth is how wide lines of examples become, if they can be broken.
const exampleWidth = 66

// folded breaks a long line for a shell between arguments, and where there are quotes only before flags. A flag is not parted
// from its value.
func folded(line string) []string {
	const indent = "   "
	var lines []string
	words := strings.Split(line, " ")
	quoted, now := strings.ContainsAny(line, `'"#`), words[0]
	for i := 1; i < len(words); {
		n := i + 1 // the words up to here stay together
		for n < len(words) && !strings.HasPrefix(words[n], "--") && (quoted || strings.HasPrefix(words[n-1], "-")) {
			n++
		}
		next := strings.Join(words[i:n], " ")
		i = n
		helps := len(indent)+1+len(next) <= exampleWidth
		if len(now)+1+len(next) > exampleWidth && helps && !strings.HasPrefix(line, "#") {
			lines = append(lines, now+` \`)
			now = indent
		}
		now += " " + next
	}
	return append(lines, now)
}

// A place is what surrounds the program.
type place struct {
	variables, signals [][2]string
	folder             []docBlock // what is in data folders
}

// placeOf reads the part of the reference about the command line: a table of variables and signals, and what follows it.
func placeOf(reference string) (place, error) {
	const heading = "\n## The command line\n"
	_, section, _ := strings.Cut(reference, heading)
	section, _, _ = strings.Cut(section, "\n##")
	var p place
	for _, b := range blocksOf(section) {
		if p.variables != nil {
			p.folder = append(p.folder, b)
			continue
		}
		for _, row := range b.rows {
			if strings.HasPrefix(row[0], "SIG") {
				p.signals = append(p.signals, row)
			} else {
				p.variables = append(p.variables, row)
			}
		}
	}
	if p.variables == nil || p.signals == nil || p.folder == nil {
		return place{}, fmt.Errorf("the reference, below %q: found %d variables, %d signals and %d paragraphs on the data folder, want some of each",
			strings.TrimSpace(heading), len(p.variables), len(p.signals), len(p.folder))
	}
	return p, nil
}

// A docBlock is a paragraph in Markdown, or the rows of a table with two columns.
type docBlock struct {
	text string
	rows [][2]string
}

func blocksOf(section string) []docBlock {
	var blocks []docBlock
	for _, text := range strings.Split(strings.TrimSpace(section), "\n\n") {
		if !strings.HasPrefix(text, "|") {
			blocks = append(blocks, docBlock{text: text})
			continue
		}
		var b docBlock
		for _, line := range strings.Split(text, "\n")[2:] {
			name, what, _ := strings.Cut(strings.Trim(line, "| "), " | ")
			b.rows = append(b.rows, [2]string{name, what})
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// places writes a section with a list.
func (m *mdoc) places(heading, macro string, rows [][2]string) {
	m.macro("Sh", heading)
	m.list(macro, rows)
}

// list writes rows, whose names are set by a macro of mdoc, if one is given.
func (m *mdoc) list(macro string, rows [][2]string) {
	m.macro("Bl", "-tag", "-width", "Ds")
	for _, row := range rows {
		names := strings.Split(strings.ReplaceAll(row[0], "`", ""), ", ")
		for i, n := range names {
			names[i] = strings.TrimSpace(macro + " " + words(n))
		}
		m.macro("It", strings.Join(names, " , "))
		m.text(row[1])
	}
	m.macro("El")
}

// files is the section on files.
func (m *mdoc) files(folder []docBlock) {
	m.places("FILES", "Pa", [][2]string{
		{"gaikei.yaml", "The configuration, if `--config` names no other."},
		{"gaikei-data", "The data folder, if `--data` names no other; `gaikei-prober` is that of a prober."},
	})
	for _, b := range folder {
		if b.rows == nil {
			m.paragraph(b.text)
		} else {
			m.list("Pa", b.rows)
		}
	}
}

// exitRows are the exit codes and what they mean.
func exitRows() [][2]string {
	var rows [][2]string
	for row := range strings.SplitSeq(exitText, "; ") {
		code, what, _ := strings.Cut(row, " ")
		rows = append(rows, [2]string{code, what})
	}
	return rows
}

// noDate is what a page without a date has for one. With less than three words groff prints a date of its own.
const noDate = `\& \& \&`

// dateOf is the day on which the source of the program was committed, or noDate if it does not know.
func dateOf(settings []debug.BuildSetting) string {
	for _, s := range settings {
		if s.Key != "vcs.time" {
			continue
		}
		if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
			return at.UTC().Format("January 2, 2006")
		}
	}
	return noDate
}

// buildSettings are what the program was built with; none if it does not know.
func buildSettings() []debug.BuildSetting {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Settings
	}
	return nil
}
