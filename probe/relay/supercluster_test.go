package relay

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Probers connect to a cluster of a supercluster that is near them and stores nothing; the centre and the far queue are at
// another. docs/scale.md recommends that for many regions.
func TestConformSupercluster(t *testing.T) {
	ports, dir := freePorts(t, 11), t.TempDir()
	nats := func(port int) string { return fmt.Sprintf("nats://127.0.0.1:%d", port) }
	clients, clusters, gates := ports[:3], ports[3:6], ports[6:9]
	nearClients, nearGate := ports[9], ports[10]
	var urls, routes, gateURLs []string
	for n := range 3 {
		urls, routes = append(urls, nats(clients[n])), append(routes, nats(clusters[n]))
		gateURLs = append(gateURLs, nats(gates[n]))
	}
	st := newSite(t, urls, nil)
	start := func(name, cluster string, port, gate int, more string) {
		path := filepath.Join(dir, name+".conf")
		text := fmt.Sprintf(`
			server_name: %s
			listen: "127.0.0.1:%d"
			gateway {name: %s, listen: "127.0.0.1:%d", gateways: [{name: centre, urls: [%s]}, {name: near, url: %q}]}
			%s
			%s`, name, port, cluster, gate, quoted(gateURLs), nats(nearGate), more, st.config)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		spawn(t, func(string) {}, "server", path)
	}
	for n := range 3 {
		start(fmt.Sprintf("centre-%d", n), "centre", clients[n], gates[n], fmt.Sprintf(`
			cluster {name: centre, listen: "127.0.0.1:%d", routes: [%s]}
			jetstream {store_dir: %q}`, clusters[n], quoted(routes), filepath.Join(dir, fmt.Sprint(n))))
	}
	start("near-0", "near", nearClients, nearGate, "")
	c := st.open(t, HubOptions{Elsewhere: &Elsewhere{Replicas: 3}})
	creds := c.enrol(t, "eu.west", "p-1.x")
	creds.URLs = []string{nats(nearClients)}
	conform(t, c, creds)
}
