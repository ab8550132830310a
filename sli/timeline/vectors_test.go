package timeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// A vector is a file of sli/testdata; its README says what the fields mean.
type vector struct {
	Format        string `json:"format"`
	About         string `json:"about"`
	Check         string `json:"check"`
	BudgetSeconds int64  `json:"budget_seconds"`
	Latency       struct {
		UnderSeconds float64 `json:"under_seconds"`
		Of           string  `json:"of"`
	} `json:"latency"`
	Regions     []scriptedRegion     `json:"regions"`
	Maintenance []scriptedInterval   `json:"maintenance"`
	Corrections []scriptedCorrection `json:"corrections"`
	Limit       *int64               `json:"announced_limit_seconds"`
	Questions   []question           `json:"questions"`
	Now         time.Time            `json:"now"`
	SLOs        []scriptedSLO        `json:"slos"`
}

type scriptedRegion struct {
	Check  string          `json:"check"`
	Region string          `json:"region"`
	Weight float64         `json:"weight"`
	Epochs []scriptedEpoch `json:"epochs"`
	Script []scriptedRun   `json:"script"`
}

type scriptedEpoch struct {
	Prober   string    `json:"prober"`
	From     time.Time `json:"from"`
	Interval int64     `json:"interval_ms"`
	Offset   int64     `json:"offset_ms"`
}

type scriptedRun struct {
	From      time.Time `json:"from"`
	Count     int       `json:"count"`
	Prober    string    `json:"prober"`
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason"`
	Latency   float64   `json:"latency_seconds"`
	Unvouched bool      `json:"unvouched"`
	Announced bool      `json:"announced"`
	Received  time.Time `json:"received"`
}

type scriptedInterval struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Checks []string  `json:"checks"`
}

type scriptedCorrection struct {
	scriptedInterval
	Effect  string   `json:"effect"`
	Regions []string `json:"regions"`
	Revoked bool     `json:"revoked"`
}

type question struct {
	Now            time.Time       `json:"now"`
	From           time.Time       `json:"from"`
	To             time.Time       `json:"to"`
	WindowSeconds  int64           `json:"window_seconds"`
	Quorum         json.RawMessage `json:"quorum"`
	LengthsSeconds []int64         `json:"lengths_seconds"`
	Expect         json.RawMessage `json:"expect"`
}

func (q *question) query() sli.Query {
	return sli.Query{From: q.From, To: q.To, Window: time.Duration(q.WindowSeconds) * time.Second, Now: q.Now}
}

// Every vector is played as probers and people would: what was seen comes as messages, in any order and twice, some before a fold
// and some after it; corrections are made and revoked. Then it is asked as the command line asks.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.json")
	if err != nil || len(files) < 50 {
		t.Fatalf("want at least 50 vectors, got %d (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			v := readVector(t, file)
			ask := map[string]func(*theatre, *testing.T){
				"gaikei-sli-vector/1": (*theatre).reports, "gaikei-slo-vector/1": (*theatre).slos,
				"gaikei-incident-vector/1": (*theatre).incidents, "gaikei-uptime-vector/1": (*theatre).uptimes,
			}[v.Format]
			if ask == nil || len(v.Questions)+len(v.SLOs) == 0 {
				t.Fatalf("format %q with %d questions and %d SLOs", v.Format, len(v.Questions), len(v.SLOs))
			}
			ask(stage(t, v), t)
		})
	}
}

func readVector(t *testing.T, file string) *vector {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var v vector
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	for i := range v.SLOs {
		if v.SLOs[i].Now.IsZero() {
			v.SLOs[i].Now = v.Now
		}
	}
	// Time goes forward.
	slices.SortStableFunc(v.Questions, func(a, b question) int { return a.Now.Compare(b.Now) })
	slices.SortStableFunc(v.SLOs, func(a, b scriptedSLO) int { return a.Now.Compare(b.Now) })
	return &v
}

// play asks the i-th question of each instant, then folds and asks again. Instants ascend.
func (h *theatre) play(t *testing.T, instants []time.Time, ask func(i int, when string)) {
	t.Helper()
	for from := 0; from < len(instants); {
		to := from
		for to < len(instants) && instants[to].Equal(instants[from]) {
			to++
		}
		h.advance(t, instants[from])
		for _, when := range []string{"", ", folded"} {
			for i := from; i < to; i++ {
				ask(i, when)
			}
			foldAll(t, h.Store)
		}
		from = to
	}
}

// questions asks the questions of a vector.
func (h *theatre) questions(t *testing.T, answer func(q *question) (any, error)) {
	t.Helper()
	var instants []time.Time
	for _, q := range h.v.Questions {
		instants = append(instants, q.Now)
	}
	h.play(t, instants, func(i int, when string) {
		q := &h.v.Questions[i]
		got, err := answer(q)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprintf("from %s to %s at %s, quorum %s, lengths %v%s", q.From, q.To, q.Now, q.Quorum, q.LengthsSeconds, when), q.Expect, got)
	})
}

// same compares an answer with what is expected.
func same(t *testing.T, what string, expect json.RawMessage, got any) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree(t, expect), tree(t, text), nearly()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func tree(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// nearly lets floating-point operations be in any order: equal to 1 part in 10¹².
func nearly() cmp.Option {
	return cmp.Comparer(func(a, b float64) bool {
		return a == b || math.Abs(a-b) <= 1e-12*max(math.Abs(a), math.Abs(b))
	})
}

// A figureSet is the answer of a vector about SLIs.
type figureSet struct {
	Regions []sli.Report       `json:"regions"`
	Pooled  sli.Report         `json:"pooled"`
	Probers []sli.ProberReport `json:"probers"`
}

// reports asks for SLIs. The store leaves out regions of which nothing is due; the vector has empty reports of them.
func (h *theatre) reports(t *testing.T) {
	h.questions(t, func(q *question) (any, error) {
		var want, got figureSet
		if err := json.Unmarshal(q.Expect, &want); err != nil {
			return nil, err
		}
		reports, err := h.Reports(t.Context(), q.query())
		if err != nil {
			return nil, err
		}
		probers, err := h.Probers(t.Context(), q.query())
		if err == nil {
			got.add(&want, reports, probers)
		}
		return got, err
	})
}

// add takes over reports in the order of the vector; what the store leaves out must be empty there.
func (f *figureSet) add(want *figureSet, reports []sli.Report, probers []sli.ProberReport) {
	f.Regions, f.Probers, f.Pooled = slices.Clone(want.Regions), slices.Clone(want.Probers), want.Pooled
	for i := range want.Regions {
		k := slices.IndexFunc(reports, func(r sli.Report) bool { return r.Region != nil && *r.Region == *want.Regions[i].Region })
		if k >= 0 {
			f.Regions[i], f.Probers[i] = reports[k], probers[k]
		} else {
			f.Regions[i].Slots, f.Probers[i].Slots = sli.SlotCounts{}, sli.SlotCounts{}
		}
	}
	if n := len(reports); n > 0 {
		f.Pooled = reports[n-1]
		f.Pooled.Weights = want.Pooled.Weights
	} else {
		f.Pooled.Slots = sli.SlotCounts{}
	}
}

// incidents asks for incidents.
func (h *theatre) incidents(t *testing.T) {
	h.questions(t, func(q *question) (any, error) {
		var quorum sli.Quorum
		if q.Quorum != nil {
			if err := quorum.UnmarshalText(bytes.Trim(q.Quorum, `"`)); err != nil {
				return nil, err
			}
		}
		xs, err := h.Incidents(t.Context(), q.query(), quorum, nil)
		list := without(t, xs, "schema_version", "check", "as_of", "budget_spent")
		for _, x := range list {
			x["regions"] = without(t, x["regions"], "evidence", "summary") // which vectors do not have
		}
		return list, err
	})
}

// uptimes asks for windowed user-uptime.
func (h *theatre) uptimes(t *testing.T) {
	h.questions(t, func(q *question) (any, error) {
		var lengths []time.Duration
		for _, s := range q.LengthsSeconds {
			lengths = append(lengths, time.Duration(s)*time.Second)
		}
		reports, err := h.Uptimes(t.Context(), q.query(), lengths)
		if err != nil {
			return nil, err
		}
		if len(reports) != 1 {
			return nil, fmt.Errorf("got %d reports, want one", len(reports))
		}
		return reports[0].Points, nil
	})
}

// without is a list of objects that lack some fields, which vectors do not have.
func without(t *testing.T, list any, fields ...string) []map[string]any {
	t.Helper()
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	out := []map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	for _, x := range out {
		for _, f := range fields {
			delete(x, f)
		}
	}
	return out
}

// A scriptedSLO is an SLO of a vector.
type scriptedSLO struct {
	Now           time.Time          `json:"now"`
	Indicator     string             `json:"indicator"`
	Objective     json.RawMessage    `json:"objective"`
	WindowSeconds int64              `json:"window_seconds"`
	Calendar      string             `json:"calendar"`
	Timezone      string             `json:"timezone"`
	Checks        []string           `json:"checks"`
	Regions       []string           `json:"regions"`
	Combine       string             `json:"combine"`
	Quorum        json.RawMessage    `json:"quorum"`
	Group         string             `json:"group"`
	Weights       map[string]float64 `json:"weights"`
	CheckWeights  map[string]float64 `json:"check_weights"`
	Policy        []struct {
		Decide      string  `json:"decide"`
		BudgetBelow float64 `json:"budget_below"`
	} `json:"policy"`
	Expect json.RawMessage `json:"expect"`
}

// slos asks how SLOs stand.
func (h *theatre) slos(t *testing.T) {
	var checks []string
	for i := range h.v.Regions {
		checks = append(checks, h.v.Regions[i].Check)
	}
	var instants []time.Time
	for i := range h.v.SLOs {
		instants = append(instants, h.v.SLOs[i].Now)
	}
	h.play(t, instants, func(i int, when string) {
		x := &h.v.SLOs[i]
		rs, err := h.SLOs(t.Context(), []sli.SLO{x.slo(t, checks)}, x.Now)
		if err != nil {
			t.Fatal(err)
		}
		same(t, x.name()+when, x.Expect, standingOf(&rs[0]))
	})
}

// name tells SLOs of a vector apart.
func (x *scriptedSLO) name() string {
	return fmt.Sprintf("at %s %s %s %ds %s %s %s %s %s %v %v", x.Now, x.Indicator, x.Objective, x.WindowSeconds, x.Calendar, x.Timezone, x.Combine, x.Quorum, x.Group, x.Weights, x.CheckWeights)
}

func (x *scriptedSLO) slo(t *testing.T, checks []string) sli.SLO {
	t.Helper()
	o := sli.SLO{
		Name: "s", Checks: over(x.Checks, checks), Regions: x.Regions, Indicator: "availability", Combine: sli.Combine{Rule: "pooled"}, Group: x.Group,
		Weights: x.Weights, CheckWeights: x.CheckWeights, Window: time.Duration(x.WindowSeconds) * time.Second, Calendar: x.Calendar, Timezone: x.Timezone,
	}
	if x.Indicator != "" {
		o.Indicator = x.Indicator
	}
	if x.Timezone == "" {
		o.Timezone = "UTC"
	}
	if x.Combine != "" {
		o.Combine.Rule = x.Combine
	}
	var objective float64
	if err := json.Unmarshal(bytes.Trim(x.Objective, `"`), &objective); err != nil {
		t.Fatal(err)
	}
	o.Objective = sli.Ratio(objective)
	if x.Quorum != nil {
		o.Combine = sli.Combine{Rule: "quorum", Quorum: new(sli.Quorum)}
		if err := o.Combine.Quorum.UnmarshalText(bytes.Trim(x.Quorum, `"`)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range x.Policy {
		o.Policy = append(o.Policy, sli.Step{BudgetBelow: sli.Ratio(p.BudgetBelow), Decide: p.Decide})
	}
	if ps := o.Validate(); len(ps) > 0 {
		t.Fatalf("SLO %s: %v", x.name(), ps)
	}
	return o
}

// standingOf has the figures of a report that vectors are about.
func standingOf(r *sli.SLOReport) map[string]any {
	burn := []map[string]any{}
	for _, b := range r.Burn {
		burn = append(burn, map[string]any{"long_seconds": b.LongSeconds, "long": b.Long, "short_seconds": b.ShortSeconds, "short": b.Short, "alert": b.Alert})
	}
	return map[string]any{
		"from": r.From, "to": r.To, "end": r.End, "sli": r.SLI, "if_undecided_bad": r.IfUndecidedBad, "if_undecided_good": r.IfUndecidedGood,
		"decided": r.Decided, "standing": r.Standing, "observed": r.Observed, "before": r.Before, "left": r.Budget.Left, "left_before": r.Budget.LeftBefore,
		"total_seconds": r.Budget.TotalSeconds, "spent_seconds": r.Budget.SpentSeconds, "burn": burn, "exhaustion_seconds": r.Exhaustion,
		"decision": r.Decision.Decision,
	}
}
