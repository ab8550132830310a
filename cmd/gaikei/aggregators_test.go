package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/gaikei/gaikei/sli/timeline"
)

// withDatabase starts a process of the program that has the address of a database in its environment.
func withDatabase(t *testing.T, database, data, listen string, args ...string) *program {
	t.Helper()
	p := &program{t: t, data: data, listen: listen, log: &syncBuffer{}, waited: make(chan error, 1)}
	p.cmd = command(t.Context(), nil, args...)
	p.cmd.Env = append(p.cmd.Env, databaseVariable+"="+database)
	return p
}

// output runs a command to its end and returns what it printed.
func (p *program) output() string {
	p.t.Helper()
	out, err := p.cmd.Output()
	if err != nil {
		p.t.Fatalf("%v: %v", p.cmd.Args[1:], err)
	}
	return string(out)
}

// natsServer starts a server of a cluster of one from the text that the program printed for it.
func natsServer(t *testing.T, port, accounts string) {
	t.Helper()
	path := writeFile(t, t.TempDir(), "nats.conf", fmt.Sprintf("listen: \"127.0.0.1:%s\"\njetstream {store_dir: %q}\n%s", port, t.TempDir(), accounts))
	o, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
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
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
}

// TestAggregatorsAreKilled has two aggregators share a queue and a database, and kills one after the other, both at once
// too. In the end every slot is there as the target knows it, and what is left of the aggregators agree.
func TestAggregatorsAreKilled(t *testing.T) {
	t.Parallel()
	database, dir := cluster.Database(t), t.TempDir()
	truth := &accessLog{seen: map[string][]time.Time{}}
	config := writeFile(t, dir, "gaikei.yaml", "regions: {tokyo: {}}\n"+twoControls(t)+fmt.Sprintf(`
checks:
  - {name: shop, interval: 1s, timeout: 900ms, http: {url: "http://%s/shop"}}
`, listenOn(t, "127.0.0.1", truth)))
	at := func(name string) string { return filepath.Join(dir, name) }
	port := freePort(t)
	url := "nats://127.0.0.1:" + port
	withDatabase(t, database, "", "", "cluster", "credentials", "--url", url, "--out", at("centre.creds")).output()
	withDatabase(t, database, "", "", "probers", "enroll", "--data", at("none"), "--region", "tokyo", "--name", "p1", "--url", url, "--out", at("p1.creds")).output()
	natsServer(t, port, withDatabase(t, database, "", "", "cluster", "config", "--data", at("none"), "--cluster-creds", at("centre.creds")).output())

	start := func(name string) *program {
		t.Helper()
		listen := "127.0.0.1:" + freePort(t)
		p := withDatabase(t, database, at(name), listen, "aggregator", "-c", config, "--cluster-creds", at("centre.creds"), "--data", at(name), "--listen", listen).begin()
		p.until("is ready", func() bool {
			code, _ := p.get("/readyz")
			return code == http.StatusOK
		})
		return p
	}
	begun := time.Now()
	one, two := start("one"), start("two")
	prober := withDatabase(t, "", at("p1"), "", "prober", "--creds", at("p1.creds"), "--data", at("p1")).begin()
	prober.answered(truth, "shop", 5)
	one.kill()
	prober.answered(truth, "shop", 4)
	one = start("one")
	two.kill()
	prober.answered(truth, "shop", 4)
	one.kill()
	prober.answered(truth, "shop", 3) // nobody takes anything in
	one, two = start("one"), start("two")
	prober.answered(truth, "shop", 4)
	ended := time.Now().Truncate(time.Second)
	one.until("has settled", func() bool { return one.counted(begun, ended)["tokyo"][1] >= 18 })
	two.until("says the same", func() bool { return cmp.Equal(one.counted(begun, ended), two.counted(begun, ended)) })
	prober.stop()
	one.stop()
	two.stop()

	store, err := timeline.Open(t.Context(), timeline.Options{Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	slots, err := store.Recent(t.Context(), "shop", "tokyo", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for len(slots) > 0 && !time.UnixMilli(slots[len(slots)-1].At).Before(ended) {
		slots = slots[:len(slots)-1]
	}
	var sum tally
	sum.compare(t, "shop", slots, truth, begun, nil) // no kill of an aggregator costs anything
	t.Logf("%d slots up, %d missed", sum.up, sum.missed)
	if sum.up < 18 {
		t.Errorf("got %d slots up, want at least 18", sum.up)
	}
}
