package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/sli/web"
)

// socketName is the local socket beside the database: `gaikei sli --data DIR` asks it while a server runs.
const socketName = "gaikei.sock"

// drain is how long requests may take to finish once the server is told to stop.
const drain = 5 * time.Second

// openings are where the page and the API are served.
type openings struct {
	public net.Listener
	local  net.Listener // the local socket: its permissions say who may use it
}

// listen opens the page's address and the local socket, so that a taken port is told before anything runs.
func listen(ctx context.Context, o runOptions) (*openings, error) {
	var lc net.ListenConfig
	tcp, err := lc.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return nil, unreachable(fmt.Errorf("listen for the page: %w", err), "choose another address with --listen")
	}
	path := filepath.Join(o.data, socketName)
	// The data folder is locked, so a socket that is there was left by a process that is gone.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		tcp.Close()
		return nil, unreachable(fmt.Errorf("remove the old local socket: %w", err), "")
	}
	unix, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		tcp.Close()
		return nil, unreachable(fmt.Errorf("listen on the local socket: %w", err), "a socket's path may have about 100 characters; choose a shorter --data")
	}
	if err := os.Chmod(path, 0o660); err != nil {
		tcp.Close()
		unix.Close()
		return nil, unreachable(fmt.Errorf("protect the local socket: %w", err), "")
	}
	return &openings{public: tcp, local: unix}, nil
}

// web returns the stage that serves the page, the API and the metrics until its context ends.
func (c *centre) web(at *openings) func(context.Context) error {
	return func(ctx context.Context) error {
		page := web.NewHandler(web.Options{
			Source:   c.store,
			Catalog:  c.catalog,
			Config:   c.shown,
			Faults:   func() []string { return sentences(c.faults()) },
			Ready:    c.ready,
			Version:  version(),
			Now:      time.Now,
			Gatherer: c.metrics,
			Gate:     c.gate,
			Roster:   c.webRoster(),
			Analyst:  analyst{c},

			Corrector: corrector{c.store},
		})
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return c.door.serve(ctx, at.public, newServer(page, c.gate, c.log)) })
		g.Go(func() error {
			local := newServer(web.Local(page), c.gate, c.log)
			return serveWith(ctx, local, func() error { return local.Serve(at.local) })
		})
		return g.Wait()
	}
}

// observe makes what shows figures and what sends them. Both read one Gatherer: what has settled is counted at a reading, so
// with one each they would count from different instants.
func (c *centre) observe(at *openings) {
	c.gate = web.NewGate(web.GateOptions{Credentials: c.door.credentials, Logger: c.log})
	c.feeds = newFeeds(at.public.Addr(), secretsIn(c.opts.secrets), c.log)
	c.metrics = c.gatherer()
	c.feeds.metrics = c.metrics
}

// webRoster is the roster as the API takes it.
func (c *centre) webRoster() web.Roster {
	if c.roster == nil {
		return nil
	}
	return c.roster
}

// newServer makes a server with limits to what a slow or endless asker can take.
func newServer(h http.Handler, gate *web.Gate, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          stdlog.New(handshakeLog{gate, log}, "", 0),
	}
}

// serve serves on the page's address, with TLS if there is any.
func (d *door) serve(ctx context.Context, l net.Listener, srv *http.Server) error {
	if !d.secure() {
		return serveWith(ctx, srv, func() error { return srv.Serve(l) })
	}
	srv.TLSConfig = &tls.Config{GetConfigForClient: d.handshake}
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(d.inForce().HTTP.HTTP2)
	return serveWith(ctx, srv, func() error { return srv.ServeTLS(l, "", "") })
}

// serveWith serves until ctx ends, and lets requests finish then.
func serveWith(ctx context.Context, srv *http.Server, serve func() error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the page: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		down, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if srv.Shutdown(down) != nil {
			return srv.Close()
		}
		return nil
	})
	return g.Wait()
}

// A handshakeLog takes what a server has to say. Connections that TLS did not let in are counted and seldom logged:
// on a public address there is no end to them.
type handshakeLog struct {
	gate *web.Gate
	log  *slog.Logger
}

// Write takes one line.
func (h handshakeLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	from, said, found := strings.Cut(strings.TrimPrefix(text, "http: TLS handshake error from "), ": ")
	switch {
	case !found || !strings.HasPrefix(text, "http: TLS"):
		h.log.Warn(text)
	case isOfCertificate(said):
		h.gate.Deny(web.DeniedCertificate, from, said)
	default:
		h.gate.Deny(web.DeniedHandshake, from, said)
	}
	return len(line), nil
}

// isOfCertificate reports whether a handshake failed for the client's certificate. Only a server gives these errors
// about clients, and only as text.
func isOfCertificate(said string) bool {
	for _, words := range []string{"client didn't provide a certificate", "failed to verify certificate", errOtherNames.Error()} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}

// staleAfter is how long results may wait for the store before the process is called not ready.
const staleAfter = 30 * time.Second

// ready tells why the process cannot do its work, nil if it can.
func (c *centre) ready() error {
	if c.state.Load() == nil {
		return errors.New("the configuration is not in force yet")
	}
	switch {
	case c.station != nil:
		return c.station.ready()
	case c.roster != nil:
		return c.roster.ready()
	}
	return nil // it only tells
}
