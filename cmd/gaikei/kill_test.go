package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// accessLog is a target that writes down when it was asked for which path: the truth that timelines are
// compared with.
type accessLog struct {
	mu   sync.Mutex
	seen map[string][]time.Time // by path without its slash
}

func (l *accessLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	name := strings.TrimPrefix(r.URL.Path, "/")
	l.seen[name] = append(l.seen[name], time.Now())
	l.mu.Unlock()
	io.WriteString(w, "ready")
}

// between counts the requests for a path in [from, to).
func (l *accessLog) between(name string, from, to time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, at := range l.seen[name] {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

// listenOn serves a handler on an address of loopback until the test ends, and returns host:port.
func listenOn(t *testing.T, host string, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	return l.Addr().String()
}

// twoControls are control targets on two more addresses of loopback, in the configuration's words.
func twoControls(t *testing.T) string {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	return fmt.Sprintf(`
controls:
  targets:
    - {http: {url: "http://%s/"}}
    - {http: {url: "http://%s/"}}
`, listenOn(t, "127.0.0.2", ok), listenOn(t, "127.0.0.3", ok))
}

// TestKill9 kills the program twenty times in about a minute and compares what it then knows with the target's
// own log: nothing twice, nothing invented, nothing booked to the target, and only the last moments lost.
func TestKill9(t *testing.T) {
	t.Parallel()
	const checks, kills = 20, 20
	truth := &accessLog{seen: map[string][]time.Time{}}
	target := listenOn(t, "127.0.0.1", truth)
	var b strings.Builder
	b.WriteString("regions: {here: {}}\ndefaults: {interval: 1s, timeout: 900ms}\n" + twoControls(t) + "checks:\n")
	for i := range checks {
		fmt.Fprintf(&b, "  - {name: c%d, http: {url: \"http://%s/c%d\"}}\n", i, target, i)
	}
	dir := t.TempDir()
	config := writeFile(t, dir, "gaikei.yaml", b.String())
	data := dir + "/data"

	slow := watchDisk(t, dir)
	begun := time.Now()
	var killed []time.Time
	for range kills {
		p := start(t, config, data)
		select {
		case <-time.After(1500*time.Millisecond + rand.N(time.Second)): // the moment of the kill is what is random here
		case <-t.Context().Done():
		}
		p.kill()
		killed = append(killed, time.Now())
	}
	p := start(t, config, data)
	p.until("has probed again", func() bool { return truth.between("c0", killed[kills-1], time.Now()) >= 3 })
	killed = append(killed, time.Now()) // what runs when it is stopped is missed, though the target may have been asked
	p.stop()

	store, err := timeline.OpenReadOnly(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sum := tally{lastBatch: 2*time.Second + 2*slow()}
	for i := range checks {
		name := fmt.Sprintf("c%d", i)
		slots, err := store.Recent(t.Context(), name, "here", 1000)
		if err != nil {
			t.Fatal(err)
		}
		sum.compare(t, name, slots, truth, begun, killed)
	}
	t.Logf("%d slots up, %d lost within %v of a kill, %d missed, over %d kills", sum.up, sum.lost, sum.lastBatch, sum.missed, kills)
	if sum.up == 0 {
		t.Fatal("no slot was up: the test saw nothing")
	}
}

// tally counts over all checks what compare found.
type tally struct {
	up, lost, missed int
	lastBatch        time.Duration // what a kill may cost: about a second, and the time that a put took at the worst
}

// compare holds the slots of one check against the target's log.
func (s *tally) compare(t *testing.T, name string, slots []sli.Slot, truth *accessLog, begun time.Time, killed []time.Time) {
	t.Helper()
	last := int64(0)
	for _, slot := range slots {
		at := time.UnixMilli(slot.At)
		if slot.At <= last {
			t.Errorf("%s: slot %v comes after %v: twice or out of order", name, at, time.UnixMilli(last))
		}
		last = slot.At
		asked := truth.between(name, at, at.Add(time.Duration(slot.Cell)*time.Millisecond))
		switch slot.Outcome {
		case sli.Up:
			s.up++
			if asked != 1 {
				t.Errorf("%s at %v is up, and the target was asked %d times, want 1", name, at, asked)
			}
		case sli.Missed, sli.NoData:
			s.missed++
			if asked > 0 && at.After(begun) {
				s.lost++
				if !s.nearKill(at, killed) {
					t.Errorf("%s at %v is %v (%s), and the target was asked %d times, long before a kill at %v", name, at, slot.Outcome, slot.Reason, asked, killed)
				}
			}
		default:
			t.Errorf("%s at %v came to %d (%s), and the target never failed", name, at, slot.Outcome, slot.Reason)
		}
	}
}

// watchDisk writes and syncs a little file again and again beside the data, and returns what tells how long that took at
// the worst: on a busy machine what was put a moment ago may not be on the disk for longer.
func watchDisk(t *testing.T, dir string) (slowest func() time.Duration) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "slow"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan time.Duration, 1)
	go func() {
		defer f.Close()
		worst := time.Duration(0)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for due := time.Now(); ctx.Err() == nil; due = <-tick.C {
			_, err := f.WriteAt([]byte("slow"), 0)
			if err = errors.Join(err, f.Sync()); err != nil {
				t.Error(err)
			}
			worst = max(worst, time.Since(due))
		}
		done <- worst
	}()
	return func() time.Duration {
		cancel()
		return <-done
	}
}

// nearKill reports whether a slot was in the last batch before a kill, or in its own second.
func (s *tally) nearKill(at time.Time, killed []time.Time) bool {
	for _, k := range killed {
		if d := k.Sub(at); d >= -time.Second && d < s.lastBatch {
			return true
		}
	}
	return false
}
