package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// engine runs the whole of `gaikei run` with pace checks of a kind at one second and returns the CPU time of one probe.
func engine(b *testing.B, kind string, pace, seconds int) time.Duration {
	dir := b.TempDir()
	config := filepath.Join(dir, "gaikei.yaml")
	if err := os.WriteFile(config, benchConfig(kind, pace, "1s", "900ms"), 0o600); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	o := runOptions{
		config: config, data: filepath.Join(dir, "data"), listen: "127.0.0.1:0", maxRunning: 1024,
		ready: func() { close(ready) },
	}
	go func() { done <- serve(ctx, o, streams{out: io.Discard, err: io.Discard}) }()
	select {
	case <-ready:
	case err := <-done:
		b.Fatal(err)
	}
	pause(ctx, 3*time.Second) // the schedule takes over a second after it is announced
	before := cpu(b)
	pause(ctx, time.Duration(seconds)*time.Second)
	used := cpu(b) - before
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if up := countUp(b, o.data, pace); up < pace*seconds*95/100 {
		b.Fatalf("%d slots are up, want about %d: the figure would be about something else", up, pace*seconds)
	}
	return used / time.Duration(pace*seconds)
}

// countUp counts the slots of c0 … that were up in all.
func countUp(b *testing.B, data string, checks int) int {
	store, err := timeline.OpenReadOnly(b.Context(), data)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	up := 0
	for i := range checks {
		slots, err := store.Recent(b.Context(), fmt.Sprintf("c%d", i), "here", 1000)
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range slots {
			if s.Outcome == sli.Up {
				up++
			}
		}
	}
	return up
}

// benchConfig has n checks of a kind, all alike.
func benchConfig(kind string, n int, interval, timeout string) []byte {
	var sb strings.Builder
	fmt.Fprintf(&sb, "regions: {here: {}}\ncontrols: none\ndefaults: {interval: %s, timeout: %s}\nchecks:\n", interval, timeout)
	for i := range n {
		fmt.Fprintf(&sb, "  - {name: c%d, %s}\n", i, kind)
	}
	return []byte(sb.String())
}

// BenchmarkMemory runs 1,000 HTTP checks of 1 KiB bodies at 10 s in a process of its own for ten minutes, or for
// GAIKEI_BENCH_MEMORY, and reports its resident memory. Promise: at most 80 MB after ten minutes.
func BenchmarkMemory(b *testing.B) {
	long := memoryTime(b)
	url, binary := nginx(b), built(b)
	for b.Loop() {
		dir := b.TempDir()
		config := filepath.Join(dir, "gaikei.yaml")
		if err := os.WriteFile(config, benchConfig(httpOf(url), 1000, "10s", "5s"), 0o600); err != nil {
			b.Fatal(err)
		}
		cmd := startProcess(b, binary, "run", "-c", config, "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0")
		pause(b.Context(), long)
		b.ReportMetric(float64(resident(b, cmd.Process.Pid))/1e6, "MB-resident")
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}

// memoryTime is how long a process runs before its memory is looked at.
func memoryTime(b *testing.B) time.Duration {
	b.Helper()
	s := os.Getenv("GAIKEI_BENCH_MEMORY")
	if s == "" {
		return 10 * time.Minute
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// memoryChecks is how many checks a program has whose memory is looked at: as many as usual, or GAIKEI_BENCH_CHECKS.
func memoryChecks(b *testing.B, usual int) int {
	b.Helper()
	s := os.Getenv("GAIKEI_BENCH_CHECKS")
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkProberMemory is BenchmarkMemory with the work shared by two processes: it reports the resident memory of a
// prober with 1,000 checks, or GAIKEI_BENCH_CHECKS, and of its aggregator. Promise: at most 64 MB for the prober with 1,000
// after ten minutes.
func BenchmarkProberMemory(b *testing.B) {
	long, checks := memoryTime(b), memoryChecks(b, 1000)
	url, binary := nginx(b), built(b)
	for b.Loop() {
		dir := b.TempDir()
		putFile(b, dir, "gaikei.yaml", benchConfig(httpOf(url), checks, "10s", "5s"))
		centre, creds := startCentre(b, binary, dir)
		prober := startProcess(b, binary, "prober", "--creds", creds, "--data", filepath.Join(dir, "prober"))
		pause(b.Context(), long)
		b.ReportMetric(float64(resident(b, prober.Process.Pid))/1e6, "MB-prober")
		b.ReportMetric(float64(resident(b, centre.Process.Pid))/1e6, "MB-aggregator")
		for _, cmd := range []*exec.Cmd{prober, centre} {
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		up := 0
		if up = countUp(b, filepath.Join(dir, "data"), checks); float64(up) < float64(checks)*(0.09*long.Seconds()-2) {
			b.Fatalf("%d slots are up: the figures would be about something else", up)
		}
		b.ReportMetric(float64(up), "slots-up")
	}
}

// startCentre starts an aggregator of the configuration in a folder, enrols a prober and returns its credentials.
func startCentre(b *testing.B, binary, dir string) (centre *exec.Cmd, creds string) {
	b.Helper()
	data, creds := filepath.Join(dir, "data"), filepath.Join(dir, "p1.creds")
	centre = startProcess(b, binary, "aggregator", "-c", filepath.Join(dir, "gaikei.yaml"), "--data", data, "--listen", "127.0.0.1:0", "--accept", "127.0.0.1:0")
	for range 600 { // it may have many checks to read
		if exists(filepath.Join(data, socketName)) {
			break
		}
		pause(b.Context(), 100*time.Millisecond)
	}
	enroll := command(b.Context(), nil, "probers", "enroll", "--data", data, "--region", "here", "--name", "p1", "--out", creds)
	if out, err := enroll.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return centre, creds
}

// built is the program as `make build` makes it: that of the tests has more in it.
func built(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "gaikei")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v: %s", err, out)
	}
	return path
}

func startProcess(b *testing.B, binary string, args ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), binary, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return cmd
}

// resident is a process's resident memory in bytes.
func resident(b *testing.B, pid int) int64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
