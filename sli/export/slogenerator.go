package export

import "github.com/gaikei/gaikei/sli"

// A generatorObject is an SLO of slo-generator v2.
type generatorObject struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   generatorMetadata `yaml:"metadata"`
	Spec       generatorSpec     `yaml:"spec"`
}

type generatorMetadata struct {
	Name   string          `yaml:"name"`
	Labels generatorLabels `yaml:"labels"`
}

type generatorLabels struct {
	Service string `yaml:"service_name"`
	Feature string `yaml:"feature_name"`
	SLO     string `yaml:"slo_name"`
}

type generatorSpec struct {
	Description string             `yaml:"description"`
	Backend     string             `yaml:"backend"`
	Method      string             `yaml:"method"`
	Indicator   generatorIndicator `yaml:"service_level_indicator"`
	Goal        number             `yaml:"goal"`
}

// A generatorIndicator has bare selectors: slo-generator puts window and functions around them.
type generatorIndicator struct {
	Good string `yaml:"filter_good"`
	Bad  string `yaml:"filter_bad"`
}

// sloGenerator defines an SLO for slo-generator.
func sloGenerator(s *sli.SLO) (document, error) {
	return document{
		notes: append([]string{"slo-generator takes windows from its error_budget_policies; of this SLO it is " + duration(s.Length()) + "."}, rolls(s, "slo-generator")...),
		body: generatorObject{
			APIVersion: "sre.google.com/v2",
			Kind:       "ServiceLevelObjective",
			Metadata:   generatorMetadata{s.Name, generatorLabels{service, s.Name, s.Indicator}},
			Spec: generatorSpec{
				Description: description(s),
				Backend:     "prometheus",
				Method:      "good_bad_ratio",
				Indicator:   generatorIndicator{selector(s, good), selector(s, bad)},
				Goal:        number(ratio(s)),
			},
		},
	}, nil
}
