package main

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/probe"
)

// TestDeadman: the switch is pinged while all is well, and only then; its URL is a secret.
func TestDeadman(t *testing.T) {
	var pings atomic.Int64
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/s3cret" && strings.HasPrefix(r.UserAgent(), "Gaikei/") {
			pings.Add(1)
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	var ill error
	d, err := newDeadman(srv.URL+"/s3cret", func() error { return ill }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	step := func(name string, want int64, fault string) {
		t.Helper()
		err := d.once(t.Context())
		if pings.Load() != want || (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: got %d pings, error %v; want %d, %q", name, pings.Load(), err, want, fault)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows the URL: %v", name, err)
		}
	}
	step("all is well", 1, "")
	ill = errors.New("the queue is broken")
	step("not all is well", 1, "the queue is broken")
	ill, status = nil, http.StatusInternalServerError
	step("it is not answered well", 2, "500")
	srv.Close()
	step("it is not answered", 2, "ping 127.0.0.1:")
	reg := prometheus.NewRegistry()
	reg.MustRegister(d)
	families, err := reg.Gather()
	if err != nil || len(families) != 2 || families[0].GetMetric()[0].GetCounter().GetValue() != 2 || families[1].GetMetric()[0].GetGauge().GetValue() == 0 {
		t.Errorf("got metrics %v, error %v; want 2 failures and when it last went well", families, err)
	}
	for _, bad := range []string{"ping.example.com", "ftp://ping.example.com", "http://", "http://[::1"} {
		if _, err := newDeadman(bad, nil, nil); err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("%s: got error %v, want one that does not show it", bad, err)
		}
	}
	t.Setenv(pingVariable, "https://ping.example.com/uuid")
	if d, err := newDeadman("", nil, nil); err != nil || d.url != "https://ping.example.com/uuid" {
		t.Errorf("from the variable: got %v, error %v", d, err)
	}
}

// TestOverdue: what works and comes to no verdict is not well.
func TestOverdue(t *testing.T) {
	now := time.Now()
	off := checkEvery("off", time.Second)
	off.Enabled = false
	both := []*probe.Check{checkEvery("a", time.Minute), checkEvery("b", 10*time.Second), off} // each within 500 ms
	for _, x := range []struct {
		name   string
		checks []*probe.Check
		newest time.Time
		want   string
	}{
		{"nothing to look at", []*probe.Check{off}, time.Time{}, ""},
		{"no verdict yet", both, time.Time{}, "since the start"},
		{"just now", both, now, ""},
		{"two intervals, the budget and the grace ago", both, now.Add(-80*time.Second - 500*time.Millisecond), ""},
		{"longer ago", both, now.Add(-81 * time.Second), "since " + stamp(now.Add(-81*time.Second))},
	} {
		err := overdue(x.checks, x.newest, now)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want %q", x.name, err, x.want)
		}
	}
}
