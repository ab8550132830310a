package probe

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

// A trace is what the targets of one attempt are told, so that they can find it in their traces: the same trace id on
// every hop, with a span id each.
//
// Source: W3C Trace Context, https://www.w3.org/TR/trace-context/, section 3.2. Version 00, flag sampled.
type trace struct {
	id    string
	spans []string
}

// traceHeader is in the spelling of net/http; names of headers have no case.
const traceHeader = "Traceparent"

// begin adds a span for a request and says so in it. Ids are random; crypto/rand gives all zeros, which the standard
// forbids, never in practice.
func (t *trace) begin(req *http.Request) {
	var id [24]byte
	_, _ = rand.Read(id[:]) // it never fails
	if t.id == "" {
		t.id = hex.EncodeToString(id[:16])
	}
	span := hex.EncodeToString(id[16:])
	if len(t.spans) < maxHops {
		t.spans = append(t.spans, span)
	}
	req.Header[traceHeader] = []string{"00-" + t.id + "-" + span + "-01"}
}
