package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// slotsOf reads what a stopped program left in its folder about a check.
func slotsOf(t *testing.T, data, check, region string) []sli.Slot {
	t.Helper()
	store, err := timeline.OpenReadOnly(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	slots, err := store.Recent(t.Context(), check, region, 10000)
	if err != nil {
		t.Fatal(err)
	}
	return slots
}

// answered waits until the target has been asked n more times for a path.
func (p *program) answered(truth *accessLog, name string, n int) {
	p.t.Helper()
	since := time.Now()
	p.until(fmt.Sprintf("has asked %d times for %s", n, name), func() bool { return truth.between(name, since, time.Now()) >= n })
}

// TestReload changes the configuration of a running program in every way and looks at what each change did to
// the slots of the checks that did not change: nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	truth := &accessLog{seen: map[string][]time.Time{}}
	target := listenOn(t, "127.0.0.1", truth)
	controls := twoControls(t)
	text := func(regions, checks string) string {
		return "regions: {" + regions + "}\ndefaults: {interval: 1s, timeout: 200ms}\n" + controls + "checks:\n" + checks
	}
	check := func(name, more string) string {
		return fmt.Sprintf("  - {name: %s, http: {url: \"http://%s/%s\"}%s}\n", name, target, name, more)
	}
	dir := t.TempDir()
	data := dir + "/data"
	path := writeFile(t, dir, "gaikei.yaml", text("here: {}", check("steady", "")+check("gone", "")+check("slower", "")))
	p := start(t, path, data)
	p.answered(truth, "gone", 3)

	p.reloadFile(path, text("here: {}, there: {}", check("steady", "")+check("slower", ", interval: 2s")+check("new", "")))
	removed := time.Now()
	p.answered(truth, "new", 3)
	p.reloadFile(path, "checks: [\n")
	p.answered(truth, "steady", 3)
	p.stop()
	stopped := time.Now()

	if n := truth.between("gone", removed.Add(2*time.Second), stopped); n != 0 {
		t.Errorf("the removed check asked its target %d times after it was removed", n)
	}
	for _, s := range slotsOf(t, data, "gone", "here") {
		if at := time.UnixMilli(s.At); at.After(removed.Add(2 * time.Second)) {
			t.Errorf("the removed check is still due at %v, removed at %v", at, removed)
		}
	}
	steady := slotsOf(t, data, "steady", "here")
	wantSteps(t, "steady", steady, time.Second)
	for _, s := range steady {
		if at := time.UnixMilli(s.At); s.Outcome != sli.Up && at.Before(stopped.Add(-2*time.Second)) {
			t.Errorf("steady at %v is %d (%s), want up: a reload disturbed it", at, s.Outcome, s.Reason)
		}
	}
	cells := map[int64]int{}
	for _, s := range slotsOf(t, data, "slower", "here") {
		cells[s.Cell]++
	}
	if cells[1000] == 0 || cells[2000] == 0 {
		t.Errorf("slower: cells by length are %v, want some of 1000 ms and some of 2000 ms", cells)
	}
	if there := slotsOf(t, data, "steady", "there"); len(there) == 0 {
		t.Error("steady has no slots in the region that was added")
	}
}

// wantSteps requires that slots follow each other at an interval, without a hole.
func wantSteps(t *testing.T, name string, slots []sli.Slot, interval time.Duration) {
	t.Helper()
	for i := 1; i < len(slots); i++ {
		if d := slots[i].At - slots[i-1].At; d != interval.Milliseconds() {
			t.Errorf("%s: %d ms between slots %d and %d, want %v", name, d, i-1, i, interval)
		}
	}
}

// reloadFile replaces the configuration, sends SIGHUP and waits until the program has said what came of it.
func (p *program) reloadFile(path, content string) {
	p.t.Helper()
	before := strings.Count(p.log.String(), "reloaded")
	writeFile(p.t, filepath.Dir(path), filepath.Base(path), content)
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.until("has answered a SIGHUP", func() bool { return strings.Count(p.log.String(), "reloaded") > before })
}

// TestRemovedWhileDown: a check that was removed while the process was down stops being due all the same, and
// the time without a process shows as missed for those that stayed.
func TestRemovedWhileDown(t *testing.T) {
	t.Parallel()
	truth := &accessLog{seen: map[string][]time.Time{}}
	target := listenOn(t, "127.0.0.1", truth)
	controls := twoControls(t)
	text := func(names ...string) string {
		s := "regions: {here: {}}\ndefaults: {interval: 1s, timeout: 200ms}\n" + controls + "checks:\n"
		for _, n := range names {
			s += fmt.Sprintf("  - {name: %s, http: {url: \"http://%s/%s\"}}\n", n, target, n)
		}
		return s
	}
	dir := t.TempDir()
	data := dir + "/data"
	path := writeFile(t, dir, "gaikei.yaml", text("stays", "goes"))
	p := start(t, path, data)
	p.answered(truth, "goes", 3)
	p.kill()
	down := time.Now()
	for time.Since(down) < 4*time.Second {
		truth.between("stays", down, time.Now()) // the world goes on without the program
		select {
		case <-time.After(100 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	writeFile(t, dir, "gaikei.yaml", text("stays"))
	p = start(t, path, data)
	back := time.Now()
	p.answered(truth, "stays", 3)
	p.stop()

	for _, s := range slotsOf(t, data, "goes", "here") {
		if at := time.UnixMilli(s.At); at.After(back.Add(2 * time.Second)) {
			t.Errorf("goes is still due at %v, after the program came back at %v without it", at, back)
		}
	}
	missed := 0
	for _, s := range slotsOf(t, data, "stays", "here") {
		if s.Outcome == sli.Missed && s.Reason == "stopped" {
			missed++
		}
	}
	if missed < 3 {
		t.Errorf("stays has %d slots missed for being stopped, want at least 3 of the 4 s without a process", missed)
	}
}

// TestMaintenance: while only maintenance is in the window the SLI is undefined; a window that begins later does
// not count now; and editing the list does not change the past.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "closed for repairs")
	})
	target := listenOn(t, "127.0.0.1", down)
	controls := twoControls(t)
	text := func(maintenance string) string {
		return "regions: {here: {}}\ndefaults: {interval: 1s, timeout: 200ms}\n" + controls +
			fmt.Sprintf("checks:\n  - {name: shop, http: {url: \"http://%s/\"}}\n  - {name: open, http: {url: \"http://%s/\"}}\n", target, target) +
			"maintenance:\n" + maintenance
	}
	now := time.Now()
	planned := func(name string, check string, from, to time.Time) string {
		return fmt.Sprintf("  - {name: %s, checks: [%s], from: %s, to: %s}\n", name, check, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	}
	begin := now.Add(3 * time.Second).Truncate(time.Second)
	later := planned("later", "open", now.Add(time.Hour), now.Add(2*time.Hour))
	dir := t.TempDir()
	path := writeFile(t, dir, "gaikei.yaml", text(planned("now", "shop", begin, now.Add(10*time.Minute))+later))
	p := start(t, path, dir+"/data")
	window := fmt.Sprintf("from=%s&to=%s", begin.Add(time.Second).UTC().Format(time.RFC3339), begin.Add(4*time.Second).UTC().Format(time.RFC3339))
	p.until("has settled the window", func() bool { return p.report("shop", "here", window).Settled })

	onlyMaintenance := func(when string) {
		t.Helper()
		r := p.report("shop", "here", window)
		if r.Availability.Ratio != nil || r.Excluded.Maintenance != r.Slots.Scheduled || r.Slots.Scheduled == 0 {
			t.Errorf("%s: availability %v, %d of %d slots in maintenance; want undefined and all", when, r.Availability.Ratio, r.Excluded.Maintenance, r.Slots.Scheduled)
		}
		if r := p.report("open", "here", window); r.Slots.Bad != r.Slots.Scheduled || r.Slots.Bad == 0 {
			t.Errorf("%s: the check without maintenance has %d bad slots of %d, want all", when, r.Slots.Bad, r.Slots.Scheduled)
		}
	}
	onlyMaintenance("while the window lasts")
	p.reloadFile(path, text(later))
	onlyMaintenance("after it was taken out of the list")
	p.stop()
}
