package sli_test

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

// From a microsecond to a day, the value that stands for a latency is within 1 % of it.
func TestIndexIsWithinOnePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := math.Exp(rapid.Float64Range(math.Log(1e-6), math.Log(86400)).Draw(t, "ln x"))
		got := indexOf(x).Seconds()
		if off := math.Abs(got-x) / x; off > 0.01+1e-9 {
			t.Fatalf("%v s stands as %v s, off by %v", x, got, off)
		}
	})
}

func TestIndexValues(t *testing.T) {
	for index, want := range map[sli.Index]float64{0: 0.99, 1: 1.01, -159: 0.04116543454076591, -106: 0.11882291460646795, 300: 399.4743972413772} {
		if got := index.Seconds(); math.Abs(got-want) > 1e-15*want {
			t.Errorf("index %d: want %v, got %v", index, want, got)
		}
	}
	if got := sli.NoLatency.Seconds(); !math.IsNaN(got) {
		t.Errorf("no latency: want NaN, got %v", got)
	}
}

func TestValueJSON(t *testing.T) {
	for text, want := range map[string]sli.Value{`0.25`: 0.25, `3600`: 3600, `0`: 0, `"+Inf"`: sli.Value(math.Inf(1))} {
		var got sli.Value
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("reading %s: want %v, got %v, %v", text, want, got, err)
		}
		if b, err := json.Marshal(want); err != nil || string(b) != text {
			t.Errorf("writing %v: want %s, got %s, %v", want, text, b, err)
		}
	}
	for _, text := range []string{`"1"`, `"Inf"`, `true`, `{}`} {
		var got sli.Value
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("reading %s: want an error, got %v", text, got)
		}
	}
}

// The ends of the index are as good as its middle, in one tally and merged.
func TestLatenciesAtTheEnds(t *testing.T) {
	ends := []sli.Index{math.MaxInt16, sli.NoLatency + 1, 0}
	var all sli.Tally
	for i, index := range ends {
		one := tallyOf([]sli.Slot{{At: int64(i), Cell: 1000, Outcome: sli.Up, Latency: index}}, nil)
		all.Merge(one)
	}
	r := sli.RegionReport(sli.Window{}, sli.Subject{}, sli.Part{Tally: &all})
	if got := r.Latency.Quantiles["0.5"]; r.Latency.Count != 3 || got == nil || *got != sli.Value(sli.Index(0).Seconds()) {
		t.Errorf("median of %d: want %v, got %v", r.Latency.Count, sli.Index(0).Seconds(), got)
	}
}

// An up slot without a latency is good and in no latency figure.
func TestUpWithoutLatency(t *testing.T) {
	r := report(tallyOf([]sli.Slot{{Cell: 1000, Outcome: sli.Up, Latency: sli.NoLatency}}, nil))
	if r.Slots.Good != 1 || r.Latency.Count != 0 || r.Latency.Ratio != nil {
		t.Errorf("want 1 good, no latency; got %d good, %+v", r.Slots.Good, r.Latency)
	}
}

// An outcome stored by a later version is no verdict, and is not lost.
func TestUnknownOutcome(t *testing.T) {
	r := report(tallyOf([]sli.Slot{{Cell: 1000, Outcome: 9, Reason: "new"}}, nil))
	if r.Slots.Scheduled != 1 || r.Slots.Inconclusive != 1 || r.Seconds.Undecided != 1 {
		t.Errorf("want 1 scheduled, inconclusive, undecided; got %+v %+v", r.Slots, r.Seconds)
	}
}

// Squares of weights beyond 64 bits: a century of daily slots, each a day long.
func TestWilsonOfLongCells(t *testing.T) {
	const day = 24 * 3600 * 1000
	var long, short sli.Tally
	for i := range int64(36_500) {
		s := sli.Slot{At: i * day, Cell: day, Outcome: sli.Up, Latency: 0}
		if i%10 == 0 {
			s.Outcome = sli.Down
		}
		long.Add(s, nil)
		s.Cell = 1
		short.Add(s, nil)
	}
	a, b := report(&long).Availability, report(&short).Availability
	if math.Abs(*a.Low-*b.Low) > 1e-14 || math.Abs(*a.High-*b.High) > 1e-14 {
		t.Errorf("want [%v, %v], as with short cells; got [%v, %v]", *b.Low, *b.High, *a.Low, *a.High)
	}
}

func FuzzValue(f *testing.F) {
	for _, seed := range []string{`0.25`, `"+Inf"`, `"-Inf"`, `1e999`, `-0`, `null`, `"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, again sli.Value
		if json.Unmarshal(text, &v) != nil {
			return
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &again); err != nil || again != v {
			t.Fatalf("%s: read as %v, written as %s, read as %v, %v", text, v, b, again, err)
		}
	})
}
