package relay

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/gaikei/gaikei/probe/wire"
)

// childEnv names what a child process of a test is to be.
const childEnv = "GAIKEI_TEST_CHILD"

// children are what child processes can be. They run until they are killed; what they do they tell line by line.
func children() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"server": serverChild, "prober": proberChild, "hub": hubChild}
}

// child runs in a child process.
func child(kind string) int {
	if err := children()[kind](context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, kind, err)
		return 1
	}
	return 0
}

// A process is a child process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when all that it told was read
}

// spawn starts a child and calls told with each line that it tells.
func spawn(t *testing.T, told func(string), kind string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), os.Args[0], args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+kind)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			told(lines.Text())
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the child as kill -9 does, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails for one that is gone
	<-p.done
	_ = p.cmd.Wait() // says that it was killed
}

// serverChild is a server with the configuration in a file.
func serverChild(_ context.Context, args []string) error {
	o, err := server.ProcessConfigFile(args[0])
	if err != nil {
		return err
	}
	o.NoSigs, o.NoLog = true, true
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.Start()
	fmt.Println("started")
	s.WaitForShutdown()
	return nil
}

// proberChild puts results one by one into a near queue that is forwarded, and tells each that was put.
func proberChild(ctx context.Context, args []string) error {
	creds, err := ReadCredentials(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	q, err := Open(ctx, Options{Dir: args[1]})
	if err != nil {
		return err
	}
	u, err := NewUplink(UplinkOptions{Queue: q, Credentials: creds})
	if err != nil {
		return err
	}
	u.redial = redialFirst / 20
	failed := make(chan error, 1)
	go func() { failed <- u.Run(ctx) }()
	for o := q.Outbox(creds.Region, creds.Prober); ; n++ {
		o.Result(result(n))
		if err := o.flush(ctx); err != nil {
			return err
		}
		fmt.Println(n)
		select {
		case err := <-failed:
			return err
		default:
		}
	}
}

// hubChild consumes what a prober sends, and tells each result.
func hubChild(ctx context.Context, args []string) error {
	creds, err := ReadCredentials(args[0])
	if err != nil {
		return err
	}
	h, err := OpenHub(ctx, HubOptions{Dir: args[1], Listen: args[2], Admit: func(key string) (Identity, bool) {
		return Identity{creds.Region, creds.Prober}, key == creds.PublicKey()
	}})
	if err != nil {
		return err
	}
	fmt.Println("open")
	failed := make(chan error, 3)
	go func() { failed <- h.Run(ctx) }()
	for _, lane := range []Lane{Live, Late} {
		go func() { failed <- h.Consume(ctx, lane, tell) }()
	}
	return <-failed
}

// tell prints the results of messages.
func tell(_ context.Context, ms []Message) error {
	for _, m := range ms {
		b, err := wire.Unmarshal(m.Payload)
		if err != nil {
			return err
		}
		for _, r := range b.Results {
			fmt.Println(number(r))
		}
	}
	return nil
}

// A tally collects the numbers that children tell.
type tally struct {
	mu      sync.Mutex
	numbers []int
}

// add takes a line that is a number.
func (c *tally) add(line string) {
	if n, err := strconv.Atoi(line); err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.numbers = append(c.numbers, n)
	}
}

func (c *tally) all() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int(nil), c.numbers...)
}
