package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gaikei/gaikei/sli"
)

// TestMain lets the test binary stand in for the program: under the name gaikei, or with asProgram set, it is
// gaikei itself.
func TestMain(m *testing.M) {
	if a := os.Getenv(asTargets); a != "" {
		serveTargets(strings.Split(a, ","))
	}
	if os.Getenv(asProgram) != "" {
		main()
	}
	playChaos()
	// The tests mostly wait for slots, and not for a processor: as many as there are of those would take minutes.
	if err := flag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	testscript.Main(databaseTests{m}, map[string]func(){"gaikei": main})
}

// asProgram is the environment variable that makes the test binary be gaikei.
const asProgram = "GAIKEI_TEST_AS_PROGRAM"

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}

// program is a running gaikei of its own process.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	data   string
	listen string
	log    *syncBuffer
	waited chan error
}

// syncBuffer collects what a process prints.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// command makes a process of the program; prefix can put it into a namespace.
func command(ctx context.Context, prefix []string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	words := append(append(append([]string{}, prefix...), self), args...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// start runs `gaikei run` on a configuration and a data folder and waits until it is ready.
func start(t *testing.T, config, data string, prefix ...string) *program {
	t.Helper()
	p := launch(t, config, data, prefix...)
	p.until("is ready", func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusOK
	})
	return p
}

// launch runs `gaikei run` and does not wait.
func launch(t *testing.T, config, data string, prefix ...string) *program {
	t.Helper()
	p := &program{t: t, data: data, listen: "127.0.0.1:" + freePort(t), log: &syncBuffer{}, waited: make(chan error, 1)}
	p.cmd = command(t.Context(), prefix, "run", "-c", config, "--data", data, "--listen", p.listen, "--region", "all", "--scrape-interval", "2s")
	return p.begin()
}

// launchWith runs `gaikei run` with further flags and does not wait.
func launchWith(t *testing.T, config, data string, flags ...string) *program {
	t.Helper()
	p := &program{t: t, data: data, listen: "127.0.0.1:" + freePort(t), log: &syncBuffer{}, waited: make(chan error, 1)}
	p.cmd = command(t.Context(), nil, append([]string{"run", "-c", config, "--data", data, "--listen", p.listen}, flags...)...)
	return p.begin()
}

// begin starts the process.
func (p *program) begin() *program {
	t := p.t
	t.Helper()
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.waited <- p.cmd.Wait() }()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("the program printed:\n%s", p.log)
		}
	})
	return p
}

// freePort returns a port of loopback that was free a moment ago, and below those that the kernel gives out by itself:
// one of these would soon be taken by a connection of a test beside.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("found no free port")
	return ""
}

// until polls a condition of another process, for a minute at most.
func (p *program) until(what string, cond func() bool) {
	p.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case err := <-p.waited:
			p.t.Fatalf("the program ended before it %s: %v\n%s", what, err, p.log)
		case <-limit.C:
			p.t.Fatalf("a minute has passed and not: %s\n%s", what, p.log)
		}
	}
}

// client asks through the local socket, which works from other network namespaces too.
func (p *program) client() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(p.data, socketName))
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 10 * time.Second}
}

func (p *program) get(path string) (int, string) {
	resp, err := p.client().Get("http://local" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// report asks the API for one check in one region.
func (p *program) report(check, region, window string) sli.Report {
	p.t.Helper()
	code, body := p.get(fmt.Sprintf("/api/v1/sli?check=%s&region=%s&%s", check, region, window))
	if code != http.StatusOK {
		p.t.Fatalf("GET /api/v1/sli: %d %s", code, body)
	}
	var list struct{ Items []sli.Report }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		p.t.Fatalf("GET /api/v1/sli: %v in %s", err, body)
	}
	for _, r := range list.Items {
		if r.Region != nil && *r.Region == region {
			return r
		}
	}
	return sli.Report{}
}

// kill ends the program as a power cut would.
func (p *program) kill() {
	p.t.Helper()
	p.cmd.Process.Kill()
	<-p.waited
}

// stop ends the program in order and requires exit code 0.
func (p *program) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-p.waited; err != nil {
		p.t.Fatalf("after SIGTERM: %v\n%s", err, p.log)
	}
}

// writeFile puts a file into a folder and returns its path.
func writeFile(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(strings.TrimLeft(content, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
