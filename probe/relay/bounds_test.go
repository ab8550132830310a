package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/gaikei/gaikei/probe/wire"
)

// Oversized, empty and garbage messages: refused or passed to whoever reads, told once, counted.
func TestAttackGarbage(t *testing.T) {
	each(t, HubOptions{}, attackGarbage)
}

func attackGarbage(t *testing.T, c *centre) {
	a := attack(t, c.enrol(t, "tokyo", "evil"))
	var got catchAll
	c.run(t, func(ctx context.Context) error { return c.Consume(ctx, Live, got.take) })
	subject := laneSubject(a.id, Live)
	ask := func(subject string, data []byte) string {
		t.Helper()
		var text string
		until(t, "an answer", func() bool {
			m, err := a.Request(subject, data, patience)
			if errors.Is(err, nats.ErrNoResponders) {
				return false
			}
			if err != nil {
				t.Fatal(err)
			}
			text = string(m.Data)
			return true
		})
		return text
	}
	for n := range 5 {
		for _, one := range []struct {
			subject string
			data    []byte
			want    string
		}{
			{subject, nil, "-empty"},
			{subject, make([]byte, wire.MaxMessage+1), "-too_big"},
			{laneSubject(a.id, Evidence), make([]byte, evidenceMax+1), "-too_big"},
			{subject, fmt.Appendf(nil, "garbage %d", n), "+"},
		} {
			if got := ask(one.subject, one.data); got != one.want {
				t.Errorf("%d bytes to %s: got answer %q, want %q", len(one.data), one.subject, got, one.want)
			}
		}
	}
	// Headers that mean something to a stream do not reach one.
	m := nats.NewMsg(subject)
	m.Data = []byte("with headers")
	for _, h := range []string{"Nats-Msg-Id", "Nats-Rollup", "Nats-Expected-Stream", "Nats-TTL", "Nats-Schedule", "Nats-Batch-Id"} {
		m.Header.Set(h, "all")
	}
	if reply, err := a.RequestMsg(m, patience); err != nil || string(reply.Data) != "+" {
		t.Errorf("got answer %v, %v to a message with headers, want it taken without them", reply, err)
	}
	until(t, "the garbage, for whoever reads", func() bool { return len(got.all()) == 6 })
	if err := a.Publish(subject, make([]byte, maxPayload+1)); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("got error %v, want one of the payload", err)
	}
	st := c.Status().Probers[0]
	diff(t, map[Refusal]int64{RefusedEmpty: 5, RefusedTooBig: 10}, st.Refused)
	if n := c.log.count("refused what a prober sent"); n != 2 {
		t.Errorf("got %d lines, want one a kind:\n%s", n, c.log)
	}
}

// A flood is refused beyond the rate, told once, counted; the flooder is cut off, and the others do not notice.
func TestAttackFlood(t *testing.T) {
	sc := newScene(t, openHub(t, HubOptions{}))
	a := sc.attacker
	subject := laneSubject(a.id, Evidence)
	for n := 0; !a.IsClosed(); n++ {
		if err := a.Publish(subject, []byte("flood")); err != nil {
			break
		}
	}
	until(t, "the flooder is cut off", func() bool { return a.IsClosed() })
	sc.intact(t, 0, 20)
	if _, err := nats.Connect(strings.Join(sc.URLs(), ","), nats.Nkey("UA", nil)); err == nil {
		t.Error("connected with a key that is none")
	}
	for _, p := range sc.Status().Probers {
		switch p.Prober {
		case "evil":
			if p.Refused[RefusedTooFast] < strikeBurst || p.Messages > 20*peerRate {
				t.Errorf("got prober %+v, want some thousand refused and no more taken than the rate", p)
			}
		case "honest":
			if len(p.Refused) != 0 {
				t.Errorf("got refusals %v of the honest prober, want none", p.Refused)
			}
		}
	}
	if n := sc.log.count("refused what a prober sent"); n != 1 {
		t.Errorf("got %d lines about refusals, want 1:\n%s", n, sc.log)
	}
	if n := sc.log.count("floods the aggregator"); n != 1 {
		t.Errorf("got %d lines about the flood, want 1:\n%s", n, sc.log)
	}
}

// One prober that sends the largest messages as fast as it may does not fill the lane for the others.
func TestAttackFill(t *testing.T) {
	each(t, HubOptions{MaxBytes: 64 << 20, Probers: 4}, attackFill)
}

func attackFill(t *testing.T, c *centre) {
	a := attack(t, c.enrol(t, "tokyo", "evil"))
	until(t, "its share is full", func() bool {
		m, err := a.Request(laneSubject(a.id, Live), bytes.Repeat([]byte("x"), wire.MaxMessage), patience)
		if err != nil {
			if errors.Is(err, nats.ErrNoResponders) {
				return false
			}
			t.Fatal(err)
		}
		if string(m.Data) == "-too_fast" {
			pause(t.Context(), 100*time.Millisecond) // it keeps below what would cut it off
		}
		return string(m.Data) == "-full"
	})
	honest := connect(t, c.enrol(t, "tokyo", "honest"))
	<-honest.up.started
	honest.put(t, 0, 20)
	until(t, "the honest prober's messages", func() bool { return honest.up.Status().Sent[Live] == 20 })
	if l := c.Status().Lanes[0]; l.Bytes > 20<<20 {
		t.Errorf("got %d bytes in the lane, want a quarter of %d", l.Bytes, l.MaxBytes)
	}
}

// More connections than a prober may have are refused, told once, counted; a hundred subscriptions are too many.
func TestAttackConnections(t *testing.T) {
	c := openHub(t, HubOptions{})
	creds := c.enrol(t, "tokyo", "evil")
	var open []*attacker
	for range maxConnections {
		open = append(open, attack(t, creds))
	}
	for range 10 {
		if conn, err := nats.Connect(creds.URLs[0], nats.Nkey(creds.PublicKey(), creds.key.pair().Sign)); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("got %v, %v for a connection too many, want it refused", conn, err)
		}
	}
	// A key that is named but not held.
	if _, err := nats.Connect(creds.URLs[0], nats.Nkey(creds.PublicKey(), func([]byte) ([]byte, error) { return make([]byte, 64), nil })); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v for a wrong signature, want it refused", err)
	}
	if _, err := nats.Connect(creds.URLs[0]); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v without any key, want it refused", err)
	}
	st := c.Status()
	if p := st.Probers[0]; p.Connections != maxConnections || p.Refused[RefusedConnections] != 10 {
		t.Errorf("got prober %+v, want %d connections and 10 refused", p, maxConnections)
	}
	diff(t, map[Refusal]int64{RefusedSignature: 2}, st.Refused)
	if n := c.log.count("refused"); n != 2 {
		t.Errorf("got %d lines about refusals, want 2:\n%s", n, c.log)
	}
	open[0].Close()
	until(t, "room for another", func() bool { return c.Status().Probers[0].Connections == maxConnections-1 })
	a := attack(t, creds)
	for n := range 2 * maxSubs {
		if _, err := a.SubscribeSync(fmt.Sprintf("_INBOX.%d", n)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "too many subscriptions", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return strings.Contains(strings.Join(a.errors, "\n"), "maximum subscriptions exceeded") || a.IsClosed()
	})
}

// A client that asks for much and reads nothing is cut off; what waits for it is bounded by the rate.
func TestAttackMemory(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.services(t)
	a := attack(t, c.enrol(t, "tokyo", "evil"))
	var refused, taken int
	until(t, "refused as too fast", func() bool {
		m, err := a.Request("gaikei.plan.tokyo.evil", []byte("large"), patience)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
		case err != nil:
			t.Fatal(err)
		case string(m.Data) == "-too_fast":
			refused++
		case len(m.Data) == maxAnswer+1:
			taken++
		default:
			t.Fatalf("got answer %.20q", m.Data)
		}
		return refused > 10
	})
	if taken > 100 {
		t.Errorf("got %d plans before the first refusal, want some ten", taken)
	}
}

// What a client chooses does not get into the log, however often it chooses anew; and who never stops is cut off.
func TestAttackLog(t *testing.T) {
	sc := newScene(t, openHub(t, HubOptions{}))
	a := sc.attacker
	before := sc.log.count("")
	for n := 0; !a.IsClosed(); n++ {
		if a.Publish(fmt.Sprintf("not.mine.%d", n), nil) != nil {
			break
		}
		if n%100 == 0 {
			_ = a.FlushTimeout(time.Second) // fails when it is cut off
		}
	}
	until(t, "cut off", a.IsClosed)
	sc.counted(t, RefusedSubject, strikeBurst)
	sc.intact(t, 0, 5)
	if n := sc.log.count("not.mine"); n != 0 {
		t.Errorf("got %d lines with words of the attacker, want none:\n%s", n, sc.log)
	}
	if n := sc.log.count("") - before; n > 3 {
		t.Errorf("got %d lines, want 3 at most:\n%s", n, sc.log)
	}
}

func TestOffences(t *testing.T) {
	for _, c := range []struct {
		text   string
		client uint64
		why    Refusal
		about  bool
	}{
		{"127.0.0.1:52 - cid:8 - Publish Violation - Subject \"cid:9\"", 8, RefusedSubject, true},
		{"[::1]:52 - wid:12 - \"v1:go:x\" - Subscription Violation - Subject \"x\", SID 1", 12, RefusedSubject, true},
		{"127.0.0.1:52 - cid:8 - maximum payload exceeded: 9 vs 8", 8, RefusedTooBig, true},
		{"127.0.0.1:52 - cid:8 - TLS handshake error: EOF", 8, RefusedHandshake, true},
		{"127.0.0.1:52 - cid:8 - authentication error", 8, "", true},
		{"127.0.0.1:52 - cid:8 - Client parser ERROR, state=0", 8, RefusedProtocol, true},
		{"JetStream resource limits exceeded - cid:x", 0, "", false},
		{"no space left on device", 0, "", false},
	} {
		if id, about := clientOf(c.text); id != c.client || about != c.about {
			t.Errorf("%s: got client %d, %t, want %d, %t", c.text, id, about, c.client, c.about)
		}
		if got := offenceOf(c.text); c.about && got != c.why {
			t.Errorf("%s: got %q, want %q", c.text, got, c.why)
		}
	}
}

// A server elsewhere bounds connections and payloads by its configuration, and the centre bounds the rest.
func TestAttackElsewhere(t *testing.T) {
	sc := newScene(t, elsewhere(t, HubOptions{}))
	creds := sc.enrol(t, "tokyo", "evil")
	for range maxConnections - 1 {
		attack(t, creds)
	}
	if conn, err := nats.Connect(creds.URLs[0], nats.Nkey(creds.PublicKey(), creds.key.pair().Sign)); err == nil {
		conn.Close()
		t.Error("got a connection too many")
	}
	subject := laneSubject(sc.attacker.id, Evidence)
	for range 5 * strikeBurst {
		if err := sc.attacker.Publish(subject, []byte("flood")); err != nil {
			t.Fatal(err)
		}
	}
	sc.attacker.flush(t)
	sc.intact(t, 0, 20)
	sc.counted(t, RefusedTooFast, strikeBurst)
	for _, p := range sc.Status().Probers {
		if p.Prober == "evil" && p.Messages > 20*peerRate {
			t.Errorf("got prober %+v, want no more taken than the rate", p)
		}
	}
	if n := sc.log.count("refused what a prober sent"); n != 1 {
		t.Errorf("got %d lines about refusals, want 1:\n%s", n, sc.log)
	}
}

// A catchAll keeps the text of what it is given.
type catchAll struct {
	mu    sync.Mutex
	texts []string
}

func (c *catchAll) take(_ context.Context, ms []Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range ms {
		c.texts = append(c.texts, m.Region+"/"+m.Prober+" "+string(m.Payload))
	}
	return nil
}

func (c *catchAll) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.texts...)
}

// Bytes that are no protocol, before and after a client has proved who it is, on either listener.
func TestAttackProtocol(t *testing.T) {
	t.Run("nats", func(t *testing.T) { attackProtocol(t, openHub(t, HubOptions{Listen: "127.0.0.1:0"})) })
	t.Run("ws", func(t *testing.T) { attackProtocol(t, openHub(t, HubOptions{Websocket: "127.0.0.1:0"})) })
}

func attackProtocol(t *testing.T, c *centre) {
	sc := newScene(t, c)
	long := strings.Repeat("x", 1<<20)
	for _, bytes := range []string{
		"\x00\x01\x02\r\n", long, "CONNECT {\r\n", "CONNECT {\"nkey\":\"" + long + "\"}\r\n", "PUB x 999999999999\r\n", "SUB " + long + " 1\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n" + long,
		"INFO {}\r\n", "LS+ x\r\n", "RS+ x y\r\n", "-ERR 'x'\r\n", "CONNECT {\"lame\":true,\"account\":\"GAIKEI\",\"user\":\"GAIKEI\",\"jwt\":\"x\"}\r\nPUB gaikei.far.live.a.b 1\r\nx\r\n",
	} {
		conn, err := net.Dial("tcp", sc.o.Listen+sc.o.Websocket)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, bytes) // fails when it is cut off in the midst
		// What the server has to say to it, until it ends the connection or waits for more.
		if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn) // fails by the deadline
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	sc.intact(t, 0, 10)
	if sc.o.Listen != "" { // what is no websocket is no client to the server
		until(t, "some of it is counted", func() bool { return len(sc.Status().Refused) > 0 })
	}
	if n := sc.log.count("xxxx"); n != 0 {
		t.Errorf("got %d lines with the attacker's words:\n%s", n, sc.log)
	}
	if n := sc.log.count("refused a connection"); n > 3 {
		t.Errorf("got %d lines about connections, want one a kind:\n%s", n, sc.log)
	}
}
