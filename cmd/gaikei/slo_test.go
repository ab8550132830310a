package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// TestSLO has an outage spend a budget, and a correction give it back: command line, API and gauges say the same, and the policy
// what to do.
func TestSLO(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	target := listenOn(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	var told sync.Map // what a webhook was told: kind, SLO and state after
	hook := listenOn(t, "127.0.0.1", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e struct{ Kind, SLO, After string }
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		told.Store(e.Kind+" "+e.SLO+" "+e.After, true)
	}))
	dir := t.TempDir()
	data := dir + "/data"
	p := start(t, writeFile(t, dir, "gaikei.yaml", "regions: {here: {weight: 1}}\ndefaults: {interval: 500ms, timeout: 200ms}\n"+twoControls(t)+
		fmt.Sprintf(`checks:
  - {name: shop, http: {url: "http://%s/"}}
slos:
  - {name: strict, checks: all, objective: 99%%, window: 1h}
  - {name: loose, checks: [shop], objective: 1%%, calendar: day, policy: [{budget_below: 100%%, decide: watch}]}
notify: {page: "http://127.0.0.1/", webhooks: [{name: hook, url: "http://%s/", secret: "${env:GAIKEI_SECRET_HOOK}"}]}
`, target, hook)), data, "env", "GAIKEI_SECRET_HOOK=whsec_"+strings.Repeat("abcd", 8))
	slo := func(code int, words ...string) []sli.SLOReport {
		t.Helper()
		got, out, errs := gaikei(t, append([]string{"slo", "--data", data, "-o", "json"}, words...)...)
		var list []sli.SLOReport
		if err := json.Unmarshal([]byte(out), &list); err != nil || got != code {
			t.Fatalf("slo %s: exit code %d, want %d: %v\n%s%s", strings.Join(words, " "), got, code, err, out, errs)
		}
		return list
	}
	code, _, errs := gaikei(t, "slo", "--data", data, "drft")
	if code != exitUsage || !strings.Contains(errs, `there is no slo "drft"`) || !strings.Contains(errs, "hint: did you mean 'gaikei slo draft'?\n") {
		t.Errorf("a mistyped command: exit code %d, want %d and which was meant: %s", code, exitUsage, errs)
	}
	// The outage is settled, and some seconds without one.
	outage := time.Now().Add(-time.Minute).UTC()
	p.until("has settled some failures", func() bool { r := slo(exitFine, "strict"); return r[0].SLI != nil && *r[0].Budget.SpentSlots >= 4 })
	broken.Store(false)
	p.until("has settled some successes", func() bool { return *slo(exitFine, "strict")[0].SLI > 0 })
	all := slo(exitNegative, "--exit-code")
	strict, loose := all[0], all[1]
	if strict.Decision.Decision != "exhausted" || !strings.Contains(strict.Decision.Sentence, "not above the objective of 99%") || !strict.Burn[0].Alert {
		t.Errorf("strict: got %+v, burn %+v, want an exhausted budget and an alert", strict.Decision, strict.Burn[0])
	}
	if loose.Decision.Decision != "watch" || loose.Calendar == nil || !loose.End.After(loose.To) || slo(exitFine, "--exit-code", "loose")[0].Name != "loose" {
		t.Errorf("loose: got %+v until %v, want to watch, until the day is over", loose.Decision, loose.End)
	}
	if _, out, _ := gaikei(t, "slo", "--data", data); !strings.Contains(out, "strict: Availability is ") || !strings.Contains(out, "(page)") {
		t.Errorf("table: got\n%s\nwant a sentence for each, and that it burns", out)
	}
	code, _, errs = gaikei(t, "slo", "--data", data, "strikt")
	if code != exitUsage || !strings.Contains(errs, `did you mean "strict"?`) {
		t.Errorf("of another name: exit code %d, %s", code, errs)
	}

	incidents := func() []sli.Incident {
		t.Helper()
		code, out, errs := gaikei(t, "incidents", "--data", data, "--check", "shop", "--quorum", "all", "-o", "json")
		var list []sli.Incident
		if err := json.Unmarshal([]byte(out), &list); err != nil || code != exitFine {
			t.Fatalf("incidents: exit code %d, %v: %s", code, err, errs)
		}
		return list
	}
	if xs := incidents(); len(xs) != 1 || xs[0].Kind != sli.IncidentBad || xs[0].To == nil || xs[0].Reasons["status"] < 4 || xs[0].Regions[0].Region != "here" || xs[0].BudgetSpent["strict"] <= 0 {
		t.Errorf("incidents: got %+v, want the outage, which spent some of the budget", xs)
	}
	p.until("tells the evidence of the incident", func() bool {
		xs := incidents()
		return len(xs) == 1 && len(xs[0].Regions[0].Evidence) > 0 && strings.HasPrefix(xs[0].Summary(), "status: got ")
	})
	code, out, errs := gaikei(t, "corrections", "add", "--data", data, "--check", "shop", "--from", outage.Format(time.RFC3339), "--to", "now",
		"--effect", "good", "--category", "test", "--reason", "it was this test")
	if code != exitFine {
		t.Fatalf("correct: exit code %d: %s%s", code, out, errs)
	}
	r := slo(exitFine, "--exit-code", "strict")[0]
	if r.Decision.Decision != "ok" || *r.SLI != 1 || r.Observed == nil || *r.Observed >= 0.99 {
		t.Errorf("corrected: got SLI %v, observed %v, %s, want all good, and below the objective as observed", *r.SLI, r.Observed, r.Decision.Decision)
	}
	if xs := incidents(); len(xs) != 0 {
		t.Errorf("incidents, corrected: got %+v, want none", xs)
	}
	code, out, errs = gaikei(t, "slo", "history", "strict", "--data", data, "--step", "20s", "--window", "2m", "-o", "json")
	var points []sli.SLOPoint
	if err := json.Unmarshal([]byte(out), &points); err != nil || code != exitFine || len(points) < 6 {
		t.Fatalf("history: exit code %d, %v, %d points, want at least 6\n%s%s", code, err, len(points), out, errs)
	}
	if x := points[len(points)-1]; x.Name != "strict" || x.Decision.Decision != "ok" || x.Observed == nil || *x.Observed >= 0.99 || x.Step.Spent == nil {
		t.Errorf("history: got last %+v, want what the report says", x)
	}
	if _, out, _ = gaikei(t, "slo", "history", "--data", data, "--step", "day", "--timezone", "Asia/Tokyo"); !strings.Contains(out, "strict  ") || !strings.Contains(out, "loose  ") {
		t.Errorf("history of both by days: got\n%s", out)
	}
	path := dir + "/review.html"
	if code, _, errs = gaikei(t, "slo", "review", "--data", data, "--window", "2m", "--step", "20s", "--out", path); code != exitFine {
		t.Fatalf("review: exit code %d: %s", code, errs)
	}
	if page, err := os.ReadFile(path); err != nil || !strings.Contains(string(page), "<!DOCTYPE html>") || !strings.Contains(string(page), "it was this test (test)") {
		t.Errorf("review: error %v, want a page with the correction\n%s", err, page)
	}
	if _, out, _ = gaikei(t, "slo", "review", "loose", "--data", data, "--window", "2m", "--step", "20s"); !strings.Contains(out, "## loose: ") || strings.Contains(out, "strict") {
		t.Errorf("review of one: got\n%s", out)
	}
	if code, _, errs = gaikei(t, "slo", "review", "--data", data, "-o", "pdf"); code != exitUsage || !strings.Contains(errs, "want markdown or html") {
		t.Errorf("review as PDF: exit code %d, %s", code, errs)
	}
	// One number: the gauge is worked out every few seconds.
	gauge := regexp.MustCompile(`(?m)^gaikei_slo_budget_remaining_ratio\{slo="strict"\} (\S+)$`)
	p.until("shows the budget in a gauge", func() bool {
		_, text := p.get("/metrics")
		m := gauge.FindStringSubmatch(text)
		if m == nil {
			return false
		}
		left, err := strconv.ParseFloat(m[1], 64)
		return err == nil && left == 1
	})
	p.until("has told a webhook of the outage", func() bool {
		_, exhausted := told.Load("decision strict exhausted")
		_, burning := told.Load("burn_rate strict burning")
		return exhausted && burning
	})
	if _, page := p.get("/"); !strings.Contains(page, `<li id="slo-strict"`) {
		t.Error("the page has no place that a link to the SLO leads to")
	}
	p.stop()
	if xs := incidents(); len(xs) != 0 {
		t.Errorf("incidents from the files: got %+v, want none", xs)
	}
	// What is drafted can be pasted.
	code, out, errs = gaikei(t, "slo", "draft", "--data", data, "--window", "2h")
	if code != exitFine || !strings.Contains(out, "name: shop-availability") {
		t.Errorf("draft from the files: exit code %d\n%s%s", code, out, errs)
	}
	drafted := writeFile(t, t.TempDir(), "gaikei.yaml", "regions: {here: {weight: 1}}\n"+twoControls(t)+
		"checks: [{name: shop, tcp: {address: \"192.0.2.1:80\"}, latency: {under: 1s}}]\n"+out)
	if code, out, errs = gaikei(t, "config", "check", "-c", drafted); code != exitFine {
		t.Errorf("a draft as configuration: exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = gaikei(t, "certainty", "--data", data, "--window", "2h", "--quorum", "all")
	if code != exitFine || !strings.Contains(out, "too few to say") || !strings.Contains(out, "1s") {
		t.Errorf("certainty from the files: exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = gaikei(t, "uptime", "--data", data, "--window", "2h", "--length", "1h")
	if code != exitFine || !strings.Contains(out, "shop   1h") {
		t.Errorf("uptime from the files: exit code %d\n%s%s", code, out, errs)
	}
}

// What is overspent never looks like nothing.
func TestLeftText(t *testing.T) {
	for left, want := range map[float64]string{1: "100%", 0.25: "25.00%", 0: "0%", -0.0004: "-0.04%", -0.5: "-50.0%", -12: "-1200.0%"} {
		if got := leftText(&left); got != want {
			t.Errorf("%v: got %s, want %s", left, got, want)
		}
	}
}
