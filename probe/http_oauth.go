package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	maxToken      = 16 << 10         // bytes of a token
	tokenSlack    = 10 * time.Second // how long before its end a token is no longer used, or a quarter of its life
	unknownExpiry = time.Hour        // how long a token is kept whose end nobody tells
)

// A token is what a server of OAuth 2 gave out. Immutable.
type token struct {
	value string // of the Authorization header
	good  time.Time
	from  [2]string // the client's id and secret that it was given for
}

// A tokenSource keeps the token of a check. Its methods may be called by many goroutines at a time.
type tokenSource struct {
	conf  *OAuth2
	url   *url.URL
	tls   *tls.Config
	proxy *proxyReady   // nil: none, or what the environment says
	turn  chan struct{} // holds one while somebody fetches: the others wait for what comes of it

	mu   sync.Mutex // guards what is below
	last *token
}

// authorize adds the token to what is sent. What it has to wait for is no latency: the attempt is not measured yet. It takes at
// most half of the attempt's time.
func (s *tokenSource) authorize(ctx context.Context, w *World, out *outgoing, hide *redactor) error {
	now := time.Now()
	if d, ok := ctx.Deadline(); ok {
		limited, cancel := context.WithDeadline(ctx, now.Add(d.Sub(now)/2))
		defer cancel()
		ctx = limited
	}
	conf, err := s.config(w, hide)
	if err != nil {
		return fmt.Errorf("auth.oauth2: %w", err)
	}
	t := s.kept(conf)
	out.fresh = t == nil
	if t == nil {
		t, err = s.await(ctx, w, conf, hide)
	}
	if err != nil {
		return fmt.Errorf("auth.oauth2: fetch a token from %s: %w", publicURL(s.url), err)
	}
	hide.add(t.value)
	_, secret, _ := strings.Cut(t.value, " ")
	hide.add(secret)
	out.header[authorization], out.token = []string{t.value}, t
	return nil
}

// config looks up the secrets.
func (s *tokenSource) config(w *World, hide *redactor) (*clientcredentials.Config, error) {
	c := &clientcredentials.Config{TokenURL: s.conf.TokenURL, Scopes: s.conf.Scopes, AuthStyle: oauth2.AuthStyleInHeader, EndpointParams: url.Values{}}
	if s.conf.AuthStyle == OAuth2Params {
		c.AuthStyle = oauth2.AuthStyleInParams
	}
	var err error
	if c.ClientID, err = s.conf.ClientID.expand(w, hide); err != nil {
		return nil, fmt.Errorf("client_id: %w", err)
	}
	if c.ClientSecret, err = s.conf.ClientSecret.expand(w, hide); err != nil {
		return nil, fmt.Errorf("client_secret: %w", err)
	}
	hide.add(c.ClientSecret)
	hide.add(url.QueryEscape(c.ClientID) + ":" + url.QueryEscape(c.ClientSecret))
	for name, t := range s.conf.Params {
		value, err := t.expand(w, hide)
		if err != nil {
			return nil, fmt.Errorf("params.%s: %w", name, err)
		}
		c.EndpointParams.Set(name, value)
	}
	return c, nil
}

// await fetches a token. One attempt fetches at a time; what it gets serves all.
func (s *tokenSource) await(ctx context.Context, w *World, conf *clientcredentials.Config, hide *redactor) (*token, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("another attempt has been waiting for it: %w", ctx.Err())
	}
	if t := s.kept(conf); t != nil {
		return t, nil
	}
	way, err := s.way(ctx, w, hide)
	if err != nil {
		return nil, err
	}
	t, err := s.fetch(way, conf)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = t
	return t, nil
}

func (s *tokenSource) kept(conf *clientcredentials.Config) *token {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || s.last.from != [2]string{conf.ClientID, conf.ClientSecret} || !time.Now().Before(s.last.good) {
		return nil
	}
	return s.last
}

// drop forgets a token that the target did not take.
func (s *tokenSource) drop(t *token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == t {
		s.last = nil
	}
}

// fetch asks the server for a token, over a connection of its own, which is closed.
func (s *tokenSource) fetch(d *tokenDialer, conf *clientcredentials.Config) (*token, error) {
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel() // whatever is still open ends with it
	d.ctx = ctx
	client := &http.Client{Transport: d.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return errTokenRedirect }}
	now := time.Now()
	got, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	d.close()
	if err != nil {
		return nil, tokenFault(err)
	}
	t := &token{value: got.Type() + " " + got.AccessToken, from: [2]string{conf.ClientID, conf.ClientSecret}, good: now.Add(unknownExpiry)}
	if !got.Expiry.IsZero() {
		life := got.Expiry.Sub(now)
		t.good = now.Add(life - min(tokenSlack, life/4))
	}
	if len(t.value) > maxToken || !isHeaderValue(t.value) {
		return nil, fmt.Errorf("got a token of %d bytes that fits into no header", len(got.AccessToken))
	}
	return t, nil
}

// errTokenRedirect keeps the client's secret from following.
var errTokenRedirect = errors.New("the server redirects, which no client of OAuth 2 follows")

// tokenFault is what went wrong, without what may repeat secrets of others: the URL and the body of the answer.
func tokenFault(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		if e.ErrorCode == "" {
			return fmt.Errorf("got the status %s", e.Response.Status)
		}
		return fmt.Errorf("got the status %s, error %s %q", e.Response.Status, clip(e.ErrorCode, 80), clip(e.ErrorDescription, 200))
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// judgeToken draws conclusions from how the target took the token, and from how long it took to get.
func (x *exchange) judgeToken() {
	t, waited := x.t, x.t.a.Waited
	if x.resp != nil && x.resp.StatusCode == http.StatusUnauthorized && !x.out.fresh {
		x.h.ready.tokens.drop(x.out.token)
	}
	deadline, ok := x.ctx.Deadline()
	if !ok || !t.a.Reason.silence() {
		return
	}
	// The time that the token took is not there for the target, so its silence is no fault of it.
	if whole := deadline.Sub(t.a.Start) + waited; waited > whole/spareTime {
		t.a.Reason = Secret
		t.cause = fmt.Errorf("fetching a token took %v of the time; then: %w", waited.Round(time.Millisecond), t.cause)
	}
}

// spareTime is the part of an attempt's time that a token may take without being the excuse of a target that is silent.
const spareTime = 10
