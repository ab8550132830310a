package web

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// A list is what every list of the API looks like. Next is where the rest is found; nil: there is no more.
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

func (s *server) apiPhases(r *http.Request, v url.Values) (any, error) {
	return figuresFor(s, r, v, s.Source.Phases)
}

func (s *server) apiProbers(r *http.Request, v url.Values) (any, error) {
	return figuresFor(s, r, v, s.Source.Probers)
}

func (s *server) apiRejected(r *http.Request, v url.Values) (any, error) {
	return figuresFor(s, r, v, s.Source.Rejected)
}

// figuresFor asks a question about a window.
func figuresFor[T any](s *server, r *http.Request, v url.Values, ask func(context.Context, sli.Query) ([]T, error)) (any, error) {
	q, err := s.query(v)
	if err != nil {
		return nil, err
	}
	if err := s.chosen(r.Context(), &q.Checks, q.Regions); err != nil {
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
	Groups          []string          `json:"groups"`
	Regions         []string          `json:"regions"`
	Expect          map[string]string `json:"expect"` // by region
	Enabled         bool              `json:"enabled"`
}

func (s *server) apiChecks(*http.Request, url.Values) (any, error) {
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
		Labels: c.Labels, Groups: c.Groups, Regions: c.Regions, Expect: c.Expect, Enabled: c.Enabled,
	}
	if c.Under > 0 {
		under := c.Under.Seconds()
		it.UnderSeconds = &under
	}
	if it.Labels == nil {
		it.Labels = map[string]string{}
	}
	if it.Groups == nil {
		it.Groups = []string{}
	}
	if it.Regions == nil {
		it.Regions = []string{}
	}
	if it.Expect == nil {
		it.Expect = map[string]string{}
	}
	return it
}

func (s *server) apiOutlook(r *http.Request, _ url.Values) (any, error) {
	return s.Source.Outlook(r.Context())
}

func (s *server) apiConfig(*http.Request, url.Values) (any, error) {
	return configAnswer{s.Config()}, nil
}

// A configAnswer is the configuration in force.
type configAnswer struct {
	YAML string `json:"yaml"`
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
