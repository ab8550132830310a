package relay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

func TestPutAndConsume(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	stop := run(t, q.Run)
	var c catcher
	run(t, func(ctx context.Context) error { return q.Consume(ctx, c.take) })

	tokyo := q.Outbox("tokyo.east", "p-1.x")
	if err := tokyo.Announce(t.Context(), []probe.Epoch{{Check: "shop"}}); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		tokyo.Result(result(n))
	}
	until(t, "ten results", func() bool { return len(c.got()) == 10 })
	// What comes in last is put when Run ends.
	tokyo.Result(result(10))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	until(t, "the last result", func() bool { return len(c.got()) == 11 })
	diff(t, numbers(0, 11), c.got())
	if n := c.from["tokyo.east/p-1.x"]; n < 2 || len(c.from) != 1 {
		t.Errorf("got messages %v, want at least 2, all from tokyo.east/p-1.x", c.from)
	}
}

// What the design promises of the stream is asked of the server itself.
func TestServerSettings(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Options{Dir: dir, MaxBytes: 5 << 20})
	info, err := q.session.server.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Config: true})
	if err != nil {
		t.Fatal(err)
	}
	if !info.Config.SyncAlways || !q.Status().SyncAlways {
		t.Errorf("got SyncAlways %t from the server and %t from the status, want both on", info.Config.SyncAlways, q.Status().SyncAlways)
	}
	if !strings.HasPrefix(info.Config.StoreDir, dir) {
		t.Errorf("got store in %s, want it below %s", info.Config.StoreDir, dir)
	}
	if a := q.session.server.Addr(); a != nil {
		t.Errorf("server listens on %v, want nowhere", a)
	}
	for _, s := range info.AccountDetails[0].Streams {
		c := s.Config
		got := fmt.Sprintf("%s %v %v %v %v %v %d", c.Name, c.Subjects, c.Retention, c.Discard, c.Storage, c.MaxAge, c.MaxBytes)
		want := map[string]string{
			"NEAR":     "NEAR [gaikei.result.*.*] Limits DiscardOld File 72h0m0s 5242880",
			"EVIDENCE": "EVIDENCE [gaikei.evidence.*.*] WorkQueue DiscardOld Memory 0s 4194304",
		}[c.Name]
		if got != want {
			t.Errorf("stream\n-%s\n+%s", want, got)
		}
	}
}

func TestMaxBytesByFreeDisk(t *testing.T) {
	dir := t.TempDir()
	free, err := freeBytes(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := chooseMaxBytes(dir)
	if err != nil {
		t.Fatal(err)
	}
	if free >= 5<<30 && got != 1<<30 || got > max(free/4+1<<26, minMaxBytes) && got != 1<<30 {
		t.Errorf("got %d bytes with %d free, want the less of 1 GiB and a quarter", got, free)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Options{Dir: dir})
	_, err := Open(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("got error %v, want ErrLocked", err)
	}
	for _, want := range []string{dir, fmt.Sprintf("process %d", os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got error %q, want it to name %q", err, want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got error %v, want ErrLocked by another process", err)
	}
	shut(t, q)
	open(t, Options{Dir: dir})
}

func TestOpenInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got error %v, want one that names %s", err, path)
	}
}

// A folder whose queue cannot be opened is left unlocked.
func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	blocker := filepath.Join(dir, "jetstream")
	if err := os.WriteFile(blocker, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got error %v, want one that names %s", err, dir)
	}
	if err := os.Remove(blocker); err != nil {
		t.Fatal(err)
	}
	open(t, Options{Dir: dir})
}

func TestLast(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Options{Dir: dir})
	a, b := q.Outbox("tokyo", "a"), q.Outbox("tokyo", "b")
	if at, found, err := a.Last(t.Context()); found || err != nil {
		t.Fatalf("got %v, %t, %v, want none", at, found, err)
	}
	before := time.Now()
	a.Result(result(1))
	if err := q.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	if _, found, err := b.Last(t.Context()); found || err != nil {
		t.Errorf("prober b: got a message of another prober, or error %v", err)
	}
	shut(t, q)

	q = open(t, Options{Dir: dir})
	at, found, err := q.Outbox("tokyo", "a").Last(t.Context())
	if !found || err != nil || at.Before(before) || at.After(after) {
		t.Errorf("got %v, %t, %v, want a time in [%v, %v]", at, found, err, before, after)
	}
}

func TestNamesThatCannotBe(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	for _, name := range []string{"", "a_b", ">", "*", "a b", "A"} {
		o := q.Outbox(name, "p")
		if err := o.Announce(t.Context(), []probe.Epoch{{Check: "shop"}}); err == nil {
			t.Errorf("region %q: got no error", name)
		}
		if _, _, err := o.Last(t.Context()); err == nil {
			t.Errorf("region %q: got no error from Last", name)
		}
	}
}

func TestClosed(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	o := q.Outbox("tokyo", "a")
	shut(t, q)
	shut(t, q)
	if err := o.Announce(t.Context(), []probe.Epoch{{Check: "shop"}}); !errors.Is(err, ErrClosed) {
		t.Errorf("announce: got error %v, want ErrClosed", err)
	}
	if _, _, err := o.Last(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("last: got error %v, want ErrClosed", err)
	}
	if err := q.Consume(t.Context(), (&catcher{}).take); !errors.Is(err, ErrClosed) {
		t.Errorf("consume: got error %v, want ErrClosed", err)
	}
	o.Result(result(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Run(ctx); !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "1 results were not put") {
		t.Errorf("run: got error %v, want ErrClosed and the loss of a result", err)
	}
	diff(t, []Drop{{Cause: DroppedStopped, From: time.UnixMilli(result(1).Slot), To: time.UnixMilli(result(1).Slot), Count: 1}}, q.Status().Dropped)
}

func TestSubjects(t *testing.T) {
	for _, c := range []struct{ region, prober, want string }{
		{"tokyo", "p1", "gaikei.result.tokyo.p1"},
		{"eu.west-1", "a.b.c", "gaikei.result.eu_west-1.a_b_c"},
	} {
		got := subjectOf(resultSubject, c.region, c.prober)
		if got != c.want {
			t.Errorf("got subject %q, want %q", got, c.want)
		}
		region, prober, err := fromSubject(resultSubject, got)
		if region != c.region || prober != c.prober || err != nil {
			t.Errorf("subject %q: got %q, %q, %v, want %q, %q", got, region, prober, err, c.region, c.prober)
		}
	}
	for _, s := range []string{"", "gaikei.result.a", "gaikei.result.a.b.c", "gaikei.result..b", "gaikei.result._.b", "gaikei.plan.a.b", "other.a.b"} {
		if _, _, err := fromSubject(resultSubject, s); err == nil {
			t.Errorf("subject %q: got no error", s)
		}
	}
}

// A queue may be opened with much less room than it had.
func TestLessRoom(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Options{Dir: dir, MaxBytes: 1 << 30})
	putOne(t, q.Outbox("tokyo", "p"), 1)
	shut(t, q)
	q = open(t, Options{Dir: dir, MaxBytes: 5 << 20})
	if st := q.Status(); st.Messages != 1 || st.MaxBytes != 5<<20 {
		t.Errorf("got status %+v, want one message and the new bound", st)
	}
}

// The witness hears of every message before and after its put, also of a put that fails and is repeated.
func TestWitness(t *testing.T) {
	var heard []string
	q := open(t, Options{Dir: t.TempDir(), Witness: func(region, prober string, payload []byte) func(error) {
		heard = append(heard, fmt.Sprintf("%s/%s puts %d bytes", region, prober, len(payload)))
		return func(err error) { heard = append(heard, fmt.Sprint(err)) }
	}})
	refused := errors.New("refused")
	real := q.publish
	q.publish = func(ctx context.Context, s *session, subject string, msg []byte) error {
		if len(heard) == 1 {
			return refused
		}
		return real(ctx, s, subject, msg)
	}
	o := q.Outbox("tokyo", "p")
	o.Result(result(1))
	if err := o.flush(t.Context()); !errors.Is(err, refused) {
		t.Fatalf("flush: got %v, want %v", err, refused)
	}
	if !q.reopen(t.Context()) {
		t.Fatal("the queue is not reopened")
	}
	if err := o.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	msgs, err := wire.Marshal(oneResult(1))
	if err != nil {
		t.Fatal(err)
	}
	puts := fmt.Sprintf("tokyo/p puts %d bytes", len(msgs[0]))
	diff(t, []string{puts, "refused", puts, "<nil>"}, heard)
}
