package web

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A list is what every list of the API looks like. Next is where the rest is found; there is never any yet.
type list[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

func listOf[T any](items []T) list[T] {
	if items == nil {
		items = []T{}
	}
	return list[T]{Items: items}
}

// answer makes a handler of a function that returns what to write as JSON.
func answer(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			problemOf(err).write(w)
			return
		}
		// Into memory first: once the status is written, an error can no longer be told.
		var body bytes.Buffer
		if err := json.NewEncoder(&body).Encode(v); err != nil {
			problemOf(err).write(w)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
		_, _ = w.Write(body.Bytes())
	}
}

func (s *server) apiSLI(r *http.Request) (any, error) {
	return figuresFor(s, r, s.Source.Reports, parameter{"check", true}, parameter{"region", true})
}

func (s *server) apiPhases(r *http.Request) (any, error) {
	return figuresFor(s, r, s.Source.Phases, parameter{"check", true}, parameter{"region", true})
}

func (s *server) apiProbers(r *http.Request) (any, error) {
	return figuresFor(s, r, s.Source.Probers, parameter{"region", true})
}

func (s *server) apiRejected(r *http.Request) (any, error) {
	return figuresFor(s, r, s.Source.Rejected, parameter{"region", true})
}

// figuresFor asks a question about a window, restricted by these parameters.
func figuresFor[T any](s *server, r *http.Request, ask func(context.Context, sli.Query) ([]T, error), by ...parameter) (any, error) {
	v, err := values(r, append(by, windowParameters...)...)
	if err != nil {
		return nil, err
	}
	q, err := s.query(v)
	if err != nil {
		return nil, err
	}
	if err := s.knownNames(r.Context(), q.Checks, q.Regions); err != nil {
		return nil, err
	}
	reports, err := ask(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return listOf(reports), nil
}

// A checkItem is a check as the API shows it.
type checkItem struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Kind            string            `json:"kind"`
	Target          string            `json:"target"`
	IntervalSeconds float64           `json:"interval_seconds"`
	TimeoutSeconds  float64           `json:"timeout_seconds"`
	UnderSeconds    *float64          `json:"latency_under_seconds"` // null: no threshold
	Labels          map[string]string `json:"labels"`
	Regions         []string          `json:"regions"`
	Expect          map[string]string `json:"expect"` // by region
	Enabled         bool              `json:"enabled"`
}

func (s *server) apiChecks(r *http.Request) (any, error) {
	if _, err := values(r); err != nil {
		return nil, err
	}
	var items []checkItem
	for _, c := range s.Catalog() {
		items = append(items, itemOf(c))
	}
	return listOf(items), nil
}

func itemOf(c Check) checkItem {
	it := checkItem{
		ID: c.ID, Name: c.Name, Kind: c.Kind, Target: c.Target,
		IntervalSeconds: c.Interval.Seconds(), TimeoutSeconds: c.Timeout.Seconds(),
		Labels: c.Labels, Regions: c.Regions, Expect: c.Expect, Enabled: c.Enabled,
	}
	if c.Under > 0 {
		under := c.Under.Seconds()
		it.UnderSeconds = &under
	}
	if it.Labels == nil {
		it.Labels = map[string]string{}
	}
	if it.Regions == nil {
		it.Regions = []string{}
	}
	if it.Expect == nil {
		it.Expect = map[string]string{}
	}
	return it
}

func (s *server) apiOutlook(r *http.Request) (any, error) {
	if _, err := values(r); err != nil {
		return nil, err
	}
	return s.Source.Outlook(r.Context())
}

func (s *server) apiConfig(r *http.Request) (any, error) {
	if _, err := values(r); err != nil {
		return nil, err
	}
	return struct {
		YAML string `json:"yaml"`
	}{s.Config()}, nil
}

// An evidenceItem is a piece of evidence and the region it is from.
type evidenceItem struct {
	Region string `json:"region"`
	probe.Evidence
}

func (s *server) apiEvidence(r *http.Request) (any, error) {
	v, err := values(r, parameter{name: "check"}, parameter{name: "region"}, parameter{name: "limit"})
	if err != nil {
		return nil, err
	}
	n, err := limit(v, 10, 50)
	if err != nil {
		return nil, err
	}
	check := v.Get("check")
	if check == "" {
		return nil, badParameter("check", "", "required; for example check=shop")
	}
	if err := s.knownNames(r.Context(), []string{check}, v["region"]); err != nil {
		return nil, err
	}
	regions := v["region"]
	if len(regions) == 0 {
		if regions, err = s.regionsOf(r.Context(), check); err != nil {
			return nil, err
		}
	}
	items, err := s.evidence(r.Context(), check, regions, n)
	return listOf(items), err
}

// evidence returns the last n pieces over these regions, newest first.
func (s *server) evidence(ctx context.Context, check string, regions []string, n int) ([]evidenceItem, error) {
	var items []evidenceItem
	for _, region := range regions {
		es, err := s.Source.Evidence(ctx, check, region, n)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			items = append(items, evidenceItem{region, e})
		}
	}
	slices.SortStableFunc(items, func(a, b evidenceItem) int { return int(b.Slot - a.Slot) })
	return items[:min(n, len(items))], nil
}

// knownNames refuses names that neither the configuration nor any timeline knows.
func (s *server) knownNames(ctx context.Context, checks, regions []string) error {
	if len(checks)+len(regions) == 0 {
		return nil
	}
	series, err := s.series(ctx)
	if err != nil {
		return err
	}
	thereChecks, thereRegions := map[string]bool{}, map[string]bool{}
	for _, x := range series {
		thereChecks[x.Check], thereRegions[x.Region] = true, true
	}
	for _, c := range s.Catalog() {
		thereChecks[c.ID] = true // also one that is looked at from nowhere
	}
	for _, c := range checks {
		if err := known("check", c, slices.Sorted(maps.Keys(thereChecks))); err != nil {
			return err
		}
	}
	for _, r := range regions {
		if err := known("region", r, slices.Sorted(maps.Keys(thereRegions))); err != nil {
			return err
		}
	}
	return nil
}

// regionsOf returns the regions of a check: those of the configuration first, then those it once had.
func (s *server) regionsOf(ctx context.Context, check string) ([]string, error) {
	series, err := s.series(ctx)
	if err != nil {
		return nil, err
	}
	var regions []string
	for _, x := range series {
		if x.Check == check {
			regions = append(regions, x.Region)
		}
	}
	return regions, nil
}

// series lists all timelines, those of the configuration first, also those that have no slot yet.
func (s *server) series(ctx context.Context) ([]sli.Series, error) {
	var all []sli.Series
	seen := map[sli.Series]bool{}
	add := func(x sli.Series) {
		if !seen[x] {
			seen[x] = true
			all = append(all, x)
		}
	}
	for _, c := range s.Catalog() {
		for _, region := range c.Regions {
			add(sli.Series{Check: c.ID, Region: region})
		}
	}
	stored, err := s.Source.Series(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range stored {
		add(x)
	}
	return all, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
