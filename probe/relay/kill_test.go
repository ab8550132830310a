package relay

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

const (
	victimDir  = "GAIKEI_TEST_VICTIM_DIR"
	victimFrom = "GAIKEI_TEST_VICTIM_FROM"
)

// victim is the child process of TestKill: it puts results one by one and tells each that was put.
func victim(dir, from string) int {
	ctx := context.Background()
	first, err := strconv.Atoi(from)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	q, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	o := q.Outbox("tokyo", "p1")
	for n := first; ; n++ {
		o.Result(result(n))
		if err := o.flush(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(n)
	}
}

// Whatever a put returned for is there after kill -9, in order, and the folder can be opened again at once.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	var told []int
	for round := range 20 {
		told = append(told, killOne(t, dir, round*100_000, rand.IntN(60))...)
	}
	q := open(t, Options{Dir: dir})
	var c catcher
	run(t, func(ctx context.Context) error { return q.Consume(ctx, c.take) })
	until(t, "everything consumed", func() bool { return q.Status().Pending == 0 })

	got := make(map[int]bool)
	last := -1
	for _, n := range c.got() {
		if n <= last {
			t.Fatalf("got result %d after %d", n, last)
		}
		got[n], last = true, n
	}
	for _, n := range told {
		if !got[n] {
			t.Errorf("result %d is lost, though its put returned", n)
		}
	}
	t.Logf("%d puts returned, %d results in the queue", len(told), len(got))
}

// killOne runs a victim, kills it after it told some more results than given, and returns those.
func killOne(t *testing.T, dir string, from, after int) (told []int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir, victimFrom+"="+strconv.Itoa(from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("victim told %q", lines.Text())
		}
		told = append(told, n)
		if len(told) == after+1 {
			// At a random moment of a put, not only at the end of one.
			time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || len(told) <= after {
		t.Fatalf("victim ended by itself after %d puts: %v", len(told), err)
	}
	return told
}
