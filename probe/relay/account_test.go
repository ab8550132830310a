package relay

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startServer starts a server from configuration text.
func startServer(t *testing.T, text string) *server.Server {
	t.Helper()
	return startServerAt(t, filepath.Join(t.TempDir(), "server.conf"), text)
}

// startServerAt writes the text to a path, from where the server can load another one later.
func startServerAt(t *testing.T, path, text string) *server.Server {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	o.NoSigs, o.NoLog = true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return s
}

// Why every prober has an account of its own, and why none of them speaks to a stream. Were there one account of all
// probers, with permissions for each to publish on its own subjects only, an answer of the centre could be aimed at
// another prober's subjects: the server carries it back into the account, where it meets the imports again. (One import with
// a wildcard for all probers happens to withstand: the server then looks for the name of the reply that it made
// itself. Nothing promises that.) If this test fails, the server has become stricter than this package needs.
func TestOneAccountIsNotEnough(t *testing.T) {
	s := startServer(t, fmt.Sprintf(`
		listen: "127.0.0.1:-1"
		jetstream { store_dir: %q }
		accounts {
			CENTRE { jetstream: enabled, users: [{user: centre, password: x}]
				exports: [{service: "gaikei.result.*.*"}, {service: "gaikei.plan.*"}, {service: "gaikei.beat.*.*"}] }
			PROBERS { users: [{user: evil, password: x, permissions: {
					publish: ["gaikei.result.tokyo.evil", "gaikei.plan.tokyo", "gaikei.beat.tokyo.evil"], subscribe: ["_INBOX.>"]}}]
				imports: [{service: {account: CENTRE, subject: "gaikei.plan.tokyo"}},
					{service: {account: CENTRE, subject: "gaikei.result.tokyo.evil"}}, {service: {account: CENTRE, subject: "gaikei.beat.tokyo.evil"}},
					{service: {account: CENTRE, subject: "gaikei.result.frankfurt.honest"}}, {service: {account: CENTRE, subject: "gaikei.beat.frankfurt.honest"}}] }
		}`, t.TempDir()))
	dial := func(user string) *nats.Conn {
		c, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, "x"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	centre, evil := dial("centre"), dial("evil")
	js, err := jetstream.New(centre)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "FAR", Subjects: []string{"gaikei.result.*.*"}})
	if err != nil {
		t.Fatal(err)
	}
	beats := make(chan *nats.Msg, 10)
	if _, err := centre.ChanSubscribe("gaikei.beat.*.*", beats); err != nil {
		t.Fatal(err)
	}
	if _, err := centre.Subscribe("gaikei.plan.*", func(m *nats.Msg) { _ = m.Respond([]byte("bytes of the centre")) }); err != nil {
		t.Fatal(err)
	}
	if err := centre.Flush(); err != nil {
		t.Fatal(err)
	}
	// The answer to a plan's request, stored as a result of another prober.
	if err := evil.PublishRequest("gaikei.plan.tokyo", "gaikei.result.frankfurt.honest", nil); err != nil {
		t.Fatal(err)
	}
	until(t, "a result that its prober never sent", func() bool {
		m, err := stream.GetLastMsgForSubject(t.Context(), "gaikei.result.frankfurt.honest")
		return err == nil && string(m.Data) == "bytes of the centre"
	})
	// The stream's acknowledgement of a result, as a heartbeat of another prober.
	if err := evil.PublishRequest("gaikei.result.tokyo.evil", "gaikei.beat.frankfurt.honest", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m := <-beats; m.Subject != "gaikei.beat.frankfurt.honest" {
		t.Errorf("got a heartbeat on %s", m.Subject)
	}
}

// freePorts finds ports on which nobody listens.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all at the end, or the same one would come again
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
