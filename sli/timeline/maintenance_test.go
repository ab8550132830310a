package timeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

func setMaintenance(t *testing.T, s *Store, list ...sli.Maintenance) {
	t.Helper()
	if err := s.SetMaintenance(t.Context(), list, []string{"shop", "zone"}); err != nil {
		t.Fatal(err)
	}
}

// maintained lists the maintenance of a check around noon, as minutes after noon.
func maintained(t *testing.T, s *Store, check string) [][2]float64 {
	t.Helper()
	spans, err := s.Spans(t.Context(), sli.Series{Check: check, Region: "tokyo"}, noon.Add(-30*24*time.Hour).UnixMilli(), noon.Add(30*24*time.Hour).UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	var out [][2]float64
	for _, x := range spans {
		out = append(out, [2]float64{time.UnixMilli(x.From).Sub(noon).Minutes(), time.UnixMilli(x.To).Sub(noon).Minutes()})
	}
	return out
}

func wantSpans(t *testing.T, what string, got [][2]float64, want ...[2]float64) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s, in minutes after noon (-want +got):\n%s", what, d)
	}
}

func once(name string, from, to float64, checks ...string) sli.Maintenance {
	at := func(minutes float64) time.Time { return noon.Add(time.Duration(minutes * float64(time.Minute))) }
	return sli.Maintenance{Name: name, Checks: checks, From: at(from), To: at(to), Timezone: "UTC"}
}

func TestMaintenanceIsWrittenDownWhenItBegins(t *testing.T) {
	everywhere(t, testMaintenanceIsWrittenDownWhenItBegins)
}

func testMaintenanceIsWrittenDownWhenItBegins(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	defer s.Close()
	later := once("later", 60, 90, "shop")
	setMaintenance(t, s, later)
	wantSpans(t, "before it begins", maintained(t, s, "shop"))
	c.now = noon.Add(time.Hour)
	if err := s.step(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	wantSpans(t, "when it begins", maintained(t, s, "shop"), [2]float64{60, 90})
	wantSpans(t, "of another check", maintained(t, s, "zone"))
	c.now = noon.Add(70 * time.Minute)
	setMaintenance(t, s) // the list is emptied: what began has begun
	wantSpans(t, "after it was taken off the list", maintained(t, s, "shop"), [2]float64{60, 90})
	setMaintenance(t, s, once("later", 50, 95, "shop"))
	wantSpans(t, "what was added in mid-time counts from now on", maintained(t, s, "shop"), [2]float64{60, 90}, [2]float64{70, 95})
	setMaintenance(t, s, once("later", 50, 95, "shop"))
	wantSpans(t, "the same list again", maintained(t, s, "shop"), [2]float64{60, 90}, [2]float64{70, 95})
}

func TestMaintenanceSinceTheLastRun(t *testing.T) { everywhere(t, testMaintenanceSinceTheLastRun) }

func testMaintenanceSinceTheLastRun(t *testing.T, p place) {
	c := &clock{noon}
	nightly := sli.Maintenance{Name: "hourly", Checks: []string{"all"}, Cron: "30 * * * *", For: 10 * time.Minute, Timezone: "UTC"}
	s := p.open(t, c)
	setMaintenance(t, s, nightly)
	wantSpans(t, "at first nothing is past", maintained(t, s, "shop"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	c.now = noon.Add(2*time.Hour + 35*time.Minute)
	s = p.open(t, c)
	defer s.Close()
	setMaintenance(t, s, nightly)
	want := [][2]float64{{30, 40}, {90, 100}, {150, 160}}
	wantSpans(t, "after a pause", maintained(t, s, "shop"), want...)
	wantSpans(t, "after a pause, of the other check", maintained(t, s, "zone"), want...)
	nightly.Cron = "0 * * * *"
	setMaintenance(t, s, nightly)
	wantSpans(t, "an edit does not touch the past", maintained(t, s, "shop"), want...)
}

func TestAnEditDoesNotLoseWhatJustBegan(t *testing.T) {
	everywhere(t, testAnEditDoesNotLoseWhatJustBegan)
}

func testAnEditDoesNotLoseWhatJustBegan(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	defer s.Close()
	setMaintenance(t, s, once("soon", 1, 5, "all"))
	c.now = noon.Add(2 * time.Minute) // no tick has come yet
	setMaintenance(t, s)
	wantSpans(t, "begun before the edit", maintained(t, s, "zone"), [2]float64{1, 5})
}
