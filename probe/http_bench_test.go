//go:build unix

package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpu is the processor time of this process, in user and kernel mode; nginx is another process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A webTarget is what the ways of BenchmarkHTTP ask for.
type webTarget struct {
	url     string
	address string // host:port
	roots   *tls.Config
	ca      string // PEM; empty without TLS
	word    string // to be found in the body; empty: nobody looks into it
}

// A way of looking once at a web server: the status, and what is in the body.
type way struct {
	name string
	once func(context.Context) error
}

// BenchmarkHTTP shows side by side what it costs to look at a web server by net/http's transport, as a probe does it, and by an
// exchange that parses no more than the status line and is thus the least there can be: in processor time and allocations, in
// turns against the same nginx, with and without a look into the body. ARCHITECTURE.md says what follows.
func BenchmarkHTTP(b *testing.B) {
	ca := newAuthority(b)
	plain, secure := nginx(b, ca)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca.pem))
	for _, scheme := range []struct {
		name   string
		target webTarget
		word   string
	}{
		{"http", webTarget{url: "http://" + plain + "/", address: plain}, "one KiB of text one"},
		{"https", webTarget{url: "https://" + secure + "/", address: secure, ca: ca.pem, roots: &tls.Config{RootCAs: pool, ServerName: "localhost"}}, "over HTTP/1.1 as localhost"},
	} {
		for _, word := range []string{"", scheme.word} {
			look := "body"
			if word == "" {
				look = "status"
			}
			b.Run(scheme.name+"/"+look, func(b *testing.B) {
				target := scheme.target
				target.word = word
				inTurns(b, []way{{"transport", byTransport(&target)}, {"probe", byProbe(b, &target)}, {"raw", byHand(&target)}})
			})
		}
	}
}

// A spending is what looks took.
type spending struct {
	cpu           time.Duration
	allocs, bytes uint64
}

// inTurns looks in each way, in turns, so that what else the machine does meets them all, and tells what each took.
func inTurns(b *testing.B, ways []way) {
	const turns, looks = 10, 400
	spent := make([]spending, len(ways))
	for i := range ways { // what is only so the first time is nobody's
		new(spending).add(b, &ways[i], looks)
	}
	for b.Loop() {
		for range turns {
			for i := range ways {
				spent[i].add(b, &ways[i], looks)
			}
		}
	}
	n := float64(b.N * turns * looks)
	for i, w := range ways {
		b.ReportMetric(spent[i].cpu.Seconds()*1e6/n, w.name+"-µs")
		b.ReportMetric(float64(spent[i].allocs)/n, w.name+"-allocs")
		b.ReportMetric(float64(spent[i].bytes)/n/1024, w.name+"-KiB")
		if i > 0 {
			b.ReportMetric(float64(spent[i].cpu)/float64(spent[0].cpu), w.name+"/"+ways[0].name)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// add looks n times, and adds what that took. What was left behind before is collected first, or this way would pay for it.
func (s *spending) add(b *testing.B, w *way, n int) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpu(b)
	for range n {
		ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
		if err := w.once(ctx); err != nil {
			b.Fatalf("%s: %v", w.name, err)
		}
		cancel()
	}
	s.cpu += cpu(b) - start
	runtime.ReadMemStats(&after)
	s.allocs += after.Mallocs - before.Mallocs
	s.bytes += after.TotalAlloc - before.TotalAlloc
}

// byProbe is an attempt of Gaikei's.
func byProbe(b *testing.B, target *webTarget) func(context.Context) error {
	h := &HTTP{URL: target.url}
	if target.ca != "" {
		h.Protocol, h.TLS = HTTP1, TLS{CA: target.ca, ServerName: "localhost"}
	}
	if target.word != "" {
		h.Body.Contains = []string{target.word}
	}
	valid(b, h)
	return func(ctx context.Context) error {
		if a := h.Attempt(ctx, &World{}); a.Reason != ReasonNone {
			return &failure{a}
		}
		return nil
	}
}

type failure struct{ a Attempt }

func (f *failure) Error() string { return f.a.Reason.String() + ": " + f.a.Detail.Error }

// byTransport is a request over a new connection of net/http's transport, which notes the phases.
func byTransport(target *webTarget) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: target.roots}}
	return func(ctx context.Context) error {
		var phases [NumPhases]time.Duration
		from := time.Now()
		next := func(p Phase) {
			now := time.Now()
			phases[p], from = now.Sub(from), now
		}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			ConnectStart:         func(string, string) { next(PhaseResolve) },
			ConnectDone:          func(string, string, error) { next(PhaseConnect) },
			TLSHandshakeDone:     func(tls.ConnectionState, error) { next(PhaseTLS) },
			GotFirstResponseByte: func() { next(PhaseWait) },
		}), http.MethodGet, target.url, nil)
		if err != nil {
			return err
		}
		req.Header["Cache-Control"] = []string{"no-cache"}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("found %s", resp.Status)
		}
		err = target.read(resp.Body)
		next(PhaseRead)
		if phases[PhaseConnect] <= 0 || phases[PhaseWait] <= 0 {
			return fmt.Errorf("phases %v", phases)
		}
		return err
	}
}

// byHand writes a request and reads to the end.
func byHand(target *webTarget) func(context.Context) error {
	u, err := url.Parse(target.url)
	request := []byte("GET / HTTP/1.1\r\nHost: " + target.address + "\r\nUser-Agent: Gaikei\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n")
	return func(ctx context.Context) error {
		if err != nil {
			return err
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return err
		}
		defer conn.Close()
		deadline, _ := ctx.Deadline()
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
		if target.roots != nil {
			conn = tls.Client(conn, target.roots)
		}
		if _, err := conn.Write(request); err != nil {
			return err
		}
		r := bufio.NewReader(conn)
		line, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 200 ") {
			return fmt.Errorf("read %q: %v", line, err)
		}
		return target.read(r)
	}
}

// read reads to the end, and looks for the word.
func (t *webTarget) read(r io.Reader) error {
	if t.word == "" {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	body, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err == nil && !bytes.Contains(body, []byte(t.word)) {
		err = fmt.Errorf("%q is not in the %d bytes of the body", t.word, len(body))
	}
	return err
}
