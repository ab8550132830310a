package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestQueriesOfLabelsAndGroups has promtool answer the queries that docs/reference.md shows for labels, groups and certificates,
// over a check that is in two groups and seen from two regions.
func TestQueriesOfLabelsAndGroups(t *testing.T) {
	promtool := promtoolOf(t)
	page, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "### Labels and groups\n")
	section, _, _ = strings.Cut(section, "\n### ")
	queries := regexp.MustCompile(`(?m)^ {4}(\S.*)$`).FindAllStringSubmatch(section, -1)
	answers := []string{
		"[{labels: '{label_team=\"web\"}', value: 0.75}, {labels: '{label_team=\"ops\"}', value: 0.25}]",
		"[{labels: '{group=\"checkout\"}', value: 0.75}, {labels: '{group=\"core\"}', value: 1}]",
		"[{labels: '{check=\"shop\"}', value: 1}]",
	}
	if len(queries) != len(answers) {
		t.Fatalf("%d queries, want %d", len(queries), len(answers))
	}
	var asked strings.Builder
	for i, q := range queries {
		fmt.Fprintf(&asked, "      - {eval_time: 2h, expr: %q, exp_samples: %s}\n", strings.Replace(q[1], "< 14 * 86400", "< bool 14 * 86400", 1), answers[i])
	}
	tests := writeFile(t, t.TempDir(), "tests.yaml", `evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'gaikei_sli_seconds_total{check="shop",region="tokyo",verdict="bad"}', values: '0+30x200'}
      - {series: 'gaikei_sli_seconds_total{check="shop",region="osaka",verdict="bad"}', values: '0+15x200'}
      - {series: 'gaikei_sli_seconds_total{check="zone",region="tokyo",verdict="bad"}', values: '0+15x200'}
      - {series: 'gaikei_sli_seconds_total{check="zone",region="tokyo",verdict="good"}', values: '0+45x200'}
      - {series: 'gaikei_check_info{check="shop",kind="http",name="Shop",label_team="web"}', values: '1x200'}
      - {series: 'gaikei_check_info{check="zone",kind="dns",name="zone",label_team="ops"}', values: '1x200'}
      - {series: 'gaikei_check_group{check="shop",group="checkout"}', values: '1x200'}
      - {series: 'gaikei_check_group{check="shop",group="core"}', values: '1x200'}
      - {series: 'gaikei_check_group{check="zone",group="core"}', values: '1x200'}
      - {series: 'gaikei_certificate_expiry_timestamp_seconds{check="shop",region="tokyo"}', values: '1000000x200'}
    promql_expr_test:
`+asked.String())
	if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", tests).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
