package export

import "github.com/gaikei/gaikei/sli"

// A pyrraObjective is the Kubernetes object of Pyrra, which also reads it from files.
type pyrraObjective struct {
	APIVersion string    `yaml:"apiVersion"`
	Kind       string    `yaml:"kind"`
	Metadata   metadata  `yaml:"metadata"`
	Spec       pyrraSpec `yaml:"spec"`
}

type metadata struct {
	Name string `yaml:"name"`
}

type pyrraSpec struct {
	Description string         `yaml:"description"`
	Target      string         `yaml:"target"` // percent
	Window      string         `yaml:"window"`
	Indicator   pyrraIndicator `yaml:"indicator"`
}

type pyrraIndicator struct {
	Ratio pyrraRatio `yaml:"ratio"`
}

type pyrraRatio struct {
	Errors pyrraMetric `yaml:"errors"`
	Total  pyrraMetric `yaml:"total"`
}

type pyrraMetric struct {
	Metric string `yaml:"metric"`
}

// pyrra defines an SLO for Pyrra. The object must have the SLO's very name: Pyrra adds it to every selector as the label slo,
// which the counter has too, and two different values would select nothing.
func pyrra(s *sli.SLO) (document, error) {
	return document{
		notes: rolls(s, "Pyrra"),
		body: pyrraObjective{
			APIVersion: "pyrra.dev/v1alpha1",
			Kind:       "ServiceLevelObjective",
			Metadata:   metadata{s.Name},
			Spec: pyrraSpec{
				Description: description(s),
				Target:      percent(s),
				Window:      duration(s.Length()),
				Indicator:   pyrraIndicator{pyrraRatio{pyrraMetric{selector(s, bad)}, pyrraMetric{selector(s, valid)}}},
			},
		},
	}, nil
}
