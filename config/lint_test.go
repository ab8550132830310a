package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lintOf returns the warnings of a configuration in short: line, path, reason and remedy.
func lintOf(t *testing.T, text string) []string {
	t.Helper()
	f, err := Parse("x", []byte(text), Options{Now: now()})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var list []string
	for _, w := range f.Lint() {
		list = append(list, w.String())
	}
	return list
}

// calmFile has nothing to be warned of.
const calmFile = `regions: {a: {}, b: {}, c: {}}
controls: {preset: root-dns}
checks:
  - {name: x, interval: 30s, timeout: 5s, tcp: {address: "192.0.2.1:80"}}
`

func TestLint(t *testing.T) {
	with := func(old, text string) string {
		if !strings.Contains(calmFile, old) {
			t.Fatalf("%q is not in the file", old)
		}
		return strings.Replace(calmFile, old, text, 1)
	}
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", calmFile, nil},
		{"one region", with("{a: {}, b: {}, c: {}}", "{a: {}}"), []string{
			"x:1:10: regions: one region cannot tell a fault of the target from one on its own way there (probe from three regions or more)",
		}},
		{"no weight", with("{a: {}, b: {}, c: {}}", "{a: {weight: 0}, b: {weight: 0}}"), []string{
			"x:1:10: regions: every region has weight 0, so figures over all regions are undefined (give a weight to those that stand for users)",
		}},
		{"no controls", with("{preset: root-dns}", "none"), []string{
			"x:2:11: controls: without controls every fault of a prober's own network is booked to the targets, as unvouched (controls: {preset: root-dns})",
		}},
		{"no checks", "regions: {a: {}, b: {}}\ncontrols: {preset: root-dns}\nchecks: []\n", []string{"x:3:9: checks: nothing is probed (add a check)"}},
		{"timeout as long as the interval", with("timeout: 5s", "timeout: 30s"), []string{
			"x:4:39: checks[0].timeout: x: timeout and interval are both 30s, so a slow answer delays the next slot until it is missed (shorten the timeout, or lengthen the interval)",
		}},
		{"a timeout that a blip can fill", with("timeout: 5s", "timeout: 1499ms"), []string{
			"x:4:39: checks[0].timeout: x: a timeout under 1s500ms cannot tell an outage from a blip of the prober's own network at once, so at least the first slot of one stays inconclusive (use 2s or more)",
		}},
		{"one that a blip cannot fill", with("timeout: 5s", "timeout: 1500ms"), nil},
		{"one that a blip can fill, with a name", strings.NewReplacer(
			"{preset: root-dns}", `{targets: [{http: {url: "https://www.example.org/"}}]}`,
			"timeout: 5s", "timeout: 1999ms", "192.0.2.1:80", "www.example.com:80",
		).Replace(calmFile), []string{
			"x:4:39: checks[0].timeout: x: a timeout under 2s cannot tell a name that is not found in time from a blip of the prober's own network, so dns_timeout stays inconclusive for minutes (use 2s or more)",
		}},
		{"one for which nobody vouches anyhow", strings.NewReplacer("timeout: 5s", "timeout: 500ms", "{preset: root-dns}", "none").Replace(calmFile), []string{
			"x:2:11: controls: without controls every fault of a prober's own network is booked to the targets, as unvouched (controls: {preset: root-dns})",
		}},
		{"a long wait", with("interval: 30s, timeout: 5s", "interval: 30m, timeout: 6m"), []string{
			"x:4:39: checks[0].timeout: x: a slot can take 6m, and all figures wait for the slowest check (shorten the timeout, or retry less)",
		}},
		{"a threshold nobody misses", with("timeout: 5s", "timeout: 5s, latency: {under: 6s}"), []string{
			"x:4:60: checks[0].latency.under: x: every success is under 6s, since a slot ends after 5s (lower the threshold)",
		}},
		{"a credential of a receiver", calmFile + "slos: [{name: s, checks: x, objective: 90%, window: 28d}]\n" +
			"notify: {page: \"https://gaikei.example.com/\", alertmanagers: [{name: am, url: \"http://127.0.0.1:9093\", headers: {Authorization: Bearer x}}]}\n", []string{
			`x:6:9: notify: a credential is written out in the file (give it by reference: headers: {Authorization: "Bearer ${env:GAIKEI_SECRET_…}"})`,
		}},
		{"nothing to tell", calmFile + "notify: {page: \"https://gaikei.example.com/\", alertmanagers: [{name: am, url: \"http://127.0.0.1:9093\"}]}\n", []string{
			"x:5:9: notify: there is no SLO, so only faults of Gaikei itself are told (add slos; 'gaikei slo draft' has some to begin with)",
		}},
		{"a credential", with(`tcp: {address: "192.0.2.1:80"}`, `http: {url: "http://user:secret@192.0.2.1/"}`), []string{
			`x:4:49: checks[0].http: x: a credential is written out in the file (keep it at the probers, by reference: "${env:GAIKEI_SECRET_…}")`,
		}},
		{"a provisional objective", calmFile + "slos: [{name: s, checks: x, objective: 99%, window: 28d, provisional: true}]\n", []string{
			"x:5:71: slos[0].provisional: s: the objective is provisional (review it with what was observed, then remove provisional)",
		}},
	} {
		if diff := cmp.Diff(row.want, lintOf(t, row.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// TestLintObjective: the sentence is computed, for any schedule and rule.
func TestLintObjective(t *testing.T) {
	for _, row := range []struct {
		regions, interval, objective, combine string
		want                                  string // part of the warning; empty: none
	}{
		{"{a: {}}", "1m", "99.9%", "pooled", "burns 16.7×: with one region at 1m a 99.9% objective pages on a single failure of x (use 3 regions or 15s)"},
		{"{a: {}, b: {}, c: {}}", "1m", "99.9%", "pooled", ""},
		{"{a: {}}", "15s", "99.9%", "pooled", ""},
		{"{a: {weight: 9}, b: {}, c: {}}", "1m", "99.9%", "pooled", "burns 13.6×: with 3 regions at 1m"},
		{"{a: {}, b: {}, c: {}}", "1m", "99.9%", "worst", "burns 16.7×: with 3 regions at 1m"},
		{"{a: {}, b: {}, c: {}}", "1m", "99.9%", "{quorum: 2}", ""},
		{"{a: {}, b: {}, c: {}}", "1m", "99.9%", "{quorum: all}", "burns 16.7×"},
		{"{a: {}, b: {}, c: {}}", "1m", "99.9%", "{quorum: 67%}", "burns 16.7×"},
		{"{a: {}, b: {}, c: {}}", "1m", "99.9%", "{quorum: 66%}", ""},
		{"{a: {}}", "1m", "99.99%", "pooled", "(use 2s)"},
		{"{a: {}}", "1m", "99.9999%", "pooled", "(lower the objective)"},
		{"{a: {}}", "1m", "99%", "pooled", ""},
	} {
		text := fmt.Sprintf("regions: %s\ncontrols: {preset: root-dns}\nchecks: [{name: x, interval: %s, timeout: 1s, tcp: {address: \"192.0.2.1:80\"}}]\n"+
			"slos: [{name: s, checks: all, objective: %s, window: 28d, combine: %s}]\n", row.regions, row.interval, row.objective, row.combine)
		got := slices.DeleteFunc(lintOf(t, text), func(s string) bool { return !strings.Contains(s, "burns") })
		if row.want == "" && len(got) > 0 || row.want != "" && (len(got) != 1 || !strings.Contains(got[0], row.want)) {
			t.Errorf("%+v: got %q", row, got)
		}
	}
}

// TestLintShowable: an objective that even a flawless window could not show is told, with what would.
func TestLintShowable(t *testing.T) {
	for _, row := range []struct {
		regions, interval, objective, more string
		want                               string // part of the warning; empty: none
	}{
		{"{a: {}}", "2m", "99.99%", "window: 28d", "a 99.99% objective cannot be shown: its window has 20160 slots, and it takes 29956 without a failure to be 95% sure of it (use 1m)"},
		{"{a: {}}", "1m", "99.99%", "window: 28d", ""},
		{"{a: {}, b: {}}", "2m", "99.99%", "window: 28d", ""},
		{"{a: {}, b: {}}", "2m", "99.99%", "window: 28d, combine: {quorum: 1}", "has 20160 slots"},
		{"{a: {}}", "1m", "99.9%", "calendar: day", "has 1440 slots, and it takes 2995"},
		{"{a: {}}", "1m", "99.9%", "calendar: day", "(use 15s)"},
		{"{a: {}}", "1m", "99.9999%", "window: 1h", "(lower the objective)"},
	} {
		text := fmt.Sprintf("regions: %s\ncontrols: {preset: root-dns}\nchecks: [{name: x, interval: %s, timeout: 1s, tcp: {address: \"192.0.2.1:80\"}}]\n"+
			"slos: [{name: s, checks: all, objective: %s, %s}]\n", row.regions, row.interval, row.objective, row.more)
		got := slices.DeleteFunc(lintOf(t, text), func(s string) bool { return !strings.Contains(s, "cannot be shown") })
		if row.want == "" && len(got) > 0 || row.want != "" && (len(got) != 1 || !strings.Contains(got[0], row.want)) {
			t.Errorf("%+v: got %q", row, got)
		}
	}
}

// TestKeptLongEnough: an objective whose window is longer than slots are kept would be undecided for ever.
func TestKeptLongEnough(t *testing.T) {
	for slo, want := range map[string]string{
		"window: 28d":       "slos[0].window: found 28d, and slots are kept for 7d (lengthen retention, or shorten the window)",
		"window: 7d":        "",
		"calendar: month":   "slos[0].calendar: found 31d1h",
		"calendar: day":     "",
		"calendar: quarter": "slos[0].calendar: found 92d1h",
	} {
		_, err := Parse("x", []byte(calmFile+"retention: 7d\nslos: [{name: s, checks: x, objective: 99%, "+slo+"}]\n"), Options{})
		if want == "" && err != nil || want != "" && !strings.Contains(errText(err), want) {
			t.Errorf("%s: got %v, want %q", slo, err, want)
		}
	}
}
