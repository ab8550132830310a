package web

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// A sloRow is how an SLO stands, on the front page.
type sloRow struct {
	Name     string
	SLI      figure
	Left     figure // of the error budget
	Decision string
	Class    string // of the stylesheet
	Sentence string
	Aim      string // indicator and objective
}

// A board keeps the reports on SLOs that the page shows: a month of slots is not read for every reader.
type board struct {
	mu      sync.Mutex // guards all below, and is held while they are worked out
	at      time.Time
	reports []sli.SLOReport
}

// standing returns reports that are at most sloEvery old.
func (b *board) standing(ctx context.Context, src SLOSource, now time.Time) ([]sli.SLOReport, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if age := now.Sub(b.at); age < 0 || age >= sloEvery {
		reports, err := src.SLOs(ctx, now)
		if err != nil {
			return nil, err
		}
		b.at, b.reports = now, reports
	}
	return b.reports, nil
}

// sloRows shows how the SLOs stand, none if there are none.
func (s *server) sloRows(ctx context.Context, now time.Time) ([]sloRow, error) {
	if s.Analyst == nil {
		return nil, nil
	}
	reports, err := s.board.standing(ctx, s.Analyst, now)
	if err != nil {
		return nil, err
	}
	var rows []sloRow
	for i := range reports {
		rows = append(rows, rowOfSLO(&reports[i]))
	}
	return rows, nil
}

func rowOfSLO(r *sli.SLOReport) sloRow {
	row := sloRow{
		Name: r.Name, Decision: r.Decision.Decision, Class: "part", Sentence: r.Decision.Sentence,
		Aim: fmt.Sprintf("%s, objective %s", r.Indicator, sli.Ratio(r.Objective)), SLI: undefined("no verdict in its window"), Left: undefined("no verdict in its window"),
	}
	switch r.Decision.Decision {
	case sli.DecideOK:
		row.Class = "full"
	case "exhausted":
		row.Class = "none"
	}
	if r.SLI != nil {
		row.SLI = figure{Text: formatRatio(*r.SLI), Why: r.Decision.Changed, Defined: true}
	}
	if left := r.Budget.Left; left != nil {
		text := "nothing"
		if *left > 0 {
			text = formatRatio(*left)
		}
		row.Left = figure{Text: text, Why: fmt.Sprintf("%s of %s of full outage are spent", outage(*r.Budget.SpentSeconds), outage(*r.Budget.TotalSeconds)), Defined: true}
	}
	return row
}

// outage is time in the unit in which it is no large number.
func outage(seconds float64) string {
	switch {
	case seconds < 600:
		return fmt.Sprintf("%.3g s", seconds)
	case seconds < 36_000:
		return fmt.Sprintf("%.1f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}
