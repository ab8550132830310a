package export

import (
	"strconv"
	"strings"

	"github.com/gaikei/gaikei/sli"
)

// An openSLOObject is an SLO of OpenSLO v1, https://github.com/OpenSLO/OpenSLO. Indicator and source are inside it.
type openSLOObject struct {
	APIVersion string        `yaml:"apiVersion"`
	Kind       string        `yaml:"kind"`
	Metadata   namedMetadata `yaml:"metadata"`
	Spec       openSLOSpec   `yaml:"spec"`
}

// A namedMetadata also has the name that the SLO has here.
type namedMetadata struct {
	Name        string `yaml:"name"`
	DisplayName string `yaml:"displayName"`
}

type openSLOSpec struct {
	Description     string             `yaml:"description"`
	Service         string             `yaml:"service"`
	Indicator       openSLOIndicator   `yaml:"indicator"`
	TimeWindow      []openSLOWindow    `yaml:"timeWindow"`
	BudgetingMethod string             `yaml:"budgetingMethod"`
	Objectives      []openSLOObjective `yaml:"objectives"`
}

type openSLOIndicator struct {
	Metadata metadata           `yaml:"metadata"`
	Spec     openSLOIndicatorOf `yaml:"spec"`
}

type openSLOIndicatorOf struct {
	RatioMetric openSLORatio `yaml:"ratioMetric"`
}

type openSLORatio struct {
	Counter bool          `yaml:"counter"`
	Good    openSLOMetric `yaml:"good"`
	Total   openSLOMetric `yaml:"total"`
}

type openSLOMetric struct {
	MetricSource openSLOSource `yaml:"metricSource"`
}

type openSLOSource struct {
	Type string       `yaml:"type"`
	Spec openSLOQuery `yaml:"spec"`
}

type openSLOQuery struct {
	Query string `yaml:"query"`
}

type openSLOWindow struct {
	Duration  string    `yaml:"duration"`
	IsRolling bool      `yaml:"isRolling"`
	Calendar  *calendar `yaml:"calendar,omitempty"`
}

// A calendar says when one of the calendar's units began, by the clocks of a place. OpenSLO and Nobl9 write it alike.
type calendar struct {
	StartTime string `yaml:"startTime"`
	TimeZone  string `yaml:"timeZone"`
}

type openSLOObjective struct {
	DisplayName string `yaml:"displayName"`
	Target      number `yaml:"target"`
}

// openSLO defines an SLO in OpenSLO v1.
func openSLO(s *sli.SLO) (document, error) {
	w, err := openSLOWindowOf(s)
	if err != nil {
		return document{}, err
	}
	query := func(verdict string) openSLOMetric {
		return openSLOMetric{openSLOSource{"Prometheus", openSLOQuery{sum(s, verdict)}}}
	}
	return document{body: openSLOObject{
		APIVersion: "openslo/v1",
		Kind:       "SLO",
		Metadata:   namedMetadata{dashed(s.Name), s.Name},
		Spec: openSLOSpec{
			Description: description(s),
			Service:     service,
			Indicator: openSLOIndicator{
				metadata{dashed(s.Name)},
				openSLOIndicatorOf{openSLORatio{Counter: true, Good: query(good), Total: query(valid)}},
			},
			TimeWindow:      []openSLOWindow{w},
			BudgetingMethod: "Occurrences",
			Objectives:      []openSLOObjective{{s.Indicator, number(ratio(s))}},
		},
	}}, nil
}

func openSLOWindowOf(s *sli.SLO) (openSLOWindow, error) {
	if s.Calendar != "" {
		unit := map[string]string{"day": "d", "week": "w", "month": "M", "quarter": "Q"}[s.Calendar]
		return openSLOWindow{Duration: "1" + unit, Calendar: &calendar{epoch, timezone(s)}}, nil
	}
	n, unit, err := count(s.Window)
	if err != nil {
		return openSLOWindow{}, err
	}
	return openSLOWindow{Duration: strconv.Itoa(n) + strings.ToLower(unit[:1]), IsRolling: true}, nil
}
