package timeline

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// brief is what tests compare of a report.
func brief(rs []sli.Report) []string {
	var out []string
	for _, r := range rs {
		region, ratio := "pooled", "undefined"
		if r.Region != nil {
			region = *r.Region
		}
		if r.Availability.Ratio != nil {
			ratio = fmt.Sprintf("%.4g", *r.Availability.Ratio)
		}
		out = append(out, fmt.Sprintf("%s %s %s due=%d excluded=%d weights=%v", r.Check, region, ratio, r.Slots.Scheduled, r.Slots.Excluded, r.Weights))
	}
	return out
}

func in(region string, m Message) Message {
	m.Region = region
	return m
}

func TestReportsByCheckAndRegionAndPooled(t *testing.T) {
	everywhere(t, testReportsByCheckAndRegionAndPooled)
}

func testReportsByCheckAndRegionAndPooled(t *testing.T, p place) {
	s := p.store(t)
	if _, err := s.Ordinals(t.Context(), []Region{{Name: "tokyo", Weight: 3}, {Name: "frankfurt", Weight: 1}}); err != nil {
		t.Fatal(err)
	}
	at := noon.Add(-time.Hour)
	ingest(t, s,
		message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop"), follow("zone")}, Results: []probe.Result{up("shop", at), up("zone", at)}}),
		in("frankfurt", message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{down("shop", at)}})),
	)
	foldAll(t, s)
	q := sli.Query{From: at, To: at.Add(20 * time.Second)}
	for _, x := range []struct {
		what            string
		checks, regions []string
		want            []string
	}{
		{what: "all", want: []string{
			"shop frankfurt 0 due=2 excluded=0 weights=map[]", "shop tokyo 1 due=2 excluded=0 weights=map[]",
			"shop pooled 0.75 due=4 excluded=0 weights=map[frankfurt:1 tokyo:3]",
			"zone tokyo 1 due=2 excluded=0 weights=map[]", "zone pooled 1 due=2 excluded=0 weights=map[tokyo:3]",
		}},
		{what: "one check", checks: []string{"zone"}, want: []string{
			"zone tokyo 1 due=2 excluded=0 weights=map[]", "zone pooled 1 due=2 excluded=0 weights=map[tokyo:3]",
		}},
		{what: "one region", checks: []string{"shop"}, regions: []string{"frankfurt"}, want: []string{
			"shop frankfurt 0 due=2 excluded=0 weights=map[]", "shop pooled 0 due=2 excluded=0 weights=map[frankfurt:1]",
		}},
		{what: "unknown", checks: []string{"nowhere"}},
	} {
		q := q
		q.Checks, q.Regions = x.checks, x.regions
		rs, err := s.Reports(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(x.want, brief(rs)); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.what, d)
		}
	}
	ps, err := s.Probers(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal([]any{len(ps), ps[1].Region, ps[1].Checks, ps[1].Slots.Scheduled, ps[1].Ratio})
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "prober report", `[2,"tokyo",2,4,0.5]`, string(got))
}

func TestReportBeforeAnEpochAndAfterItsEnd(t *testing.T) {
	everywhere(t, testReportBeforeAnEpochAndAfterItsEnd)
}

func testReportBeforeAnEpochAndAfterItsEnd(t *testing.T, p place) {
	s := p.store(t)
	end := follow("shop")
	end.From, end.Grid = noon.Add(-time.Hour).UnixMilli(), probe.Grid{}
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop"), end}}))
	for _, x := range []struct {
		what     string
		from, to time.Time
		want     []string
	}{
		{"before it began", noon.Add(-20 * time.Hour), noon.Add(-12 * time.Hour), nil},
		{"after it ended", noon.Add(-time.Hour), noon.Add(-time.Minute), nil},
		{"across its end", noon.Add(-time.Hour - time.Minute), noon.Add(-time.Minute), []string{
			"shop tokyo undefined due=6 excluded=0 weights=map[]", "shop pooled undefined due=6 excluded=0 weights=map[tokyo:1]",
		}},
	} {
		rs, err := s.Reports(t.Context(), sli.Query{From: x.from, To: x.to})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(x.want, brief(rs)); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.what, d)
		}
	}
}

func TestReportExcludesMaintenance(t *testing.T) { everywhere(t, testReportExcludesMaintenance) }

func testReportExcludesMaintenance(t *testing.T, p place) {
	c := &clock{noon.Add(-time.Hour)}
	s := p.open(t, c)
	defer s.Close()
	setMaintenance(t, s, once("m", -60, -59, "shop"))
	at := noon.Add(-time.Hour)
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{down("shop", at), up("shop", at.Add(time.Minute))}}))
	c.now = noon
	rs, err := s.Reports(t.Context(), sli.Query{From: at, To: at.Add(70 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"shop tokyo 1 due=7 excluded=6 weights=map[]", "shop pooled 1 due=7 excluded=6 weights=map[tokyo:1]",
	}
	if d := cmp.Diff(want, brief(rs)); d != "" {
		t.Errorf("reports (-want +got):\n%s", d)
	}
}

func TestAsOfWaitsForTheSlowestCheckThatIsProbed(t *testing.T) {
	everywhere(t, testAsOfWaitsForTheSlowestCheckThatIsProbed)
}

func testAsOfWaitsForTheSlowestCheckThatIsProbed(t *testing.T, p place) {
	s := p.store(t)
	gone := follow("gone")
	gone.Budget = time.Hour
	end := gone
	end.From, end.Grid, end.Budget = noon.Add(-2*time.Hour).UnixMilli(), probe.Grid{}, 0
	slow := follow("slow")
	slow.Budget = time.Minute
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop"), slow, gone, end}}))
	rs, err := s.Reports(t.Context(), sli.Query{Checks: []string{"shop"}, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if want := noon.Add(-75 * time.Second); !rs[0].AsOf.Equal(want) || !rs[0].Settled {
		t.Errorf("as of: got %v (settled: %v), want %v", rs[0].AsOf, rs[0].Settled, want)
	}
}

func TestRecent(t *testing.T) { everywhere(t, testRecent) }

func testRecent(t *testing.T, p place) {
	s := p.store(t)
	ingest(t, s, message(t, "p", probe.Batch{
		Epochs:  []probe.Epoch{follow("shop")},
		Results: []probe.Result{up("shop", noon.Add(-20*time.Second)), down("shop", noon.Add(-10*time.Second))},
	}))
	slots, err := s.Recent(t.Context(), "shop", "tokyo", 4)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range slots {
		got = append(got, fmt.Sprint(time.UnixMilli(x.At).Sub(noon), " ", probe.Outcome(x.Outcome)))
	}
	want := []string{"-30s no_data", "-20s up", "-10s down", "0s no_data"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("recent (-want +got):\n%s", d)
	}
	none, err := s.Recent(t.Context(), "shop", "nowhere", 4)
	if err != nil || len(none) != 0 {
		t.Errorf("of no series: got %v, %v, want nothing", none, err)
	}
}

func TestTwoProbersAreJoinedAndDisagreementsCounted(t *testing.T) {
	everywhere(t, testTwoProbersAreJoinedAndDisagreementsCounted)
}

func testTwoProbersAreJoinedAndDisagreementsCounted(t *testing.T, p place) {
	s := p.store(t)
	at := noon.Add(-time.Minute)
	ingest(t, s,
		message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at), up("shop", at.Add(3*time.Second))}}),
		message(t, "q", probe.Batch{Results: []probe.Result{down("shop", at)}}),
		message(t, "q", probe.Batch{Results: []probe.Result{down("shop", at)}}),
	)
	got := map[string]int64{}
	for _, c := range s.Counters() {
		got[c.What] += c.N
	}
	if d := cmp.Diff(map[string]int64{sli.CountResults: 4, sli.CountOffPlan: 1, sli.CountDisagreements: 1}, got); d != "" {
		t.Logf("the coin decides whether the repetition of q counts: %v", got)
		if got[sli.CountDisagreements] < 1 || got[sli.CountOffPlan] != 1 || got[sli.CountResults] != 4 {
			t.Errorf("counters (-want +got):\n%s", d)
		}
	}
}
