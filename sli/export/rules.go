package export

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/gaikei/gaikei/sli"
)

// A ruleFile is a file of Prometheus rules.
type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

const (
	alertName = "GaikeiSLOBurn"
	recorded  = "slo:gaikei_slo_seconds:bad_ratio" // {slo,window}
)

// shortest is the least window of a rate: checks look once in some minutes, and Prometheus scrapes once in one.
const shortest = 5 * time.Minute

// prometheusRules defines an SLO as a group of rules: the bad share of each window that burn rates are told of, and an alert for
// each pair of windows, which is due while both burn too fast.
func prometheusRules(s *sli.SLO) (document, error) {
	burns := sli.BurnWindows(s.Length(), shortest)
	notes := rolls(s, "Prometheus")
	group := ruleGroup{Name: "gaikei-slo-" + s.Name}
	for _, length := range windowsOf(burns) {
		group.Rules = append(group.Rules, recording(s, length))
	}
	worst := 1 / (1 - float64(s.Objective)) // how fast the budget burns if all is bad
	for _, b := range burns {
		if b.Factor >= worst {
			notes = append(notes, fmt.Sprintf("Even if all is bad the budget burns only %.3g times as fast as it may, so there is no alert at %s times.", worst, factor(b)))
			continue
		}
		group.Rules = append(group.Rules, alert(s, b))
	}
	return document{notes: notes, body: ruleFile{[]ruleGroup{group}}}, nil
}

// windowsOf are all windows of the pairs, each once, from the shortest.
func windowsOf(burns []sli.BurnWindow) []time.Duration {
	var lengths []time.Duration
	for _, b := range burns {
		lengths = append(lengths, b.Short, b.Long)
	}
	slices.Sort(lengths)
	return slices.Compact(lengths)
}

func recording(s *sli.SLO, length time.Duration) rule {
	rate := func(verdict string) string {
		return "sum by (slo) (rate(" + selector(s, verdict) + "[" + duration(length) + "]))"
	}
	return rule{
		Record: recorded,
		Expr:   rate(bad) + "\n  / (" + positive(rate(valid)) + ")\n",
		Labels: map[string]string{"slo": s.Name, "window": duration(length)},
	}
}

func alert(s *sli.SLO, b sli.BurnWindow) rule {
	burns := func(length time.Duration) string {
		return fmt.Sprintf(`%s{slo="%s",window="%s"} > %s * (1 - %s)`, recorded, s.Name, duration(length), factor(b), ratio(s))
	}
	summary := fmt.Sprintf("SLO %s (%s over %s) burns its error budget more than %s times as fast as it may: {{ $value | humanizePercentage }} of the last %s was bad.",
		s.Name, s.Objective, window(s), factor(b), duration(b.Long))
	if s.Provisional {
		summary += " The objective is provisional."
	}
	return rule{
		Alert:       alertName,
		Expr:        burns(b.Long) + "\n  and ignoring (window)\n" + burns(b.Short) + "\n",
		Labels:      map[string]string{"severity": b.Severity, "slo": s.Name},
		Annotations: map[string]string{"summary": summary},
	}
}

func factor(b sli.BurnWindow) string { return strconv.FormatFloat(b.Factor, 'f', -1, 64) }

// oneRuleFile makes one document of all groups: Prometheus ignores what comes after the first.
func oneRuleFile(docs []document) ([]byte, error) {
	groups := yaml.Node{Kind: yaml.SequenceNode}
	for _, d := range docs {
		for _, g := range d.body.(ruleFile).Groups {
			var n yaml.Node
			if err := n.Encode(g); err != nil {
				return nil, fmt.Errorf("write the SLO %s: %w", d.slo, err)
			}
			n.HeadComment = strings.TrimSuffix(d.comment(), "\n")
			groups.Content = append(groups.Content, &n)
		}
	}
	return encode(map[string]*yaml.Node{"groups": &groups})
}
