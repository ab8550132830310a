package sli_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// weekOf is a pooled report of regions that were looked at every half minute for a week, with so many failures in each.
func weekOf(regions, failures int, under time.Duration, latency sli.Index) sli.Report {
	var parts []sli.Part
	for range regions {
		var slots []sli.Slot
		for i := range 7 * 24 * 120 {
			s := sli.Slot{At: int64(i) * 30_000, Cell: 30_000, Outcome: sli.Up, Latency: latency, Under: i%50 > 0}
			if i < failures {
				s = sli.Slot{At: s.At, Cell: s.Cell, Outcome: sli.Down, Latency: sli.NoLatency, Reason: "timeout"}
			}
			slots = append(slots, s)
		}
		parts = append(parts, sli.Part{Weight: 1, Tally: tallyOf(slots, nil)})
	}
	return sli.Pooled(sli.Window{To: 7 * 24 * 3_600_000}, sli.Subject{Check: "shop", Under: under}, parts)
}

func TestDrafts(t *testing.T) {
	const tenth = sli.Index(-115) // 0.1003 s
	for _, tc := range []struct {
		name     string
		report   sli.Report
		regions  int
		want     []sli.Draft
		evidence []string // of the first
	}{
		{
			"flawless", weekOf(3, 0, 0, tenth), 3,
			[]sli.Draft{{Check: "shop", Indicator: "availability", Objective: 0.9999, Quorum: 2}, {Check: "shop", Indicator: "latency", Objective: 0.95, Under: 150 * time.Millisecond}},
			[]string{
				"Observed: 100% over 7.0 days, in 60480 slots; 100% of the due time came to a verdict.",
				"That would have spent 0% of the budget of 99.99%.", "28 days have about 80640 slots; 29956 without a failure show it.",
			},
		},
		{
			"a few failures, two regions", weekOf(2, 10, 200*time.Millisecond, tenth), 2,
			[]sli.Draft{{Check: "shop", Indicator: "availability", Objective: 0.999}, {Check: "shop", Indicator: "latency", Objective: 0.95}},
			[]string{
				"Observed: 99.95% over 7.0 days, in 40320 slots; 100% of the due time came to a verdict.",
				"That would have spent 49.60% of the budget of 99.9%.", "28 days have about 161280 slots; 2995 without a failure show it.",
			},
		},
		{"mostly down", weekOf(1, 15_000, 0, tenth), 1, nil, nil},
		{"nothing", sli.Pooled(sli.Window{To: 1000}, sli.Subject{Check: "shop"}, nil), 0, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := sli.NewDrafts(&tc.report, tc.regions)
			if len(got) > 0 {
				if d := cmp.Diff(tc.evidence, got[0].Evidence); d != "" {
					t.Errorf("evidence (-want +got):\n%s", d)
				}
			}
			plain := slices.Clone(got)
			for i := range plain {
				if plain[i].Window != 28*24*time.Hour || len(plain[i].Evidence) == 0 {
					t.Errorf("draft %d: window %v, evidence %q", i, plain[i].Window, plain[i].Evidence)
				}
				plain[i].Window, plain[i].Evidence = 0, nil
			}
			if d := cmp.Diff(tc.want, plain); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
