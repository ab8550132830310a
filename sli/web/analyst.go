package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
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

func (s *server) apiSLOs(r *http.Request, v url.Values) (any, error) {
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

func (s *server) apiCertainty(r *http.Request, v url.Values) (any, error) {
	quorum, err := quorumOf(v)
	if err != nil {
		return nil, err
	}
	return figuresFor(s, r, v, func(ctx context.Context, q sli.Query) ([]sli.Certainty, error) {
		return s.Analyst.Certainties(ctx, q, quorum)
	})
}

// quorumOf reads a quorum; the zero one is the default.
func quorumOf(v url.Values) (sli.Quorum, error) {
	var quorum sli.Quorum
	if text := v.Get("quorum"); text != "" {
		if err := quorum.UnmarshalText([]byte(text)); err != nil {
			return quorum, badParameter("quorum", text, err.Error())
		}
	}
	return quorum, nil
}

// mostLengths bounds how many windows may be asked for.
const mostLengths = 100

func (s *server) apiUptime(r *http.Request, v url.Values) (any, error) {
	ask := func(ctx context.Context, q sli.Query) ([]sli.UptimeReport, error) {
		texts := v["length"]
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
	return figuresFor(s, r, v, ask)
}
