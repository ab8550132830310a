package probe

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// soaServer has a zone whose serial is as the function says, given how many queries came before.
func soaServer(t *testing.T, serial func(before int32) uint32) string {
	t.Helper()
	var asked atomic.Int32
	return answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		respond(t, w, replyTo(t, q, 0, fmt.Sprintf("example. 60 IN SOA ns.example. admin.example. %d 60 60 60 60", serial(asked.Add(1)-1))))
	})
}

func TestSerial(t *testing.T) {
	seven := soaServer(t, func(int32) uint32 { return 7 })
	wrapped := soaServer(t, func(int32) uint32 { return 5 })
	none := answering(t, func(w dns.ResponseWriter, q *dns.Msg) { respond(t, w, replyTo(t, q, 0)) })
	for _, tt := range []struct {
		name, server string
		atLeast      uint32
		want         Reason
	}{
		{"this one", seven, 7, ReasonNone},
		{"one before it", seven, 6, ReasonNone},
		{"one after it", seven, 8, Answer},
		{"past the largest number", wrapped, 1<<32 - 5, ReasonNone},
		{"none", none, 7, Answer},
	} {
		a := look(t, &DNS{Server: tt.server, Name: "example", Type: RRType(dns.TypeSOA), Serial: &SOASerial{AtLeast: tt.atLeast}})
		if a.Reason != tt.want {
			t.Errorf("%s: reason -want +got:\n- %s\n+ %s (%s)", tt.name, tt.want, a.Reason, a.Detail.Error)
		}
	}
}

// TestEqualSerials: only two different serials, seen twice, are a failure; what others do not say is no failure of this server.
func TestEqualSerials(t *testing.T) {
	same := func(n uint32) func(int32) uint32 { return func(int32) uint32 { return n } }
	mute, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mute.Close() })
	silent := mute.LocalAddr().String()
	refusing := answering(t, func(w dns.ResponseWriter, q *dns.Msg) { respond(t, w, replyTo(t, q, dns.RcodeRefused)) })
	tests := []struct {
		name   string
		serial func(int32) uint32
		others []string
		want   Reason
		shows  string
	}{
		{"the same", same(7), []string{soaServer(t, same(7)), soaServer(t, same(7))}, ReasonNone, ": 7"},
		{"another", same(7), []string{soaServer(t, same(7)), soaServer(t, same(8))}, Answer, ": 8"},
		{"another that follows", same(7), []string{soaServer(t, func(n int32) uint32 { return uint32(6 + min(n, 1)) })}, ReasonNone, ": 7"},
		{"one that follows another", func(n int32) uint32 { return uint32(6 + min(n, 1)) }, []string{soaServer(t, same(7))}, ReasonNone, ": 7"},
		{"silence", same(7), []string{silent}, ReasonNone, "not known (response_timeout)"},
		{"silence and another", same(7), []string{silent, soaServer(t, same(9))}, Answer, ": 9"},
		{"a refusal", same(7), []string{refusing, closedPort(t)}, ReasonNone, "not known (REFUSED)"},
		{"metadata", same(7), []string{"169.254.169.254"}, ReasonNone, "not known (egress_denied)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &DNS{Server: soaServer(t, tt.serial), Name: "example", Type: RRType(dns.TypeSOA), Serial: &SOASerial{EqualTo: tt.others}}
			a := look(t, d)
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			var got string
			for _, o := range a.Detail.Assertions {
				if o.What == "serial.equal_to" {
					got = o.Got
				}
			}
			if !strings.Contains(got, tt.shows) || len(a.Spans) != 2 {
				t.Errorf("%d spans, and the evidence %q, want 2, and %q", len(a.Spans), got, tt.shows)
			}
		})
	}
}

// TestSerialsWithinTheDeadline: others that are silent cannot hold an attempt beyond its own.
func TestSerialsWithinTheDeadline(t *testing.T) {
	mute, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	d := &DNS{
		Server: soaServer(t, func(int32) uint32 { return 7 }), Name: "example", Type: RRType(dns.TypeSOA),
		Serial: &SOASerial{EqualTo: []string{mute.LocalAddr().String()}},
	}
	a := attempt(t, d, &World{}, 800*time.Millisecond)
	wantReason(t, &a, ReasonNone)
}

func TestSignatures(t *testing.T) {
	sign := func(name, rrType string, from, until time.Duration) string {
		stamp := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("20060102150405") }
		return fmt.Sprintf("%s 60 IN RRSIG %s 8 2 60 %s %s 1 example. AAAA", name, rrType, stamp(until), stamp(from))
	}
	const day = 24 * time.Hour
	const www, alias = "www.example. 60 IN A 192.0.2.10", "alias.example. 60 IN CNAME www.example."
	tests := []struct {
		name   string
		answer []string
		days   int
		want   Reason
		shows  string
	}{
		{"valid", []string{www, sign("WWW.example.", "A", -day, 8*day+time.Hour)}, 7, ReasonNone, "8 days (www.example. A)"},
		{"valid now", []string{www, sign("www.example.", "A", -day, time.Hour)}, 0, ReasonNone, "0 days (www.example. A)"},
		{"runs out", []string{www, sign("www.example.", "A", -day, 6*day+time.Hour)}, 7, Answer, "6 days (www.example. A)"},
		{"has run out", []string{www, sign("www.example.", "A", -9*day, -day)}, 0, Answer, "no valid signature of www.example. A"},
		{"not yet", []string{www, sign("www.example.", "A", day, 9*day)}, 0, Answer, "no valid signature of www.example. A"},
		{"none", []string{www}, 0, Answer, "no valid signature of www.example. A"},
		{"of another type", []string{www, sign("www.example.", "AAAA", -day, 9*day)}, 0, Answer, "no valid signature"},
		{"of another name", []string{www, sign("w.example.", "A", -day, 9*day)}, 0, Answer, "no valid signature"},
		{"no records", nil, 0, Answer, "no records"},
		{"two signatures, the better counts", []string{www, sign("www.example.", "A", -9*day, -day), sign("www.example.", "A", -day, 9*day+time.Hour)}, 7, ReasonNone, "9 days"},
		{"two sets, the worse counts", []string{alias, sign("alias.example.", "CNAME", -day, 9*day), www, sign("www.example.", "A", -day, 2*day+time.Hour)}, 7, Answer, "2 days (www.example. A)"},
		{"two sets, one bare", []string{alias, www, sign("www.example.", "A", -day, 9*day)}, 7, Answer, "no valid signature of alias.example. CNAME"},
		{"an alias that a DNAME made", []string{
			"old.example. 60 IN DNAME example.", sign("old.example.", "DNAME", -day, 9*day+time.Hour), "www.old.example. 60 IN CNAME www.example.", www, sign("www.example.", "A", -day, 8*day+time.Hour),
		}, 7, ReasonNone, "8 days (www.example. A)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
				if o := q.IsEdns0(); o == nil || !o.Do() {
					t.Error("the query does not ask for signatures")
				}
				respond(t, w, replyTo(t, q, 0, tt.answer...))
			})
			a := look(t, &DNS{Server: s, Name: "www.example", EDNS: &EDNS{DO: true}, RRSIG: &Signatures{MinDaysLeft: tt.days}})
			wantReason(t, &a, tt.want)
			if got := a.Detail.Assertions[len(a.Detail.Assertions)-1]; got.What != "rrsig" || !strings.HasPrefix(got.Got, tt.shows) {
				t.Errorf("evidence: got %+v, want rrsig and %s", got, tt.shows)
			}
		})
	}
}

// manyDatagrams answers the first query with no end of datagrams that are no reply.
func manyDatagrams(t testing.TB) Kind {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 512)
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		_ = q.Unpack(buf[:n])
		m := replyTo(t, q, 0)
		m.Id++
		for wrong := packed(t, m)[0]; ; {
			if _, err := pc.WriteTo(wrong, from); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-ended })
	return &DNS{Server: pc.LocalAddr().String(), Name: "www.example"}
}

// TestManyDatagrams: a server that sends no end of datagrams that are no reply is listened to for a while only.
func TestManyDatagrams(t *testing.T) {
	a := attempt(t, manyDatagrams(t), &World{}, 60*time.Second)
	wantReason(t, &a, ResponseTimeout)
	if !strings.Contains(a.Detail.Error, fmt.Sprintf("ignored %d datagrams", maxIgnored)) {
		t.Errorf("error: got %s, want that it gave up after %d datagrams", a.Detail.Error, maxIgnored)
	}
}

// hostileRecords answers well formed, and as much as can be.
func hostileRecords(t testing.TB) Kind {
	t.Helper()
	const long = "a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.a23456789.example."
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := replyTo(t, q, 0)
		m.Compress = true
		for range 200 {
			m.Answer = append(m.Answer, rrs(t, long+" 60 IN DNAME "+long)...)
		}
		for range 2000 {
			m.Answer = append(m.Answer, rrs(t, long+" 60 IN CNAME "+long)...)
		}
		m.Extra = []dns.RR{&dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}}
		respond(t, w, m)
	})
	return &DNS{
		Server: s, Name: "www.example", Transport: DNSOverTCP, EDNS: &EDNS{DO: true}, RRSIG: &Signatures{},
		Answer: AnswerMatch{Exact: append(Data("x.example."), RecordMatch{Name: long}), Count: nil},
	}
}

// TestHostileRecords: answers that are well formed and as large as can be are judged in bounded time and memory.
func TestHostileRecords(t *testing.T) {
	a := look(t, hostileRecords(t))
	wantReason(t, &a, Answer)
	if m := a.Detail.Message; len(m) > maxMessage || !strings.HasPrefix(m, ";; the first 64 of 2201 records\n") {
		t.Errorf("message: %d bytes, want at most %d, and a word about the rest:\n%s", len(m), maxMessage, m)
	}
	for _, o := range a.Detail.Assertions {
		if len(o.Got)+len(o.Want) > 3*maxLine {
			t.Errorf("%s: %d bytes of evidence", o.What, len(o.Got)+len(o.Want))
		}
	}
}

// TestNoSuchNameWithAnswers: the code counts before the records do.
func TestNoSuchNameWithAnswers(t *testing.T) {
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		respond(t, w, replyTo(t, q, dns.RcodeNameError, "www.example. 60 IN A 192.0.2.10"))
	})
	a := look(t, &DNS{Server: s, Name: "www.example", Answer: AnswerMatch{Any: Data("192.0.2.10")}})
	wantReason(t, &a, Rcode)
}

// slowTCP says a byte now and then.
func slowTCP(t testing.TB) Kind {
	address := serve(t, func(c net.Conn) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for _, err := c.Write([]byte{0xff, 0xff}); err == nil; _, err = c.Write([]byte{0}) {
			<-tick.C
		}
	})
	return &DNS{Server: address, Name: "www.example", Transport: DNSOverTCP}
}

// TestSlowTCP: a byte now and then is no answer by the deadline.
func TestSlowTCP(t *testing.T) {
	a := attempt(t, slowTCP(t), &World{}, patience(TooSlow))
	wantReason(t, &a, TooSlow)
}
