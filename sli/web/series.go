package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// A Historian answers what many windows one after the other amount to, reading the timelines once. All methods are safe for concurrent
// use. Their errors wrap sli.ErrTooMany where more is asked for than one answer has room for.
type Historian interface {
	// Steps gives the reports of each step of the window, as Source.Reports gives them for the step alone.
	Steps(ctx context.Context, q sli.Query, p sli.Period) ([]sli.Report, error)
	// SLONames are the SLOs of the configuration in force, in its order.
	SLONames() []string
	// SLOHistory tells of SLOs, all without names, how they stood at the end of each step of the window; by SLO and time.
	SLOHistory(ctx context.Context, names []string, q sli.Query, p sli.Period) ([]sli.SLOPoint, error)
}

// calendarUnits are the steps that are no length.
var calendarUnits = [...]string{"day", "week", "month", "quarter"}

// stepParameters ask for a window by steps, of a length if none is named.
func stepParameters(usual string) []parameter {
	return []parameter{
		{name: "step", about: "how long a step is, like 1h or 1d, or a calendar's `day`, `week`, `month` or `quarter`", example: "day", schema: object{"type": "string", "default": usual}},
		{name: "timezone", about: "whose calendar it is, of the IANA list; without it UTC. Without a step it is by days", example: "Asia/Tokyo"},
	}
}

// ParsePeriod makes steps of texts: a length such as 1h, or day, week, month or quarter in a time zone of the IANA list, UTC if none is given.
// The command line reads its flags with it too.
func ParsePeriod(step, zone string) (sli.Period, error) {
	var p sli.Period
	if slices.Contains(calendarUnits[:], step) {
		p.Unit, p.Zone = step, time.UTC
	} else {
		d, err := parseDuration(step)
		if err != nil {
			return p, fmt.Errorf("step: %w; or day, week, month or quarter", err)
		}
		p.Length = d
	}
	if zone != "" {
		z, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" {
			return p, fmt.Errorf("timezone: got %q, want one of the IANA list such as Asia/Tokyo", zone)
		}
		p.Zone = z
	}
	if err := p.Validate(); err != nil {
		return p, fmt.Errorf("step: %w", err)
	}
	return p, nil
}

// period reads the parameters of steps; a default for those that name none.
func period(v url.Values, usual string) (sli.Period, error) {
	step, zone := v.Get("step"), v.Get("timezone")
	if step == "" && zone != "" {
		step = "day"
	}
	step = cmp.Or(step, usual)
	p, err := ParsePeriod(step, zone)
	if err != nil {
		return p, &problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: err.Error(), Got: step, Want: "step=1h, or step=day and timezone=Asia/Tokyo"}
	}
	return p, nil
}

// roomy makes it the asker's fault if there is too much to answer.
func roomy[T any](items []T, err error) ([]T, error) {
	if errors.Is(err, sli.ErrTooMany) {
		return nil, &problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: err.Error(), Want: "less at once"}
	}
	return items, err
}

// The steps of a question that names none.
const (
	seriesStep  = "1h"
	historyStep = "1d"
)

func (s *server) apiSeries(r *http.Request, v url.Values) (any, error) {
	ask := func(ctx context.Context, q sli.Query) ([]sli.Report, error) {
		p, err := period(v, seriesStep)
		if err != nil {
			return nil, err
		}
		return roomy(s.Analyst.Steps(ctx, q, p))
	}
	return figuresFor(s, r, v, ask)
}

// historyWindow is the window of a question about the past of SLOs that names none.
const historyWindow = "28d"

func (s *server) apiSLOHistory(r *http.Request, v url.Values) (any, error) {
	if !v.Has("window") && !v.Has("from") && !v.Has("to") {
		v.Set("window", historyWindow)
	}
	q, err := s.query(v)
	if err != nil {
		return nil, err
	}
	p, err := period(v, historyStep)
	if err != nil {
		return nil, err
	}
	for _, name := range v["slo"] {
		if err := known("slo", name, s.Analyst.SLONames()); err != nil {
			return nil, err
		}
	}
	points, err := roomy(s.Analyst.SLOHistory(r.Context(), v["slo"], q, p))
	return listOf(points), err
}
