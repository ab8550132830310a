//go:build chaos

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
)

// clusterVictim is what the cluster suffers: one server at a time, or all. What a cluster has acknowledged is safe as long as
// most of its servers have their disks, so one that lost its own is given the time to fetch everything before the next fault.
func (s *arena) clusterVictim(random *rand.Rand) victim {
	one := func(name string, hold [2]time.Duration, do func(*node) (undo, error)) fault {
		return fault{name: name, hold: hold, inject: func(context.Context) (undo, error) {
			back, err := do(s.nats[random.IntN(len(s.nats))])
			return s.whole(back), err
		}}
	}
	return victim{name: "cluster", pause: seconds2(3, 10), faults: []fault{
		one("kill -9", seconds2(1, 15), func(x *node) (undo, error) { return again(x.process), x.kill() }),
		one("disk lost", seconds2(1, 5), (*node).lost),
		one("disk full", seconds2(3, 15), (*node).filled),
		one("SIGSTOP", seconds2(1, 15), func(x *node) (undo, error) { return x.paused(s.ctx) }),
		one("carrier lost", seconds2(3, 20), func(x *node) (undo, error) { return s.land.unplug(x.name).inject() }),
		one("packets vanish", seconds2(3, 20), func(x *node) (undo, error) { return s.land.isolate(x.name).inject() }),
		one("cut from its peers", seconds2(3, 20), func(x *node) (undo, error) {
			peers := slices.DeleteFunc(s.land.cluster(), func(a string) bool { return a == s.land.homes[x.name] })
			return s.land.drop(x.name, peers...).inject()
		}),
		{name: "kill -9 of all", hold: seconds2(0, 8), inject: s.allKilled},
	}}
}

// lost takes the disk of a server and gives it an empty one.
func (x *node) lost() (undo, error) {
	err := x.kill()
	found, _ := filepath.Glob(filepath.Join(x.store, "*"))
	for _, f := range found {
		err = errors.Join(err, os.RemoveAll(f))
	}
	return again(x.process), err
}

// filled fills the disk of a server. It stays without a queue until somebody makes room and starts it again.
func (x *node) filled() (undo, error) {
	path := filepath.Join(x.store, "ballast")
	return func(ctx context.Context) error {
		return errors.Join(x.kill(), os.Remove(path), x.start())
	}, fillDisk(path)
}

func (s *arena) allKilled(context.Context) (undo, error) {
	var errs []error
	for _, x := range s.nats {
		errs = append(errs, x.kill())
	}
	return s.whole(func(context.Context) error {
		var errs []error
		for _, x := range s.nats {
			errs = append(errs, x.start())
		}
		return errors.Join(errs...)
	}), errors.Join(errs...)
}

// whole undoes something and waits until every server has everything again.
func (s *arena) whole(back undo) undo {
	return func(ctx context.Context) error {
		if err := back(ctx); err != nil {
			return err
		}
		var last error
		if err := await(ctx, "the cluster is whole", 2*time.Minute, func() bool { last = s.isWhole(ctx); return last == nil }); err != nil {
			return fmt.Errorf("%w: %w", err, last)
		}
		return nil
	}
}

func (s *arena) isWhole(ctx context.Context) error {
	return s.streams(ctx, func(_ jetstream.Stream, i *jetstream.StreamInfo) error {
		c := i.Cluster
		if c == nil || len(c.Replicas) != 2 || slices.ContainsFunc(c.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current || p.Offline }) {
			return fmt.Errorf("%s has not all its replicas: %+v", i.Config.Name, c)
		}
		return nil
	})
}

// isRead says what is still in the far queue.
func (s *arena) isRead(ctx context.Context) error {
	return s.streams(ctx, func(stream jetstream.Stream, i *jetstream.StreamInfo) error {
		if i.State.Msgs == 0 {
			return nil
		}
		err := fmt.Errorf("%s has %d messages, %d to %d", i.Config.Name, i.State.Msgs, i.State.FirstSeq, i.State.LastSeq)
		reader, rerr := stream.Consumer(ctx, "reader")
		if rerr != nil {
			return errors.Join(err, rerr)
		}
		c := reader.CachedInfo()
		return fmt.Errorf("%w, of which %d wait for the reader and %d for its word; it was given %+v and has done %+v", err, c.NumPending, c.NumAckPending, c.Delivered, c.AckFloor)
	})
}

// streams asks about the streams of results.
func (s *arena) streams(ctx context.Context, ask func(jetstream.Stream, *jetstream.StreamInfo) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := s.dial("centre.creds")
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range []string{"FAR_LIVE", "FAR_LATE"} {
		stream, err := js.Stream(ctx, name)
		if err == nil {
			err = ask(stream, stream.CachedInfo())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// databaseVictim is what the database suffers.
func (s *arena) databaseVictim() victim {
	query := func(sql string, each func(pid int) error) func(context.Context) (undo, error) {
		return func(ctx context.Context) (undo, error) {
			conn, err := pgx.Connect(ctx, s.database)
			if err != nil {
				return nil, errNotNow // it is starting
			}
			defer conn.Close(ctx)
			rows, err := conn.Query(ctx, sql)
			if err != nil {
				return nil, err
			}
			pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
			for _, pid := range pids {
				err = errors.Join(err, each(pid))
			}
			return nothing, err
		}
	}
	const others = " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
	return victim{name: "database", pause: seconds2(10, 25), faults: []fault{
		{name: "sessions ended", hold: seconds2(0, 1), inject: query("SELECT count(pg_terminate_backend(pid))::int"+others, func(int) error { return nil })},
		{name: "crash", hold: seconds2(0, 1), inject: query("SELECT pid"+others+" LIMIT 1", func(pid int) error {
			if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
				return err
			}
			return nil
		})},
	}}
}
