package main

import (
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/docs"
)

// manualPage is what `gaikei man` prints.
func manualPage(t *testing.T) string {
	t.Helper()
	code, page, errs := gaikei(t, "man")
	if code != exitFine {
		t.Fatalf("gaikei man: exit code %d\n%s", code, errs)
	}
	return page
}

// readable takes the macros of mdoc out of a page, and brings what is left into a line.
func readable(page string) string {
	page = regexp.MustCompile(`(?m)^\.(Pp|Bl|El|Bd|Ed).*$|^\.[A-Z][a-z]\b|\b(Cm|Fl|Ar|Sy|Pa|Ev|Dv) `).ReplaceAllStringFunc(page, func(m string) string {
		return map[string]string{"Fl ": "-", ".Nm": "gaikei"}[m]
	})
	page = strings.NewReplacer(`\-`, "-", `\(dq`, `"`, `\(aq`, "'", `\(ga`, "`", `\(ha`, "^", `\(ti`, "~", `\(rs`, `\`, `\&`, "", `\fB`, "", `\fR`, "",
		`\[u2026]`, "…", `\[u00F7]`, "÷", "Oo ", "[", " Oc", "]", " , ", ", ").Replace(page)
	return strings.Join(strings.Fields(page), " ")
}

// A manualSearch holds a page against what `help` prints.
type manualSearch struct {
	t        *testing.T
	sections map[string]string // by command: what the page has of it, and help was not asked about yet
	examples string
	flags    int
}

func newManualSearch(t *testing.T, page string) *manualSearch {
	_, after, _ := strings.Cut(page, "\n.Sh COMMANDS\n")
	commands, rest, _ := strings.Cut(after, "\n.Sh ")
	_, examples, _ := strings.Cut(rest, "EXAMPLES\n")
	m := &manualSearch{t: t, sections: map[string]string{}, examples: readable(strings.ReplaceAll(examples, "\\(rs\n", ""))}
	for _, s := range strings.Split(commands, "\n.Ss ")[1:] {
		name, text, _ := strings.Cut(s, "\n")
		m.sections[name] = readable(text)
	}
	return m
}

// command looks for all that help prints of a command, and of those below it.
func (m *manualSearch) command(path ...string) {
	_, help, _ := gaikei(m.t, append(slices.Clone(path), "--help")...)
	name := strings.Join(path, " ")
	heading := regexp.MustCompile(`(?m)^(Usage|Examples|Available Commands|Flags):\n`)
	parts, headings := heading.Split(help, -1), heading.FindAllString(help, -1)
	if name != "" { // the page begins with what help says of the program itself
		for p := range strings.SplitSeq(parts[0], "\n\n") {
			m.want(name, m.sections[name], strings.ReplaceAll(p, "#### ", ""))
		}
	}
	for i, h := range headings {
		for line := range strings.SplitSeq(strings.TrimSpace(parts[i+1]), "\n") {
			m.line(path, h, line)
		}
	}
	delete(m.sections, name)
}

// line looks for a line that help prints below a heading.
func (m *manualSearch) line(path []string, heading, line string) {
	name := strings.Join(path, " ")
	first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch own := name != ""; {
	case first == "" || strings.HasPrefix(first, "Use"):
	case heading == "Available Commands:\n":
		m.command(append(slices.Clone(path), first)...)
	case heading == "Flags:\n" && own && !strings.Contains(line, "-h, --help"):
		m.want(name, m.sections[name], line)
		m.flags++
	case heading == "Usage:\n" && own && !strings.Contains(line, "[command]"):
		m.want(name, m.sections[name], strings.TrimSuffix(line, " [flags]"))
	case heading == "Examples:\n":
		m.want(name, m.examples, strings.TrimSuffix(line, `\`))
	}
}

func (m *manualSearch) want(command, where, text string) {
	if text = strings.Join(strings.Fields(text), " "); !strings.Contains(where, text) {
		m.t.Errorf("%q: the page lacks\n%s", command, text)
	}
}

// TestManual holds the page against what `help` prints of every command: its text, its flags with their defaults, its examples.
func TestManual(t *testing.T) {
	m := newManualSearch(t, manualPage(t))
	m.command()
	for name := range m.sections {
		t.Errorf("the page has a command %q, of which `help` says nothing", name)
	}
	if m.flags < 100 {
		t.Errorf("found %d flags in what `help` prints, want at least 100: are the patterns still right?", m.flags)
	}
}

// TestManualTellsThePlace looks for the variables that the program reads, and for what a folder holds.
func TestManualTellsThePlace(t *testing.T) {
	t.Parallel()
	page := manualPage(t)
	for _, item := range []string{
		"Ev GAIKEI_SERVER", "Ev GAIKEI_TOKEN", "Ev " + databaseVariable, "Ev " + pingVariable, `Ev GAIKEI_SECRET_\[u2026]`,
		"Dv SIGHUP", "Dv SIGTERM , Dv SIGINT", "Pa gaikei.yaml", `Pa gaikei\-data`, "Pa gaikei.db", "Pa " + socketName, "Pa store.lock , Pa queue/lock", "0", "1", "2", "3",
	} {
		if !strings.Contains(page, "\n.It "+item+"\n") {
			t.Errorf("the page has no item %q", item)
		}
	}
	var got []string
	for _, h := range regexp.MustCompile(`(?m)^\.Sh (.+)$`).FindAllStringSubmatch(page, -1) {
		got = append(got, h[1])
	}
	want := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SIGNALS", "SEE ALSO"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sections (-want +got):\n%s", d)
	}
}

// TestManualIsWellFormed holds each line of the page against what formatters take.
func TestManualIsWellFormed(t *testing.T) {
	t.Parallel()
	page := manualPage(t)
	macro := regexp.MustCompile(`^\.(Dd|Dt|Os|Sh|Ss|Nm|Nd|Pp|Bl|El|It|Bd|Ed|Ar|Fl|Cm|Sy|Xr|Lk)( \S.*)?$`)
	escapes := regexp.MustCompile(`\\(-|&|\((rs|aq|dq|ga|ha|ti)|f[BR]|\[u[0-9A-F]{4,5}\])`)
	open := []string{}
	for i, line := range strings.Split(strings.TrimSuffix(page, "\n"), "\n") {
		complain := func(what string) { t.Errorf("line %d %s: %s", i+1, what, line) }
		literal := slices.Contains(open, ".Bd")
		switch first, _, _ := strings.Cut(line, " "); {
		case first == ".Bl" || first == ".Bd":
			open = append(open, first)
			continue // their options have hyphens
		case first == ".El" || first == ".Ed":
			if len(open) == 0 || open[len(open)-1][2] != first[2] {
				complain("ends what was not begun")
				continue
			}
			open = open[:len(open)-1]
		case strings.HasPrefix(line, ".") && !macro.MatchString(line):
			complain("is of no macro used here")
		case strings.HasPrefix(line, ".") && strings.Count(line, " Oo ") != strings.Count(line, " Oc"):
			complain("has brackets without another")
		case line == "" && !literal:
			complain("is empty")
		}
		if rest := escapes.ReplaceAllString(line, ""); strings.HasPrefix(line, "'") || regexp.MustCompile("[^ -~]|[\\\\'`^~-]").MatchString(rest) {
			complain("has what is not escaped")
		}
		if strings.TrimRight(line, " \t") != line {
			complain("ends with blanks")
		}
	}
	if len(open) > 0 {
		t.Errorf("%v are left open", open)
	}
}

// TestMdocEscapes writes what formatters would take for something else.
func TestMdocEscapes(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(m *mdoc)
		want string
	}{
		{"requests", func(m *mdoc) { m.text(".Dd now. 'br .so x") }, "\\&.Dd now.\n\\(aqbr .so x\n"},
		{"backslashes and accents", func(m *mdoc) { m.text(`a\fB "b" ^ ~ …`) }, "a\\(rsfB \\(dqb\\(dq \\(ha \\(ti \\[u2026]\n"},
		{"code", func(m *mdoc) { m.text("`sli -o` and ` alone") }, "\\fBsli \\-o\\fR and \\(ga alone\n"},
		{"a wrapped line that begins with a dot", func(m *mdoc) { m.text(strings.Repeat("x", sourceWidth-3) + " .pgpass") }, strings.Repeat("x", sourceWidth-3) + "\n\\&.pgpass\n"},
		{"words that are macros", func(m *mdoc) { m.macro("Ar", words("Ar . Nm URL %A")) }, ".Ar \\&Ar \\&. \\&Nm URL \\&%A\n"},
		{"lines as they are", func(m *mdoc) { m.literal([]string{".", "", "  # it's"}) }, ".Bd -literal -offset indent\n\\&.\n\n  # it\\(aqs\n.Ed\n"},
		{
			"a synopsis", func(m *mdoc) { m.macro("Nm", synopsis("try", "URL | try -c F [--all|ID …]")) },
			".Nm Cm try Ar URL | Cm try Fl c Ar F Oo Fl \\-all|ID Ar \\[u2026] Oc\n",
		},
		{
			"a list of terms", func(m *mdoc) { m.prose("Which:\n  a-b  one\n       thing\n  c    two") },
			".Pp\nWhich:\n.Bl -tag -width a\\-b -compact\n.It Sy a\\-b\none\nthing\n.It Sy c\ntwo\n.El\n",
		},
		{
			"a heading, and lines", func(m *mdoc) { m.prose("Who may\n\nThis:\n\n\tx | y") },
			".Pp\n.Sy \\&Who may\n.Pp\nThis:\n.Bd -literal -offset indent\nx | y\n.Ed\n",
		},
	} {
		m := &mdoc{}
		c.do(m)
		if d := cmp.Diff(c.want, m.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// TestFolded breaks lines where a shell takes them for the same.
func TestFolded(t *testing.T) {
	long := strings.Repeat("x", 40)
	for _, c := range []struct {
		line string
		want []string
	}{
		{"gaikei sli", []string{"gaikei sli"}},
		{"gaikei --a " + long + " --b " + long + " -o json", []string{"gaikei --a " + long + ` \`, "    --b " + long + " -o json"}},
		{"gaikei '" + long + " and " + long + "' --b " + long, []string{"gaikei '" + long + " and " + long + `' \`, "    --b " + long}},
		{"# " + long + " " + long, []string{"# " + long + " " + long}},
		{"x " + long + long, []string{"x " + long + long}},
	} {
		if d := cmp.Diff(c.want, folded(c.line)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

// TestManualDate: a page that does not know its date has none, and not that of the day on which it is printed.
func TestManualDate(t *testing.T) {
	vcs := func(value string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.time", Value: value}}
	}
	for _, c := range []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"a commit", vcs("2026-11-09T23:30:00-02:00"), "November 10, 2026"},
		{"no commit", nil, noDate},
		{"nonsense", vcs("yesterday"), noDate},
	} {
		if got := dateOf(c.settings); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if first, _, _ := strings.Cut(manualPage(t), "\n"); first != ".Dd "+dateOf(buildSettings()) {
		t.Errorf("the page begins with %q, want the date of the build or none", first)
	}
}

// TestManualNeedsTheReference wants no page that lacks variables and files without a word.
func TestManualNeedsTheReference(t *testing.T) {
	for name, page := range map[string]string{
		"no such heading": "# Reference\n", "no table": "\n## The command line\n\nText.\n", "no signals": "\n## The command line\n\n| a | b |\n|---|---|\n| `X` | y |\n\nText.\n",
	} {
		if got, err := manual(newRoot(streams{}), page); err == nil || got != "" {
			t.Errorf("%s: got a page of %d bytes and error %v, want no page and an error", name, len(got), err)
		}
	}
	if page, err := os.ReadFile("../../docs/reference.md"); err != nil || string(page) != docs.Reference {
		t.Errorf("docs.Reference is not docs/reference.md (%v)", err)
	}
}
