package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// blipInterval is the interval of the checks in TestBlips: room for a time-out of 10 s and its verdict.
const blipInterval = 15 * time.Second

// blipTolerance is how late a blip may begin and end. Less than 200 ms, by which each is clear of what it is not to touch.
const blipTolerance = 150 * time.Millisecond

// atOffset finds an id beginning with a word whose slots in the first region have an offset, so that several
// checks can be met by one blip.
func atOffset(word string, offset int64) string {
	for i := 0; ; i++ {
		id := fmt.Sprintf("%s-%d", word, i)
		if probe.GridOf(id, 0, blipInterval).Offset == offset {
			return id
		}
	}
}

// TestBlips cuts the prober's own network for a moment, before, across and within a probe, for each kind and for
// a short and a long time-out. None of it may be booked to a target: no slot is down, and no slot that is up has
// a latency that was ours.
func TestBlips(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "192.0.2.10", "192.0.2.11", "192.0.2.12")
	n.serve("192.0.2.10:80", "192.0.2.11:80", "192.0.2.12:80")
	kinds := map[string]string{
		"tcp":  `tcp: {address: "192.0.2.10:80"}`,
		"http": `http: {url: "http://192.0.2.10/"}`,
		"slow": `http: {url: "http://192.0.2.10/slow"}`, // answers after 1.5 s
		"dns":  `dns: {server: "192.0.2.10", name: www.example.com, type: A}`,
	}
	timeouts := []string{"2s", "10s"}
	ids := map[string]string{}
	var b strings.Builder
	fmt.Fprintf(&b, `
regions: {here: {}}
controls:
  targets:
    - {http: {url: "http://192.0.2.11/"}}
    - {tcp: {address: "192.0.2.12:80"}}
defaults: {interval: %v}
checks:
`, blipInterval)
	for kind, block := range kinds {
		for _, timeout := range timeouts {
			id := atOffset(kind+timeout, 0)
			ids[kind+timeout] = id
			fmt.Fprintf(&b, "  - {name: %s, timeout: %s, %s}\n", id, timeout, block)
		}
	}
	dir := t.TempDir()
	p := start(t, writeFile(t, dir, "gaikei.yaml", b.String()), dir+"/data", n.inNear()...)

	const up, unknown = sli.Up, sli.Inconclusive
	rows := []struct {
		place      string
		begin, end time.Duration // of the blip, after the slot
		want       map[string]sli.Outcome
		slot       int64
	}{
		{place: "before, 0.5 s", begin: -700 * time.Millisecond, end: -200 * time.Millisecond, want: map[string]sli.Outcome{}},
		{place: "before, 3 s", begin: -3200 * time.Millisecond, end: -200 * time.Millisecond, want: map[string]sli.Outcome{}},
		{place: "across, 0.5 s", begin: -250 * time.Millisecond, end: 250 * time.Millisecond, want: map[string]sli.Outcome{
			"tcp": unknown, "http": unknown, "slow": unknown, "dns": unknown,
		}},
		{place: "across, 3 s", begin: -250 * time.Millisecond, end: 2750 * time.Millisecond, want: map[string]sli.Outcome{
			"tcp": unknown, "http": unknown, "slow": unknown, "dns": unknown,
		}},
		{place: "within, 0.5 s", begin: 300 * time.Millisecond, end: 800 * time.Millisecond, want: map[string]sli.Outcome{}},
		{place: "within, 3 s", begin: 300 * time.Millisecond, end: 3300 * time.Millisecond, want: map[string]sli.Outcome{"slow": unknown}},
	}
	interval := blipInterval.Milliseconds()
	slot := (time.Now().Add(8*time.Second).UnixMilli()/interval + 1) * interval
	for i, again := 0, 0; i < len(rows); slot += interval {
		r := &rows[i]
		r.slot = slot
		at := time.UnixMilli(slot)
		wait(t, time.Until(at.Add(r.begin)))
		restore := n.drop()
		began := time.Since(at)
		wait(t, time.Until(at.Add(r.end)))
		restore()
		// A machine that stood still made another blip than was meant, and the next slot gets the one that was.
		if ended := time.Since(at); max(began-r.begin, ended-r.end) > blipTolerance {
			if again++; again > len(rows) {
				t.Fatalf("blip %s: from %v to %v after the slot, and %d before were not as meant either", r.place, began, ended, again-1)
			}
			continue
		}
		i++
	}
	wait(t, time.Until(time.UnixMilli(slot)))
	p.stop()

	for name, id := range ids {
		kind := strings.TrimSuffix(strings.TrimSuffix(name, "10s"), "2s")
		slots := map[int64]sli.Slot{}
		for _, s := range slotsOf(t, dir+"/data", id, "here") {
			slots[s.At] = s
		}
		for _, r := range rows {
			s, ok := slots[r.slot]
			want, special := r.want[kind]
			if !special {
				want = up
			}
			if !ok || s.Outcome != want {
				t.Errorf("blip %s: %s came to %v (%s), want %v", r.place, name, s.Outcome, s.Reason, want)
			}
			if s.Outcome == up && ours(kind, s.Latency.Seconds()) {
				t.Errorf("blip %s: %s is up with a latency of %.3f s, which is ours", r.place, name, s.Latency.Seconds())
			}
		}
	}
}

// ours reports whether a latency is too long for the target of a kind, which answers at once, or after 1.5 s.
func ours(kind string, seconds float64) bool {
	if kind == "slow" {
		return seconds > 1.9
	}
	return seconds > 0.4
}
