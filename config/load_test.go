package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// now is when every configuration of the tests is read.
func now() time.Time { return time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC) }

// alike compares configurations by what is configured, not by what was prepared from it.
func alike() cmp.Options {
	return cmp.Options{
		cmp.Comparer(func(a, b *regexp.Regexp) bool { return a == b || a != nil && b != nil && a.String() == b.String() }),
		cmp.Comparer(func(a, b probe.Template) bool { return a.String() == b.String() }),
		cmpopts.IgnoreUnexported(File{}, probe.Check{}, probe.HTTP{}, probe.TCP{}, probe.DNS{}, probe.RecordMatch{}, probe.TLS{}, probe.BodyMatch{}, sli.Maintenance{}),
	}
}

func glob(t *testing.T, pattern string, atLeast int) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) < atLeast {
		t.Fatalf("glob %s: %d files, want at least %d (%v)", pattern, len(names), atLeast, err)
	}
	return names
}

// TestBad loads files that state their faults in comments at their top, all of them, in order.
func TestBad(t *testing.T) {
	for _, name := range glob(t, "testdata/bad-*.yaml", 40) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.SplitSeq(string(data), "\n") {
				text, ok := strings.CutPrefix(line, "# ")
				if !ok {
					break
				}
				want = append(want, name+":"+text)
			}
			if len(want) == 0 {
				t.Fatal("the file states no fault on its first line")
			}
			_, err = Load(name, Options{Now: now()})
			if diff := cmp.Diff(want, strings.Split(errText(err), "\n")); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// examples are those of a configuration; TestAccessExamples reads the others.
func examples(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(glob(t, "../deploy/examples/*.yaml", 6), func(name string) bool {
		base := filepath.Base(name)
		return base == "web-config.yaml" || base == "tokens.yaml"
	})
}

// TestGood loads files, shows them, and loads what was shown: nothing may change.
func TestGood(t *testing.T) {
	for _, name := range append(glob(t, "testdata/good-*.yaml", 3), examples(t)...) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			first, err := Load(name, Options{Now: now()})
			if err != nil {
				t.Fatal(err)
			}
			second, err := Parse("shown.yaml", first.Show(), Options{Now: now()})
			if err != nil {
				t.Fatalf("what is shown does not load:\n%s\n%v", first.Show(), err)
			}
			if diff := cmp.Diff(first, second, alike()); diff != "" {
				t.Errorf("shown and loaded again (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(string(first.Show()), string(second.Show())); diff != "" {
				t.Errorf("shown twice (-first +second):\n%s", diff)
			}
		})
	}
}

func TestLoadTellsUnreadableFilesApart(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), Options{})
	var faults Faults
	if !errors.Is(err, os.ErrNotExist) || errors.As(err, &faults) {
		t.Errorf("error of a missing file: got %v, want one that is ErrNotExist and no Faults", err)
	}
}

// TestComplete compares what the complete example comes to, field by field.
func TestComplete(t *testing.T) {
	f, err := Load("testdata/good-complete.yaml", Options{Now: now()})
	if err != nil {
		t.Fatal(err)
	}
	wantRegions := []Region{
		{Name: "tokyo", Weight: 5},
		{Name: "frankfurt", Weight: 3},
		{Name: "office", Weight: 0, Labels: map[string]string{"network": "corp"}},
	}
	if diff := cmp.Diff(wantRegions, f.Regions); diff != "" {
		t.Errorf("regions (-want +got):\n%s", diff)
	}
	shop := f.Check("shop")
	if shop == nil {
		t.Fatal("no check shop")
	}
	var bearer, ready probe.Template
	if err := bearer.UnmarshalText([]byte("Bearer ${env:GAIKEI_SECRET_SHOP}")); err != nil {
		t.Fatal(err)
	}
	want := &probe.Check{
		Name: "shop", ID: "shop", Interval: 30 * time.Second, Timeout: 10 * time.Second, Enabled: true,
		Labels: map[string]string{"team": "web"}, Latency: probe.LatencyObjective{Under: 300 * time.Millisecond},
		Client: probe.Client{After: time.Second},
		Kind: &probe.HTTP{
			URL: "https://shop.example.com/health", Method: "GET", Headers: map[string][]probe.Template{"Authorization": {bearer}}, Send: ready,
			Status: []probe.CodeRange{{From: 200, To: 299}}, Redirects: &probe.Redirects{Max: 10},
			Body: probe.BodyMatch{Contains: []string{"ready"}, MaxSize: 1 << 20}, TLS: probe.TLS{MinDaysLeft: 14}, IP: shop.Kind.(*probe.HTTP).IP,
		},
	}
	if diff := cmp.Diff(want, shop, alike()); diff != "" {
		t.Errorf("check shop (-want +got):\n%s", diff)
	}
	if got := f.Check("ssh-closed-to-the-world").Expect.String(); got != "unreachable from tokyo, frankfurt by timeout, refused" {
		t.Errorf("expectation: got %s", got)
	}
	wantSLO := []sli.SLO{{
		Name: "shop-availability", Checks: []string{"shop"}, Indicator: "availability", Objective: 0.999, Window: 28 * day,
		Combine: sli.Combine{Rule: "quorum", Quorum: &sli.Quorum{Count: 2}}, Group: "pooled", Timezone: "UTC", Provisional: true,
		Policy: []sli.Step{{BudgetBelow: 0.5, Decide: "investigate"}, {BudgetBelow: 0, Decide: "exhausted"}},
	}}
	if diff := cmp.Diff(wantSLO, f.SLOs); diff != "" {
		t.Errorf("SLOs (-want +got):\n%s", diff)
	}
}

// TestPastMaintenance: what is past depends on when the file is read.
func TestPastMaintenance(t *testing.T) {
	const text = `regions: {a: {}}
controls: {preset: root-dns}
checks: [{name: x, tcp: {address: "192.0.2.1:80"}}]
maintenance: [{name: m, checks: x, from: 2026-11-24T10:00:00Z, to: 2026-11-24T12:00:00Z}]
`
	to := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name string
		now  time.Time
		past bool
	}{
		{"before", to.Add(-3 * time.Hour), false},
		{"during", to.Add(-time.Millisecond), false},
		{"at its end", to, true},
		{"after", to.Add(time.Hour), true},
		{"without a clock", time.Time{}, false},
	} {
		_, err := Parse("x.yaml", []byte(text), Options{Now: row.now})
		if got := strings.Contains(errText(err), "corrections"); got != row.past || !row.past && err != nil {
			t.Errorf("%s: got %v, want an error that names corrections: %v", row.name, err, row.past)
		}
	}
}

// TestMaxRunning: what fits depends on what probers run.
func TestMaxRunning(t *testing.T) {
	const text = `regions: {a: {}}
controls: {preset: root-dns}
checks: [{name: x, interval: 1s, timeout: 11s, overlap: true, tcp: {address: "192.0.2.1:80"}}]
`
	for most, want := range map[int]bool{9: false, 10: true, 0: true} {
		if _, err := Parse("x.yaml", []byte(text), Options{MaxRunning: most}); (err == nil) != want {
			t.Errorf("MaxRunning %d, 10 needed beside the newest: got %v", most, err)
		}
	}
}
