package review

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageHTML string

// longest is how many characters a cell may have on one line.
const longest = 28

// HTML writes the page as one file: no script, nothing that is loaded from elsewhere, made to be printed too.
func (p *Page) HTML(w io.Writer) error {
	long := func(cell string) bool { return len([]rune(cell)) > longest }
	t, err := template.New("page").Funcs(template.FuncMap{"long": long}).Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("read the template of the review: %w", err)
	}
	return t.Execute(w, p)
}
