package relay

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
		// And acknowledged, or it would come again.
		until(t, "result", func() bool { return len(c.got()) > n && q.Status().Pending == 0 })
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

// A reopening that fails is tried again, for as long as it takes, and without a word in the log.
func TestReopenFails(t *testing.T) {
	var log journal
	dir := t.TempDir()
	q := open(t, Options{Dir: dir, Logger: log.logger()})
	o := q.Outbox("tokyo", "p")
	putOne(t, o, 0)
	var c catcher
	run(t, func(ctx context.Context) error { return q.Consume(ctx, c.take) })
	until(t, "first result", func() bool { return len(c.got()) == 1 })

	store, aside := filepath.Join(dir, "jetstream"), filepath.Join(dir, "aside")
	if err := errors.Join(os.Rename(store, aside), os.WriteFile(store, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := q.current()
	if err != nil {
		t.Fatal(err)
	}
	q.fail(s, errTest)
	run(t, q.Run)
	o.Result(result(1))
	until(t, "a failed reopening", func() bool { return strings.HasPrefix(q.Status().LastError, "reopen: ") })
	if err := o.Announce(t.Context(), []probe.Epoch{{Check: "shop"}}); err == nil || !strings.Contains(err.Error(), "is being reopened") {
		t.Errorf("got error %v, want one that tells of the reopening", err)
	}
	if _, _, err := o.Last(t.Context()); err == nil {
		t.Error("got no error from Last")
	}
	if st := q.Status(); !st.Broken || st.Held != 1 || st.SyncAlways {
		t.Errorf("got status %+v, want broken, one result held, and nothing known of a server", st)
	}
	if err := errors.Join(os.Remove(store), os.Rename(aside, store)); err != nil {
		t.Fatal(err)
	}
	until(t, "second result", func() bool { g := c.got(); return g[len(g)-1] == 1 })
	inOrder(t, c.got(), 2)
	if log.count("ERROR") != 1 || log.count("storage directory") != 1 {
		t.Errorf("got log\n%s\nwant one error and one complaint of the server", &log)
	}
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
