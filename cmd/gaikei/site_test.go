package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli/web"
)

// A site is an aggregator and its probers, each a process of its own.
type site struct {
	*program // the aggregator, once it runs
	t        *testing.T
	dir      string
	config   string // path
	accept   string // where the probers connect
}

func newSite(t *testing.T, config string) *site {
	t.Helper()
	dir := t.TempDir()
	return &site{t: t, dir: dir, config: writeFile(t, dir, "gaikei.yaml", config), accept: "127.0.0.1:" + freePort(t)}
}

// aggregate starts the aggregator and waits until it is ready.
func (s *site) aggregate(flags ...string) {
	s.t.Helper()
	p := &program{t: s.t, data: filepath.Join(s.dir, "data"), listen: "127.0.0.1:" + freePort(s.t), log: &syncBuffer{}, waited: make(chan error, 1)}
	args := append([]string{"aggregator", "-c", s.config, "--data", p.data, "--listen", p.listen, "--accept", s.accept}, flags...)
	p.cmd = command(s.t.Context(), nil, args...)
	s.program = p.begin()
	s.until("is ready", func() bool {
		code, _ := s.get("/readyz")
		return code == http.StatusOK
	})
}

// enroll makes credentials and returns the path of their file. How is enroll or rotate.
func (s *site) enroll(how, region, name string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "prober.creds")
	if code, _, errs := gaikei(s.t, "probers", how, "--data", s.data, "--region", region, "--name", name, "--out", path); code != exitFine {
		s.t.Fatalf("%s %s in %s: exit code %d: %s", how, name, region, code, errs)
	}
	return path
}

// probe starts a prober that has nothing but its credentials and an empty folder. Words with = are of its environment.
func (s *site) probe(creds string, words ...string) *program {
	s.t.Helper()
	return s.probeIn(s.t.TempDir(), creds, words...)
}

// probeIn is probe in a folder that may have been used before.
func (s *site) probeIn(dir, creds string, words ...string) *program {
	s.t.Helper()
	p := &program{t: s.t, data: filepath.Join(dir, "gaikei-prober"), log: &syncBuffer{}, waited: make(chan error, 1)}
	args, env := []string{"prober", "--creds", creds}, []string{}
	for _, w := range words {
		if name, _, is := strings.Cut(w, "="); is && !strings.HasPrefix(name, "-") {
			env = append(env, w)
		} else {
			args = append(args, w)
		}
	}
	p.cmd = command(s.t.Context(), nil, args...)
	p.cmd.Dir, p.cmd.Env = dir, append(p.cmd.Env, env...)
	return p.begin()
}

// says waits until a process has printed a text.
func (p *program) says(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("says %q", text), func() bool { return strings.Contains(p.log.String(), text) })
}

// list asks the API for a list.
func list[T any](p *program, path string) []T {
	p.t.Helper()
	code, body := p.get(path)
	var l struct{ Items []T }
	if err := json.Unmarshal([]byte(body), &l); err != nil || code != http.StatusOK {
		p.t.Fatalf("GET %s: %d, %v in %s", path, code, err, body)
	}
	return l.Items
}

// follow waits until n probers are present and follow a revision of the plan with an empty queue.
func (s *site) follow(n int, revision int64) {
	s.t.Helper()
	s.until(fmt.Sprintf("hears %d probers that follow revision %d", n, revision), func() bool {
		there := 0
		for _, p := range list[web.Presence](s.program, "/api/v1/presence") {
			if p.State == web.ProberPresent && p.Revision == revision {
				there++
			}
		}
		return there == n
	})
}

// A wire is a way from probers to the aggregator that can be cut.
type cable struct {
	net.Listener
	to string

	mu    sync.Mutex // guards what follows
	isCut bool
	conns []net.Conn
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{Listener: l, to: to}
	t.Cleanup(func() {
		l.Close()
		c.cut(true)
	})
	go c.serve()
	return c
}

func (c *cable) serve() {
	for {
		near, err := c.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to)
		c.mu.Lock()
		if err != nil || c.isCut {
			near.Close()
			if far != nil {
				far.Close()
			}
		} else {
			c.conns = append(c.conns, near, far)
			go io.Copy(near, far)
			go io.Copy(far, near)
		}
		c.mu.Unlock()
	}
}

// cut ends what is connected, and lets nothing through until it is mended.
func (c *cable) cut(isCut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = isCut
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// urls is the flag by which a prober goes this way.
func (c *cable) url() []string { return []string{"--url", "nats://" + c.Addr().String()} }

// asked returns when a path was asked for, in order.
func (l *accessLog) asked(name string) []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]time.Time{}, l.seen[name]...)
}
