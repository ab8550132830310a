package notify

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// An Alert as version 2 of Alertmanager's API takes it.
type Alert struct {
	Labels       map[string]string `json:"labels"` // it is known by these
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // in the future: when it ends if it is not told again
	GeneratorURL string            `json:"generatorURL"`

	over bool // it has ended
}

// alertNames are the names of alerts by what they are about.
var alertNames = map[string]string{sli.NoticeBurn: "GaikeiBurnRate", sli.NoticeDecision: "GaikeiDecision", sli.NoticeFault: "GaikeiFault"}

// newAlert makes the alert of a matter in a state, explained by a notice of the same matter. There are no figures in its
// labels: another label is another alert.
func newAlert(page, state string, n sli.Notice) Alert {
	a := Alert{
		Labels:       map[string]string{"alertname": alertNames[n.Kind], "severity": n.Severity},
		Annotations:  map[string]string{"summary": summary(state, n), "description": n.Sentence, "link": link(page, n.Matter)},
		GeneratorURL: link(page, n.Matter),
	}
	if n.Kind == sli.NoticeDecision {
		a.Labels["decision"] = state
	}
	for name, value := range map[string]string{"slo": n.SLO, "region": n.Region, "prober": n.Prober} {
		if value != "" {
			a.Labels[name] = value
		}
	}
	if r := n.Report; r != nil {
		figures(a.Annotations, r)
	}
	return a
}

// figures are shown as people read them; an undefined one is left out.
func figures(into map[string]string, r *sli.SLOReport) {
	into["objective"] = sli.Ratio(r.Objective).String()
	if r.SLI != nil {
		into["sli"] = sli.FormatRatio(r.SLI)
	}
	if left := r.Budget.Left; left != nil {
		into["budget_left"] = strconv.FormatFloat(100**left, 'f', 1, 64) + "%"
	}
	into["as_of"] = r.AsOf.Format(time.RFC3339)
}

func summary(state string, n sli.Notice) string {
	text := "The error budget of " + n.SLO + " is being spent too fast."
	switch n.Kind {
	case sli.NoticeDecision:
		text = "The error budget policy of " + n.SLO + " says: " + state + "."
	case sli.NoticeFault:
		return "Gaikei cannot see or tell as it should" + where(n.Matter) + "."
	}
	if n.Report != nil && n.Report.Provisional {
		text += " The objective is provisional."
	}
	return text
}

func where(m sli.Matter) string {
	switch {
	case m.Prober != "":
		return " (prober " + m.Prober + " in region " + m.Region + ")"
	case m.Region != "":
		return " (region " + m.Region + ")"
	}
	return ""
}

// link is where the page shows a matter.
func link(page string, m sli.Matter) string {
	page = strings.TrimRight(page, "/") + "/"
	if m.SLO == "" {
		return page
	}
	return page + "#slo-" + m.SLO // a name needs no escape
}

// key tells alerts apart as Alertmanager does.
func (a *Alert) key() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		b.WriteString(name + "\x00" + a.Labels[name] + "\x00")
	}
	return b.String()
}

func compareMatters(x, y sli.Matter) int {
	return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.SLO, y.SLO), cmp.Compare(x.Severity, y.Severity), cmp.Compare(x.Region, y.Region), cmp.Compare(x.Prober, y.Prober))
}
