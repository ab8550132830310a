package main

import (
	"context"
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/schedule"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
)

func checkEvery(id string, interval time.Duration) *probe.Check {
	return &probe.Check{ID: id, Name: id, Interval: interval, Timeout: 500 * time.Millisecond, Enabled: true}
}

// followedSince is the state of a prober that has followed checks since an instant.
func followedSince(from int64, checks ...*probe.Check) *prober {
	p := &prober{region: "here"}
	p.move(from, checks...)
	return p
}

// move makes the prober follow checks from an instant on, but for what leaves the process.
func (p *prober) move(at int64, checks ...*probe.Check) {
	p.courses, p.said = p.transition(checks, at), true
	p.adopt(checks, at)
}

func TestCourses(t *testing.T) {
	const start, at = 1_000_000_000, 1_000_060_000
	p := followedSince(start)
	shop, slower, strict, off := checkEvery("shop", 10*time.Second), checkEvery("shop", 30*time.Second), checkEvery("shop", 10*time.Second), checkEvery("shop", 10*time.Second)
	strict.Latency.Under = 300 * time.Millisecond
	off.Enabled = false
	fast, slow := probe.GridOf("shop", 0, shop.Interval), probe.GridOf("shop", 0, slower.Interval)
	epoch := func(c *probe.Check, from int64) probe.Epoch {
		e := p.epochOf(c)
		e.From = from
		return e
	}
	end := func(from int64) probe.Epoch { return probe.Epoch{Check: "shop", From: from} }
	first := epoch(shop, fast.Next(start))

	for _, tt := range []struct {
		name  string
		steps [][]*probe.Check // one second from each to the next
		want  course
		tasks []schedule.Task
	}{
		{"unchanged", [][]*probe.Check{{shop}}, course{first}, []schedule.Task{{ID: "shop", Grid: fast, From: first.From}}},
		{
			"removed",
			[][]*probe.Check{nil},
			course{first, end(fast.Next(at))},
			[]schedule.Task{{ID: "shop", Grid: fast, From: first.From, Until: fast.Next(at)}},
		},
		{
			"disabled",
			[][]*probe.Check{{off}},
			course{first, end(fast.Next(at))},
			[]schedule.Task{{ID: "shop", Grid: fast, From: first.From, Until: fast.Next(at)}},
		},
		{
			"a new grid begins at a slot of its own",
			[][]*probe.Check{{slower}},
			course{first, epoch(slower, slow.Next(at))},
			[]schedule.Task{{ID: "shop", Grid: fast, From: first.From, Until: slow.Next(at)}, {ID: "shop", Grid: slow, From: slow.Next(at)}},
		},
		{
			"a new threshold begins at the next slot and disturbs nothing",
			[][]*probe.Check{{strict}},
			course{first, epoch(strict, fast.Next(at))},
			[]schedule.Task{{ID: "shop", Grid: fast, From: first.From}},
		},
		{
			"what was announced for later is first let begin",
			[][]*probe.Check{{slower}, {shop}},
			course{first, epoch(slower, slow.Next(at)), epoch(shop, fast.Next(slow.Next(at)+1))},
			[]schedule.Task{
				{ID: "shop", Grid: fast, From: first.From, Until: slow.Next(at)},
				{ID: "shop", Grid: slow, From: slow.Next(at), Until: fast.Next(slow.Next(at) + 1)},
				{ID: "shop", Grid: fast, From: fast.Next(slow.Next(at) + 1)},
			},
		},
		{
			"added again before its end: the end does not come",
			[][]*probe.Check{nil, {shop}},
			course{first, epoch(shop, fast.Next(at))},
			[]schedule.Task{{ID: "shop", Grid: fast, From: first.From}},
		},
		{
			"added again on another grid before its end: after it",
			[][]*probe.Check{nil, {slower}},
			course{first, end(fast.Next(at)), epoch(slower, slow.Next(fast.Next(at)))},
			[]schedule.Task{
				{ID: "shop", Grid: fast, From: first.From, Until: fast.Next(at)},
				{ID: "shop", Grid: slow, From: slow.Next(fast.Next(at))},
			},
		},
		{
			"removed twice",
			[][]*probe.Check{nil, nil},
			course{first, end(fast.Next(at))},
			[]schedule.Task{{ID: "shop", Grid: fast, From: first.From, Until: fast.Next(at)}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := followedSince(start, shop)
			for i, checks := range tt.steps {
				p.move(at+int64(i)*1000, checks...)
			}
			if d := cmp.Diff(tt.want, p.courses["shop"]); d != "" {
				t.Errorf("course (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.tasks, p.courses["shop"].tasks()); d != "" {
				t.Errorf("tasks (-want +got):\n%s", d)
			}
		})
	}
}

// TestCourseForgets: what is over leaves a course, an end a day after it came.
func TestCourseForgets(t *testing.T) {
	const start, day = 1_000_000_000, 24 * 60 * 60 * 1000
	shop, slower := checkEvery("shop", 10*time.Second), checkEvery("shop", 30*time.Second)
	p := followedSince(start, shop)
	p.move(start+60_000, slower)
	if n := len(p.courses["shop"]); n != 2 {
		t.Fatalf("the course has %d epochs while both matter, want 2", n)
	}
	p.move(start+120_000, slower)
	if n := len(p.courses["shop"]); n != 1 {
		t.Errorf("the course has %d epochs when one is over, want 1", n)
	}
	p.move(start + 200_000)
	p.move(start + 300_000)
	if c := p.courses["shop"]; len(c) != 1 || !ends(c[0]) {
		t.Errorf("after its end the course is %v, want the end", c)
	}
	p.move(start + 300_000 + day)
	if c, there := p.courses["shop"]; there {
		t.Errorf("a day after its end the course is %v, want none", c)
	}
}

// TestAnnouncedIsFollowed makes random changes at random moments, some of which fail to be announced or come in a
// new process, and holds what the timetable makes of all that was announced against what the scheduler was told: the
// same slots, whatever happened.
func TestAnnouncedIsFollowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := int64(1_000_000_000)
		p := followedSince(now, checkEvery("shop", 10*time.Second))
		said := map[int64]probe.Epoch{}
		say := func(courses map[string]course) {
			for _, e := range announcement(courses) {
				said[e.From] = e
			}
		}
		say(p.courses)
		followed := map[int64]bool{}
		tasks := p.courses["shop"].tasks()
		advance := func(to int64) {
			for _, task := range tasks {
				until := task.Until
				if until == 0 {
					until = math.MaxInt64
				}
				for at := task.Grid.Next(max(now, task.From)); at < min(to, until); at += task.Grid.Interval {
					followed[at] = true
				}
			}
			now = to
		}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			advance(now + rapid.Int64Range(0, 20_000).Draw(t, "wait"))
			var checks []*probe.Check
			if s := rapid.SampledFrom([]int{0, 5, 10, 30}).Draw(t, "interval"); s > 0 {
				checks = append(checks, checkEvery("shop", time.Duration(s)*time.Second))
			}
			next := p.transition(checks, now+1000)
			if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
				if rapid.Bool().Draw(t, "stored") {
					say(next)
				}
				p.withdrawTo(next)
				continue
			}
			say(next)
			p.courses, p.said = next, true
			tasks = next["shop"].tasks()
		}
		say(p.courses)
		advance(now + 120_000)

		var epochs []sli.Epoch
		for _, e := range said {
			epochs = append(epochs, sli.Epoch{Prober: "local", From: e.From, Interval: e.Grid.Interval, Offset: e.Grid.Offset})
		}
		due := map[int64]bool{}
		for at := range sli.Due(sli.Timetable(epochs), 1_000_000_000, now) {
			due[at] = true
		}
		if d := cmp.Diff(due, followed); d != "" {
			t.Fatalf("slots (-due +followed):\n%s", d)
		}
	})
}

// TestFailedAnnouncement: what may have been announced is remembered, and what is probed stays as it was.
func TestFailedAnnouncement(t *testing.T) {
	dir := t.TempDir()
	q, err := relay.Open(t.Context(), relay.Options{Dir: filepath.Join(dir, "queue")})
	if err != nil {
		t.Fatal(err)
	}
	p := &prober{region: "here", outbox: q.Outbox("here", localProber), file: followedIn(dir, "here")}
	p.scheduler = schedule.New(p, schedule.Options{Logger: slog.New(slog.DiscardHandler)})
	shop, slower := checkEvery("shop", 10*time.Second), checkEvery("shop", time.Hour)
	if err := p.resume(t.Context(), []*probe.Check{shop}); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.follow(context.Background(), []*probe.Check{slower}, takeoverInstant()); err == nil {
		t.Fatal("a plan that could not be announced is followed")
	}
	want := schedule.Task{ID: "shop", Grid: probe.GridOf("shop", 0, shop.Interval), From: p.courses["shop"][0].From}
	if d := cmp.Diff([]schedule.Task{want}, p.courses["shop"].tasks()); d != "" {
		t.Errorf("tasks (-want +got):\n%s", d)
	}
	stored, err := p.file.read()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p.courses, stored.courses); d != "" || len(stored.courses["shop"]) != 2 {
		t.Errorf("the file has %v, want the old epoch and what takes the new one back (-want +got):\n%s", stored, d)
	}
}

func TestEditions(t *testing.T) {
	const start = 1_000_000_000
	a, b, c := checkEvery("shop", 10*time.Second), checkEvery("shop", 10*time.Second), checkEvery("shop", 10*time.Second)
	p := followedSince(start, a)
	p.move(start+60_000, b)
	p.move(start+60_500, c) // before b is in force
	for _, tt := range []struct {
		name string
		slot int64
		want *probe.Check
	}{
		{"before the reloads", start + 59_500, a},
		{"between them", start + 60_200, b},
		{"after them", start + 61_000, c},
	} {
		if got := p.checkAt("shop", tt.slot); got != tt.want {
			t.Errorf("a slot %s is not probed by the check in force then", tt.name)
		}
	}
}

func TestFollowedFile(t *testing.T) {
	f := followedIn(t.TempDir(), "here")
	none, err := f.read()
	if err != nil || len(none.courses) != 0 || none.rested != 0 {
		t.Errorf("before the first write: got %v and %v, want nothing", none, err)
	}
	p := followedSince(1_000_000_000, checkEvery("shop", 10*time.Second), checkEvery("gone", 10*time.Second))
	p.move(1_000_060_000, checkEvery("shop", 20*time.Second))
	want := followed{p.courses, 1_000_070_000}
	if err := f.write(want); err != nil {
		t.Fatal(err)
	}
	got, err := f.read()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(followed{})); d != "" {
		t.Errorf("read after write (-want +got):\n%s", d)
	}
}

// TestResumeSinceRest: a prober that was stopped goes on from where it came to rest, though it put its last message later;
// one that was killed goes on from its last message.
func TestResumeSinceRest(t *testing.T) {
	for name, rested := range map[string]time.Duration{"stopped": 10 * time.Second, "killed": 0} {
		t.Run(name, func(t *testing.T) {
			dir, shop := t.TempDir(), checkEvery("shop", time.Second)
			q, err := relay.Open(t.Context(), relay.Options{Dir: filepath.Join(dir, "queue")})
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			now := time.Now()
			p := followedSince(now.Add(-time.Minute).UnixMilli(), shop)
			p.file, p.outbox = followedIn(dir, "here"), q.Outbox("here", localProber)
			p.scheduler = schedule.New(p, schedule.Options{Logger: slog.New(slog.DiscardHandler)})
			if err := p.outbox.Announce(t.Context(), announcement(p.courses)); err != nil { // is the last message
				t.Fatal(err)
			}
			before := followed{courses: p.courses}
			if rested > 0 {
				before.rested = now.Add(-rested).UnixMilli()
			}
			if err := p.file.write(before); err != nil {
				t.Fatal(err)
			}
			if err := p.resume(t.Context(), []*probe.Check{shop}); err != nil {
				t.Fatal(err)
			}
			missed := map[string]int64{"stopped": 0}
			for _, m := range missedIn(t, q) {
				missed[m.Reason.String()] += probe.GridOf(shop.ID, 0, shop.Interval).Count(m.From, m.To)
			}
			want := int64(rested / time.Second)
			if got := missed["stopped"]; len(missed) != 1 || got < want || got > want+2 {
				t.Errorf("got %v, want about %d slots since then", missed, want)
			}
			if again, err := p.file.read(); err != nil || again.rested != 0 {
				t.Errorf("after the start: got %v, %v, want that the prober does not rest", again, err)
			}
		})
	}
}

// missedIn gives the ranges of all that an outbox of the queue was given.
func missedIn(t *testing.T, q *relay.Queue) (all []probe.MissedRange) {
	t.Helper()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Run(over); err != nil { // puts what there is
		t.Fatal(err)
	}
	read, cancel := context.WithCancel(t.Context())
	defer cancel()
	left := q.Status().Pending
	err := q.Consume(read, func(_ context.Context, ms []relay.Message) error {
		for _, m := range ms {
			b, err := wire.Unmarshal(m.Payload)
			if err != nil {
				return err
			}
			all = append(all, b.Missed...)
		}
		if left -= int64(len(ms)); left == 0 {
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
