package probe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOutcomes holds numbers, names and verdicts: all are stored, and none ever changes.
func TestOutcomes(t *testing.T) {
	type row struct {
		Number  int
		Name    string
		Verdict bool
	}
	want := []row{
		{1, "up", true},
		{2, "down", true},
		{3, "expected_unreachable", true},
		{4, "unexpected", true},
		{5, "inconclusive", false},
		{6, "missed", false},
	}
	var got []row
	for _, o := range Outcomes() {
		if !o.Valid() {
			t.Errorf("%v is not valid", o)
		}
		got = append(got, row{int(o), o.String(), o.Verdict()})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for o, name := range map[Outcome]string{0: "no_data", 7: "outcome(7)"} {
		if o.Valid() || o.Verdict() || o.String() != name {
			t.Errorf("outcome %d: %q, valid %v, verdict %v", uint8(o), o, o.Valid(), o.Verdict())
		}
	}
}
