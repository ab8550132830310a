package sli_test

import (
	"bytes"
	"crypto/sha256"
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

// A vector is a file of testdata; its README says what the fields mean.
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
}

type scriptedRegion struct {
	Region string  `json:"region"`
	Weight float64 `json:"weight"`
	Epochs []struct {
		Prober   string    `json:"prober"`
		From     time.Time `json:"from"`
		Interval int64     `json:"interval_ms"`
		Offset   int64     `json:"offset_ms"`
	} `json:"epochs"`
	Script []scriptedRun `json:"script"`
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
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

type scriptedCorrection struct {
	scriptedInterval
	Effect  string   `json:"effect"`
	Regions []string `json:"regions"`
	Revoked bool     `json:"revoked"`
}

type question struct {
	Now           time.Time       `json:"now"`
	From          time.Time       `json:"from"`
	To            time.Time       `json:"to"`
	WindowSeconds int64           `json:"window_seconds"`
	Expect        json.RawMessage `json:"expect"`
}

type answer struct {
	Regions []sli.Report       `json:"regions"`
	Pooled  sli.Report         `json:"pooled"`
	Probers []sli.ProberReport `json:"probers"`
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/[0-9]*.json")
	if err != nil || len(files) < 12 {
		t.Fatalf("want at least 12 vectors, got %d (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			v := readVector(t, file)
			for i, q := range v.Questions {
				got, err := json.Marshal(v.answer(t, q))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tree(t, q.Expect), tree(t, got), nearly()); diff != "" {
					t.Errorf("question %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func readVector(t *testing.T, file string) *vector {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var v vector
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.Format != "gaikei-sli-vector/1" || len(v.Questions) == 0 {
		t.Fatalf("format %q with %d questions", v.Format, len(v.Questions))
	}
	return &v
}

func (v *vector) answer(t *testing.T, q question) answer {
	t.Helper()
	query := sli.Query{From: q.From, To: q.To, Window: time.Duration(q.WindowSeconds) * time.Second}
	w, err := query.Resolve(sli.AsOf(q.Now, time.Duration(v.BudgetSeconds)*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	var parts []sli.Part
	for _, r := range v.Regions {
		slots := slices.DeleteFunc(v.play(t, &r, q.Now), func(s sli.Slot) bool { return s.At < w.From || s.At >= w.To })
		part := partOf(slots, slices.Concat(v.spans(t, r.Region, w), v.announced(&r, q.Now, w)))
		part.Region, part.Weight = r.Region, r.Weight
		parts = append(parts, part)
		a.Regions = append(a.Regions, sli.RegionReport(w, v.subject(r.Region), part))
		a.Probers = append(a.Probers, sli.NewProberReport(w, r.Region, []*sli.Tally{part.Tally}))
	}
	a.Pooled = sli.Pooled(w, v.subject(""), parts)
	return a
}

func (v *vector) subject(region string) sli.Subject {
	under := time.Duration(math.Round(v.Latency.UnderSeconds * 1e9))
	return sli.Subject{Check: v.Check, Region: region, Under: under, Of: v.Latency.Of}
}

// spans are what changes how slots of a region count in a window; corrections are listed from the oldest to the newest.
func (v *vector) spans(t *testing.T, region string, w sli.Window) []sli.Span {
	t.Helper()
	var spans []sli.Span
	for _, m := range v.Maintenance {
		spans = append(spans, m.span(sli.InMaintenance))
	}
	for i, c := range v.Corrections {
		if c.Revoked || c.Regions != nil && !slices.Contains(c.Regions, region) {
			continue
		}
		effect, ok := sli.CorrectionEffect(c.Effect)
		if !ok {
			t.Fatalf("no effect is called %q", c.Effect)
		}
		span := c.span(effect)
		span.Rank = i + 1
		spans = append(spans, span)
	}
	return slices.DeleteFunc(spans, func(s sli.Span) bool { return s.To <= w.From || s.From >= w.To })
}

// announced are the spans of what the target announced as far as was received by now, each slot by itself.
func (v *vector) announced(r *scriptedRegion, now time.Time, w sli.Window) []sli.Span {
	limit := sli.AnnouncedLimit.Milliseconds()
	if v.Limit != nil {
		limit = *v.Limit * 1000
	}
	due := r.due()
	var as []sli.Announcement
	for _, run := range r.Script {
		n := 0
		for at := range sli.Due(due, run.From.UnixMilli(), math.MaxInt64) {
			if n++; n > run.Count || !run.Announced || run.Received.After(now) {
				break
			}
			as = append(as, sli.Announcement{From: at, To: at + 1, Step: 1, Limit: limit})
		}
	}
	return sli.AnnouncedSpans(as, due, w.From, w.To)
}

func (i scriptedInterval) span(e sli.Effect) sli.Span {
	return sli.Span{From: i.From.UnixMilli(), To: i.To.UnixMilli(), Effect: e}
}

// play returns all due slots of a region from the day before the script to the day after, or to now, as known at now.
func (v *vector) play(t *testing.T, r *scriptedRegion, now time.Time) []sli.Slot {
	t.Helper()
	day := r.Epochs[0].From.Truncate(24 * time.Hour)
	return v.known(t, r, now, day.Add(-24*time.Hour).UnixMilli(), max(day.Add(48*time.Hour).UnixMilli(), now.UnixMilli()))
}

func (r *scriptedRegion) due() []sli.Segment {
	var epochs []sli.Epoch
	for _, e := range r.Epochs {
		epochs = append(epochs, sli.Epoch{Prober: e.Prober, From: e.From.UnixMilli(), Interval: e.Interval, Offset: e.Offset})
	}
	return sli.Timetable(epochs)
}

// known returns the due slots of a region in [from, to), with what the script says of them and was received by now.
func (v *vector) known(t *testing.T, r *scriptedRegion, now time.Time, from, to int64) []sli.Slot {
	t.Helper()
	var slots []sli.Slot
	place := map[int64]int{}
	for at, cell := range sli.Due(r.due(), min(from, r.Epochs[0].From.UnixMilli()), to) {
		place[at] = len(slots)
		slots = append(slots, sli.Slot{At: at, Cell: cell, Latency: sli.NoLatency})
	}
	said := make([]word, len(slots))
	for _, run := range r.Script {
		if run.Received.After(now) || run.From.UnixMilli() >= to {
			continue
		}
		first, ok := place[run.From.UnixMilli()]
		if !ok {
			t.Fatalf("no slot is due at %v", run.From)
		}
		for i := first; i < min(first+run.Count, len(slots)); i++ {
			w := v.word(r, &run, slots[i].At)
			if w.compare(said[i]) > 0 {
				said[i] = w
				v.see(&slots[i], &run)
			}
		}
	}
	return slices.DeleteFunc(slots, func(s sli.Slot) bool { return s.At < from })
}

// A word is what makes one prober's word of a slot go before another's. The zero word is none.
type word struct {
	class int
	tie   [2]byte
}

func (w word) compare(o word) int {
	if w.class != o.class {
		return w.class - o.class
	}
	return bytes.Compare(w.tie[:], o.tie[:])
}

func (v *vector) word(r *scriptedRegion, run *scriptedRun, at int64) word {
	prober := run.Prober
	if prober == "" {
		prober = r.Epochs[0].Prober
	}
	class := 3
	switch outcomeNamed(run.Outcome) {
	case sli.Missed:
		class = 1
	case sli.Inconclusive:
		class = 2
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s", v.Check, r.Region, at, prober))
	return word{class, [2]byte(sum[:2])}
}

func (v *vector) see(s *sli.Slot, run *scriptedRun) {
	s.Outcome, s.Reason, s.Unvouched = outcomeNamed(run.Outcome), run.Reason, run.Unvouched
	s.Latency, s.Under = sli.NoLatency, false
	if s.Outcome == sli.Up {
		s.Latency, s.Under = indexOf(run.Latency), run.Latency < v.Latency.UnderSeconds
	}
}

func outcomeNamed(name string) sli.Outcome {
	for o := sli.Up; o <= sli.Missed; o++ {
		if o.String() == name {
			return o
		}
	}
	panic("no outcome is called " + name)
}

// indexOf quantises x seconds by the formula of the documentation.
func indexOf(x float64) sli.Index {
	return sli.Index(math.Ceil(math.Log(x) / math.Log(101.0/99.0)))
}

// tree is a JSON text as maps, slices, strings and numbers.
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
