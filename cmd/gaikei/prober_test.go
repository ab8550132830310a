package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/schedule"
)

func checkEvery(id string, interval time.Duration) *probe.Check {
	return &probe.Check{ID: id, Name: id, Interval: interval, Timeout: 500 * time.Millisecond, Enabled: true}
}

// followedSince is the state of a prober that has followed checks since an instant.
func followedSince(from int64, checks ...*probe.Check) *prober {
	p := &prober{region: "here"}
	next, _ := p.transition(checks, from)
	p.adopt(next, checks, from)
	return p
}

func TestTransition(t *testing.T) {
	const start, at = 1_000_000_000, 1_000_060_000
	shop := checkEvery("shop", 10*time.Second)
	old := followedSince(start, shop)
	slower := checkEvery("shop", 30*time.Second)
	strict := checkEvery("shop", 10*time.Second)
	strict.Latency.Under = 300 * time.Millisecond
	off := checkEvery("shop", 10*time.Second)
	off.Enabled = false
	grid := probe.GridOf("shop", 0, 10*time.Second)

	for _, tt := range []struct {
		name   string
		at     int64
		checks []*probe.Check
		next   map[string]probe.Epoch
		ended  []probe.Epoch
	}{
		{"unchanged", at, []*probe.Check{shop}, old.followed, nil},
		{"removed", at, nil, map[string]probe.Epoch{}, []probe.Epoch{{Check: "shop", From: grid.Next(at)}}},
		{"disabled", at, []*probe.Check{off}, map[string]probe.Epoch{}, []probe.Epoch{{Check: "shop", From: grid.Next(at)}}},
		{"a new grid begins at a slot of its own", at, []*probe.Check{slower}, map[string]probe.Epoch{"shop": {
			Check: "shop", Grid: probe.GridOf("shop", 0, 30*time.Second), From: probe.GridOf("shop", 0, 30*time.Second).Next(at),
			Budget: slower.Budget(), Expected: true,
		}}, nil},
		{"a new threshold begins at the next slot", at, []*probe.Check{strict}, map[string]probe.Epoch{"shop": {
			Check: "shop", Grid: grid, From: grid.Next(at), Budget: strict.Budget(), Under: 300 * time.Millisecond, Expected: true,
		}}, nil},
		{
			"an epoch announced for later is first let begin", start - 60_000, nil,
			map[string]probe.Epoch{},
			[]probe.Epoch{{Check: "shop", From: grid.Next(old.followed["shop"].From + 1)}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next, ended := old.transition(tt.checks, tt.at)
			if d := cmp.Diff(tt.next, next); d != "" {
				t.Errorf("next (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.ended, ended); d != "" {
				t.Errorf("ended (-want +got):\n%s", d)
			}
		})
	}
}

func TestTasks(t *testing.T) {
	const start, at = 1_000_000_000, 1_000_060_000
	shop, slower := checkEvery("shop", 10*time.Second), checkEvery("shop", 30*time.Second)
	fast, slow := probe.GridOf("shop", 0, shop.Interval), probe.GridOf("shop", 0, slower.Interval)
	first := schedule.Task{ID: "shop", Grid: fast, From: fast.Next(start)}
	for _, tt := range []struct {
		name   string
		checks []*probe.Check
		want   []schedule.Task
	}{
		{"an unchanged task stays as it is", []*probe.Check{checkEvery("shop", 10*time.Second)}, []schedule.Task{first}},
		{"a removed one runs out", nil, []schedule.Task{{ID: "shop", Grid: fast, From: first.From, Until: fast.Next(at)}}},
		{"a replaced one runs until its successor begins", []*probe.Check{slower}, []schedule.Task{
			{ID: "shop", Grid: fast, From: first.From, Until: fast.Next(slow.Next(at))},
			{ID: "shop", Grid: slow, From: slow.Next(at)},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := followedSince(start, shop)
			next, _ := p.transition(tt.checks, at)
			if d := cmp.Diff(tt.want, p.adopt(next, tt.checks, at)); d != "" {
				t.Errorf("tasks (-want +got):\n%s", d)
			}
		})
	}
}

func TestEditions(t *testing.T) {
	const start, at = 1_000_000_000, 1_000_060_000
	before, after := checkEvery("shop", 10*time.Second), checkEvery("shop", 10*time.Second)
	p := followedSince(start, before)
	next, _ := p.transition([]*probe.Check{after}, at)
	p.adopt(next, []*probe.Check{after}, at)
	if got := p.checkAt("shop", at-10_000); got != before {
		t.Error("a slot before the reload is not probed by the check in force then")
	}
	if got := p.checkAt("shop", at+10_000); got != after {
		t.Error("a slot after the reload is not probed by the new check")
	}
}

func TestStoppedRanges(t *testing.T) {
	const start, last, at = 1_000_000_000, 1_000_060_000, 1_000_120_000
	shop, gone := checkEvery("shop", 10*time.Second), checkEvery("gone", 10*time.Second)
	before := followedSince(start, shop, gone)
	next, _ := before.transition([]*probe.Check{shop}, at)
	got := stoppedRanges(before.followed, next, last, at)
	want := []probe.MissedRange{
		{Check: "gone", From: before.followed["gone"].Grid.Next(last + 1), To: at, Reason: probe.Stopped},
		{Check: "shop", From: before.followed["shop"].Grid.Next(last + 1), To: at, Reason: probe.Stopped},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("ranges (-want +got):\n%s", d)
	}
}

func TestFollowedFile(t *testing.T) {
	f := followedIn(t.TempDir(), "here")
	none, err := f.read()
	if err != nil || len(none) != 0 {
		t.Errorf("before the first write: got %v and %v, want nothing", none, err)
	}
	want := followedSince(1_000_000_000, checkEvery("shop", 10*time.Second)).followed
	if err := f.write(want); err != nil {
		t.Fatal(err)
	}
	got, err := f.read()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("read after write (-want +got):\n%s", d)
	}
}
