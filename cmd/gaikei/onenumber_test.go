package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gaikei/gaikei/sli"
)

// TestOneNumber asks the same question of everything that answers it: the API, the command line by way of the
// server, of the local socket and of the files alone, and the CSV. There is one answer.
func TestOneNumber(t *testing.T) {
	t.Parallel()
	flaky := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if time.Now().Unix()%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.WriteString(w, "ready")
	})
	target := listenOn(t, "127.0.0.1", flaky)
	dir := t.TempDir()
	data := dir + "/data"
	config := writeFile(t, dir, "gaikei.yaml", "regions: {here: {weight: 2}, there: {weight: 1}}\ndefaults: {interval: 500ms, timeout: 200ms}\n"+twoControls(t)+
		fmt.Sprintf("checks:\n  - {name: shop, http: {url: \"http://%s/\"}, latency: {under: 100ms}}\n", target))
	p := start(t, config, data)
	from, to := time.Now().Add(2*time.Second).UTC(), time.Now().Add(6*time.Second).UTC()
	window := url.Values{"from": {from.Format(time.RFC3339Nano)}, "to": {to.Format(time.RFC3339Nano)}}.Encode()
	p.until("has settled the window", func() bool { return p.report("shop", "here", window).Settled })

	_, body := p.get("/api/v1/sli?" + window)
	var list struct{ Items []sli.Report }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	want := list.Items
	if len(want) != 3 || want[0].Slots.Good == 0 || want[0].Slots.Bad == 0 {
		t.Fatalf("the API gives %d reports, the first with %+v; want two regions and one pooled, with good and bad slots", len(want), want[0].Slots)
	}
	ask := func(how ...string) string {
		t.Helper()
		args := append([]string{"sli", "--from", from.Format(time.RFC3339Nano), "--to", to.Format(time.RFC3339Nano)}, how...)
		code, out, errs := gaikei(t, args...)
		if code != exitFine {
			t.Fatalf("gaikei %s: exit code %d: %s", strings.Join(args, " "), code, errs)
		}
		return out
	}
	same := func(name, out string) {
		t.Helper()
		var got []sli.Report
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(sli.Report{}, "AsOf")); d != "" {
			t.Errorf("%s (-API +%s):\n%s", name, name, d)
		}
	}
	same("server", ask("--server", "http://"+p.listen, "-o", "json"))
	same("socket", ask("--data", data, "-o", "json"))
	rows, err := csv.NewReader(strings.NewReader(ask("--data", data, "-o", "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for i, r := range want {
		got, err := strconv.ParseFloat(rows[i+1][column["availability"]], 64)
		if err != nil || got != *r.Availability.Ratio {
			t.Errorf("CSV row %d: availability %v (%v), want %v", i+1, got, err, *r.Availability.Ratio)
		}
	}
	phases := func(how ...string) []sli.PhaseReport {
		t.Helper()
		code, out, errs := gaikei(t, append([]string{"phases", "--from", from.Format(time.RFC3339Nano), "--to", to.Format(time.RFC3339Nano), "-o", "json"}, how...)...)
		var got []sli.PhaseReport
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitFine || len(got) != 2 {
			t.Fatalf("gaikei phases: exit code %d, error %v, %d reports, want one of each region: %s", code, err, len(got), errs)
		}
		return got
	}
	running := phases("--server", "http://"+p.listen)
	if n := running[0].Phases[0]; n.Phase != "connect" || n.Count < want[0].Slots.Good {
		t.Errorf("phases: got first %+v, want the %d connects of up slots in the window, and the others of the hour", n, want[0].Slots.Good)
	}
	steps := func(how ...string) {
		t.Helper()
		var got []sli.Report
		if err := json.Unmarshal([]byte(ask(append(how, "--step", "2s", "-o", "json")...)), &got); err != nil {
			t.Fatalf("by steps: %v", err)
		}
		sum := map[string]int64{}
		for _, r := range got {
			sum[text(r.Region)] += r.Slots.Good
		}
		for _, r := range want {
			if sum[text(r.Region)] != r.Slots.Good || len(got) < 3*2 {
				t.Errorf("by %d steps, %v: %d good slots in region %q, want %d", len(got), how, sum[text(r.Region)], text(r.Region), r.Slots.Good)
			}
		}
	}
	steps("--server", "http://"+p.listen)
	p.stop()
	steps("--data", data)
	same("files", ask("--data", data, "-o", "json"))
	for i, r := range phases("--data", data) {
		// What came in between belongs to the hour too.
		if r.Phases[0].Count < running[i].Phases[0].Count || r.From != running[i].From {
			t.Errorf("phases from the files: got %+v, want at least what the server said: %+v", r, running[i])
		}
	}
}
