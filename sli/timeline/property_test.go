package timeline

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A model is the slow truth: every record ever sent, joined in a map, and every range expanded at the end.
type model struct {
	j       *joiner
	records map[int64]record
	ranges  []gap
	epochs  map[string]epoch // by prober and start

	announced map[int64]bool
}

func newModel() *model {
	return &model{
		j:       &joiner{check: "shop", region: "tokyo", probers: &probers{}},
		records: map[int64]record{}, epochs: map[string]epoch{}, announced: map[int64]bool{},
	}
}

func (m *model) take(prober string, received time.Time, b *probe.Batch) {
	p := m.j.probers.id(prober)
	for i, e := range b.Epochs {
		x := storedEpoch(Message{Prober: prober, Received: received}, i, e)
		key := fmt.Sprint(prober, x.start)
		if old, ok := m.epochs[key]; !ok || old.announced < x.announced {
			m.epochs[key] = x
		}
	}
	for i := range b.Results {
		r := &b.Results[i]
		m.records[r.Slot] = m.j.join(r.Slot, m.records[r.Slot], recordOf(r, p))
		if r.Announced {
			m.announced[r.Slot] = true
		}
	}
	for _, r := range b.Missed {
		m.ranges = append(m.ranges, gap{from: r.From, to: r.To, prober: p, reason: r.Reason})
	}
}

// slots is every due slot of [from, to), straight from the definitions.
func (m *model) slots(from, to int64) []sli.Slot {
	var all []epoch
	for _, e := range m.epochs {
		all = append(all, e)
	}
	out := []sli.Slot{}
	for at, cell := range sli.Due(timetable(all), from, to) {
		r := m.records[at]
		for _, g := range m.ranges {
			follows := sli.CellAt(followed(all, m.j.probers.name(g.prober)), at) > 0
			if g.from <= at && at < g.to && follows {
				r = m.j.join(at, r, missedRecord(g.reason, g.prober))
			}
		}
		var slot sli.Slot
		setSlot(&slot, at, cell, &r)
		out = append(out, slot)
	}
	return out
}

// midnight has two days of tests on either side of it.
var midnight = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)

func batchGen() *rapid.Generator[probe.Batch] {
	instant := rapid.Custom(func(t *rapid.T) int64 {
		at := midnight.UnixMilli() + 10_000*rapid.Int64Range(-12, 11).Draw(t, "slot")
		return at + rapid.SampledFrom([]int64{0, 0, 0, 0, 5_000, 1}).Draw(t, "off")
	})
	return rapid.Custom(func(t *rapid.T) probe.Batch {
		var b probe.Batch
		if rapid.IntRange(0, 3).Draw(t, "epochs") == 0 {
			b.Epochs = append(b.Epochs, probe.Epoch{
				Check: "shop", From: midnight.UnixMilli() + rapid.SampledFrom([]int64{-60_000, 0, 35_000}).Draw(t, "from"), Budget: time.Second, Under: time.Second, Expected: true,
				Grid: rapid.SampledFrom([]probe.Grid{tenSeconds, {Interval: 20_000}, {Interval: 10_000, Offset: 5_000}, {}}).Draw(t, "grid"),
			})
		}
		for range rapid.IntRange(0, 6).Draw(t, "results") {
			at := time.UnixMilli(instant.Draw(t, "at"))
			r := rapid.SampledFrom([]probe.Result{
				up("shop", at), down("shop", at),
				{Check: "shop", Slot: at.UnixMilli(), Outcome: probe.Missed, Reason: probe.Overload, Latency: probe.NoLatency, Phases: noPhases()},
				{Check: "shop", Slot: at.UnixMilli(), Outcome: probe.Inconclusive, Reason: probe.NoVouch, Latency: probe.NoLatency, Attempts: 1, Phases: noPhases()},
			}).Draw(t, "result")
			if r.Outcome == probe.Up {
				r.Latency += probe.LatencyIndex(rapid.IntRange(0, 300).Draw(t, "latency"))
				r.Under = rapid.Bool().Draw(t, "under")
			}
			r.Announced = r.Outcome == probe.Down && rapid.Bool().Draw(t, "announced")
			b.Results = append(b.Results, r)
		}
		if rapid.IntRange(0, 2).Draw(t, "missed") == 0 {
			from := instant.Draw(t, "missed from")
			b.Missed = append(b.Missed, probe.MissedRange{
				Check: "shop", From: from, To: from + rapid.Int64Range(1, 100_000).Draw(t, "missed for"),
				Reason: rapid.SampledFrom([]probe.Reason{probe.Stopped, probe.Late}).Draw(t, "missed why"),
			})
		}
		return b
	})
}

// Any interleaving of messages, repeated and out of order, with folds, restarts and commits whose outcome is not
// known gives the timeline of the model, and the figures that sli gives for it.
func TestAnyInterleavingGivesTheSameTimeline(t *testing.T) {
	t.Parallel()
	everywhere(t, testAnyInterleavingGivesTheSameTimeline)
}

func testAnyInterleavingGivesTheSameTimeline(t *testing.T, p place) {
	p.check(t, allRounds, func(rt *rapid.T, p place) {
		c := &clock{noon}
		s := p.open(t, c)
		defer func() { _ = s.Close() }()
		m := newModel()
		var sent []Message
		for _, prober := range []string{"p", "q"} {
			e := follow("shop")
			e.From = midnight.Add(-2 * time.Minute).UnixMilli()
			e.Under = time.Second
			b := probe.Batch{Epochs: []probe.Epoch{e}}
			m.take(prober, noon.Add(-time.Hour), &b)
			msg := message(rt, prober, b)
			msg.Received = noon.Add(-time.Hour)
			ingest(t, s, msg)
		}
		steps := rapid.IntRange(1, 14).Draw(rt, "steps")
		for n := range steps {
			switch rapid.SampledFrom([]string{"send", "send", "send", "send", "again", "fold", "restart"}).Draw(rt, "step") {
			case "send":
				b := batchGen().Draw(rt, "batch")
				if b.Empty() {
					continue
				}
				msg := message(rt, rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "prober"), b)
				msg.Received = noon.Add(time.Duration(rapid.IntRange(-5, 5).Draw(rt, "received")*steps+n) * time.Second)
				m.take(msg.Prober, msg.Received, &b)
				sent = append(sent, msg)
				ingest(t, s, msg)
			case "again":
				if len(sent) > 0 {
					ingest(t, s, sent[rapid.IntRange(0, len(sent)-1).Draw(rt, "which")])
				}
			case "fold":
				foldAll(t, s)
			case "restart":
				if err := s.Close(); err != nil {
					rt.Fatalf("close: %v", err)
				}
				s = p.open(t, c)
			}
		}
		from, to := midnight.Add(-2*time.Minute), midnight.Add(2*time.Minute)
		compare(rt, s, m, from, to)
		compare(rt, s, m, from.Add(time.Duration(rapid.IntRange(0, 200).Draw(rt, "later"))*time.Second), to)
	})
}

func compare(t *rapid.T, s *Store, m *model, from, to time.Time) {
	t.Helper()
	want := m.slots(from.UnixMilli(), to.UnixMilli())
	got := []sli.Slot{}
	x := sli.Series{Check: "shop", Region: "tokyo"}
	if tl := s.timelines.of(x); tl != nil {
		err := s.walk(t.Context(), s.view(tl, from.UnixMilli(), to.UnixMilli()), from.UnixMilli(), to.UnixMilli(),
			func(slot *sli.Slot) bool { got = append(got, *slot); return true })
		if err != nil {
			t.Fatalf("walk: %v", err)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("slots (-want +got):\n%s", d)
	}
	reports, err := s.Reports(t.Context(), sli.Query{From: from, To: to})
	if err != nil {
		t.Fatalf("reports: %v", err)
	}
	if len(want) == 0 {
		return
	}
	spans, err := s.Spans(t.Context(), x, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		t.Fatalf("spans: %v", err)
	}
	for _, slot := range want {
		if got := sli.EffectAt(spans, slot.At) == sli.Announced; got != m.announced[slot.At] {
			t.Fatalf("%v: taken out as announced %v, want %v", time.UnixMilli(slot.At).UTC(), got, m.announced[slot.At])
		}
	}
	var tally sli.Tally
	for _, slot := range want {
		tally.Add(slot, spans)
	}
	w := sli.Window{From: from.UnixMilli(), To: to.UnixMilli(), AsOf: reports[0].AsOf.UnixMilli(), Settled: true}
	subject := sli.Subject{Check: "shop", Region: "tokyo", Under: time.Second, Of: sli.OfValid}
	wantReports := []sli.Report{
		sli.RegionReport(w, subject, sli.Part{Tally: &tally}),
		sli.Pooled(w, subject, []sli.Part{{Region: "tokyo", Weight: 1, Tally: &tally}}),
	}
	if d := cmp.Diff(wantReports, reports); d != "" {
		t.Fatalf("reports (-want +got):\n%s", d)
	}
}
