package sli_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

// The quantiles of a histogram are those of the sorted list of everything in it, however it was put together.
func TestHistogramAgainstSorting(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := rapid.SliceOfN(rapid.Int16Range(-700, 400), 0, 250).Draw(rt, "latencies")
		var parts [3]sli.Histogram
		for _, x := range all {
			parts[rapid.IntRange(0, 2).Draw(rt, "part")].Add(sli.Index(x), 1)
		}
		var h sli.Histogram
		h.Add(sli.NoLatency, 1)
		for i := range parts {
			h.Merge(&parts[i])
		}
		slices.Sort(all)
		want := map[string]*sli.Value{"0.5": nil, "0.9": nil, "0.95": nil, "0.99": nil}
		for name, q := range map[string]struct{ percent, least int }{"0.5": {50, 2}, "0.9": {90, 10}, "0.95": {95, 20}, "0.99": {99, 100}} {
			if len(all) < q.least {
				continue
			}
			// The least x with at least q·n at or below it: the one in place ⌈q·n⌉, counted from one.
			v := sli.Value(sli.Index(all[(q.percent*len(all)+99)/100-1]).Seconds())
			want[name] = &v
		}
		if d := cmp.Diff(want, h.Quantiles()); d != "" || h.Weight() != int64(len(all)) {
			rt.Fatalf("weight %d of %d, quantiles (-want +got):\n%s", h.Weight(), len(all), d)
		}
	})
}

func TestHours(t *testing.T) {
	at := func(text string) int64 {
		x, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return x.UnixMilli()
	}
	for _, x := range []struct{ from, to, wantFrom, wantTo string }{
		{"2026-11-23 00:00:00", "2026-11-23 01:00:00", "2026-11-23 00:00:00", "2026-11-23 01:00:00"},
		{"2026-11-23 00:00:01", "2026-11-23 01:00:01", "2026-11-23 00:00:00", "2026-11-23 02:00:00"},
		{"2026-11-23 00:30:00", "2026-11-23 00:30:00", "2026-11-23 00:00:00", "2026-11-23 01:00:00"},
		{"2026-11-23 01:00:00", "2026-11-23 01:00:00", "2026-11-23 01:00:00", "2026-11-23 02:00:00"},
		{"1969-12-31 22:59:59", "1969-12-31 23:10:00", "1969-12-31 22:00:00", "1970-01-01 00:00:00"},
	} {
		got := sli.Window{From: at(x.from), To: at(x.to)}.Hours()
		if got.From != at(x.wantFrom) || got.To != at(x.wantTo) {
			t.Errorf("[%s, %s): got [%v, %v), want [%s, %s)", x.from, x.to, time.UnixMilli(got.From).UTC(), time.UnixMilli(got.To).UTC(), x.wantFrom, x.wantTo)
		}
	}
}

func TestPhaseReportJSON(t *testing.T) {
	hs := make([]sli.Histogram, 3)
	hs[0].Add(-230, 2)
	hs[2].Add(-100, 1)
	w := sli.Window{From: 0, To: 3_600_000, AsOf: 4_000_000}
	got, err := json.Marshal(sli.NewPhaseReport(w, sli.Series{Check: "shop", Region: "tokyo"}, []string{"connect", "tls", "wait"}, hs))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"schema_version":1,"check":"shop","region":"tokyo","from":"1970-01-01T00:00:00Z","to":"1970-01-01T01:00:00Z","as_of":"1970-01-01T01:06:40Z",` +
		`"phases":[{"phase":"connect","count":2,"quantiles_seconds":{"0.5":0.009949791543953874,"0.9":null,"0.95":null,"0.99":null}},` +
		`{"phase":"wait","count":1,"quantiles_seconds":{"0.5":null,"0.9":null,"0.95":null,"0.99":null}}]}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if x := sli.Index(-230).Seconds(); math.Abs(x-0.00995) > 1e-5 {
		t.Errorf("index -230 stands for %v s", x)
	}
}
