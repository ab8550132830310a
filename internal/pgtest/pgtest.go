// Package pgtest gives tests a real PostgreSQL: the one installed, as a server of their own in a temporary folder.
package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Password is the password of the server's user, so that tests can look for it where it must not be.
const Password = "open-sesame-7"

// A Cluster starts one server when a test first asks for a database. The zero value is ready for use, for one package's
// tests: TestMain calls Stop at their end.
type Cluster struct {
	once    sync.Once
	server  *server
	err     error
	stopped chan struct{}
	count   atomic.Int64
}

type server struct {
	dir  string
	port int
	cmd  *exec.Cmd
}

// Database makes an empty database and returns its address. It goes with the server: dropping one takes
// long. Without PostgreSQL the test is skipped, and in CI fails.
func (c *Cluster) Database(tb testing.TB) string {
	tb.Helper()
	bin, err := programs()
	if err != nil {
		if os.Getenv("CI") == "" {
			tb.Skipf("SKIPPED, not tested: %v", err)
		}
		tb.Fatal(err)
	}
	c.once.Do(func() { c.start(bin) })
	if c.err != nil {
		tb.Fatal(c.err)
	}
	name := fmt.Sprintf("test%d", c.count.Add(1))
	if err := c.server.run("CREATE DATABASE " + name); err != nil {
		tb.Fatal(err)
	}
	return c.server.address(name)
}

// start starts the server from a thread that stays, for the server ends with it.
func (c *Cluster) start(bin string) {
	started := make(chan struct{})
	c.stopped = make(chan struct{})
	go func() {
		runtime.LockOSThread()
		c.server, c.err = start(bin)
		close(started)
		<-c.stopped
	}()
	<-started
}

// Stop stops the server, if one was started, and removes all it had.
func (c *Cluster) Stop() error {
	if c.server == nil {
		return nil
	}
	defer close(c.stopped)
	return c.server.stop()
}

// programs finds the folder of the newest installed server.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed (Debian package postgresql)")
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 of one elsewhere
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

func start(bin string) (_ *server, err error) {
	s := &server{}
	if s.dir, err = os.MkdirTemp("", "gaikei-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start PostgreSQL: %w", err), os.RemoveAll(s.dir))
		}
	}()
	who, err := owner(s.dir)
	if err != nil {
		return nil, err
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	if err := s.initialise(bin, who); err != nil {
		return nil, err
	}
	return s, s.launch(bin, who)
}

// owner makes the folder that of whom the server runs as, which must not be root.
func owner(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} // it must not outlive the tests
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, uid, gid)
}

// freePort returns a port of loopback below those that the kernel gives out by itself: one of these would soon be taken
// by a connection of a test beside.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("found no free port")
}

// initialise makes the files. The locale sorts in another way than bytes do, as most do.
func (s *server) initialise(bin string, who *syscall.SysProcAttr) error {
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(Password), 0o644); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(s.dir, "data"), "-U", "gaikei", "--pwfile", password,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "und", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = s.dir, who
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w:\n%s", err, out)
	}
	return nil
}

// launch starts the server and waits until it is ready.
func (s *server) launch(bin string, who *syscall.SysProcAttr) error {
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300", "-c", "autovacuum_naptime=1s")
	s.cmd.Dir, s.cmd.SysProcAttr = s.dir, who
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	s.cmd.Stderr = w
	err = s.cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	said := bufio.NewReader(r)
	for all := ""; ; {
		line, err := said.ReadString('\n')
		all += line
		if err != nil {
			return fmt.Errorf("it ended: %w:\n%s", s.cmd.Wait(), all)
		}
		if strings.Contains(line, "ready to accept connections") {
			break
		}
	}
	go io.Copy(io.Discard, said) // ends with the server
	return nil
}

func (s *server) stop() error {
	err := s.cmd.Process.Signal(syscall.SIGINT) // ends every session, then the server
	return errors.Join(err, s.cmd.Wait(), os.RemoveAll(s.dir))
}

func (s *server) address(database string) string {
	return fmt.Sprintf("postgres://gaikei:%s@127.0.0.1:%d/%s?sslmode=disable", Password, s.port, database)
}

func (s *server) run(statement string) error {
	ctx := context.Background()
	c, err := pgx.Connect(ctx, s.address("postgres"))
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, statement)
	return errors.Join(err, c.Close(ctx))
}

// Socket is the Unix socket of the server, which other network namespaces reach too; empty before the first Database.
func (c *Cluster) Socket() string {
	if c.server == nil {
		return ""
	}
	return filepath.Join(c.server.dir, fmt.Sprintf(".s.PGSQL.%d", c.server.port))
}
