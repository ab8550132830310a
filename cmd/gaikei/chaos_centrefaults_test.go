//go:build chaos

package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// centreVictim is what an aggregator suffers.
func (s *arena) centreVictim(c *centreNode) victim {
	return victim{name: c.name, pause: seconds2(4, 12), faults: []fault{
		{name: "kill -9", hold: seconds2(0, 8), inject: c.killed},
		{name: "kill -9 in mid-fold", hold: seconds2(0, 4), inject: c.killedInFold(s.database)},
		{name: "kill -9 before a commit", hold: seconds2(0, 4), inject: c.killedInCommit},
		{name: "SIGTERM", hold: seconds2(0, 5), inject: c.stopped},
		{name: "SIGSTOP", hold: seconds2(1, 15), inject: c.paused},
		fenced("cut from the cluster", spoilsNothing, seconds2(3, 30), s.land.drop(c.name, s.land.cluster()...)),
		fenced("carrier lost", spoilsNothing, seconds2(2, 20), s.land.unplug(c.name)),
		told("link stalled", c.link, "stall", seconds2(3, 30)),
		told("link reset", c.link, "reset", seconds2(0, 1)),
		told("database stalled", c.base, "stall", seconds2(3, 20)),
		told("database reset", c.base, "reset", seconds2(0, 1)),
	}}
}

func (c *centreNode) killed(context.Context) (undo, error) {
	c.follows()
	return again(c.process), c.kill()
}

// killedInCommit stalls the way to the database until the aggregator has messages in hand that it cannot write, and kills it.
func (c *centreNode) killedInCommit(ctx context.Context) (undo, error) {
	if err := c.base.tell("stall"); err != nil {
		return nil, err
	}
	rest(ctx, 3*time.Second)
	c.follows()
	return again(c.process), errors.Join(c.kill(), c.base.tell("open"))
}

func (c *centreNode) stopped(context.Context) (undo, error) {
	c.follows()
	return again(c.process), c.stop()
}

func (c *centreNode) follows() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leads = time.Time{}
}

// killedInFold holds up a fold's writing of a block, and kills the aggregator that is at it. Of one that does not fold it is
// not the turn.
func (c *centreNode) killedInFold(database string) func(context.Context) (undo, error) {
	return func(ctx context.Context) (undo, error) {
		c.mu.Lock()
		leads := !c.leads.IsZero()
		c.mu.Unlock()
		if !leads {
			return nil, errNotNow
		}
		free, err := heldUp(ctx, database)
		if err != nil {
			return nil, errNotNow // the database suffers itself
		}
		defer free()
		c.follows()
		return again(c.process), c.kill()
	}
}

// heldUp lets nobody write a block any more, and returns as soon as somebody wants to.
func heldUp(ctx context.Context, database string) (free func(), err error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	free = func() { conn.Close(context.WithoutCancel(ctx)) } // and with it the transaction
	if _, err = conn.Exec(ctx, "BEGIN; LOCK TABLE block IN EXCLUSIVE MODE"); err == nil {
		err = await(ctx, "a fold", 25*time.Second, func() bool {
			var n int
			err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE relation = 'block'::regclass AND NOT granted").Scan(&n)
			return err == nil && n > 0
		})
	}
	if err != nil {
		free()
	}
	return free, err
}
