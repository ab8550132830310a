package sli_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

// trackOf is a track of cells of ten seconds, one letter each: g good, b bad, n none, x excluded, a space nothing due.
func trackOf(letters string) sli.Track {
	var tr sli.Track
	for i, c := range letters {
		v, ok := map[rune]sli.Verdict{'g': sli.Good, 'b': sli.Bad, 'n': sli.None, 'x': sli.Excluded}[c]
		if !ok {
			continue
		}
		from := int64(i) * 10_000
		if n := len(tr); n > 0 && tr[n-1].To == from && tr[n-1].Verdict == v {
			tr[n-1].To = from + 10_000
		} else {
			tr = append(tr, sli.Stretch{From: from, To: from + 10_000, Verdict: v})
		}
	}
	return tr
}

// brief says of incidents their kind, first and last cell, outbreaks and bad cells.
func brief(xs []sli.Incident) []string {
	out := []string{}
	for _, x := range xs {
		to := "goes on"
		if x.To != nil {
			to = fmt.Sprint(x.To.UnixMilli() / 10_000)
		}
		out = append(out, fmt.Sprintf("%s %d-%s ×%d %gs", x.Kind, x.From.UnixMilli()/10_000, to, x.Outbreaks, x.BadSeconds))
	}
	return out
}

func TestIncidents(t *testing.T) {
	for _, tc := range []struct {
		name    string
		regions []string
		quorum  sli.Quorum
		want    []string
	}{
		{"none", []string{"gggggggg"}, sli.DefaultQuorum(), []string{}},
		{"one", []string{"ggbbbggg"}, sli.DefaultQuorum(), []string{"bad 2-5 ×1 30s"}},
		{"that goes on", []string{"ggggggbb"}, sli.DefaultQuorum(), []string{"bad 6-goes on ×1 20s"}},
		{"one region of three is not enough", []string{"ggbbbggg", "gggggggg", "gggggggg"}, sli.DefaultQuorum(), []string{}},
		{"two of three are", []string{"ggbbbbgg", "gggbbggg", "gggggggg"}, sli.DefaultQuorum(), []string{"bad 3-5 ×1 20s"}},
		{"all must be good", []string{"ggbbbbgg", "gggggggg"}, sli.Quorum{All: true}, []string{"bad 2-6 ×1 40s"}},
		{"flapping", []string{"gbggbgggggggbg"}, sli.DefaultQuorum(), []string{"bad 1-5 ×2 20s", "bad 12-13 ×1 10s"}},
		{"exactly three intervals apart", []string{"gbgggbgg"}, sli.DefaultQuorum(), []string{"bad 1-2 ×1 10s", "bad 5-6 ×1 10s"}},
		{"maintenance in between", []string{"gbxbgggg"}, sli.DefaultQuorum(), []string{"bad 1-2 ×1 10s", "bad 3-4 ×1 10s"}},
		{"undecided in between", []string{"gbnbgggg"}, sli.DefaultQuorum(), []string{"bad 1-4 ×2 20s"}},
		{"all blind", []string{"ggnnnggg", "ggnnnnng"}, sli.DefaultQuorum(), []string{"undecided 2-5 ×1 30s"}},
		{"all blind for one slot, again and again", []string{"ggngngng"}, sli.DefaultQuorum(), []string{}},
		{"all blind for two slots, twice", []string{"ggnngnng"}, sli.DefaultQuorum(), []string{"undecided 2-7 ×2 40s"}},
		{"blind once", []string{"ggnggggg"}, sli.DefaultQuorum(), []string{}},
		{"one blind, one excluded", []string{"ggnnnggg", "xxxxxxxx"}, sli.DefaultQuorum(), []string{"undecided 2-5 ×1 30s"}},
		{"one blind, one bad", []string{"ggnnnggg", "gbbbbbgg"}, sli.Quorum{All: true}, []string{"bad 1-6 ×1 50s"}},
		{"nothing due", []string{"        "}, sli.DefaultQuorum(), []string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var ws []sli.Watch
			end := 0
			for i, letters := range tc.regions {
				ws = append(ws, sli.Watch{Region: fmt.Sprint(i), Cell: 10_000, Track: trackOf(letters)})
				end = max(end, len(letters))
			}
			w := sli.Window{To: int64(end) * 10_000, AsOf: int64(end) * 10_000}
			if d := cmp.Diff(tc.want, brief(sli.Incidents("shop", ws, tc.quorum, w))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// Every bad instant of the quorum is in exactly one incident, and their bad time is all there is.
func TestIncidentsHaveAllBadTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := genQuorum().Draw(t, "quorum")
		var ws []sli.Watch
		var tracks []sli.Track
		for i := range rapid.IntRange(0, 3).Draw(t, "regions") {
			tr := stretched(genTrack().Draw(t, "track"), 10_000, 0)
			tracks, ws = append(tracks, tr), append(ws, sli.Watch{Region: fmt.Sprint(i), Cell: 10_000, Track: tr})
		}
		w := sli.Window{To: 1_000_000, AsOf: 1_000_000}
		sum, last := 0.0, time.Time{}
		for _, x := range sli.Incidents("shop", ws, q, w) {
			if x.Kind != sli.IncidentBad {
				continue
			}
			if x.From.Before(last) {
				t.Fatalf("incident from %v begins before the one before ends, at %v", x.From, last)
			}
			sum += x.BadSeconds
			if x.To != nil {
				last = *x.To
			}
		}
		if want := q.Combined(tracks).Amount(w.From, w.To).Bad / 1000; sum != want {
			t.Fatalf("incidents have %v s, the quorum %v s", sum, want)
		}
	})
}

func TestIncidentSees(t *testing.T) {
	w := sli.Window{To: 100_000, AsOf: 100_000}
	x := sli.Incidents("shop", []sli.Watch{{Region: "tokyo", Cell: 10_000, Track: trackOf("gbbngggggg")}}, sli.DefaultQuorum(), w)[0]
	x.See("tokyo", sli.Slot{At: 10_000, Outcome: sli.Down, Reason: "timeout", Latency: sli.NoLatency}, sli.Bad)
	x.See("tokyo", sli.Slot{At: 20_000, Outcome: sli.Down, Reason: "status", Latency: sli.NoLatency}, sli.Bad)
	x.See("osaka", sli.Slot{At: 15_000, Outcome: sli.Inconclusive, Reason: "no_vouch", Latency: sli.NoLatency}, sli.None)
	x.See("kyoto", sli.Slot{At: 16_000, Outcome: sli.Up, Latency: -100}, sli.Good)
	x.See("kyoto", sli.Slot{At: 17_000, Outcome: sli.Down, Reason: "reset", Latency: sli.NoLatency}, sli.Excluded)
	x.Spend(&sli.SLO{Name: "s", Objective: 0.999}, sli.SLOWindow{Length: 28 * 24 * time.Hour})
	first, second, third := time.UnixMilli(10_000).UTC(), time.UnixMilli(20_000).UTC(), time.UnixMilli(15_000).UTC()
	want := []sli.IncidentRegion{
		{Region: "osaka", Undecided: 1, First: &third, Last: &third}, {Region: "tokyo", Bad: 2, First: &first, Last: &second},
	}
	if d := cmp.Diff(want, x.Regions, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("regions (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"no_vouch", "status", "timeout"}, x.SortedReasons()); d != "" {
		t.Errorf("reasons (-want +got):\n%s", d)
	}
	if x.WorstLatency == nil || *x.WorstLatency != sli.Value(sli.Index(-100).Seconds()) {
		t.Errorf("worst latency: got %v", x.WorstLatency)
	}
	if got := x.BudgetSpent["s"]; got < 0.00826 || got > 0.00827 { // 20 s of 2419.2 s
		t.Errorf("budget spent: got %v, want 0.83 %%", got)
	}
}
