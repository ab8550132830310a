package relay

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

// patience is how long a test waits for what must come; it is no measure of speed.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		os.Exit(victim(dir, os.Getenv(victimFrom)))
	}
	if kind := os.Getenv(childEnv); kind != "" {
		os.Exit(child(kind))
	}
	goleak.VerifyTestMain(m)
}

// quick makes a queue's waits short.
func quick(q *Queue) {
	q.tune.every, q.backoff, q.backoffTo = 5*time.Millisecond, 5*time.Millisecond, 50*time.Millisecond
}

func open(t *testing.T, o Options) *Queue {
	t.Helper()
	q, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	quick(q)
	t.Cleanup(func() { shut(t, q) })
	return q
}

func shut(t *testing.T, q *Queue) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// run runs f until stop is called, which returns its error.
func run(t *testing.T, f func(context.Context) error) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return fmt.Errorf("did not return after its context ended")
		}
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stopped with: %v", err)
		}
	})
	return stop
}

// until waits for a condition that is reached by other goroutines.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(end) {
			t.Fatalf("%s: did not come about", what)
		}
		pause(t.Context(), 2*time.Millisecond)
	}
}

// result is the nth result of a check.
func result(n int) probe.Result {
	r := probe.Result{
		Check: "shop", Slot: 1795392000000 + int64(n)*1000, Outcome: probe.Up, Latency: -160, Attempts: 1,
	}
	for ph := range r.Phases {
		r.Phases[ph] = probe.NoLatency
	}
	return r
}

// oneResult is a batch of the nth result.
func oneResult(n int) *probe.Batch { return &probe.Batch{Results: []probe.Result{result(n)}} }

// number is the reverse of result.
func number(r probe.Result) int { return int(r.Slot-1795392000000) / 1000 }

// A catcher is a consumer that keeps the numbers of the results it was given, in order.
type catcher struct {
	mu      sync.Mutex
	numbers []int
	from    map[string]int // messages by region/prober
	err     error          // for the next call; nothing is kept then
	calls   int
}

func (c *catcher) take(_ context.Context, ms []Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.err != nil {
		return c.err
	}
	for _, m := range ms {
		b, err := wire.Unmarshal(m.Payload)
		if err != nil {
			return err
		}
		for _, r := range b.Results {
			c.numbers = append(c.numbers, number(r))
		}
		if c.from == nil {
			c.from = make(map[string]int)
		}
		c.from[m.Region+"/"+m.Prober]++
	}
	return nil
}

func (c *catcher) got() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.numbers)
}

// senders are those of messages, with their number.
func (c *catcher) senders() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.from)
}

func (c *catcher) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *catcher) called() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

func numbers(from, to int) []int {
	var ns []int
	for n := from; n < to; n++ {
		ns = append(ns, n)
	}
	return ns
}

func diff(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A journal is a logger that keeps its lines.
type journal struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// count tells how many lines hold a text.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for line := range strings.Lines(j.buf.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buf.Reset()
}
