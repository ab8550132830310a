package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// The page of one check.

// A checkPage is what tmpl/check.html shows.
type checkPage struct {
	frame
	block
	Sides   []side
	Reasons []reasonRow
	Pool    *figures // nil if there is nothing to pool
	Fast    bool     // a latency threshold is, or was, in force
}

// A side is the check as one region sees it.
type side struct {
	row
	Strips   []strip // the slots in lines, oldest first
	Figures  figures
	Phases   []phaseRow
	Hours    string        // that Phases are about
	Last     *evidenceView // the newest evidence
	Evidence []evidenceView
}

// figures are all figures of a report.
type figures struct {
	Report       *sli.Report // never nil
	Availability figure
	Coverage     figure
	Low, High    figure // of the interval named wilson_iid
	Quantiles    []figure
	Fast         figure
}

// quantileNames are the quantiles that a report has, as it names them, and what people call them.
var quantileNames = [...]struct{ Key, Name string }{{"0.5", "p50"}, {"0.9", "p90"}, {"0.95", "p95"}, {"0.99", "p99"}}

// A phaseRow is how long one phase took in up slots.
type phaseRow struct {
	Phase     string
	Count     int64
	Quantiles []figure
}

// A reasonRow counts the slots with a reason, by region in the order of Sides.
type reasonRow struct {
	Reason string
	Counts []int64
}

const (
	stripLines  = 4  // of recentSlots each, on the page of a check
	evidenceMax = 10 // pieces of evidence by region
)

func (s *server) check(w http.ResponseWriter, r *http.Request) {
	page, err := s.checkPage(r)
	if err != nil {
		s.fail(w, problemOf(err))
		return
	}
	s.render(w, http.StatusOK, "check.html", page)
}

func (s *server) checkPage(r *http.Request) (*checkPage, error) {
	v, err := values(r, pageWindow)
	if err != nil {
		return nil, err
	}
	q, err := s.query(v)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	q.Checks = []string{id}
	if err := s.knownNames(r.Context(), q.Checks, nil); err != nil {
		p := problemOf(err)
		if p.Status == http.StatusBadRequest {
			p.Status, p.Title, p.Parameter = http.StatusNotFound, "Not found", ""
			p.Detail = "there is no such check"
		}
		return nil, p
	}
	return s.fillCheck(r.Context(), id, q, v)
}

func (s *server) fillCheck(ctx context.Context, id string, q sli.Query, v url.Values) (*checkPage, error) {
	reports, err := s.Source.Reports(ctx, q)
	if err != nil {
		return nil, err
	}
	regions, err := s.regionsOf(ctx, id)
	if err != nil {
		return nil, err
	}
	asOf := s.asOf(reports, q.Now)
	single, pooled := byTimeline(reports)
	v1, err := s.newView(ctx, q.Now, asOf, id)
	if err != nil {
		return nil, err
	}
	page := &checkPage{block: newBlock(s.catalogued(id), pooled[id])}
	page.Gone = page.Check.Kind == ""
	for _, region := range regions {
		x := sli.Series{Check: id, Region: region}
		sd, err := s.side(ctx, x, single[x], v1)
		if err != nil {
			return nil, err
		}
		sd.Expect = page.Check.Expect[region]
		page.Sides = append(page.Sides, sd)
		page.Rows = append(page.Rows, sd.row)
		page.Fast = page.Fast || sd.Figures.Report.Latency.UnderSeconds != nil
	}
	if err := s.fillPhases(ctx, page, q); err != nil {
		return nil, err
	}
	page.State = blockState(&page.block)
	page.Reasons = reasonRows(page.Sides)
	if pooled[id] != nil {
		f := figuresOf(pooled[id])
		page.Pool = &f
	}
	page.frame = s.frame(frameOptions{title: page.Check.Name + " · Gaikei", now: q.Now, asOf: asOf, query: v, path: "/checks/" + url.PathEscape(id)})
	return page, nil
}

// fillPhases gives every side its phases.
func (s *server) fillPhases(ctx context.Context, page *checkPage, q sli.Query) error {
	reports, err := s.Source.Phases(ctx, q)
	if err != nil {
		return err
	}
	for i := range page.Sides {
		sd := &page.Sides[i]
		for _, r := range reports {
			if r.Region == sd.Region {
				sd.Phases, sd.Hours = phaseRows(r), hoursOf(r)
			}
		}
	}
	return nil
}

func phaseRows(r sli.PhaseReport) []phaseRow {
	var rows []phaseRow
	for _, p := range r.Phases {
		row := phaseRow{Phase: p.Phase, Count: p.Count}
		for _, q := range quantileNames {
			f := undefined(fmt.Sprintf("%d slots are too few", p.Count))
			if v := p.Quantiles[q.Key]; v != nil {
				f = figure{Text: formatSeconds(*v), Why: fmt.Sprintf("of %d slots", p.Count), Defined: true}
			}
			row.Quantiles = append(row.Quantiles, f)
		}
		rows = append(rows, row)
	}
	return rows
}

// hoursOf names the hours of a report.
func hoursOf(r sli.PhaseReport) string {
	from, to := r.From.UTC(), r.To.UTC()
	if to.Sub(from) <= 24*time.Hour {
		return from.Format("15:04") + " to " + to.Format("15:04") + " UTC"
	}
	return from.Format("2006-01-02 15:04") + " to " + to.Format("2006-01-02 15:04") + " UTC"
}

// catalogued finds a check in the configuration; one that is not there has only its id.
func (s *server) catalogued(id string) Check {
	all := s.Catalog()
	if i := slices.IndexFunc(all, func(c Check) bool { return c.ID == id }); i >= 0 {
		return all[i]
	}
	return Check{ID: id, Name: id}
}

// side reads what one region saw.
func (s *server) side(ctx context.Context, x sli.Series, report *sli.Report, v view) (side, error) {
	marks, err := s.recent(ctx, x, stripLines*recentSlots, v)
	if err != nil {
		return side{}, err
	}
	es, err := s.Source.Evidence(ctx, x.Check, x.Region, evidenceMax)
	if err != nil {
		return side{}, err
	}
	sd := side{row: newRow(x, report, marks[max(0, len(marks)-recentSlots):]), Figures: figuresOf(report)}
	for len(marks) > 0 {
		// The oldest line is the one that may be short.
		n := (len(marks)-1)%recentSlots + 1
		sd.Strips = append(sd.Strips, stripOf(marks[:n], n))
		marks = marks[n:]
	}
	for _, e := range es {
		sd.Evidence = append(sd.Evidence, viewEvidence(x.Region, e, v.now))
	}
	sd.Last = lastAttempt(sd.Evidence)
	return sd, nil
}

// lastAttempt is the newest evidence of something that took time.
func lastAttempt(es []evidenceView) *evidenceView {
	i := slices.IndexFunc(es, func(e evidenceView) bool { return len(e.Waterfall) > 0 })
	if i < 0 {
		return nil
	}
	return &es[i]
}

func figuresOf(r *sli.Report) figures {
	if r == nil {
		r = &sli.Report{}
	}
	f := figures{Report: r, Availability: availability(r), Coverage: coverage(r), Fast: fast(r)}
	f.Low, f.High = bound(r.Availability.Low, r), bound(r.Availability.High, r)
	for _, q := range quantileNames {
		f.Quantiles = append(f.Quantiles, quantile(r, q.Key))
	}
	return f
}

func bound(x *float64, r *sli.Report) figure {
	if x == nil {
		return undefined(whyNone(r))
	}
	return figure{Text: formatRatio(*x), Why: "95 % interval (" + r.Availability.Method + "), were slots independent of each other", Defined: true}
}

// reasonRows counts reasons by region, in the order of the closed list.
func reasonRows(sides []side) []reasonRow {
	var rows []reasonRow
	for _, reason := range probe.Reasons() {
		r := reasonRow{Reason: reason.String()}
		var sum int64
		for _, sd := range sides {
			n := sd.Figures.Report.Reasons[r.Reason]
			r.Counts = append(r.Counts, n)
			sum += n
		}
		if sum > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}
