package sli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// sound is a correction with nothing wrong.
func sound() sli.Correction {
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	return sli.Correction{
		ID: "a", Checks: []string{"shop"}, From: day, To: day.Add(time.Hour), Effect: "exclude",
		Category: "false_alarm", Reason: "our own load test\nticket 12", Author: "kei", Created: day.Add(48 * time.Hour),
	}
}

func TestCorrectionValidate(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name string
		bend func(*sli.Correction)
		want string // empty: nothing is wrong
	}{
		{"sound", func(*sli.Correction) {}, ""},
		{"up to now", func(c *sli.Correction) { c.To = now }, ""},
		{"effect", func(c *sli.Correction) { c.Effect = "maintenance" }, `effect is "maintenance", want exclude, bad or good`},
		{"no check", func(c *sli.Correction) { c.Checks = nil }, "checks are missing"},
		{"no end", func(c *sli.Correction) { c.To = time.Time{} }, "from and to are required"},
		{"empty", func(c *sli.Correction) { c.To = c.From }, "is not after from"},
		{"within a millisecond", func(c *sli.Correction) { c.To = c.From.Add(time.Microsecond) }, "is not after from"},
		{"future", func(c *sli.Correction) { c.To = now.Add(time.Millisecond) }, "is in the future: what is to come is planned as maintenance"},
		{"category", func(c *sli.Correction) { c.Category = "oops" }, "want one of false_alarm, missed_outage, maintenance, deployment, dependency, test, other"},
		{"no reason", func(c *sli.Correction) { c.Reason = " \n" }, "reason is missing"},
		{"long reason", func(c *sli.Correction) { c.Reason = strings.Repeat("x", 2001) }, "reason has 2001 bytes, want at most 2000"},
		{"no author", func(c *sli.Correction) { c.Author = "" }, "author is missing"},
		{"terminal codes", func(c *sli.Correction) { c.Author = "\x1b[31mkei" }, "author has characters that cannot be shown"},
		{"id", func(c *sli.Correction) { c.ID = "2026-11.a" }, ""},
		{"terminal codes in the id", func(c *sli.Correction) { c.ID = "a\x1b[31m" }, `id is "a\x1b[31m", want at most 63 letters`},
		{"long id", func(c *sli.Correction) { c.ID = strings.Repeat("a", 64) }, "want at most 63"},
		{"id with a dash at its end", func(c *sli.Correction) { c.ID = "a-" }, "a letter or digit at either end"},
		{"label without a value", func(c *sli.Correction) { c.Labels = map[string]string{"team": ""} }, `the label "team" is missing`},
		{"no UTF-8", func(c *sli.Correction) { c.Reason = "\xff" }, "reason has characters that cannot be shown"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := sound()
			tc.bend(&c)
			err := c.Validate(now)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestCorrectionSpans(t *testing.T) {
	base := sound()
	from, to := base.From.UnixMilli(), base.To.UnixMilli()
	with := func(bend func(*sli.Correction)) sli.Correction {
		c := base
		bend(&c)
		return c
	}
	list := []sli.Correction{
		with(func(c *sli.Correction) { c.ID, c.Effect = "b", "good" }), // of the same instant as "a", which it wins against
		base,
		with(func(c *sli.Correction) { c.ID, c.Effect, c.Created = "0", "bad", c.Created.Add(time.Second) }),
		with(func(c *sli.Correction) { c.ID, c.Revoked = "r", &sli.Revocation{} }),
		with(func(c *sli.Correction) { c.ID, c.Checks = "other", []string{"blog"} }),
		with(func(c *sli.Correction) { c.ID, c.Regions = "elsewhere", []string{"frankfurt"} }),
		with(func(c *sli.Correction) { c.ID, c.From, c.To = "before", c.From.Add(-time.Hour), c.From }),
	}
	got := sli.CorrectionSpans(list, sli.Series{Check: "shop", Region: "tokyo"}, from, to)
	want := []sli.Span{
		{From: from, To: to, Effect: sli.CorrectedExcluded},
		{From: from, To: to, Effect: sli.CorrectedGood},
		{From: from, To: to, Effect: sli.CorrectedBad},
	}
	for i := range want {
		if i < len(got) {
			want[i].Rank = got[i].Rank
			if i > 0 && got[i].Rank <= got[i-1].Rank {
				t.Errorf("rank %d after %d, want the newer above the older", got[i].Rank, got[i-1].Rank)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
