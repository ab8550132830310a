//go:build chaos

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// An arena is all that runs in TestChaos: a cluster of three servers, two aggregators on one database, four probers, three
// regions, of which one has two probers, and the world that they look at.
type arena struct {
	ctx     context.Context // ends when somebody wants the test to end
	dir     string          // of everything
	binary  string          // gaikei, built with the tag chaos
	land    *land
	script  script
	journal string // path of the probers' journal, common to all

	world    *process
	nats     []*node
	centres  []*centreNode
	probers  []*proberNode
	desk     *process // the harness's own way to the cluster
	database string   // address that commands on this machine use

	config string // path
}

// A node is a server of the cluster.
type node struct {
	*process
	store string
}

// A centreNode is an aggregator, with its ways to the cluster and to the database.
type centreNode struct {
	*process
	data  string
	link  *process
	base  *process // to the database
	mu    sync.Mutex
	leads time.Time // when it last said that it folds; zero: not in this life. Guarded by mu
}

// A proberNode is a prober, with its way to the cluster.
type proberNode struct {
	*process
	region, prober, home string
	data, skew           string
	link                 *process
	mu                   sync.Mutex
	offClock             []time.Time // when it said that its clock is off; guarded by mu
}

const natsPort = 4222

func (s *arena) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

// gaikei runs a command of the program on this machine and returns what it printed.
func (s *arena) gaikei(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Env = append(os.Environ(), databaseVariable+"="+s.database)
	out, err := cmd.Output()
	if err != nil {
		text := ""
		if e, ok := err.(*exec.ExitError); ok {
			text = string(e.Stderr)
		}
		return "", fmt.Errorf("gaikei %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return string(out), nil
}

func (s *arena) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.gaikei(s.ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// openArena makes everything and waits until every prober has a plan.
func openArena(t *testing.T, ctx context.Context, seed uint64) *arena {
	t.Helper()
	dir := keptFolder(t)
	s := &arena{ctx: ctx, dir: dir, script: script{seed, time.Now()}, land: newLand(t), journal: filepath.Join(dir, "journal"), binary: filepath.Join(dir, "gaikei"), config: filepath.Join(dir, "gaikei.yaml")}
	build := exec.Command("go", "build", "-tags", "chaos", "-o", s.binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s.database = cluster.Database(t)
	if err := s.configure(0); err != nil {
		t.Fatal(err)
	}
	s.openWorld(t)
	s.openCluster(t)
	for n := range 2 {
		s.openCentre(t, n)
	}
	for _, c := range s.centres {
		s.wait(t, c.name+" is ready", 3*time.Minute, func() bool { return c.ready() })
	}
	for _, p := range s.probers {
		s.begin(t, p.process)
	}
	return s
}

// wait waits for something that is slow on a slow machine, but not for a process that has ended.
func (s *arena) wait(t *testing.T, what string, limit time.Duration, cond func() bool) {
	t.Helper()
	var fallen []string
	err := await(s.ctx, what, limit, func() bool {
		fallen = s.fallen()
		return len(fallen) > 0 || cond()
	})
	if err != nil || len(fallen) > 0 {
		t.Fatal(err, fallen)
	}
}

// fallen says which processes ended by themselves.
func (s *arena) fallen() (all []string) {
	for _, p := range s.everybody() {
		if p != nil {
			all = append(all, p.endedByItself()...)
		}
	}
	return all
}

func await(ctx context.Context, what string, limit time.Duration, cond func() bool) error {
	late := fmt.Errorf("%v have passed and not: %s", limit, what)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// begin starts a process until the test ends.
func (s *arena) begin(t *testing.T, p *process) {
	t.Helper()
	t.Cleanup(func() {
		p.signal(syscall.SIGCONT) // one that is gone needs none
		p.kill()
	})
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

// beginReady starts a process that says when it is ready.
func (s *arena) beginReady(t *testing.T, p *process) {
	t.Helper()
	s.begin(t, p)
	s.wait(t, p.name+" is ready", 30*time.Second, func() bool { return strings.Contains(p.logged(), "ready\n") })
}

func (s *arena) openWorld(t *testing.T) {
	s.land.settle(t, "world", "192.0.2.10", "192.0.2.11", "192.0.2.12")
	wall := append(s.land.in("world"), "nft", "table inet wall { chain in { type filter hook input priority 0; tcp dport 7003 drop; }; }")
	if err := execute(wall...); err != nil {
		t.Fatal(err)
	}
	s.world = played("world", "world", s.path("world.log"), s.land.in("world"),
		s.path("access"), fmt.Sprint(s.script.seed), fmt.Sprint(s.script.begun.UnixNano()))
	s.beginReady(t, s.world)
}

// openCluster makes all credentials, and starts the servers that know them.
func (s *arena) openCluster(t *testing.T) {
	s.must(t, "cluster", "credentials", "--url", "nats://127.0.0.1:4222", "--out", s.path("centre.creds"))
	for _, id := range [][3]string{{"tokyo", "a", "192.0.2.41"}, {"tokyo", "b", "192.0.2.42"}, {"osaka", "p", "192.0.2.43"}, {"paris", "p", "192.0.2.44"}} {
		s.openProber(t, id[0], id[1], id[2])
	}
	accounts := s.must(t, "cluster", "config", "--data", s.path("none"), "--cluster-creds", s.path("centre.creds"))
	var routes, servers []string
	for n := range 3 {
		address := fmt.Sprintf("192.0.2.2%d", n+1)
		routes, servers = append(routes, fmt.Sprintf("%q", "nats://"+address+":6222")), append(servers, fmt.Sprintf("%s:%d", address, natsPort))
	}
	for n := range 3 {
		name, address := fmt.Sprintf("nats%d", n+1), fmt.Sprintf("192.0.2.2%d", n+1)
		s.land.settle(t, name, address)
		x := &node{store: s.path(name)}
		s.land.mount(t, x.store, "512m")
		text := fmt.Sprintf("server_name: %s\nlogtime: true\nlisten: \"%s:%d\"\njetstream {store_dir: %q, sync_interval: always, max_file_store: 8GB}\n"+
			"cluster {name: gaikei, listen: \"%s:6222\", routes: [%s], no_advertise: true}\n%s",
			name, address, natsPort, x.store, address, strings.Join(routes, ", "), accounts)
		x.process = played(name, "nats", s.path(name+".log"), s.land.in(name), writeFile(t, s.dir, name+".conf", text))
		s.nats = append(s.nats, x)
		s.begin(t, x.process)
	}
	for _, p := range s.probers {
		p.link = s.openLink(t, "link-"+p.name, p.name, servers)
	}
	s.land.settle(t, "desk", "192.0.2.60")
	s.desk = s.openLink(t, "desk", "desk", servers)
	for n := range 2 {
		name := fmt.Sprintf("centre%d", n+1)
		s.land.settle(t, name, fmt.Sprintf("192.0.2.5%d", n+1))
		s.centres = append(s.centres, &centreNode{link: s.openLink(t, "link-"+name, name, servers)})
	}
}

// openLink starts the relay between what runs in a namespace and the cluster's servers. The harness reaches it by a socket.
func (s *arena) openLink(t *testing.T, name, home string, servers []string) *process {
	return s.openBypass(t, name, home, fmt.Sprintf("127.0.0.1:%d,%s", natsPort, s.path(name+".sock")), servers)
}

func (s *arena) openBypass(t *testing.T, name, home, listen string, to []string) *process {
	p := played(name, "bypass", s.path(name+".log"), s.land.in(home), append([]string{listen}, to...)...)
	s.beginReady(t, p)
	return p
}

// openCentre starts an aggregator. The way from its namespace to the database is a Unix socket, at the other end of a relay.
func (s *arena) openCentre(t *testing.T, n int) {
	c, name := s.centres[n], fmt.Sprintf("centre%d", n+1)
	const base = "127.0.0.1:5432"
	c.data, c.base = s.path(name), s.openBypass(t, "base-"+name, name, base, []string{cluster.Socket()})
	address, err := url.Parse(s.database)
	if err != nil {
		t.Fatal(err)
	}
	address.Host = base
	c.process = &process{
		name: name, log: s.path(name + ".log"), said: c.heard, patient: true, env: []string{databaseVariable + "=" + address.String()},
		args: append(s.land.in(name), s.binary, "aggregator", "-c", s.config, "--data", c.data, "--cluster-creds", s.path("centre.creds"), "--replicas", "3"),
	}
	s.begin(t, c.process)
}

func (c *centreNode) heard(line string) {
	if strings.Contains(line, "this process folds the timelines now") {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.leads = time.Now()
	}
}

// get asks the aggregator through its local socket.
func (c *centreNode) get(path string) (int, string) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(c.data, socketName))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Get("http://local" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

func (c *centreNode) ready() bool {
	code, _ := c.get("/readyz")
	return code == http.StatusOK
}

// openProber enrolls a prober. Its folder is on a disk of its own, in memory, that can fill up.
func (s *arena) openProber(t *testing.T, region, prober, address string) {
	name := region + "-" + prober
	p := &proberNode{region: region, prober: prober, home: address, data: s.path(name), skew: s.path(name + ".skew")}
	s.must(t, "probers", "enroll", "--data", s.path("none"), "--region", region, "--name", prober, "--url", "nats://127.0.0.1:4222", "--out", s.path(name+".creds"))
	s.land.settle(t, name, address)
	s.land.mount(t, p.data, "48m")
	p.process = &process{
		name: name, log: s.path(name + ".log"), said: p.heard,
		env:  []string{skewVariable + "=" + p.skew, journalVariable + "=" + s.journal + "-" + name},
		args: append(s.land.in(name), s.binary, "prober", "--creds", s.path(name+".creds"), "--data", p.data),
	}
	s.probers = append(s.probers, p)
}

func (p *proberNode) heard(line string) {
	if strings.Contains(line, "the clock is off the aggregator's") {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.offClock = append(p.offClock, time.Now())
	}
}

// variants of the configuration: the interval of shape, and whether guest is there.
func (s *arena) configure(variant int) error {
	var b strings.Builder
	b.WriteString(`regions: {tokyo: {}, osaka: {weight: 2}, paris: {}}
controls:
  targets:
    - {http: {url: "http://192.0.2.11/"}}
    - {tcp: {address: "192.0.2.12:80"}}
defaults: {interval: 1s, timeout: 800ms}
checks:
`)
	for _, t := range chaosTargets() {
		if t.name == "guest" && variant%2 == 1 {
			continue
		}
		yaml := t.yaml
		if t.name == "shape" {
			yaml = fmt.Sprintf(t.yaml, []string{"1s", "2s", "3s"}[variant%3])
		}
		fmt.Fprintf(&b, "  - {name: %s, %s}\n", t.name, yaml)
	}
	next := s.config + ".next"
	if err := os.WriteFile(next, []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(next, s.config)
}

// everybody is every process that may not end by itself.
func (s *arena) everybody() []*process {
	all := []*process{s.world, s.desk}
	for _, x := range s.nats {
		all = append(all, x.process)
	}
	for _, c := range s.centres {
		all = append(all, c.process, c.link, c.base)
	}
	for _, p := range s.probers {
		all = append(all, p.process, p.link)
	}
	return all
}
