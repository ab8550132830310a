package web

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// scene is an hour that shows every way a check can look. It is long because it is a list of them.
func scene() (*memory, []Check) {
	m := newMemory()
	begin := noon.Add(-time.Hour)
	regions := []string{"tokyo", "frankfurt", "office"}
	var catalog []Check
	add := func(c Check, each func(region string, l *line)) {
		c.Interval, c.Timeout, c.Enabled, c.Regions = 30*time.Second, 2*time.Second, true, regions
		if c.Name == "" {
			c.Name = c.ID
		}
		if c.Expect == nil {
			c.Expect = map[string]string{"tokyo": "reachable", "frankfurt": "reachable", "office": "reachable"}
		}
		catalog = append(catalog, c)
		for _, region := range regions {
			each(region, m.follow(c.ID, region, begin, c.Interval))
		}
	}
	good := func(l *line, median time.Duration) {
		rnd := rand.New(rand.NewPCG(1, uint64(median)))
		for t := begin; t.Before(noon.Add(-20 * time.Second)); t = t.Add(30 * time.Second) {
			l.record(t, up(time.Duration(float64(median)*(1+rnd.ExpFloat64()/5))))
		}
	}
	add(Check{ID: "shop", Kind: "http", Target: "https://shop.example.com/health", Under: 300 * time.Millisecond, Labels: map[string]string{"team": "web"}, Groups: []string{"checkout", "core"}}, func(region string, l *line) {
		l.under = 300 * time.Millisecond
		good(l, 42*time.Millisecond)
		if region == "frankfurt" {
			l.fill(noon.Add(-14*time.Minute), noon.Add(-11*time.Minute), notUp(sli.Down, probe.ResponseTimeout))
			l.evidence = []probe.Evidence{recovered(noon.Add(-11 * time.Minute)), timedOut(noon.Add(-14 * time.Minute))}
		}
	})
	add(Check{ID: "shop-images", Groups: []string{"checkout"}, Kind: "http", Target: "https://images.example.com/logo.png"}, func(region string, l *line) {
		good(l, 20*time.Millisecond)
		l.fill(noon.Add(-9*time.Minute), noon.Add(-20*time.Second), notUp(sli.Down, probe.Status))
		l.evidence = []probe.Evidence{badStatus(noon.Add(-30 * time.Second))}
	})
	add(Check{ID: "admin-closed", Kind: "tcp", Target: "shop.example.com:22", Labels: map[string]string{"team": "ops"}, Expect: map[string]string{"tokyo": "unreachable by refused, timeout", "frankfurt": "unreachable by refused, timeout", "office": "reachable"}}, func(region string, l *line) {
		if region == "office" {
			good(l, 2*time.Millisecond)
			return
		}
		l.fill(begin, noon.Add(-20*time.Second), notUp(sli.ExpectedUnreachable, probe.Refused))
	})
	add(Check{ID: "admin-leaked", Kind: "tcp", Target: "shop.example.com:5432", Labels: map[string]string{"team": "ops"}, Expect: map[string]string{"tokyo": "unreachable", "frankfurt": "unreachable", "office": "unreachable"}}, func(region string, l *line) {
		l.fill(begin, noon.Add(-8*time.Minute), notUp(sli.ExpectedUnreachable, probe.Timeout))
		l.fill(noon.Add(-8*time.Minute), noon.Add(-20*time.Second), notUp(sli.Unexpected, probe.Reached))
		l.evidence = []probe.Evidence{opened(noon.Add(-8 * time.Minute))}
	})
	add(Check{ID: "zone", Kind: "dns", Target: "www.example.com A at ns1.example.com"}, func(region string, l *line) {
		good(l, 8*time.Millisecond)
		if region == "office" {
			l.fill(noon.Add(-5*time.Minute), noon.Add(-20*time.Second), notUp(sli.Inconclusive, probe.NoVouch))
			l.evidence = []probe.Evidence{unvouched(noon.Add(-5 * time.Minute))}
		}
		if region == "tokyo" {
			l.fill(noon.Add(-20*time.Minute), noon.Add(-18*time.Minute), notUp(sli.Missed, probe.Overload))
			for t := noon.Add(-16 * time.Minute); t.Before(noon.Add(-13 * time.Minute)); t = t.Add(30 * time.Second) {
				delete(l.slots, t.UnixMilli())
			}
		}
	})
	add(Check{ID: "weekly-batch", Kind: "http", Target: "https://batch.example.com/"}, func(region string, l *line) { good(l, 130*time.Millisecond) })
	m.spans["weekly-batch"] = []sli.Span{{From: noon.Add(-25 * time.Minute).UnixMilli(), To: noon.Add(-10 * time.Minute).UnixMilli(), Effect: sli.InMaintenance}}
	add(Check{ID: "all-maintenance", Kind: "http", Target: "https://moving.example.com/"}, func(region string, l *line) { good(l, 90*time.Millisecond) })
	m.spans["all-maintenance"] = []sli.Span{{From: begin.UnixMilli(), To: noon.Add(time.Hour).UnixMilli(), Effect: sli.InMaintenance}}
	return m, catalog
}

func evidence(at time.Time, o probe.Outcome, r probe.Reason) probe.Evidence {
	return probe.Evidence{Check: "c", Slot: at.UnixMilli(), Outcome: o.String(), Reason: r.String()}
}

func recovered(at time.Time) probe.Evidence {
	e := evidence(at, probe.Up, probe.ReasonNone)
	e.Target, e.Dialled, e.Latency = "https://shop.example.com/health", "198.51.100.7:443", 46*time.Millisecond
	ms := time.Millisecond
	e.Spans = []probe.SpanDetail{{Phase: "resolve", For: 4 * ms}, {Phase: "connect", At: 4 * ms, For: 9 * ms}, {Phase: "tls", At: 13 * ms, For: 18 * ms}, {Phase: "wait", At: 31 * ms, For: 13 * ms}, {Phase: "read", At: 44 * ms, For: 2 * ms}}
	e.Detail = probe.Detail{StatusLine: "HTTP/1.1 200 OK"}
	return e
}

func timedOut(at time.Time) probe.Evidence {
	e := evidence(at, probe.Down, probe.ResponseTimeout)
	e.Target, e.Dialled = "https://shop.example.com/health", "198.51.100.7:443"
	ms := time.Millisecond
	e.Spans = []probe.SpanDetail{{Phase: "resolve", For: 4 * ms}, {Phase: "connect", At: 4 * ms, For: 9 * ms}, {Phase: "tls", At: 13 * ms, For: 18 * ms}, {Phase: "wait", At: 31 * ms, For: 1969 * ms}}
	e.Detail = probe.Detail{Error: "GET https://shop.example.com/health: wait for the answer: nothing came within 2 s", Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")}}
	return e
}

func badStatus(at time.Time) probe.Evidence {
	e := recovered(at)
	e.Outcome, e.Reason, e.Target = "down", "status", "https://images.example.com/logo.png"
	e.Detail = probe.Detail{
		StatusLine: "HTTP/1.1 500 Internal Server Error", Headers: []string{"Content-Type: text/html", "Server: nginx"},
		Body: "<html><h1>500 Internal Server Error</h1></html>", BodyBytes: 47,
		Assertions: []probe.Observation{{What: "status", Want: "200-299", Got: "500"}, {What: "body.max_size", Want: "1 MiB", Got: "47 B", Held: true}},
		TLS:        &probe.TLSDetail{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ServerName: "images.example.com", Chain: []probe.Certificate{{Subject: "CN=images.example.com", Issuer: "CN=Example CA", NotBefore: noon.AddDate(0, -1, 0), NotAfter: noon.AddDate(0, 2, 0)}}},
	}
	return e
}

func opened(at time.Time) probe.Evidence {
	e := evidence(at, probe.Unexpected, probe.Reached)
	e.Target, e.Dialled, e.Latency = "shop.example.com:5432", "198.51.100.7:5432", 9*time.Millisecond
	e.Spans = []probe.SpanDetail{{Phase: "resolve", For: 3 * time.Millisecond}, {Phase: "connect", At: 3 * time.Millisecond, For: 6 * time.Millisecond}}
	e.Detail = probe.Detail{Error: "connect to 198.51.100.7:5432: the connection was accepted, want refused or timeout"}
	return e
}

func unvouched(at time.Time) probe.Evidence {
	e := evidence(at, probe.Inconclusive, probe.NoVouch)
	e.Target, e.Suspected = "www.example.com A at ns1.example.com", "response_timeout"
	e.Spans = []probe.SpanDetail{{Phase: "resolve", For: time.Millisecond}, {Phase: "exchange", At: time.Millisecond, For: 1999 * time.Millisecond}}
	e.Detail = probe.Detail{Error: "ask ns1.example.com:53: no answer within 2 s; 0 of 2 controls succeeded"}
	return e
}
