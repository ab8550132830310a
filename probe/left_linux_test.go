package probe

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A load is probes of one target.
type load struct {
	name  string
	kind  Kind
	n     int
	after time.Duration // the timeout
	want  Reason
}

// TestNothingIsLeft makes 10,000 probes, of targets of all kinds that behave and that do not: afterwards there are no more goroutines and
// descriptors than before.
func TestNothingIsLeft(t *testing.T) {
	loads := leavings(t)
	total := 0
	for i := range loads {
		if ps := loads[i].kind.Validate(); len(ps) > 0 {
			t.Fatalf("%s: %v", loads[i].name, ps)
		}
		once := loads[i]
		once.n = 1
		once.run(t) // what is made once and stays is made
		total += loads[i].n
	}
	if total != 10_000 {
		t.Fatalf("there are %d probes, want 10000", total)
	}
	settle(t, func() bool { return true })
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for i := range loads {
		loads[i].run(t)
	}
	settle(t, func() bool { return runtime.NumGoroutine() <= goroutines && descriptors(t) <= files })
	if g, f := runtime.NumGoroutine(), descriptors(t); g > goroutines || f > files {
		t.Errorf("%d goroutines and %d descriptors are left, before there were %d and %d", g, f, goroutines, files)
	}
}

// leavings are targets on loopback.
func leavings(t *testing.T) []load {
	page := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ready") }
	flood := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}
	ca := newAuthority(t)
	cert := ca.issue(t, "left.test", -1, 90)
	secure, quick := secureWeb(t, page, cert), quicWeb(t, page, cert)
	names := nameserver(t, func(q *dns.Msg, _ int) [][]byte {
		b, err := new(dns.Msg).SetReply(q).Pack()
		if err != nil {
			return nil
		}
		return [][]byte{b}
	})
	plain, floods, closed := web(t, page), web(t, flood), closedPort(t)
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c); c.Close() })
	resets := serve(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); c.Close() })
	garbage := serve(t, func(c net.Conn) { _, _ = c.Write([]byte("\x16\x03\x01garbage\r\n\r\n")); c.Close() })
	options := TLS{CA: ca.pem, ServerName: "left.test"}
	return []load{
		{"http", &HTTP{URL: plain}, 4000, 10 * time.Second, ReasonNone},
		{"https", &HTTP{URL: "https://" + secure, TLS: options}, 500, 10 * time.Second, ReasonNone},
		{"http3", &HTTP{URL: "https://" + quick, TLS: options, Protocol: HTTP3}, 100, 10 * time.Second, ReasonNone},
		{"tcp", &TCP{Address: silent}, 2000, 10 * time.Second, ReasonNone},
		{"dns", &DNS{Server: names.address, Name: "left.test"}, 2000, 10 * time.Second, ReasonNone},
		{"a closed port", &HTTP{URL: "http://" + closed}, 400, 10 * time.Second, Refused},
		{"floods", &HTTP{URL: floods, Body: BodyMatch{MaxSize: 64 << 10}}, 200, 10 * time.Second, TooLarge},
		{"resets", &HTTP{URL: "http://" + resets}, 300, 10 * time.Second, Reset},
		{"garbage for TLS", &TCP{Address: garbage, TLS: &TLS{}}, 200, 10 * time.Second, TLSHandshake},
		{"silence", &HTTP{URL: "http://" + silent}, 200, 50 * time.Millisecond, ResponseTimeout},
		{"silence for TLS", &HTTP{URL: "https://" + silent}, 50, 50 * time.Millisecond, ResponseTimeout},
		{"silence for HTTP/3", &HTTP{URL: "https://" + silentUDP(t), Protocol: HTTP3}, 50, 50 * time.Millisecond, Timeout},
	}
}

// silentUDP takes datagrams and answers none.
func silentUDP(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	return pc.LocalAddr().String()
}

// run makes the probes, some at a time.
func (l *load) run(t *testing.T) {
	t.Helper()
	const lanes = 32
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for range l.n/lanes + min(1, max(0, l.n%lanes-lane)) {
				ctx, cancel := context.WithTimeout(context.Background(), l.after)
				if a := l.kind.Attempt(ctx, &World{}); a.Reason != l.want {
					t.Errorf("%s: %s, want %s (%s)", l.name, a.Reason, l.want, a.Detail.Error)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

// settle waits until what ends by itself has ended, for some seconds at most.
func settle(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for last := -1; ; {
		now := runtime.NumGoroutine()
		if now == last && done() {
			return
		}
		last = now
		select {
		case <-tick.C:
		case <-deadline:
			return
		}
	}
}
