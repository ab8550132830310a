//go:build chaos

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// proberVictim is what a prober suffers: from its machine, its network and its operators.
func (s *arena) proberVictim(p *proberNode) victim {
	n, name := s.land, p.name
	cluster := s.land.cluster()
	return victim{name: name, pause: seconds2(3, 9), faults: []fault{
		{name: "kill -9", spoils: spoilsLife, hold: seconds2(0, 6), inject: p.killed},
		{name: "kill -9 twice", spoils: spoilsLife, hold: seconds2(0.2, 1.5), inject: p.killedTwice},
		{name: "SIGTERM", spoils: spoilsPace, hold: seconds2(0, 3), inject: p.stopped},
		{name: "SIGSTOP", spoils: spoilsPace, hold: seconds2(0.5, 8), inject: p.paused},
		fenced("carrier lost", spoilsSight, seconds2(2, 12), n.unplug(name)),
		fenced("switch port down", spoilsSight, seconds2(2, 12), n.mute(name)),
		fenced("packets vanish", spoilsSight, seconds2(1, 12), n.isolate(name)),
		fenced("blip", spoilsProof, seconds2(0.1, 1.2), n.isolate(name)),
		fenced("controls gone", spoilsProof, seconds2(2, 10), n.drop(name, "192.0.2.11", "192.0.2.12")),
		fenced("loss of 25 % of packets", spoilsPart, seconds2(3, 10), n.lose(name, 25)),
		fenced("throttled to 64 kbit/s", spoilsPart, seconds2(3, 10), n.throttle(name, "64kbit")),
		fenced("cut from the cluster", spoilsNothing, seconds2(5, 30), n.drop(name, cluster...)),
		told("uplink delayed", p.link, "delay 400ms", seconds2(4, 15)),
		told("uplink stalled", p.link, "stall", seconds2(4, 30)),
		told("uplink reset", p.link, "reset", seconds2(0, 1)),
		{name: "disk full", hold: seconds2(6, 15), inject: p.filled},
		{name: "clock 20s ahead", spoils: spoilsClock, hold: seconds2(22, 32), inject: p.skewed(20 * time.Second)},
		{name: "clock 15s behind", spoils: spoilsClock, hold: seconds2(22, 32), inject: p.skewed(-15 * time.Second)},
		{name: "replay of 10m", spoils: spoilsPace, hold: seconds2(0, 1), inject: p.replayed},
		{name: "near reader wiped", spoils: spoilsLife, hold: seconds2(0, 1), inject: p.wiped},
	}}
}

func again(p *process, more ...string) undo {
	return func(context.Context) error {
		if err := p.start(more...); !errors.Is(err, errRuns) {
			return err
		}
		return nil
	}
}

func (p *proberNode) killed(context.Context) (undo, error) {
	return again(p.process), p.kill()
}

// killedTwice kills it, and once more as soon as it has started.
func (p *proberNode) killedTwice(ctx context.Context) (undo, error) {
	err := p.kill()
	if err == nil {
		err = p.start()
	}
	rest(ctx, 700*time.Millisecond)
	return again(p.process), errors.Join(err, p.kill())
}

func (p *proberNode) stopped(context.Context) (undo, error) {
	return again(p.process), p.stop()
}

func (p *process) paused(context.Context) (undo, error) {
	if !p.runs() {
		return nil, errNotNow // it is being started again
	}
	return func(context.Context) error { return p.signal(syscall.SIGCONT) }, p.signal(syscall.SIGSTOP)
}

// told makes a fault of a word to a relay.
func told(name string, link *process, word string, hold [2]time.Duration) fault {
	return fault{name: name, hold: hold, inject: func(context.Context) (undo, error) {
		return func(context.Context) error { return link.tell("open") }, link.tell(word)
	}}
}

// filled fills the disk, and empties it after the prober has said so.
func (p *proberNode) filled(ctx context.Context) (undo, error) {
	path := filepath.Join(p.data, "ballast")
	before := len(p.logged())
	said := func(what string) func() bool {
		return func() bool { return strings.Contains(p.logged()[before:], what) }
	}
	err := errors.Join(fillDisk(path), await(ctx, p.name+" says that its queue is broken", time.Minute, said("near queue is broken")))
	return func(ctx context.Context) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return await(ctx, p.name+" says that its queue works again, without a restart", 2*time.Minute, said("near queue works again"))
	}, err
}

func (p *proberNode) skewed(by time.Duration) func(context.Context) (undo, error) {
	return func(context.Context) (undo, error) {
		return func(context.Context) error { return setFile(p.skew, "0s") }, setFile(p.skew, by.String())
	}
}

// setFile replaces a file at once: it is read all the time.
func setFile(path, text string) error {
	if err := os.WriteFile(path+".next", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".next", path)
}

func (p *proberNode) replayed(context.Context) (undo, error) {
	return again(p.process, "--replay", "10m"), p.stop()
}

// wiped takes from the near queue what it knows of its readers.
func (p *proberNode) wiped(context.Context) (undo, error) {
	if err := p.kill(); err != nil {
		return again(p.process), err
	}
	found, err := filepath.Glob(filepath.Join(p.data, "queue", "jetstream", "*", "streams", "NEAR", "obs", "*"))
	if len(found) == 0 {
		err = errors.Join(err, fmt.Errorf("%s has no readers of its queue to wipe", p.data))
	}
	for _, f := range found {
		err = errors.Join(err, os.RemoveAll(f))
	}
	return again(p.process), err
}
