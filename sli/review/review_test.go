package review

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func share(x float64) *float64 { return &x }

// point is how an SLO of 28 days stood n days before noon.
func point(n int, left, spent *float64) sli.SLOPoint {
	at := noon.AddDate(0, 0, -n)
	p := sli.SLOPoint{Step: sli.SLOStep{From: at.AddDate(0, 0, -1), Spent: spent}}
	p.Name, p.Indicator, p.Combine, p.Objective, p.Regions = "shop", sli.IndicatorAvailability, sli.CombinePooled, 0.99, []string{"tokyo"}
	p.From, p.To, p.End, p.AsOf = at.AddDate(0, 0, -28), at, at, at
	p.Budget.Left, p.Decision.Decision = left, "ok"
	if left != nil {
		p.SLI, p.Before, p.Decided = share(1-0.01*(1-*left)), share(1), share(1)
	}
	return p
}

// Of what is not known nothing is drawn, and nothing is said.
func TestPageOfNothing(t *testing.T) {
	c := Case{History: []sli.SLOPoint{point(1, nil, nil), point(0, nil, nil)}}
	c.History[1].Name, c.History[1].Decision.Decision = "<b>|x", sli.DecideUndecided
	p := New(Input{From: noon.AddDate(0, 0, -2), To: noon, Cases: []Case{c}, Probers: []sli.ProberReport{{Region: "tokyo"}}})
	var html, md bytes.Buffer
	if err := p.HTML(&html); err != nil {
		t.Fatal(err)
	}
	if err := p.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	for text, wants := range map[string][]string{
		html.String(): {"Nothing came to a verdict, so no budget is known.", "&lt;b&gt;|x", "There was no incident.", "Nothing was corrected."},
		md.String():   {"`··`", `\<b\>\|x`, "| – | 99% | – | – | 0 | – |", "1 SLO: 1 undecided."},
	} {
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("want %q in\n%s", want, text)
			}
		}
		for _, no := range []string{"NaN", "<b>", "polyline class", "%!"} {
			if strings.Contains(text, no) {
				t.Errorf("found %q in\n%s", no, text)
			}
		}
	}
}

func TestChart(t *testing.T) {
	c := newChart([]sli.SLOPoint{
		point(5, share(1), share(0)), point(4, share(0.5), share(0.5)), point(3, nil, nil), point(2, share(-3), share(2)), point(1, share(0), nil),
	})
	want := Chart{
		Title: "Budget left", Top: "100%", Bottom: "−100.0%", Most: "200.0%", Zero: 50, Spark: "█▅·✕✕",
		Text:  "The budget left went from 100% at the end of 2026-11-23 12:00 to 0% at the end of 2026-11-27 12:00; least was left at 2026-11-26 12:00: −300.0%.",
		Lines: []string{"100,0 300,25", "700,100 900,50"},
		Areas: []string{"100,50 100,0 300,25 300,50", "700,50 700,100 900,50 900,50"},
		Dates: []string{"2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26"},
	}
	heights := []float64{0, 25, 0, 100, 0}
	for i, x := range c.Columns {
		if x.Height != heights[i] || x.X != float64(200*i) || x.Width != 200 {
			t.Errorf("column %d: got %+v, want a height of %v", i, x, heights[i])
		}
	}
	c.Columns = nil
	if d := cmp.Diff(want, c); d != "" {
		t.Errorf("chart (-want +got):\n%s", d)
	}
}

func TestProposals(t *testing.T) {
	region := "tokyo"
	report := func(change func(*sli.Report)) []sli.Report {
		r := sli.Report{Check: "shop", Region: &region, Coverage: share(1), Slots: sli.SlotCounts{Scheduled: 40_320}, Seconds: sli.Seconds{Due: 28 * 86400}}
		change(&r)
		return []sli.Report{r}
	}
	for _, x := range []struct {
		name   string
		change func(*Case)
		want   string // the beginning of the only one; empty: none
	}{
		{"nothing to change", func(c *Case) { c.now().Budget.LeftBefore = share(0.6) }, ""},
		{"too loose", func(c *Case) {
			c.now().Budget.Left, c.now().Budget.LeftBefore, c.now().SLI = share(1), share(1), share(1)
		}, "The objective may be too loose: both windows would have met 99.99%"},
		{"too tight", func(c *Case) {
			r := c.now()
			r.SLI, r.Before, r.Budget.Left, r.Budget.LeftBefore = share(0.985), share(0.97), share(-0.5), share(-2)
		}, "The objective was missed in this window and in the one before: either reliability goes first now, or it is too tight. Both would have met 90%"},
		{"missed once", func(c *Case) {
			c.now().SLI, c.now().Budget.Left, c.now().Budget.LeftBefore = share(0.985), share(-0.5), share(0.2)
		}, ""},
		{"provisional", func(c *Case) { c.now().Provisional = true }, "The objective is provisional: confirm 99% or change it by what was seen"},
		{"too few slots", func(c *Case) { c.Reports[0].Slots.Scheduled = 200 }, "The schedule cannot show 99%: its window has about 200 slots, and it takes 299"},
		{"little decided", func(c *Case) { c.now().Decided = share(0.8) }, "Only 80.00% of the time came to a verdict"},
		{"a blind region", func(c *Case) { c.Reports[0].Coverage = share(0.7) }, "From tokyo only 70.00% of the time of shop"},
		{"all blind", func(c *Case) { c.Incidents = []sli.Incident{{Kind: sli.IncidentUndecided}} }, "All regions were blind at once 1 time"},
		{"unvouched", func(c *Case) { c.Reports[0].Unvouched = 3 }, "3 failures counted without a control"},
		{"much maintenance", func(c *Case) {
			c.Reports = append(c.Reports, sli.Report{Check: "shop", Seconds: sli.Seconds{Due: 100, Excluded: 20}})
		}, "20.00% of the time of shop did not count"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := Case{History: []sli.SLOPoint{point(0, share(0.7), nil)}, Reports: report(func(*sli.Report) {})}
			x.change(&c)
			got := proposals(&c)
			if x.want == "" && len(got) == 0 {
				return
			}
			if x.want == "" || len(got) != 1 || !strings.HasPrefix(got[0], x.want) {
				t.Errorf("got %q, want one that begins with %q", got, x.want)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0 s", 0.2: "<1 s", 59.6: "1 min", 61: "1 min 1 s", 3600: "1 h", 4200: "1 h 10 min", 86400 + 60: "1 d", 28 * 86400: "28 d", 90000: "1 d 1 h",
	} {
		if got := duration(seconds); got != want {
			t.Errorf("%v s: got %q, want %q", seconds, got, want)
		}
	}
}
