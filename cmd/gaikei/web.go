package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/sli/web"
)

// socketName is the local socket beside the database: `gaikei sli --data DIR` asks it while a server runs.
const socketName = "gaikei.sock"

// drain is how long requests may take to finish once the server is told to stop.
const drain = 5 * time.Second

// listen opens the page's address and the local socket, so that a taken port is told before anything runs.
func listen(ctx context.Context, o runOptions) ([]net.Listener, error) {
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
	return []net.Listener{tcp, unix}, nil
}

// web returns the stage that serves the page, the API and the metrics until its context ends.
func (c *centre) web(listeners []net.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		srv := &http.Server{
			Handler: web.NewHandler(web.Options{
				Source:   c.store,
				Catalog:  c.catalog,
				Faults:   c.station.faults,
				Ready:    c.ready,
				Version:  version(),
				Now:      time.Now,
				Gatherer: c.gatherer(),
			}),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       30 * time.Second,
			WriteTimeout:      2 * time.Minute,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          slog.NewLogLogger(c.log.Handler(), slog.LevelWarn),
		}
		var g errgroup.Group
		for _, l := range listeners {
			g.Go(func() error {
				if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
					return fmt.Errorf("serve %s: %w", l.Addr(), err)
				}
				return nil
			})
		}
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
}

// staleAfter is how long results may wait for the store before the process is called not ready.
const staleAfter = 30 * time.Second

// ready tells why the process cannot do its work, nil if it can.
func (c *centre) ready() error {
	if c.state.Load() == nil {
		return errors.New("the configuration is not in force yet")
	}
	return c.station.ready()
}
