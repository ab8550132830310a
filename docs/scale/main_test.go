package main

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The document shows what the program prints.
func TestDocument(t *testing.T) {
	data, err := os.ReadFile("../scale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(data), "<!-- go run ./docs/scale -->\n")
	shown, _, ended := strings.Cut(rest, "<!-- end -->")
	if !begun || !ended {
		t.Fatal("docs/scale.md lacks the marks between which the output is shown")
	}
	var sb strings.Builder
	report(&sb, measured)
	if d := cmp.Diff(strings.TrimSpace(sb.String()), strings.TrimSpace(shown)); d != "" {
		t.Errorf("docs/scale.md (-printed +shown):\n%s", d)
	}
}

// round are costs that can be reckoned with by hand.
var round = costs{
	probe: 100 * time.Microsecond, proberBase: 50e6, proberCheck: 10e3, message: 40, journal: 20,
	ingest:    [2]float64{1e6, 0.5e6},
	storeBase: 100e6, timeline: 200, tailResult: 50, slot: [2]float64{1, 2}, phases: [2]float64{0.5, 1},
	sustained: [2]float64{0.2, 0.4},
}

func TestPlan(t *testing.T) {
	// 1,000 checks in 10 regions at 10 s: 100 probes a second each, 1,000 results, 10,000 timelines with tails of 60.
	p := round.plan(workload{1000, 10, 10 * time.Second})
	want := plan{
		workload: workload{1000, 10, 10 * time.Second}, rate: 1000, installations: 1, store: sqlite,
		proberCores: 0.015, proberMemory: 60e6, linkBytes: 4000, storeCores: 0.015,
		storeMemory: 100e6 + 2*10_000*(200+60*50), disk: 10_000 * 8640 * 400 * 1.5, journalHour: 72e6,
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(a+b) })
	if d := cmp.Diff(want, p, cmp.AllowUnexported(plan{}, workload{}), near); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
	// One writer bears 20,000/0.4 = 50,000 results a second, of which two thirds are planned for.
	p = round.plan(workload{10_000, 100, time.Second})
	if p.store != postgres || p.installations < 30 || p.installations > 33 {
		t.Errorf("for 1,000,000 results a second: got %d installations of store %d, want 30 of PostgreSQL, or a tenth more", p.installations, p.store)
	}
}

// Whatever is planned bears what it is for, and one installation fewer would not, or hardly.
func TestPlansFit(t *testing.T) {
	for checks := 1; checks <= 1_000_000; checks *= 10 {
		for _, regions := range []int{1, 3, 30, 300} {
			for _, interval := range []time.Duration{time.Second, 10 * time.Second, time.Minute, time.Hour} {
				w := workload{checks, regions, interval}
				p := measured.plan(w)
				if !p.fits(measured) {
					t.Errorf("%+v: the plan does not fit: %+v", w, p)
				}
				if n := p.installations * 8 / 10; n > 0 && measured.divided(w, n).fits(measured) {
					t.Errorf("%+v: got %d installations, and %d would do", w, p.installations, n)
				}
			}
		}
	}
}

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0 B", 5: "5 B", 999: "999 B", 1000: "1 kB", 1040: "1.0 kB", 9960: "10 kB", 999_600: "1.0 MB", 2.5e9: "2.5 GB", 3e15: "3 PB", 4e18: "4000 PB",
	} {
		if got := number(x, "B"); got != want {
			t.Errorf("number(%v): got %q, want %q", x, got, want)
		}
	}
	for x, want := range map[float64]string{0.01: "0.1 core", 1: "1 core", 1.01: "1.1 cores"} {
		if got := cores(x); got != want {
			t.Errorf("cores(%v): got %q, want %q", x, got, want)
		}
	}
}
