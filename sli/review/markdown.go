package review

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the page as GitHub reads it. Nothing of what others wrote is understood as markup.
func (p *Page) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", plain(p.Title), plain(p.Window))
	for _, s := range p.Summary {
		fmt.Fprintf(&b, "- %s\n", plain(s))
	}
	if len(p.Overview) > 0 {
		rows := [][]string{}
		for _, l := range p.Overview {
			rows = append(rows, append([]string{l.Name, l.Decision}, l.Cells...))
		}
		b.WriteString("\n")
		table(&b, append([]string{"SLO", "Decision"}, p.OverviewHead()...), rows)
	}
	for i := range p.Sections {
		p.Sections[i].markdown(&b)
	}
	p.Seeing.markdown(&b, "##")
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Section) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s: %s\n\n%s\n", plain(s.Name), plain(s.Decision), plain(s.About))
	for _, x := range s.Sentences {
		fmt.Fprintf(b, "%s\n", plain(x))
	}
	b.WriteString("\n")
	var rows [][]string
	for _, f := range s.Facts {
		rows = append(rows, []string{f.Label, f.Value, f.Note})
	}
	table(b, []string{"Figure", "Value", ""}, rows)
	if len(s.Chart.Columns) > 0 {
		fmt.Fprintf(b, "\n`%s`\n\n%s\n", s.Chart.Spark, plain(s.Chart.Text))
	}
	if len(s.Proposals) > 0 {
		b.WriteString("\n### Proposals\n\n")
		for _, x := range s.Proposals {
			fmt.Fprintf(b, "- %s\n", plain(x))
		}
	}
	for i := range s.Blocks {
		s.Blocks[i].markdown(b, "###")
	}
}

func (x *Block) markdown(b *strings.Builder, level string) {
	fmt.Fprintf(b, "\n%s %s\n\n", level, plain(x.Title))
	if len(x.Rows) > 0 {
		table(b, x.Head, x.Rows)
	}
	for i, n := range x.Notes {
		if i == 0 && len(x.Rows) > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "%s\n", plain(n))
	}
}

func table(b *strings.Builder, head []string, rows [][]string) {
	row := func(cells []string) {
		for _, c := range cells {
			fmt.Fprintf(b, "| %s ", plain(c))
		}
		b.WriteString("|\n")
	}
	row(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, cells := range rows {
		row(cells)
	}
}

// plain takes the meaning from all that Markdown, or the HTML in it, would understand; the text stays on its line.
func plain(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		if strings.ContainsRune("\\`*_{}[]<>#|!~&$@", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	// Addresses would become links by themselves.
	return strings.NewReplacer("://", ":\\//", "www.", "www\\.").Replace(b.String())
}
