package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A link is the connection to the centre. It lasts as long as the uplink and connects again by itself.
type link struct {
	conn *nats.Conn

	mu      sync.Mutex
	asker   *asker // nil until the connection is made
	up      bool
	changed chan struct{} // closed when up may have changed
}

func (l *link) close() { l.conn.Close() }

// rise notes that the centre is reached.
func (l *link) rise() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = true
	l.tell()
}

// fall notes that it is not.
func (l *link) fall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = false
	l.tell()
}

// tell is called with mu held.
func (l *link) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// lose ends the waiting for answers.
func (l *link) lose() {
	l.mu.Lock()
	a := l.asker
	l.mu.Unlock()
	if a != nil {
		a.lose()
	}
}

func (l *link) isUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up
}

// await waits until the centre is reached, or ctx ends.
func (l *link) await(ctx context.Context) error {
	for {
		l.mu.Lock()
		up, changed := l.up, l.changed
		l.mu.Unlock()
		if up {
			return ctx.Err() // or who is told to stop would try for ever
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// connect makes the link. That the centre is away is no error.
func (u *Uplink) connect() (*link, error) {
	c := u.o.Credentials
	l := &link{changed: make(chan struct{})}
	options := []nats.Option{
		nats.Name("gaikei " + u.id.Region + "/" + u.id.Prober), nats.Nkey(c.key.public(), c.key.pair().Sign),
		nats.Timeout(dialTimeout), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.CustomReconnectDelay(u.backoff),
		nats.ReconnectBufSize(-1), nats.IgnoreAuthErrorAbort(), nats.IgnoreDiscoveredServers(),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(c *nats.Conn) { u.arrived(l, c.ConnectedUrlRedacted()) }),
		nats.ReconnectHandler(func(c *nats.Conn) { u.arrived(l, c.ConnectedUrlRedacted()) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { u.departed(l, err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { u.complain(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { u.complain(err) }),
	}
	secure, err := c.secure()
	if err != nil {
		return nil, err
	}
	if secure != nil {
		options = append(options, nats.Secure(secure))
	}
	conn, err := nats.Connect(strings.Join(c.URLs, ","), options...)
	if err != nil {
		return nil, err
	}
	l.conn = conn
	a, err := newAsker(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	l.mu.Lock()
	l.asker = a
	l.mu.Unlock()
	if conn.IsConnected() {
		u.arrived(l, conn.ConnectedUrlRedacted())
	} else {
		u.complain(conn.LastError())
	}
	return l, nil
}

// arrived notes that the centre is reached.
func (u *Uplink) arrived(l *link, url string) {
	u.mu.Lock()
	was := u.status.Connected
	u.status.Connected = true
	if !was {
		u.status.Since = time.Now()
	}
	u.mu.Unlock()
	if !was {
		u.log.Info("the aggregator is reached", "url", url)
	}
	l.rise()
}

// departed notes that it is not.
func (u *Uplink) departed(l *link, err error) {
	u.mu.Lock()
	was := u.status.Connected
	u.status.Connected = false
	if was {
		u.status.Since = time.Now()
	}
	u.mu.Unlock()
	l.fall()
	l.lose()
	if was && err != nil {
		u.log.Warn("the aggregator is lost; results are kept until it is back", "error", err)
	}
}

// complain logs a fault of the connection, once an hour each.
func (u *Uplink) complain(err error) {
	if err == nil || errors.Is(err, nats.ErrNoServers) { // the attempts themselves say why
		return
	}
	text := err.Error()
	if errors.Is(err, nats.ErrAuthorization) {
		text = "the aggregator does not admit these credentials"
	}
	u.mu.Lock()
	u.status.LastError = text
	now := time.Now()
	news := now.Sub(u.complained[text]) >= tellAgain
	if news {
		if len(u.complained) > complaintsMost {
			clear(u.complained)
		}
		u.complained[text] = now
	}
	u.mu.Unlock()
	if news {
		u.log.Warn("the aggregator cannot be reached; this is tried for ever", "error", text)
	}
}

// secure returns how TLS is done; nil if all URLs are on this machine and none asks for it.
func (c *Credentials) secure() (*tls.Config, error) {
	if c.plain() {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, fmt.Errorf("read the credentials' certificate of the CA: it has none that can be read")
		}
	}
	return config, nil
}
