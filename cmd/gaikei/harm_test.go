package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// TestHangingControl: a control that accepts and never answers delays nobody. Refusals get their verdict from the
// other two, at once, and a healthy check does not notice.
func TestHangingControl(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	hung, err := net.Listen("tcp", "127.0.0.4:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	go acceptAndHang(hung)
	l.controls += fmt.Sprintf("    - {http: {url: \"http://%s/\"}}\n", hung.Addr())
	config := l.config("here: {}", "healthy") +
		fmt.Sprintf("  - {name: closed, tcp: {address: \"127.0.0.1:%s\"}}\n", freePort(t)) +
		fmt.Sprintf("  - {name: hung, interval: 2s, timeout: 1800ms, http: {url: \"http://%s/\"}}\n", hung.Addr())
	dir := t.TempDir()
	p := start(t, writeFile(t, dir, "gaikei.yaml", config), dir+"/data")
	in := span{from: time.Now().Add(time.Second)}
	p.answered(l.truth, "healthy", 12)
	in.to = time.Now().Add(-5 * time.Second)
	p.stop()

	healthy := slotsOf(t, dir+"/data", "healthy", "here")
	wantSteps(t, "healthy", healthy, time.Second)
	wantUp(t, "healthy", healthy, in, 2)
	for id, reason := range map[string]string{"closed": "refused", "hung": "response_timeout"} {
		wantOnly(t, id, slotsOf(t, dir+"/data", id, "here"), in, sli.Slot{Outcome: sli.Down, Reason: reason})
	}
}

// wantOnly requires that all slots in a span, at least two, have one outcome and reason.
func wantOnly(t *testing.T, name string, slots []sli.Slot, in span, want sli.Slot) {
	t.Helper()
	n := 0
	for _, s := range slots {
		if at := time.UnixMilli(s.At); at.After(in.from) && at.Before(in.to) {
			n++
			if s.Outcome != want.Outcome || s.Reason != want.Reason {
				t.Errorf("%s at %v came to %v (%s), want %v (%s)", name, at, s.Outcome, s.Reason, want.Outcome, want.Reason)
			}
		}
	}
	if n < 2 {
		t.Errorf("%s has %d slots between %v and %v, want at least 2", name, n, in.from, in.to)
	}
}

// TestPanic: probes that panic, every time and for one of the controls too, are the prober's own fault, and nobody
// else's: the others go on and lose nothing.
func TestPanic(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	const dynamite = "127.0.0.9:9"
	config := l.config("here: {}", "healthy") +
		fmt.Sprintf("  - {name: faulty, tcp: {address: %q}}\n", dynamite) +
		fmt.Sprintf("  - {name: closed, tcp: {address: \"127.0.0.1:%s\"}}\n", freePort(t))
	config = strings.Replace(config, "  targets:\n", fmt.Sprintf("  targets:\n    - {tcp: {address: %q}}\n", dynamite), 1)
	dir := t.TempDir()
	r := serveHere(t, runOptions{
		config: writeFile(t, dir, "gaikei.yaml", config), data: dir + "/data", listen: "127.0.0.1:0", maxRunning: 10,
		world: func(string) *probe.World {
			return &probe.World{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == dynamite {
					panic("a fault of a probe")
				}
				var d net.Dialer
				return d.DialContext(ctx, network, address)
			}}
		},
	})
	in := span{from: time.Now()}
	for since := time.Now(); l.truth.between("healthy", since, time.Now()) < 7; {
		wait(t, 100*time.Millisecond)
	}
	in.to = time.Now().Add(-3 * time.Second)
	r.stop()

	healthy := slotsOf(t, dir+"/data", "healthy", "here")
	wantSteps(t, "healthy", healthy, time.Second)
	wantUp(t, "healthy", healthy, in, 2)
	wantOnly(t, "faulty", slotsOf(t, dir+"/data", "faulty", "here"), in, sli.Slot{Outcome: sli.Inconclusive, Reason: "internal"})
	wantOnly(t, "closed", slotsOf(t, dir+"/data", "closed", "here"), in, sli.Slot{Outcome: sli.Down, Reason: "refused"})
}

// A running is `gaikei run` within the test's process, for faults that no process of its own can be given.
type running struct {
	t    *testing.T
	end  context.CancelFunc
	done chan error
}

func serveHere(t *testing.T, o runOptions) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, end: cancel, done: make(chan error, 1)}
	up := make(chan struct{})
	o.ready = func() { close(up) }
	log := &syncBuffer{}
	go func() { r.done <- serve(ctx, o, streams{in: strings.NewReader(""), out: io.Discard, err: log}) }()
	t.Cleanup(cancel)
	select {
	case <-up:
	case err := <-r.done:
		t.Fatalf("it ended before it was ready: %v\n%s", err, log)
	}
	return r
}

func (r *running) stop() {
	r.t.Helper()
	r.end()
	if err := <-r.done; err != nil {
		r.t.Fatalf("it ended with: %v", err)
	}
}

// TestEvidenceFlood has targets that come to something else at every slot, with as much evidence as there can be:
// more evidence than is kept, and not one result less, nor later.
func TestEvidenceFlood(t *testing.T) {
	t.Parallel()
	const flooding = 150
	l := newPlant(t)
	var asked atomic.Int64
	pages := strings.Repeat("<p>the page of the fault & its \xff friends</p>\n", 200)
	flood := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 30 {
			w.Header().Set(fmt.Sprintf("X-Flood-%d", i), strings.Repeat("flood ", 40))
		}
		if n := asked.Add(1) / 2; n%2 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, pages)
	}))
	t.Cleanup(flood.Close)
	var b strings.Builder
	b.WriteString(l.config("here: {}", "healthy"))
	for i := range flooding {
		fmt.Fprintf(&b, "  - {name: flood%d, timeout: 800ms, http: {url: \"%s/%d\"}}\n", i, flood.URL, i)
	}
	dir := t.TempDir()
	p := start(t, writeFile(t, dir, "gaikei.yaml", b.String()), dir+"/data")
	in := span{from: time.Now()}
	p.answered(l.truth, "healthy", 8)
	in.to = time.Now()
	_, metrics := p.get("/metrics")
	p.stop()
	in.to = in.to.Add(-time.Second)

	if strings.Contains(metrics, "gaikei_queue_dropped_total{cause=\"evidence\"} 0\n") {
		t.Error("no evidence was dropped: this was no flood")
	}
	for _, cause := range []string{"memory", "limits", "invalid", "stopped"} {
		if want := fmt.Sprintf("gaikei_queue_dropped_total{cause=%q} 0\n", cause); !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %q: results were lost", want)
		}
	}
	wantUp(t, "healthy", slotsOf(t, dir+"/data", "healthy", "here"), in, 4)
	for i := range flooding {
		name := fmt.Sprintf("flood%d", i)
		for _, s := range slotsOf(t, dir+"/data", name, "here") {
			if at := time.UnixMilli(s.At); at.After(in.from) && at.Before(in.to) && s.Outcome.Verdict() == sli.None {
				t.Errorf("%s at %v came to %v (%s), want a verdict", name, at, s.Outcome, s.Reason)
			}
		}
	}
}
