package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/export"
	"github.com/gaikei/gaikei/sli/web"
)

// TestReferenceNamesEveryReason holds the table of reasons in the docs against the closed list.
func TestReferenceNamesEveryReason(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	classes := map[probe.Class]string{
		probe.ClassResolve: "resolve", probe.ClassPath: "path", probe.ClassSession: "session",
		probe.ClassAnswer: "answer", probe.ClassMissed: "missed", probe.ClassOwn: "own",
	}
	var want, got [][2]string
	for _, r := range probe.Reasons() {
		want = append(want, [2]string{r.String(), classes[r.Class()]})
	}
	reasons, _, _ := strings.Cut(string(page), "## JSON")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(reasons, -1) {
		got = append(got, [2]string{row[1], row[2]})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("reasons in docs/reference.md (-want +got):\n%s", d)
	}
}

// A metricRow is one row of the table of metrics.
type metricRow struct{ Name, Type, Labels string }

// TestReferenceNamesEveryMetric holds the table of metrics in the docs against what a running program shows.
func TestReferenceNamesEveryMetric(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []metricRow
	rare := map[string]string{} // name to labels
	table := regexp.MustCompile("(?m)^\\| `(gaikei_[a-z_]+)` \\| ([a-z]+) \\| `?([a-z ]*?)`? ?\\| (.+) \\|$")
	of, _, _ := strings.Cut(string(page), rolesHeading)
	for _, row := range table.FindAllStringSubmatch(of, -1) {
		if strings.Contains(row[4], "(shown once there are any)") {
			rare[row[1]] = row[3]
			continue
		}
		want = append(want, metricRow{row[1], row[2], sortedWords(row[3])})
	}
	secure := untrusted(t)
	config := "regions: {here: {}}\n" + twoControls(t) + `
checks:
  - {name: closed, groups: g, interval: 1s, timeout: 500ms, tcp: {address: "127.0.0.4:1"}, expect: unreachable}
  - {name: tls, interval: 1s, timeout: 900ms, http: {url: "` + secure.URL + `"}}
slos: [{name: s, checks: all, objective: 99%, window: 1h}]
feeds: {otlp: [{name: nowhere, url: "http://127.0.0.1:1"}]}
notify:
  page: http://127.0.0.1/
  webhooks: [{name: hook, url: "http://127.0.0.1:1/", secret: "${env:GAIKEI_SECRET_HOOK}"}]
`
	p := start(t, writeFile(t, t.TempDir(), "gaikei.yaml", config), t.TempDir(), "env", pingVariable+"=http://127.0.0.1:1/")
	var text string
	p.until("shows its first result, and counts", func() bool {
		var code int
		code, text = p.get("/metrics")
		return code == http.StatusOK && strings.Contains(text, "gaikei_results_total{") &&
			strings.Contains(text, "gaikei_sli_slots_total{") && strings.Contains(text, "gaikei_slo_seconds_total{") && strings.Contains(text, "gaikei_notifications_total{") &&
			strings.Contains(text, "gaikei_check_warnings{")
	})
	byName := func(a, b metricRow) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(want, byName)
	got := shownMetrics(t, text)
	slices.SortFunc(got, byName)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("metrics in docs/reference.md and of a program (-want +got):\n%s", d)
	}
	if d := cmp.Diff(rare, rareMetrics(got)); d != "" {
		t.Errorf("metrics of rare events in docs/reference.md and in the code (-want +got):\n%s", d)
	}
}

// rolesHeading begins the table of metrics that an aggregator and a prober have and `gaikei run` has not.
const rolesHeading = "### Of an aggregator and its probers"

// TestReferenceNamesEveryMetricOfRoles holds both tables of metrics against what an aggregator and a prober show.
func TestReferenceNamesEveryMetricOfRoles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	above, below, found := strings.Cut(string(page), rolesHeading)
	if !found {
		t.Fatalf("docs/reference.md has no heading %q", rolesHeading)
	}
	row := regexp.MustCompile("(?m)^\\| `(gaikei_[a-z_]+)` \\| ([a-z]+) \\| `?([a-z ]*?)`? ?\\|")
	known, unseen := map[string]metricRow{}, map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		known[m[1]] = metricRow{m[1], m[2], sortedWords(m[3])}
	}
	for _, m := range row.FindAllStringSubmatch(below, -1) {
		if unseen[m[1]] = true; strings.Contains(above, "`"+m[1]+"`") {
			t.Errorf("%s is in both tables", m[1])
		}
	}
	l := newPlant(t)
	s := newSite(t, l.config("tokyo: {}", "web"))
	s.aggregate("--name", "localhost") // with TLS, whose certificate has an end
	listen := "127.0.0.1:" + freePort(t)
	s.probe(s.enroll("enroll", "tokyo", "p1"), "--listen", listen)
	s.follow(1, 1)
	var text string
	s.until("shows its first result", func() bool {
		_, text = s.get("/metrics")
		return strings.Contains(text, "gaikei_results_total{") && strings.Contains(text, "gaikei_prober_clock_offset_seconds{")
	})
	for _, got := range append(shownMetrics(t, text), shownMetrics(t, scrape(t, listen))...) {
		delete(unseen, got.Name)
		if got != known[got.Name] {
			t.Errorf("%+v is shown, docs/reference.md has %+v", got, known[got.Name])
		}
	}
	for _, rare := range []string{"gaikei_uplink_refused_total", "gaikei_prober_refused_total", "gaikei_refused_connections_total"} {
		delete(unseen, rare) // shown once there are any
	}
	for name := range unseen {
		t.Errorf("%s is in docs/reference.md, and neither shows it", name)
	}
}

// shownMetrics reads our metrics out of an exposition.
func shownMetrics(t *testing.T, text string) []metricRow {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var rows []metricRow
	for name, f := range families {
		if !strings.HasPrefix(name, "gaikei_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		rows = append(rows, metricRow{name, strings.ToLower(f.GetType().String()), sortedWords(strings.Join(labels, " "))})
	}
	return rows
}

// rareMetrics returns what the indicators' collector describes and a program has not shown, name to labels.
func rareMetrics(shown []metricRow) map[string]string {
	ch := make(chan *prometheus.Desc, 100)
	web.NewCollector(nil).Describe(ch)
	close(ch)
	rare := map[string]string{}
	described := regexp.MustCompile(`fqName: "([a-z_]+)".*variableLabels: \{([a-z_,]*)\}`)
	for d := range ch {
		m := described.FindStringSubmatch(d.String())
		if !slices.ContainsFunc(shown, func(r metricRow) bool { return r.Name == m[1] }) {
			rare[m[1]] = strings.ReplaceAll(m[2], ",", " ")
		}
	}
	return rare
}

func sortedWords(s string) string {
	words := strings.Fields(s)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// TestUnitStartsTheProgram holds the commands of the systemd unit and its drop-in against the flags there are.
func TestUnitStartsTheProgram(t *testing.T) {
	var lines [][]string
	for _, name := range []string{"gaikei.service", "beyond-loopback.conf", "gaikei-aggregator.service", "gaikei-prober.service"} {
		unit, err := os.ReadFile("../../deploy/systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, regexp.MustCompile(`(?m)^Exec[A-Za-z]+=/usr/local/bin/gaikei (.+)$`).FindAllStringSubmatch(string(unit), -1)...)
	}
	if len(lines) != 7 {
		t.Errorf("found %d commands, want 7", len(lines))
	}
	for _, line := range lines {
		if code, _, errs := gaikei(t, append(strings.Fields(line[1]), "--help")...); code != exitFine {
			t.Errorf("gaikei %s: exit code %d\n%s", line[1], code, errs)
		}
	}
}

// TestPagesCommands holds every command that a page shows, and a unit, composition or manifest in its comments, against
// the commands and flags there are.
func TestPagesCommands(t *testing.T) {
	var lines [][]string
	for name, least := range map[string]int{
		"README.md": 20, "docs/deploy.md": 20, "docs/export.md": 9, "deploy/systemd/gaikei-aggregator.service": 1, "deploy/kubernetes/aggregator.yaml": 1,
	} {
		page, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)^(?: {4,}|# .*/bin/|#   )gaikei ([^#>\n]+)`).FindAllStringSubmatch(string(page), -1)
		if len(found) < least {
			t.Errorf("found %d commands in %s, want at least %d: is the pattern still right?", len(found), name, least)
		}
		lines = append(lines, found...)
	}
	for _, line := range lines {
		args := strings.Fields(strings.ReplaceAll(line[1], "'", ""))
		if code, out, errs := gaikei(t, append(args, "--help")...); code != exitFine || !strings.Contains(out, "gaikei "+args[0]) {
			t.Errorf("gaikei %s: exit code %d\n%s", line[1], code, errs)
		}
	}
}

// TestPagesLinks follows the links of the pages to files and headings.
func TestPagesLinks(t *testing.T) {
	for _, name := range []string{"README.md", "docs/deploy.md", "docs/export.md", "docs/notify.md", "docs/otlp.md", "docs/reference.md", "docs/configuration.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"} {
		page, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		headings := map[string]bool{}
		for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(page), -1) {
			words := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(h[1]), "")
			headings[strings.ReplaceAll(words, " ", "-")] = true
		}
		for _, link := range regexp.MustCompile(`\]\(([^):#[]*)(?:#([^):]+))?\)`).FindAllStringSubmatch(string(page), -1) {
			if _, err := os.Stat(filepath.Join("../..", filepath.Dir(name), link[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, link[1], err)
			}
			if link[1] == "" && !headings[link[2]] {
				t.Errorf("%s links to its heading %q, which it does not have", name, link[2])
			}
		}
	}
}

// TestDeployPageNames holds the alerts and metrics that the page tells to watch against the rules and the reference.
func TestDeployPageNames(t *testing.T) {
	var texts []string
	for _, name := range []string{"docs/deploy.md", "deploy/prometheus/gaikei.rules.yaml", "docs/reference.md"} {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	page, rules, reference := texts[0], texts[1], texts[2]
	alerts := regexp.MustCompile(`\bGaikei[A-Z][A-Za-z]+`).FindAllString(page, -1)
	metrics := regexp.MustCompile(`\bgaikei_[a-z_]+`).FindAllString(page, -1)
	if len(alerts) < 8 || len(metrics) < 3 {
		t.Errorf("found %d alerts and %d metrics, want at least 8 and 3", len(alerts), len(metrics))
	}
	for _, name := range alerts {
		if !strings.Contains(rules, "alert: "+name+"\n") {
			t.Errorf("no rule is called %s", name)
		}
	}
	for _, name := range metrics {
		if !strings.Contains(reference, "| `"+name+"` |") {
			t.Errorf("docs/reference.md does not know %s", name)
		}
	}
}

// TestExportsCountWhatThereIs holds the counters that exports read against the reference, which another test holds against the
// program: were one renamed, evaluators would find nothing and never alert.
func TestExportsCountWhatThereIs(t *testing.T) {
	reference, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	s := sli.SLO{Name: "shop", Checks: []string{"shop"}, Indicator: sli.IndicatorAvailability, Combine: sli.Combine{Rule: "pooled"}, Objective: 0.999, Window: 28 * 24 * time.Hour}
	for _, f := range export.Formats() {
		text, err := f.Text([]sli.SLO{s})
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\bgaikei_[a-z_]+{`).FindAllString(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s reads no counter", f.Name)
		}
		for _, name := range names {
			if row := "| `" + strings.TrimSuffix(name, "{") + "` | counter | `slo verdict` |"; !strings.Contains(string(reference), row) {
				t.Errorf("%s reads %s, and docs/reference.md has no row %q", f.Name, name, row)
			}
		}
	}
}
