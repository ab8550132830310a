package export

import "github.com/gaikei/gaikei/sli"

// A nobl9Object is an SLO of Nobl9.
type nobl9Object struct {
	APIVersion string        `yaml:"apiVersion"`
	Kind       string        `yaml:"kind"`
	Metadata   nobl9Metadata `yaml:"metadata"`
	Spec       nobl9Spec     `yaml:"spec"`
}

type nobl9Metadata struct {
	Name        string `yaml:"name"`
	DisplayName string `yaml:"displayName"`
	Project     string `yaml:"project"`
}

type nobl9Spec struct {
	Description     string           `yaml:"description"`
	Indicator       nobl9Indicator   `yaml:"indicator"`
	BudgetingMethod string           `yaml:"budgetingMethod"`
	Objectives      []nobl9Objective `yaml:"objectives"`
	Service         string           `yaml:"service"`
	TimeWindows     []countedWindow  `yaml:"timeWindows"`
}

type nobl9Indicator struct {
	MetricSource nobl9Source `yaml:"metricSource"`
}

type nobl9Source struct {
	Name    string `yaml:"name"`
	Project string `yaml:"project"`
	Kind    string `yaml:"kind"`
}

type nobl9Objective struct {
	Name         string      `yaml:"name"`
	DisplayName  string      `yaml:"displayName"`
	Target       number      `yaml:"target"`
	CountMetrics nobl9Counts `yaml:"countMetrics"`
	Primary      bool        `yaml:"primary"`
}

type nobl9Counts struct {
	Incremental bool        `yaml:"incremental"`
	Good        nobl9Metric `yaml:"good"`
	Total       nobl9Metric `yaml:"total"`
}

type nobl9Metric struct {
	Prometheus nobl9Query `yaml:"prometheus"`
}

type nobl9Query struct {
	PromQL string `yaml:"promql"`
}

// nobl9Project is the project that every organization has.
const nobl9Project = "default"

// nobl9 defines an SLO for Nobl9.
func nobl9(s *sli.SLO) (document, error) {
	w, err := countedWindowOf(s)
	if err != nil {
		return document{}, err
	}
	return document{body: nobl9Object{
		APIVersion: "n9/v1alpha",
		Kind:       "SLO",
		Metadata:   nobl9Metadata{dashed(s.Name), s.Name, nobl9Project},
		Spec: nobl9Spec{
			Description:     description(s),
			Indicator:       nobl9Indicator{nobl9Source{"prometheus", nobl9Project, "Agent"}},
			BudgetingMethod: "Occurrences",
			Objectives: []nobl9Objective{{
				Name: s.Indicator, DisplayName: s.Indicator, Target: number(ratio(s)),
				CountMetrics: nobl9Counts{true, nobl9Metric{nobl9Query{sum(s, good)}}, nobl9Metric{nobl9Query{sum(s, valid)}}},
				Primary:      true,
			}},
			Service:     service,
			TimeWindows: []countedWindow{w},
		},
	}}, nil
}
