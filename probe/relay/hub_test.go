package relay

import (
	"context"
	"testing"
)

// What is put while the centre is there comes on Live, in order, once.
func TestLive(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.consume(t)
	r := connect(t, c.enrol(t, "tokyo.east", "p-1.x"))
	r.isUp(t)
	<-r.up.started
	r.put(t, 0, 100)
	until(t, "all on Live", func() bool { return len(c.live.got()) == 100 })
	diff(t, numbers(0, 100), c.live.got())
	diff(t, []int(nil), c.late.got())
	diff(t, map[string]int{"tokyo.east/p-1.x": 100}, c.live.from)
	until(t, "nothing left", func() bool { return r.Queue.Status().Pending == 0 })
}

// What was put before the centre could be reached comes on Late, what is put afterwards on Live.
func TestLate(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.consume(t)
	creds := c.enrol(t, "tokyo", "p")
	r := newRemote(t, t.TempDir(), UplinkOptions{Credentials: creds})
	r.put(t, 0, 50)
	run(t, r.up.Run)
	until(t, "all on Late", func() bool { return len(c.late.got()) == 50 })
	r.put(t, 50, 60)
	until(t, "fresh on Live", func() bool { return len(c.live.got()) == 10 })
	diff(t, numbers(0, 50), c.late.got())
	diff(t, numbers(50, 60), c.live.got())
}

// The centre is away at start, comes, goes and comes back: every result arrives, in spite of a prober that starts again.
func TestCentreAway(t *testing.T) {
	dir, queue := t.TempDir(), t.TempDir()
	c := openHub(t, HubOptions{Dir: dir})
	creds := c.enrol(t, "tokyo", "p")
	listen := c.o.Listen
	c.end(t)
	r := newRemote(t, queue, UplinkOptions{Credentials: creds})
	stop := run(t, r.up.Run)
	r.put(t, 0, 20)
	for round := range 2 {
		c = openHub(t, HubOptions{Dir: dir, Listen: listen})
		c.register.add(creds)
		c.consume(t)
		all := func() []int { return append(c.late.got(), c.live.got()...) }
		want := 20 * (round + 1)
		until(t, "what was put while the centre was away", func() bool { return covers(all(), want-20, want) })
		c.end(t)
		r.put(t, want, want+20)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	shut(t, r.Queue)
	r = newRemote(t, queue, UplinkOptions{Credentials: creds})
	run(t, r.up.Run)
	c = openHub(t, HubOptions{Dir: dir, Listen: listen})
	c.register.add(creds)
	c.consume(t)
	until(t, "what was put before the restart", func() bool { return covers(append(c.late.got(), c.live.got()...), 40, 60) })
}

// covers reports whether all of from to to are among the numbers.
func covers(got []int, from, to int) bool {
	have := make(map[int]bool)
	for _, n := range got {
		have[n] = true
	}
	for n := from; n < to; n++ {
		if !have[n] {
			return false
		}
	}
	return true
}

// A lane that nobody reads refuses when it is full. What it refuses stays with the prober, and comes when there is room.
func TestBackpressure(t *testing.T) {
	c := openHub(t, HubOptions{MaxBytes: 4 << 20, Probers: 1})
	a, b := connect(t, c.enrol(t, "tokyo", "a")), connect(t, c.enrol(t, "tokyo", "b"))
	a.put(t, 0, 150)
	until(t, "a refusal", func() bool { return a.up.Status().Refused[RefusedFull] > 0 })
	b.put(t, 1000, 1010)
	until(t, "the other prober's, in spite of that", func() bool { st := b.up.Status(); return st.Sent[Live]+st.Sent[Late] == 10 })
	c.consume(t)
	until(t, "all", func() bool { return covers(append(c.late.got(), c.live.got()...), 0, 150) })
	if got := c.log.count("full"); got != 1 {
		t.Errorf("got %d lines about the refusals at the aggregator, want 1:\n%s", got, c.log)
	}
}

// A backlog does not delay what is fresh: it is on Live while Late is still at work, or cannot be read at all.
func TestBacklogDelaysNothing(t *testing.T) {
	c := openHub(t, HubOptions{})
	c.run(t, func(ctx context.Context) error { return c.Consume(ctx, Live, c.live.take) })
	creds := c.enrol(t, "tokyo", "p")
	r := newRemote(t, t.TempDir(), UplinkOptions{Credentials: creds})
	r.put(t, 0, 400)
	run(t, r.up.Run)
	until(t, "Late has begun", func() bool { return r.up.Status().Sent[Late] > 0 })
	r.put(t, 400, 410)
	until(t, "fresh on Live", func() bool { return len(c.live.got()) == 10 })
	if sent := r.up.Status().Sent[Late]; sent >= 400 {
		t.Errorf("got all %d messages of the backlog sent before what is fresh", sent)
	}
	c.run(t, func(ctx context.Context) error { return c.Consume(ctx, Late, c.late.take) })
	until(t, "the backlog", func() bool { return covers(c.late.got(), 0, 400) })
	diff(t, numbers(400, 410), c.live.got())
}
