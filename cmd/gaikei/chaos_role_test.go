//go:build chaos

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// chaosRole is the environment variable that makes the test binary be something else than gaikei in the network of
// TestChaos. Its arguments follow in chaosArguments, one a line.
const (
	chaosRole      = "GAIKEI_CHAOS_ROLE"
	chaosArguments = "GAIKEI_CHAOS_ARGUMENTS"
)

// playChaos plays the role that the environment names, if there is one, and does not return then.
func playChaos() {
	roles := map[string]func([]string) error{"nats": playNATS, "bypass": playBypass, "world": playWorld}
	play, there := roles[os.Getenv(chaosRole)]
	if !there {
		return
	}
	if err := play(strings.Split(os.Getenv(chaosArguments), "\n")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// playNATS is a server of the cluster, of the configuration in the file args[0].
func playNATS(args []string) error {
	o, err := server.ProcessConfigFile(args[0])
	if err != nil {
		return err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
	return nil
}

// playBypass is the relay between a process and what it depends on: the cluster's servers, or the database. It listens at the
// addresses that args[0] has, with commas between, and goes on to one of the addresses after that, the first that answers.
// What begins with a slash is a Unix socket. On standard input it is told how to treat what passes: "open", "delay 300ms",
// "stall", "reset".
func playBypass(args []string) error {
	b := &bypass{to: args[1:], changed: make(chan struct{}), open: map[net.Conn]struct{}{}}
	for _, at := range strings.Split(args[0], ",") {
		l, err := net.Listen(family(at), at)
		if err != nil {
			return err
		}
		go b.accept(l)
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := b.told(lines.Text()); err != nil {
			return err
		}
	}
	return nil
}

// A bypass carries connections and does to them what it is told.
type bypass struct {
	to []string

	mu      sync.Mutex
	next    int
	delay   time.Duration
	stalled bool
	changed chan struct{} // closed when stalled ends
	open    map[net.Conn]struct{}
}

func (b *bypass) told(line string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "open":
		b.delay, b.stalled = 0, false
		close(b.changed)
		b.changed = make(chan struct{})
	case "delay":
		var err error
		b.delay, err = time.ParseDuration(rest)
		return err
	case "stall":
		b.stalled = true
	case "reset":
		for c := range b.open {
			if t, ok := c.(*net.TCPConn); ok {
				_ = t.SetLinger(0) // so that closing resets
			}
			c.Close()
		}
	default:
		return fmt.Errorf("told %q", line)
	}
	return nil
}

func (b *bypass) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go b.carry(c)
	}
}

func (b *bypass) carry(near net.Conn) {
	defer near.Close()
	far, err := b.dial()
	if err != nil {
		return
	}
	defer far.Close()
	b.mu.Lock()
	b.open[near], b.open[far] = struct{}{}, struct{}{}
	b.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			b.pass(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done // the other way ends with the connections
	b.mu.Lock()
	delete(b.open, near)
	delete(b.open, far)
	b.mu.Unlock()
}

func (b *bypass) dial() (net.Conn, error) {
	b.mu.Lock()
	first := b.next
	b.next++
	b.mu.Unlock()
	var errs []error
	for i := range b.to {
		at := b.to[(first+i)%len(b.to)]
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		c, err := new(net.Dialer).DialContext(ctx, family(at), at)
		cancel()
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// family is the network of an address.
func family(address string) string {
	if strings.HasPrefix(address, "/") {
		return "unix"
	}
	return "tcp"
}

// A parcel is what was read at once, and when.
type parcel struct {
	data []byte
	at   time.Time
}

// pass carries one direction.
func (b *bypass) pass(from, to net.Conn) {
	parcels := make(chan parcel, 1024)
	go func() {
		defer close(parcels)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			if n > 0 {
				parcels <- parcel{buf[:n], time.Now()}
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() {
		from.Close()
		for range parcels {
		}
	}()
	for p := range parcels {
		b.hold(p.at)
		if _, err := to.Write(p.data); err != nil && !errors.Is(err, io.ErrShortWrite) {
			return
		}
	}
}

// hold keeps a parcel as long as it is to be kept.
func (b *bypass) hold(since time.Time) {
	for {
		b.mu.Lock()
		stalled, changed, wait := b.stalled, b.changed, time.Until(since.Add(b.delay))
		b.mu.Unlock()
		switch {
		case stalled:
			<-changed
		case wait > 0:
			<-time.After(wait)
			return
		default:
			return
		}
	}
}
