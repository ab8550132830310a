package config

import (
	"slices"
	"strings"
	"testing"
)

// TestFeedWants: a pattern is a name, or how names begin.
func TestFeedWants(t *testing.T) {
	byDefault := mustParse(t, feedFile).Feeds.OTLP[0]
	for name, want := range map[string]bool{
		"gaikei_sli_seconds_total": true, "gaikei_slo_decision": true, "gaikei_latency_seconds": true, "gaikei_prober_sli_seconds_total": true,
		"go_goroutines": false, "gaikei_queue_bytes": false, "gaikei_feed_failures_total": false, "gaikei_sl": false,
	} {
		if got := byDefault.Wants(name); got != want {
			t.Errorf("%s: sent by default: %v, want %v", name, got, want)
		}
	}
	some := OTLPFeed{Metrics: []string{"gaikei_slo_decision", "go_*"}}
	if some.Wants("gaikei_slo_decision_total") || !some.Wants("gaikei_slo_decision") || !some.Wants("go_goroutines") {
		t.Error("a name without * stands for itself only, and go_* for what begins so")
	}
	if every := (&OTLPFeed{Metrics: []string{"*"}}); !every.Wants("anything") {
		t.Error("* stands for all")
	}
}

const feedFile = `regions: {a: {}, b: {}, c: {}}
controls: {preset: root-dns}
checks:
  - {name: x, interval: 30s, timeout: 5s, tcp: {address: "192.0.2.1:80"}}
feeds:
  otlp:
    - {name: back, url: "https://otlp.example.com", headers: {X: y}}
`

// TestFeedCredentials: one that is written out is warned of and not shown; a reference is shown, and resolved by nobody.
func TestFeedCredentials(t *testing.T) {
	t.Setenv("GAIKEI_SECRET_KEY", "s3cret")
	for headers, warned := range map[string]bool{
		`{Mackerel-Api-Key: s3cret}`:                         true,
		`{Authorization: "Bearer s3cret"}`:                   true,
		`{x-honeycomb-team: s3cret}`:                         true,
		`{Mackerel-Api-Key: "${env:GAIKEI_SECRET_KEY}"}`:     false,
		`{Authorization: "Bearer ${env:GAIKEI_SECRET_KEY}"}`: false,
		`{X-Scope-OrgID: team, Accept: "*/*"}`:               false,
	} {
		f := mustParse(t, strings.Replace(feedFile, "{X: y}", headers, 1))
		told := slices.ContainsFunc(f.Lint(), func(w Warning) bool { return w.Path == "feeds.otlp[0].headers" })
		if shown := string(f.Show()); told != warned || strings.Contains(shown, "s3cret") || strings.Contains(shown, "redacted") != warned {
			t.Errorf("%s: warned %v, want %v; shown:\n%s", headers, told, warned, shown)
		}
		again, err := Parse("x", f.Show(), Options{})
		if err != nil || len(again.Feeds.OTLP) != 1 {
			t.Errorf("%s: what is shown is read as %v, error %v", headers, again, err)
		}
	}
}
