package probe

import (
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pours says a beginning and then the same bytes for ever, whatever it hears.
func pours(beginning, more string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, beginning)
		for chunk := bytes.Repeat([]byte(more), 1+8192/len(more)); err == nil; {
			_, err = c.Write(chunk)
		}
	}
}

// trickles says the same bytes over and over, one at a time.
func trickles(every time.Duration, more string) func(net.Conn) {
	return func(c net.Conn) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var err error
		for i := 0; err == nil; i++ {
			<-tick.C
			_, err = c.Write([]byte{more[i%len(more)]})
		}
	}
}

// once does something as soon as anything is heard.
func once(f func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Read(make([]byte, 4096)); err == nil {
			f(c)
		}
	}
}

// A hostileTalk is a hostile target of a dialogue.
type hostileTalk struct {
	name  string
	serve func(net.Conn)
	steps []Step
	want  Reason
}

func (h *hostileTalk) kind(t testing.TB) Kind {
	return &TCP{Address: serve(t, h.serve), Dialogue: h.steps}
}

// hostileTCP are servers that misbehave in a dialogue.
func hostileTCP() []hostileTalk {
	silent := func(net.Conn) {}
	halfOpen := func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }
	hello := func(c net.Conn) { _, _ = io.WriteString(c, "hello\n") }
	asks := []Step{expect("hello\n"), send("more\n"), expect("done\n")}
	big := strings.Repeat("x", maxSend)
	return []hostileTalk{
		{"accepts and is silent", silent, asks, ResponseTimeout},
		{"is silent to what is sent", silent, []Step{send("x"), expect("y")}, ResponseTimeout},
		{"hangs up at once", hangsUp, asks, Reset},
		{"resets at once", resets, asks, Reset},
		{"half-open", halfOpen, asks, Reset},
		{"half-open after a word", inTurn(hello, halfOpen), asks, Dialogue},
		{"resets when spoken to", once(resets), []Step{send("x"), expect("y")}, Reset},
		{"resets after a word", inTurn(hello, once(resets)), asks, Dialogue},
		{"resets within a word", func(c net.Conn) { _, _ = io.WriteString(c, "hel"); <-time.After(10 * time.Millisecond); resets(c) }, asks, Dialogue},
		{"silent after a word", hello, asks, TooSlow},
		{"silent within a word", func(c net.Conn) { _, _ = io.WriteString(c, "hel") }, asks, TooSlow},
		{"one byte at a time", trickles(20*time.Millisecond, "never said "), asks, TooSlow},
		{"one byte at a time, as fast as it can", trickles(200*time.Microsecond, "never said "), asks, TooSlow},
		{"flood before an expect", pours("", "all work and no play "), asks, Dialogue},
		{"flood before a send", pours("hello\n", "all work and no play "), append([]Step{expect("hello\n"), send("x")}, asks[2:]...), Dialogue},
		{"flood while it is sent to", pours("", "all work and no play "), []Step{send(big), send(big), send(big), expect("absent")}, Dialogue},
		{"floods and never closes", pours("", "bye "), []Step{{Close: CloseExpect}}, Dialogue},
		{"floods with zeros", pours("", "\x00"), asks, Dialogue},
		{"floods with no text", pours("", "\xff\xfe\xfd"), []Step{expect(`\w`)}, Dialogue},
		{"flood for an expression that repeats repetitions", pours("", "x"), []Step{expect("(x+x+)+y")}, Dialogue},
		{"flood for an expression of many states", pours("", "9"), []Step{expect("[0-9]{490}z")}, Dialogue},
		{"flood for an expression of many branches", pours("", "a"), []Step{expect("(a?){120}b")}, Dialogue},
		{"byte by byte for an expression of many states", trickles(200*time.Microsecond, "9"), []Step{expect("[0-9]{490}z")}, TooSlow},
		{"flood for a text", pours("", strings.Repeat("x", 99)), []Step{{ExpectText: strings.Repeat("x", 98) + "y"}}, Dialogue},
		{"flood behind another beginning", pours("never ", "never "), []Step{expect("^hello")}, Dialogue},
		{"a capture that is too long", pours(strings.Repeat("x", maxCapture+1)+"z", "x"), []Step{expect("^(x*)z"), sendCapture("1"), expect("y")}, Dialogue},
		{"captures that grow", pours("", "x"), []Step{expect("^(x{400})"), sendCapture(strings.Repeat("1}${match:", 200) + "1"), expect("y")}, Dialogue},
	}
}

func TestHostileTCP(t *testing.T) {
	t.Parallel()
	for _, tt := range hostileTCP() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, tt.kind(t), &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if silent := tt.want == ResponseTimeout || tt.want == Reset; a.Answered == silent {
				t.Errorf("answered: %v, want %v", a.Answered, !silent)
			}
			if n := len(a.Detail.Error); n == 0 || n > maxLine {
				t.Errorf("error of %d bytes, want some, at most %d", n, maxLine)
			}
			for _, o := range a.Detail.Assertions {
				if len(o.Got) > 5*maxHeard || len(o.Want) > maxWant {
					t.Errorf("%s: got %d bytes and wanted %d, at most %d and %d", o.What, len(o.Got), len(o.Want), 5*maxHeard, maxWant)
				}
			}
		})
	}
}

func repeated(s Step, n int) []Step {
	steps := make([]Step, n)
	for i := range steps {
		steps[i] = s
	}
	return steps
}

// sendCapture sends what ${match:name} stands for.
func sendCapture(name string) Step {
	var s SendText
	if err := s.UnmarshalText([]byte("${match:" + name + "}")); err != nil {
		panic(err)
	}
	return Step{Send: s}
}

// deaf is a check of a target that never reads, in a world where that is noticed soon.
func deaf(t testing.TB) (Kind, *World) {
	w := &World{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = c.(*net.TCPConn).SetWriteBuffer(4 << 10) // or all of it would fit into the system's
		}
		return c, err
	}}
	return &TCP{Address: serve(t, func(net.Conn) {}), Dialogue: repeated(send(strings.Repeat("x", maxSend)), maxSteps)}, w
}

// TestTCPDeaf: a target that never reads cannot hold a send beyond the deadline.
func TestTCPDeaf(t *testing.T) {
	t.Parallel()
	k, w := deaf(t)
	a := attempt(t, k, w, patience(ResponseTimeout))
	wantReason(t, &a, ResponseTimeout)
	wantSpans(t, &a)
}

// TestTCPLateMatch: after so much work on so many small pieces that not every one is matched any more, a match is
// still found, at the time at which its last byte came.
func TestTCPLateMatch(t *testing.T) {
	t.Parallel()
	e, err := newExpecting(regexp.MustCompile("[0-9]{400}z"))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		// Every piece is sent when the one before has been read.
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			for range 600 {
				_, _ = far.Write([]byte("9"))
			}
			_, _ = far.Write([]byte("z"))
		}()
		v := &conversation{ctx: t.Context(), t: begin(&World{}, "", OnlyIPv4), hide: &redactor{}, conn: near, left: maxWindow, rec: new(record)}
		r, err := e.make(v)
		if r != ReasonNone || err != nil || len(v.buf) != 0 {
			t.Fatalf("reason %q, %v and %d bytes left, want a match to the end", r, err, len(v.buf))
		}
		if since := time.Since(v.at); since != quietTime {
			t.Errorf("the last byte came %v before the match, want %v: was each piece matched?", since, quietTime)
		}
	})
}

// TestHostileTCPMemory looks at many floods at a time: what they take stays far below what is sent.
func TestHostileTCPMemory(t *testing.T) {
	const lookers = 16
	c := &TCP{Address: serve(t, pours("", "needle in a haystack ")), Dialogue: append(repeated(expect(`needle (\w+)`), maxSteps-1), expect("absent"))}
	if ps := c.Validate(); ps != nil {
		t.Fatal(ps)
	}
	before := new(runtime.MemStats)
	runtime.ReadMemStats(before)
	done := make(chan Attempt)
	for range lookers {
		go func() { done <- c.Attempt(t.Context(), &World{}) }()
	}
	for range lookers {
		a := <-done
		wantReason(t, &a, Dialogue)
	}
	now := new(runtime.MemStats)
	runtime.ReadMemStats(now)
	if took := (now.TotalAlloc - before.TotalAlloc) / lookers; took > 1<<20 {
		t.Errorf("an attempt at a flood allocated %d KiB, want at most 1024", took>>10)
	}
}

func FuzzExpecting(f *testing.F) {
	f.Add("^220 (\\S+)", []byte("220 mail\r\n"), uint8(3))
	f.Add("^a+b", []byte("aaac"), uint8(1))
	f.Add("(?m)^x$", []byte("y\nx\n"), uint8(2))
	f.Add("^\u00e9+z", []byte("\xc3\xa9\xc3"), uint8(1))
	f.Fuzz(func(t *testing.T, pattern string, says []byte, piece uint8) {
		re, err := regexp.Compile(pattern)
		if err != nil || len(pattern) > 64 || len(says) > 4096 || piece == 0 {
			return
		}
		e, err := newExpecting(re)
		if err != nil {
			return
		}
		// Dead means that no beginning that goes on as this does can match: so none that came later did.
		for n := 0; n < len(says); n += int(piece) {
			if e.dead(says[:n]) && re.Match(says) {
				t.Fatalf("%q is given up at %q, and matches %q", pattern, says[:n], says)
			}
		}
		v := &conversation{ctx: t.Context(), t: begin(&World{}, "", OnlyIPv4), hide: &redactor{}, conn: &deafConn{Reader: bytes.NewReader(says)}, left: maxWindow, rec: new(record)}
		r, err := e.make(v)
		if (r == ReasonNone) != (err == nil) || (r == ReasonNone) != re.Match(says) && !strings.ContainsAny(pattern, "$bBzZ") {
			t.Errorf("reason %q (%v), and whether it matches: %v", r, err, re.Match(says))
		}
	})
}
