package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// TestHungTargets runs hundreds of targets that accept and never answer, some with overlapping attempts, beside
// a healthy one: each gets its own verdict, no slot is missing, and the healthy check loses none.
func TestHungTargets(t *testing.T) {
	t.Parallel()
	const hung = 300
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go acceptAndHang(l)
	truth := &accessLog{seen: map[string][]time.Time{}}
	target := listenOn(t, "127.0.0.1", truth)

	var b strings.Builder
	b.WriteString("regions: {here: {}}\ndefaults: {interval: 2s, timeout: 1500ms}\n" + twoControls(t) + "checks:\n")
	fmt.Fprintf(&b, "  - {name: healthy, interval: 1s, timeout: 900ms, http: {url: \"http://%s/healthy\"}}\n", target)
	for i := range hung {
		more := ""
		if i%2 == 0 {
			more = ", timeout: 3s, overlap: true"
		}
		fmt.Fprintf(&b, "  - {name: hung%d, http: {url: \"http://%s/\"}%s}\n", i, l.Addr(), more)
	}
	dir := t.TempDir()
	data := dir + "/data"
	p := start(t, writeFile(t, dir, "gaikei.yaml", b.String()), data)
	begun := time.Now()
	p.answered(truth, "healthy", 12)
	stopping := time.Now()
	p.stop()

	inside := func(s sli.Slot) bool {
		at := time.UnixMilli(s.At)
		return at.After(begun.Add(time.Second)) && at.Before(stopping.Add(-5*time.Second))
	}
	healthy := slotsOf(t, data, "healthy", "here")
	wantSteps(t, "healthy", healthy, time.Second)
	for _, s := range healthy {
		if inside(s) && s.Outcome != sli.Up {
			t.Errorf("healthy at %d came to %d (%s), want up", s.At, s.Outcome, s.Reason)
		}
	}
	judged, blind := 0, 0
	for i := range hung {
		for _, s := range slotsOf(t, data, fmt.Sprintf("hung%d", i), "here") {
			if !inside(s) {
				continue
			}
			judged++
			if s.Outcome == sli.Inconclusive && s.Reason == "no_vouch" {
				blind++ // on a busy machine the prober itself may not run as the time is up, and then blames nobody
				continue
			}
			if s.Outcome != sli.Down || s.Reason != "response_timeout" {
				t.Errorf("hung%d at %d came to %d (%s), want down (response_timeout)", i, s.At, s.Outcome, s.Reason)
			}
		}
	}
	if blind > judged/10 {
		t.Errorf("%d of %d slots of hung targets are inconclusive, want a tenth at most", blind, judged)
	}
	if judged < hung {
		t.Errorf("%d slots of hung targets were judged, want at least one each of %d", judged, hung)
	}
}

// acceptAndHang keeps every connection open and says nothing.
func acceptAndHang(l net.Listener) {
	var held []net.Conn
	for {
		conn, err := l.Accept()
		if err != nil {
			for _, c := range held {
				c.Close()
			}
			return
		}
		held = append(held, conn)
	}
}

// TestFullDisk fills the disk under the data folder: it is said loudly, the program goes on, and when there is
// room again it recovers by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	needRoot(t)
	truth := &accessLog{seen: map[string][]time.Time{}}
	target := listenOn(t, "127.0.0.1", truth)
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Fatalf("mount a small disk: %v\n%s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", disk).Run() })
	text := "regions: {here: {}}\ndefaults: {interval: 1s, timeout: 500ms}\n" + twoControls(t) +
		fmt.Sprintf("checks:\n  - {name: shop, http: {url: \"http://%s/shop\"}}\n", target)
	config := writeFile(t, dir, "gaikei.yaml", text)
	data := filepath.Join(disk, "data")
	p := start(t, config, data)
	p.answered(truth, "shop", 3)

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	p.until("says that it cannot store", func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusServiceUnavailable
	})
	p.reloadFile(config, text+fmt.Sprintf("  - {name: new, http: {url: \"http://%s/new\"}}\n", target))
	p.answered(truth, "shop", 3)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.until("is ready again", func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusOK
	})
	recovered := time.Now()
	p.answered(truth, "new", 1) // what could not be reloaded then
	p.answered(truth, "shop", 5)
	p.until("has all results in the store", func() bool {
		_, metrics := p.get("/metrics")
		return strings.Contains(metrics, "\ngaikei_queue_pending_messages 0\n")
	})
	p.stop()

	if !strings.Contains(p.log.String(), "level=ERROR") && !strings.Contains(p.log.String(), "level=WARN") {
		t.Error("the log does not mention the full disk")
	}
	up := 0
	for _, s := range slotsOf(t, data, "shop", "here") {
		at := time.UnixMilli(s.At)
		if s.Outcome == sli.Down {
			t.Errorf("shop at %v is down, and only our disk was full", at)
		}
		if at.After(recovered) && s.Outcome == sli.Up {
			up++
		}
	}
	if up < 3 {
		t.Errorf("%d slots are up after there was room again, want at least 3", up)
	}
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	if err := fillDisk(path); err != nil {
		t.Fatal(err)
	}
}

func fillDisk(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("fill the disk: got %w, want no space left", err)
		}
	}
	return nil
}

// TestSecondProcess: a folder belongs to one process; the second is told whose it is.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	target := listenOn(t, "127.0.0.1", http.NotFoundHandler())
	dir := t.TempDir()
	config := writeFile(t, dir, "gaikei.yaml", "regions: {here: {}}\n"+twoControls(t)+
		fmt.Sprintf("checks:\n  - {name: shop, http: {url: \"http://%s/\"}}\n", target))
	start(t, config, dir+"/data")
	cmd := command(t.Context(), nil, "run", "-c", config, "--data", dir+"/data", "--listen", "127.0.0.1:0")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitUnreachable {
		t.Errorf("the second process ended with %v, want exit code %d", err, exitUnreachable)
	}
	if !strings.Contains(string(out), dir+"/data") {
		t.Errorf("the second process does not name the folder: %s", out)
	}
}
