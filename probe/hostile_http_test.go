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

const ok200 = "HTTP/1.1 200 OK\r\n"

func TestHostileHTTP(t *testing.T) {
	tests := []struct {
		name     string
		serve    func(net.Conn)
		want     Reason
		answered bool
	}{
		{"accepts and is silent", func(net.Conn) {}, ResponseTimeout, false},
		{"reads the request and is silent", readRequest, ResponseTimeout, false},
		{"hangs up at once", func(c net.Conn) { c.Close() }, Reset, false},
		{"hangs up after the request", func(c net.Conn) { readRequest(c); c.Close() }, Reset, false},
		{"resets at once", resets, Reset, false},
		{"resets after the request", func(c net.Conn) { readRequest(c); resets(c) }, Reset, false},
		{"half-open: ends its side and waits", func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }, Reset, false},
		{"no HTTP", says("220 mail.example.com ESMTP\r\n"), Protocol, true},
		{"binary garbage", says("\x00\x01\x02\xff\xfe\r\n\r\n"), Protocol, true},
		{"status line cut off", says("HTTP/1.1 20"), Protocol, true},
		{"header cut off", says(ok200 + "Content-Ty"), Protocol, true},
		{"header without colon", says(ok200 + "nonsense\r\n\r\n"), Protocol, true},
		{"two letters and silence", saysAndHangs("HT"), TooSlow, true},
		{"half a header and silence", saysAndHangs(ok200 + "Content-Ty"), TooSlow, true},
		{"status line and silence", saysAndHangs(ok200), TooSlow, true},
		{"header one byte at a time", drips("H", "TTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 9999)), TooSlow, true},
		{"never-ending header", floods(ok200, "X-More: and more\r\n"), TooLarge, true},
		{"never-ending header line", floods(ok200+"X: ", "yyyyyyyy"), TooLarge, true},
		{"never-ending status line", floods("HTTP/1.1 200 ", "OK "), TooLarge, true},
		{"interim answers for ever", floods("", "HTTP/1.1 103 Early Hints\r\n\r\n"), Protocol, true},
		{"interim answer and silence", saysAndHangs("HTTP/1.1 100 Continue\r\n\r\n"), TooSlow, true},
		{"two lengths", says(ok200 + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"), Protocol, true},
		{"negative length", says(ok200 + "Content-Length: -2\r\n\r\nabc"), Protocol, true},
		{"shorter than its length", says(ok200 + "Content-Length: 100\r\n\r\nabc"), Protocol, true},
		{"huge length, little body, silence", saysAndHangs(ok200 + "Content-Length: 9000000000000000\r\n\r\nabc"), TooSlow, true},
		{"reset in the body", func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, ok200+"Content-Length: 100\r\n\r\nabc")
			resets(c)
		}, Protocol, true},
		{"body stalls", saysAndHangs(ok200 + "Content-Length: 100\r\n\r\nabc"), TooSlow, true},
		{"body one byte at a time", drips(ok200+"\r\n", "x"), TooSlow, true},
		{"never-ending body", floods(ok200+"\r\n", "all work and no play "), TooLarge, true},
		{"never-ending chunks", floods(ok200+"Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"), TooLarge, true},
		{"chunk of a wrong size", says(ok200 + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"), Protocol, true},
		{"last chunk missing", says(ok200 + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), Protocol, true},
		{"never-ending chunk extension", floods(ok200+"Transfer-Encoding: chunked\r\n\r\n5;", "x=y;"), Protocol, true},
		{"redirect to nowhere", says("HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n"), Redirect, true},
		{"redirect to another scheme", says("HTTP/1.1 302 Found\r\nLocation: ftp://example.com/\r\n\r\n"), Redirect, true},
		{"redirect to cloud metadata", says("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\n\r\n"), Redirect, true},
		{"redirect to mapped metadata", says("HTTP/1.1 302 Found\r\nLocation: http://[::ffff:169.254.169.254]/\r\n\r\n"), Redirect, true},
		{"redirect loop", says("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"), Redirect, true},
		{"redirect whose body never ends", floods("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", "x"), Redirect, true},
		{"redirect without a place", says("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), Status, true},
		{"switches protocols", says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), Status, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, &HTTP{URL: "http://" + serve(t, tt.serve) + "/"}, &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			if a.Answered != tt.answered {
				t.Errorf("answered -want +got:\n- %v\n+ %v", tt.answered, a.Answered)
			}
			if a.Detail.Error == "" || len(a.Detail.Error) > maxLine {
				t.Errorf("error of %d bytes, want some, at most %d", len(a.Detail.Error), maxLine)
			}
			wantSpans(t, &a)
		})
	}
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

// TestHostileMemory looks at many floods at a time: what they take stays far below what is sent.
func TestHostileMemory(t *testing.T) {
	const lookers = 16
	address := serve(t, floods(ok200+"\r\n", strings.Repeat("needle in a haystack ", 100)))
	h := &HTTP{URL: "http://" + address, Body: BodyMatch{Contains: []string{"absent"}, MaxSize: 16 << 20}}
	if ps := h.Validate(); ps != nil {
		t.Fatal(ps)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan Attempt)
	for range lookers {
		go func() { done <- h.Attempt(t.Context(), &World{}) }()
	}
	for range lookers {
		a := <-done
		wantReason(t, &a, TooLarge)
	}
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) / lookers; took > 1<<20 {
		t.Errorf("an attempt at a flood of 16 MiB allocated %d KiB, want at most 1 MiB", took>>10)
	}
}

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
