package web

import (
	"net/http"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

func (s *server) apiSLOs(r *http.Request) (any, error) {
	v, err := values(r, parameter{"slo", true})
	if err != nil {
		return nil, err
	}
	all, err := s.SLOs(r.Context(), s.Now())
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
