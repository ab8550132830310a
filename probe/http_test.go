package probe

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// template reads a Template that must be good.
func template(t testing.TB, text string) Template {
	t.Helper()
	var tm Template
	if err := tm.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return tm
}

func TestHTTPRequest(t *testing.T) {
	var got *http.Request
	var body string
	base := web(t, func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
	})
	tests := []struct {
		name string
		kind HTTP
		want map[string]string
	}{
		{"by default", HTTP{URL: base + "/a?b=c#d"}, map[string]string{
			"method": "GET", "uri": "/a?b=c", "User-Agent": "Gaikei/1 (+https://example.com)", "Cache-Control": "no-cache",
			"Accept-Encoding": "", "body": "",
		}},
		{"method and body", HTTP{URL: base, Method: "PUT", Send: Literal("x ${y}")}, map[string]string{
			"method": "PUT", "uri": "/", "body": "x ${y}", "Content-Length": "6",
		}},
		{"own headers", HTTP{URL: base, Headers: map[string][]Template{
			"user-agent": {Literal("me")}, "Cache-Control": {Literal("max-age=1")}, "Host": {Literal("other.example")},
			"x-two": {Literal("1"), Literal("2")},
		}}, map[string]string{
			"User-Agent": "me", "Cache-Control": "max-age=1", "host": "other.example", "X-Two": "1|2",
		}},
		{"credentials", HTTP{URL: strings.Replace(base, "://", "://joe:pass@", 1)}, map[string]string{
			"Authorization": "Basic am9lOnBhc3M=",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := attempt(t, &tt.kind, &World{UserAgent: "Gaikei/1 (+https://example.com)"}, 20*time.Second)
			wantReason(t, &a, ReasonNone)
			all := map[string]string{
				"method": got.Method, "uri": got.RequestURI, "host": got.Host, "body": body,
				"Content-Length": fmt.Sprint(got.ContentLength),
			}
			for name := range tt.want {
				if _, special := all[name]; !special {
					all[name] = strings.Join(got.Header[name], "|")
				}
			}
			for name := range all {
				if _, wanted := tt.want[name]; !wanted {
					delete(all, name)
				}
			}
			if diff := cmp.Diff(tt.want, all); diff != "" {
				t.Errorf("request -want +got:\n%s", diff)
			}
		})
	}
}

func TestHTTPJudges(t *testing.T) {
	long := strings.Repeat("filler ", 40_000) // over wholeBody, so that it is matched as it streams
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/503":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/long":
			_, _ = io.WriteString(w, "begin "+long+"straddling "+long+" end")
			return
		}
		_, _ = io.WriteString(w, "the service is ready")
	})
	tests := []struct {
		name   string
		path   string
		status []CodeRange
		body   BodyMatch
		want   Reason
	}{
		{"success", "/", nil, BodyMatch{}, ReasonNone},
		{"not a success", "/503", nil, BodyMatch{}, Status},
		{"wanted failure", "/503", []CodeRange{{200, 204}, {503, 503}}, BodyMatch{}, ReasonNone},
		{"unwanted success", "/", []CodeRange{{503, 503}}, BodyMatch{}, Status},
		{"contains", "/", nil, BodyMatch{Contains: []string{"ready", "service"}}, ReasonNone},
		{"contains one of two", "/", nil, BodyMatch{Contains: []string{"ready", "steady"}}, Body},
		{"contains not", "/", nil, BodyMatch{NotContains: []string{"steady"}}, ReasonNone},
		{"contains what it should not", "/", nil, BodyMatch{Contains: []string{"ready"}, NotContains: []string{"error", "the"}}, Body},
		{"regex", "/", nil, BodyMatch{Regex: []*regexp.Regexp{regexp.MustCompile(`^the .* ready$`)}}, ReasonNone},
		{"regex without a match", "/", nil, BodyMatch{Regex: []*regexp.Regexp{regexp.MustCompile(`^ready`)}}, Body},
		{"status before body", "/503", nil, BodyMatch{Contains: []string{"absent"}}, Status},
		{"long: contains", "/long", nil, BodyMatch{Contains: []string{"begin", "filler straddling filler", " end"}}, ReasonNone},
		{"long: contains not", "/long", nil, BodyMatch{NotContains: []string{"begins"}}, ReasonNone},
		{"long: contains what it should not", "/long", nil, BodyMatch{NotContains: []string{"  end"}}, Body},
		{"long: regex at the end", "/long", nil, BodyMatch{Regex: []*regexp.Regexp{regexp.MustCompile(`end$`)}}, ReasonNone},
		{"long: regex at the beginning", "/long", nil, BodyMatch{Regex: []*regexp.Regexp{regexp.MustCompile(`^begin`)}, Contains: []string{" end"}}, ReasonNone},
		{"long: no match", "/long", nil, BodyMatch{Regex: []*regexp.Regexp{regexp.MustCompile(`never`)}, Contains: []string{" end"}}, Body},
		{"as large as allowed", "/", nil, BodyMatch{MaxSize: 20}, ReasonNone},
		{"larger than allowed", "/", nil, BodyMatch{MaxSize: 19}, TooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := attempt(t, &HTTP{URL: base + tt.path, Status: tt.status, Body: tt.body}, &World{}, 20*time.Second)
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if !a.Answered {
				t.Error("not answered, want answered")
			}
		})
	}
}

// TestHTTPPhases: a body that takes its time is part of the latency, and so is the time before it.
func TestHTTPPhases(t *testing.T) {
	const pause = 200 * time.Millisecond
	base := web(t, func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(pause)
		_, _ = io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		<-time.After(pause)
		_, _ = io.WriteString(w, "last")
	})
	a := look(t, &HTTP{URL: base, Body: BodyMatch{Contains: []string{"first last"}}})
	wantReason(t, &a, ReasonNone)
	// How late the first bytes are seen on a busy machine counts as waiting, and shortens the reading.
	for p, least := range map[Phase]time.Duration{PhaseWait: pause, PhaseRead: pause / 4} {
		if got := a.PhaseTime(p); got < least {
			t.Errorf("%s -want +got:\n- at least %v\n+ %v", p, least, got)
		}
	}
	if a.Latency < 2*pause {
		t.Errorf("latency -want +got:\n- at least %v\n+ %v", 2*pause, a.Latency)
	}
	wantSpans(t, &a)
}

func TestHTTPRedirects(t *testing.T) {
	type seen struct{ Method, Path, Body, Auth, Key, Plain string }
	var log []seen
	note := func(r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		log = append(log, seen{r.Method, r.URL.Path, string(b), r.Header.Get("Authorization"), r.Header.Get("X-Key"), r.Header.Get("X-Plain")})
	}
	other := web(t, func(_ http.ResponseWriter, r *http.Request) { note(r) })
	// The same server under another name counts as another host.
	other = strings.Replace(other, "127.0.0.1", "localhost", 1)
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		switch r.URL.Path {
		case "/303":
			http.Redirect(w, r, "/end", http.StatusSeeOther)
		case "/307":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/away":
			http.Redirect(w, r, other+"/end", http.StatusTemporaryRedirect)
		case "/dead":
			http.Redirect(w, r, "http://"+closedPort(t)+"/", http.StatusFound)
		}
	})
	w := &World{Secret: func(string, string) (string, error) { return "s3cret-value", nil }}
	check := func(path string, edit func(*HTTP), want Reason, wantLog ...seen) {
		t.Helper()
		log = nil
		h := &HTTP{URL: base + path, Method: "POST", Send: Literal("data"), Headers: map[string][]Template{
			"Authorization": {Literal("Bearer b")}, "X-Key": {template(t, "${env:GAIKEI_SECRET_KEY}")}, "X-Plain": {Literal("p")},
		}}
		if edit != nil {
			edit(h)
		}
		a := attempt(t, h, w, 20*time.Second)
		wantReason(t, &a, want)
		wantSpans(t, &a)
		if diff := cmp.Diff(wantLog, log); diff != "" {
			t.Errorf("%s: requests -want +got:\n%s", path, diff)
		}
	}
	first := func(path string) seen { return seen{"POST", path, "data", "Bearer b", "s3cret-value", "p"} }
	check("/303", nil, ReasonNone, first("/303"), seen{"GET", "/end", "", "Bearer b", "s3cret-value", "p"})
	check("/307", nil, ReasonNone, first("/307"), first("/end"))
	check("/away", nil, ReasonNone, first("/away"), seen{"POST", "/end", "data", "", "", "p"})
	check("/away", func(h *HTTP) { h.Send = template(t, "${env:GAIKEI_SECRET_BODY}") }, Redirect,
		seen{"POST", "/away", "s3cret-value", "Bearer b", "s3cret-value", "p"})
	check("/dead", nil, Refused, first("/dead"))
}

// TestHTTPHops: each hop has its own phases.
func TestHTTPHops(t *testing.T) {
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/end", http.StatusFound)
		}
	})
	a := look(t, &HTTP{URL: base + "/"})
	wantReason(t, &a, ReasonNone)
	type step struct {
		Phase string
		Hop   int
	}
	var got []step
	for _, s := range a.Spans {
		got = append(got, step{s.Phase.String(), s.Hop})
	}
	want := []step{{"connect", 0}, {"wait", 0}, {"read", 0}, {"connect", 1}, {"wait", 1}, {"read", 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{base + "/", base + "/end"}, a.Detail.Hops); diff != "" {
		t.Errorf("hops -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"302 Found", "200 OK"}, a.Detail.HopStatuses); diff != "" {
		t.Errorf("statuses -want +got:\n%s", diff)
	}
}

// TestHTTPHopStatuses: every hop that answered tells how, wherever the chain ends, and shows no secret.
func TestHTTPHopStatuses(t *testing.T) {
	t.Parallel()
	const secret = "open-sesame-7"
	garble := serve(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 307 Go "+secret+" "+strings.Repeat("x", 500)+"\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
	})
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusSeeOther)
		case "/nowhere":
			w.WriteHeader(http.StatusFound)
		case "/garble":
			http.Redirect(w, r, "http://"+garble+"/", http.StatusPermanentRedirect)
		}
	})
	long := "307 Go " + redacted + " " + strings.Repeat("x", 500)
	tests := []struct {
		path string
		max  int
		hops int
		want []string
	}{
		{"/loop", 2, 3, []string{"303 See Other", "303 See Other", "303 See Other"}},
		{"/loop", 0, 1, []string{"303 See Other"}},
		{"/loop", 40, maxHops, slices.Repeat([]string{"303 See Other"}, maxHops)},
		{"/nowhere", 10, 1, []string{"302 Found"}},
		{"/garble", 10, 3, []string{"308 Permanent Redirect", long[:maxStatus]}},
	}
	for _, tt := range tests {
		h := &HTTP{URL: base + tt.path, Redirects: &Redirects{Max: tt.max}, Headers: map[string][]Template{"X-Key": {template(t, "${env:GAIKEI_SECRET_X}")}}}
		a := attempt(t, h, &World{Verbose: true, Secret: func(string, string) (string, error) { return secret, nil }}, 20*time.Second)
		if diff := cmp.Diff(tt.want, a.Detail.HopStatuses); diff != "" || len(a.Detail.Hops) != tt.hops {
			t.Errorf("%s, at most %d: %d hops, want %d; statuses -want +got:\n%s", tt.path, tt.max, len(a.Detail.Hops), tt.hops, diff)
		}
	}
}

func TestHTTPRefused(t *testing.T) {
	a := look(t, &HTTP{URL: "http://" + closedPort(t)})
	wantReason(t, &a, Refused)
	if a.Answered {
		t.Error("answered, want not answered")
	}
}

// TestHTTPDetail: what a person sees is there, bounded, and holds no secret in any usual spelling.
func TestHTTPDetail(t *testing.T) {
	const secret = `tr0ub4dor & "3"`
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		got := r.Header.Get("X-Key")
		w.Header().Set("X-Echo", got)
		w.Header().Set("Set-Cookie", "session=abc")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, "plain %s, quoted %q, %s ", got, got, encode64(got))
		_, _ = io.WriteString(w, strings.Repeat("x", maxBody-90)+got+strings.Repeat("é", 9999))
	})
	h := &HTTP{
		URL:     strings.Replace(base, "://", "://joe:hunter2@", 1) + "/?q=1",
		Headers: map[string][]Template{"X-Key": {template(t, "${file:key}")}},
		Body:    BodyMatch{Contains: []string{"absent"}},
	}
	w := &World{Secret: func(scheme, name string) (string, error) {
		if scheme != "file" || name != "key" {
			t.Errorf("asked for %s:%s, want file:key", scheme, name)
		}
		return secret, nil
	}}
	a := attempt(t, h, w, 20*time.Second)
	wantReason(t, &a, Status)
	d := a.Detail
	all := fmt.Sprintf("%+v", d)
	for _, s := range []string{secret, "tr0ub4dor", "hunter2", "session=abc", encode64(secret)} {
		if strings.Contains(all, s) {
			t.Errorf("the detail holds %q:\n%s", s, all)
		}
	}
	if len(d.Body) > maxBody || !strings.HasPrefix(d.Body, "plain "+redacted+", quoted \""+redacted) {
		t.Errorf("body of %d bytes, want at most %d: %s", len(d.Body), maxBody, d.Body)
	}
	want := []Observation{
		{What: "status", Want: "200-299", Got: "500", Reason: Status},
		{What: "body.contains", Want: "absent", Got: "not found", Reason: Body},
	}
	if diff := cmp.Diff(want, d.Assertions); diff != "" {
		t.Errorf("assertions -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{base + "/?q=1"}, d.Hops); diff != "" {
		t.Errorf("hops -want +got:\n%s", diff)
	}
	if got := h.Target().Text; strings.Contains(got, "hunter2") {
		t.Errorf("the target's text holds the password: %s", got)
	}
}

func TestHTTPSecretFails(t *testing.T) {
	for name, secret := range map[string]func(string, string) (string, error){
		"no secrets": nil,
		"not found":  func(string, string) (string, error) { return "", io.ErrUnexpectedEOF },
		"line end":   func(string, string) (string, error) { return "a\r\nX: y", nil },
	} {
		t.Run(name, func(t *testing.T) {
			h := &HTTP{URL: "http://127.0.0.1:1/", Headers: map[string][]Template{"X": {template(t, "${env:GAIKEI_SECRET_X}")}}}
			a := attempt(t, h, &World{Secret: secret}, 20*time.Second)
			wantReason(t, &a, Secret)
			if a.Detail.Error == "" {
				t.Error("no error, want one")
			}
		})
	}
}
