package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A plant is a target, and configurations of checks on it.
type plant struct {
	truth    *accessLog
	target   string
	controls string
}

func newPlant(t *testing.T) *plant {
	truth := &accessLog{seen: map[string][]time.Time{}}
	return &plant{truth: truth, target: listenOn(t, "127.0.0.1", truth), controls: twoControls(t)}
}

// config is a configuration of regions and checks, which are written as "name: more keys".
func (l *plant) config(regions string, checks ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "regions: {%s}\ndefaults: {interval: 1s, timeout: 200ms}\n%schecks:\n", regions, l.controls)
	for _, c := range checks {
		name, more, _ := strings.Cut(c, ": ")
		if more != "" {
			more = ", " + more
		}
		fmt.Fprintf(&b, "  - {name: %s, http: {url: \"http://%s/%s\"}%s}\n", name, l.target, name, more)
	}
	return b.String()
}

// wantUp requires that every slot in (from, to) is up, and that there are at least n.
func wantUp(t *testing.T, name string, slots []sli.Slot, in span, n int) {
	t.Helper()
	up := 0
	for _, s := range slots {
		at := time.UnixMilli(s.At)
		switch {
		case !at.After(in.from) || !at.Before(in.to):
		case s.Outcome == sli.Up:
			up++
		default:
			t.Errorf("%s at %v came to %v (%s), want up", name, at, s.Outcome, s.Reason)
		}
	}
	if up < n {
		t.Errorf("%s: %d slots are up between %v and %v, want at least %d", name, up, in.from, in.to, n)
	}
}

// TestReloadStorm reloads without a pause: a check that does not change loses no slot by it.
func TestReloadStorm(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	dir := t.TempDir()
	path := writeFile(t, dir, "gaikei.yaml", l.config("here: {}", "steady: interval: 500ms"))
	p := start(t, path, dir+"/data")
	p.answered(l.truth, "steady", 1)
	storm := span{from: time.Now()}
	for i := 0; time.Since(storm.from) < 4*time.Second; i++ {
		writeFile(t, dir, "gaikei.yaml", l.config("here: {}", "steady: interval: 500ms", fmt.Sprintf("other%d: interval: %ds", i%3, 1+i%2)))
		p.cmd.Process.Signal(syscall.SIGHUP)
		wait(t, 50*time.Millisecond)
	}
	p.answered(l.truth, "steady", 2)
	storm.to = time.Now().Add(-time.Second)
	p.stop()
	wantUp(t, "steady", slotsOf(t, dir+"/data", "steady", "here"), storm, 6)
	for i := range 3 {
		for _, s := range slotsOf(t, dir+"/data", fmt.Sprintf("other%d", i), "here") {
			if s.Outcome == sli.Down {
				t.Errorf("other%d at %d is down (%s), and its target never failed", i, s.At, s.Reason)
			}
		}
	}
}

// TestReadded removes a check and adds it again with a shorter interval before the removal has taken effect: it
// is due on its new grid from then on, not over for ever.
func TestReadded(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	dir := t.TempDir()
	path := writeFile(t, dir, "gaikei.yaml", l.config("here: {}", "steady", "shop: interval: 6s"))
	p := start(t, path, dir+"/data")
	p.answered(l.truth, "shop", 1)
	p.reloadFile(path, l.config("here: {}", "steady"))
	p.reloadFile(path, l.config("here: {}", "steady", "shop: interval: 500ms"))
	p.answered(l.truth, "steady", 8)
	again := span{from: time.Now()}
	p.answered(l.truth, "shop", 5)
	again.to = time.Now().Add(-time.Second)
	p.stop()
	wantUp(t, "shop", slotsOf(t, dir+"/data", "shop", "here"), again, 2)
}

// TestKilledBeforeTakeover makes an interval longer and kills the program before the new grid begins: until it
// does, the old one is still followed.
func TestKilledBeforeTakeover(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	const later = time.Minute
	id := laterSlot(later, 20*time.Second)
	dir := t.TempDir()
	path := writeFile(t, dir, "gaikei.yaml", l.config("here: {}", id))
	p := start(t, path, dir+"/data")
	p.answered(l.truth, id, 2)
	p.reloadFile(path, l.config("here: {}", id+": interval: 60s"))
	p.kill()
	p = start(t, path, dir+"/data")
	back := span{from: time.Now().Add(time.Second)}
	p.until("has had time to probe", func() bool { return time.Since(back.from) > 4*time.Second })
	back.to = time.Now().Add(-time.Second)
	p.stop()
	wantUp(t, id, slotsOf(t, dir+"/data", id, "here"), back, 2)
}

// laterSlot finds an id whose next slot at an interval is in the middle of the interval or later.
func laterSlot(interval, least time.Duration) string {
	for i := 0; ; i++ {
		id := fmt.Sprintf("shop-%d", i)
		now := time.Now().UnixMilli()
		if probe.GridOf(id, 0, interval).Next(now)-now > least.Milliseconds() {
			return id
		}
	}
}

// TestHangupWhileStarting: a SIGHUP that comes while the program starts is not its end.
func TestHangupWhileStarting(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	dir := t.TempDir()
	config := writeFile(t, dir, "gaikei.yaml", l.config("here: {}", "shop"))
	p := launch(t, config, dir+"/data")
	p.until("has made its folder", func() bool { return isDir(dir + "/data") })
	p.until("is ready", func() bool {
		p.cmd.Process.Signal(syscall.SIGHUP)
		code, _ := p.get("/readyz")
		return code == 200
	})
	p.answered(l.truth, "shop", 1)
	p.stop()
}

// TestStopWhileStarting: to be told to stop before everything runs is no error either.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	dir := t.TempDir()
	config := writeFile(t, dir, "gaikei.yaml", l.config("here: {}", "shop"))
	p := launch(t, config, dir+"/data")
	p.until("has made its folder", func() bool { return isDir(dir + "/data") })
	p.stop()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := runOptions{config: config, data: dir + "/data", listen: "127.0.0.1:0", maxRunning: 1}
	if err := serve(ctx, o, streams{out: io.Discard, err: io.Discard}); err != nil {
		t.Errorf("told to stop before it began: %v, want no error", err)
	}
}

func isDir(path string) bool {
	i, err := os.Stat(path)
	return err == nil && i.IsDir()
}
