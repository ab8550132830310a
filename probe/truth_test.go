package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A calibration is targets of which one phase takes a known time: they note how long it really took.
type calibration struct {
	tb    testing.TB
	phase Phase
	delay time.Duration
	ca    *authority
	web   string // address of a web server, with TLS if that is the phase
	names string // address of a name server

	mu    sync.Mutex
	next  int
	truth map[string]time.Duration // by what an attempt is called
}

// calibrate makes targets that delay a phase. Delays in what the kernel does alone cannot be noted: a connection is delayed
// before the kernel makes it.
func calibrate(tb testing.TB, phase Phase, delay time.Duration) *calibration {
	tb.Helper()
	c := &calibration{tb: tb, phase: phase, delay: delay, truth: map[string]time.Duration{}}
	if phase == PhaseTLS {
		c.ca = newAuthority(tb)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	c.web = l.Addr().String()
	tb.Cleanup(func() { _ = l.Close() })
	go c.accept(l)
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	c.names = pc.LocalAddr().String()
	server := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(c.answer)}
	go func() { _ = server.ActivateAndServe() }()
	tb.Cleanup(func() { _ = server.Shutdown() })
	return c
}

// hold waits as long as a phase is to take, if it is the delayed one.
func (c *calibration) hold(p Phase) {
	if p == c.phase {
		timer := time.NewTimer(c.delay)
		defer timer.Stop()
		<-timer.C
	}
}

// note keeps how long the phase of an attempt took.
func (c *calibration) note(p Phase, attempt string, took time.Duration) {
	if p != c.phase {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.truth[attempt] = took
}

func (c *calibration) accept(l net.Listener) {
	var config *tls.Config
	if c.ca != nil {
		config = &tls.Config{Certificates: []tls.Certificate{c.ca.issue(c.tb, "truth.test", -1, 90)}, NextProtos: []string{"http/1.1"}}
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go c.serve(conn, config)
	}
}

// serve answers one request: the first half of the body with the head, and then the rest.
func (c *calibration) serve(conn net.Conn, config *tls.Config) {
	defer conn.Close()
	var start time.Time
	if config != nil {
		config = config.Clone()
		config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			start = time.Now()
			c.hold(PhaseTLS)
			return nil, nil
		}
		secure := tls.Server(conn, config)
		if secure.Handshake() != nil {
			return
		}
		conn = secure
	}
	shaken := time.Now()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	asked := time.Now()
	attempt := strings.TrimPrefix(req.URL.Path, "/")
	c.hold(PhaseWait)
	begun := time.Now()
	c.note(PhaseTLS, attempt, shaken.Sub(start))
	c.note(PhaseWait, attempt, begun.Sub(asked))
	_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"))
	c.hold(PhaseRead)
	c.note(PhaseRead, attempt, time.Since(begun))
	_, _ = conn.Write([]byte("half"))
}

// answer answers a question about an address. The first label is what the attempt is called.
func (c *calibration) answer(w dns.ResponseWriter, q *dns.Msg) {
	start := time.Now()
	attempt, _, _ := strings.Cut(q.Question[0].Name, ".")
	c.hold(PhaseResolve)
	c.hold(PhaseExchange)
	m := new(dns.Msg).SetReply(q)
	m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(127, 0, 0, 1)}}
	c.note(c.phase, attempt, time.Since(start))
	_ = w.WriteMsg(m)
}

// check makes a check whose attempt has the delayed phase, and what the attempt is called.
func (c *calibration) check() (*Check, string) {
	c.mu.Lock()
	c.next++
	attempt := fmt.Sprintf("n%d", c.next)
	c.mu.Unlock()
	_, port, _ := net.SplitHostPort(c.web)
	x := &Check{Kind: &HTTP{URL: "http://" + c.web + "/" + attempt}}
	switch c.phase {
	case PhaseResolve:
		x = &Check{Kind: &HTTP{URL: "http://" + attempt + ".test:" + port + "/"}, Resolver: []string{c.names}}
	case PhaseTLS:
		x = &Check{Kind: &HTTP{URL: "https://" + c.web + "/" + attempt, TLS: TLS{CA: c.ca.pem, ServerName: "truth.test"}}}
	case PhaseExchange:
		x = &Check{Kind: &DNS{Server: c.names, Name: attempt + ".test"}}
	}
	if ps := append(x.Kind.Validate(), x.Validate()...); len(ps) > 0 {
		c.tb.Errorf("a check that is not right: %v", ps)
	}
	return x, attempt
}

// attempt makes one, and returns what it saw and how long the phase really took.
func (c *calibration) attempt(ctx context.Context) (Attempt, time.Duration) {
	x, name := c.check()
	w := &World{}
	if c.phase == PhaseConnect {
		w.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			start := time.Now()
			c.hold(PhaseConnect)
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			c.note(PhaseConnect, name, time.Since(start))
			return conn, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	a := x.Kind.Attempt(ctx, w.of(x))
	c.mu.Lock()
	defer c.mu.Unlock()
	return a, c.truth[name]
}

// TestTrueLatencies: what a target delays shows in the phase that it delays, and in no other one. How exact it is shows
// BenchmarkTrueLatencies; the bound here is for machines that are busy with something else.
func TestTrueLatencies(t *testing.T) {
	t.Parallel()
	const delay, bound = time.Second, 700 * time.Millisecond
	for phase := range NumPhases {
		t.Run(phase.String(), func(t *testing.T) {
			t.Parallel()
			c := calibrate(t, phase, delay)
			a, truth := c.attempt(t.Context())
			wantReason(t, &a, ReasonNone)
			if got := a.PhaseTime(phase); truth < delay || got < delay || got < truth-bound || got > truth+bound {
				t.Errorf("%s took %v, measured %v", phase, truth, got)
			}
			var sum time.Duration
			for p := range NumPhases {
				if sum += a.PhaseTime(p); p != phase && a.PhaseTime(p) > bound {
					t.Errorf("%s is said to have taken %v, and %s was delayed", p, a.PhaseTime(p), phase)
				}
			}
			if sum > a.Latency || sum < a.Latency-bound {
				t.Errorf("phases add up to %v, the latency is %v", sum, a.Latency)
			}
		})
	}
}

// BenchmarkTrueLatencies says how far what is measured of a phase is from how long it took, and how that is to the promise: 1 ms at p50
// and 5 ms at p99, also while 1,000 other probes a second run.
func BenchmarkTrueLatencies(b *testing.B) {
	for _, busy := range []string{"idle", "busy"} {
		for phase := range NumPhases {
			for _, delay := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, time.Second} {
				b.Run(fmt.Sprintf("%s/%s/%v", busy, phase, delay), func(b *testing.B) {
					c := calibrate(b, phase, delay)
					if busy == "busy" {
						defer others(b)()
					}
					var off []time.Duration
					for b.Loop() {
						off = append(off, c.sample(200)...)
					}
					slices.Sort(off)
					p50, p99 := off[len(off)/2], off[len(off)*99/100]
					b.ReportMetric(float64(p50.Microseconds()), "p50-µs")
					b.ReportMetric(float64(p99.Microseconds()), "p99-µs")
					b.ReportMetric(max(p50.Seconds()/0.001, p99.Seconds()/0.005), "of-promise")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

// sample makes attempts, and returns how far each was off. Those that take long run beside each other, and do not begin at once.
func (c *calibration) sample(n int) []time.Duration {
	off := make([]time.Duration, n)
	lanes := max(1, min(20, int(c.delay/(10*time.Millisecond))))
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			<-time.After(c.delay / time.Duration(lanes) * time.Duration(lane))
			for i := lane; i < n; i += lanes {
				a, truth := c.attempt(context.Background())
				if a.Reason != ReasonNone {
					c.tb.Errorf("%s: %s", a.Reason, a.Detail.Error)
				}
				off[i] = (a.PhaseTime(c.phase) - truth).Abs()
			}
		})
	}
	wg.Wait()
	return off
}

// others makes 1,000 probes a second until it is told to end.
func others(b *testing.B) (end func()) {
	c := calibrate(b, PhaseWait, 0)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			wg.Go(func() { c.attempt(ctx) })
		}
	})
	return func() { cancel(); wg.Wait() }
}
