package probe

import (
	"net"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// A nameServer answers over UDP and TCP on one port of loopback, as its function says: with any number of
// datagrams, or with messages over TCP, that need not be replies.
type nameServer struct {
	address string

	mu    sync.Mutex
	asked int
}

// queries returns how many came.
func (s *nameServer) queries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// nameserver starts one. f is given how many queries came before.
func nameserver(t testing.TB, f func(q *dns.Msg, before int) [][]byte) *nameServer {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{address: pc.LocalAddr().String()}
	answer := func(msg []byte) [][]byte {
		q := new(dns.Msg)
		if q.Unpack(msg) != nil {
			return nil
		}
		s.mu.Lock()
		before := s.asked
		s.asked++
		s.mu.Unlock()
		return f(q, before)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, out := range answer(buf[:n]) {
				_, _ = pc.WriteTo(out, from)
			}
		}
	})
	t.Cleanup(func() { pc.Close(); wg.Wait() })
	return s
}

// packed is the bytes of messages that must be good.
func packed(t testing.TB, ms ...*dns.Msg) [][]byte {
	t.Helper()
	var out [][]byte
	for _, m := range ms {
		b, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		out = append(out, b)
	}
	return out
}

// replyTo makes a reply with records in the form of a zone file.
func replyTo(t testing.TB, q *dns.Msg, rcode int, records ...string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetRcode(q, rcode)
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Error(err)
			continue
		}
		m.Answer = append(m.Answer, rr)
	}
	return m
}
