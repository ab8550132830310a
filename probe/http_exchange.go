package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// An exchange is one attempt of an HTTP: the requests along a chain of redirects. http.Client decides where
// each redirect leads and with which method, headers and body; the exchange is its transport. The exchange
// speaks HTTP/1.1 with net/http's parser over a connection of its own rather than with http.Transport: that
// costs about half the CPU, sees each phase where it happens, and never sends a request a second time.
type exchange struct {
	h    *HTTP
	t    *trail
	ctx  context.Context
	out  outgoing
	hide *redactor

	hops    []string // URLs, for people
	led     []string // what the hops answered that led to others, for people
	resp    *http.Response
	scan    *bodyScan
	tls     *handshake // the last one, or that whose certificates run out first if days are counted
	readErr error
	head    *headReader // of the last answer over HTTP/1.1
	trace   trace

	forward   *gateway    // the proxy to which the present request is sent itself
	frames    *framesConn // of the present connection, if it speaks HTTP/2
	quic      *quicLink
	badCoding error // the body is encoded in a way that nobody asked for
	wireSize  int64 // of a body that was decoded, as it came
}

// follow makes the requests and reads the last answer's body.
func (x *exchange) follow() {
	defer func() {
		x.t.leave()
		x.quic.close(x.t)
	}()
	client := http.Client{Transport: x, CheckRedirect: x.redirect}
	if x.h.ready.redirects.Cookies {
		client.Jar = newJar()
	}
	resp, err := client.Do(x.request())
	if err != nil {
		// Whatever failed on the way to an answer has been noted; what is left is about where the
		// redirect leads.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		x.t.fail(Redirect, err)
		x.resp = resp
		return
	}
	x.resp = resp
	if resp.ProtoMajor == 2 {
		x.frames.left.Store(x.h.Body.traffic())
	}
	x.readBody(resp)
	x.t.leave()
	closeBody(resp)
}

// closeBody closes the body of an answer if it is one of several in a connection. HTTP/1.1 bodies are not closed but their
// connections are: closing one reads it to its end.
func closeBody(resp *http.Response) {
	if resp.ProtoMajor >= 2 {
		_ = resp.Body.Close()
	}
}

func (x *exchange) request() *http.Request {
	r := x.h.ready
	req := (&http.Request{Method: r.method, URL: r.url, Header: x.out.header, Host: x.out.host, Close: true}).WithContext(x.ctx)
	if x.out.body != "" {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(x.out.body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(x.out.body))
	}
	return req
}

// RoundTrip makes one request over a new connection. It implements http.RoundTripper.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	t := x.t
	t.hop = len(x.hops)
	x.hops = append(x.hops, "")
	if t.hop > 0 || t.w.Verbose {
		x.hops[t.hop] = x.hide.clean(publicURL(req.URL))
	}
	if x.h.Traceparent {
		x.trace.begin(req)
	}
	resp := x.ask(req)
	if resp == nil {
		return nil, t.cause
	}
	if x.leads(resp) {
		t.leave()
		x.led = append(x.led, x.status(resp))
		closeBody(resp)
		x.quic.close(t)
		t.closeLinks()
		resp.Body = http.NoBody
	}
	return resp, nil
}

// ask makes a request and returns the head of the answer. It returns nil after a failure, which it has noted.
func (x *exchange) ask(req *http.Request) *http.Response {
	x.frames = nil
	if x.h.Protocol == HTTP3 {
		return x.sendH3(req)
	}
	answered := x.t.a.Answered
	conn := x.connect(req.URL)
	if conn == nil {
		return nil
	}
	resp, err := x.send(conn, req)
	switch {
	case err != nil:
		return nil
	case x.forward != nil && x.forwarded(resp):
		x.t.a.Answered = answered // it is not the target that has
		return nil
	}
	return resp
}

// leads reports whether an answer is a redirect that would be followed. Its body is not read: nobody is
// interested in it, and it could take for ever.
func (x *exchange) leads(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return x.h.ready.redirects.Max > 0 && resp.Header.Get("Location") != ""
	}
	return false
}

// status is what an answer says in its first line, for people.
func (x *exchange) status(resp *http.Response) string {
	return clip(x.hide.clean(resp.Status), maxStatus)
}

// judge finds the first of what did not hold, and puts together the details if anybody wants them. What
// the target said comes before how it said it: a 500 that is slow as well is a 500.
func (x *exchange) judge() {
	t := x.t
	if x.scan != nil {
		x.judgeAnswer()
	}
	if x.tls != nil {
		t.checkDays(&x.h.TLS, x.tls)
		for i, w := range t.a.Detail.Warnings {
			t.a.Detail.Warnings[i] = x.hide.clean(w)
		}
	}
	if x.out.token != nil {
		x.judgeToken()
	}
	t.hold(x.ctx, seen{resp: x.resp, scan: x.scan, tls: x.tls, hide: x.hide})
	if t.wanted() {
		x.describe()
	}
}

func (x *exchange) judgeAnswer() {
	t := x.t
	switch err := x.readErr; {
	case err != nil && stopped(x.ctx):
		t.fail(Stopped, err)
	case !inCodes(x.h.Status, x.resp.StatusCode):
		t.fail(Status, fmt.Errorf("found the status %s, wanted %s", x.resp.Status, codesText(x.h.Status)))
		t.a.Announced = x.announces()
	case !headersHold(x.ctx, x.h.ready.header, x.resp.Header):
		t.fail(Header, x.headerFault())
	case x.badCoding != nil:
		t.fail(Protocol, x.badCoding)
	case errors.Is(err, errTooLarge):
		t.fail(TooLarge, fmt.Errorf("the body exceeds %s", Size(x.h.Body.limit())))
	case err != nil && x.flooded():
		t.fail(TooLarge, fmt.Errorf("after %d bytes of the body: %w", x.scan.size, errFlood))
	case err != nil:
		t.fail(midAnswerReason(x.ctx, err), fmt.Errorf("read the body, after %d bytes: %w", x.scan.size, err))
	case x.scan.short():
		t.fail(TooSmall, fmt.Errorf("the body has %d bytes, wanted at least %s", x.scan.size, x.h.Body.MinSize))
	case !x.scan.held():
		t.fail(Body, x.scan.fault())
	}
}

// flooded reports whether more came over the connection than was allowed.
func (x *exchange) flooded() bool {
	return x.frames.exceeded() || x.quic != nil && x.quic.socket.left.Load() < 0
}

// describe fills in the details.
func (x *exchange) describe() {
	d := &x.t.a.Detail
	x.t.explain(x.hide)
	x.hops[0] = x.hide.clean(publicURL(x.h.ready.url))
	d.Hops = slices.Clip(x.hops[:min(len(x.hops), maxHops)])
	d.HopStatuses = x.statuses()
	d.TraceID, d.SpanIDs = x.trace.id, x.trace.spans
	d.Proxy = x.t.a.Via
	if x.tls != nil && d.TLS == nil { // that of a handshake that failed is there already
		d.TLS = x.tls.detail()
	}
	if d.TLS != nil {
		d.TLS.clean(x.hide)
	}
	if x.resp != nil {
		d.StatusLine = clip(x.hide.clean(x.resp.Proto+" "+x.resp.Status), maxLine)
		d.Headers = headerLines(x.resp.Header, x.hide)
	}
	if x.scan == nil {
		return
	}
	// Cleaned before it is cut: half a secret would not be recognised.
	d.Body = clip(x.hide.clean(string(x.scan.head[:min(len(x.scan.head), maxBody+x.hide.longest)])), maxBody)
	d.BodyBytes, d.WireBytes = x.scan.size, x.wireSize
	d.Assertions = x.observations()
}

// statuses are what the hops answered. The last may not have.
func (x *exchange) statuses() []string {
	all := x.led
	if x.resp != nil && len(all) < len(x.hops) {
		all = append(all, x.status(x.resp))
	}
	return slices.Clip(all[:min(len(all), maxHops)])
}

// observations are all assertions, for people.
func (x *exchange) observations() []Observation {
	code := x.resp.StatusCode
	obs := []Observation{{
		What: "status", Want: codesText(x.h.Status), Got: fmt.Sprint(code),
		Held: inCodes(x.h.Status, code), Reason: Status,
	}}
	for i := range x.h.ready.header {
		obs = append(obs, x.h.ready.header[i].observe(x.ctx, x.resp.Header, x.hide))
	}
	if x.readErr == nil {
		obs = append(obs, x.scan.observe()...)
	}
	if errors.Is(x.readErr, errTooLarge) {
		obs = append(obs, Observation{What: "body.max_size", Want: "at most " + Size(x.h.Body.limit()).String(), Got: "more", Reason: TooLarge})
	}
	if x.tls != nil && x.h.TLS.MinDaysLeft > 0 {
		obs = append(obs, x.tls.days(&x.h.TLS, x.t.a.Start))
	}
	for i := range obs {
		obs[i].Got = clip(x.hide.clean(obs[i].Got), maxLine)
	}
	return obs
}
