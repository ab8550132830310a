package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
)

// An mdoc is a manual page that is being written, in the macros of mdoc(7). The zero value is an empty page.
type mdoc struct {
	strings.Builder
}

// sourceWidth is how wide lines of prose become in the source.
const sourceWidth = 76

// macro writes a line of macros; what of it is not ours has to have gone through words.
func (m *mdoc) macro(args ...string) {
	fmt.Fprintf(m, ".%s\n", strings.Join(args, " "))
}

// paragraph writes prose, and begins a new paragraph with it.
func (m *mdoc) paragraph(s string) {
	m.macro("Pp")
	m.text(s)
}

// text writes prose, each sentence from a new line on. What is between backquotes becomes bold.
func (m *mdoc) text(s string) {
	line := ""
	end := func() {
		if line != "" {
			fmt.Fprintln(m, guard(line))
		}
		line = ""
	}
	code := regexp.MustCompile(`\\\(ga(.+?)\\\(ga`) // backquotes, escaped
	for _, w := range strings.Fields(code.ReplaceAllString(escape(s), `\fB$1\fR`)) {
		if len(line)+1+len(w) > sourceWidth {
			end()
		}
		line = strings.TrimPrefix(line+" "+w, " ")
		if last := strings.TrimSuffix(w, ")"); strings.TrimRight(last, ".!?") != last {
			end()
		}
	}
	end()
}

// literal writes lines as they are.
func (m *mdoc) literal(lines []string) {
	m.macro("Bd", "-literal", "-offset", "indent")
	for _, line := range lines {
		fmt.Fprintln(m, guard(escape(strings.TrimRight(line, " "))))
	}
	m.macro("Ed")
}

// prose writes text as commands have it for `help`: paragraphs and headings, and indented below them lists, or lines to be left
// as they are.
func (m *mdoc) prose(s string) {
	for _, p := range strings.Split(strings.TrimSpace(s), "\n\n") {
		lines := strings.Split(strings.TrimRight(p, "\n"), "\n")
		n := 0
		for n < len(lines) && !indented(lines[n]) {
			n++
		}
		m.heading(strings.TrimLeft(strings.Join(lines[:n], "\n"), "# "))
		if n < len(lines) {
			m.indented(lines[n:])
		}
	}
}

func indented(line string) bool {
	return strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "\t")
}

// heading writes a paragraph, or what has no end of a sentence as a heading.
func (m *mdoc) heading(s string) {
	switch {
	case s == "":
	case strings.ContainsAny(s[len(s)-1:], ".:"):
		m.paragraph(s)
	default:
		m.macro("Pp")
		m.macro("Sy", words(s))
	}
}

// indented writes a list of terms, if the lines are one, or else the lines.
func (m *mdoc) indented(lines []string) {
	term := regexp.MustCompile(`^  (\S+)  +(\S.*)$`)
	if !term.MatchString(lines[0]) {
		for i := range lines {
			lines[i] = strings.TrimLeft(lines[i], "\t")
		}
		m.literal(lines)
		return
	}
	widest := ""
	for _, line := range lines {
		if t := term.FindStringSubmatch(line); t != nil && len(t[1]) > len(widest) {
			widest = t[1]
		}
	}
	m.macro("Bl", "-tag", "-width", words(widest), "-compact")
	for _, line := range lines {
		if t := term.FindStringSubmatch(line); t != nil {
			m.macro("It", "Sy", words(t[1]))
			line = t[2]
		}
		m.text(line)
	}
	m.macro("El")
}

// flag writes the item of a flag, as `help` has it.
func (m *mdoc) flag(f *pflag.Flag) {
	alone := pflag.NewFlagSet("", pflag.ContinueOnError)
	alone.AddFlag(f)
	head, meaning, _ := strings.Cut(strings.TrimSpace(alone.FlagUsages()), "   ") // nothing is to be aligned
	m.macro("It", synopsis("", head))
	m.text(strings.TrimSpace(meaning))
}

// synopsis makes macros of what follows the name of a program: name, flags, what is in capitals or stands for something, and
// what may be left out.
func synopsis(name, rest string) string {
	var out []string
	for _, w := range strings.Fields(name) {
		out = append(out, "Cm", words(w))
	}
	parts := regexp.MustCompile(`[][,]|[^][,]+`)
	for _, field := range strings.Fields(rest) {
		for _, w := range parts.FindAllString(field, -1) {
			switch {
			case w == "[":
				w = "Oo"
			case w == "]":
				w = "Oc"
			case w == "," || w == "|":
			case strings.HasPrefix(w, "-"):
				w = "Fl " + words(w[1:])
			case strings.HasSuffix(" "+name, " "+w):
				w = "Cm " + words(w)
			default:
				w = "Ar " + words(w)
			}
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

// words escapes words that follow a macro: none of them is one itself.
func words(s string) string {
	macro := regexp.MustCompile(`^(%[A-Z]|[A-Z][a-z0-9]{1,2}|[][.,:;()|?!])$`)
	list := strings.Fields(escape(s))
	for i, w := range list {
		if macro.MatchString(w) {
			list[i] = `\&` + w
		}
	}
	return strings.Join(list, " ")
}

// guard keeps a line from being taken for a request.
func guard(line string) string {
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

// escape writes text so that it is shown, and copied, as it is. A bare hyphen or quote is typeset as another character.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\\':
			b.WriteString(`\(rs`)
		case '-':
			b.WriteString(`\-`)
		case '"':
			b.WriteString(`\(dq`)
		case '\'':
			b.WriteString(`\(aq`)
		case '`':
			b.WriteString(`\(ga`)
		case '^':
			b.WriteString(`\(ha`)
		case '~':
			b.WriteString(`\(ti`)
		default:
			if r > '~' {
				fmt.Fprintf(&b, `\[u%04X]`, r)
				continue
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}
