package relay

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/gaikei/gaikei/probe/wire"
)

// An attacker has valid credentials of one prober and a client that does as it likes.
type attacker struct {
	*nats.Conn
	id Identity

	mu     sync.Mutex
	errors []string
}

func attack(t *testing.T, creds *Credentials, options ...nats.Option) *attacker {
	t.Helper()
	a := &attacker{id: Identity{creds.Region, creds.Prober}}
	secure, err := creds.secure()
	if err != nil {
		t.Fatal(err)
	}
	options = append(options, nats.Nkey(creds.PublicKey(), creds.key.pair().Sign), nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { a.note(err) }))
	if secure != nil {
		options = append(options, nats.Secure(secure))
	}
	if a.Conn, err = nats.Connect(strings.Join(creds.URLs, ","), options...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func (a *attacker) note(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.errors = append(a.errors, err.Error())
}

// violations are the errors that speak of a subject.
func (a *attacker) violations(subject string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.errors {
		if strings.Contains(strings.ToLower(e), "permissions violation") && strings.Contains(e, subject) {
			n++
		}
	}
	return n
}

// flush waits until the server has dealt with all that was sent.
func (a *attacker) flush(t *testing.T) {
	t.Helper()
	if err := a.FlushTimeout(patience); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

// A scene is a centre with two probers at work, of which an attacker takes the place of one.
type scene struct {
	*centre
	honest   *remote
	attacker *attacker

	mu    sync.Mutex
	beats map[string]int // by region/prober
}

func newScene(t *testing.T, c *centre) *scene {
	t.Helper()
	sc := &scene{centre: c, beats: make(map[string]int)}
	c.consume(t)
	c.run(t, func(ctx context.Context) error {
		return c.ServePlans(ctx, func(_ context.Context, region string, _ []byte) []byte {
			return []byte("the plan of " + region)
		})
	})
	c.run(t, func(ctx context.Context) error {
		return c.ServeBeats(ctx, func(_ context.Context, region, prober string, _ []byte) []byte {
			sc.mu.Lock()
			defer sc.mu.Unlock()
			sc.beats[region+"/"+prober]++
			return []byte("well")
		})
	})
	sc.honest = connect(t, c.enrol(t, "frankfurt", "honest"))
	answer(t, sc.honest.up.Beat, "first")
	answer(t, sc.honest.up.Plan, "first")
	sc.attacker = attack(t, c.enrol(t, "tokyo", "evil"))
	return sc
}

// intact verifies that only the honest prober's results are stored in its name, and that it still works.
func (sc *scene) intact(t *testing.T, from, to int) {
	t.Helper()
	sc.honest.put(t, from, to)
	got := func() []int { return append(sc.live.got(), sc.late.got()...) }
	until(t, "the honest prober's results", func() bool { return covers(got(), from, to) })
	for _, c := range []*catcher{&sc.live, &sc.late} {
		for who := range c.senders() {
			if who != "frankfurt/honest" {
				t.Errorf("got messages of %s, want only the honest prober's", who)
			}
		}
	}
	for _, n := range got() {
		if n >= 7777 {
			t.Errorf("got result %d, which the honest prober did not send", n)
		}
	}
}

// What a prober must not reach it cannot publish to, whatever it tries.
func TestAttackSubjects(t *testing.T) {
	each(t, HubOptions{}, attackSubjects)
}

func attackSubjects(t *testing.T, c *centre) {
	sc := newScene(t, c)
	a := sc.attacker
	for _, subject := range []string{
		"gaikei.result.frankfurt.honest.live", "gaikei.result.frankfurt.honest.late", "gaikei.result.frankfurt.honest.evidence",
		"gaikei.result.tokyo.other.live", "gaikei.plan.frankfurt.honest", "gaikei.plan.tokyo.other", "gaikei.beat.frankfurt.honest",
		"gaikei.far.live.frankfurt.honest", "gaikei.far.live.tokyo.evil", "gaikei.far.late.tokyo.evil",
		"$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.CREATE.X", "$JS.API.STREAM.PURGE.FAR_LIVE",
		"$JS.API.STREAM.DELETE.FAR_LIVE", "$JS.API.STREAM.MSG.GET.FAR_LIVE", "$JS.API.STREAM.MSG.DELETE.FAR_LIVE",
		"$JS.API.CONSUMER.CREATE.FAR_LIVE.x", "$JS.API.CONSUMER.DURABLE.CREATE.FAR_LIVE.x", "$JS.API.CONSUMER.LIST.FAR_LIVE",
		"$JS.API.CONSUMER.DELETE.FAR_LIVE.reader", "$JS.API.CONSUMER.MSG.NEXT.FAR_LIVE.reader", "$JS.API.DIRECT.GET.FAR_LIVE",
		"$JS.ACK.FAR_LIVE.reader.1.1.1.1.1", "$JS.FC.FAR_LIVE.x.y", "$KV.x.y", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ",
		"$SYS.REQ.USER.INFO", "_R_.anything", "_INBOX.anything",
	} {
		m, err := a.Request(subject, []byte("attack"), 50*time.Millisecond)
		if err == nil {
			t.Errorf("%s: got an answer %q", subject, m.Data)
		}
		a.flush(t)
		until(t, subject+" is refused", func() bool { return a.violations(fmt.Sprintf("Publish to %q", subject)) > 0 })
	}
	sc.intact(t, 0, 5)
	if sc.gate != nil {
		sc.counted(t, RefusedSubject, 25)
	}
}

// counted waits until the hub has counted so many of the attacker's offences, and verifies that they are told once.
func (sc *scene) counted(t *testing.T, why Refusal, n int64) {
	t.Helper()
	until(t, "the offences are counted", func() bool {
		for _, p := range sc.Status().Probers {
			if p.Prober == "evil" && p.Refused[why] >= n {
				return true
			}
		}
		return false
	})
	if n := sc.log.count("reason=" + string(why)); n != 1 {
		t.Errorf("got %d lines about it, want 1:\n%s", n, sc.log)
	}
}

// Nobody hears what is said to others, and nobody takes the requests of others for a service.
func TestAttackEavesdrop(t *testing.T) {
	each(t, HubOptions{}, attackEavesdrop)
}

func attackEavesdrop(t *testing.T, c *centre) {
	sc := newScene(t, c)
	a := sc.attacker
	heard := make(chan *nats.Msg, 1000)
	for _, subject := range []string{
		">", "*", "gaikei.>", "gaikei.result.>", "gaikei.result.frankfurt.honest.live", "gaikei.result.tokyo.evil.live", "gaikei.plan.>",
		"gaikei.plan.*.*", "gaikei.plan.tokyo.evil", "gaikei.beat.>", "gaikei.far.>", "_R_.>", "$SYS.>", "$JS.>", "$JS.API.>", "$JS.ACK.>",
	} {
		for _, queue := range []string{"", centreGroup} {
			if _, err := a.ChanQueueSubscribe(subject, queue, heard); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("Subscription to %q", subject)
			if queue != "" {
				want += fmt.Sprintf(" using queue %q", queue)
			}
			until(t, want+" is refused", func() bool { return a.violations(want) > 0 })
		}
	}
	// Inboxes are shared by nobody: the name is allowed, and there is nothing in it.
	if _, err := a.ChanSubscribe("_INBOX.>", heard); err != nil {
		t.Fatal(err)
	}
	a.flush(t)
	for n := range 4 {
		if _, err := sc.honest.up.Plan(t.Context(), []byte("x")); err != nil {
			t.Fatalf("plan %d: %v", n, err)
		}
		if _, err := sc.honest.up.Beat(t.Context(), []byte("x")); err != nil {
			t.Fatalf("beat %d: %v", n, err)
		}
	}
	if sc.gate != nil {
		sc.counted(t, RefusedSubject, 32)
	}
	sc.intact(t, 0, 5)
	a.flush(t)
	select {
	case m := <-heard:
		t.Errorf("heard %s: %q", m.Subject, m.Data)
	default:
	}
}

// The reply subject of a request is the client's choice, and no permission is asked for it: so bytes of the centre's
// are aimed at what the attacker may not write to. What comes of it stays within the attacker's own name.
func TestAttackReplySubject(t *testing.T) {
	each(t, HubOptions{}, attackReplySubject)
}

func attackReplySubject(t *testing.T, c *centre) {
	sc := newScene(t, c)
	a := sc.attacker
	message, err := wire.Marshal(oneResult(7777))
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		"gaikei.result.frankfurt.honest.live", "gaikei.beat.frankfurt.honest", "gaikei.plan.frankfurt.honest", "gaikei.far.live.frankfurt.honest",
		"$JS.API.STREAM.PURGE.FAR_LIVE", "$JS.API.STREAM.DELETE.FAR_LIVE", "$JS.API.CONSUMER.DELETE.FAR_LIVE.reader", "$JS.ACK.FAR_LIVE.reader.1.1.1.1.1",
		"$SYS.REQ.SERVER.PING", "_INBOX.x", "gaikei.result.*.*.live", "gaikei.>",
	} {
		for _, subject := range exported(a.id) {
			if strings.HasSuffix(subject, string(Evidence)) {
				continue
			}
			if strings.HasSuffix(subject, string(Live)) || strings.HasSuffix(subject, string(Late)) {
				// Nothing here is taken, so that all that is consumed is of the honest prober.
				if err := a.PublishRequest(subject, target, nil); err != nil {
					t.Fatal(err)
				}
			} else if err := a.PublishRequest(subject, target, message[0]); err != nil {
				t.Fatal(err)
			}
			traced := nats.NewMsg(subject)
			traced.Header.Set("Nats-Trace-Dest", target)
			if err := a.PublishMsg(traced); err != nil {
				t.Fatal(err)
			}
		}
		a.flush(t)
	}
	sc.intact(t, 0, 5)
	for _, subject := range exported(a.id) { // answered behind all that came before
		if !strings.HasSuffix(subject, string(Evidence)) {
			if _, err := a.Request(subject, nil, patience); err != nil {
				t.Fatal(err)
			}
		}
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if n := sc.beats["frankfurt/honest"]; n != 1 {
		t.Errorf("got %d heartbeats of the honest prober, want the one it sent", n)
	}
	if n := len(sc.beats); n != 2 {
		t.Errorf("got heartbeats %v, want those of two probers", sc.beats)
	}
}

// What a prober has stored in its own name through the reply to itself is in its own name, and does not go round.
func TestAttackReplyToItself(t *testing.T) {
	each(t, HubOptions{}, attackReplyToItself)
}

func attackReplyToItself(t *testing.T, c *centre) {
	c.services(t)
	a := attack(t, c.enrol(t, "tokyo", "evil"))
	var got catchAll
	c.run(t, func(ctx context.Context) error { return c.Consume(ctx, Live, got.take) })
	until(t, "the service", func() bool {
		_, err := a.Request("gaikei.plan.tokyo.evil", []byte("x"), time.Second)
		return err == nil
	})
	if err := a.PublishRequest("gaikei.plan.tokyo.evil", "gaikei.result.tokyo.evil.live", []byte("me")); err != nil {
		t.Fatal(err)
	}
	until(t, "the answer, as a result of its own", func() bool { return len(got.all()) > 0 })
	a.flush(t)
	diff(t, []string{"tokyo/evil +plan of tokyo for me"}, got.all())
}
