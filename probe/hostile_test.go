package probe

import (
	"net"
	"slices"
	"sync"
	"testing"
)

// A hostile target, and what an attempt at it has to come to.
type hostile struct {
	name    string
	serve   func(net.Conn)
	want    Reason
	outcome Outcome // where nobody can vouch for the prober's network
}

// hostileAtOnce is how many hostile targets are looked at at a time: most of the time is spent waiting for them.
const hostileAtOnce = 16

// testHostile looks at each target with these kinds of check.
func testHostile(t *testing.T, tests []hostile, kinds func(address string) []Kind) {
	t.Helper()
	var wg sync.WaitGroup
	defer wg.Wait()
	gate := make(chan struct{}, hostileAtOnce)
	for _, tt := range tests {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			t.Run(tt.name, func(t *testing.T) {
				for _, k := range kinds(serve(t, tt.serve)) {
					tt.test(t, k)
				}
			})
		})
	}
}

// test attempts once, with a deadline that fits what is expected, and looks at all that must hold whatever the target
// does: reason and outcome, an end in time, and evidence that is bounded.
func (h hostile) test(t *testing.T, k Kind) Attempt {
	t.Helper()
	a := attempt(t, k, &World{}, patience(h.want))
	wantReason(t, &a, h.want)
	if v := Judge(Expectation{}, &a, Blind); v.Outcome != h.outcome {
		t.Errorf("outcome -want +got:\n- %v\n+ %v", h.outcome, v.Outcome)
	}
	if v := Judge(Expectation{}, &a, Vouched); h.want != ReasonNone && v != (Verdict{Outcome: Down, Reason: h.want}) {
		t.Errorf("with a voucher: got %+v, want down for %v", v, h.want)
	}
	if answered := h.outcome != Inconclusive || h.want == TooSlow; a.Answered != answered {
		t.Errorf("answered -want +got:\n- %v\n+ %v", answered, a.Answered)
	}
	if got := len(a.Detail.Error); got > maxLine || (got == 0) != (h.want == ReasonNone) {
		t.Errorf("error of %d bytes, want some, at most %d", got, maxLine)
	}
	wantBounded(t, &a.Detail)
	wantSpans(t, &a)
	return a
}

// wantBounded checks the limits of what is kept for people.
func wantBounded(t *testing.T, d *Detail) {
	t.Helper()
	within := func(what string, got, most int) {
		if got > most {
			t.Errorf("%s: %d, want at most %d", what, got, most)
		}
	}
	within("bytes of the body", len(d.Body), maxBody)
	within("headers", len(d.Headers), maxHeaders)
	within("hops", len(d.Hops), maxHops)
	within("warnings", len(d.Warnings), maxWarnings)
	within("statuses of hops", len(d.HopStatuses), len(d.Hops))
	texts := slices.Concat([]string{d.Error, d.StatusLine}, d.Headers, d.Hops, d.HopStatuses)
	for _, o := range d.Assertions {
		texts = append(texts, o.Want, o.Got)
	}
	if d.TLS != nil {
		within("certificates", len(d.TLS.Chain), maxChain)
		for _, c := range d.TLS.Chain {
			within("names", len(c.Names), maxNames)
			texts = append(append(texts, c.Subject, c.Issuer), c.Names...)
		}
	}
	for _, text := range append(texts, d.Warnings...) {
		within("bytes of a text", len(text), maxLine)
	}
}
