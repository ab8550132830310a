package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// An Analyst answers what needs more than counts. All methods are safe for concurrent use.
type Analyst interface {
	SLOSource
	Historian
	// Incidents derives the incidents in the window by a quorum; the zero one is the default.
	Incidents(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Incident, error)
	// Certainties tells how sure availabilities are; the zero quorum is the default.
	Certainties(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Certainty, error)
	// Uptimes gives the windowed user-uptime of each check, of these lengths, or without any of a curve.
	Uptimes(ctx context.Context, q sli.Query, lengths []time.Duration) ([]sli.UptimeReport, error)
}

func (s *server) apiSLOs(r *http.Request) (any, error) {
	v, err := values(r, parameter{"slo", true})
	if err != nil {
		return nil, err
	}
	all, err := s.Analyst.SLOs(r.Context(), s.Now())
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range all {
		names = append(names, all[i].Name)
	}
	for _, name := range v["slo"] {
		if err := known("slo", name, names); err != nil {
			return nil, err
		}
	}
	if len(v["slo"]) > 0 {
		all = slices.DeleteFunc(all, func(x sli.SLOReport) bool { return !slices.Contains(v["slo"], x.Name) })
	}
	return listOf(all), nil
}

func (s *server) apiIncidents(r *http.Request) (any, error) {
	return byQuorum(s, r, s.Analyst.Incidents)
}

func (s *server) apiCertainty(r *http.Request) (any, error) {
	return byQuorum(s, r, s.Analyst.Certainties)
}

// byQuorum asks a question about a window that a quorum decides.
func byQuorum[T any](s *server, r *http.Request, question func(context.Context, sli.Query, sli.Quorum) ([]T, error)) (any, error) {
	ask := func(ctx context.Context, q sli.Query) ([]T, error) {
		var quorum sli.Quorum
		if text := r.URL.Query().Get("quorum"); text != "" {
			if err := quorum.UnmarshalText([]byte(text)); err != nil {
				return nil, badParameter("quorum", text, err.Error())
			}
		}
		return question(ctx, q, quorum)
	}
	return figuresFor(s, r, ask, parameter{"check", true}, parameter{"region", true}, parameter{name: "quorum"})
}

// mostLengths bounds how many windows may be asked for.
const mostLengths = 100

func (s *server) apiUptime(r *http.Request) (any, error) {
	ask := func(ctx context.Context, q sli.Query) ([]sli.UptimeReport, error) {
		texts := r.URL.Query()["length"]
		if len(texts) > mostLengths {
			return nil, badParameter("length", fmt.Sprint(len(texts)), fmt.Sprintf("given too often, want at most %d", mostLengths))
		}
		var lengths []time.Duration
		for _, text := range texts {
			d, err := parseDuration(text)
			if err != nil {
				return nil, badParameter("length", text, err.Error())
			}
			lengths = append(lengths, d)
		}
		return s.Analyst.Uptimes(ctx, q, lengths)
	}
	return figuresFor(s, r, ask, parameter{"check", true}, parameter{"region", true}, parameter{"length", true})
}

// analystRoutes are those of a process that has an Analyst.
func (s *server) analystRoutes() map[string]route {
	if s.Analyst == nil {
		return nil
	}
	return map[string]route{
		"/api/v1/series":       reads(answer(s.apiSeries)),
		"/api/v1/slos":         reads(answer(s.apiSLOs)),
		"/api/v1/slos/history": reads(answer(s.apiSLOHistory)),
		"/api/v1/incidents":    reads(answer(s.apiIncidents)),
		"/api/v1/uptime":       reads(answer(s.apiUptime)),
		"/api/v1/certainty":    reads(answer(s.apiCertainty)),
	}
}
