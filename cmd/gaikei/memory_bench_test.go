package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkIdleCheck reports the live heap that a check takes that nothing happens to, out of 100,000 or GAIKEI_BENCH_CHECKS: what
// the program has more with that many than with one, after a garbage collection, in `gaikei run` and in a prober alone. Promise: at
// most 3 KiB.
func BenchmarkIdleCheck(b *testing.B) {
	checks := memoryChecks(b, 100_000)
	for _, x := range []struct {
		name string
		live func(b *testing.B, checks int) float64
	}{{"run", liveRun}, {"prober", liveProber}} {
		b.Run(x.name, func(b *testing.B) {
			for b.Loop() {
				one := x.live(b, 1)
				perCheck := (x.live(b, checks) - one) / float64(checks-1)
				b.ReportMetric(perCheck, "B/check")
				b.ReportMetric(perCheck/(3<<10), "of-promise")
			}
		})
	}
}

// idleConfig has n checks as somebody writes them who has as many, of a page each. They come due so rarely that next to none does.
func idleConfig(n int) []byte {
	var sb strings.Builder
	sb.WriteString("regions: {here: {}}\ncontrols: none\ndefaults: {interval: 24h, timeout: 5s}\nchecks:\n")
	for i := range n {
		fmt.Fprintf(&sb, "  - name: shop-%06d\n    http: {url: \"https://127.0.0.1:1/shops/%06d/health\"}\n", i, i)
	}
	return []byte(sb.String())
}

// liveRun is the live heap in bytes of `gaikei run` with so many idle checks.
func liveRun(b *testing.B, checks int) float64 {
	dir := b.TempDir()
	config := filepath.Join(dir, "gaikei.yaml")
	putFile(b, dir, "gaikei.yaml", idleConfig(checks))
	address := "127.0.0.1:" + freePort(b)
	o := runOptions{config: config, data: filepath.Join(dir, "data"), listen: address, maxRunning: 1024}
	return liveOf(b, address, checks, func(ctx context.Context) error {
		return serve(ctx, o, streams{out: io.Discard, err: os.Stderr})
	})
}

// liveProber is the live heap in bytes of a prober with so many idle checks, whose aggregator is another process.
func liveProber(b *testing.B, checks int) float64 {
	dir, address := b.TempDir(), "127.0.0.1:"+freePort(b)
	putFile(b, dir, "gaikei.yaml", idleConfig(checks))
	centre, creds := startCentre(b, built(b), dir)
	defer func() {
		centre.Process.Signal(syscall.SIGTERM)
		centre.Wait()
	}()
	var o proberOptions
	o.creds, o.data, o.listen, o.maxRunning = creds, filepath.Join(dir, "prober"), address, 1024
	return liveOf(b, address, checks, func(ctx context.Context) error {
		return serveProber(ctx, o, streams{out: io.Discard, err: os.Stderr})
	})
}

// liveOf runs a program until it follows the checks and its queue is empty, and returns the live heap.
func liveOf(b *testing.B, address string, checks int, program func(context.Context) error) float64 {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- program(ctx) }()
	tasks := fmt.Sprintf("gaikei_prober_tasks{region=\"here\"} %g\n", float64(checks))
	for !shows(address, tasks, "gaikei_queue_pending_messages 0\n") {
		select {
		case err := <-done:
			b.Fatalf("it ended: %v", err)
		default:
			pause(ctx, time.Second)
		}
	}
	settledHeap(ctx)
	for !shows(address, tasks) { // as a Prometheus does, when all is counted
		pause(ctx, time.Second)
	}
	live := settledHeap(ctx)
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return live
}

// shows reports whether the metrics at an address have these lines.
func shows(address string, lines ...string) bool {
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	for _, line := range lines {
		if !strings.Contains(string(text), line) {
			return false
		}
	}
	return err == nil
}

// settledHeap is the least live heap, once it has not fallen by a hundredth for half a minute. By then what is counted is there, too.
func settledHeap(ctx context.Context) float64 {
	least := liveHeap()
	for still := 0; still < 6; still++ {
		pause(ctx, 5*time.Second)
		if now := liveHeap(); now < 0.99*least {
			least, still = now, -1
		}
	}
	return least
}

// liveHeap is the bytes on the heap after a garbage collection. What finalizers and pools let go of takes a second one.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
