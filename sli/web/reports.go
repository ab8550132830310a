package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/gaikei/gaikei/sli"
)

// reports are a listing of reports that are made while they are written.
type reports struct {
	src  Source
	q    sli.Query
	page page
}

func (s *server) apiSLI(r *http.Request, v url.Values) (any, error) {
	p, q, err := s.page(r, v, 2)
	if err != nil {
		return nil, err
	}
	if q.Figures = v.Get("figures"); q.Figures != "" && q.Figures != sli.FiguresAvailability {
		bad := badParameter("figures", q.Figures, "unknown")
		bad.Want = sli.FiguresAvailability + ", or nothing for all"
		return nil, bad
	}
	if err := s.chosen(r.Context(), &q.Checks, q.Regions); err != nil {
		return nil, err
	}
	return &reports{s.Source, q, p}, nil
}

// each implements listing.
func (l *reports) each(ctx context.Context, give func(any) error) (*string, error) {
	from := ""
	if l.page.after != nil {
		from = l.page.after[0]
	}
	n, last := 0, (*sli.Report)(nil)
	for of, err := range l.src.EachReport(ctx, l.q, from) {
		if err != nil {
			return nil, err
		}
		for i := range of {
			report := &of[i]
			if err := l.page.check(report.AsOf); err != nil {
				return nil, err
			}
			if l.passed(report) {
				continue
			}
			if l.page.limit > 0 && n == l.page.limit {
				return l.page.next(last.AsOf, last.Check, regionOf(last))
			}
			if err := give(report); err != nil {
				return nil, err
			}
			n, last = n+1, report
		}
	}
	return nil, nil
}

// passed reports whether a report was on a page before.
func (l *reports) passed(r *sli.Report) bool {
	if l.page.after == nil || r.Check != l.page.after[0] {
		return false
	}
	after := l.page.after[1]
	return after == "" || r.Region != nil && *r.Region <= after
}

// regionOf is empty for the report over all regions, which comes after theirs.
func regionOf(r *sli.Report) string {
	if r.Region == nil {
		return ""
	}
	return *r.Region
}
