package main

import (
	"strings"
	"testing"

	"github.com/gaikei/gaikei/sli"
)

// TestPhasesOfNothing: where nothing was up there is a sentence, and no table without rows.
func TestPhasesOfNothing(t *testing.T) {
	for _, tt := range []struct {
		reports []sli.PhaseReport
		want    string
	}{
		{nil, "Nothing was up in these hours."},
		{[]sli.PhaseReport{{Check: "shop"}}, "Nothing was up in these hours."},
		{[]sli.PhaseReport{{Check: "shop"}, {Check: "zone", Phases: []sli.PhaseTime{{Phase: "connect"}}}}, "zone"},
	} {
		var b strings.Builder
		if err := writePhasesTable(&b, tt.reports); err != nil || !strings.Contains(b.String(), tt.want) {
			t.Errorf("got %q (%v), want %q in it", b.String(), err, tt.want)
		}
	}
}
