package export

import (
	"fmt"
	"strings"

	"github.com/gaikei/gaikei/sli"
)

// An alphaObject is an SLO of OpenSLO v1alpha.
type alphaObject struct {
	APIVersion string        `yaml:"apiVersion"`
	Kind       string        `yaml:"kind"`
	Metadata   namedMetadata `yaml:"metadata"`
	Spec       alphaSpec     `yaml:"spec"`
}

type alphaSpec struct {
	Description     string           `yaml:"description"`
	Service         string           `yaml:"service"`
	TimeWindows     []countedWindow  `yaml:"timeWindows"`
	BudgetingMethod string           `yaml:"budgetingMethod"`
	Objectives      []alphaObjective `yaml:"objectives"`
}

// A countedWindow is so many units. OpenSLO v1alpha and Nobl9 write it alike.
type countedWindow struct {
	Unit      string    `yaml:"unit"`
	Count     int       `yaml:"count"`
	IsRolling bool      `yaml:"isRolling"`
	Calendar  *calendar `yaml:"calendar,omitempty"`
}

type alphaObjective struct {
	DisplayName  string      `yaml:"displayName"`
	Value        number      `yaml:"value"`
	Target       number      `yaml:"target"`
	RatioMetrics alphaRatios `yaml:"ratioMetrics"`
}

type alphaRatios struct {
	Incremental bool        `yaml:"incremental"`
	Good        alphaMetric `yaml:"good"`
	Total       alphaMetric `yaml:"total"`
}

type alphaMetric struct {
	Source    string `yaml:"source"`
	QueryType string `yaml:"queryType"`
	Query     string `yaml:"query"`
}

// openSLOAlpha defines an SLO in OpenSLO v1alpha, as Sloth reads it: queries have Sloth's window in them, and so are rates and
// no counters. The value is of no use with ratios, but the format's own validator wants one.
func openSLOAlpha(s *sli.SLO) (document, error) {
	w, err := countedWindowOf(s)
	if err != nil {
		return document{}, err
	}
	return document{
		notes: []string{"The queries are for Sloth, which puts a window in place of {{.window}}."},
		body: alphaObject{
			APIVersion: "openslo/v1alpha",
			Kind:       "SLO",
			Metadata:   namedMetadata{dashed(s.Name), s.Name},
			Spec: alphaSpec{
				Description:     description(s),
				Service:         service,
				TimeWindows:     []countedWindow{w},
				BudgetingMethod: "Occurrences",
				Objectives: []alphaObjective{{
					DisplayName: s.Indicator, Value: "1", Target: number(ratio(s)),
					RatioMetrics: alphaRatios{
						Good:  alphaMetric{"prometheus", "promql", slothRate(s, good)},
						Total: alphaMetric{"prometheus", "promql", positive(slothRate(s, valid))},
					},
				}},
			},
		},
	}, nil
}

// longest is how long a rolling window may be in OpenSLO v1alpha and Nobl9.
const longest = 31 * day

func countedWindowOf(s *sli.SLO) (countedWindow, error) {
	if s.Calendar != "" {
		return countedWindow{Unit: strings.ToUpper(s.Calendar[:1]) + s.Calendar[1:], Count: 1, Calendar: &calendar{epoch, timezone(s)}}, nil
	}
	if s.Window > longest {
		return countedWindow{}, fmt.Errorf("the window is %s, and rolling windows of this format are %s at most", duration(s.Window), duration(longest))
	}
	n, unit, err := count(s.Window)
	return countedWindow{Unit: unit, Count: n, IsRolling: true}, err
}
