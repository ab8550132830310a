package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/notify"
	"github.com/gaikei/gaikei/sli/timeline"
)

// alertmanager runs Debian's prometheus-alertmanager on loopback, and returns its URL once it is ready.
func alertmanager(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("this machine lacks prometheus-alertmanager")
		}
		t.Skip("this machine lacks prometheus-alertmanager")
	}
	dir := t.TempDir()
	file := writeFile(t, dir, "alertmanager.yml", "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
	address := "127.0.0.1:" + freePort(t)
	cmd := exec.Command(bin, "--config.file="+file, "--storage.path="+dir+"/data", "--web.listen-address="+address, "--cluster.listen-address=")
	log := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the Alertmanager printed:\n%s", log)
		}
	})
	eventually(t, "the Alertmanager is ready", func() bool {
		resp, err := http.Get("http://" + address + "/-/ready")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	return "http://" + address
}

// eventually polls a condition, for a minute at most.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("a minute has passed and not: %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// A gettable is an alert as an Alertmanager gives it.
type gettable struct {
	Labels       map[string]string
	Annotations  map[string]string
	GeneratorURL string
	StartsAt     time.Time
	EndsAt       time.Time
}

// alertsAt asks an Alertmanager for the alerts that stand, in the order of their names and severities.
func alertsAt(t *testing.T, url string) []gettable {
	t.Helper()
	resp, err := http.Get(url + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list []gettable
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b gettable) int {
		return strings.Compare(a.Labels["alertname"]+a.Labels["severity"], b.Labels["alertname"]+b.Labels["severity"])
	})
	return list
}

// slotsEvery is the interval of the check shop below.
const slotsEvery = 5 * time.Second

// shopMessage is what a prober saw of the check shop in [from, to): up until an outage.
func shopMessage(t *testing.T, from, outage, to time.Time) timeline.Message {
	t.Helper()
	var none [probe.NumPhases]probe.LatencyIndex
	for i := range none {
		none[i] = probe.NoLatency
	}
	b := probe.Batch{Epochs: []probe.Epoch{{Check: "shop", From: from.UnixMilli(), Grid: probe.Grid{Interval: slotsEvery.Milliseconds()}, Budget: time.Second, Expected: true}}}
	for at := from; at.Before(to); at = at.Add(slotsEvery) {
		r := probe.Result{Check: "shop", Slot: at.UnixMilli(), Outcome: probe.Up, Latency: probe.IndexOf(time.Millisecond), Attempts: 1, Phases: none}
		if !at.Before(outage) {
			r.Outcome, r.Reason, r.Latency = probe.Down, probe.Timeout, probe.NoLatency
		}
		b.Results = append(b.Results, r)
	}
	ms, err := wire.Marshal(&b)
	if err != nil || len(ms) != 1 {
		t.Fatalf("marshal: %d messages, error %v, want one message", len(ms), err)
	}
	return timeline.Message{Region: "tokyo", Prober: "p1", Received: time.Now(), Payload: ms[0]}
}

// centreOn is a centre on a store, with a configuration in force.
func centreOn(t *testing.T, store *timeline.Store, data, text string, timing notify.Timing) *centre {
	t.Helper()
	file, err := config.Parse("gaikei.yaml", []byte("regions: {tokyo: {}}\ncontrols: {preset: root-dns}\n"+
		"checks: [{name: shop, interval: 5s, timeout: 1s, tcp: {address: \"192.0.2.1:80\"}}]\n"+text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := newCentre(runOptions{data: data, told: timing}, store, nil, slog.New(slog.NewTextHandler(t.Output(), nil)))
	c.state.Store(&state{file: file, regions: []string{"tokyo"}})
	return c
}

// telling runs what tells; the function that it returns ends it as the end of the process does, without another word.
func telling(t *testing.T, c *centre) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.teller.Run(ctx) }()
	stop := func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		done <- nil
	}
	t.Cleanup(stop)
	return stop
}

// requests counts those to each receiver, by their result.
func requests(t *testing.T, from prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "gaikei_notifications_total" {
				counts[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return counts
}

// TestAlertmanager has an outage burn a budget: a real Alertmanager hears of it, that it is over, and, when nobody tells it any
// more, ends it by itself. Beside it one hangs, which delays neither that, nor what is stored, nor what is asked.
func TestAlertmanager(t *testing.T) {
	t.Parallel()
	am, dir := alertmanager(t), t.TempDir()
	store, err := timeline.Open(t.Context(), timeline.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	settled := time.Now().Add(-20 * time.Second).Truncate(slotsEvery).UTC()
	outage := settled.Add(-10 * time.Minute)
	ingest := func(from, to time.Time) {
		t.Helper()
		if err := store.Ingest(t.Context(), []timeline.Message{shopMessage(t, from, outage, to)}); err != nil {
			t.Fatal(err)
		}
	}
	ingest(settled.Add(-2*time.Hour), settled)
	text := fmt.Sprintf(`
slos: [{name: strict, checks: [shop], objective: 99%%, window: 1h}]
notify:
  page: https://gaikei.example.com
  alertmanagers:
    - {name: hung, url: %q, timeout: 200ms}
    - {name: am, url: %q}
`, "http://"+silence(t), am)
	quick := notify.Timing{Every: 200 * time.Millisecond, Resend: 500 * time.Millisecond}
	c := centreOn(t, store, dir, text, quick)
	stop := telling(t, c)

	eventually(t, "three alerts stand", func() bool { return len(alertsAt(t, am)) == 3 })
	got := alertsAt(t, am)
	var labels []map[string]string
	for _, a := range got {
		labels = append(labels, a.Labels)
		if a.GeneratorURL != "https://gaikei.example.com/#slo-strict" || a.Annotations["link"] != a.GeneratorURL {
			t.Errorf("%v links to %s and %s, want the SLO on the page", a.Labels, a.GeneratorURL, a.Annotations["link"])
		}
	}
	want := []map[string]string{
		{"alertname": "GaikeiBurnRate", "slo": "strict", "severity": "page"},
		{"alertname": "GaikeiBurnRate", "slo": "strict", "severity": "ticket"},
		{"alertname": "GaikeiDecision", "slo": "strict", "severity": "ticket", "decision": "exhausted"},
	}
	if d := cmp.Diff(want, labels); d != "" {
		t.Errorf("labels (-want +got):\n%s", d)
	}
	reports, err := analyst{c}.SLOs(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	note := got[2].Annotations
	if !strings.Contains(note["description"], "not above the objective of 99%") || note["objective"] != "99%" || !strings.HasPrefix(note["budget_left"], "-1") || reports[0].Decision.Decision != "exhausted" {
		t.Errorf("the decision is annotated by %v, want the policy's sentence and its figures", note)
	}

	// What the process shows of who hangs, while it goes on.
	reg := prometheus.NewRegistry()
	reg.MustRegister(c.teller)
	eventually(t, "it shows that one is not reached", func() bool {
		n := requests(t, reg)
		return n["hung failed"] > 1 && n["hung sent"] == 0 && n["am sent"] > 1 && n["am failed"] == 0
	})
	later := settled.Add(slotsEvery)
	ingest(settled, later)
	slots, err := store.Recent(t.Context(), "shop", "tokyo", 100)
	if err != nil || !slices.ContainsFunc(slots, func(s sli.Slot) bool { return s.At == settled.UnixMilli() && s.Outcome == sli.Down }) {
		t.Errorf("the last slots are %+v, error %v, want among them the one of %v, down", slots, err, settled)
	}

	x, err := store.Correct(t.Context(), sli.Correction{
		Checks: []string{"shop"}, From: outage, To: later, Effect: "good", Category: "test", Reason: "it was this test", Author: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all is over", func() bool { return len(alertsAt(t, am)) == 0 }) // told so: by itself it would take minutes
	stop()

	if _, err := store.Revoke(t.Context(), x.ID, sli.Revocation{At: time.Now(), Author: "test", Reason: "it is over"}); err != nil {
		t.Fatal(err)
	}
	quick.Lapse = 2 * time.Second
	stop = telling(t, centreOn(t, store, dir, text, quick))
	eventually(t, "they are back", func() bool { return len(alertsAt(t, am)) == 3 })
	stop()
	eventually(t, "they end by themselves", func() bool { return len(alertsAt(t, am)) == 0 })
}

// TestReceivers: what a receiver is shown is resolved each time anew, and what cannot be is told without a secret.
func TestReceivers(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{
		"env:GAIKEI_SECRET_URL": "https://hooks.example.com/s3cret", "file:am": "s3cret", "env:GAIKEI_SECRET_HOOK": "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 24)),
	}
	source := func(scheme, name string) (string, error) {
		v, ok := secrets[scheme+":"+name]
		if !ok {
			return "", errors.New("there is none")
		}
		return v, nil
	}
	file, err := config.Parse("x", []byte(`
regions: {tokyo: {}}
controls: {preset: root-dns}
checks: []
notify:
  page: https://gaikei.example.com/
  alertmanagers: [{name: am, url: "https://am.example.com/", basic_auth: {username: gaikei, password: "${file:am}"}, headers: {X-Scope: [a, b]}}]
  webhooks: [{name: hook, url: "${env:GAIKEI_SECRET_URL}", secret: ["${env:GAIKEI_SECRET_HOOK}"], headers: {Authorization: "Bearer ${file:am}"}}]
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := receiversOf(file.Notify, source)
	var got []notify.Target
	for _, r := range cfg.Receivers {
		target, err := r.Target()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, target)
	}
	want := []notify.Target{
		{URL: "https://am.example.com/", Header: http.Header{"Authorization": {"Basic Z2Fpa2VpOnMzY3JldA=="}, "X-Scope": {"a", "b"}}},
		{URL: "https://hooks.example.com/s3cret", Header: http.Header{"Authorization": {"Bearer s3cret"}}, Keys: [][]byte{bytes.Repeat([]byte{7}, 24)}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	secrets["env:GAIKEI_SECRET_HOOK"] = "s3cret"
	delete(secrets, "file:am")
	for _, r := range cfg.Receivers {
		if _, err := r.Target(); err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "${file:am}") {
			t.Errorf("%s without its secret: got error %v, want one that names the reference", r.Name, err)
		}
	}
	secrets["file:am"] = "s3cret"
	if _, err := cfg.Receivers[1].Target(); err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "${env:GAIKEI_SECRET_HOOK}: the secret") {
		t.Errorf("with a secret that is none: got error %v, want one that names the reference", err)
	}
}
