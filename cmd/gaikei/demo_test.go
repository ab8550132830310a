package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/gaikei/gaikei/sli"
)

// TestDemo starts the demo as a newcomer would and waits until every kind of outcome that it promises is there.
func TestDemo(t *testing.T) {
	t.Parallel()
	p := &program{t: t, listen: "127.0.0.1:" + freePort(t), log: &syncBuffer{}, waited: make(chan error, 1)}
	p.cmd = command(t.Context(), nil, "demo", "--listen", p.listen)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.waited <- p.cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			p.cmd.Process.Kill()
			t.Logf("the demo printed:\n%s", p.log)
		}
	})
	p.until("serves its page", func() bool {
		resp, err := http.Get("http://" + p.listen + "/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	p.until("says what to look at", func() bool { return strings.Contains(p.log.String(), "The demo runs.") })

	for _, want := range []struct {
		check, region string
		seen          func(sli.OutcomeCounts) int64
	}{
		{"shop", "tokyo", func(o sli.OutcomeCounts) int64 { return o.Up }},
		{"shop-search", "tokyo", func(o sli.OutcomeCounts) int64 { return o.Up }},
		{"shop-images", "office", func(o sli.OutcomeCounts) int64 { return o.Down }},
		{"admin-closed", "tokyo", func(o sli.OutcomeCounts) int64 { return o.ExpectedUnreachable }},
		{"admin-firewalled", "tokyo", func(o sli.OutcomeCounts) int64 { return o.ExpectedUnreachable }},
		{"admin-firewalled", "office", func(o sli.OutcomeCounts) int64 { return o.Up }},
		{"admin-leaked", "frankfurt", func(o sli.OutcomeCounts) int64 { return o.Unexpected }},
		{"mail", "tokyo", func(o sli.OutcomeCounts) int64 { return o.Up }},
		{"zone", "tokyo", func(o sli.OutcomeCounts) int64 { return o.Up }},
	} {
		p.until(fmt.Sprintf("shows %s in %s", want.check, want.region), func() bool {
			return want.seen(demoOutcomes(t, p.listen, want.check, want.region)) > 0
		})
	}

	shown := regexp.MustCompile(`(?m)^  \S+ ((?:sli|probers) .*)$`).FindAllStringSubmatch(p.log.String(), -1)
	if len(shown) != 3 {
		t.Errorf("the demo shows %d commands, want 3", len(shown))
	}
	for _, line := range shown {
		out, err := command(t.Context(), nil, strings.Fields(line[1])...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "tokyo") {
			t.Errorf("%s, as the demo shows it: %v\n%s", line[1], err, out)
		}
	}

	p.cmd.Process.Signal(syscall.SIGINT)
	if err := <-p.waited; err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	folder := regexp.MustCompile(`configuration is (\S+)/gaikei.yaml`).FindStringSubmatch(p.log.String())
	if folder == nil {
		t.Fatal("the demo does not name its configuration")
	}
	if exists(folder[1]) {
		t.Errorf("the demo left %s behind", folder[1])
	}
}

func demoOutcomes(t *testing.T, listen, check, region string) sli.OutcomeCounts {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://%s/api/v1/sli?check=%s&region=%s&window=10m", listen, check, region))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Items []sli.Report }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	for _, r := range list.Items {
		if r.Region != nil {
			return r.Outcomes
		}
	}
	return sli.OutcomeCounts{}
}
