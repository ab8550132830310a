package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/gaikei/gaikei/internal/bubble"
	"github.com/gaikei/gaikei/probe/wire"
)

// An uplink that is stopped while the centre takes nothing stops, and what it had in hand is sent by the next one.
func TestStopWithBacklog(t *testing.T) {
	c := openHub(t, HubOptions{MaxBytes: 4 << 20, Probers: 1})
	queue, creds := t.TempDir(), c.enrol(t, "tokyo", "p")
	r := newRemote(t, queue, UplinkOptions{Credentials: creds})
	r.put(t, 0, 150)
	stop := run(t, r.up.Run)
	until(t, "refused for want of room", func() bool { return r.up.Status().Refused[RefusedFull] > 0 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	shut(t, r.Queue)
	c.consume(t)
	r = newRemote(t, queue, UplinkOptions{Credentials: creds})
	run(t, r.up.Run)
	until(t, "all", func() bool { return covers(c.late.got(), 0, 150) })
}

// What was put in the last hours is sent once more, on Late, and nothing older.
func TestReplay(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.consume(t)
	queue, creds := t.TempDir(), c.enrol(t, "tokyo", "p")
	r := newRemote(t, queue, UplinkOptions{Credentials: creds})
	stop := run(t, r.up.Run)
	<-r.up.started
	r.put(t, 0, 10)
	until(t, "all consumed", func() bool {
		return r.Queue.Status().Pending == 0 && covers(append(c.live.got(), c.late.got()...), 0, 10)
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	again := func(d time.Duration, since time.Time) {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		shut(t, r.Queue)
		r = newRemote(t, queue, UplinkOptions{Credentials: creds, Replay: d})
		s, err := r.current()
		if err == nil && !since.IsZero() {
			err = replay(t.Context(), s, since)
		}
		if err != nil {
			t.Fatal(err)
		}
		stop = run(t, r.up.Run)
		<-r.up.started
	}
	between := time.Now()
	again(0, time.Time{})
	r.put(t, 10, 20)
	until(t, "the new ones", func() bool { return covers(append(c.live.got(), c.late.got()...), 10, 20) })
	before := len(c.late.got())
	again(0, between)
	until(t, "the second ten once more", func() bool { return covers(c.late.got()[before:], 10, 20) })
	r.put(t, 20, 21)
	until(t, "one more", func() bool { return covers(append(c.live.got(), c.late.got()...), 20, 21) })
	for _, n := range c.late.got()[before:] {
		if n < 10 {
			t.Errorf("got result %d again, which is older than asked for", n)
		}
	}
	before = len(c.late.got())
	again(6*time.Hour, time.Time{})
	until(t, "everything once more", func() bool { return covers(c.late.got()[before:], 0, 21) })
}

// What another prober left in the folder is not sent in this one's name.
func TestFolderOfAnother(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.consume(t)
	r := newRemote(t, t.TempDir(), UplinkOptions{Credentials: c.enrol(t, "tokyo", "p")})
	putOne(t, r.Queue.Outbox("frankfurt", "old"), 1)
	r.put(t, 2, 3)
	run(t, r.up.Run)
	<-r.up.started
	putOne(t, r.Queue.Outbox("frankfurt", "old"), 4)
	r.put(t, 5, 6)
	until(t, "its own", func() bool { return covers(append(c.live.got(), c.late.got()...), 5, 6) && covers(c.late.got(), 2, 3) })
	until(t, "nothing left", func() bool { return r.Queue.Status().Pending == 0 })
	if got := append(c.live.got(), c.late.got()...); covers(got, 1, 2) || covers(got, 4, 5) {
		t.Errorf("got results %v, of which 1 and 4 are of another prober", got)
	}
}

// A message that the centre can never take does not hold up those behind it, and is told.
func TestHopelessMessage(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.consume(t)
	r := newRemote(t, t.TempDir(), UplinkOptions{Credentials: c.enrol(t, "tokyo", "p")})
	s, err := r.current()
	if err != nil {
		t.Fatal(err)
	}
	r.put(t, 0, 3)
	for _, size := range []int{wire.MaxMessage + 1, 0} {
		if err := publish(t.Context(), s, subjectOf(resultSubject, "tokyo", "p"), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	r.put(t, 3, 6)
	run(t, r.up.Run)
	until(t, "the others", func() bool { return covers(c.late.got(), 0, 6) })
	// The centre has them before its answers to what was sent first are read here.
	until(t, "nothing left", func() bool { return r.Queue.Status().Pending == 0 })
	if st := r.up.Status(); st.Lost != 2 || r.log.count("is lost") != 2 {
		t.Errorf("got status %+v and log\n%s\nwant two messages lost, and told", st, r.log)
	}
}

// What is in the far queue under a name that no prober has is dropped, told once, counted; what f refuses comes again.
func TestFarPoison(t *testing.T) {
	c := openHub(t, HubOptions{})
	s, err := c.current()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, subject := range []string{"gaikei.far.live.tokyo.p", "gaikei.far.live.TOKYO.p", "gaikei.far.live.a$.b"} {
			if _, err := s.js.Publish(t.Context(), subject, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	var calls atomic.Int64
	var got catchAll
	c.run(t, func(ctx context.Context) error {
		return c.Consume(ctx, Live, func(ctx context.Context, ms []Message) error {
			if calls.Add(1) < 3 {
				return errTest
			}
			return got.take(ctx, ms)
		})
	})
	until(t, "those of a prober", func() bool { return len(got.all()) == 3 })
	diff(t, []string{"tokyo/p x", "tokyo/p x", "tokyo/p x"}, got.all())
	until(t, "all gone", func() bool { l := c.Status().Lanes; return len(l) > 0 && l[0].Messages == 0 })
	if n := c.Status().Dropped; n != 6 {
		t.Errorf("got %d dropped, want 6", n)
	}
	if n := c.log.count("message of nobody"); n != 1 {
		t.Errorf("got %d lines about it, want 1:\n%s", n, c.log)
	}
	if n := c.log.count("are not taken"); n != 1 {
		t.Errorf("got %d lines about the refusals, want 1:\n%s", n, c.log)
	}
}

// Evidence never holds anything up: too much of it is lost, and the newest of each prober is kept.
func TestEvidenceIsBounded(t *testing.T) {
	c := openHub(t, HubOptions{})
	s, err := c.current()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 * evidenceKept {
		if _, err := s.js.Publish(t.Context(), "gaikei.far.evidence.tokyo.p", []byte{byte('0' + n%10)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range c.Status().Lanes {
		if want := int64(evidenceKept); l.Lane == Evidence && l.Messages != want {
			t.Errorf("got %d pieces kept, want %d", l.Messages, want)
		}
	}
}

func TestUplinkWithoutName(t *testing.T) {
	creds, err := NewCentreCredentials([]string{"nats://127.0.0.1:1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewUplink(UplinkOptions{Credentials: creds}); err == nil || !strings.Contains(err.Error(), "prober") {
		t.Errorf("got error %v, want one about the name", err)
	}
}

// While the centre is away, requests fail at once, and before Run has begun they wait as long as they are told.
func TestAskWithoutCentre(t *testing.T) {
	creds, err := NewCredentials("tokyo", "p", []string{"nats://127.0.0.1:1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newRemote(t, t.TempDir(), UplinkOptions{Credentials: creds})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := r.up.Plan(ctx, nil); !errors.Is(err, ErrAway) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want ErrAway at the end of the context", err)
	}
	run(t, r.up.Run)
	<-r.up.started
	if _, err := r.up.Beat(t.Context(), nil); !errors.Is(err, ErrAway) {
		t.Errorf("got error %v, want ErrAway", err)
	}
	until(t, "the attempts are told", func() bool { return r.up.Status().LastError != "" && r.log.count("cannot be reached") > 0 })
	if n := r.log.count("cannot be reached"); n != 1 {
		t.Errorf("got %d lines about it, want 1:\n%s", n, r.log)
	}
}

// A hub that is opened for more probers, or with less room, gives each a smaller share. What is in the lanes already
// stays: it was answered for.
func TestSmallerShare(t *testing.T) {
	dir := t.TempDir()
	c := openHub(t, HubOptions{Dir: dir, Probers: 1})
	creds := c.enrol(t, "tokyo", "p")
	r := newRemote(t, t.TempDir(), UplinkOptions{Credentials: creds})
	r.put(t, 0, 200)
	stop := run(t, r.up.Run)
	until(t, "all stored", func() bool { return r.up.Status().Sent[Late] == 200 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, o := range []HubOptions{{Probers: 1000}, {MaxBytes: 4 << 20}, {Probers: 1000}} {
		c.end(t)
		o.Dir = dir
		c = openHub(t, o)
	}
	c.consume(t)
	until(t, "all that was stored", func() bool { return covers(c.late.got(), 0, 200) })
	until(t, "nothing left", func() bool { l := c.Status().Lanes; return len(l) > 0 && l[1].Messages == 0 })
	c.end(t)
	c = openHub(t, HubOptions{Dir: dir, Probers: 1000})
	s, err := c.current()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := s.js.Stream(t.Context(), laneStream(Late))
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().Config.MaxMsgsPerSubject; got != perProberLeast {
		t.Errorf("got a share of %d messages once the lane is empty, want %d", got, perProberLeast)
	}
}

// The near queue's server gives up under an uplink at work, several times: everything arrives.
func TestNearQueueReopens(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.consume(t)
	r := connect(t, c.enrol(t, "tokyo", "p"))
	run(t, r.Queue.Run)
	<-r.up.started
	for n := range 4 {
		for i := range 20 {
			r.Result(result(n*20 + i))
		}
		until(t, "results", func() bool { return covers(append(c.live.got(), c.late.got()...), 0, n*20+20) })
		s, err := r.current()
		if err != nil {
			t.Fatal(err)
		}
		s.server.Shutdown()
		until(t, "opened again", func() bool { st := r.Queue.Status(); return st.Reopened == n+1 && !st.Broken })
	}
}

// A number that the near queue gives a second time is another message.
func TestLedger(t *testing.T) {
	at, ctx := time.Unix(1, 5), t.Context()
	l := newLedger(10)
	if l.delivered(ctx, 9, at) {
		t.Error("what was before the start is delivered")
	}
	l.begin(10)
	l.begin(11)
	if l.known(10) || l.known(12) || !l.known(9) {
		t.Error("got what is on its way as known, or what was before as not")
	}
	l.end(10, at, nil)
	l.end(11, at, errTest)
	if l.delivered(ctx, 11, at) {
		t.Error("what failed is delivered")
	}
	if !l.delivered(ctx, 10, at) || l.delivered(ctx, 10, at) {
		t.Error("want what arrived delivered, once")
	}
	l.begin(12)
	l.end(12, at, nil)
	if l.delivered(ctx, 12, at.Add(1)) {
		t.Error("another message of the same number is delivered")
	}
	if got := l.from(); got != 13 {
		t.Errorf("got %d as the next, want 13", got)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if l.delivered(ended, 13, at) {
		t.Error("what is not known is delivered")
	}
	u := &Uplink{}
	one := Message{seq: 5, Stored: at}
	if u.isDone(one) || !u.isDone(one) || !u.isDone(Message{seq: 4, Stored: at}) || u.isDone(Message{seq: 5, Stored: at.Add(1)}) {
		t.Error("want a message done the second time, and another of its number not")
	}
}

// Answers that are lost cost one time-out, however many they are, and an answer that came is heard whatever became of those before it.
func TestLostAnswersAreWaitedForOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		creds := &Credentials{Region: "tokyo", Prober: "p"}
		u, err := NewUplink(UplinkOptions{Credentials: creds})
		if err != nil {
			t.Fatal(err)
		}
		a := &asker{waiting: map[string]chan<- *nats.Msg{}}
		asked, ms := make([]question, lateMessages), make([]Message, lateMessages)
		for i := range asked {
			asked[i] = question{a: a, token: fmt.Sprint(i), heard: make(chan *nats.Msg, 1)}
			ms[i].seq = uint64(i)
		}
		const heard = lateMessages - 1
		asked[heard].heard <- &nats.Msg{Data: []byte{answerTaken}}
		begun := time.Now()
		again := u.answers(t.Context(), asked, ms)
		if took := time.Since(begun); took != lateTimeout {
			t.Errorf("waited for %v, want %v", took, lateTimeout)
		}
		if len(again) != heard || again[heard-1].seq != heard-1 {
			t.Errorf("%d messages are to be sent again, want the %d that nobody answered", len(again), heard)
		}
	})
}
