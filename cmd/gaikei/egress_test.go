package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
)

func TestTryEgress(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ready") }))
	defer srv.Close()
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{srv.URL, "--egress-deny", "10.0.0.0/8", "--egress-deny", "192.0.2.1,::1"}, exitFine, "  up  "},
		{[]string{srv.URL, "--egress-allow", "127.0.0.0/8"}, exitFine, "  up  "},
		{[]string{srv.URL, "--egress-deny", "127.0.0.0/8"}, exitNegative, "denies 127.0.0.1: 127.0.0.0/8 is denied"},
		{[]string{srv.URL, "--egress-allow", "10.0.0.0/8"}, exitNegative, "inconclusive (egress_denied)"},
		{[]string{"http://169.254.169.254/"}, exitNegative, "inconclusive (egress_denied)"},
		{[]string{"http://169.254.169.254/", "--egress-allow", "0.0.0.0/0"}, exitNegative, "unless 169.254.169.254/32 is allowed by name"},
		{[]string{srv.URL, "--egress-deny", "10.0.0.1/8"}, exitUsage, "want 10.0.0.0/8"},
	}
	for _, tt := range tests {
		code, out, errs := gaikei(t, append([]string{"try"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out+errs, tt.want) {
			t.Errorf("try %v: exit code %d, want %d and %q:\n%s%s", tt.args, code, tt.code, tt.want, out, errs)
		}
	}
}

// TestDeniedControlIsTold: a control that the policy of a prober denies is told when the prober begins to follow it.
func TestDeniedControlIsTold(t *testing.T) {
	t.Parallel()
	file, err := config.Parse("gaikei.yaml", []byte(`
regions: {here: {}}
controls: {targets: [{tcp: {address: "192.0.2.1:53"}}, {tcp: {address: "10.0.0.1:53"}}, {tcp: {address: "www.example.com:443"}}]}
checks: [{name: shop, http: {url: "https://shop.example.net/"}}]
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := probe.NewEgress([]string{"192.0.2.0/24"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := &station{opts: stationOptions{egress: policy}, log: slog.New(slog.NewTextHandler(&log, nil))}
	s.tellDenied(order{region: "here", controls: file.Controls.Options()})
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "tcp://10.0.0.1:53") {
		t.Errorf("told: %s", got)
	}
	if w := s.worldOf("here"); w.Egress != policy {
		t.Error("the policy is not that of the attempts")
	}
}

// TestTryAssertions: each assertion is shown, and of one that failed what it was about.
func TestTryAssertions(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"db": "lost", "queue": 3}`) }))
	defer srv.Close()
	path := writeFile(t, t.TempDir(), "gaikei.yaml", `
regions: {here: {}}
controls: none
checks:
  - name: shop
    http: {url: "`+srv.URL+`"}
    assert: ["json.queue < 5", "json.db == 'ok'"]
    max: {wait: 9s}
`)
	code, out, errs := gaikei(t, "try", "-c", path, "shop")
	if code != exitNegative {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	for _, want := range []string{"down (assertion)", "✓ assert                 got true, want json.queue < 5", `✗ assert                 got json.db = "lost", want json.db == 'ok'`, "assert json.db == 'ok': it does not hold"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the output:\n%s", want, out)
		}
	}
}
