package probe

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// limited is what came of the limits of an attempt.
func limited(a *Attempt) []string {
	var got []string
	for _, o := range a.Detail.Assertions {
		if strings.HasPrefix(o.What, "max.") {
			got = append(got, fmt.Sprintf("%s %v", o.What, o.Held))
		}
	}
	return got
}

// TestLimits holds real attempts against limits that nothing keeps, and that everything does.
func TestLimits(t *testing.T) {
	t.Parallel()
	const tiny, enough = 1, 10 * time.Second
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sick" {
			w.WriteHeader(500)
		}
		io.WriteString(w, "ok")
	})
	tests := []struct {
		path   string
		max    Limits
		assert []string
		want   Reason
		got    []string
	}{
		{"/", Limits{Wait: tiny}, nil, TooSlow, []string{"max.wait false"}},
		{"/", Limits{Connect: enough, Wait: enough, Read: enough, Total: enough}, nil, ReasonNone, []string{"max.connect true", "max.wait true", "max.read true", "max.total true"}},
		{"/", Limits{Wait: enough, Total: tiny}, nil, TooSlow, []string{"max.wait true", "max.total false"}},
		{"/", Limits{Wait: enough, Read: tiny}, nil, TooSlow, []string{"max.wait true", "max.read false"}},
		{"/sick", Limits{Wait: tiny}, nil, Status, nil},
		{"/", Limits{Wait: tiny}, []string{"status == 201"}, Assertion, []string{"max.wait false"}},
	}
	for _, tt := range tests {
		c := &Check{Kind: &HTTP{URL: base + tt.path}, Max: tt.max, Assert: tt.assert, Timeout: 20 * time.Second}
		a := attemptOf(t, c, &World{Verbose: true}, c.Timeout)
		wantReason(t, &a, tt.want)
		if diff := cmp.Diff(tt.got, limited(&a)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.path, diff)
		}
		if a.Over != (tt.want == TooSlow) {
			t.Errorf("%s: over the limit: %v", tt.path, a.Over)
		}
	}
}

// TestLimitsOverHops: no hop is over the limit, and all of them are, by less than what latencies are rounded to.
func TestLimitsOverHops(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit time.Duration
		want  Reason
	}{{300 * time.Millisecond, ReasonNone}, {300*time.Millisecond - 1, TooSlow}} {
		tr := begin(&World{}, "a.example", OnlyIPv4)
		for hop := range 3 {
			at := time.Duration(hop) * 110 * time.Millisecond
			tr.a.Spans = append(tr.a.Spans, Span{PhaseConnect, hop, at, 10 * time.Millisecond}, Span{PhaseWait, hop, at + 10*time.Millisecond, 100 * time.Millisecond})
		}
		tr.limit(Limits{Connect: time.Second, Wait: tt.limit})
		wantReason(t, &tr.a, tt.want)
	}
}

func TestLimitsOfKinds(t *testing.T) {
	t.Parallel()
	s := nameserver(t, func(q *dns.Msg, _ int) [][]byte { return packed(t, replyTo(t, q, 0)) })
	for _, k := range []Kind{&DNS{Server: s.address, Name: "a.example"}, &TCP{Address: serve(t, func(net.Conn) {})}} {
		for _, max := range []Limits{{Total: 1}, {Connect: 1}} {
			a := attemptOf(t, &Check{Kind: k, Max: max, Timeout: time.Second}, &World{}, 20*time.Second)
			wantReason(t, &a, TooSlow)
			if !strings.Contains(a.Detail.Error, " took ") || len(a.Detail.Assertions) == 0 {
				t.Errorf("%T: %s", k, a.Detail.Error)
			}
		}
	}
}

// TestOverIsClaimedFromTheStart: the phase that took too long may be the first, so a blip at any time may be why.
func TestOverIsClaimedFromTheStart(t *testing.T) {
	t.Parallel()
	start := time.Now()
	a := Attempt{
		Start: start, Reason: TooSlow, Answered: true, Over: true, Latency: 400 * time.Millisecond, Family: IPv4,
		Spans: []Span{{Phase: PhaseConnect, For: 390 * time.Millisecond}, {Phase: PhaseWait, At: 390 * time.Millisecond, For: 10 * time.Millisecond}},
	}
	c := claimOf(&a, start, start.Add(a.Latency), time.Time{})
	if from := c.ways[0][0].from; from.After(start.Add(-half)) {
		t.Errorf("others must have been seen since %v after the start", from.Sub(start))
	}
	if e := (Expectation{}); !e.needsWitness(&a) || Judge(e, &a, Blind).Outcome != Inconclusive || Judge(e, &a, Vouched).Outcome != Down {
		t.Error("what is too slow is believed without a witness, or never")
	}
}
