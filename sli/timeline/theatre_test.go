package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A theatre is a store in which a vector is played.
type theatre struct {
	*Store
	clock *clock
	v     *vector
	acts  []act // not received yet
}

// An act is a message, and when it is received.
type act struct {
	at time.Time
	Message
}

// stage opens a store for a vector, with its regions, maintenance and corrections, and all messages still to come.
func stage(t *testing.T, v *vector) *theatre {
	t.Helper()
	h := &theatre{clock: &clock{v.Regions[0].Epochs[0].From.AddDate(0, 6, 0)}, v: v}
	h.Store = openStore(t, t.TempDir(), h.clock)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	var regions []Region
	var checks []string
	for i := range v.Regions {
		r := &v.Regions[i]
		if r.Check == "" {
			r.Check = v.Check
		}
		if !slices.ContainsFunc(regions, func(x Region) bool { return x.Name == r.Region }) {
			regions = append(regions, Region{Name: r.Region, Weight: r.Weight})
		}
		if !slices.Contains(checks, r.Check) {
			checks = append(checks, r.Check)
		}
		h.acts = append(h.acts, v.messages(t, r)...)
	}
	if _, err := h.Ordinals(t.Context(), regions); err != nil {
		t.Fatal(err)
	}
	if v.Limit != nil {
		limits := map[string]time.Duration{}
		for _, check := range checks {
			limits[check] = time.Duration(*v.Limit) * time.Second
		}
		h.SetAnnounced(limits)
	}
	h.maintain(t, checks)
	h.correct(t, checks)
	return h
}

func (h *theatre) maintain(t *testing.T, checks []string) {
	t.Helper()
	h.writing.Lock()
	defer h.writing.Unlock()
	for i, m := range h.v.Maintenance {
		for _, check := range over(m.Checks, checks) {
			o := occurrence{check, fmt.Sprint("m", i), sli.Span{From: m.From.UnixMilli(), To: m.To.UnixMilli()}}
			if err := h.putOccurrences(t.Context(), []occurrence{o}, m.From.UnixMilli()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// correct makes the corrections, from the oldest to the newest, and revokes those that were.
func (h *theatre) correct(t *testing.T, checks []string) {
	t.Helper()
	for i, x := range h.v.Corrections {
		h.clock.now = h.clock.now.Add(time.Second)
		stored := correct(t, h.Store, sli.Correction{
			ID: fmt.Sprint("c", i), Checks: over(x.Checks, checks), Regions: x.Regions, From: x.From, To: x.To, Effect: x.Effect,
			Category: "test", Reason: "a vector", Author: "kei",
		})
		if x.Revoked {
			revoke(t, h.Store, stored.ID)
		}
	}
}

// over are the checks that are named, or all if none are.
func over(named, all []string) []string {
	if named == nil {
		return all
	}
	return named
}

// messages are what the probers of a region send: each its epochs, and a message of each run.
func (v *vector) messages(t *testing.T, r *scriptedRegion) []act {
	t.Helper()
	epochs := map[string][]probe.Epoch{}
	var all []sli.Epoch
	for _, e := range r.Epochs {
		x := probe.Epoch{
			Check: r.Check, From: e.From.UnixMilli(), Grid: probe.Grid{Interval: e.Interval, Offset: e.Offset}, Budget: time.Duration(v.BudgetSeconds) * time.Second,
			Under: time.Duration(math.Round(v.Latency.UnderSeconds * 1e9)), Expected: true,
		}
		if v.Latency.Of == sli.OfUp {
			x.Of = probe.OfUp
		}
		epochs[e.Prober] = append(epochs[e.Prober], x)
		all = append(all, sli.Epoch{Prober: e.Prober, From: e.From.UnixMilli(), Interval: e.Interval, Offset: e.Offset})
	}
	var acts []act
	send := func(prober string, received time.Time, b probe.Batch) {
		m := in(r.Region, message(t, prober, b))
		m.Received = received
		if received.IsZero() { // when does not matter, but a result is not from the future
			m.Received = time.UnixMilli(latest(&b))
		}
		acts = append(acts, act{received, m})
	}
	for prober, es := range epochs {
		send(prober, time.Time{}, probe.Batch{Epochs: es})
	}
	for i := range r.Script {
		run := &r.Script[i]
		prober := run.Prober
		if prober == "" {
			prober = r.Epochs[0].Prober
		}
		send(prober, run.Received, v.batch(t, r.Check, sli.Timetable(all), run))
	}
	return acts
}

// latest is the last instant that a batch is about.
func latest(b *probe.Batch) int64 {
	at := int64(0)
	for _, e := range b.Epochs {
		at = max(at, e.From)
	}
	for _, r := range b.Results {
		at = max(at, r.Slot)
	}
	for _, m := range b.Missed {
		at = max(at, m.To)
	}
	return at
}

// batch is a run as its prober tells it; what it missed is a range.
func (v *vector) batch(t *testing.T, check string, due []sli.Segment, run *scriptedRun) probe.Batch {
	t.Helper()
	var b probe.Batch
	n := 0
	for at := range sli.Due(due, run.From.UnixMilli(), math.MaxInt64) {
		if n++; n == 1 && at != run.From.UnixMilli() {
			t.Fatalf("no slot is due at %v", run.From)
		}
		x := probe.Result{
			Check: check, Slot: at, Outcome: named(t, []probe.Outcome{probe.Up, probe.Down, probe.ExpectedUnreachable, probe.Unexpected, probe.Inconclusive, probe.Missed}, run.Outcome), Latency: probe.NoLatency, Unvouched: run.Unvouched, Announced: run.Announced,
			Attempts: 1, Phases: noPhases(),
		}
		if run.Reason != "" {
			x.Reason = named(t, probe.Reasons(), run.Reason)
		}
		switch x.Outcome {
		case probe.Missed:
			if n == 1 {
				b.Missed = []probe.MissedRange{{Check: check, From: at, Reason: x.Reason}}
			}
			b.Missed[0].To = at + 1
		case probe.Up:
			x.Latency = probe.LatencyIndex(math.Ceil(math.Log(run.Latency) / math.Log(101.0/99.0)))
			x.Under = run.Latency < v.Latency.UnderSeconds
			fallthrough
		default:
			b.Results = append(b.Results, x)
		}
		if n == run.Count {
			break
		}
	}
	return b
}

// named is the one of a list that has a name.
func named[T fmt.Stringer](t *testing.T, list []T, name string) T {
	t.Helper()
	i := slices.IndexFunc(list, func(x T) bool { return x.String() == name })
	if i < 0 {
		t.Fatalf("nothing is called %q", name)
	}
	return list[i]
}

// advance sets the clock and takes in all that is received by then, in an order of its own, a part of it twice and a part after a fold.
func (h *theatre) advance(t *testing.T, now time.Time) {
	t.Helper()
	h.clock.now = now
	var come []Message
	h.acts = slices.DeleteFunc(h.acts, func(a act) bool {
		if !a.at.After(now) {
			come = append(come, a.Message)
		}
		return !a.at.After(now)
	})
	random := rand.New(rand.NewPCG(1, uint64(now.Unix())))
	come = append(come, come[:len(come)/2]...)
	random.Shuffle(len(come), func(i, k int) { come[i], come[k] = come[k], come[i] })
	ingest(t, h.Store, come[:len(come)/2]...)
	foldAll(t, h.Store)
	ingest(t, h.Store, come[len(come)/2:]...)
}
