package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
)

// TestCertificateMetrics: /metrics tells when the certificates of targets end, also of one that is refused, and what warnings there are.
func TestCertificateMetrics(t *testing.T) {
	t.Parallel()
	secure := untrusted(t)
	config := "regions: {here: {}}\n" + twoControls(t) + strings.ReplaceAll(`
defaults: {interval: 1s, timeout: 900ms}
checks:
  - {name: soon, labels: {team: web}, groups: core, http: {url: "URL", tls: {insecure_skip_verify: true, warn_days_left: 999999}}}
  - {name: untrusted, http: {url: "URL"}}
  - {name: speaks, tcp: {address: "ADDRESS"}}
`, "URL", secure.URL)
	p := start(t, writeFile(t, t.TempDir(), "gaikei.yaml", strings.ReplaceAll(config, "ADDRESS", secure.Listener.Addr().String())), t.TempDir())
	end := float64(secure.Certificate().NotAfter.Unix())
	var text string
	p.until("has seen both", func() bool {
		_, text = p.get("/metrics")
		return strings.Count(text, "gaikei_certificate_expiry_timestamp_seconds{") == 2
	})
	for _, want := range []string{
		fmt.Sprintf("gaikei_certificate_expiry_timestamp_seconds{check=\"soon\",region=\"here\"} %g\n", end),
		fmt.Sprintf("gaikei_certificate_expiry_timestamp_seconds{check=\"untrusted\",region=\"here\"} %g\n", end),
		"gaikei_check_warnings{check=\"soon\",region=\"here\"} 1\n",
		"gaikei_check_warnings{check=\"untrusted\",region=\"here\"} 0\n",
		"gaikei_check_info{check=\"soon\",kind=\"http\",label_team=\"web\",name=\"soon\"} 1\n",
		"gaikei_check_group{check=\"soon\",group=\"core\"} 1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

// untrusted is a server whose certificate nobody has signed, and which says nothing of those who refuse it.
func untrusted(t *testing.T) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestNotices(t *testing.T) {
	var n notices
	now := time.Now()
	end := now.Add(time.Hour)
	with := probe.Evidence{Check: "shop", Outcome: "up", Expires: end, Detail: probe.Detail{Warnings: []string{"soon"}}}
	down, plain := probe.Evidence{Check: "shop", Outcome: "down"}, probe.Evidence{Check: "shop", Outcome: "up"}
	all := func(string, time.Time) bool { return true }
	expect := func(what string, want map[string]notice, got map[string]notice) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(notice{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	n.take(&down, now)
	expect("a failure before any certificate", nil, n.of(all))
	n.take(&with, now)
	n.take(&down, now.Add(time.Second))
	expect("a failure after one", map[string]notice{"shop": {at: now.Add(time.Second), expires: end, warnings: 1}}, n.of(all))
	n.take(&plain, now)
	expect("a success without one", map[string]notice{}, n.of(all))
	n.take(&with, now)
	expect("what is stale", map[string]notice{}, n.of(func(_ string, at time.Time) bool { return at.After(now) }))
	expect("what was forgotten", map[string]notice{}, n.of(all))
}
