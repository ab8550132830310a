package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// TestProberFullDisk fills the disk under a prober: it goes on, tells here and at the aggregator, and when there is room
// again it sends what it kept in memory. No slot is booked to the target, and a plan that could not be kept then is
// followed after.
func TestProberFullDisk(t *testing.T) {
	t.Parallel()
	needRoot(t)
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Fatalf("mount a small disk: %v\n%s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", disk).Run() })
	l := newPlant(t)
	// Many, so that the room that is left in the last block of a file does not last.
	many := []string{"web"}
	for i := range 30 {
		many = append(many, fmt.Sprintf("filling-the-disk-%d", i))
	}
	s := newSite(t, l.config("tokyo: {}", many...))
	s.aggregate()
	listen := "127.0.0.1:" + freePort(t)
	p := s.probeIn(disk, s.enroll("enroll", "tokyo", "p1"), "--listen", listen)
	s.follow(1, 1)
	s.answered(l.truth, "web", 3)
	in := span{from: time.Now()}

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	p.until("says that it cannot keep results", func() bool {
		return strings.Contains(scrape(t, listen), "\ngaikei_queue_broken 1\n") && statusOf(listen) == http.StatusServiceUnavailable
	})
	s.until("is told of it", func() bool {
		_, presence := s.get("/api/v1/presence")
		return strings.Contains(presence, "its queue takes nothing")
	})
	writeFile(t, s.dir, "gaikei.yaml", l.config("tokyo: {}", append(many, "new")...))
	p.answered(l.truth, "web", 5)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.until("is ready again", func() bool { return statusOf(listen) == http.StatusOK })
	s.follow(1, 2)
	p.answered(l.truth, "new", 3)
	var metrics string
	p.until("has sent everything", func() bool {
		metrics = scrape(t, listen)
		return strings.Contains(metrics, "\ngaikei_queue_pending_messages 0\n")
	})
	in.to = time.Now().Add(-time.Second)
	p.stop()
	s.stop()

	if !strings.Contains(metrics, "gaikei_queue_dropped_total{cause=\"memory\"} 0\n") {
		t.Errorf("results were lost, and memory was enough for them:\n%s", metrics)
	}
	slots := slotsOf(t, s.data, "web", "tokyo")
	wantSteps(t, "web", slots, time.Second)
	wantUp(t, "web", slots, in, 10)
}

// statusOf asks a prober whether it can work.
func statusOf(listen string) int {
	resp, err := http.Get("http://" + listen + "/readyz")
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestStopUnderLoad stops the aggregator, and then a prober, while there are always probes running and results on
// their way: nothing that was seen is lost, and what ran at the stop is told to have been stopped.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	const checks = 60
	l := newPlant(t)
	slow := listenOn(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(300 * time.Millisecond): // so that probes are running whenever a prober is stopped
			io.WriteString(w, "ready")
		case <-r.Context().Done():
		}
	}))
	var names []string
	text := l.config("tokyo: {}", "web")
	for i := range checks {
		names = append(names, fmt.Sprintf("c%d", i))
		text += fmt.Sprintf("  - {name: c%d, interval: 2s, timeout: 1900ms, http: {url: \"http://%s/\"}}\n", i, slow)
	}
	s := newSite(t, text)
	s.aggregate()
	creds, folder := s.enroll("enroll", "tokyo", "p1"), t.TempDir()
	p := s.probeIn(folder, creds)
	s.follow(1, 1)
	p.answered(l.truth, "web", 2)
	in := span{from: time.Now()}
	for range 3 {
		p.answered(l.truth, "web", 2)
		s.stop()
		s.aggregate()
	}
	stopping := time.Now()
	p.stop()
	listen := "127.0.0.1:" + freePort(t)
	p = s.probeIn(folder, creds, "--listen", listen)
	p.answered(l.truth, "web", 3)
	back := time.Now()
	p.answered(l.truth, "web", 3)
	p.until("has sent everything", func() bool {
		return strings.Contains(scrape(t, listen), "\ngaikei_queue_pending_messages 0\n")
	})
	in.to = time.Now().Add(-3 * time.Second)
	p.stop()
	s.stop()

	up, stopped := 0, 0
	for _, name := range names {
		slots := slotsOf(t, s.data, name, "tokyo")
		wantSteps(t, name, slots, 2*time.Second)
		for _, slot := range slots {
			at := time.UnixMilli(slot.At)
			whenStopped := at.After(stopping.Add(-3*time.Second)) && at.Before(back)
			switch {
			case !at.After(in.from) || !at.Before(in.to):
			case slot.Outcome == sli.Up:
				up++
			case slot.Outcome == sli.Missed && slot.Reason == "stopped" && whenStopped:
				stopped++
			default:
				t.Errorf("%s at %v came to %v (%s), want up, or stopped around %v", name, at, slot.Outcome, slot.Reason, stopping)
			}
		}
	}
	if up < 4*checks || stopped == 0 {
		t.Errorf("%d slots are up and %d were stopped, want at least %d and one: there was no load", up, stopped, 4*checks)
	}
}
