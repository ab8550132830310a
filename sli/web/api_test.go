package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// serve runs the handler of a source on loopback.
func serve(t *testing.T, m *memory, catalog []Check, change ...func(*Options)) *httptest.Server {
	t.Helper()
	o := Options{
		Source: m, Catalog: func() []Check { return catalog }, Version: "v1.2.3",
		Now: func() time.Time { return m.now },
	}
	for _, f := range change {
		f(&o)
	}
	s := httptest.NewServer(NewHandler(o))
	t.Cleanup(s.Close)
	return s
}

// ask sends a request without a body and reads the answer.
func ask(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, body := ask(t, http.MethodGet, url)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d, want 200\n%s", url, resp.StatusCode, body)
	}
	return body
}

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	return v
}

func TestSLIIsWhatTheSourceSays(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	for name, c := range map[string]struct {
		query string
		want  sli.Query
	}{
		"default":    {"", sli.Query{Window: time.Hour}},
		"window":     {"?window=2d", sli.Query{Window: 48 * time.Hour}},
		"check":      {"?check=shop&check=zone&window=1h", sli.Query{Window: time.Hour, Checks: []string{"shop", "zone"}}},
		"region":     {"?region=tokyo", sli.Query{Window: time.Hour, Regions: []string{"tokyo"}}},
		"from to":    {"?from=2026-11-23T11:00:00Z&to=2026-11-23T11:30:00Z", sli.Query{From: noon.Add(-time.Hour), To: noon.Add(-30 * time.Minute)}},
		"relative":   {"?from=-30m&to=-10m", sli.Query{From: noon.Add(-30 * time.Minute), To: noon.Add(-10 * time.Minute)}},
		"until now":  {"?from=-30m", sli.Query{From: noon.Add(-30 * time.Minute)}},
		"go's words": {"?window=1h0m0s", sli.Query{Window: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Now = noon
			reports, err := m.Reports(t.Context(), c.want)
			if err != nil {
				t.Fatal(err)
			}
			want, err := json.Marshal(list[sli.Report]{Items: reports})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want)+"\n", get(t, s.URL+"/api/v1/sli"+c.query)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestProbersIsWhatTheSourceSays(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	want, err := m.Probers(t.Context(), sli.Query{Window: 10 * time.Minute, Now: noon, Regions: []string{"office"}})
	if err != nil {
		t.Fatal(err)
	}
	got := decode[list[sli.ProberReport]](t, get(t, s.URL+"/api/v1/probers?region=office&window=10m"))
	if diff := cmp.Diff(want, got.Items); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPhasesIsWhatTheSourceSays(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	want, err := m.Phases(t.Context(), sli.Query{Window: 10 * time.Minute, Now: noon, Checks: []string{"shop"}, Regions: []string{"office"}})
	if err != nil {
		t.Fatal(err)
	}
	got := decode[list[sli.PhaseReport]](t, get(t, s.URL+"/api/v1/phases?check=shop&region=office&window=10m"))
	if diff := cmp.Diff(want, got.Items); diff != "" || len(got.Items) != 1 || got.Items[0].Phases[0].Count == 0 {
		t.Errorf("not one report with slots, or (-want +got):\n%s", diff)
	}
}

func TestCountsAreWhatTheSourceSays(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	for query, step := range map[string]time.Duration{"": time.Minute, "&step=5m": 5 * time.Minute} {
		want, err := m.Counts(t.Context(), sli.Series{Check: "shop", Region: "frankfurt"}, sli.Query{Window: 30 * time.Minute, Now: noon}, step)
		if err != nil {
			t.Fatal(err)
		}
		got := decode[sli.Counts](t, get(t, s.URL+"/api/v1/counts?check=shop&region=frankfurt&window=30m"+query))
		if d := cmp.Diff(want, got); d != "" || len(got.Steps) < 6 || got.Steps[1].Slots.Good == 0 {
			t.Errorf("%s: not some steps with slots, or (-want +got):\n%s", query, d)
		}
	}
}

func TestNothingIsAnEmptyList(t *testing.T) {
	s := serve(t, newMemory(), nil)
	for _, path := range []string{"/api/v1/sli", "/api/v1/phases", "/api/v1/probers", "/api/v1/checks"} {
		if diff := cmp.Diff(`{"items":[],"next":null}`+"\n", get(t, s.URL+path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestChecks(t *testing.T) {
	s := serve(t, newMemory(), []Check{{
		ID: "shop", Name: "Shop", Kind: "http", Target: "https://shop.example.com/", Interval: 30 * time.Second, Timeout: 1500 * time.Millisecond,
		Under: 300 * time.Millisecond, Labels: map[string]string{"team": "web"}, Groups: []string{"checkout"}, Regions: []string{"tokyo"}, Expect: map[string]string{"tokyo": "reachable"}, Enabled: true,
	}, {ID: "bare", Name: "bare", Kind: "tcp"}})
	want := `{"items":[` +
		`{"id":"shop","name":"Shop","kind":"http","target":"https://shop.example.com/","interval_seconds":30,"timeout_seconds":1.5,"latency_under_seconds":0.3,"labels":{"team":"web"},"groups":["checkout"],"regions":["tokyo"],"expect":{"tokyo":"reachable"},"enabled":true},` +
		`{"id":"bare","name":"bare","kind":"tcp","target":"","interval_seconds":0,"timeout_seconds":0,"latency_under_seconds":null,"labels":{},"groups":[],"regions":[],"expect":{},"enabled":false}` +
		`],"next":null}` + "\n"
	if diff := cmp.Diff(want, get(t, s.URL+"/api/v1/checks")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEvidence(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	type item struct {
		Region  string `json:"region"`
		Outcome string `json:"outcome"`
		Reason  string `json:"reason"`
		Slot    int64  `json:"slot_ms"`
	}
	failed := item{"frankfurt", "down", "response_timeout", noon.Add(-14 * time.Minute).UnixMilli()}
	mended := item{"frankfurt", "up", "", noon.Add(-11 * time.Minute).UnixMilli()}
	for query, want := range map[string][]item{
		"check=shop":                  {mended, failed},
		"check=shop&limit=1":          {mended},
		"check=shop&region=frankfurt": {mended, failed},
		"check=shop&region=tokyo":     {},
	} {
		got := decode[list[item]](t, get(t, s.URL+"/api/v1/evidence?"+query))
		if diff := cmp.Diff(want, got.Items); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestRejected(t *testing.T) {
	m, catalog := scene()
	m.rejected = []sli.Rejected{
		{ReceivedAt: noon, Region: "tokyo", Prober: "p1", Reason: "malformed", Detail: "got <b>", Head: []byte{0, 255}},
		{ReceivedAt: noon, Reason: "damaged_block", Detail: "block of series 1"},
	}
	s := serve(t, m, catalog)
	want := `{"items":[{"received_at":"2026-11-23T12:00:00Z","region":"tokyo","prober":"p1","reason":"malformed","detail":"got \u003cb\u003e","head":"AP8="}],"next":null}` + "\n"
	if diff := cmp.Diff(want, get(t, s.URL+"/api/v1/rejected?region=tokyo&window=1h")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if all := decode[list[sli.Rejected]](t, get(t, s.URL+"/api/v1/rejected")); len(all.Items) != 2 {
		t.Errorf("got %+v, want both: a damaged row is no region's", all)
	}
}

func TestProblems(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	for path, want := range map[string]problem{
		"/api/v1/sli?chekc=shop":                            {Status: 400, Parameter: "chekc", Got: "chekc", Want: "one of check, region, figures, window, from, to, as_of, limit, next", Nearest: "check"},
		"/api/v1/sli?check=shpo":                            {Status: 400, Parameter: "check", Got: "shpo", Want: "the name of a check", Nearest: "shop"},
		"/api/v1/sli?region=mars":                           {Status: 400, Parameter: "region", Got: "mars", Want: "the name of a region"},
		"/api/v1/sli?window=1h&window=2h":                   {Status: 400, Parameter: "window", Got: "1h, 2h"},
		"/api/v1/checks?all=1":                              {Status: 400, Parameter: "all", Got: "all", Want: "no parameter"},
		"/api/v1/evidence":                                  {Status: 400, Parameter: "check"},
		"/api/v1/evidence?check=shop&limit=0":               {Status: 400, Parameter: "limit", Got: "0", Want: "a whole number from 1 to 50"},
		"/api/v1/evidence?check=shop&limit=x":               {Status: 400, Parameter: "limit", Got: "x", Want: "a whole number from 1 to 50"},
		"/api/v1/phases?check=shopp":                        {Status: 400, Parameter: "check", Got: "shopp", Want: "the name of a check", Nearest: "shop"},
		"/api/v1/counts":                                    {Status: 400, Parameter: "check"},
		"/api/v1/counts?check=shop":                         {Status: 400, Parameter: "region"},
		"/api/v1/counts?check=shop&region=mars":             {Status: 400, Parameter: "region", Got: "mars", Want: "the name of a region"},
		"/api/v1/counts?check=shop&region=tokyo&step=x":     {Status: 400, Parameter: "step", Got: "x"},
		"/api/v1/counts?check=shop&region=tokyo&window=28d": {Status: 400, Parameter: "step", Got: "1m0s", Want: "at least 220s, or a shorter window"},
		"/api/v1/counts?check=shop&check=zone&region=tokyo": {Status: 400, Parameter: "check", Got: "shop, zone"},
		"/api/v1/probers?window=soon":                       {Status: 400, Got: "window=soon", Want: windowWant},
		"/api/v1/sli?window=1h&from=-2h":                    {Status: 400, Got: "window=1h from=-2h", Want: windowWant},
		"/api/v1/sli?to=-2h":                                {Status: 400, Got: "to=-2h", Want: windowWant},
		"/api/v1/sli?from=-1h&to=-2h":                       {Status: 400, Got: "from=-1h to=-2h", Want: windowWant},
		"/api/v1/sli?window=%zz":                            {Status: 400, Got: "window=%zz", Want: "name=value&name=value, percent-encoded"},
		"/api/v1/slo":                                       {Status: 404, Got: "/api/v1/slo", Want: "an address of /api/v1/openapi.json"},
		"/api/v1/sli?" + strings.Repeat("x", 2000):          {Status: 400, Parameter: strings.Repeat("x", 2000), Got: strings.Repeat("x", 2000), Want: "one of check, region, figures, window, from, to, as_of, limit, next"},
	} {
		resp, body := ask(t, http.MethodGet, s.URL+path)
		got := decode[problem](t, body)
		if got.Type != "about:blank" || got.Title == "" || got.Detail == "" || got.Status != resp.StatusCode {
			t.Errorf("%s: %+v with status %d: want type, title, detail and the same status", path, got, resp.StatusCode)
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%s: content type %q, want application/problem+json", path, ct)
		}
		got.Type, got.Title, got.Detail = "", "", ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestAFailingSourceIsAProblem(t *testing.T) {
	m, catalog := scene()
	m.err = errors.New("disk <on> fire")
	s := serve(t, m, catalog)
	for _, path := range []string{"/api/v1/sli", "/api/v1/phases", "/api/v1/counts?check=shop&region=tokyo", "/api/v1/probers", "/api/v1/evidence?check=shop", "/", "/checks/shop"} {
		resp, body := ask(t, http.MethodGet, s.URL+path)
		if resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "fire") {
			t.Errorf("%s: status %d, want 500 and the reason:\n%s", path, resp.StatusCode, body)
		}
		if strings.Contains(body, "<on>") {
			t.Errorf("%s: the reason is not escaped:\n%s", path, body)
		}
	}
}

func TestMethods(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	for _, path := range []string{"/", "/checks/shop", "/api/v1/sli", "/api/v1/checks", "/api/v1/probers", "/healthz", "/readyz", "/metrics", "/static/style.css"} {
		full := get(t, s.URL+path)
		resp, body := ask(t, http.MethodHead, s.URL+path)
		if resp.StatusCode != http.StatusOK || body != "" {
			t.Errorf("HEAD %s: status %d with %d bytes, want 200 with none (GET has %d)", path, resp.StatusCode, len(body), len(full))
		}
		resp, body = ask(t, http.MethodPost, s.URL+path)
		if got := decode[problem](t, body); resp.StatusCode != http.StatusMethodNotAllowed || got.Got != "POST" || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: status %d, Allow %q, %+v; want 405 and what is allowed", path, resp.StatusCode, resp.Header.Get("Allow"), got)
		}
	}
}

func TestHealth(t *testing.T) {
	var why error
	s := serve(t, newMemory(), nil, func(o *Options) { o.Ready = func() error { return why } })
	check := func(path string, status int, body string) {
		t.Helper()
		resp, got := ask(t, http.MethodGet, s.URL+path)
		if resp.StatusCode != status || got != body+"\n" {
			t.Errorf("%s: %d %q, want %d %q", path, resp.StatusCode, got, status, body)
		}
	}
	check("/healthz", 200, "ok")
	check("/readyz", 200, "ready")
	why = errors.New("the queue does not take results")
	check("/healthz", 200, "ok")
	check("/readyz", 503, "not ready: the queue does not take results")
}

func TestHeaders(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	for _, path := range []string{"/", "/checks/shop", "/nowhere", "/api/v1/sli", "/api/v1/nowhere", "/static/style.css", "/metrics"} {
		resp, _ := ask(t, http.MethodGet, s.URL+path)
		h := resp.Header
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q: want default-src 'none' and nothing unsafe", path, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", path, name, got, want)
			}
		}
	}
}
