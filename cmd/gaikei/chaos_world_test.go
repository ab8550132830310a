//go:build chaos

package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A script says how each target behaves when. It is a function of the seed and the moment at which it begins, so that the
// world, which plays it, and the harness, which compares with it, need not talk.
type script struct {
	seed  uint64
	begun time.Time
}

// An act is a time in which a target behaves in one way. It is all right, or what its target is made to be otherwise.
type act struct {
	from, to time.Time
	fine     bool
}

// acts are those of a target from the beginning until an instant, all right first. Steady targets have one.
func (s script) acts(target string, until time.Time) []act {
	if !targetOf(target).changes {
		return []act{{s.begun, until, true}}
	}
	h := fnv.New64a()
	h.Write([]byte(target))
	random := rand.New(rand.NewPCG(s.seed, h.Sum64()))
	var all []act
	for from, fine := s.begun, true; from.Before(until); fine = !fine {
		to := from.Add(8*time.Second + time.Duration(random.Int64N(int64(14*time.Second))))
		all = append(all, act{from, to, fine})
		from = to
	}
	return all
}

// at is the act of a target at an instant.
func (s script) at(target string, t time.Time) act {
	all := s.acts(target, t.Add(time.Second))
	for _, a := range all {
		if t.Before(a.to) {
			return a
		}
	}
	return all[len(all)-1]
}

// A target is one that checks look at, under its own name.
type target struct {
	name    string
	changes bool   // it is not always all right
	port    string // of one that is not HTTP
	open    bool   // of a TCP port: open when all is right
	yaml    string // the rest of the check
	good    string // the outcome when all is right
	bad     string // and when not
}

// targets of TestChaos. That of wall is dropped by the world's nftables.
func chaosTargets() []target {
	return []target{
		{name: "steady", yaml: `http: {url: "http://192.0.2.10/steady"}`, good: "up"},
		{name: "flips", changes: true, yaml: `http: {url: "http://192.0.2.10/flips"}`, good: "up", bad: "down"},
		{name: "hangs", changes: true, yaml: `interval: 2s, timeout: 1500ms, http: {url: "http://192.0.2.10/hangs"}`, good: "up", bad: "down"},
		{name: "slow", changes: true, yaml: `latency: {under: 200ms}, http: {url: "http://192.0.2.10/slow"}`, good: "up", bad: "up"},
		{name: "open", changes: true, port: "7001", open: true, yaml: `tcp: {address: "192.0.2.10:7001"}`, good: "up", bad: "down"},
		{name: "closed", yaml: `tcp: {address: "192.0.2.10:7002"}, expect: {unreachable: all, by: [refused]}`, good: "expected_unreachable"},
		{name: "wall", yaml: `interval: 2s, timeout: 1500ms, tcp: {address: "192.0.2.10:7003"}, expect: {unreachable: all, by: [timeout]}`, good: "expected_unreachable"},
		{name: "leak", changes: true, port: "7004", yaml: `tcp: {address: "192.0.2.10:7004"}, expect: {unreachable: all, by: [refused]}`, good: "expected_unreachable", bad: "unexpected"},
		{name: "zone", changes: true, port: "5301", yaml: `dns: {server: "192.0.2.10:5301", name: www.example.com, type: A, answer: {any: "192.0.2.10"}}`, good: "up", bad: "down"},
		{name: "silent", changes: true, port: "5302", yaml: `interval: 2s, timeout: 1500ms, dns: {server: "192.0.2.10:5302", name: www.example.com, type: A}`, good: "up", bad: "down"},
		{name: "shape", yaml: `interval: %s, http: {url: "http://192.0.2.10/shape"}`, good: "up"},
		{name: "guest", yaml: `http: {url: "http://192.0.2.10/guest"}`, good: "up"},
	}
}

// outcome is what a look at it comes to.
func (t target) outcome(fine bool) string {
	if fine {
		return t.good
	}
	return t.bad
}

// seen reports whether the access log has every probe of a target: who connects to a TCP port need not be accepted.
func (t target) seen() bool { return !strings.Contains(t.yaml, "tcp:") }

// timeout of its check.
func (t target) timeout() time.Duration {
	if strings.Contains(t.yaml, "timeout: 1500ms") {
		return 1500 * time.Millisecond
	}
	return 800 * time.Millisecond
}

func targetOf(name string) target {
	for _, t := range chaosTargets() {
		if t.name == name {
			return t
		}
	}
	return target{name: name}
}

// A visit is a line of the world's access log: when who asked for what, what the script said then, and when the answer was
// written. Of a TCP port it is told when it opened and closed, for who connects to one need not be seen.
type visit struct {
	At, Answered int64 // Unix ns; Answered 0: never
	From         string
	Target       string
	Fine         bool
	Port         string `json:",omitempty"` // "opened", "closed"
}

// accessBook is the world's access log.
type accessBook struct {
	mu   sync.Mutex
	file *os.File
}

func (b *accessBook) write(v visit) {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.file.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// playWorld is every target and every control. Its arguments are the access log, the seed, and the beginning in Unix ns.
func playWorld(args []string) error {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	begun, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(args[0], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := &world{script: script{seed, time.Unix(0, begun)}, book: &accessBook{file: file}}
	control := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for at, h := range map[string]http.Handler{"192.0.2.10:80": w, "192.0.2.11:80": control, "192.0.2.12:80": control} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		go http.Serve(l, h)
	}
	for _, t := range chaosTargets() {
		switch {
		case t.port == "":
		case strings.HasPrefix(t.port, "53"):
			pc, err := net.ListenPacket("udp", "192.0.2.10:"+t.port)
			if err != nil {
				return err
			}
			go (&dns.Server{PacketConn: pc, Handler: w.zone(t)}).ActivateAndServe()
		default:
			go w.door(t)
		}
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

type world struct {
	script script
	book   *accessBook
}

// ServeHTTP plays the target that the path names.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	now := time.Now()
	name := strings.TrimPrefix(r.URL.Path, "/")
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	v := visit{At: now.UnixNano(), From: host, Target: name, Fine: w.script.at(name, now).fine}
	defer func() { w.book.write(v) }()
	if !v.Fine {
		switch name {
		case "flips":
			rw.WriteHeader(http.StatusInternalServerError)
			v.Answered = time.Now().UnixNano()
			return
		case "hangs":
			<-r.Context().Done()
			return
		case "slow":
			select {
			case <-time.After(300 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
	}
	io.WriteString(rw, "ready")
	v.Answered = time.Now().UnixNano()
}

// zone answers rightly, wrongly (zone), or not at all (silent).
func (w *world) zone(t target) dns.Handler {
	return dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		now := time.Now()
		host, _, _ := net.SplitHostPort(rw.RemoteAddr().String())
		v := visit{At: now.UnixNano(), From: host, Target: t.name, Fine: w.script.at(t.name, now).fine}
		defer func() { w.book.write(v) }()
		address := "192.0.2.10"
		switch {
		case v.Fine:
		case t.name == "silent":
			return
		default:
			address = "192.0.2.66"
		}
		m := new(dns.Msg)
		m.SetReply(q)
		m.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.ParseIP(address),
		}}
		rw.WriteMsg(m)
		v.Answered = time.Now().UnixNano()
	})
}

// door opens and closes a TCP port as the script says, for ever.
func (w *world) door(t target) {
	for {
		now := time.Now()
		a := w.script.at(t.name, now)
		if a.fine != t.open {
			w.book.write(visit{At: now.UnixNano(), Target: t.name, Fine: a.fine, Port: "closed"})
			<-time.After(time.Until(a.to))
			continue
		}
		l, err := net.Listen("tcp", "192.0.2.10:"+t.port)
		if err != nil {
			panic(err)
		}
		w.book.write(visit{At: time.Now().UnixNano(), Target: t.name, Fine: a.fine, Port: "opened"})
		time.AfterFunc(time.Until(a.to), func() { l.Close() })
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			c.Close()
		}
	}
}
