package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gaikei/gaikei/probe"
)

var errTest = errors.New("made to fail")

// Promise by promise: an error of a put may come with the message stored or without it. Either way it is put
// again, nothing is lost, and nothing that was put later comes first.
func TestPutFails(t *testing.T) {
	stored := func(ctx context.Context, s *session, subject string, msg []byte) error {
		return errors.Join(publish(ctx, s, subject, msg), errTest)
	}
	lost := func(context.Context, *session, string, []byte) error { return errTest }
	for _, c := range []struct {
		name string
		fail func(context.Context, *session, string, []byte) error
		want []int
	}{
		{"error and stored", stored, []int{0, 1, 2, 2, 3, 4}},
		{"error and not stored", lost, numbers(0, 5)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log journal
			q := open(t, Options{Dir: t.TempDir(), Logger: log.logger()})
			q.tune.chunk = 1
			puts := 0
			q.publish = func(ctx context.Context, s *session, subject string, msg []byte) error {
				puts++
				if puts == 3 {
					return c.fail(ctx, s, subject, msg)
				}
				return publish(ctx, s, subject, msg)
			}
			o := q.Outbox("tokyo", "p")
			for n := range 5 {
				o.Result(result(n))
			}
			for q.Status().Held > 0 {
				q.step(t.Context())
			}
			if st := q.Status(); st.Broken || st.Reopened != 1 || st.LastError != errTest.Error() || st.Dropped != nil {
				t.Errorf("got status %+v, want one reopening and nothing dropped", st)
			}
			if log.count("is broken") != 1 || log.count("works again") != 1 {
				t.Errorf("got log\n%s\nwant one line for the fault and one for its end", &log)
			}
			var got catcher
			run(t, func(ctx context.Context) error { return q.Consume(ctx, got.take) })
			until(t, "all results", func() bool { return len(got.got()) == len(c.want) })
			diff(t, c.want, got.got())
		})
	}
}

// An announcement that fails tells so, and breaks the queue until it is reopened.
func TestAnnounceFails(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	var fail atomic.Bool
	q.publish = func(ctx context.Context, s *session, subject string, msg []byte) error {
		if fail.Load() {
			return errTest
		}
		return publish(ctx, s, subject, msg)
	}
	o := q.Outbox("tokyo", "p")
	fail.Store(true)
	if err := o.Announce(t.Context(), []probe.Epoch{{Check: "shop"}}); !errors.Is(err, errTest) {
		t.Errorf("got error %v, want %v", err, errTest)
	}
	if st := q.Status(); !st.Broken || st.Since.IsZero() {
		t.Errorf("got status %+v, want broken", st)
	}
	fail.Store(false)
	run(t, q.Run)
	until(t, "repaired", func() bool { return !q.Status().Broken })
	if err := o.Announce(t.Context(), []probe.Epoch{{Check: "shop"}}); err != nil {
		t.Error(err)
	}
	if err := o.Announce(t.Context(), []probe.Epoch{{Check: "NO"}}); err == nil {
		t.Error("announced a check that cannot be")
	}
}

// The end of a caller's context is no fault of the queue.
func TestAnnounceIsCancelled(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Outbox("tokyo", "p").Announce(ctx, []probe.Epoch{{Check: "shop"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
	if q.Status().Broken {
		t.Error("queue is broken, want it whole")
	}
}

// A server that gives up by itself is noticed without a put.
func TestServerStops(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	o := q.Outbox("tokyo", "p")
	run(t, q.Run)
	var c catcher
	run(t, func(ctx context.Context) error { return q.Consume(ctx, c.take) })
	for n := range 3 {
		o.Result(result(n))
		until(t, "result", func() bool { return len(c.got()) > n })
		q.mu.Lock()
		s := q.session
		q.mu.Unlock()
		s.server.Shutdown()
		until(t, "reopened", func() bool { st := q.Status(); return st.Reopened == n+1 && !st.Broken })
	}
	o.Result(result(3))
	until(t, "last result", func() bool { return len(c.got()) == 4 })
	diff(t, numbers(0, 4), c.got())
}

// While the queue is broken, memory is bounded: the oldest results go, and it is told which.
func TestMemoryIsBounded(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	q.tune.chunk, q.tune.held = 10, 200
	var fail atomic.Bool
	fail.Store(true)
	q.publish = func(ctx context.Context, s *session, subject string, msg []byte) error {
		if fail.Load() {
			return errTest
		}
		return publish(ctx, s, subject, msg)
	}
	a, b := q.Outbox("tokyo", "a"), q.Outbox("tokyo", "b")
	b.Missed(probe.MissedRange{Check: "shop", From: 1795392000000, To: 1795392060000, Reason: probe.Late})
	for n := range 255 {
		a.Result(result(n))
		if n%20 == 9 { // at the end of a chunk
			q.step(t.Context())
		}
	}
	at := func(n int) time.Time { return time.UnixMilli(result(n).Slot) }
	st := q.Status()
	diff(t, []Drop{{Cause: DroppedMemory, From: at(0), To: at(159), Count: 160}}, st.Dropped)
	if st.Held != 95+1 {
		t.Errorf("got %d rows held, want 96", st.Held)
	}
	fail.Store(false)
	run(t, q.Run)
	var c catcher
	run(t, func(ctx context.Context) error { return q.Consume(ctx, c.take) })
	until(t, "what was held", func() bool { return q.Status().Held == 0 && len(c.got()) == 95 })
	diff(t, numbers(160, 255), c.got())
}

// A result that no message can hold does not block the others.
func TestInvalidResult(t *testing.T) {
	var log journal
	q := open(t, Options{Dir: t.TempDir(), Logger: log.logger()})
	o := q.Outbox("tokyo", "p")
	bad := result(1)
	bad.Outcome = 0
	o.Result(result(0))
	o.Result(bad)
	o.Result(result(2))
	o.Missed(probe.MissedRange{Check: "shop"})
	o.Missed(probe.MissedRange{Check: "shop", From: 1, To: 2})
	if err := q.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var c catcher
	run(t, func(ctx context.Context) error { return q.Consume(ctx, c.take) })
	until(t, "the others", func() bool { return len(c.got()) == 2 })
	diff(t, []int{0, 2}, c.got())
	if d := q.Status().Dropped; len(d) != 2 || d[0].Cause != DroppedInvalid || d[0].Count+d[1].Count != 2 {
		t.Errorf("got drops %+v, want two invalid rows", d)
	}
	if log.count("cannot be sent") != 1 {
		t.Errorf("got log\n%s\nwant one line", &log)
	}
}

// smallDisk mounts a file system of its own, which is full soon.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
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
	run(t, func(ctx context.Context) error {
		return q.Consume(ctx, func(_ context.Context, ms []Message) error {
			for _, m := range ms {
				got[string(m.Payload[:6])] = true
			}
			return nil
		})
	})
	until(t, "all consumed", func() bool { return q.Status().Pending == 0 })
	shut(t, q)
	for _, m := range stored {
		if !got[m] {
			t.Errorf("message %s is lost, though its put returned", m)
		}
	}
}
