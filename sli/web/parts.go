package web

import (
	"context"
	"slices"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// chosen puts sub-checks in place of the check that they are part of, and refuses names that nobody knows.
func (s *server) chosen(ctx context.Context, checks *[]string, regions []string) error {
	var out []string
	for _, name := range *checks {
		parts := s.labelled(map[string]string{probe.PartOf: name})
		if len(parts) == 0 || s.inCatalog(name) {
			parts = []string{name}
		} else if series, err := s.series(ctx); err != nil {
			return err
		} else if slices.ContainsFunc(series, func(x sli.Series) bool { return x.Check == name }) {
			parts = append(parts, name) // what it was before it stood for several
		}
		out = append(out, parts...)
	}
	*checks = out
	return s.knownNames(ctx, out, regions)
}

func (s *server) inCatalog(id string) bool {
	return slices.ContainsFunc(s.Catalog(), func(c Check) bool { return c.ID == id })
}
