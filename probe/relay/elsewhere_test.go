package relay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A site is what a server elsewhere knows: the centre's credentials, those of some probers, and its configuration.
type site struct {
	centre  *Credentials
	probers map[Identity]*Credentials
	config  string
}

// newSite makes the credentials of all probers that tests use, for a server at these URLs.
func newSite(t *testing.T, urls []string, ca []byte) *site {
	t.Helper()
	st := &site{probers: make(map[Identity]*Credentials)}
	var err error
	if st.centre, err = NewCentreCredentials(urls, ca); err != nil {
		t.Fatal(err)
	}
	var enrolled []Enrolled
	for _, id := range []Identity{{"frankfurt", "honest"}, {"tokyo", "evil"}, {"tokyo", "honest"}, {"eu.west", "p-1.x"}} {
		creds, err := NewCredentials(id.Region, id.Prober, urls, ca)
		if err != nil {
			t.Fatal(err)
		}
		st.probers[id] = creds
		enrolled = append(enrolled, Enrolled{id, creds.PublicKey()})
	}
	if st.config, err = ServerConfig(st.centre.PublicKey(), enrolled); err != nil {
		t.Fatal(err)
	}
	return st
}

// open opens a hub at the site.
func (st *site) open(t *testing.T, o HubOptions) *centre {
	t.Helper()
	replicas := 0
	if o.Elsewhere != nil {
		replicas = o.Elsewhere.Replicas
	}
	o.Elsewhere = &Elsewhere{Credentials: st.centre, Replicas: replicas}
	c := openHub(t, o)
	c.enrolled = st.probers
	return c
}

// elsewhere starts a server that is configured with exactly the text of ServerConfig beside its own place, and opens a
// hub at it.
func elsewhere(t *testing.T, o HubOptions) *centre {
	t.Helper()
	port := freePorts(t, 1)[0]
	st := newSite(t, []string{fmt.Sprintf("nats://127.0.0.1:%d", port)}, nil)
	startServer(t, fmt.Sprintf("listen: \"127.0.0.1:%d\"\njetstream {store_dir: %q}\n%s", port, t.TempDir(), st.config))
	return st.open(t, o)
}

// each runs a test with a server in the hub's process, and with one elsewhere.
func each(t *testing.T, o HubOptions, f func(*testing.T, *centre)) {
	t.Run("embedded", func(t *testing.T) { f(t, openHub(t, o)) })
	t.Run("elsewhere", func(t *testing.T) { f(t, elsewhere(t, o)) })
}

func TestConformElsewhere(t *testing.T) {
	c := elsewhere(t, HubOptions{})
	conform(t, c, c.enrol(t, "eu.west", "p-1.x"))
}

func TestConformElsewhereTLS(t *testing.T) {
	dir := t.TempDir()
	authority, err := openCA(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "server.pem")
	if _, err := authority.issue(file, []string{"127.0.0.1"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 2)
	for name, url := range map[string]string{"tls": fmt.Sprintf("tls://127.0.0.1:%d", ports[0]), "wss": fmt.Sprintf("wss://127.0.0.1:%d", ports[1])} {
		t.Run(name, func(t *testing.T) {
			st := newSite(t, []string{url}, authority.pem)
			startServer(t, fmt.Sprintf(`
				listen: "127.0.0.1:%d"
				tls {cert_file: %q, key_file: %q}
				websocket {listen: "127.0.0.1:%d", tls {cert_file: %q, key_file: %q}}
				jetstream {store_dir: %q}
				%s`, ports[0], file, file, ports[1], file, file, t.TempDir(), st.config))
			c := st.open(t, HubOptions{})
			conform(t, c, c.enrol(t, "eu.west", "p-1.x"))
		})
	}
}

// Several processes of the centre share the lanes and the requests.
func TestSeveralCentres(t *testing.T) {
	one := elsewhere(t, HubOptions{})
	two := (&site{centre: one.o.Elsewhere.Credentials, probers: one.enrolled}).open(t, HubOptions{})
	r := connect(t, one.enrol(t, "eu.west", "p-1.x"))
	<-r.up.started
	one.consume(t)
	two.consume(t)
	one.services(t)
	two.services(t)
	all := func() (got []int) {
		for _, c := range []*catcher{&one.live, &one.late, &two.live, &two.late} {
			got = append(got, c.got()...)
		}
		return got
	}
	for n := 0; len(one.live.got()) == 0 || len(two.live.got()) == 0; n += 10 {
		if n > 5000 {
			t.Fatalf("got %d and %d messages, want each to have a share", len(one.live.got()), len(two.live.got()))
		}
		r.put(t, n, n+10)
		until(t, "all of them", func() bool { return covers(all(), n, n+10) })
	}
	for range 5 {
		answer(t, r.up.Beat, "hello")
	}
	took := func(c *centre) (n int64) {
		for _, p := range c.Status().Probers {
			n += p.Messages
		}
		return n
	}
	if a, b := took(one), took(two); a == 0 || b == 0 {
		t.Errorf("got %d and %d messages taken in, want a share each", a, b)
	}
	// One goes. What it had in hand comes to the other.
	one.end(t)
	r.put(t, 10_000, 10_050)
	until(t, "the rest at the other", func() bool { return covers(append(two.live.got(), two.late.got()...), 10_000, 10_050) })
}

// A single server elsewhere starts again: what it had on disk is there, what it had in memory is made again.
func TestElsewhereRestarts(t *testing.T) {
	port := freePorts(t, 1)[0]
	st := newSite(t, []string{fmt.Sprintf("nats://127.0.0.1:%d", port)}, nil)
	text := fmt.Sprintf("listen: \"127.0.0.1:%d\"\njetstream {store_dir: %q, sync_interval: always}\n%s", port, t.TempDir(), st.config)
	s := startServer(t, text)
	c := st.open(t, HubOptions{})
	var proofs atomic.Int64
	c.run(t, func(ctx context.Context) error {
		return c.Consume(ctx, Evidence, func(_ context.Context, ms []Message) error {
			proofs.Add(int64(len(ms)))
			return nil
		})
	})
	r := connect(t, c.enrol(t, "tokyo", "honest"))
	run(t, r.Queue.Run)
	<-r.up.started
	r.put(t, 0, 20)
	until(t, "stored", func() bool { st := r.up.Status(); return st.Sent[Live]+st.Sent[Late] >= 20 })
	s.Shutdown()
	s.WaitForShutdown()
	r.put(t, 20, 40)
	startServer(t, text)
	c.consume(t)
	until(t, "results of before and after", func() bool { return covers(append(c.live.got(), c.late.got()...), 0, 40) })
	until(t, "evidence", func() bool {
		r.Evidence(evidence(1))
		pause(t.Context(), 10*time.Millisecond)
		return proofs.Load() > 0
	})
	if st := c.Status(); st.Broken || len(st.Lanes) != 3 {
		t.Errorf("got status %+v, want all well", st)
	}
}

// A server elsewhere takes up a new configuration while it runs: a new prober can connect, a revoked key cannot any
// more, and the others go on.
func TestElsewhereReload(t *testing.T) {
	port := freePorts(t, 1)[0]
	st := newSite(t, []string{fmt.Sprintf("nats://127.0.0.1:%d", port)}, nil)
	store := t.TempDir()
	text := func(ids ...Identity) string {
		var enrolled []Enrolled
		for _, id := range ids {
			enrolled = append(enrolled, Enrolled{id, st.probers[id].PublicKey()})
		}
		config, err := ServerConfig(st.centre.PublicKey(), enrolled)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("listen: \"127.0.0.1:%d\"\njetstream {store_dir: %q}\n%s", port, store, config)
	}
	stays, goes, comes := Identity{"frankfurt", "honest"}, Identity{"tokyo", "evil"}, Identity{"eu.west", "p-1.x"}
	path := filepath.Join(t.TempDir(), "server.conf")
	s := startServerAt(t, path, text(stays, goes))
	c := st.open(t, HubOptions{})
	c.consume(t)
	c.services(t)
	a, b := connect(t, st.probers[stays]), connect(t, st.probers[goes])
	answer(t, a.up.Beat, "x")
	answer(t, b.up.Beat, "x")
	if err := os.WriteFile(path, []byte(text(stays, comes)), 0o600); err != nil {
		t.Fatal(err)
	}
	// Twice: at the first time nats-server 2.15 makes a new account and leaves its imports without effect.
	for range 2 {
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the revoked key is out", func() bool { return !b.up.Status().Connected })
	n := connect(t, st.probers[comes])
	if got := answer(t, n.up.Beat, "new"); got != "eu.west/p-1.x says new" {
		t.Errorf("got %q", got)
	}
	until(t, "the other is there still, or again", func() bool { _, err := a.up.Beat(t.Context(), []byte("old")); return err == nil })
	a.put(t, 0, 10)
	n.put(t, 10, 20)
	until(t, "results of both", func() bool { return covers(append(c.live.got(), c.late.got()...), 0, 20) })
}

func TestServerConfigErrors(t *testing.T) {
	creds, err := NewCredentials("tokyo", "p", []string{"nats://127.0.0.1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	good := creds.PublicKey()
	for _, c := range []struct {
		centre  string
		probers []Enrolled
		want    string
	}{
		{"x", nil, `"x"`},
		{good, []Enrolled{{Identity{"tokyo", "a b"}, good}}, `"a b"`},
		{good, []Enrolled{{Identity{"tokyo", "p"}, "\"}"}}, "prober p of region tokyo"},
	} {
		if _, err := ServerConfig(c.centre, c.probers); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v, want one that names %s", err, c.want)
		}
	}
	other, err := NewCredentials("tokyo", "p", []string{"nats://127.0.0.1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := []Enrolled{{Identity{"tokyo", "p"}, good}, {Identity{"a", "p"}, good}, {Identity{"tokyo", "p"}, other.PublicKey()}}
	b := []Enrolled{a[1], a[0], a[2]}
	one, err1 := ServerConfig(good, a)
	two, err2 := ServerConfig(good, b)
	if one != two || err1 != nil || err2 != nil {
		t.Errorf("got\n%s\nand\n%s\n(%v, %v), want the same for the same probers", one, two, err1, err2)
	}
	if strings.Count(one, other.PublicKey()) != 1 || strings.Count(one, `"prober/tokyo/p" {`) != 1 {
		t.Errorf("got\n%s\nwant one account with two keys for tokyo/p", one)
	}
}

// A server elsewhere that is not there is told, when it has had its time.
func TestElsewhereAway(t *testing.T) {
	st := newSite(t, []string{fmt.Sprintf("nats://127.0.0.1:%d", freePorts(t, 1)[0])}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	h, err := OpenHub(ctx, HubOptions{Elsewhere: &Elsewhere{Credentials: st.centre}})
	if err == nil || !strings.Contains(err.Error(), st.centre.URLs[0]) {
		t.Errorf("got %v, %v, want an error that names the url", h, err)
	}
	if errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
}
