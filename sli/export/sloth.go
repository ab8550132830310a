package export

import (
	"errors"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// A slothSpec is Sloth's own format, https://sloth.dev/specs/default/.
type slothSpec struct {
	Version string     `yaml:"version"`
	Service string     `yaml:"service"`
	SLOs    []slothSLO `yaml:"slos"`
}

type slothSLO struct {
	Name        string        `yaml:"name"`
	Description string        `yaml:"description"`
	Objective   number        `yaml:"objective"` // percent
	Plugins     slothPlugins  `yaml:"plugins"`
	SLI         slothSLI      `yaml:"sli"`
	Alerting    slothAlerting `yaml:"alerting"`
}

type slothPlugins struct {
	Chain []slothPlugin `yaml:"chain"`
}

type slothPlugin struct {
	ID     string            `yaml:"id"`
	Config slothPluginConfig `yaml:"config"`
}

type slothPluginConfig struct {
	DisableOptimized bool `yaml:"disableOptimized"`
}

type slothSLI struct {
	Events slothEvents `yaml:"events"`
}

type slothEvents struct {
	ErrorQuery string `yaml:"error_query"`
	TotalQuery string `yaml:"total_query"`
}

type slothAlerting struct {
	Name   string            `yaml:"name"`
	Labels map[string]string `yaml:"labels"`
	Page   slothAlert        `yaml:"page_alert"`
	Ticket slothAlert        `yaml:"ticket_alert"`
}

type slothAlert struct {
	Labels map[string]string `yaml:"labels"`
}

const day = 24 * time.Hour

// sloth defines an SLO for Sloth. By default Sloth takes the average of short ratios for the ratio of the whole window, as if
// there were as much valid time in each. The plugin divides sums, and weighs what is bad in a short window by how much valid
// time there was in it: after an hour of maintenance one bad slot is not the whole hour's.
func sloth(s *sli.SLO) (document, error) {
	if len(s.Name) < 2 {
		return document{}, errors.New("the name is one letter long, and Sloth wants two")
	}
	period := "Sloth takes the window from its command line: --default-slo-period " + duration(s.Length())
	if l := s.Length(); l != 28*day && l != 30*day {
		period += ", with alert windows for it in --slo-period-windows-path"
	}
	early := "Until Prometheus has " + duration(s.Length()) + " of the counter Sloth's alerts are too early: its plugin takes what is missing for time in which little was valid."
	return document{
		notes: append([]string{period + ".", early}, rolls(s, "Sloth")...),
		body: slothSpec{
			Version: "prometheus/v1",
			Service: service,
			SLOs: []slothSLO{{
				Name: s.Name, Description: description(s), Objective: number(percent(s)),
				Plugins: slothPlugins{[]slothPlugin{{"sloth.dev/contrib/denominator_corrected_rules/v1", slothPluginConfig{true}}}},
				SLI:     slothSLI{slothEvents{slothRate(s, bad), positive(slothRate(s, valid))}},
				Alerting: slothAlerting{
					Name:   alertName,
					Labels: map[string]string{"slo": s.Name},
					Page:   slothAlert{map[string]string{"severity": "page"}},
					Ticket: slothAlert{map[string]string{"severity": "ticket"}},
				},
			}},
		},
	}, nil
}
