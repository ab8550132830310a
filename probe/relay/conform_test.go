package relay

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"

	"github.com/gaikei/gaikei/probe"
)

// conform holds a centre and a prober to what the transport promises, whatever is between them. Nothing of c was
// started yet but Run.
func conform(t *testing.T, c *centre, creds *Credentials) {
	t.Helper()
	var proof atomic.Pointer[Message]
	r := newRemote(t, t.TempDir(), UplinkOptions{Credentials: creds})
	run(t, r.Queue.Run)
	r.put(t, 0, 50)
	run(t, r.up.Run)
	<-r.up.started
	r.isUp(t)
	r.put(t, 50, 60)
	sent := func(lane Lane) int64 { return r.up.Status().Sent[lane] }
	until(t, "everything is stored", func() bool { return sent(Live)+sent(Late) >= 60 })

	c.consume(t)
	c.run(t, func(ctx context.Context) error {
		return c.Consume(ctx, Evidence, func(_ context.Context, ms []Message) error {
			proof.Store(&ms[len(ms)-1])
			return nil
		})
	})
	until(t, "what was put before there was a connection", func() bool { return covers(c.late.got(), 0, 50) })
	until(t, "what was put after", func() bool { return covers(append(c.live.got(), c.late.got()...), 50, 60) })
	inOrder(t, append(c.late.got()[:50:50], numbers(50, 60)...), 60)
	for _, caught := range []*catcher{&c.live, &c.late} {
		for who := range caught.senders() {
			if who != creds.Region+"/"+creds.Prober {
				t.Errorf("got messages of %s", who)
			}
		}
	}

	r.Evidence(evidence(7))
	until(t, "evidence", func() bool { return proof.Load() != nil })
	var e probe.Evidence
	if err := json.Unmarshal(proof.Load().Payload, &e); err != nil {
		t.Fatal(err)
	}
	diff(t, evidence(7), &e)
	if m := proof.Load(); !m.Evidence || m.Region != creds.Region || m.Stored.IsZero() {
		t.Errorf("got message of %q stored at %v, evidence %t", m.Region, m.Stored, m.Evidence)
	}

	c.services(t)
	if got, want := answer(t, r.up.Plan, "all"), "plan of "+creds.Region+" for all"; got != want {
		t.Errorf("got plan %q, want %q", got, want)
	}
	if got := answer(t, r.up.Plan, "large"); len(got) != maxAnswer {
		t.Errorf("got a plan of %d bytes, want %d", len(got), maxAnswer)
	}
	if got, want := answer(t, r.up.Beat, "hello"), creds.Region+"/"+creds.Prober+" says hello"; got != want {
		t.Errorf("got answer %q, want %q", got, want)
	}
	until(t, "nothing is left in the lanes", func() bool {
		lanes := c.Status().Lanes
		return len(lanes) == 3 && lanes[0].Messages+lanes[1].Messages+lanes[2].Messages == 0
	})
}

func TestConformEmbedded(t *testing.T) {
	for _, one := range []struct {
		name    string
		options HubOptions
		scheme  string
	}{
		{"loopback", HubOptions{Listen: "127.0.0.1:0"}, "nats"},
		{"tls", HubOptions{Listen: "127.0.0.1:0", Names: []string{"centre.example.com"}}, "tls"},
		{"every address", HubOptions{Listen: "0.0.0.0:0"}, "tls"},
		{"ws", HubOptions{Websocket: "127.0.0.1:0"}, "ws"},
		{"wss", HubOptions{Websocket: "127.0.0.1:0", Names: []string{"127.0.0.1"}}, "wss"},
	} {
		t.Run(one.name, func(t *testing.T) {
			c := openHub(t, one.options)
			if got := scheme(c.URLs()[0]); got != one.scheme {
				t.Fatalf("got %s, want %s://", c.URLs()[0], one.scheme)
			}
			conform(t, c, c.enrol(t, "eu.west", "p-1.x"))
		})
	}
}
