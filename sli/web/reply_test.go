package web

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// A vast source has reports of many checks in five regions, made up one check after another.
type vast struct {
	*memory
	checks int
	fails  int // the check at which reading fails; 0: none
}

var errDisk = errors.New("the disk is gone")

func (v *vast) EachReport(_ context.Context, _ sli.Query, from string) iter.Seq2[[]sli.Report, error] {
	return func(yield func([]sli.Report, error) bool) {
		pattern := exampleReports().Items
		for i := range v.checks {
			if v.fails > 0 && i == v.fails {
				yield(nil, errDisk)
				return
			}
			of := make([]sli.Report, 0, 6)
			for k := range 6 {
				r := pattern[k/5] // five regions, and over them
				r.Check = fmt.Sprintf("check-%05d", i)
				if k < 5 {
					region := fmt.Sprintf("region-%d", k)
					r.Region = &region
				}
				of = append(of, r)
			}
			if of[0].Check >= from && !yield(of, nil) {
				return
			}
		}
	}
}

// Reports is all of them at once.
func (v *vast) Reports(ctx context.Context, q sli.Query) ([]sli.Report, error) {
	var all []sli.Report
	for of, err := range v.EachReport(ctx, q, "") {
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}

func serveVast(t *testing.T, v *vast) *httptest.Server {
	t.Helper()
	v.memory = newMemory()
	s := httptest.NewServer(NewHandler(Options{Source: v, Now: func() time.Time { return noon }}))
	t.Cleanup(s.Close)
	return s
}

// request sends a request with headers, without the transport's own compression.
func request(t *testing.T, method, url string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestETags(t *testing.T) {
	t.Parallel()
	m, catalog := scene()
	s := serve(t, m, catalog)
	url := s.URL + "/api/v1/sli?check=shop"
	first := request(t, "GET", url)
	body, _ := io.ReadAll(first.Body)
	tag := first.Header.Get("ETag")
	if len(tag) < 10 || tag[0] != '"' || first.Header.Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("ETag %q, Cache-Control %q: want a strong one, and an answer that is asked for again", tag, first.Header.Get("Cache-Control"))
	}
	zipped := request(t, "GET", url, "Accept-Encoding", "gzip")
	zippedTag := zipped.Header.Get("ETag")
	if unzipped := gunzip(t, zipped); unzipped != string(body) || zippedTag == tag || zipped.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("compressed: ETag %s, encoding %q, %d bytes; want another tag than %s and the same %d bytes", zippedTag, zipped.Header.Get("Content-Encoding"), len(unzipped), tag, len(body))
	}
	if vary := strings.Join(zipped.Header.Values("Vary"), ","); vary != "Accept-Encoding,Accept" {
		t.Errorf("Vary %q, want Accept-Encoding and Accept", vary)
	}
	for _, x := range []struct {
		name, method string
		known        []string
		want         int
	}{
		{"the same", "GET", []string{tag}, 304},
		{"weak", "GET", []string{"W/" + tag}, 304},
		{"a list", "GET", []string{`"other", ` + tag + `, "third"`}, 304},
		{"two lines", "GET", []string{`"other"`, tag}, 304},
		{"any", "GET", []string{"*"}, 304},
		{"compressed", "GET", []string{zippedTag}, 304},
		{"head", "HEAD", []string{tag}, 304},
		{"another", "GET", []string{`"other"`}, 200},
		{"without quotes", "GET", []string{strings.Trim(tag, `"`)}, 200},
		{"empty", "GET", []string{""}, 200},
	} {
		t.Run(x.name, func(t *testing.T) {
			var headers []string
			for _, known := range x.known {
				headers = append(headers, "If-None-Match", known)
			}
			resp := request(t, x.method, url, headers...)
			got, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != x.want || (x.want == 304) != (len(got) == 0) || resp.Header.Get("ETag") == "" || resp.Header.Get("Cache-Control") == "no-store" {
				t.Errorf("got %d with %d bytes, ETag %q, Cache-Control %q; want %d", resp.StatusCode, len(got), resp.Header.Get("ETag"), resp.Header.Get("Cache-Control"), x.want)
			}
		})
	}
	m.now = noon.Add(time.Minute)
	if resp := request(t, "GET", url, "If-None-Match", tag); resp.StatusCode != 200 {
		t.Errorf("a minute later: %d, want 200, since as_of is another", resp.StatusCode)
	}
	if resp := request(t, "GET", url+"&as_of=2026-11-23T11:59:35Z", "If-None-Match", tag); resp.StatusCode != 304 {
		t.Errorf("a minute later, as of then: %d, want 304", resp.StatusCode)
	}
	if head := request(t, "HEAD", s.URL+"/api/v1/checks"); head.ContentLength < 100 || head.Header.Get("ETag") == "" {
		t.Errorf("HEAD: length %d, ETag %q, want those of GET", head.ContentLength, head.Header.Get("ETag"))
	}
	if bad := request(t, "GET", s.URL+"/api/v1/sli?nonsense=1", "If-None-Match", "*"); bad.StatusCode != 400 || bad.Header.Get("ETag") != "" || bad.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a problem: %d, ETag %q, Cache-Control %q, want 400 that is not kept", bad.StatusCode, bad.Header.Get("ETag"), bad.Header.Get("Cache-Control"))
	}
}

func gunzip(t *testing.T, resp *http.Response) string {
	t.Helper()
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A list that is sent as it is made is the same list, without an ETag.
func TestLongListsAreSentAsTheyAreMade(t *testing.T) {
	t.Parallel()
	v := &vast{checks: 250}
	s := serveVast(t, v)
	all, _ := v.Reports(t.Context(), sli.Query{})
	want, err := json.Marshal(listOf(all))
	if err != nil {
		t.Fatal(err)
	}
	resp := request(t, "GET", s.URL+"/api/v1/sli")
	got, err := io.ReadAll(resp.Body)
	if err != nil || string(got) != string(want)+"\n" || len(got) < heldBack*5/4 {
		t.Errorf("%v: got %d bytes, want the %d of the list, well over a mebibyte", err, len(got), len(want)+1)
	}
	if resp.ContentLength >= 0 || resp.Header.Get("ETag") != "" {
		t.Errorf("length %d, ETag %q, want neither", resp.ContentLength, resp.Header.Get("ETag"))
	}
	if zipped := gunzip(t, request(t, "GET", s.URL+"/api/v1/sli", "Accept-Encoding", "gzip")); zipped != string(got) {
		t.Errorf("compressed it has %d bytes, want the same %d", len(zipped), len(got))
	}
	if head := request(t, "HEAD", s.URL+"/api/v1/sli"); head.StatusCode != 200 || head.ContentLength >= 0 || head.Header.Get("Content-Type") != typeJSON {
		t.Errorf("HEAD: %d, length %d, type %q", head.StatusCode, head.ContentLength, head.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(request(t, "GET", s.URL+"/api/v1/sli", "Accept", "text/html, application/x-ndjson;q=0.5").Body)
	n, last := 0, ""
	for ; lines.Scan(); n++ {
		if last = lines.Text(); n < len(all) {
			if text, err := json.Marshal(all[n]); err != nil || string(text) != last {
				t.Fatalf("%v: line %d is not the report of %s", err, n, all[n].Check)
			}
		}
	}
	if lines.Err() != nil || n != len(all)+1 || last != `{"next":null}` {
		t.Errorf("%v: got %d lines and at last %.80s, want %d and the end", lines.Err(), n, last, len(all)+1)
	}
}

func TestWantsLines(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/json": false, typeLines: true, "application/json, " + typeLines: true, typeLines + ";q=0": false,
		typeLines + ";q=0.0": false, typeLines + "; q=0.1": true, "APPLICATION/X-NDJSON": true, "/;": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		if got := wantsLines(r); got != want {
			t.Errorf("Accept: %s: %v, want %v", accept, got, want)
		}
	}
}

// An error after the beginning was sent is no short list, however the client reads it.
func TestAListThatBreaksOffIsNotWhole(t *testing.T) {
	t.Parallel()
	s := serveVast(t, &vast{checks: 1000, fails: 250})
	for name, headers := range map[string][]string{
		"a list": nil, "compressed": {"Accept-Encoding", "gzip"}, "lines": {"Accept", typeLines}, "compressed lines": {"Accept", typeLines, "Accept-Encoding", "gzip"},
	} {
		resp := request(t, "GET", s.URL+"/api/v1/sli", headers...)
		var body io.Reader = resp.Body
		if resp.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		text, err := io.ReadAll(body)
		if resp.StatusCode != 200 || err == nil {
			t.Errorf("%s: status %d and %d bytes without an error, want 200 and a broken connection", name, resp.StatusCode, len(text))
		}
		if strings.Contains(string(text), `"next"`) || json.Valid(text) {
			t.Errorf("%s: what came looks whole", name)
		}
	}
	early := serveVast(t, &vast{checks: 1000, fails: 10})
	for _, accept := range []string{typeJSON, typeLines} {
		resp := request(t, "GET", early.URL+"/api/v1/sli", "Accept", accept)
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 500 || decode[problem](t, string(body)).Detail != errDisk.Error() {
			t.Errorf("before anything was sent: %v, %d %s; want 500 and why", err, resp.StatusCode, body)
		}
	}
}

// A problem line tells why the lines end.
func TestLinesEndWithTheProblem(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/api/v1/sli", nil)
	r.Header.Set("Accept", typeLines)
	defer func() {
		lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
		if p := decode[problem](t, lines[len(lines)-1]); recover() != http.ErrAbortHandler || p.Detail != errDisk.Error() || p.Status != 500 {
			t.Errorf("the last of %d lines: %+v, want the problem", len(lines), p)
		}
	}()
	NewHandler(Options{Source: &vast{memory: newMemory(), checks: 1000, fails: 250}, Now: func() time.Time { return noon }}).ServeHTTP(w, r)
}

// A meter throws away what it is given and takes note of the largest heap.
type meter struct {
	header  http.Header
	n, next int
	peak    uint64
}

func (m *meter) Header() http.Header { return m.header }
func (m *meter) WriteHeader(int)     {}

func (m *meter) Write(p []byte) (int, error) {
	if m.n += len(p); m.n >= m.next {
		m.next = m.n + 16<<20
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		m.peak = max(m.peak, s.HeapAlloc)
	}
	return len(p), nil
}

// BenchmarkSLIOf10000ChecksIn5Regions asks for 60,000 reports; live-MB is the heap that is in use while they are written. "whole"
// is how it is without streaming.
func BenchmarkSLIOf10000ChecksIn5Regions(b *testing.B) {
	v := &vast{memory: newMemory(), checks: 10_000}
	for _, x := range []struct {
		name string
		h    http.Handler
	}{
		{"streamed", NewHandler(Options{Source: v, Now: func() time.Time { return noon }})},
		{"whole", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			all, _ := v.Reports(r.Context(), sli.Query{})
			body, _ := json.Marshal(listOf(all))
			_, _ = w.Write(body)
			runtime.KeepAlive(all) // as they are while they are encoded
		})},
	} {
		b.Run(x.name, func(b *testing.B) {
			m := &meter{header: http.Header{}}
			for b.Loop() {
				m.n, m.next = 0, 0
				x.h.ServeHTTP(m, httptest.NewRequest(http.MethodGet, "/api/v1/sli", nil))
			}
			b.ReportMetric(float64(m.peak)/1e6, "live-MB")
			b.ReportMetric(float64(m.n)/1e6, "MB/answer")
		})
	}
}
