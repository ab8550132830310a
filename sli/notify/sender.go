package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A sender tells one receiver, in a goroutine of its own: one that hangs is in nobody's way.
type sender struct {
	Receiver
	book      *book
	timing    Timing
	userAgent string
	client    *http.Client
	trouble   trouble
	wake      chan struct{} // there may be something to tell
	counters

	mu     sync.Mutex // guards what follows; never held while something is sent
	alerts []Alert    // of the last round
}

// counters are of all senders of a name, one after the other.
type counters struct {
	sent, failed, dropped *atomic.Int64
	waiting               *atomic.Int64 // events
	last                  *atomic.Int64 // when it was last told something, in ms; 0: never
}

func (n *Notifier) newSender(r Receiver) *sender {
	s := &sender{
		Receiver: r, book: n.book, timing: n.o.Timing, userAgent: n.o.UserAgent, client: n.client(r), wake: make(chan struct{}, 1),
		counters: counters{sent: new(atomic.Int64), failed: new(atomic.Int64), dropped: new(atomic.Int64), waiting: new(atomic.Int64), last: new(atomic.Int64)},
		trouble:  trouble{log: n.o.Logger.With("receiver", r.Name), begins: "notifications do not arrive", over: "notifications arrive again"},
	}
	for _, before := range *n.senders.Load() {
		if before.Name == r.Name && before.Kind == r.Kind {
			s.counters = before.counters
		}
	}
	return s
}

// newClient makes a client with connections of its own. It follows no redirect: what is shown to a receiver is for no other.
func newClient(r Receiver) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: r.Roots}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// run tells until ctx ends.
func (s *sender) run(ctx context.Context) {
	defer s.client.CloseIdleConnections()
	if s.Kind == Webhook {
		s.runWebhook(ctx)
		return
	}
	s.runAlertmanager(ctx)
}

// tell hands over what a round came to. It never waits.
func (s *sender) tell(alerts []Alert) {
	s.mu.Lock()
	s.alerts = alerts
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// post sends a document. It counts, and logs trouble when it begins and when it is over.
func (s *sender) post(ctx context.Context, path string, body []byte, sign func(http.Header, Target)) error {
	err := s.try(ctx, path, body, sign)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.trouble.note(err)
	if err != nil {
		s.failed.Add(1)
		return err
	}
	s.sent.Add(1)
	s.last.Store(time.Now().UnixMilli())
	return nil
}

// mostAnswer is how much of an answer is read, so that the connection can be used again.
const mostAnswer = 64 << 10

// try posts once. Its errors show no more of the URL than the host, for the rest often is a secret.
func (s *sender) try(ctx context.Context, path string, body []byte, sign func(http.Header, Target)) error {
	target, err := s.Target()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be asked for")
	}
	below(req.URL, path)
	for name, values := range target.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.userAgent)
	if sign != nil {
		sign(req.Header, target)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("post to %s: %w", req.URL.Host, withoutURL(err))
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, mostAnswer)
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return fmt.Errorf("post to %s: got %s, and redirects are not followed", req.URL.Host, resp.Status)
	case resp.StatusCode < 200 || resp.StatusCode >= 400:
		return fmt.Errorf("post to %s: got %s, want 2xx", req.URL.Host, resp.Status)
	}
	return nil
}

// below puts a path, which begins with /, below that of a URL.
func below(u *url.URL, path string) {
	if path == "" {
		return
	}
	u.Path = strings.TrimRight(u.Path, "/") + path
	if u.RawPath != "" { // it has escapes of its own
		u.RawPath = strings.TrimRight(u.RawPath, "/") + path
	}
}

// withoutURL takes the URL out of an error of a client.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
