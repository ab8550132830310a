package probe

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// overPromise is by how much an attempt may return after its deadline.
const overPromise = 100 * time.Millisecond

// cutShort are deadlines that come in the middle of what a target does, whatever that is.
var cutShort = []time.Duration{3 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond}

// A misdeed is one attempt at a hostile target.
type misdeed struct {
	name    string
	open    func(testing.TB) (Kind, *World) // the target is there until the end of what it is given
	timeout time.Duration                   // by which it comes to what it has to
	want    []Reason
}

// BenchmarkDeadlines makes attempts at every hostile target that the tests have, one after the other, each with the deadline of its
// test and with deadlines that cut it short. It says how long after its deadline the latest one returned, how that is to the promise
// (100 ms), and who was later than that.
func BenchmarkDeadlines(b *testing.B) {
	for _, family := range []struct {
		name     string
		misdeeds func(testing.TB) []misdeed
	}{
		{"http", httpMisdeeds},
		{"bombs", bombMisdeeds},
		{"tls", tlsMisdeeds},
		{"certificates", certificateMisdeeds},
		{"http2", http2Misdeeds},
		{"http3", http3Misdeeds},
		{"proxies", proxyMisdeeds},
		{"tokens", tokenMisdeeds},
		{"tcp", tcpMisdeeds},
		{"starttls", startTLSMisdeeds},
		{"alerts", alertMisdeeds},
		{"dns", dnsMisdeeds},
		{"dns over https", dohMisdeeds},
		{"assertions", assertMisdeeds},
	} {
		b.Run(family.name, func(b *testing.B) {
			misdeeds := family.misdeeds(b)
			var over []lateness // of those whose deadline came first
			attempts := 0
			for b.Loop() {
				for _, m := range misdeeds {
					for _, timeout := range append([]time.Duration{m.timeout}, cutShort...) {
						late := m.attempt(b, timeout)
						if attempts++; late.by > 0 {
							over = append(over, late)
						}
					}
				}
			}
			b.ReportMetric(float64(len(misdeeds)), "targets")
			b.ReportMetric(float64(attempts), "attempts")
			report(b, over)
		})
	}
}

// A lateness is how long after its deadline an attempt returned.
type lateness struct {
	by    time.Duration // negative if it returned before
	timer time.Duration // how late a timer rang that does nothing else: that of the machine
	name  string
	after time.Duration // of what deadline
}

func (l lateness) String() string {
	return fmt.Sprintf("%s, %v after a deadline of %v; a bare timer was late by %v", l.name, l.by.Round(time.Microsecond), l.after, l.timer.Round(time.Microsecond))
}

// report says who came how late. Whoever was later than promised is named.
func report(b *testing.B, over []lateness) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(over)), "over")
	if len(over) == 0 {
		over = []lateness{{name: "nobody was late"}}
	}
	slices.SortFunc(over, func(x, y lateness) int { return cmp.Compare(x.by, y.by) })
	latest := over[len(over)-1]
	text := "the latest: " + latest.String() // one line, for testing shows few
	for _, l := range over {
		if l.by > overPromise {
			text += "; too late: " + l.String()
		}
	}
	b.Log(text)
	b.ReportMetric(over[len(over)/2].by.Seconds()*1e3, "p50-over-ms")
	b.ReportMetric(latest.by.Seconds()*1e3, "max-over-ms")
	b.ReportMetric(float64(latest.by)/float64(overPromise), "of-promise")
}

// attempt makes one, and returns how late it ended.
func (m *misdeed) attempt(b *testing.B, timeout time.Duration) lateness {
	stage := &stage{TB: b}
	defer stage.close()
	k, w := m.open(stage)
	deadline, rang := time.Now().Add(timeout), make(chan time.Duration, 1)
	timer := time.AfterFunc(timeout, func() { rang <- time.Since(deadline) })
	ctx, cancel := context.WithDeadline(b.Context(), deadline)
	defer cancel()
	a := k.Attempt(ctx, w)
	l := lateness{by: time.Since(deadline), name: m.name, after: timeout}
	if !timer.Stop() {
		l.timer = <-rang
	}
	if timeout == m.timeout && !slices.Contains(m.want, a.Reason) {
		b.Errorf("%s: reason %s (%s), want one of %v", m.name, a.Reason, a.Detail.Error, m.want)
	}
	return l
}

// A stage is where a target is, and nothing of others.
type stage struct {
	testing.TB
	cleanups []func()
}

// Cleanup implements testing.TB.
func (s *stage) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *stage) close() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// alone is what opens a target in a world without anything.
func alone(kind func(testing.TB) Kind) func(testing.TB) (Kind, *World) {
	return func(t testing.TB) (Kind, *World) { return valid(t, kind(t)), &World{} }
}

// valid is a kind that was found so.
func valid(t testing.TB, k Kind) Kind {
	if ps := k.Validate(); len(ps) > 0 {
		t.Fatal(ps)
	}
	return k
}

// does makes a misdeed with the deadline that fits what is wanted.
func does(name string, want Reason, kind func(testing.TB) Kind) misdeed {
	return misdeed{name, alone(kind), patience(want), []Reason{want}}
}

// ofHostile are the attempts at hostile targets with each of these kinds.
func ofHostile(hs []hostile, kinds func(address string) []Kind) []misdeed {
	var ms []misdeed
	for _, h := range hs {
		for i := range kinds("") {
			ms = append(ms, does(h.name, h.want, func(t testing.TB) Kind { return kinds(serve(t, h.serve))[i] }))
		}
	}
	return ms
}

func httpMisdeeds(testing.TB) []misdeed {
	ms := ofHostile(hostileHTTP(), func(address string) []Kind { return []Kind{&HTTP{URL: "http://" + address + "/"}} })
	ms = append(ms, ofHostile(hostileToRequests(), posts)...)
	for _, h := range hostileFloods() {
		ms = append(ms, does("flood: "+h.name, h.want, h.kind))
	}
	return ms
}

func bombMisdeeds(t testing.TB) []misdeed {
	var ms []misdeed
	for _, h := range compressionBombs(t) {
		ms = append(ms, does(h.name, h.want, h.kind))
	}
	return ms
}

func tlsMisdeeds(t testing.TB) []misdeed { return ofHostile(hostileTLS(t), unverified) }

func certificateMisdeeds(t testing.TB) []misdeed {
	ca := newAuthority(t)
	var ms []misdeed
	chain := hostileChain(t)
	for i := range verified("", ca) {
		for _, h := range hostileCertificates(t, ca) {
			ms = append(ms, does(h.name, h.want, func(t testing.TB) Kind { return verified(speaksTLS(t, h.config()), ca)[i] }))
		}
		ms = append(ms, does("chain of strangers", TLSUntrusted, func(t testing.TB) Kind { return verified(speaksTLS(t, chain), ca)[i] }))
	}
	return ms
}

func http2Misdeeds(t testing.TB) []misdeed {
	ca := newAuthority(t)
	var ms []misdeed
	for _, h := range hostileHTTP2() {
		m := does(h.name, h.want, func(t testing.TB) Kind { return h.kind(t, ca) })
		if h.or != ReasonNone {
			m.want = append(m.want, h.or)
		}
		ms = append(ms, m)
	}
	for _, h := range hostileFrames() {
		ms = append(ms, does("frames: "+h.name, h.want, h.kind))
	}
	return ms
}

func http3Misdeeds(t testing.TB) []misdeed {
	ca := newAuthority(t)
	cert := ca.issue(t, "shop.example", -1, 30)
	var ms []misdeed
	for _, h := range hostileHTTP3(t, cert) {
		ms = append(ms, does(h.name, h.want, func(testing.TB) Kind { return h.kind(ca) }))
	}
	return ms
}

func proxyMisdeeds(testing.TB) []misdeed {
	var ms []misdeed
	for _, h := range hostileProxies() {
		for scheme, want := range h.wants() {
			m := does(scheme+" "+h.name, want, func(t testing.TB) Kind { return h.kind(t, scheme) })
			m.timeout = patienceWithProxies
			ms = append(ms, m)
		}
	}
	return ms
}

func tokenMisdeeds(t testing.TB) []misdeed {
	base := "http://" + closedPort(t) // which nobody gets to
	servers := hostileTokens()
	var ms []misdeed
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		open := func(t testing.TB) (Kind, *World) {
			return valid(t, authorized(t, base, "http://"+serve(t, servers[name]))), tokenWorld()
		}
		ms = append(ms, misdeed{name, open, patienceWithTokens, []Reason{Secret}})
	}
	return ms
}

func tcpMisdeeds(testing.TB) []misdeed {
	neverReads := func(t testing.TB) (Kind, *World) {
		k, w := deaf(t)
		return valid(t, k), w
	}
	ms := []misdeed{{"never reads", neverReads, patience(ResponseTimeout), []Reason{ResponseTimeout}}}
	for _, h := range hostileTCP() {
		ms = append(ms, does(h.name, h.want, h.kind))
	}
	return ms
}

func startTLSMisdeeds(testing.TB) []misdeed {
	var ms []misdeed
	for _, h := range hostileStartTLS() {
		ms = append(ms, does(h.by.String()+" "+h.name, h.want, h.kind))
	}
	return ms
}

func alertMisdeeds(t testing.TB) []misdeed {
	ca := newAuthority(t)
	var ms []misdeed
	for _, c := range alerting(t, ca) {
		m := does(c.name, c.want, func(t testing.TB) Kind { return c.kind(t, ca) })
		m.timeout = c.patience()
		ms = append(ms, m)
	}
	return ms
}

func dnsMisdeeds(t testing.TB) []misdeed {
	ms := []misdeed{
		does("large records", Answer, hostileRecords), does("a byte now and then", TooSlow, slowTCP),
		{"many datagrams", alone(manyDatagrams), time.Minute, []Reason{ResponseTimeout}},
	}
	for _, h := range hostileDNS(t) {
		m := does(h.name, h.want, func(t testing.TB) Kind { return &DNS{Server: h.serve(t).address, Name: "www.example"} })
		m.timeout += repeatAfter
		ms = append(ms, m)
	}
	for _, h := range hostileDNSOverTCP(t) {
		ms = append(ms, does("over TCP: "+h.name, h.want, h.kind))
	}
	return ms
}

func dohMisdeeds(t testing.TB) []misdeed {
	ca := newAuthority(t)
	var ms []misdeed
	for _, h := range hostileDNSOverHTTP1() {
		ms = append(ms, does(h.name, h.want, h.kind))
	}
	for _, h := range hostileDNSOverHTTP2() {
		ms = append(ms, does("HTTP/2: "+h.name, h.want, func(t testing.TB) Kind { return h.kind(t, ca) }))
	}
	return ms
}

func assertMisdeeds(t testing.TB) []misdeed {
	answers, base := hostileAnswers(t)
	var ms []misdeed
	for _, h := range answers {
		open := func(t testing.TB) (Kind, *World) {
			c := h.check(base)
			k := valid(t, c.Kind)
			if ps := c.Validate(); len(ps) > 0 {
				t.Fatal(ps)
			}
			return k, (&World{}).of(c)
		}
		ms = append(ms, misdeed{h.path + " " + h.assert, open, 20 * time.Second, []Reason{Assertion}})
	}
	return ms
}
