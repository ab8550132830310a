package probe

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// attemptOf validates a check and looks once.
func attemptOf(t *testing.T, c *Check, w *World, timeout time.Duration) Attempt {
	t.Helper()
	if ps := c.Kind.Validate(); len(ps) > 0 {
		t.Fatalf("the kind: %v", ps)
	}
	if ps := c.Validate(); len(ps) > 0 {
		t.Fatalf("the check: %v", ps)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return c.Kind.Attempt(ctx, w.of(c))
}

// asserted is what came of the assertions of an attempt.
func asserted(a *Attempt) []string {
	var got []string
	for _, o := range a.Detail.Assertions {
		if o.What == "assert" {
			got = append(got, fmt.Sprintf("%v: %s", o.Held, o.Got))
		}
	}
	return got
}

func TestAssertHTTP(t *testing.T) {
	t.Parallel()
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Many"] = []string{"a", "b"}
		w.Header().Set("Set-Cookie", "session=c00kie; Path=/")
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		io.WriteString(w, `{"db": "ok", "queue": 12, "load": 0.5, "nodes": [{"up": true}, {"up": false}], "none": null, "s": "ab"}`)
	})
	tests := []struct {
		assert string
		want   string // of the observation
		reason Reason
	}{
		{`json.db == 'ok' && json.queue + 1 == 13`, "true: true", ReasonNone},
		{`status == 200 && headers['content-type'][0].startsWith('text/plain')`, "true: true", ReasonNone},
		{`headers['x-many'] == ['a', 'b'] && size(headers['x-many']) == 2`, "true: true", ReasonNone},
		{`body.contains('"db"') && body.matches('"queue": [0-9]+')`, "true: true", ReasonNone},
		{`json.load < 1 && json.queue > 11.5 && json.none == null`, "true: true", ReasonNone},
		{`has(json.db) && !has(json.gone)`, "true: true", ReasonNone},
		{`latency < duration('1h') && phases.wait <= latency && phases['tls'] == duration('0s')`, "true: true", ReasonNone},
		{`address == '127.0.0.1'`, "true: true", ReasonNone},
		{`json.db == 'ok' && json.queue < 10`, "false: json.queue = 12", Assertion},
		{`json.nodes.all(n, n.up)`, "false: false", Assertion},
		{`json.s.startsWith('b')`, `false: json.s = "ab"`, Assertion},
		{`size(json.nodes) == 3`, "false: size(json.nodes) = 2", Assertion},
		{`json.nodes == []`, "false: json.nodes = a list of 2", Assertion},
		{`status in [201, 204]`, "false: status = 200", Assertion},
		{`json.gone == 1`, "false: it cannot be evaluated: no such key: gone", Assertion},
		{`headers['x-none'][0] == ''`, "false: it cannot be evaluated: no such key: x-none", Assertion},
		{`json.s`, "false: it came to string, wanted true or false", Assertion},
		{`json.queue / 0 == 1`, "false: it cannot be evaluated: division by zero", Assertion},
		{`tls.days_left > 3`, "false: it cannot be evaluated: the answer came without TLS", Assertion},
		{`headers['set-cookie'][0] == ''`, `false: headers["set-cookie"][0] = "[redacted]"`, Assertion},
		{`headers['x-echo'][0] == ''`, `false: headers["x-echo"][0] = "Bearer [redacted]"`, Assertion},
	}
	for _, tt := range tests {
		t.Run(tt.assert, func(t *testing.T) {
			secret, err := parseTemplate("Bearer ${env:GAIKEI_SECRET_T}")
			if err != nil {
				t.Fatal(err)
			}
			h := &HTTP{URL: base, Headers: map[string][]Template{"Authorization": {{parts: secret}}}}
			w := &World{Verbose: true, Secret: func(string, string) (string, error) { return "t0ken", nil }}
			a := attemptOf(t, &Check{Kind: h, Assert: []string{tt.assert}}, w, 20*time.Second)
			wantReason(t, &a, tt.reason)
			if diff := cmp.Diff([]string{tt.want}, asserted(&a)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestAssertLast: what else fails comes first, and each assertion is told one by one.
func TestAssertLast(t *testing.T) {
	t.Parallel()
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sick" {
			w.WriteHeader(503)
		}
		io.WriteString(w, "ready: 1")
	})
	assert := []string{"body == 'ready: 1'", "status == 201", "status == 202"}
	a := attemptOf(t, &Check{Kind: &HTTP{URL: base + "/sick"}, Assert: assert}, &World{}, 20*time.Second)
	if a.Reason != Status || asserted(&a) != nil {
		t.Errorf("a status that is wrong: %s, %v", a.Reason, asserted(&a))
	}
	// A pattern of body and an assertion both see the body.
	h := &HTTP{URL: base, Body: BodyMatch{Regex: []*regexp.Regexp{regexp.MustCompile("ready: [0-9]+")}}}
	a = attemptOf(t, &Check{Kind: h, Assert: assert[:1]}, &World{}, 20*time.Second)
	wantReason(t, &a, ReasonNone)
	a = attemptOf(t, &Check{Kind: h, Assert: assert}, &World{}, 20*time.Second)
	wantReason(t, &a, Assertion)
	if diff := cmp.Diff([]string{"true: true", "false: status = 200", "false: status = 200"}, asserted(&a)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !strings.Contains(a.Detail.Error, "assert status == 201: it does not hold") {
		t.Errorf("the error: %s", a.Detail.Error)
	}
	down := closedPort(t)
	a = attemptOf(t, &Check{Kind: &HTTP{URL: "http://" + down}, Assert: assert}, &World{}, 20*time.Second)
	if a.Reason != Refused || asserted(&a) != nil {
		t.Errorf("a refused connection: %s, %v", a.Reason, asserted(&a))
	}
}

func TestAssertTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	address := secureWeb(t, func(w http.ResponseWriter, _ *http.Request) {}, ca.issue(t, "localhost", -1, 20))
	_, port, _ := strings.Cut(address, ":")
	https := &HTTP{URL: "https://localhost:" + port, TLS: TLS{CA: ca.pem}}
	tcp := &TCP{Address: "localhost:" + port, TLS: &TLS{CA: ca.pem}}
	hold := []string{
		"tls.days_left == 20 && tls.version == 'TLS 1.3' && tls.cipher.startsWith('TLS_')", "tls.subject == 'CN=localhost' && tls.issuer == 'CN=Test Authority'",
		"'localhost' in tls.names && tls.server_name == 'localhost'", "tls.not_after - tls.not_before < duration('600h')", "phases.tls > duration('0s')",
	}
	for _, k := range []Kind{https, tcp} {
		a := attemptOf(t, &Check{Kind: k, Assert: hold}, &World{}, 20*time.Second)
		wantReason(t, &a, ReasonNone)
		a = attemptOf(t, &Check{Kind: k, Assert: []string{"tls.days_left > 30"}}, &World{}, 20*time.Second)
		wantReason(t, &a, Assertion)
		if diff := cmp.Diff([]string{"false: tls.days_left = 20"}, asserted(&a)); diff != "" || a.Detail.TLS == nil {
			t.Errorf("%T: -want +got:\n%s\n%v", k, diff, a.Detail.TLS)
		}
	}
}

func TestAssertDNS(t *testing.T) {
	t.Parallel()
	s := nameserver(t, func(q *dns.Msg, _ int) [][]byte {
		m := replyTo(t, q, 0, "www.example. 60 IN A 192.0.2.1", "www.example. 30 IN A 192.0.2.2")
		m.Authoritative = true
		return packed(t, m)
	})
	d := &DNS{Server: s.address, Name: "www.example"}
	hold := []string{
		"dns.rcode == 'NOERROR' && 'aa' in dns.flags && !('tc' in dns.flags)", "size(dns.answers) == 2 && dns.authority == []",
		"dns.answers.all(r, r.type == 'A' && r.ttl <= 60 && r.name == 'www.example.')", "dns.answers.exists(r, r.data == '192.0.2.2')",
		"phases.exchange <= latency",
	}
	a := attemptOf(t, &Check{Kind: d, Assert: hold}, &World{}, 20*time.Second)
	wantReason(t, &a, ReasonNone)
	a = attemptOf(t, &Check{Kind: d, Assert: []string{"dns.answers[1].ttl >= 60"}}, &World{}, 20*time.Second)
	wantReason(t, &a, Assertion)
	if diff := cmp.Diff([]string{"false: dns.answers[1].ttl = 30"}, asserted(&a)); diff != "" || a.Detail.Message == "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A hostileAnswer is one that is hard to evaluate.
type hostileAnswer struct{ path, assert, want string }

func (h *hostileAnswer) check(base string) *Check {
	return &Check{Kind: &HTTP{URL: base + h.path}, Assert: []string{h.assert}}
}

// hostileAnswers are such answers, and where they are served.
func hostileAnswers(t testing.TB) ([]hostileAnswer, string) {
	t.Helper()
	many := "[" + strings.Repeat("1,", 60<<10) + "1]"
	bodies := map[string]string{
		"/many": many, "/deep": strings.Repeat("[", 100<<10), "/long": strings.Repeat("x", maxAssertedBody+1), "/html": "<html>",
		"/two": `{"a":1}{"a":2}`, "/regex": `"` + strings.Repeat("((a*)*)*", 1000) + `"`, "/huge": `{"n": 1e999999, "m": 123456789012345678901234567890}`,
	}
	base := web(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, bodies[r.URL.Path]) })
	return []hostileAnswer{
		{"/many", "json.all(x, json.all(y, json.all(z, x + y + z == 3)))", "cost limit exceeded"},
		{"/deep", "json == 1", "the body is no JSON"},
		{"/long", "body.contains('y')", "the body has 262145 bytes, more than the 256KiB that assertions look into"},
		{"/html", "json.ok", "the body is no JSON"},
		{"/two", "json.a == 1", "there is more after the first value"},
		{"/regex", "'aaaa'.matches(json)", "regex"},
		{"/huge", "json.n < 5", "json.n = +Inf"},
		{"/many", "(body + body + body + body + body + body + body + body).matches('(x+x+)+y')", "body + body"},
	}, base
}

// TestAssertHostile: whatever a target answers, evaluating ends soon, in bounded memory, and as a failure of the target.
func TestAssertHostile(t *testing.T) {
	t.Parallel()
	tests, base := hostileAnswers(t)
	for _, tt := range tests {
		t.Run(tt.path+" "+tt.assert, func(t *testing.T) {
			a := attemptOf(t, tt.check(base), &World{}, 20*time.Second)
			wantReason(t, &a, Assertion)
			if got := strings.Join(asserted(&a), "\n"); !strings.Contains(got, tt.want) || len(got) > 2*maxLine {
				t.Errorf("got %s, want %q in it", clip(got, 400), tt.want)
			}
		})
	}
}

// TestAssertInterrupted: the end of the context ends an evaluation, which is no failure of the target's.
func TestAssertInterrupted(t *testing.T) {
	t.Parallel()
	base := web(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "["+strings.Repeat("1,", 2000)+"1]") })
	c := &Check{Kind: &HTTP{URL: base}, Assert: []string{"json.all(x, json.all(y, y == 1))"}}
	for _, tt := range []struct {
		cause func(context.Context) (context.Context, context.CancelFunc)
		want  Reason
	}{
		{context.WithCancel, Stopped},
		{func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithDeadline(ctx, time.Unix(0, 0))
		}, Internal},
	} {
		if ps := append(c.Kind.Validate(), c.Validate()...); len(ps) > 0 {
			t.Fatal(ps)
		}
		x := c.extra.assertions[0]
		w := (&World{Verbose: true}).of(c)
		full, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		tr := begin(w, "x", OnlyIPv4)
		resp, err := http.Get(base)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		scan := newBodyScan(&BodyMatch{}, resp.Body, resp.ContentLength)
		scan.keep = maxAssertedBody
		if err := scan.read(); err != nil {
			t.Fatal(err)
		}
		s := seen{resp: resp, scan: scan, t: tr}
		ended, end := tt.cause(full)
		end()
		if err := x.holds(ended, &s); err == nil || !strings.Contains(err.Error(), "the time of the attempt was up") {
			t.Errorf("evaluated after the end: %v", err)
		}
		tr.hold(ended, s)
		if tr.a.Reason != tt.want {
			t.Errorf("reason %s, want %s", tr.a.Reason, tt.want)
		}
	}
}

func TestValidateAssert(t *testing.T) {
	t.Parallel()
	plain := &HTTP{URL: "http://example.com/", Redirects: &Redirects{}}
	tests := []struct {
		kind   Kind
		assert string
		want   string
	}{
		{&HTTP{URL: "http://example.com/"}, "tls.days_left > 3", ""},
		{plain, "tls.days_left > 3", "at 1:1: undeclared reference to 'tls' (an assertion of this check knows status, headers, body, json, address, phases and latency)"},
		{plain, "jsn.ok", "at 1:1: undeclared reference to 'jsn'"},
		{plain, "status ==\n  = 3", "at 2:3: Syntax error"},
		{plain, "status == 'ok'", "at 1:8: found no matching overload for '_==_' applied to '(int, string)'"},
		{plain, "latency < 300", "at 1:9: found no matching overload for '_<_' applied to '(duration, int)' (write a time as duration('300ms'))"},
		{plain, "status", "it comes to int, wanted true or false"},
		{plain, "json", ""},
		{plain, "body.matches('(')", "at 1:14: invalid matches argument"},
		{plain, "latency < duration('3 s')", "invalid duration argument"},
		{plain, "phases.conect < duration('1s')", "there is no phase \"conect\", but resolve, connect, tls, wait, read, exchange"},
		{plain, "phases['conect'] < duration('1s')", "there is no phase \"conect\""},
		{plain, "headers['Content-Type'] == []", "names of headers are in lower case here: \"content-type\""},
		{plain, "'Content-Type' in headers", ""},
		{plain, strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300), "recursion limit"},
		{plain, strings.Repeat("true && ", 1000) + "true", "expression code point size exceeds limit"},
		{&TCP{Address: "example.com:1"}, "status == 200", "knows address, phases and latency"},
		{&TCP{Address: "example.com:1", TLS: &TLS{}}, "tls.dayz_left > 1", "undefined field 'dayz_left'"},
		{&DNS{Server: "192.0.2.1", Name: "a.example"}, "dns.answers[0].datum == ''", "undefined field 'datum'"},
	}
	for _, tt := range tests {
		c := &Check{Kind: tt.kind, Assert: []string{tt.assert}}
		if ps := tt.kind.Validate(); ps != nil {
			t.Fatal(ps)
		}
		var got []string
		for _, p := range c.Validate() {
			if p.Field != "assert[0]" {
				t.Errorf("%s: the fault is of %s", tt.assert, p.Field)
			}
			got = append(got, p.Message+" ("+p.Hint+")")
		}
		text := strings.Join(got, "\n")
		if (tt.want == "") != (text == "") || !strings.Contains(text, tt.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", clip(tt.assert, 80), text, tt.want)
		}
	}
	c := &Check{Kind: plain, Assert: []string{"true"}, Expect: Expect{Unreachable: []string{All}}}
	if ps := c.Validate(); len(ps) != 1 {
		t.Errorf("assertions about what is unreachable: %v", ps)
	}
}

// TestAssertShared: equal texts are compiled once, and forgotten when no check has them any more.
func TestAssertShared(t *testing.T) {
	t.Parallel()
	cache := newExpressions()
	text := "status == 200"
	first, faults := cache.of(scopeHTTP, text)
	again, _ := cache.of(scopeHTTP, text)
	other, _ := cache.of(scopeHTTPS, text)
	if faults != nil || first == nil || first != again || first == other {
		t.Fatalf("%p, %p and for other variables %p: %v", first, again, other, faults)
	}
	runtime.KeepAlive(first)
	runtime.KeepAlive(other)
	first, again, other = nil, nil, nil
	for range 1000 {
		runtime.GC()
		cache.mu.Lock()
		n := len(cache.known)
		cache.mu.Unlock()
		if n == 0 {
			return
		}
	}
	t.Error("what nobody has is still kept")
}
