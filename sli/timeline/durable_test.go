package timeline

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
			s := p.store(t)
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

// childFolder tells the child process of TestKill where its store is.
const childFolder = "GAIKEI_TEST_TIMELINE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		if err := ingestForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	code := m.Run()
	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// ingestForEver takes in slots one after another and prints each that is safe, folding all the time.
func ingestForEver(dir string) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: dir, Now: func() time.Time { return noon }})
	if err != nil {
		return err
	}
	first, err := strconv.Atoi(os.Getenv(childFolder + "_FIRST"))
	if err != nil {
		return err
	}
	for n := first; ; n++ {
		b := probe.Batch{Results: []probe.Result{up("shop", killSlot(n)), down("other", killSlot(n))}}
		if n == first {
			b.Epochs = []probe.Epoch{follow("shop"), follow("other")}
		}
		if err := s.Ingest(ctx, []Message{message(fataler{}, "p", b)}); err != nil {
			return err
		}
		fmt.Println(n)
		s.writing.Lock()
		err := s.fold(ctx, part{uint32(n % 3), 3})
		s.writing.Unlock()
		if err != nil {
			return err
		}
	}
}

// fataler ends the child where a test would fail.
type fataler struct{}

func (fataler) Helper() {}

func (fataler) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func killSlot(n int) time.Time {
	return noon.Add(-12 * time.Hour).Add(time.Duration(n) * 10 * time.Second)
}

// After any number of kills at random moments every slot whose Ingest had returned is there, as it was, once.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	next := 0
	for range 8 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childFolder+"="+dir, childFolder+"_FIRST="+strconv.Itoa(next))
		cmd.Stderr = t.Output()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		next = killAfter(t, cmd, out, 1+rand.IntN(60)) + 1
	}
	s := openStore(t, dir, &clock{noon})
	defer s.Close()
	got := strings.Fields(outcomes(t, s, killSlot(0), killSlot(next)))
	if len(got) != next {
		t.Fatalf("got %d slots, want %d", len(got), next)
	}
	for n, o := range got {
		if o != "up" {
			t.Errorf("slot %d: got %s, want up", n, o)
		}
	}
	t.Logf("%d slots, %d rows left in the journal", next, rows(t, s, "journal"))
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
