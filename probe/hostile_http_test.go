package probe

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// readRequest reads the head of a request and its body, if its length is given.
func readRequest(c net.Conn) {
	if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

// says answers every request with these bytes and hangs up.
func says(answer string) func(net.Conn) {
	return func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, answer)
		c.Close()
	}
}

// saysAndHangs answers every request with these bytes and then does nothing.
func saysAndHangs(answer string) func(net.Conn) {
	return func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, answer)
	}
}

// floods answers with a beginning and then with the same bytes for ever.
func floods(beginning, more string) func(net.Conn) {
	return func(c net.Conn) {
		readRequest(c)
		_, err := io.WriteString(c, beginning)
		for chunk := bytes.Repeat([]byte(more), 1+8192/len(more)); err == nil; {
			_, err = c.Write(chunk)
		}
	}
}

// drips answers with these bytes, one every few milliseconds, over and over.
func drips(beginning, more string) func(net.Conn) {
	return func(c net.Conn) {
		readRequest(c)
		_, err := io.WriteString(c, beginning)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; err == nil; i++ {
			<-tick.C
			_, err = c.Write([]byte{more[i%len(more)]})
		}
	}
}

// resets tears the connection down after reading a request, if it is asked to, and saying something.
func resets(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); c.Close() }

// saysAndEnds answers with these bytes, ends its side and waits.
func saysAndEnds(answer string) func(net.Conn) {
	return func(c net.Conn) { saysAndHangs(answer)(c); _ = c.(*net.TCPConn).CloseWrite() }
}

// saysAndResets answers with these bytes and tears the connection down.
func saysAndResets(answer string) func(net.Conn) {
	return func(c net.Conn) { saysAndHangs(answer)(c); resets(c) }
}

const (
	ok200   = "HTTP/1.1 200 OK\r\n"
	chunked = "Transfer-Encoding: chunked\r\n\r\n"
)

// hostileHTTP are web servers that misbehave.
func hostileHTTP() []hostile {
	return []hostile{
		{"accepts and is silent", func(net.Conn) {}, ResponseTimeout, Inconclusive},
		{"reads the request and is silent", readRequest, ResponseTimeout, Inconclusive},
		{"hangs up at once", func(c net.Conn) { c.Close() }, Reset, Inconclusive},
		{"hangs up after the request", func(c net.Conn) { readRequest(c); c.Close() }, Reset, Inconclusive},
		{"resets at once", resets, Reset, Inconclusive},
		{"resets after the request", func(c net.Conn) { readRequest(c); resets(c) }, Reset, Inconclusive},
		{"half-open: ends its side and waits", func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }, Reset, Inconclusive},
		{"no HTTP", says("220 mail.example.com ESMTP\r\n"), Protocol, Down},
		{"binary garbage", says("\x00\x01\x02\xff\xfe\r\n\r\n"), Protocol, Down},
		{"status line cut off", says("HTTP/1.1 20"), Protocol, Down},
		{"header cut off", says(ok200 + "Content-Ty"), Protocol, Down},
		{"header without colon", says(ok200 + "nonsense\r\n\r\n"), Protocol, Down},
		{"two letters and silence", saysAndHangs("HT"), TooSlow, Inconclusive},
		{"half a header and silence", saysAndHangs(ok200 + "Content-Ty"), TooSlow, Inconclusive},
		{"status line and silence", saysAndHangs(ok200), TooSlow, Inconclusive},
		{"header one byte at a time", drips("H", "TTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 9999)), TooSlow, Inconclusive},
		{"never-ending header", floods(ok200, "X-More: and more\r\n"), TooLarge, Down},
		{"never-ending header line", floods(ok200+"X: ", "yyyyyyyy"), TooLarge, Down},
		{"never-ending status line", floods("HTTP/1.1 200 ", "OK "), TooLarge, Down},
		{"interim answers for ever", floods("", "HTTP/1.1 103 Early Hints\r\n\r\n"), Protocol, Down},
		{"interim answer and silence", saysAndHangs("HTTP/1.1 100 Continue\r\n\r\n"), TooSlow, Inconclusive},
		{"two lengths", says(ok200 + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"), Protocol, Down},
		{"negative length", says(ok200 + "Content-Length: -2\r\n\r\nabc"), Protocol, Down},
		{"shorter than its length", says(ok200 + "Content-Length: 100\r\n\r\nabc"), Protocol, Down},
		{"huge length, little body, silence", saysAndHangs(ok200 + "Content-Length: 9000000000000000\r\n\r\nabc"), TooSlow, Inconclusive},
		{"reset in the body", func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, ok200+"Content-Length: 100\r\n\r\nabc")
			resets(c)
		}, Protocol, Down},
		{"body stalls", saysAndHangs(ok200 + "Content-Length: 100\r\n\r\nabc"), TooSlow, Inconclusive},
		{"body one byte at a time", drips(ok200+"\r\n", "x"), TooSlow, Inconclusive},
		{"never-ending body", floods(ok200+"\r\n", "all work and no play "), TooLarge, Down},
		{"never-ending chunks", floods(ok200+"Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"), TooLarge, Down},
		{"chunk of a wrong size", says(ok200 + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"), Protocol, Down},
		{"last chunk missing", says(ok200 + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), Protocol, Down},
		{"never-ending chunk extension", floods(ok200+"Transfer-Encoding: chunked\r\n\r\n5;", "x=y;"), Protocol, Down},
		{"redirect to nowhere", says("HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n"), Redirect, Down},
		{"redirect to another scheme", says("HTTP/1.1 302 Found\r\nLocation: ftp://example.com/\r\n\r\n"), Redirect, Down},
		{"redirect to cloud metadata", says("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\n\r\n"), Redirect, Down},
		{"redirect to mapped metadata", says("HTTP/1.1 302 Found\r\nLocation: http://[::ffff:169.254.169.254]/\r\n\r\n"), Redirect, Down},
		{"redirect loop", says("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"), Redirect, Down},
		{"redirect whose body never ends", floods("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", "x"), Redirect, Down},
		{"redirect without a place", says("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), Status, Down},
		{"switches protocols", says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), Status, Down},
		{"half-open after the request", func(c net.Conn) { readRequest(c); _ = c.(*net.TCPConn).CloseWrite() }, Reset, Inconclusive},
		{"half-open in the header", saysAndEnds(ok200 + "Content-Ty"), Protocol, Down},
		{"half-open in the body", saysAndEnds(ok200 + "Content-Length: 100\r\n\r\nabc"), Protocol, Down},
		{"reset in the status line", saysAndResets("HTTP/1.1 2"), Protocol, Down},
		{"reset in the header", saysAndResets(ok200 + "Content-Ty"), Protocol, Down},
		{"reset between chunks", saysAndResets(ok200 + chunked + "5\r\nhello\r\n"), Protocol, Down},
		{"reset in the trailer", saysAndResets(ok200 + chunked + "0\r\nX-Y"), Protocol, Down},
		{"version of HTTP/2 in plain text", floods("HTTP/2.0 302 Found\r\nLocation: /again\r\n\r\n", "x"), Protocol, Down},
		{"version that there is not", says("HTTP/9.9 200 OK\r\n\r\n"), Protocol, Down},
		{"status of four digits", says("HTTP/1.1 2000 OK\r\n\r\n"), Protocol, Down},
		{"negative status", says("HTTP/1.1 -20 OK\r\n\r\n"), Protocol, Down},
		{"status below all classes", says("HTTP/1.1 099 What\r\n\r\n"), Protocol, Down},
		{"control characters in the header", says(ok200 + "X: a\x00b\r\n\r\n"), Protocol, Down},
		{"header of nothing but spaces", floods(ok200, " \r\n"), Protocol, Down},
		{"folded header for ever", floods(ok200+"X: a\r\n", " and more\r\n"), TooLarge, Down},
		{"as many interim answers as are read past", says(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim) + ok200 + "\r\nready"), ReasonNone, Up},
		{"one interim answer more", says(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim+1) + ok200 + "\r\n"), Protocol, Down},
		{"interim answers with huge headers", floods("", "HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("y", 20<<10)+"\r\n\r\n"), TooLarge, Down},
		{"interim answers one byte at a time", drips("", "HTTP/1.1 103 Early Hints\r\n\r\n"), TooSlow, Inconclusive},
		{"interim answers that announce bodies", says("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello" + ok200 + "\r\n"), Protocol, Down},
		{"longer than its length", says(ok200 + "Content-Length: 5\r\n\r\nready and more"), ReasonNone, Up},
		{"length that is no number", says(ok200 + "Content-Length: many\r\n\r\nabc"), Protocol, Down},
		{"length that overflows", says(ok200 + "Content-Length: 99999999999999999999\r\n\r\nabc"), Protocol, Down},
		{"a length of nothing and a flood", floods(ok200+"Content-Length: 0\r\n\r\n", "x"), ReasonNone, Up},
		{"no body allowed and a flood", floods("HTTP/1.1 204 No Content\r\n\r\n", "x"), ReasonNone, Up},
		{"length and chunks", says(ok200 + "Content-Length: 3\r\n" + chunked + "5\r\nready\r\n0\r\n\r\n"), ReasonNone, Up},
		{"encoding that there is not", says(ok200 + "Transfer-Encoding: morse\r\n\r\nabc"), Protocol, Down},
		{"chunk of a size that overflows", says(ok200 + chunked + "fffffffffffffffff\r\nhello\r\n"), Protocol, Down},
		{"chunk of a negative size", says(ok200 + chunked + "-5\r\nhello\r\n"), Protocol, Down},
		{"chunk larger than it says", says(ok200 + chunked + "2\r\nhello\r\n0\r\n\r\n"), Protocol, Down},
		{"chunks of one byte for ever", floods(ok200+chunked, "1\r\nx\r\n"), TooLarge, Down},
		{"chunks one byte at a time", drips(ok200+chunked, "1\r\nx\r\n"), TooSlow, Inconclusive},
		{"chunk size for ever", floods(ok200+chunked, "0"), Protocol, Down},
		{"small chunks, long extensions", floods(ok200+chunked, "1;"+strings.Repeat("x", 1000)+"\r\ny\r\n"), Protocol, Down},
		{"trailer", says(ok200 + chunked + "5\r\nready\r\n0\r\nX-Late: 1\r\n\r\n"), ReasonNone, Up},
		{"trailer and silence", saysAndHangs(ok200 + chunked + "0\r\nX-Late"), TooSlow, Inconclusive},
		{"never-ending trailer", floods(ok200+chunked+"0\r\n", "X-More: and more\r\n"), Protocol, Down},
		{"never-ending trailer line", floods(ok200+chunked+"0\r\nX: ", "yyyyyyyy"), Protocol, Down},
		{"trailer one byte at a time", drips(ok200+chunked+"0\r\nX: ", "y"), TooSlow, Inconclusive},
		{"redirect to a huge place", says("HTTP/1.1 302 Found\r\nLocation: /" + strings.Repeat("a", 60_000) + "\r\n\r\n"), Redirect, Down},
		{"redirect to a huge host", says("HTTP/1.1 302 Found\r\nLocation: http://" + strings.Repeat("a.", 20_000) + "/\r\n\r\n"), Redirect, Down},
		{"redirect with credentials", says("HTTP/1.1 302 Found\r\nLocation: http://u:p@[fe80::1]/\r\n\r\n"), Redirect, Down},
	}
}

// TestHostileHTTP looks at web servers that misbehave. The outcome is that where nobody can vouch: down proves itself.
func TestHostileHTTP(t *testing.T) {
	testHostile(t, hostileHTTP(), func(address string) []Kind { return []Kind{&HTTP{URL: "http://" + address + "/"}} })
}

// wantSpans checks what holds for the spans of every attempt: they follow each other and end with the
// latency.
func wantSpans(t *testing.T, a *Attempt) {
	t.Helper()
	var end time.Duration
	for _, s := range a.Spans {
		if s.At < end || s.For < 0 {
			t.Errorf("span %v begins at %v and takes %v, after one that ended at %v", s.Phase, s.At, s.For, end)
		}
		end = s.At + s.For
	}
	if end != a.Latency {
		t.Errorf("latency -want +got:\n- %v (the end of the last span)\n+ %v", end, a.Latency)
	}
}

func TestRedirectLoopStopsAtItsLimit(t *testing.T) {
	seen := make(chan string, 100)
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.URL.Path
		http.Redirect(w, r, fmt.Sprint("/", len(seen)), http.StatusFound)
	})
	for _, limit := range []int{0, 1, 3} {
		a := look(t, &HTTP{URL: base + "/", Redirects: &Redirects{Max: limit}, Status: []CodeRange{{200, 399}}})
		want := Redirect
		if limit == 0 {
			want = ReasonNone
		}
		wantReason(t, &a, want)
		if got := len(seen); got != limit+1 {
			t.Errorf("requests with redirects: %d -want +got:\n- %d\n+ %d", limit, limit+1, got)
		}
		for len(seen) > 0 {
			<-seen
		}
	}
}

// A hostileFlood is a web server that floods, and what it is looked for in the flood.
type hostileFlood struct {
	name  string
	serve func(net.Conn)
	body  BodyMatch
	want  Reason
	most  uint64 // bytes an attempt may allocate
}

func (f *hostileFlood) kind(t testing.TB) Kind {
	return &HTTP{URL: "http://" + serve(t, f.serve), Body: f.body}
}

// hostileFloods are the most expensive ones.
func hostileFloods() []hostileFlood {
	regexes := BodyMatch{Regex: res(`(a?b?){3}c$`, `needle \pL+ a haystick`), NotRegex: res(`z{30}`), MaxSize: 72 << 10}
	return []hostileFlood{
		{"body", floods(ok200+"\r\n", strings.Repeat("needle in a haystack ", 100)), BodyMatch{Contains: []string{"absent"}, MaxSize: 4 << 20}, TooLarge, 1 << 20},
		{"body of one byte chunks", floods(ok200+chunked, "1\r\nx\r\n"), BodyMatch{MaxSize: 64 << 10}, TooLarge, 1 << 20},
		{"body and regexes", floods(ok200+"\r\n", "abaabba外bz"), regexes, TooLarge, 4 << 20},
		{"header", floods(ok200, "X-More: and more\r\n"), BodyMatch{}, TooLarge, 4 << 20},
		{"interim answers", floods("", "HTTP/1.1 103 Early Hints\r\n"+strings.Repeat("X: y\r\n", 900)+"\r\n"), BodyMatch{}, Protocol, 4 << 20},
		{"trailer", floods(ok200+chunked+"0\r\n", "X-More: and more\r\n"), BodyMatch{}, Protocol, 1 << 20},
	}
}

// TestHostileMemory looks at many floods at a time: what they take stays far below what is sent.
func TestHostileMemory(t *testing.T) {
	for _, tt := range hostileFloods() {
		t.Run(tt.name, func(t *testing.T) {
			k := tt.kind(t)
			if ps := k.Validate(); ps != nil {
				t.Fatal(ps)
			}
			wantMemory(t, k, tt.want, tt.most)
		})
	}
}

// wantMemory attempts several times at once and compares what all of it allocates, the server's part included, with a
// bound for each.
func wantMemory(t *testing.T, k Kind, want Reason, most uint64) {
	t.Helper()
	const lookers = 4
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan Attempt)
	for range lookers {
		go func() { done <- k.Attempt(t.Context(), &World{}) }()
	}
	for range lookers {
		a := <-done
		wantReason(t, &a, want)
	}
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) / lookers; took > most {
		t.Errorf("an attempt allocated %d KiB, want at most %d", took>>10, most>>10)
	}
}

// hostileToRequests are servers that read nothing of a large request, or little.
func hostileToRequests() []hostile {
	return []hostile{
		{"reads nothing", func(net.Conn) {}, ResponseTimeout, Inconclusive},
		{"reads little and resets", func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 100)); resets(c) }, Reset, Inconclusive},
	}
}

// posts sends an address a large request.
func posts(address string) []Kind {
	return []Kind{&HTTP{URL: "http://" + address, Method: "POST", Send: Literal(strings.Repeat("x", 8<<20))}}
}

// TestRequestThatNobodyReads: a server that reads nothing of a large request holds nothing up beyond the deadline.
func TestRequestThatNobodyReads(t *testing.T) { testHostile(t, hostileToRequests(), posts) }

// TestAnswerBeforeTheRequestIsRead: a server may refuse a large body without reading it.
func TestAnswerBeforeTheRequestIsRead(t *testing.T) {
	address := serve(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 100))
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
	})
	body := string(bytes.Repeat([]byte("x"), 8<<20))
	a := attempt(t, &HTTP{URL: "http://" + address, Method: "POST", Send: Literal(body)}, &World{}, 5*time.Second)
	wantReason(t, &a, Status)
}
