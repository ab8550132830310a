package relay

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
)

// A register is the centre's table of keys.
type register struct {
	mu   sync.Mutex
	keys map[string]Identity
}

func (r *register) admit(key string) (Identity, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.keys[key]
	return id, ok
}

func (r *register) add(c *Credentials) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		r.keys = make(map[string]Identity)
	}
	r.keys[c.PublicKey()] = Identity{Region: c.Region, Prober: c.Prober}
}

func (r *register) remove(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.keys, key)
}

// A centre is a hub at work, with a catcher for each lane.
type centre struct {
	*Hub
	register *register
	log      *journal
	live     catcher
	late     catcher
	stops    []func() error
	enrolled map[Identity]*Credentials // with a server elsewhere: all there are
}

// run runs f until the centre ends.
func (c *centre) run(t *testing.T, f func(context.Context) error) {
	c.stops = append(c.stops, run(t, f))
}

// end ends the centre.
func (c *centre) end(t *testing.T) {
	t.Helper()
	for _, stop := range c.stops {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func openHub(t *testing.T, o HubOptions) *centre {
	t.Helper()
	c := &centre{register: new(register), log: new(journal)}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Listen == "" && o.Websocket == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	if o.Probers == 0 {
		o.Probers = 1
	}
	o.Admit, o.Logger = c.register.admit, c.log.logger()
	h, err := OpenHub(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c.Hub = h
	t.Cleanup(func() { c.end(t) })
	c.run(t, h.Run)
	return c
}

// consume starts consumers of both lanes.
func (c *centre) consume(t *testing.T) {
	t.Helper()
	c.run(t, func(ctx context.Context) error { return c.Consume(ctx, Live, c.live.take) })
	c.run(t, func(ctx context.Context) error { return c.Consume(ctx, Late, c.late.take) })
}

// enrol makes the credentials of a prober that the centre admits.
func (c *centre) enrol(t *testing.T, region, prober string) *Credentials {
	t.Helper()
	if c.enrolled != nil {
		creds := c.enrolled[Identity{region, prober}]
		if creds == nil {
			t.Fatalf("%s/%s is not in the server's configuration", region, prober)
		}
		return creds
	}
	creds, err := NewCredentials(region, prober, c.URLs(), c.CA())
	if err != nil {
		t.Fatal(err)
	}
	c.register.add(creds)
	return creds
}

// A remote is a prober's queue and uplink.
type remote struct {
	*Queue
	*Outbox
	up   *Uplink
	log  *journal
	stop func() error
}

// newRemote opens a prober's queue, and makes its uplink, which does not run yet.
func newRemote(t *testing.T, dir string, o UplinkOptions) *remote {
	t.Helper()
	r := &remote{log: new(journal)}
	r.Queue = open(t, Options{Dir: dir})
	r.Outbox = r.Queue.Outbox(o.Credentials.Region, o.Credentials.Prober)
	o.Queue, o.Logger = r.Queue, r.log.logger()
	u, err := NewUplink(o)
	if err != nil {
		t.Fatal(err)
	}
	u.redial = redialFirst / 20
	r.up = u
	return r
}

// connect makes a prober that is at work.
func connect(t *testing.T, creds *Credentials) *remote {
	t.Helper()
	r := newRemote(t, filepath.Join(t.TempDir(), "queue"), UplinkOptions{Credentials: creds})
	r.stop = run(t, r.up.Run)
	return r
}

func (r *remote) put(t *testing.T, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		putOne(t, r.Outbox, n)
	}
}

// isUp waits until the prober has reached the centre.
func (r *remote) isUp(t *testing.T) {
	t.Helper()
	until(t, "the prober reaches the centre", func() bool { return r.up.Status().Connected })
}
