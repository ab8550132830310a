package sli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// An sloVector is a file of testdata about SLOs; the README says what the fields mean.
type sloVector struct {
	vector
	Now  time.Time     `json:"now"`
	SLOs []scriptedSLO `json:"slos"`
}

type scriptedSLO struct {
	Objective     json.RawMessage `json:"objective"`
	WindowSeconds int64           `json:"window_seconds"`
	Calendar      string          `json:"calendar"`
	Timezone      string          `json:"timezone"`
	Quorum        json.RawMessage `json:"quorum"`
	Policy        []struct {
		Decide      string  `json:"decide"`
		BudgetBelow float64 `json:"budget_below"`
	} `json:"policy"`
	Expect json.RawMessage `json:"expect"`
}

// sloAnswer has the figures that vectors are about.
type sloAnswer struct {
	From            time.Time    `json:"from"`
	To              time.Time    `json:"to"`
	End             time.Time    `json:"end"`
	SLI             *float64     `json:"sli"`
	IfUndecidedBad  *float64     `json:"if_undecided_bad"`
	IfUndecidedGood *float64     `json:"if_undecided_good"`
	Decided         *float64     `json:"decided"`
	Before          *float64     `json:"before"`
	Left            *float64     `json:"left"`
	LeftBefore      *float64     `json:"left_before"`
	TotalSeconds    *float64     `json:"total_seconds"`
	SpentSeconds    *float64     `json:"spent_seconds"`
	Burn            []burnAnswer `json:"burn"`
	Decision        string       `json:"decision"`
}

type burnAnswer struct {
	LongSeconds  float64  `json:"long_seconds"`
	Long         *float64 `json:"long"`
	ShortSeconds float64  `json:"short_seconds"`
	Short        *float64 `json:"short"`
	Alert        bool     `json:"alert"`
}

func TestSLOVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/slo-*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("want at least 5 vectors, got %d (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d := json.NewDecoder(bytes.NewReader(text))
			d.DisallowUnknownFields()
			var v sloVector
			if err := d.Decode(&v); err != nil || v.Format != "gaikei-slo-vector/1" || len(v.SLOs) == 0 {
				t.Fatalf("format %q with %d SLOs, %v", v.Format, len(v.SLOs), err)
			}
			for i, s := range v.SLOs {
				got, err := json.Marshal(v.report(t, s))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tree(t, s.Expect), tree(t, got), nearly()); diff != "" {
					t.Errorf("SLO %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

// slo makes an SLO of the script.
func (s *scriptedSLO) slo(t *testing.T) *sli.SLO {
	t.Helper()
	o := &sli.SLO{
		Name: "s", Indicator: "availability", Combine: sli.Combine{Rule: "pooled"}, Window: time.Duration(s.WindowSeconds) * time.Second,
		Calendar: s.Calendar, Timezone: s.Timezone,
	}
	var objective float64
	if err := json.Unmarshal(bytes.Trim(s.Objective, `"`), &objective); err != nil {
		t.Fatal(err)
	}
	o.Objective = sli.Ratio(objective)
	if s.Quorum != nil {
		o.Combine = sli.Combine{Rule: "quorum", Quorum: new(sli.Quorum)}
		if err := o.Combine.Quorum.UnmarshalText(bytes.Trim(s.Quorum, `"`)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range s.Policy {
		o.Policy = append(o.Policy, sli.Step{BudgetBelow: sli.Ratio(p.BudgetBelow), Decide: p.Decide})
	}
	return o
}

func (v *sloVector) report(t *testing.T, s scriptedSLO) sloAnswer {
	t.Helper()
	o := s.slo(t)
	cell := time.Duration(v.Regions[0].Epochs[0].Interval) * time.Millisecond
	w, err := o.WindowAt(sli.AsOf(v.Now, time.Duration(v.BudgetSeconds)*time.Second), cell)
	if err != nil {
		t.Fatal(err)
	}
	r := sli.NewSLOReport(o, w, v.blend(t, o, w), nil)
	a := sloAnswer{
		From: r.From, To: r.To, End: r.End, SLI: r.SLI, IfUndecidedBad: r.IfUndecidedBad, IfUndecidedGood: r.IfUndecidedGood, Decided: r.Decided,
		Before: r.Before, Left: r.Budget.Left, LeftBefore: r.Budget.LeftBefore, TotalSeconds: r.Budget.TotalSeconds, SpentSeconds: r.Budget.SpentSeconds,
		Decision: r.Decision.Decision,
	}
	for _, b := range r.Burn {
		a.Burn = append(a.Burn, burnAnswer{b.LongSeconds, b.Long, b.ShortSeconds, b.Short, b.Alert})
	}
	return a
}

// blend makes the amounts of the regions.
func (v *sloVector) blend(t *testing.T, o *sli.SLO, w sli.SLOWindow) *sli.Blend {
	t.Helper()
	m := sli.Measure{Indicator: o.Indicator}
	pool := &sli.Blend{Parts: []sli.Blend{}}
	var tracks []sli.Track
	for i := range v.Regions {
		r := &v.Regions[i]
		due := r.due()
		spans := v.spans(t, r.Region, sli.Window{From: -1 << 62, To: 1 << 62})
		slots := v.within(t, r, w.Cuts[0]-due[0].Interval, w.To)
		tracks = append(tracks, sli.NewTrack(slices.Values(slots), spans, m))
		line := sli.Blend{Name: r.Region, Weight: r.Weight}
		for k := range len(w.Cuts) - 1 {
			var tally sli.Tally
			for _, s := range slots {
				if s.At >= w.Cuts[k] && s.At < w.Cuts[k+1] {
					tally.Add(s, spans)
				}
			}
			line.Line = append(line.Line, tally.Amount(m))
		}
		_, still := sli.CountDue(due, w.To, w.End)
		line.Still = float64(still)
		pool.Parts = append(pool.Parts, line)
	}
	if o.Combine.Quorum == nil {
		return pool
	}
	one := &sli.Blend{Still: float64(w.End - w.To)}
	for k := range len(w.Cuts) - 1 {
		one.Line = append(one.Line, o.Combine.Quorum.Combined(tracks).Amount(w.Cuts[k], w.Cuts[k+1]))
	}
	return one
}
