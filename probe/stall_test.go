package probe

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBell(t *testing.T) {
	const ms = time.Millisecond
	for _, r := range []struct {
		name      string
		rang, end time.Duration // after the start of an attempt that has a second; rang 0: not yet
		asleep    time.Duration
	}{
		{name: "on time", rang: 501 * ms, end: 1001 * ms},
		{name: "ended early", end: 300 * ms},
		{name: "a busy machine", rang: 740 * ms, end: 1200 * ms},
		{name: "stopped before the bell until the deadline", rang: 1000 * ms, end: 1001 * ms, asleep: 500 * ms},
		{name: "stopped, and the deadline was told first", end: 1001 * ms, asleep: 501 * ms},
		{name: "stopped after the bell", rang: 501 * ms, end: 1700 * ms, asleep: 700 * ms},
		{name: "stopped for long", rang: 8 * time.Second, end: 8*time.Second + ms, asleep: 7500 * ms},
	} {
		start := time.Now()
		b := newBell(start, time.Second)
		b.timer.Stop()
		if r.rang > 0 {
			b.late.Store(int64(r.rang - 500*ms))
		}
		if got := b.asleep(start.Add(r.end)); got != r.asleep {
			t.Errorf("%s: asleep for %v, want %v", r.name, got, r.asleep)
		}
	}
}

// slowDoor is a server that speaks 100 ms after somebody has come.
func slowDoor(t *testing.T) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			time.AfterFunc(100*time.Millisecond, func() {
				fmt.Fprint(c, "HTTP/1.1 204 No Content\r\n\r\n")
				c.Close()
			})
		}
	}()
	return l.Addr().String()
}

// stoppedAddress is where the process of TestStoppedProcess looks that is stopped; without it there is no such process.
const stoppedAddress = "GAIKEI_TEST_STOPPED"

// TestStoppedProcess stops a process that looks, from before the target answers until the time is up. It had no chance to see the
// answer, and must not say that there was none.
func TestStoppedProcess(t *testing.T) {
	if address := os.Getenv(stoppedAddress); address != "" {
		lookAndTell(t, address)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStoppedProcess$", "-test.v")
	cmd.Env = append(os.Environ(), stoppedAddress+"="+slowDoor(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	stops := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch line := lines.Text(); {
		case line == "looking":
			signal(t, cmd.Process, syscall.SIGSTOP)
			time.Sleep(500 * time.Millisecond) // the length of the fault; nothing is waited for
			signal(t, cmd.Process, syscall.SIGCONT)
			stops++
		case strings.HasPrefix(line, "saw ") && line != "saw inconclusive{no_vouch}" && line != "saw up", strings.Contains(line, "stall_test.go"):
			t.Errorf("a process that was stopped as the answer came %s", line)
		}
	}
	if stops != 5 {
		t.Errorf("it was stopped %d times, want 5", stops)
	}
}

func signal(t *testing.T, p *os.Process, s syscall.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func lookAndTell(t *testing.T, address string) {
	l := NewLooker(nil, nil, "here")
	kind := &telling{Kind: &HTTP{URL: "http://" + address + "/"}}
	if ps := kind.Validate(); len(ps) > 0 {
		t.Fatalf("Validate() found %v", ps)
	}
	for range 5 {
		r, ev := l.Look(t.Context(), &Check{ID: "door", Kind: kind, Timeout: 400 * time.Millisecond}, time.Now().UnixMilli())
		fmt.Println("saw", verdictText(Verdict{Outcome: r.Outcome, Reason: r.Reason}))
		if r.Outcome == Inconclusive && !strings.Contains(ev.Detail.Error, "did not run for") {
			t.Errorf("the evidence is %q", ev.Detail.Error)
		}
	}
}

// A telling kind tells when an attempt begins.
type telling struct{ Kind }

func (k *telling) Attempt(ctx context.Context, w *World) Attempt {
	fmt.Println("looking")
	return k.Kind.Attempt(ctx, w)
}
