package probe

import (
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestRootDNSControls(t *testing.T) {
	ks := RootDNSControls()
	hosts := map[Family][]string{}
	names := map[Family]int{}
	for _, k := range ks {
		if ps := k.Validate(); len(ps) > 0 {
			t.Errorf("%s: %v", k.Target().Text, ps)
		}
		target := k.Target()
		hosts[target.family()] = append(hosts[target.family()], target.Host)
		if target.Name {
			names[target.family()]++
		}
		if target.Port != 53 || len(target.Families) != 1 {
			t.Errorf("%+v: want port 53 and one family", target)
		}
	}
	for _, f := range []Family{IPv4, IPv6} {
		slices.Sort(hosts[f])
		if n := len(slices.Compact(hosts[f])); n != 13 || names[f] != 4 {
			t.Errorf("IPv%d: %d hosts, %d of them names; want 13 and 4", f, n, names[f])
		}
	}
	checks := []*Check{{Name: "a", Kind: &fake{target: named("shop.example.com")}}, {Name: "b", Kind: &fake{target: host("2001:db8::1")}}}
	o := ControlOptions{Targets: ks}
	if ps := append(ValidateControls(o, checks), LintControls(o, checks)...); len(ps) > 0 {
		t.Errorf("the preset is not enough for names and both families: %v", ps)
	}
}

// TestRootQuestion puts the question of the preset to a real server: one that is authoritative for the root
// vouches, one that merely answers does not.
func TestRootQuestion(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var authoritative atomic.Bool
	server := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = authoritative.Load()
		if q.RecursionDesired || q.Question[0].Name != "." || q.Question[0].Qtype != dns.TypeNS {
			m.Rcode = dns.RcodeRefused
		}
		for _, s := range rootServers {
			rr, err := dns.NewRR(". 518400 IN NS " + s[0] + ".")
			if err != nil {
				t.Error(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		w.WriteMsg(m)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		pc.Close()
		<-done
	})
	root := *RootDNSControls()[0].(*DNS)
	root.Server = pc.LocalAddr().String()
	k := &root
	if ps := k.Validate(); len(ps) > 0 {
		t.Fatal(ps)
	}
	c := NewControls(ControlOptions{Targets: []Kind{k}})
	l := NewLooker(nil, c, "here")
	failing := checkOf(&fake{target: host("203.0.113.1"), do: after(time.Millisecond, NetworkUnreachable)}, time.Second)
	if got, _ := lookNow(t.Context(), l, failing); got.Outcome != Inconclusive {
		t.Errorf("a server that is no root server: %v{%v}, want inconclusive", got.Outcome, got.Reason)
	}
	authoritative.Store(true)
	refused := checkOf(&fake{target: host("203.0.113.1"), do: after(time.Millisecond, Refused)}, time.Second)
	if got, _ := lookNow(t.Context(), l, refused); got.Outcome != Down {
		t.Errorf("a root server: %v{%v}, want down; %+v", got.Outcome, got.Reason, c.Status().Controls)
	}
}
