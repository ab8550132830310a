package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of its own, which is full soon.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mounting a small disk is not permitted here, but has to be in CI: %v", err)
		}
		t.Skipf("LEFT OUT: a full disk, since mounting one is not permitted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return dir
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); ; {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			if len(block) == 1 {
				return
			}
			block = block[:len(block)/2]
		}
	}
}

// The disk fills up under a queue at work, twice: it is loud once, loses nothing, and works again by itself.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, "16m")
	var log journal
	q := open(t, Options{Dir: filepath.Join(disk, "queue"), MaxBytes: 8 << 20, Logger: log.logger()})
	o := q.Outbox("tokyo", "p")
	stop := run(t, q.Run)
	var c catcher
	consumed := run(t, func(ctx context.Context) error { return q.Consume(ctx, c.take) })

	n := 0
	put := func(rows int) {
		for range rows {
			o.Result(result(n))
			n++
		}
	}
	big := filepath.Join(disk, "big")
	for round := range 2 {
		put(100)
		until(t, "results before", func() bool { return q.Status().Held == 0 })
		fill(t, big)
		until(t, "broken", func() bool {
			put(10)
			pause(t.Context(), time.Millisecond)
			return q.Status().Broken
		})
		for range 50 {
			put(10)
			pause(t.Context(), time.Millisecond)
		}
		if got := log.count("is broken"); got != round+1 {
			t.Errorf("round %d: got %d lines about the fault, want one a round:\n%s", round, got, &log)
		}
		if err := os.Remove(big); err != nil {
			t.Fatal(err)
		}
		put(10)
		until(t, "works again", func() bool { st := q.Status(); return !st.Broken && st.Held == 0 })
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	last := n - 1
	until(t, "everything consumed", func() bool { g := c.got(); return len(g) > 0 && g[len(g)-1] == last })
	if err := consumed(); err != nil {
		t.Fatal(err)
	}
	inOrder(t, c.got(), n)
	if st := q.Status(); st.Dropped != nil || st.Reopened < 2 {
		t.Errorf("got status %+v, want no drop and a reopening a round", st)
	}
	shut(t, q) // before its disk goes
}

// inOrder verifies that every result up to n is there, the first time after all before it.
func inOrder(t *testing.T, got []int, n int) {
	t.Helper()
	next := 0
	for _, g := range got {
		if g > next {
			t.Fatalf("got result %d before %d", g, next)
		}
		if g == next {
			next++
		}
	}
	if next != n {
		t.Errorf("got results up to %d, want up to %d", next-1, n-1)
	}
}

// Every put that returned before the disk was full is there afterwards, and every one after it was freed.
func TestFullDiskLosesNoPut(t *testing.T) {
	disk := smallDisk(t, "12m")
	dir := filepath.Join(disk, "queue")
	q := open(t, Options{Dir: dir, MaxBytes: 8 << 20})
	ctx := t.Context()
	s, err := q.current()
	if err != nil {
		t.Fatal(err)
	}
	var stored []string
	put := func(s *session, i int) error {
		msg := make([]byte, 10+rand.IntN(20_000))
		copy(msg, fmt.Sprintf("%06d", i))
		err := publish(ctx, s, subjectOf(resultSubject, "tokyo", "p"), msg)
		if err == nil {
			stored = append(stored, string(msg[:6]))
		}
		return err
	}
	fill(t, filepath.Join(disk, "big"))
	i := 0
	for ; put(s, i) == nil; i++ { // tmpfs had some pages left
	}
	if err := os.Truncate(filepath.Join(disk, "big"), 1<<20); err != nil {
		t.Fatal(err)
	}
	q.fail(s, errTest)
	q.reopen(ctx)
	if s, err = q.current(); err != nil {
		t.Fatal(err)
	}
	for i++; len(stored) < 300; i++ {
		if err := put(s, i); err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[string]bool)
	stop := run(t, func(ctx context.Context) error {
		return q.Consume(ctx, func(_ context.Context, ms []Message) error {
			for _, m := range ms {
				got[string(m.Payload[:6])] = true
			}
			return nil
		})
	})
	until(t, "all consumed", func() bool { return q.Status().Pending == 0 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	shut(t, q) // before its disk goes
	for _, m := range stored {
		if !got[m] {
			t.Errorf("message %s is lost, though its put returned", m)
		}
	}
}
