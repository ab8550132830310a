package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// putOne puts one result as one message.
func putOne(t *testing.T, o *Outbox, n int) {
	t.Helper()
	o.Result(result(n))
	if err := o.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A batch that is not taken is offered again, as it was, and nothing behind it comes first.
func TestConsumerRefuses(t *testing.T) {
	var log journal
	q := open(t, Options{Dir: t.TempDir(), Logger: log.logger()})
	o := q.Outbox("tokyo", "p")
	for n := range 3 {
		putOne(t, o, n)
	}
	var c catcher
	c.fail(errTest)
	run(t, func(ctx context.Context) error { return q.Consume(ctx, c.take) })
	until(t, "two refusals", func() bool { return c.called() >= 2 })
	putOne(t, o, 3)
	if st := q.Status(); st.Pending != 4 || st.Oldest <= 0 {
		t.Errorf("got %d messages pending, the oldest for %v, want 4 for some time", st.Pending, st.Oldest)
	}
	c.fail(nil)
	until(t, "all taken", func() bool { return q.Status().Pending == 0 })
	diff(t, numbers(0, 4), c.got())
	if st := q.Status(); st.Oldest != 0 || st.Messages != 4 {
		t.Errorf("got status %+v, want 4 messages kept and none pending", st)
	}
	if got := log.count("not taken"); got != 1 {
		t.Errorf("got %d lines about the refusal, want 1:\n%s", got, &log)
	}
}

// A consumer that ends in the midst of a batch gets it again, also after a restart, before what is newer; what it
// had taken it does not get again.
func TestConsumerResumes(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Options{Dir: dir})
	o := q.Outbox("tokyo", "p")
	for n := range 3 {
		putOne(t, o, n)
	}
	var first catcher
	stop := run(t, func(ctx context.Context) error { return q.Consume(ctx, first.take) })
	until(t, "first three", func() bool { return q.Status().Pending == 0 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for n := 3; n < 6; n++ {
		putOne(t, o, n)
	}
	var midst catcher
	midst.fail(errTest)
	stop = run(t, func(ctx context.Context) error { return q.Consume(ctx, midst.take) })
	until(t, "a batch in hand", func() bool { return midst.called() > 0 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	shut(t, q)

	q = open(t, Options{Dir: dir})
	putOne(t, q.Outbox("tokyo", "p"), 6)
	var last catcher
	run(t, func(ctx context.Context) error { return q.Consume(ctx, last.take) })
	until(t, "the rest", func() bool { return q.Status().Pending == 0 })
	diff(t, numbers(0, 3), first.got())
	diff(t, numbers(3, 7), last.got())
}

// A backlog comes in batches within their bounds.
func TestBatchesAreBounded(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	s, err := q.current()
	if err != nil {
		t.Fatal(err)
	}
	small, big := 1200, 80
	for n := range small + big {
		size := 10
		if n >= small {
			size = 200 << 10
		}
		if err := publish(t.Context(), s, subjectOf(resultSubject, "tokyo", "p"), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	var most, largest, all, calls int
	stop := run(t, func(ctx context.Context) error {
		return q.Consume(ctx, func(_ context.Context, ms []Message) error {
			bytes := 0
			for _, m := range ms {
				bytes += len(m.Payload)
			}
			most, largest, all, calls = max(most, len(ms)), max(largest, bytes), all+len(ms), calls+1
			return nil
		})
	})
	until(t, "everything consumed", func() bool { return q.Status().Pending == 0 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if most > maxBatch || most < maxBatch/2 || largest > 2*nearBatch || all != small+big {
		t.Errorf("got %d messages in %d calls, at most %d and %d bytes a call; want %d, at most %d and %d",
			all, calls, most, largest, small+big, maxBatch, 2*nearBatch)
	}
}

// What the limits drop before it was consumed is counted and told, also over a restart; what was consumed before
// is no loss.
func TestLimitsDrop(t *testing.T) {
	var log journal
	options := Options{Dir: t.TempDir(), MaxBytes: 100_000, Logger: log.logger()}
	q := open(t, options)
	put := func(n int) {
		s, err := q.current()
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := publish(t.Context(), s, subjectOf(resultSubject, "tokyo", "p"), make([]byte, 10_000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got int
	consume := func() {
		stop := run(t, func(ctx context.Context) error {
			return q.Consume(ctx, func(_ context.Context, ms []Message) error {
				got += len(ms)
				return nil
			})
		})
		until(t, "everything consumed", func() bool { return q.Status().Pending == 0 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	dropped := func(all int) {
		t.Helper()
		ds := q.Status().Dropped
		if len(ds) != 1 {
			t.Fatalf("got drops %+v, want one", ds)
		}
		d := ds[0]
		if d.Cause != DroppedLimits || int(d.Count)+got != all || d.Count < 20 || !d.To.After(d.From) {
			t.Errorf("got %d messages and %+v, want %d in all", got, d, all)
		}
		if log.count("dropped from the near queue") != 1 {
			t.Errorf("got log\n%s\nwant one line about the drop", &log)
		}
		log.reset()
		got = 0
	}
	put(30) // before anybody has read
	consume()
	dropped(30)
	shut(t, q)

	q = open(t, options)
	put(5)
	consume()
	if got != 5 || q.Status().Dropped != nil {
		t.Errorf("got %d messages and drops %+v, want 5 and none", got, q.Status().Dropped)
	}
	got = 0
	put(30)
	shut(t, q)
	q = open(t, options)
	consume()
	dropped(30)
}

func TestMaxAgeDrops(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir(), MaxAge: 100 * time.Millisecond})
	putOne(t, q.Outbox("tokyo", "p"), 1)
	until(t, "aged out", func() bool { return q.Status().Messages == 0 })
}

func evidence(n int) *probe.Evidence {
	return &probe.Evidence{Check: "shop", Slot: int64(n), Outcome: "down", Detail: probe.Detail{Error: strings.Repeat("<x>", 300)}}
}

func TestEvidence(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	run(t, q.Run)
	var got atomic.Pointer[Message]
	run(t, func(ctx context.Context) error {
		return q.ConsumeEvidence(ctx, func(_ context.Context, ms []Message) { got.Store(&ms[len(ms)-1]) })
	})
	q.Outbox("eu.west", "p").Evidence(evidence(7))
	until(t, "evidence", func() bool { return got.Load() != nil })
	m := *got.Load()
	var e probe.Evidence
	if err := json.Unmarshal(m.Payload, &e); err != nil {
		t.Fatal(err)
	}
	diff(t, evidence(7), &e)
	if m.Region != "eu.west" || m.Prober != "p" || !m.Evidence {
		t.Errorf("got %s/%s, evidence %t, want evidence of eu.west/p", m.Region, m.Prober, m.Evidence)
	}
	if st := q.Status(); st.Dropped != nil {
		t.Errorf("got drops %+v, want none", st.Dropped)
	}
}

// However much evidence there is, whether or not anybody reads it: all results arrive, and what evidence is
// lost is counted.
func TestEvidenceFlood(t *testing.T) {
	q := open(t, Options{Dir: t.TempDir()})
	q.tune.evidence = 2000
	stop := run(t, q.Run)
	var c catcher
	run(t, func(ctx context.Context) error { return q.Consume(ctx, c.take) })
	o := q.Outbox("tokyo", "p")
	const results, flood = 200, 100
	for n := range results {
		for i := range flood {
			o.Evidence(evidence(n*flood + i))
		}
		o.Result(result(n))
	}
	o.Evidence(&probe.Evidence{Check: "too-large", Detail: probe.Detail{Error: strings.Repeat("x", evidenceMax)}})
	until(t, "all results", func() bool { return len(c.got()) == results })
	diff(t, numbers(0, results), c.got())
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	var read atomic.Int64
	run(t, func(ctx context.Context) error {
		return q.ConsumeEvidence(ctx, func(_ context.Context, ms []Message) { read.Add(int64(len(ms))) })
	})
	lost := func() (n int64) {
		for _, d := range q.Status().Dropped {
			if d.Cause == DroppedEvidence {
				n += d.Count
			}
		}
		return n
	}
	until(t, "every piece read or counted", func() bool { return read.Load()+lost() == results*flood+1 })
	if lost() < 2 || read.Load() == 0 {
		t.Errorf("got %d pieces read and %d lost, want some of both", read.Load(), lost())
	}
}

func TestDropsAreBounded(t *testing.T) {
	var d drops
	at := func(n int) time.Time { return time.Unix(int64(n)*1000, 0) }
	for n := range 100 {
		d.add(Drop{Cause: DroppedMemory, From: at(n), To: at(n).Add(time.Second), Count: 2})
		d.add(Drop{Cause: DroppedMemory, From: at(n).Add(2 * time.Second), To: at(n).Add(3 * time.Second), Count: 1})
	}
	d.add(Drop{Cause: DroppedLimits, From: at(0), To: at(1), Count: 5})
	all := d.all()
	if len(all) != maxDrops+1 {
		t.Fatalf("got %d ranges, want %d", len(all), maxDrops+1)
	}
	diff(t, Drop{Cause: DroppedLimits, From: at(0), To: at(1), Count: 5}, all[0])
	diff(t, Drop{Cause: DroppedMemory, From: at(0), To: at(84).Add(3 * time.Second), Count: 85 * 3}, all[1])
	diff(t, Drop{Cause: DroppedMemory, From: at(99), To: at(99).Add(3 * time.Second), Count: 3}, all[maxDrops])
}

// The server's complaints are warnings once each.
func TestServerLog(t *testing.T) {
	var log journal
	l := newServerLog(log.logger())
	if got := l.complaint(); got != "no complaint" {
		t.Errorf("got %q before any complaint", got)
	}
	var heard []string
	stop := l.watch(func(err error) { heard = append(heard, err.Error()) })
	for n := range 5 {
		l.Errorf("disk %d broken", n)
		l.Warnf("slow")
		l.Noticef("hello")
	}
	stop()
	l.forget()
	l.Fatalf("dead")
	l.Warnf("slow")
	if log.count("WARN") != 4 || l.complaint() != "slow" {
		t.Errorf("got log\n%s\nand complaint %q, want 4 warnings and the last", &log, l.complaint())
	}
	var want []string
	for n := range 5 {
		want = append(want, fmt.Sprintf("disk %d broken", n))
	}
	diff(t, want, heard)
}
