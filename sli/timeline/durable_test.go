package timeline

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
)

var errInjected = errors.New("injected")

// failBefore and failAfter are commits that fail: without having happened, and although they have.
func failBefore(*sql.Tx) error { return errInjected }

func failAfter(tx *sql.Tx) error { return errors.Join(tx.Commit(), errInjected) }

func TestCommitsThatFailEitherWay(t *testing.T) { everywhere(t, testCommitsThatFailEitherWay) }

func testCommitsThatFailEitherWay(t *testing.T, p place) {
	for name, commit := range map[string]func(*sql.Tx) error{"not stored": failBefore, "stored": failAfter} {
		t.Run(name, func(t *testing.T) {
			p := p.room(t, len(name))
			s := p.store(t)
			// A database that has no place for this hour's messages yet commits one by itself.
			ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("other")}}))
			at := noon.Add(-time.Minute)
			first := message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at)}})
			second := message(t, "p", probe.Batch{Results: []probe.Result{down("shop", at.Add(10*time.Second))}})

			s.db.commit = commit
			if err := s.Ingest(t.Context(), []Message{first}); !errors.Is(err, errInjected) {
				t.Fatalf("ingest: got %v, want the commit's error", err)
			}
			s.db.commit = (*sql.Tx).Commit
			// Whatever happened to the first message, it must not be lost to the journal's cleaning.
			ingest(t, s, second)
			s.db.commit = commit
			if err := s.step(t.Context(), 0); err == nil {
				t.Fatal("fold: got no error, want the commit's")
			}
			s.writing.Lock()
			if err := s.fold(t.Context(), everything); err == nil {
				t.Fatal("fold: got no error, want the commit's")
			}
			s.writing.Unlock()
			s.db.commit = (*sql.Tx).Commit
			if name == "not stored" {
				ingest(t, s, first) // the queue delivers again
			}
			const want = "up down{timeout} no_data"
			wantText(t, "in memory", want, outcomes(t, s, at, at.Add(30*time.Second)))
			foldAll(t, s)
			wantText(t, "folded", want, outcomes(t, s, at, at.Add(30*time.Second)))
			if n := rows(t, s, "journal"); n != 0 {
				t.Errorf("got %d rows in the journal, want none", n)
			}
		})
	}
}

// What tells a child process of the tests of kills where its store is, and which slots are its own: every third from
// the first on.
const (
	childDir      = "GAIKEI_TEST_TIMELINE_DIR"
	childDatabase = "GAIKEI_TEST_TIMELINE_DATABASE"
	childFirst    = "GAIKEI_TEST_TIMELINE_FIRST"
)

func TestMain(m *testing.M) {
	if first := os.Getenv(childFirst); first != "" {
		if err := ingestForEver(first); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	if err := shareChecks(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// shareChecks makes the number of draws of one round of what -rapid.checks asks for, or its default.
func shareChecks() error {
	flag.Parse()
	f := flag.Lookup("rapid.checks")
	n, err := strconv.Atoi(f.Value.String())
	if err != nil {
		return err
	}
	return f.Value.Set(strconv.Itoa(max(n/allRounds, 1)))
}

// ingestForEver takes in slots one after another and prints each that is safe, folding all the time.
func ingestForEver(from string) error {
	ctx := context.Background()
	o := Options{Dir: os.Getenv(childDir), Database: os.Getenv(childDatabase), Now: func() time.Time { return noon }}
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	first, err := strconv.Atoi(from)
	if err != nil {
		return err
	}
	for n := first; ; n += 3 {
		b := probe.Batch{
			Epochs:  []probe.Epoch{follow("shop"), follow("other")},
			Results: []probe.Result{up("shop", killSlot(n)), down("other", killSlot(n))},
		}
		if err := s.Ingest(ctx, []Message{message(fataler{}, "p", b)}); err != nil {
			return err
		}
		fmt.Println(n)
		if err := foldPart(ctx, s, uint32(n/3%3)); err != nil {
			return err
		}
	}
}

func foldPart(ctx context.Context, s *Store, n uint32) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if led, err := s.lead(ctx); !led {
		return err
	}
	if s.shared != nil {
		if err := s.tail(ctx); err != nil {
			return err
		}
	}
	return s.fold(ctx, part{n, 3})
}

// fataler ends the child where a test would fail.
type fataler struct{}

func (fataler) Helper() {}

func (fataler) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func killSlot(n int) time.Time {
	return noon.Add(-12 * time.Hour).Add(time.Duration(n) * 10 * time.Second)
}

// After any number of kills at random moments every slot whose Ingest had returned is there, as it was, once.
func TestKill(t *testing.T) { everywhere(t, testKill) }

func testKill(t *testing.T, p place) {
	children := 1
	if p.Database != "" {
		children = 3
	}
	next := []int{0, 1, 2}[:children]
	for range 6 {
		// All at once, and whoever is left ends when its turn comes.
		var ends []func() int
		for _, first := range next {
			ends = append(ends, startChild(t, p, first))
		}
		for i, end := range ends {
			if last := end(); last >= 0 {
				next[i] = last + 3
			}
		}
	}
	s := p.store(t)
	got := strings.Fields(outcomes(t, s, killSlot(0), killSlot(slices.Max(next))))
	slots := 0
	for i, end := range next {
		for n := i; n < end; n += 3 {
			slots++
			if got[n] != "up" {
				t.Errorf("slot %d: got %s, want up", n, got[n])
			}
		}
	}
	t.Logf("%d slots, %d rows left in the journal", slots, rows(t, s, "journal"))
}

// startChild starts a process that takes in slots; what is returned kills it and returns the last slot that it said
// was safe, -1 if none.
func startChild(t *testing.T, p place, first int) func() int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+p.Dir, childDatabase+"="+p.Database, childFirst+"="+strconv.Itoa(first))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() int { return killAfter(t, cmd, out, 1+rand.IntN(60)) }
}

// killAfter kills a child after so many lines, at whatever it does then, and returns the last number it printed.
func killAfter(t *testing.T, cmd *exec.Cmd, out io.Reader, lines int) int {
	t.Helper()
	last := -1
	scan := bufio.NewScanner(out)
	for scan.Scan() {
		n, err := strconv.Atoi(scan.Text())
		if err != nil {
			t.Fatalf("the child printed %q", scan.Text())
		}
		last = n
		if lines--; lines == 0 {
			// What is printed until the signal arrives counts too.
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v, want it killed", err)
	}
	return last
}

// smallDisk mounts a disk of a few MiB and returns its folder.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		if os.Getenv("CI") == "" && errors.Is(err, syscall.EPERM) {
			t.Skipf("SKIPPED, not tested: a full disk needs the right to mount a tmpfs: %v", err)
		}
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := smallDisk(t)
	s := openStore(t, dir, &clock{noon})
	defer s.Close()
	at := noon.Add(-time.Hour)
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at)}}))
	foldAll(t, s)

	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	var refused Message
	for n := 1; ; n++ {
		m := message(t, "p", probe.Batch{Results: []probe.Result{up("shop", at.Add(time.Duration(n)*10*time.Second))}})
		if err := s.Ingest(t.Context(), []Message{m}); err != nil {
			t.Logf("refused: %v", err)
			refused = m
			break
		}
		if n > 300 {
			t.Fatal("got 300 messages stored on a full disk")
		}
	}
	if !s.health.bad {
		t.Error("the fault was not noted")
	}
	before := outcomes(t, s, at, noon)
	if err := s.step(t.Context(), 0); err != nil {
		t.Logf("fold on the full disk: %v", err)
	}
	wantText(t, "after a fold that failed", before, outcomes(t, s, at, noon))

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	ingest(t, s, refused)
	foldAll(t, s)
	if s.health.bad {
		t.Error("the recovery was not noted")
	}
	wantText(t, "after the disk was freed", strings.Replace(before, "no_data", "up", 1), outcomes(t, s, at, noon))
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zeros := make([]byte, 4096)
	for {
		if _, err := f.Write(zeros); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
}
