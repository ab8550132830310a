package relay

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The prober's process and the hub's are killed at random moments, again and again. Every result whose put returned
// is consumed at least once.
func TestKillBothEnds(t *testing.T) {
	dir := t.TempDir()
	queue, far, file := filepath.Join(dir, "queue"), filepath.Join(dir, "far"), filepath.Join(dir, "creds")
	listen := fmt.Sprintf("127.0.0.1:%d", freePorts(t, 1)[0])
	creds, err := NewCredentials("tokyo", "p", []string{"nats://" + listen}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := creds.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	var put, consumed tally
	hubs := 0
	hub := func() *process {
		hubs++
		return spawn(t, consumed.add, "hub", file, far, listen)
	}
	h := hub()
	for round := range 12 {
		had := len(put.all())
		p := spawn(t, put.add, "prober", file, queue, strconv.Itoa(round*10_000))
		more := func(n int) func() bool { return func() bool { return len(put.all()) > had+n } }
		until(t, "some puts", more(rand.IntN(100)))
		if round%3 != 0 {
			pause(t.Context(), time.Duration(rand.IntN(20_000))*time.Microsecond)
			h.kill()
			until(t, "puts without a hub", more(100+rand.IntN(100)))
			h = hub()
			until(t, "puts with a new hub", more(200+rand.IntN(200)))
		}
		if round%2 == 0 {
			seen := len(consumed.all())
			until(t, "something consumed", func() bool { return len(consumed.all()) > seen })
		}
		pause(t.Context(), time.Duration(rand.IntN(5_000))*time.Microsecond)
		p.kill()
	}
	h.kill()
	told := put.all()
	c := openHub(t, HubOptions{Dir: far, Listen: listen})
	c.register.add(creds)
	c.consume(t)
	r := newRemote(t, queue, UplinkOptions{Credentials: creds})
	run(t, r.up.Run)
	missing := func() (lost int) {
		have := make(map[int]bool)
		for _, got := range [][]int{consumed.all(), c.live.got(), c.late.got()} {
			for _, n := range got {
				have[n] = true
			}
		}
		for _, n := range told {
			if !have[n] {
				lost++
			}
		}
		return lost
	}
	until(t, "the near queue is forwarded", func() bool { return r.Queue.Status().Pending == 0 })
	until(t, "every put is consumed", func() bool { return missing() == 0 })
	t.Logf("%d puts returned, %d results consumed in %d lives of the hub", len(told),
		len(consumed.all())+len(c.live.got())+len(c.late.got()), hubs+1)
}

// A cluster of three servers keeps three copies: one server is killed, comes back, another is killed, and nothing is
// lost.
func TestCluster(t *testing.T) {
	ports, dir := freePorts(t, 6), t.TempDir()
	var urls, routes []string
	for n := range 3 {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[n]))
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[3+n]))
	}
	st := newSite(t, urls, nil)
	start := func(n int) *process {
		path := filepath.Join(dir, fmt.Sprintf("server-%d.conf", n))
		text := fmt.Sprintf(`
			server_name: s%d
			listen: "127.0.0.1:%d"
			jetstream {store_dir: %q, sync_interval: always}
			cluster {name: gaikei, listen: "127.0.0.1:%d", routes: [%s]}
			%s`, n, ports[n], filepath.Join(dir, fmt.Sprint(n)), ports[3+n], quoted(routes), st.config)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return spawn(t, func(string) {}, "server", path)
	}
	var servers []*process
	for n := range 3 {
		servers = append(servers, start(n))
	}
	c := st.open(t, HubOptions{Elsewhere: &Elsewhere{Replicas: 3}})
	s, err := c.current()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := s.js.Stream(t.Context(), laneStream(Late))
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo(); got.Config.Replicas != 3 || len(got.Cluster.Replicas) != 2 {
		t.Errorf("got %d replicas of which %d follow, want 3 and 2", got.Config.Replicas, len(got.Cluster.Replicas))
	}
	conform(t, c, c.enrol(t, "eu.west", "p-1.x"))

	r := connect(t, c.enrol(t, "tokyo", "honest"))
	<-r.up.started
	consumed := func() []int { return append(c.live.got(), c.late.got()...) }
	from := 1000
	batch := func(n int) {
		t.Helper()
		r.put(t, from, from+n)
		from += n
	}
	batch(50)
	for n := range 3 {
		batch(20)
		servers[n].kill() // with messages on their way
		batch(50)
		until(t, fmt.Sprintf("everything without server %d", n), func() bool { return covers(consumed(), 1000, from) })
		servers[n] = start(n)
		until(t, fmt.Sprintf("server %d follows again", n), func() bool {
			info, err := stream.Info(t.Context())
			if err != nil || info.Cluster == nil || info.Cluster.Leader == "" {
				return false
			}
			for _, peer := range info.Cluster.Replicas {
				if !peer.Current {
					return false
				}
			}
			return len(info.Cluster.Replicas) == 2
		})
	}
	batch(20)
	until(t, "everything with all servers", func() bool { return covers(consumed(), 1000, from) })
}

// A hub whose server has given up opens it again, where it was, and goes on.
func TestHubServerStops(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.consume(t)
	c.services(t)
	r := connect(t, c.enrol(t, "tokyo", "p"))
	for n := range 3 {
		answer(t, r.up.Beat, "hello")
		r.put(t, n*10, n*10+10)
		until(t, "results", func() bool { return covers(append(c.live.got(), c.late.got()...), 0, n*10+10) })
		s, err := c.current()
		if err != nil {
			t.Fatal(err)
		}
		s.server.Shutdown()
		until(t, "opened again", func() bool { st := c.Status(); return st.Reopened == n+1 && !st.Broken })
		c.wake()
	}
	until(t, "the prober is back", func() bool { return r.up.Status().Connected })
	r.put(t, 30, 40)
	until(t, "results after all", func() bool { return covers(append(c.live.got(), c.late.got()...), 0, 40) })
	if n := c.log.count("is broken"); n != 3 {
		t.Errorf("got %d lines about the fault, want one each time:\n%s", n, c.log)
	}
}

// The disk of the far queue fills up and is freed: it is loud once, loses nothing, and works again by itself.
func TestHubFullDisk(t *testing.T) {
	disk := smallDisk(t, "24m")
	c := openHub(t, HubOptions{Dir: filepath.Join(disk, "far"), MaxBytes: 8 << 20})
	c.consume(t)
	r := connect(t, c.enrol(t, "tokyo", "p"))
	<-r.up.started
	consumed := func() []int { return append(c.live.got(), c.late.got()...) }
	r.put(t, 0, 50)
	until(t, "results before", func() bool { return covers(consumed(), 0, 50) })
	big := filepath.Join(disk, "big")
	fill(t, big)
	n := 50
	until(t, "broken", func() bool {
		r.put(t, n, n+10)
		n += 10
		pause(t.Context(), 20*time.Millisecond)
		return c.Status().Broken
	})
	r.put(t, n, n+50)
	if err := os.Remove(big); err != nil {
		t.Fatal(err)
	}
	until(t, "works again", func() bool { return !c.Status().Broken })
	r.put(t, n+50, n+100)
	until(t, "everything", func() bool { return covers(consumed(), 0, n+100) })
	if got := c.log.count("is broken"); got != 1 {
		t.Errorf("got %d lines about the fault, want 1:\n%s", got, c.log)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	c.end(t) // before its disk goes
}
