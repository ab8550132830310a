package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

func TestParseCorrections(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	const sound = `corrections:
  - id: load-test
    checks: [shop]
    regions: [tokyo]
    from: 2026-11-23T09:00:00Z
    to: 2026-11-23T09:40:00Z
    effect: exclude
    category: false_alarm
    reason: ours
  - {id: b, labels: {team: web}, from: 2026-11-23T09:00:00Z, to: 2026-11-23T10:00:00Z, effect: bad, category: other, reason: r, author: ume}
`
	got, err := ParseCorrections("c.yaml", []byte(sound), "kei", now)
	if err != nil {
		t.Fatal(err)
	}
	at := func(hour, minute int) time.Time { return time.Date(2026, 11, 23, hour, minute, 0, 0, time.UTC) }
	want := []sli.Correction{
		{
			ID: "load-test", Checks: []string{"shop"}, Regions: []string{"tokyo"}, From: at(9, 0), To: at(9, 40),
			Effect: "exclude", Category: "false_alarm", Reason: "ours", Author: "kei",
		},
		{ID: "b", Labels: map[string]string{"team": "web"}, From: at(9, 0), To: at(10, 0), Effect: "bad", Category: "other", Reason: "r", Author: "ume"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, tc := range []struct{ name, from, to, want string }{
		{"effect", "effect: exclude", "effect: maintenance", `c.yaml:2:5: corrections[0]: effect is "maintenance", want exclude, bad or good`},
		{"unknown key", "effect: bad", "efect: bad", "efect"},
		{"twice", "id: b", "id: load-test", "load-test"},
		{"future", "to: 2026-11-23T09:40:00Z", "to: 2027-01-01T00:00:00Z", "is in the future"},
		{"nobody", "reason: ours", "reason: ''", "reason"},
		{"no checks", "labels: {team: web}", "regions: []", "checks are missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseCorrections("c.yaml", []byte(strings.Replace(sound, tc.from, tc.to, 1)), "kei", now)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
