//go:build chaos

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
)

// operatorVictim changes the configuration, and does to the far queue what an operator may do by mistake.
func (s *arena) operatorVictim(random *rand.Rand) victim {
	variant := 0
	return victim{name: "operator", pause: seconds2(5, 15), faults: []fault{
		once("configuration changed", func(context.Context) error {
			variant++
			return s.configure(variant)
		}),
		once("far reader deleted", s.deleteReaders),
		once("messages sent again, shuffled", func(ctx context.Context) error { return s.sendAgain(ctx, random) }),
		once("intruder with a prober's key", func(ctx context.Context) error { return s.intrude(ctx, random) }),
	}}
}

// once makes a fault of what is done and needs no undoing.
func once(name string, do func(context.Context) error) fault {
	return fault{name: name, hold: seconds2(0, 1), inject: func(ctx context.Context) (undo, error) {
		return nothing, do(ctx)
	}}
}

func nothing(context.Context) error { return nil }

// dial connects the harness to the cluster with somebody's credentials.
func (s *arena) dial(creds string) (*nats.Conn, error) {
	text, err := os.ReadFile(s.path(creds))
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(text), "\nseed: ")
	seed, _, _ := strings.Cut(rest, "\n")
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, err
	}
	return nats.Connect("nats://127.0.0.1:4222", nats.Nkey(public, pair.Sign), nats.SetCustomDialer(socketDialer(s.path("desk.sock"))),
		nats.Timeout(5*time.Second), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // an intruder is refused much
}

// socketDialer connects to a Unix socket, whatever it is asked for.
type socketDialer string

func (d socketDialer) Dial(string, string) (net.Conn, error) {
	return net.DialTimeout("unix", string(d), 5*time.Second)
}

// deleteReaders deletes the durable consumers of the far queue; the aggregators must make them again, and everything that
// is still in the queue comes once more.
func (s *arena) deleteReaders(ctx context.Context) error {
	conn, err := s.dial("centre.creds")
	if err != nil {
		return errNotNow
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	deleted := 0
	for _, stream := range []string{"FAR_LIVE", "FAR_LATE"} {
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		if js.DeleteConsumer(limited, stream, "reader") == nil {
			deleted++
		}
		cancel()
	}
	if deleted == 0 {
		return errNotNow
	}
	return nil
}

// sendAgain sends messages that a prober has put before, some twice, in any order and on any lane.
func (s *arena) sendAgain(ctx context.Context, random *rand.Rand) error {
	p := s.probers[random.IntN(len(s.probers))]
	js, err := readJournal(s.journal + "-" + p.name)
	if err != nil {
		return err
	}
	var messages [][]byte
	for _, x := range js {
		if x.stored {
			messages = append(messages, x.payload)
		}
	}
	if len(messages) == 0 {
		return errNotNow
	}
	conn, err := s.dial(p.name + ".creds")
	if err != nil {
		return errNotNow
	}
	defer conn.Close()
	taken := 0
	for range 80 {
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		lane := []string{"live", "late"}[random.IntN(2)]
		m, err := conn.RequestWithContext(limited, fmt.Sprintf("gaikei.result.%s.%s.%s", p.region, p.prober, lane), messages[random.IntN(len(messages))])
		cancel()
		if err != nil {
			break
		}
		if len(m.Data) > 0 && m.Data[0] == '+' {
			taken++
		}
	}
	if taken == 0 {
		return errNotNow
	}
	return nil
}
