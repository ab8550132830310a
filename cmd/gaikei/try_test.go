package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// gaikei runs a command in this process.
func gaikei(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(""), out: &o, err: &e})
	return code, o.String(), e.String()
}

func TestTry(t *testing.T) {
	targets, err := startDemoTargets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer targets.close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ready") }))
	defer secure.Close()
	tricky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "\x1b[31mred\ta\u202eb")
	}))
	defer tricky.Close()
	leads := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
	defer leads.Close()
	at := func(name string) string { return net.JoinHostPort("127.0.0.1", targets.ports[name]) }

	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"http", []string{"try", "http://" + at("shop") + "/"}, exitFine, []string{"  up  ", "connect", "wait", "read", "✓ status", "200"}},
		{"http that fails", []string{"try", "http://" + at("broken") + "/"}, exitNegative, []string{"down (status)", "✗ status", "got 500", "200-299"}},
		{"a redirect", []string{"try", leads.URL}, exitNegative, []string{"hop              302 Found  " + leads.URL, "hop              no answer  http://127.0.0.1:1/"}},
		{"http that nobody serves", []string{"try", "http://127.0.0.1:1/"}, exitNegative, []string{"down (refused)"}},
		{"https", []string{"try", secure.URL}, exitNegative, []string{"down (tls_untrusted)", "tls", "certificate"}},
		{"tcp", []string{"try", "tcp://" + at("control")}, exitFine, []string{"  up  ", "connect"}},
		{"dns", []string{"try", "dns://" + at("dns") + "/www.example.com?type=A"}, exitFine, []string{"  up  ", "exchange", "192.0.2.10"}},
		{"dns with an answer that is not there", []string{"try", "dns://" + at("dns") + "/www.example.com?type=A&answer=192.0.2.11"}, exitUsage, nil},
		{"escape sequences", []string{"try", tricky.URL}, exitNegative, []string{"down (status)", "�[31mred a�b"}},
		{"tls", []string{"try", "tls://" + secure.Listener.Addr().String()}, exitNegative, []string{"down (tls_untrusted)"}},
		{"another scheme", []string{"try", "gopher://example.com/"}, exitUsage, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := gaikei(t, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d\n%s%s", code, tt.code, out, errs)
			}
			for _, w := range tt.want {
				if !strings.Contains(out, w) {
					t.Errorf("%q is not in the output:\n%s", w, out)
				}
			}
			if strings.Contains(out, "\x1b") {
				t.Errorf("a target can write to the terminal: %q", out)
			}
		})
	}
}

// TestTryWarns: a warning is shown, and is no failure; what the target announces is shown beside the failure.
func TestTryWarns(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "60")
		if r.Header.Get("Traceparent") == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer secure.Close()
	file := filepath.Join(t.TempDir(), "gaikei.yaml")
	text := strings.ReplaceAll(`
regions: {tokyo: {}}
controls: none
checks:
  - {name: soon, http: {url: "URL", traceparent: true, tls: {insecure_skip_verify: true, warn_days_left: 999999}}}
  - {name: closed, http: {url: "URL", announced: {header: {Retry-After: present}}, tls: {insecure_skip_verify: true}}}
`, "URL", secure.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for check, want := range map[string]struct {
		code  int
		lines []string
	}{
		"soon":   {exitFine, []string{"  up  ", "  ! the certificate of 127.0.0.1 expires on ", "  trace    ", "RSA 2048"}},
		"closed": {exitNegative, []string{"down (status)", "announced by the target: maintenance"}},
	} {
		code, out, errs := gaikei(t, "try", "-c", file, check)
		if code != want.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", check, code, want.code, out, errs)
		}
		for _, line := range want.lines {
			if !strings.Contains(out, line) {
				t.Errorf("%s: %q is not in the output:\n%s", check, line, out)
			}
		}
	}
}

func TestTryJSON(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	code, out, _ := gaikei(t, "try", srv.URL, "-o", "json")
	var e probe.Evidence
	if err := json.Unmarshal([]byte(out), &e); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if code != exitNegative || e.Outcome != "down" || e.Reason != "status" || len(e.Spans) == 0 {
		t.Errorf("exit code %d, outcome %s, reason %s, %d spans; want 1, down, status and some", code, e.Outcome, e.Reason, len(e.Spans))
	}
}

func TestTryCheckOfFile(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		io.WriteString(w, "you sent "+r.Header.Get("Authorization"))
	}))
	defer srv.Close()
	t.Setenv("GAIKEI_SECRET_SHOP", "hunter2")
	path := writeFile(t, t.TempDir(), "gaikei.yaml", `
regions: {here: {}}
controls: none
checks:
  - name: shop
    http:
      url: `+srv.URL+`
      headers: {Authorization: "Bearer ${env:GAIKEI_SECRET_SHOP}"}
      body: {contains: ready}
`)
	code, out, errs := gaikei(t, "try", "-c", path, "shop")
	if code != exitNegative || !strings.Contains(out, "down (body)") {
		t.Errorf("exit code %d, want 1 and down (body):\n%s%s", code, out, errs)
	}
	if strings.Contains(out+errs, "hunter2") {
		t.Errorf("the secret is in the output:\n%s%s", out, errs)
	}
	code, _, errs = gaikei(t, "try", "-c", path, "shpo")
	if code != exitUsage || !strings.Contains(errs, "checks are: shop") {
		t.Errorf("exit code %d, want 2 and the names there are: %s", code, errs)
	}
}

// TestTryUnvouched: when no control answers, the person is told that the failure may be their own.
func TestTryUnvouched(t *testing.T) {
	path := writeFile(t, t.TempDir(), "gaikei.yaml", `
regions: {here: {}}
controls: {targets: [{tcp: {address: "127.0.0.2:1"}}]}
checks:
  - {name: closed, tcp: {address: "127.0.0.3:1"}}
`)
	code, out, errs := gaikei(t, "try", "-c", path, "closed")
	if code != exitNegative || !strings.Contains(out, "inconclusive (no_vouch)") || !strings.Contains(errs, "no control of "+path+" answered") {
		t.Errorf("exit code %d, want 1, inconclusive and a hint about controls:\n%s%s", code, out, errs)
	}
}

// TestTrySlowUnvouched: when the target answered late and nobody vouches, the person is told why that is no verdict.
func TestTrySlowUnvouched(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-time.After(1100 * time.Millisecond) }))
	defer slow.Close()
	path := writeFile(t, t.TempDir(), "gaikei.yaml", `
regions: {here: {}}
controls: {targets: [{tcp: {address: "127.0.0.2:1"}}]}
checks:
  - {name: slow, http: {url: "`+slow.URL+`"}}
`)
	code, out, errs := gaikei(t, "try", "-c", path, "slow")
	for _, want := range []string{"inconclusive (no_vouch)", "error            answered, but only after 1.", "200 OK"} {
		if code != exitNegative || !strings.Contains(out, want) {
			t.Errorf("exit code %d, want 1 and %q:\n%s", code, want, out)
		}
	}
	if !strings.Contains(errs, "no control of "+path+" answered, so the latency may be") {
		t.Errorf("no hint about the latency: %s", errs)
	}
}

// TestUnvouched has a hint for each way in which nobody vouches.
func TestUnvouched(t *testing.T) {
	seen, blind := probe.ControlsStatus{}, probe.ControlsStatus{Sights: []probe.SightStatus{{BlindSince: time.Now()}}}
	silence := func(d time.Duration, err string) *probe.Evidence {
		return &probe.Evidence{Suspected: "response_timeout", Spans: []probe.SpanDetail{{For: d}}, Detail: probe.Detail{Error: err}}
	}
	for _, tt := range []struct {
		name   string
		status probe.ControlsStatus
		e      *probe.Evidence
		want   string
	}{
		{"blind", blind, silence(time.Second, ""), "so the failure may be this machine's own"},
		{"answered, blind", blind, &probe.Evidence{}, "so the latency may be this machine's own"},
		{"answered", seen, &probe.Evidence{}, "the target answered, but the controls of f were not seen"},
		{"asleep", seen, &probe.Evidence{Suspected: "timeout", Asleep: true}, "too busy, or asleep"},
		{"long silence", seen, silence(probe.ShortSilence, ""), "the controls of f were not seen at every instant that matters, so what"},
		{"short silence", seen, silence(time.Second, ""), "what took under 1.5s can be"},
		{"short lookup", seen, &probe.Evidence{Suspected: "dns_timeout", Spans: []probe.SpanDetail{{For: probe.ShortSilence}}}, "what took under 2s can be"},
	} {
		if got := unvouched("f", tt.status, tt.e); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q in it", tt.name, got, tt.want)
		}
	}
}

// TestTryBriefly: after silence so short that a blip may be over, the person is told so, and not that no control answered.
func TestTryBriefly(t *testing.T) {
	silent, err := net.Listen("tcp4", "127.0.0.4:0") // the system accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	path := writeFile(t, t.TempDir(), "gaikei.yaml", "regions: {here: {}}\n"+twoControls(t)+`
checks:
  - {name: brief, timeout: 300ms, http: {url: "http://`+silent.Addr().String()+`/"}}
  - {name: patient, timeout: 2s, http: {url: "http://`+silent.Addr().String()+`/"}}
`)
	code, out, errs := gaikei(t, "try", "-c", path, "brief")
	if code != exitNegative || !strings.Contains(out, "would have been: response_timeout") || !strings.Contains(errs, "answered afterwards") || !strings.Contains(errs, "what took under 1.5s can be") || !strings.Contains(errs, "a timeout of 2s or more") {
		t.Errorf("exit code %d, want 1, inconclusive, and what timeout would tell:\n%s%s", code, out, errs)
	}
	code, out, errs = gaikei(t, "try", "-c", path, "patient")
	if code != exitNegative || !strings.Contains(out, "down (response_timeout)") || errs != "" {
		t.Errorf("exit code %d, want 1, down and no hint:\n%s%s", code, out, errs)
	}
}
