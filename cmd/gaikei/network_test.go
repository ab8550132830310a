package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/gaikei/gaikei/sli"
)

// asTargets is the environment variable that makes the test binary serve the far side of a test network.
const asTargets = "GAIKEI_TEST_AS_TARGETS"

// serveTargets is the far side: HTTP on the given addresses, and DNS, until standard input ends.
func serveTargets(addresses []string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ready") })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(1500 * time.Millisecond):
		case <-r.Context().Done():
		}
		io.WriteString(w, "ready")
	})
	pc, err := net.ListenPacket("udp", ":53")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	zone := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(serveZone)}
	go zone.ActivateAndServe()
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go http.Serve(l, mux)
	}
	fmt.Println("serving")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// A network is two namespaces joined by a cable: near, where the program runs, and far, where its targets are.
type network struct {
	t         *testing.T
	near, far string
}

// newNetwork makes the namespaces; the near one is 192.0.2.1, the far one has the addresses given, all of
// 192.0.2.0/24. Everything is gone at the end of the test.
func newNetwork(t *testing.T, far ...string) *network {
	t.Helper()
	needRoot(t)
	id := fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)
	n := &network{t: t, near: "gk-near-" + id, far: "gk-far-" + id}
	for _, ns := range []string{n.near, n.far} {
		n.run("ip", "netns", "add", ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	}
	n.run("ip", "-n", n.near, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", n.far)
	n.run("ip", "-n", n.near, "addr", "add", "192.0.2.1/24", "dev", "cable")
	for _, a := range far {
		n.run("ip", "-n", n.far, "addr", "add", a+"/24", "dev", "cable")
	}
	for _, ns := range []string{n.near, n.far} {
		n.run("ip", "-n", ns, "link", "set", "lo", "up")
		n.run("ip", "-n", ns, "link", "set", "cable", "up")
	}
	return n
}

// needRoot fails in CI, and skips elsewhere, where namespaces cannot be made.
func needRoot(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("ip")
	if err == nil && os.Getuid() == 0 {
		return
	}
	const what = "network namespaces need root and the program ip (Debian package iproute2)"
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func (n *network) run(words ...string) {
	n.t.Helper()
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
}

// inNear and inFar are prefixes that put a command into a namespace.
func (n *network) inNear() []string { return []string{"ip", "netns", "exec", n.near} }
func (n *network) inFar() []string  { return []string{"ip", "netns", "exec", n.far} }

// serve starts the far side's servers.
func (n *network) serve(addresses ...string) {
	n.t.Helper()
	cmd := command(context.WithoutCancel(n.t.Context()), n.inFar())
	cmd.Env = append(cmd.Env, asTargets+"="+strings.Join(addresses, ","))
	in, err := cmd.StdinPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, len("serving\n"))); err != nil {
		n.t.Fatalf("the far side did not come up: %v", err)
	}
}

// drop loses packets of the near side to the addresses given, and to everything when there are none, until the
// function it returns is called.
func (n *network) drop(addresses ...string) (restore func()) {
	n.t.Helper()
	match := ""
	if len(addresses) > 0 {
		match = "ip daddr { " + strings.Join(addresses, ", ") + " } "
	}
	rules := "table inet cut { chain out { type filter hook output priority 0; oif != lo " + match + "drop; };"
	if match == "" {
		rules += " chain in { type filter hook input priority 0; iif != lo drop; };"
	}
	n.run(append(n.inNear(), "nft", rules+" }")...)
	return func() { n.run(append(n.inNear(), "nft", "delete table inet cut")...) }
}

// wait lets the world go on; what is waited for is the network's time, not the program's.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal("the test was ended")
	}
}

// TestNetworkGone takes first the controls and then the whole network from a region and gives it back. No
// target's SLI may move for it.
func TestNetworkGone(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "192.0.2.10", "192.0.2.11", "192.0.2.12")
	n.serve("192.0.2.10:80", "192.0.2.11:80", "192.0.2.12:80")
	dir := t.TempDir()
	data := dir + "/data"
	config := writeFile(t, dir, "gaikei.yaml", `
regions: {here: {}}
controls:
  targets:
    - {http: {url: "http://192.0.2.11/"}}
    - {tcp: {address: "192.0.2.12:80"}}
defaults: {interval: 1s, timeout: 800ms}
checks:
  - {name: web, http: {url: "http://192.0.2.10/"}}
  - {name: broken, http: {url: "http://192.0.2.10/broken"}}
  - {name: closed, tcp: {address: "192.0.2.10:81"}, expect: {unreachable: all, by: [refused]}}
`)
	p := start(t, config, data, n.inNear()...)
	var fine, blind, gone, back span
	fine.during(t, 5*time.Second)
	restore := n.drop("192.0.2.11", "192.0.2.12")
	blind.during(t, 5*time.Second)
	restore()
	n.run("ip", "-n", n.near, "link", "set", "cable", "down")
	gone.during(t, 6*time.Second)
	n.run("ip", "-n", n.near, "link", "set", "cable", "up")
	back.during(t, 6*time.Second)
	n.figures(p, map[string]*span{"fine": &fine, "gone": &gone, "all": {from: fine.from, to: back.to}})
	p.stop()

	for _, want := range []struct {
		when     string
		span     span
		check    string
		outcomes []sli.Outcome
	}{
		{"all fine", fine, "web", []sli.Outcome{sli.Up}},
		{"all fine", fine, "broken", []sli.Outcome{sli.Down}},
		{"all fine", fine, "closed", []sli.Outcome{sli.ExpectedUnreachable}},
		{"controls dead", blind, "web", []sli.Outcome{sli.Up}},
		{"controls dead", blind, "broken", []sli.Outcome{sli.Down}},
		{"controls dead", blind, "closed", []sli.Outcome{sli.Inconclusive}},
		{"network gone", gone, "web", []sli.Outcome{sli.Inconclusive}},
		{"network gone", gone, "broken", []sli.Outcome{sli.Inconclusive}},
		{"network gone", gone, "closed", []sli.Outcome{sli.Inconclusive}},
		{"network back", back, "web", []sli.Outcome{sli.Up}},
		{"network back", back, "broken", []sli.Outcome{sli.Down}},
		{"network back", back, "closed", []sli.Outcome{sli.ExpectedUnreachable}},
	} {
		got := want.span.outcomes(slotsOf(t, data, want.check, "here"))
		if len(got) == 0 {
			t.Errorf("%s: %s has no slot", want.when, want.check)
		}
		for _, o := range got {
			if o != want.outcomes[0] {
				t.Errorf("%s: %s came to %v, want only %v", want.when, want.check, got, want.outcomes)
				break
			}
		}
	}
}

// TestShortTimeouts lets several checks with a time-out of half a second fail together. Rounds of controls are too rare
// to speak for each failure, but not for one after another: only the first slots may be undecided.
func TestShortTimeouts(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "192.0.2.11", "192.0.2.12")
	n.serve("192.0.2.11:80", "192.0.2.12:80")
	// Packets to it go out, and nobody takes them: what is dropped at home would fail as our own fault.
	n.run("ip", "-n", n.near, "neigh", "add", "192.0.2.10", "lladdr", "02:00:00:00:00:10", "dev", "cable")
	dir := t.TempDir()
	p := start(t, writeFile(t, dir, "gaikei.yaml", `
regions: {here: {}}
controls:
  targets:
    - {http: {url: "http://192.0.2.11/"}}
    - {tcp: {address: "192.0.2.12:80"}}
defaults: {interval: 2s, timeout: 500ms}
checks:
  - {name: one, tcp: {address: "192.0.2.10:81"}}
  - {name: two, tcp: {address: "192.0.2.10:82"}}
  - {name: three, http: {url: "http://192.0.2.10/"}}
  - {name: four, dns: {server: "192.0.2.10", name: www.example.com, type: A}}
  - {name: wall, tcp: {address: "192.0.2.10:83"}, expect: {unreachable: all, by: [timeout]}}
`), dir+"/data", n.inNear()...)
	wait(t, 17*time.Second)
	judged := time.Now().Add(-5 * time.Second)
	p.stop()

	for check, want := range map[string]sli.Outcome{
		"one": sli.Down, "two": sli.Down, "three": sli.Down, "four": sli.Down, "wall": sli.ExpectedUnreachable,
	} {
		var outcomes []sli.Outcome
		var reasons []string
		for _, slot := range slotsOf(t, dir+"/data", check, "here") {
			if time.UnixMilli(slot.At).Before(judged) {
				outcomes, reasons = append(outcomes, slot.Outcome), append(reasons, slot.Reason)
			}
		}
		t.Logf("%s: %v for %v", check, outcomes, reasons)
		if len(outcomes) < 4 {
			t.Errorf("%s has the slots %v, want at least 4", check, outcomes)
			continue
		}
		for _, o := range outcomes[2:] {
			if o != want {
				t.Errorf("%s came to %v, want %v from the third slot on", check, outcomes, want)
				break
			}
		}
	}
}

// figures asks the API what a network that was gone did to the indicators: nothing to those of the targets, and
// everything to that of the prober.
func (n *network) figures(p *program, spans map[string]*span) {
	n.t.Helper()
	for name, want := range map[string]float64{"fine": 1, "gone": 0} {
		if got := p.proberRatio("here", spans[name].inner()); got != want {
			n.t.Errorf("network %s: the prober SLI is %v, want %v", name, got, want)
		}
	}
	for check, want := range map[string]float64{"web": 1, "broken": 0, "closed": 1} {
		r := p.report(check, "here", spans["all"].inner())
		if r.Availability.Ratio == nil || *r.Availability.Ratio != want {
			n.t.Errorf("over a time without network %s has %+v of %+v, want an availability of %v", check, r.Availability, r.Slots, want)
		}
		if r.Coverage == nil || *r.Coverage >= 1 {
			n.t.Errorf("over a time without network %s has all slots covered: %+v", check, r.Slots)
		}
	}
}

// proberRatio is the prober SLI of a region over a window, once it has settled.
func (p *program) proberRatio(region, window string) float64 {
	p.t.Helper()
	var list struct{ Items []sli.ProberReport }
	p.until("has settled the window of the prober SLI", func() bool {
		code, body := p.get("/api/v1/probers?region=" + region + "&" + window)
		if err := json.Unmarshal([]byte(body), &list); code != http.StatusOK || err != nil {
			p.t.Fatalf("GET /api/v1/probers: %d %v in %s", code, err, body)
		}
		return len(list.Items) == 1 && list.Items[0].Settled
	})
	if list.Items[0].Ratio == nil {
		p.t.Fatalf("the prober SLI of %s over %s is undefined", region, window)
	}
	return *list.Items[0].Ratio
}

// A span is a time in which the network was in one state.
type span struct{ from, to time.Time }

func (s *span) during(t *testing.T, d time.Duration) {
	t.Helper()
	s.from = time.Now()
	wait(t, d)
	s.to = time.Now()
}

// inner is the part of a span, as the API's parameters, whose slots outcomes gives.
func (s *span) inner() string {
	return between(s.from.Add(time.Second), s.to.Add(-2500*time.Millisecond))
}

// between writes a window as the API's parameters.
func between(from, to time.Time) string {
	return url.Values{"from": {from.UTC().Format(time.RFC3339Nano)}, "to": {to.UTC().Format(time.RFC3339Nano)}}.Encode()
}

// outcomes gives what the slots well inside the span came to: not those that were still being judged, or begun,
// when the network changed.
func (s *span) outcomes(slots []sli.Slot) []sli.Outcome {
	var os []sli.Outcome
	for _, slot := range slots {
		if at := time.UnixMilli(slot.At); at.After(s.from.Add(time.Second)) && at.Before(s.to.Add(-2500*time.Millisecond)) {
			os = append(os, slot.Outcome)
		}
	}
	return os
}
