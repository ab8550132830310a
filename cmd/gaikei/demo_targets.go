package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// demoTargets are the servers that the demo probes, all on 127.0.0.1; ports names where each listens.
type demoTargets struct {
	ports   map[string]string
	closers []func()
}

// startDemoTargets starts the servers; they serve until close is called.
func startDemoTargets(ctx context.Context) (*demoTargets, error) {
	t := &demoTargets{ports: map[string]string{}}
	servers := map[string]http.HandlerFunc{
		"shop":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ready\n") },
		"slow":  serveSlowly,
		"flaky": serveFlakily,
		"broken": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no images today", http.StatusInternalServerError)
		},
	}
	for name, h := range servers {
		if err := t.serveHTTP(ctx, name, h); err != nil {
			t.close()
			return nil, err
		}
	}
	if err := errors.Join(t.serveTCP(ctx), t.serveDNS(ctx)); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *demoTargets) close() {
	for _, f := range t.closers {
		f()
	}
}

// serveSlowly answers after 100 to 500 ms.
func serveSlowly(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(100*time.Millisecond + rand.N(400*time.Millisecond)):
		io.WriteString(w, "found\n")
	case <-r.Context().Done():
	}
}

// serveFlakily fails in the last ten seconds of every minute.
func serveFlakily(w http.ResponseWriter, _ *http.Request) {
	if time.Now().Second() >= 50 {
		http.Error(w, "checkout is restarting", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "checked out\n")
}

func (t *demoTargets) serveHTTP(ctx context.Context, name string, h http.Handler) error {
	l, err := t.listen(ctx, name)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	t.closers = append(t.closers, func() { srv.Close() })
	go srv.Serve(l)
	return nil
}

// serveTCP accepts connections and closes them.
func (t *demoTargets) serveTCP(ctx context.Context) error {
	l, err := t.listen(ctx, "control")
	if err != nil {
		return err
	}
	t.closers = append(t.closers, func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return nil
}

func (t *demoTargets) serveDNS(ctx context.Context) error {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the demo's DNS target: %w", err)
	}
	t.ports["dns"] = strconv.Itoa(pc.LocalAddr().(*net.UDPAddr).Port)
	srv := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(serveZone)}
	t.closers = append(t.closers, func() { pc.Close() })
	go srv.ActivateAndServe()
	return nil
}

// serveZone answers every question for an address with the same one, with authority.
func serveZone(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative = true
	if len(q.Question) == 1 && q.Question[0].Qtype == dns.TypeA {
		m.Answer = append(m.Answer, &dns.A{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
			A:   net.IPv4(192, 0, 2, 10),
		})
	}
	w.WriteMsg(m)
}

func (t *demoTargets) listen(ctx context.Context, name string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the demo's %s target: %w", name, err)
	}
	t.ports[name] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	return l, nil
}

// demoFirewall is the address that the demo's firewall hides from all regions but the office.
const demoFirewall = "127.0.1.6"

// The outages of frankfurt's network: the first demoCut of every demoCycle.
const (
	demoCycle = 90 * time.Second
	demoCut   = 20 * time.Second
)

// demoNetwork is a region's made-up network: every address leads to 127.0.0.1, save where a packet is lost. A
// lost first packet is sent again after 1, 3 and 7 seconds, as TCP does.
func demoNetwork(region string) func(ctx context.Context, network, address string) (net.Conn, error) {
	begun := time.Now()
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		for again := time.Second; demoLoses(region, host, time.Since(begun)); again *= 2 {
			select {
			case <-time.After(again):
			case <-ctx.Done():
				return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
			}
		}
		var d net.Dialer
		return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
}

// demoLoses reports whether a packet from a region to a host is lost at a time since the start.
func demoLoses(region, host string, at time.Duration) bool {
	cut := region == "frankfurt" && (at+demoCycle/2)%demoCycle < demoCut
	hidden := host == demoFirewall && region != "office"
	return cut || hidden
}
