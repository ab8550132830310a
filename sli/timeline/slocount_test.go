package timeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// However short the time from count to count, and even if few regions have a slot in it, the weights are those of the regions and
// the time is that of the clock.
func TestSLOAmountsOfShortTimes(t *testing.T) {
	s := openStore(t, t.TempDir(), &clock{noon})
	defer s.Close()
	regions := []Region{{Name: "tokyo", Weight: 5}, {Name: "osaka", Weight: 3}, {Name: "kyoto", Weight: 1}}
	if _, err := s.Ordinals(t.Context(), regions); err != nil {
		t.Fatal(err)
	}
	begin := noon.Add(-2 * time.Hour)
	for i, r := range regions {
		e := follow("shop")
		e.Grid = probe.Grid{Interval: 60_000, Offset: int64(i) * 20_000}
		b := probe.Batch{Epochs: []probe.Epoch{e}}
		for at := begin.Add(time.Duration(i) * 20 * time.Second); at.Before(noon); at = at.Add(time.Minute) {
			if r.Name == "kyoto" {
				b.Results = append(b.Results, down("shop", at))
			} else {
				b.Results = append(b.Results, up("shop", at))
			}
		}
		ingest(t, s, in(r.Name, message(t, "p", b)))
	}
	for name, combine := range map[string]sli.Combine{"pooled": {Rule: "pooled"}, "quorum": quorum(sli.Quorum{Count: 2})} {
		o := sli.SLO{Name: "s", Checks: []string{"shop"}, Indicator: "availability", Objective: 0.9, Window: time.Hour, Combine: combine}
		rs, err := s.SLOs(t.Context(), []sli.SLO{o}, noon)
		if err != nil {
			t.Fatal(err)
		}
		var sum sli.Amount
		for from := rs[0].From; from.Before(rs[0].To); from = from.Add(10 * time.Second) {
			as, err := s.SLOAmounts(t.Context(), []sli.SLO{o}, from, from.Add(10*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			sum = sum.Plus(as[0])
		}
		if d := cmp.Diff(rs[0].SLI, sum.Ratio(), cmpopts.EquateApprox(1e-9, 0)); d != "" {
			t.Errorf("%s: SLI (-report +counted in tens of seconds):\n%s", name, d)
		}
		if clock := sum.Valid() / 1000; clock < 3599 || clock > 3601 {
			t.Errorf("%s: an hour is %v s by the clock", name, clock)
		}
	}
}
