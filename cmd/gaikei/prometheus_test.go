package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// A promServer is a real Prometheus, a process of its own.
type promServer struct {
	t      *testing.T
	listen string
}

// needPrometheus skips a test where there is none; in CI that is a failure.
func needPrometheus(t *testing.T) {
	t.Helper()
	for _, name := range []string{"prometheus", "promtool"} {
		_, err := exec.LookPath(name)
		switch what := name + " is not installed; it is in the Debian package prometheus"; {
		case err != nil && os.Getenv("CI") != "":
			t.Fatal(what)
		case err != nil:
			t.Skip(what)
		}
	}
}

// startPrometheus runs one on a folder with a configuration until the test ends, and waits until it answers.
func startPrometheus(t *testing.T, dir, config string) *promServer {
	t.Helper()
	p := &promServer{t, "127.0.0.1:" + freePort(t)}
	cmd := exec.CommandContext(t.Context(), "prometheus", "--config.file", writeFile(t, t.TempDir(), "prometheus.yaml", config),
		"--storage.tsdb.path", filepath.Clean(dir), "--storage.tsdb.retention.time", "5y", "--web.listen-address", p.listen)
	var log syncBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus printed:\n%s", &log)
		}
	})
	until(t, "prometheus is ready", func() bool {
		resp, err := http.Get("http://" + p.listen + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// ask evaluates a query at an instant, and decodes what it says of the type that is wanted.
func ask[T any](p *promServer, query string, at time.Time) T {
	p.t.Helper()
	v := url.Values{"query": {query}, "time": {strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)}}
	resp, err := http.Get("http://" + p.listen + "/api/v1/query?" + v.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var answer struct {
		Data struct{ Result T }
	}
	if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("query %s: %s, %v: %s", query, resp.Status, err, body)
	}
	return answer.Data.Result
}

// values evaluates a query at an instant: values by what the labels of the series are.
func (p *promServer) values(query string, at time.Time) map[string]float64 {
	p.t.Helper()
	values := map[string]float64{}
	for _, s := range ask[model.Vector](p, query, at) {
		delete(s.Metric, model.MetricNameLabel)
		values[fmt.Sprint(s.Metric)] = float64(s.Value)
	}
	return values
}

// value evaluates a query at an instant that gives one series.
func (p *promServer) value(query string, at time.Time) float64 {
	p.t.Helper()
	all := ask[model.Vector](p, query, at)
	if len(all) != 1 {
		p.t.Fatalf("query %s at %v: got %v, want one value", query, at, all)
	}
	return float64(all[0].Value)
}
