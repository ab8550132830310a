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
	resp    *http.Response
	scan    *bodyScan
	tls     *handshake // the last one, or that whose certificates run out first if days are counted
	readErr error
}

// follow makes the requests and reads the last answer's body.
func (x *exchange) follow() {
	client := http.Client{Transport: x, CheckRedirect: x.redirect}
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
	x.scan = newBodyScan(&x.h.Body, resp.Body, resp.ContentLength)
	x.scan.keep = x.h.ready.keepBody
	x.readErr = x.scan.read()
	x.t.leave()
	if resp.ProtoMajor == 2 {
		// HTTP/1.1 bodies are not closed but their connections are: closing one reads it to its end.
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

// redirect says whether to follow, and takes out of the next request what is nobody else's business.
func (x *exchange) redirect(next *http.Request, via []*http.Request) error {
	r := x.h.ready
	switch {
	case r.redirects == 0:
		return http.ErrUseLastResponse
	case len(via) > r.redirects:
		return fmt.Errorf("stopped after %d redirects, the next one to %s", r.redirects, publicURL(next.URL))
	case next.URL.Scheme != "http" && next.URL.Scheme != "https":
		return fmt.Errorf("redirected to %s, which is neither http nor https", publicURL(next.URL))
	}
	if err := checkHost(next.URL.Hostname()); err != nil {
		return fmt.Errorf("redirected to %s: %w", publicURL(next.URL), err)
	}
	if _, _, err := splitHostPort(next.URL.Host, 80); err != nil {
		return fmt.Errorf("redirected to %s: %w", publicURL(next.URL), err)
	}
	if strings.EqualFold(next.URL.Host, r.url.Host) {
		return nil
	}
	for name := range r.secret {
		if r.secret[name] {
			next.Header.Del(name)
		}
	}
	if next.Body != nil && x.h.Send.HasSecrets() {
		return fmt.Errorf("redirected to %s with a body that holds a secret", publicURL(next.URL))
	}
	return nil
}

// RoundTrip makes one request over a new connection. It implements http.RoundTripper.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	t := x.t
	t.hop = len(x.hops)
	x.hops = append(x.hops, "")
	if t.hop > 0 || t.w.Verbose {
		x.hops[t.hop] = x.hide.clean(publicURL(req.URL))
	}
	l := t.reach(x.ctx, "tcp", destination{req.URL.Hostname(), portOf(req.URL), x.h.IP})
	if l == nil {
		return nil, t.cause
	}
	resp, err := x.send(l.conn, req)
	if err != nil {
		return nil, t.cause
	}
	if x.leads(resp) {
		if resp.ProtoMajor == 2 {
			_ = resp.Body.Close()
		}
		l.close()
		t.leave()
		resp.Body = http.NoBody
	}
	return resp, nil
}

// leads reports whether an answer is a redirect that would be followed. Its body is not read: nobody is
// interested in it, and it could take for ever.
func (x *exchange) leads(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return x.h.ready.redirects > 0 && resp.Header.Get("Location") != ""
	}
	return false
}

// judge finds the first of what did not hold, and puts together the details if anybody wants them. What
// the target said comes before how it said it: a 500 that is slow as well is a 500.
func (x *exchange) judge() {
	t := x.t
	if x.scan != nil {
		x.judgeAnswer()
	}
	if t.a.Reason == ReasonNone && x.tls != nil {
		t.checkDays(&x.h.TLS, x.tls)
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
	case errors.Is(err, errTooLarge):
		t.fail(TooLarge, fmt.Errorf("the body exceeds %s", Size(x.h.Body.limit())))
	case err != nil:
		t.fail(midAnswerReason(x.ctx, err), fmt.Errorf("read the body, after %d bytes: %w", x.scan.size, err))
	case !x.scan.held():
		t.fail(Body, errors.New("the body is not as wanted"))
	}
}

// describe fills in the details.
func (x *exchange) describe() {
	d := &x.t.a.Detail
	x.t.explain(x.hide)
	x.hops[0] = x.hide.clean(publicURL(x.h.ready.url))
	d.Hops = slices.Clip(x.hops[:min(len(x.hops), maxHops)])
	if x.tls != nil {
		d.TLS = x.tls.detail()
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
	d.BodyBytes = x.scan.size
	d.Assertions = x.observations()
}

// observations are all assertions, for people.
func (x *exchange) observations() []Observation {
	code := x.resp.StatusCode
	obs := []Observation{{
		What: "status", Want: codesText(x.h.Status), Got: fmt.Sprint(code),
		Held: inCodes(x.h.Status, code), Reason: Status,
	}}
	if x.readErr == nil {
		found, _ := x.scan.observe()
		obs = append(obs, found...)
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
