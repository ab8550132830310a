package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// TestChangesInMidWindow changes an interval and adds a region while a window lasts, and asks the API. The ratio is by
// time, not by slots; no slot of the region that was there moves; the sums hold over any windows.
func TestChangesInMidWindow(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	var broken atomic.Bool
	shop := listenOn(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.WriteString(w, "ready")
	}))
	text := func(regions, interval string) string {
		return l.config(regions, "steady: interval: 500ms") +
			fmt.Sprintf("  - {name: shop, interval: %s, http: {url: \"http://%s/\"}}\n", interval, shop)
	}
	dir := t.TempDir()
	path := writeFile(t, dir, "gaikei.yaml", text("here: {weight: 1}", "500ms"))
	p := start(t, path, dir+"/data")
	from := time.Now()
	p.answered(l.truth, "steady", 8)
	before := slotsBy(p.recent("steady", "here"))
	broken.Store(true)
	p.reloadFile(path, text("here: {weight: 1}, there: {weight: 0}", "2s"))
	p.answered(l.truth, "steady", 24)
	to := time.Now().Add(-time.Second)
	p.until("has settled the window", func() bool { return p.report("shop", "here", between(from, to)).Settled })

	r := p.report("shop", "here", between(from, to))
	bySlots := float64(r.Slots.Good) / float64(r.Slots.Good+r.Slots.Bad)
	byTime := r.Seconds.Good / (r.Seconds.Good + r.Seconds.Bad)
	if a := r.Availability.Ratio; a == nil {
		t.Error("availability is undefined")
	} else if math.Abs(*a-byTime) > 1e-12 {
		t.Errorf("availability is %v, want %v, by time", *a, byTime)
	}
	if bySlots-byTime < 0.1 {
		t.Errorf("by slots %v, by time %v: the interval did not change in mid-window", bySlots, byTime)
	}
	if want := to.Sub(from).Seconds(); math.Abs(r.Seconds.Due-want) > 3 {
		t.Errorf("due are %v s of a window of %v s", r.Seconds.Due, want)
	}
	p.pooled("steady", between(from, to), "here")
	for at, s := range slotsBy(p.recent("steady", "here")) {
		if old, there := before[at]; there && old.Outcome == sli.Up && !cmp.Equal(old, s) {
			t.Errorf("slot %d of the region that was there is now %+v, was %+v", at, s, old)
		}
		delete(before, at)
	}
	if len(before) > 0 {
		t.Errorf("slots %v of the region that was there are gone", before)
	}
	wantSteps(t, "steady", p.recent("steady", "here"), 500*time.Millisecond)
	for range 30 {
		p.addsUp("shop", from, to)
	}
	p.stop()
}

// pooled requires that the combined report of a check is that of the one region that has a weight.
func (p *program) pooled(check, window, region string) {
	p.t.Helper()
	_, body := p.get("/api/v1/sli?check=" + check + "&" + window)
	var list struct{ Items []sli.Report }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		p.t.Fatalf("GET /api/v1/sli: %v in %s", err, body)
	}
	if len(list.Items) != 3 {
		p.t.Fatalf("%s has %d reports, want two regions and one over both", check, len(list.Items))
	}
	all := list.Items[2]
	if d := cmp.Diff(map[string]float64{region: 1}, all.Weights); d != "" {
		p.t.Errorf("weights (-want +got):\n%s", d)
	}
	for _, r := range list.Items[:2] {
		if same := cmp.Equal(r.Slots, all.Slots) && cmp.Equal(r.Availability, all.Availability); same != (*r.Region == region) {
			p.t.Errorf("the figures over all regions are those of %s: %v", *r.Region, same)
		}
	}
}

// addsUp asks for a random window and for its two halves: every sum holds, and the halves make the whole.
func (p *program) addsUp(check string, from, to time.Time) {
	p.t.Helper()
	within := func(a, b time.Time) time.Time { return a.Add(rand.N(b.Sub(a))) }
	a := within(from, to)
	c := within(a, to)
	if c.Sub(a) < 2 {
		return
	}
	b := within(a.Add(1), c)
	var parts [3]sli.SlotCounts
	var due [3]float64
	for i, w := range []string{between(a, b), between(b, c), between(a, c)} {
		r := p.report(check, "here", w)
		n := r.Slots
		if sum := n.Good + n.Bad + n.Inconclusive + n.Missed + n.NoData + n.Excluded; n.Scheduled != sum {
			p.t.Errorf("%s: %d slots are scheduled and %d add up", w, n.Scheduled, sum)
		}
		s := r.Seconds
		if sum := s.Good + s.Bad + s.Undecided + s.Excluded; math.Abs(s.Due-sum) > 1e-6 {
			p.t.Errorf("%s: %v s are due and %v add up", w, s.Due, sum)
		}
		parts[i], due[i] = n, s.Due
	}
	if d := cmp.Diff(parts[2], plus(parts[0], parts[1])); d != "" || math.Abs(due[0]+due[1]-due[2]) > 1e-6 {
		p.t.Errorf("[%v, %v) and [.., %v) do not add up, due %v (-whole +halves):\n%s", a, b, c, due, d)
	}
}

func plus(a, b sli.SlotCounts) sli.SlotCounts {
	return sli.SlotCounts{
		Scheduled: a.Scheduled + b.Scheduled, Good: a.Good + b.Good, Bad: a.Bad + b.Bad, Inconclusive: a.Inconclusive + b.Inconclusive,
		Missed: a.Missed + b.Missed, NoData: a.NoData + b.NoData, Excluded: a.Excluded + b.Excluded,
	}
}

// recent reads the slots of a running program from its folder.
func (p *program) recent(check, region string) []sli.Slot {
	p.t.Helper()
	return slotsOf(p.t, p.data, check, region)
}

func slotsBy(slots []sli.Slot) map[int64]sli.Slot {
	m := map[int64]sli.Slot{}
	for _, s := range slots {
		m[s.At] = s
	}
	return m
}
