package main

import (
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// A past is a data folder with made-up timelines of a day and two hours in two regions: outages, holes, a maintenance,
// corrections, and checks that come and go.
type past struct {
	dir      string
	from, to time.Time // at whole hours
	weights  map[string]float64
}

// makePast fills a folder. It ends an hour ago, since what is exported is as of the real clock.
func makePast(t *testing.T) *past {
	t.Helper()
	p := &past{dir: t.TempDir(), to: time.Now().UTC().Truncate(time.Hour).Add(-time.Hour), weights: map[string]float64{"tokyo": 5, "osaka": 3}}
	p.from = p.to.Add(-26 * time.Hour)
	now := p.from.Add(-time.Hour)
	store, err := timeline.Open(t.Context(), timeline.Options{Dir: p.dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	plan := []sli.Maintenance{{Name: "weekly", Checks: []string{"shop"}, From: p.from.Add(3 * time.Hour), To: p.from.Add(5 * time.Hour), Timezone: "UTC"}}
	if err := store.SetMaintenance(t.Context(), plan, []string{"shop"}); err != nil {
		t.Fatal(err)
	}
	now = p.to.Add(time.Minute)
	if err := store.SetMaintenance(t.Context(), plan, []string{"shop"}); err != nil { // now it has begun
		t.Fatal(err)
	}
	if _, err := store.Ordinals(t.Context(), []timeline.Region{{Name: "tokyo", Weight: 5}, {Name: "osaka", Weight: 3}}); err != nil {
		t.Fatal(err)
	}
	for i, region := range []string{"tokyo", "osaka"} {
		for _, check := range []string{"shop", "zone", "odd"} {
			p.fill(t, store, sli.Series{Check: check, Region: region}, i)
		}
	}
	for _, c := range []sli.Correction{
		{Checks: []string{"shop"}, From: p.from.Add(10*time.Hour + 90*time.Second), To: p.from.Add(11 * time.Hour), Effect: "exclude"},
		{Checks: []string{"shop", "zone"}, Regions: []string{"tokyo"}, From: p.from.Add(20 * time.Hour), To: p.from.Add(20*time.Hour + 7*time.Minute), Effect: "bad"},
		{Checks: []string{"odd"}, From: p.from.Add(22 * time.Hour), To: p.from.Add(23 * time.Hour), Effect: "good"},
	} {
		c.Category, c.Reason, c.Author = "test", "made up", "kei"
		if _, err := store.Correct(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// fill makes one timeline. Shop looks every 20 s, zone every minute from the third hour to the twenty-fourth, odd every 32.4 s.
func (p *past) fill(t *testing.T, store *timeline.Store, x sli.Series, ordinal int) {
	t.Helper()
	e := probe.Epoch{Check: x.Check, From: p.from.Add(-time.Hour).UnixMilli(), Grid: probe.Grid{Interval: 20_000, Offset: int64(ordinal) * 3025}, Expected: true}
	end := p.to
	epochs := []probe.Epoch{e}
	switch x.Check {
	case "zone":
		end = p.from.Add(24 * time.Hour)
		e.From, e.Grid.Interval = p.from.Add(3*time.Hour).UnixMilli(), 60_000
		epochs = []probe.Epoch{e, {Check: x.Check, From: end.UnixMilli(), Expected: true}}
	case "odd":
		epochs[0].Grid.Interval = 32_400
		e = epochs[0]
	}
	b := probe.Batch{Epochs: epochs}
	n := 0
	first := (e.From/e.Grid.Interval+1)*e.Grid.Interval + e.Grid.Offset
	for at := first; at < end.UnixMilli(); at += e.Grid.Interval {
		r := probe.Result{Check: x.Check, Slot: at, Outcome: probe.Up, Latency: 1, Attempts: 1}
		for i := range r.Phases {
			r.Phases[i] = probe.NoLatency
		}
		switch n++; {
		case n%1000 < 30+10*ordinal:
			r.Outcome, r.Reason, r.Latency = probe.Down, probe.Status, probe.NoLatency
		case n%777 == 5: // no data
			continue
		case n%500 == 9:
			r.Outcome, r.Reason, r.Latency = probe.Inconclusive, probe.NoVouch, probe.NoLatency
		}
		b.Results = append(b.Results, r)
	}
	payloads, err := wire.Marshal(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range payloads {
		if err := store.Ingest(t.Context(), []timeline.Message{{Region: x.Region, Prober: "p", Received: p.to, Payload: payload}}); err != nil {
			t.Fatal(err)
		}
	}
}

// reports asks for the reports on a window.
func (p *past) reports(t *testing.T, from, to time.Time) []sli.Report {
	t.Helper()
	store, err := timeline.OpenReadOnly(t.Context(), p.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	reports, err := store.Reports(t.Context(), sli.Query{From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

// export runs the command with a window.
func (p *past) export(t *testing.T, from, to time.Time, words ...string) string {
	t.Helper()
	args := append([]string{"export", "openmetrics", "--from", from.Format(time.RFC3339Nano), "--to", to.Format(time.RFC3339Nano)}, words...)
	code, out, errs := gaikei(t, args...)
	if code != exitFine || errs != "" {
		t.Fatalf("gaikei %s: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// TestBackfillText holds the text against the format and the reports: it comes from the folder, the socket and the server alike.
func TestBackfillText(t *testing.T) {
	t.Parallel()
	past := makePast(t)
	from, to := past.from.Add(18*time.Hour+7500*time.Millisecond), past.to.Add(-20*time.Second)
	all := past.export(t, from, to, "--data", past.dir)
	past.checkText(t, all, from, to)
	// It is read in parts of a week: here one ends at noon of the first day.
	early := past.from.Add(12*time.Hour - backfillPart + 7500*time.Millisecond)
	long := past.export(t, early, past.from.Add(13*time.Hour), "--data", past.dir, "--check", "zone", "--region", "osaka")
	past.checkText(t, long, early, past.from.Add(13*time.Hour), sli.Series{Check: "zone", Region: "osaka"})

	code, out, errs := gaikei(t, "export", "openmetrics", "--data", past.dir, "--from", "-2h", "--to", "-1s", "--check", "shop")
	if code != exitFine || !strings.HasPrefix(errs, "gaikei: hint: it ends at ") || strings.Count(errs, "\n") != 1 || !strings.HasSuffix(out, "# EOF\n") {
		t.Errorf("until a second ago: exit code %d, %q, want a hint that it ends before", code, errs)
	}
	p := start(t, writeFile(t, t.TempDir(), "gaikei.yaml", "regions: {tokyo: {}}\ncontrols: none\nchecks:\n  - {name: now, tcp: {address: \"127.0.0.4:1\"}}\n"), past.dir)
	for _, words := range [][]string{{"--data", past.dir}, {"--server", "http://" + p.listen}} {
		same(t, all, past.export(t, from, to, words...))
	}
	same(t, long, past.export(t, early, past.from.Add(13*time.Hour), "--server", "http://"+p.listen, "--check", "zone", "--region", "osaka"))
	p.stop()
}

// same requires that two texts do not differ; of long ones it tells the first line that does.
func same(t *testing.T, want, got string) {
	t.Helper()
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Errorf("line %d is %q, want %q", i+1, b[i], a[i])
			return
		}
	}
	if len(a) != len(b) {
		t.Errorf("got %d lines, want %d", len(b), len(a))
	}
}

// TestNoteWindow tells what is missing from a window.
func TestNoteWindow(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, x := range []struct {
		q        sli.Query
		from, to time.Time
		settled  bool
		want     string
	}{
		{sli.Query{Window: day}, now.Add(-day), now, true, ""},
		{sli.Query{Window: 3 * day}, now.Add(-2 * day), now, true, "it begins at 2026-11-21 12:00:00Z: what was before is not kept\n"},
		{sli.Query{From: now.Add(-day), To: now}, now.Add(-day), now, true, ""},
		{sli.Query{From: now.Add(-3 * day), To: now}, now.Add(-2 * day), now, true, "it begins at 2026-11-21 12:00:00Z: what was before is not kept\n"},
		{sli.Query{From: now.Add(-day), To: now.Add(day)}, now.Add(-day), now, false, "it ends at 2026-11-23 12:00:00Z: what comes after that is not settled yet\n"},
	} {
		var out strings.Builder
		noteWindow(x.q, []sli.Report{{From: x.from, To: x.to, Settled: x.settled}}, &out)
		if got := strings.TrimPrefix(out.String(), "gaikei: hint: "); got != x.want {
			t.Errorf("%+v: got %q, want %q", x.q, got, x.want)
		}
	}
	var out strings.Builder
	if noteWindow(sli.Query{Window: day}, nil, &out); !strings.Contains(out.String(), "no check was due") {
		t.Errorf("of nothing: got %q", out.String())
	}
}

// checkText reads a text line by line: a family and a series are in one place, each series begins at 0, has a sample at every
// minute's border, never falls, and ends with what the report says.
// Without only it is about everything.
func (p *past) checkText(t *testing.T, out string, from, to time.Time, only ...sli.Series) {
	t.Helper()
	ends := map[string]string{} // the last value of each series
	var series string
	var at time.Time
	var last float64
	lines := strings.Split(out, "\n")
	if n := len(lines); n < 3 || lines[n-1] != "" || lines[n-2] != "# EOF" {
		t.Fatalf("the text does not end with # EOF")
	}
	for _, line := range lines[:len(lines)-2] {
		if strings.HasPrefix(line, "# ") {
			continue
		}
		i := strings.Index(line, "} ") + 1
		name, fields := line[:i], strings.Fields(line[i:])
		if name != series {
			if _, again := ends[name]; again || fields[0] != "0" || fields[1] != decimal(from) || series != "" && !at.Equal(to) {
				t.Fatalf("%s begins with %v after %s at %v, want once, at 0, at %s, after a series that ends at %v", name, fields, series, at, decimal(from), to)
			}
			series, at, last = name, from, 0
			ends[name] = "0"
			continue
		}
		next := at.Truncate(time.Minute).Add(time.Minute)
		if next.After(to) {
			next = to
		}
		x, err := strconv.ParseFloat(fields[0], 64)
		if err != nil || fields[1] != decimal(next) || x < last {
			t.Fatalf("%s has %v after %v at %v (%v), want no less, at %s", name, fields, last, at, err, decimal(next))
		}
		at, last, ends[name] = next, x, fields[0]
	}
	for _, r := range p.reports(t, from, to) {
		if r.Region == nil || len(only) > 0 && !slices.Contains(only, sli.Series{Check: r.Check, Region: *r.Region}) {
			continue
		}
		for v, n := range map[string][2]float64{
			"good": {r.Seconds.Good, float64(r.Slots.Good)}, "bad": {r.Seconds.Bad, float64(r.Slots.Bad)}, "excluded": {r.Seconds.Excluded, float64(r.Slots.Excluded)},
			"none": {r.Seconds.Undecided, float64(r.Slots.Scheduled - r.Slots.Good - r.Slots.Bad - r.Slots.Excluded)},
		} {
			for i, unit := range []string{"seconds", "slots"} {
				name := fmt.Sprintf(`gaikei_backfill_sli_%s_total{check="%s",region="%s",verdict="%s"}`, unit, r.Check, *r.Region, v)
				if got := ends[name]; got != strconv.FormatFloat(n[i], 'f', -1, 64) {
					t.Errorf("%s ends with %q, want %v", name, got, n[i])
				}
				delete(ends, name)
			}
		}
	}
	if len(ends) > 0 {
		t.Errorf("no report has %v", ends)
	}
}

// decimal is an instant in seconds.
func decimal(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', -1, 64)
}

// TestPrometheusTakesABackfill exports a past, has promtool make blocks of it, and asks a real Prometheus that has these for
// the same SLIs: over all of it and over hours within.
func TestPrometheusTakesABackfill(t *testing.T) {
	t.Parallel()
	needPrometheus(t)
	past := makePast(t)
	om := writeFile(t, t.TempDir(), "past.om", past.export(t, past.from, past.to, "--data", past.dir))
	blocks := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=48h", om, blocks).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	p := startPrometheus(t, blocks, "global: {scrape_interval: 1h}\n")
	shop := past.reports(t, past.from, past.to)[4] // in tokyo
	if shop.Excluded.Maintenance == 0 || shop.Excluded.Correction == 0 || shop.Corrected.Bad == 0 || shop.Slots.Inconclusive == 0 || shop.Slots.NoData == 0 {
		t.Fatalf("the past is too dull: %+v, excluded %+v, corrected %+v", shop.Slots, shop.Excluded, shop.Corrected)
	}
	for _, w := range [][2]time.Duration{
		{0, 26 * time.Hour},
		{2 * time.Hour, 4 * time.Hour},
		{9*time.Hour + 17*time.Minute, 21*time.Hour + 3*time.Minute},
		{25 * time.Hour, 26 * time.Hour}, // zone is no more
	} {
		from, to := past.from.Add(w[0]), past.from.Add(w[1])
		t.Run(fmt.Sprint(w[0], " to ", w[1]), func(t *testing.T) { past.compare(t, p, from, to) })
	}
}

// compare holds what a Prometheus says of a window against the reports on it.
func (p *past) compare(t *testing.T, prom *promServer, from, to time.Time) {
	grown := func(metric, labels string) string {
		s := metric + "{" + labels + "}"
		return fmt.Sprintf("sum by (check, region) (%s - %s offset %ds)", s, s, int(to.Sub(from).Seconds()))
	}
	const seconds = "gaikei_backfill_sli_seconds_total"
	weighed := func(verdicts string) string {
		of := func(region string) string {
			return fmt.Sprintf("%v * sum by (check) (%s)", p.weights[region], grown(seconds, `verdict=~"`+verdicts+`",region="`+region+`"`))
		}
		return "(" + of("tokyo") + " + " + of("osaka") + ")"
	}
	ratios := prom.values(grown(seconds, `verdict="good"`)+" / "+grown(seconds, `verdict=~"good|bad"`), to)
	for labels, x := range prom.values(weighed("good")+" / "+weighed("good|bad"), to) {
		ratios[labels] = x
	}
	slots := map[string]map[string]float64{}
	for _, v := range []string{"good", "bad", "none", "excluded"} {
		slots[v] = prom.values(grown("gaikei_backfill_sli_slots_total", `verdict="`+v+`"`), to)
	}
	compared := map[string]bool{}
	for _, r := range p.reports(t, from, to) {
		labels := fmt.Sprintf(`{check="%s"}`, r.Check)
		if r.Region != nil {
			labels = fmt.Sprintf(`{check="%s", region="%s"}`, r.Check, *r.Region)
			for verdict, n := range map[string]int64{"good": r.Slots.Good, "bad": r.Slots.Bad, "excluded": r.Slots.Excluded, "none": r.Slots.Inconclusive + r.Slots.Missed + r.Slots.NoData} {
				if got := slots[verdict][labels]; got != float64(n) {
					t.Errorf("%v slots of %s are %s, want %d", got, labels, verdict, n)
				}
			}
		}
		if r.Availability.Ratio == nil {
			continue
		}
		margin := 0.0
		if r.Check == "odd" {
			margin = 1e-15 // seconds of 32.4 each are rounded, where ours are milliseconds
		}
		compared[labels] = true
		if got, there := ratios[labels]; !there || math.Abs(got-*r.Availability.Ratio) > margin {
			t.Errorf("SLI of %s is %v, want %v", labels, got, *r.Availability.Ratio)
		}
	}
	for labels, got := range ratios {
		if !compared[labels] && !math.IsNaN(got) {
			t.Errorf("SLI of %s is %v, and no report has it", labels, got)
		}
	}
	if len(compared) < 6 {
		t.Errorf("only %v were compared, want two checks at least, in two regions and pooled", compared)
	}
}
