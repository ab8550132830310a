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

// service is what all SLOs are filed under where a format wants a service. Which SLOs belong together is not in the
// configuration.
const service = "gaikei"

// Verdicts, as matchers of the counter.
const (
	good  = `verdict="good"`
	bad   = `verdict="bad"`
	valid = `verdict=~"good|bad"`
)

// selector is the counter's part of an SLO. Names need no quoting.
func selector(s *sli.SLO, verdict string) string {
	return fmt.Sprintf(`gaikei_slo_seconds_total{slo="%s",%s}`, s.Name, verdict)
}

// sum is that part of all instances that are scraped.
func sum(s *sli.SLO, verdict string) string { return "sum(" + selector(s, verdict) + ")" }

// slothRate is its rate over the window that Sloth fills in.
func slothRate(s *sli.SLO, verdict string) string {
	return "sum(rate(" + selector(s, verdict) + "[{{.window}}]))"
}

// positive leaves nothing where nothing is valid; a ratio to it is then absent, and no comparison true.
func positive(query string) string { return "(" + query + ") > 0" }

// A number is a decimal that is written as it stands, without an exponent.
type number string

// MarshalYAML implements yaml.Marshaler.
func (n number) MarshalYAML() (any, error) {
	tag := "!!int"
	if strings.Contains(string(n), ".") {
		tag = "!!float"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: string(n)}, nil
}

// percent is the objective of a hundred, without the sign.
func percent(s *sli.SLO) string { return strings.TrimSuffix(s.Objective.String(), "%") }

// ratio is the objective of one.
func ratio(s *sli.SLO) string { return strconv.FormatFloat(float64(s.Objective), 'f', -1, 64) }

// duration writes a duration as Prometheus does, in days at most.
func duration(d time.Duration) string {
	var b strings.Builder
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	return b.String()
}

// count is a duration in the longest of days, hours and minutes in which it is a whole number.
func count(d time.Duration) (n int, unit string, err error) {
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"Day", 24 * time.Hour}, {"Hour", time.Hour}, {"Minute", time.Minute}} {
		if d%u.size == 0 {
			return int(d / u.size), u.name, nil
		}
	}
	return 0, "", fmt.Errorf("the window is %s, want whole minutes", duration(d))
}

// window says in words which time the SLO is about.
func window(s *sli.SLO) string {
	if s.Calendar == "" {
		return duration(s.Window)
	}
	return "a calendar " + s.Calendar + " in " + timezone(s)
}

func timezone(s *sli.SLO) string {
	if s.Timezone == "" {
		return "UTC"
	}
	return s.Timezone
}

// epoch is when a day, a week, a month and a quarter began.
const epoch = "2024-01-01 00:00:00"

// rolls notes that a calendar's unit is taken for a rolling window; nothing if the SLO has one.
func rolls(s *sli.SLO, reader string) []string {
	if s.Calendar == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s has rolling windows only: this is about the last %s, where the SLO is about %s and begins anew with each.",
		reader, duration(s.Length()), window(s))}
}

// named is how many checks a description names.
const named = 3

// description is the SLO in a sentence.
func description(s *sli.SLO) string {
	var b strings.Builder
	if s.Provisional {
		b.WriteString("Provisional: ")
	}
	b.WriteString(map[string]string{
		sli.IndicatorAvailability: "availability of ", sli.IndicatorLatency: "share of fast answers of ", sli.IndicatorProber: "prober SLI of ",
	}[s.Indicator])
	b.WriteString(checks(s))
	if s.Group == sli.GroupAll {
		b.WriteString(", group all")
	}
	if rule := s.Combine.String(); rule != "" && rule != "pooled" {
		b.WriteString(", " + rule)
	}
	fmt.Fprintf(&b, ": %s over %s.", s.Objective, window(s))
	text := b.String()
	return strings.ToUpper(text[:1]) + text[1:]
}

func checks(s *sli.SLO) string {
	switch n := len(s.Checks); {
	case slices.Contains(s.Checks, "all"):
		return "all checks"
	case n > named:
		return fmt.Sprintf("%s and %d more", strings.Join(s.Checks[:named], ", "), n-named)
	}
	return strings.Join(s.Checks, ", ")
}
