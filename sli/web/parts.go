package web

import (
	"context"
	"slices"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// chosen puts checks in place of a name that stands for several, which is a group or a check that they are part of, each once. It
// refuses names that nobody knows.
func (s *server) chosen(ctx context.Context, checks *[]string, regions []string) error {
	var out []string
	for _, name := range *checks {
		parts := s.behind(name)
		if len(parts) == 0 || s.inCatalog(name) {
			parts = []string{name}
		} else if series, err := s.series(ctx); err != nil {
			return err
		} else if slices.ContainsFunc(series, func(x sli.Series) bool { return x.Check == name }) {
			parts = append(parts, name) // what it was before it stood for several
		}
		for _, id := range parts {
			if !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	*checks = out
	return s.knownNames(ctx, out, regions)
}

// behind returns the checks that a name stands for, other than one of this id.
func (s *server) behind(name string) []string {
	var ids []string
	for _, c := range s.Catalog() {
		if c.Labels[probe.PartOf] == name || slices.Contains(c.Groups, name) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func (s *server) inCatalog(id string) bool {
	return slices.ContainsFunc(s.Catalog(), func(c Check) bool { return c.ID == id })
}
