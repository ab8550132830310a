//go:build chaos

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A land is the network of TestChaos: one namespace with a bridge, and one for each inhabitant, joined to it by a cable of
// its own. All of it is 192.0.2.0/24, and nothing of it is reached from anywhere else.
type land struct {
	prefix string
	homes  map[string]string // address by name
}

// newLand makes the bridge. All that a land is made of is gone at the end of the test, and that of a run that was killed now.
func newLand(t *testing.T) *land {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("the network namespaces of this test need root")
	}
	sweepLands(t)
	n := &land{prefix: fmt.Sprintf("gkc%d-", os.Getpid()), homes: map[string]string{}}
	n.must(t, "ip", "netns", "add", n.ns("hub"))
	t.Cleanup(func() { exec.Command("ip", "netns", "del", n.ns("hub")).Run() })
	n.must(t, "ip", "-n", n.ns("hub"), "link", "add", "bridge", "type", "bridge")
	n.must(t, "ip", "-n", n.ns("hub"), "link", "set", "bridge", "up")
	return n
}

// sweepLands removes the namespaces and the disks of test processes that are gone.
func sweepLands(t *testing.T) {
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if abandoned(name) {
			exec.Command("ip", "netns", "del", name).Run()
		}
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if words := strings.Fields(line); abandoned(words[0]) {
			exec.Command("umount", "-l", words[1]).Run()
		}
	}
}

// abandoned reports whether something has the name of a land whose process is gone.
func abandoned(name string) bool {
	pid, _, found := strings.Cut(strings.TrimPrefix(name, "gkc"), "-")
	return found && strings.HasPrefix(name, "gkc") && !exists("/proc/"+pid)
}

// mount makes a disk in memory: kill -9 takes nothing from it, and it needs no other test's disk.
func (n *land) mount(t *testing.T, folder, size string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	n.must(t, "mount", "-t", "tmpfs", "-o", "size="+size, n.ns("disk"), folder)
	t.Cleanup(func() { exec.Command("umount", "-l", folder).Run() })
}

func (n *land) ns(name string) string { return n.prefix + name }

// settle makes a namespace with addresses, of which the first is where it is found.
func (n *land) settle(t *testing.T, name string, addresses ...string) {
	t.Helper()
	n.homes[name] = addresses[0]
	ns, hub := n.ns(name), n.ns("hub")
	n.must(t, "ip", "netns", "add", ns)
	t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	n.must(t, "ip", "-n", ns, "link", "add", "cable", "type", "veth", "peer", "name", name, "netns", hub)
	n.must(t, "ip", "-n", hub, "link", "set", name, "master", "bridge")
	n.must(t, "ip", "-n", hub, "link", "set", name, "up")
	for _, a := range addresses {
		n.must(t, "ip", "-n", ns, "addr", "add", a+"/24", "dev", "cable")
	}
	n.must(t, "ip", "-n", ns, "link", "set", "lo", "up")
	n.must(t, "ip", "-n", ns, "link", "set", "cable", "up")
}

func (n *land) must(t *testing.T, words ...string) {
	t.Helper()
	if err := execute(words...); err != nil {
		t.Fatal(err)
	}
}

func execute(words ...string) error {
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, out)
	}
	return nil
}

// cluster is where its servers are.
func (n *land) cluster() []string { return []string{"192.0.2.21", "192.0.2.22", "192.0.2.23"} }

// in is the prefix that puts a command into a namespace.
func (n *land) in(name string) []string { return []string{"ip", "netns", "exec", n.ns(name)} }

// A fence is a way in which a namespace's network can be impaired. It can be undone.
type fence struct{ put, undo []string }

func (f fence) inject() (undo, error) {
	return func(context.Context) error { return execute(f.undo...) }, execute(f.put...)
}

// unplug takes the carrier from a namespace.
func (n *land) unplug(name string) fence {
	return fence{
		put:  []string{"ip", "-n", n.ns(name), "link", "set", "cable", "down"},
		undo: []string{"ip", "-n", n.ns(name), "link", "set", "cable", "up"},
	}
}

// mute takes the port at the bridge down: the namespace sees its carrier go.
func (n *land) mute(name string) fence {
	return fence{
		put:  []string{"ip", "-n", n.ns("hub"), "link", "set", name, "down"},
		undo: []string{"ip", "-n", n.ns("hub"), "link", "set", name, "up"},
	}
}

// isolate leaves the carrier, and takes the port out of the bridge: what is sent vanishes, as beyond a switch that died.
func (n *land) isolate(name string) fence {
	return fence{
		put:  []string{"ip", "-n", n.ns("hub"), "link", "set", name, "nomaster"},
		undo: []string{"ip", "-n", n.ns("hub"), "link", "set", name, "master", "bridge"},
	}
}

// drop loses all packets from the addresses given.
func (n *land) drop(name string, addresses ...string) fence {
	return n.rule(name, "ip saddr { "+strings.Join(addresses, ", ")+" } drop")
}

// lose loses a part of all packets, in percent.
func (n *land) lose(name string, percent int) fence {
	return n.rule(name, fmt.Sprintf("iif != lo numgen random mod 100 < %d drop", percent))
}

func (n *land) rule(name, rule string) fence {
	nft := append(n.in(name), "nft")
	return fence{
		put:  append(nft[:len(nft):len(nft)], "table inet chaos { chain in { type filter hook input priority 0; "+rule+"; }; }"),
		undo: append(nft[:len(nft):len(nft)], "delete table inet chaos"),
	}
}

// throttle lets through no more than a rate, like 256kbit.
func (n *land) throttle(name, rate string) fence {
	tc := append(n.in(name), "tc", "qdisc")
	return fence{
		put:  append(tc[:len(tc):len(tc)], "replace", "dev", "cable", "root", "tbf", "rate", rate, "burst", "5kb", "latency", "400ms"),
		undo: append(tc[:len(tc):len(tc)], "del", "dev", "cable", "root"),
	}
}
