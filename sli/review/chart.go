package review

import (
	"fmt"
	"math"
	"strings"

	"github.com/gaikei/gaikei/sli"
)

// A Chart shows the budget at the end of each step, and what was spent in each. It is drawn into a square of 1000 × 100 that is
// stretched; whatever is to be read stands beside it.
type Chart struct {
	Title   string
	Text    string   // what it shows, for who does not see it
	Lines   []string // of the budget left: the points of each stretch that is known
	Areas   []string // between these and nothing left
	Zero    float64  // y of nothing left
	Top     string   // what the top of the budget stands for, and
	Bottom  string   // the bottom
	Most    string   // what the top of the spent ones stands for; empty: nothing was spent
	Columns []Column // of each step
	Dates   []string // under the first column, the last and some between
	Spark   string   // the same in characters
}

// A Column is one step.
type Column struct {
	X, Width float64
	Height   float64 // of what was spent
	From, To string
	SLI      string
	Left     string
	Spent    string
}

// lowest is how far beyond nothing a budget is drawn.
const lowest = -1.0

const (
	chartWidth  = 1000.0
	chartHeight = 100.0
)

func newChart(points []sli.SLOPoint) Chart {
	floor, most := 0.0, 0.0
	for i := range points {
		p := &points[i]
		if p.Budget.Left != nil {
			floor = min(floor, max(lowest, *p.Budget.Left))
		}
		if p.Step.Spent != nil {
			most = max(most, *p.Step.Spent)
		}
	}
	floor = math.Floor(4*floor) / 4
	c := Chart{Top: "100%", Bottom: left(&floor), Zero: round(chartHeight / (1 - floor))}
	if most > 0 {
		c.Most = spent(most)
	}
	if floor == 0 {
		c.Bottom = "0%"
	}
	x := func(i int) float64 { return chartWidth * (float64(i) + 0.5) / float64(len(points)) }
	for i := range points {
		c.Columns = append(c.Columns, column(&points[i], x(i), chartWidth/float64(len(points)), most))
	}
	c.line(points, x, floor)
	c.Dates = dates(points)
	c.Title = "Budget left"
	c.Text = chartText(points)
	c.Spark = spark(points)
	return c
}

func column(p *sli.SLOPoint, middle, width, most float64) Column {
	c := Column{
		X: round(middle - width/2), Width: round(width), From: short(p.Step.From), To: short(p.To),
		SLI: sli.FormatRatio(p.Step.SLI), Left: left(p.Budget.Left), Spent: sli.Undefined,
	}
	if p.Step.Spent != nil {
		c.Spent = spent(*p.Step.Spent)
		if most > 0 {
			c.Height = round(chartHeight * *p.Step.Spent / most)
		}
	}
	return c
}

// line draws the budget left, with a gap where it is not known.
func (c *Chart) line(points []sli.SLOPoint, x func(int) float64, floor float64) {
	var run []string
	var first, last float64
	end := func() {
		if len(run) > 0 {
			c.Lines = append(c.Lines, strings.Join(run, " "))
			c.Areas = append(c.Areas, fmt.Sprintf("%g,%g %s %g,%g", first, c.Zero, strings.Join(run, " "), last, c.Zero))
		}
		run = nil
	}
	for i := range points {
		l := points[i].Budget.Left
		if l == nil {
			end()
			continue
		}
		last = round(x(i))
		if len(run) == 0 {
			first = last
		}
		run = append(run, fmt.Sprintf("%g,%g", last, round(chartHeight*(1-max(floor, *l))/(1-floor))))
	}
	end()
}

func round(x float64) float64 { return math.Round(100*x) / 100 }

// dates are the ends of some steps, evenly spread.
func dates(points []sli.SLOPoint) []string {
	const most = 5
	n := min(most, len(points))
	var out []string
	for i := range n {
		k := i
		if n > 1 {
			k = i * (len(points) - 1) / (n - 1)
		}
		out = append(out, dayText(points[k].Step.From))
	}
	return out
}

// chartText tells the course in a sentence.
func chartText(points []sli.SLOPoint) string {
	var first, last, least *sli.SLOPoint
	for i := range points {
		p := &points[i]
		if p.Budget.Left == nil {
			continue
		}
		if first == nil {
			first = p
		}
		if last = p; least == nil || *p.Budget.Left < *least.Budget.Left {
			least = p
		}
	}
	if first == nil {
		return "Nothing came to a verdict, so no budget is known."
	}
	text := fmt.Sprintf("The budget left went from %s at the end of %s to %s at the end of %s", left(first.Budget.Left), short(first.To), left(last.Budget.Left), short(last.To))
	switch {
	case *first.Budget.Left == *last.Budget.Left && *least.Budget.Left == *last.Budget.Left:
		return fmt.Sprintf("The budget left was %s all along, from %s to %s.", left(last.Budget.Left), short(first.To), short(last.To))
	case *least.Budget.Left < *last.Budget.Left:
		return text + fmt.Sprintf("; least was left at %s: %s.", short(least.To), left(least.Budget.Left))
	}
	return text + "."
}

// spark draws the budget left in eighths; ✕ where nothing is left, · where nothing is known.
func spark(points []sli.SLOPoint) string {
	levels := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for i := range points {
		switch l := points[i].Budget.Left; {
		case l == nil:
			b.WriteRune('·')
		case *l <= 0:
			b.WriteRune('✕')
		default:
			b.WriteRune(levels[min(int(*l*float64(len(levels))), len(levels)-1)])
		}
	}
	return b.String()
}
