package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli/web"
)

func TestPresence(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	p1, p2, gone := relay.Identity{Region: "tokyo", Prober: "p1"}, relay.Identity{Region: "tokyo", Prober: "p2"}, relay.Identity{Region: "osaka", Prober: "p1"}
	p := newPresence(start)
	p.expect(map[relay.Identity]bool{p1: true, p2: true}, start)
	p.hear(p1, wire.Beat{Revision: 3}, at(5))
	p.hear(gone, wire.Beat{}, at(5)) // of a key that has just been revoked
	silent := func(when int) map[relay.Identity]bool {
		all := map[relay.Identity]bool{}
		for _, x := range p.list(at(when)) {
			all[x.Identity] = x.silent()
		}
		return all
	}
	for _, tt := range []struct {
		when   int
		p1, p2 bool
	}{{5, false, false}, {20, false, false}, {21, false, true}, {25, false, true}, {26, true, true}} {
		got := silent(tt.when)
		if got[p1] != tt.p1 || got[p2] != tt.p2 || got[gone] {
			t.Errorf("%d s after the start: silent are %v, want p1 %v, p2 %v, and nobody who is not expected", tt.when, got, tt.p1, tt.p2)
		}
	}
	p.hear(p1, wire.Beat{Revision: 4}, at(27))
	if silent(30)[p1] {
		t.Error("p1 is silent right after a heartbeat")
	}
	p.expect(map[relay.Identity]bool{p1: true}, at(30))
	if got := silent(30); len(got) != 1 {
		t.Errorf("known are %v, want only p1: the others are not expected and are silent", got)
	}
}

// What people are told of probers.
func TestRosterFaults(t *testing.T) {
	now := time.Now()
	r := &roster{presence: newPresence(now.Add(-time.Hour)), log: slog.New(slog.DiscardHandler), plans: map[string]int64{"tokyo": 2}}
	ids := map[relay.Identity]bool{}
	hear := func(name string, ago time.Duration, b wire.Beat) {
		id := relay.Identity{Region: "tokyo", Prober: name}
		ids[id] = true
		r.presence.hear(id, b, now.Add(-ago))
	}
	off := -0.7
	near := 0.2
	hear("fine", time.Second, wire.Beat{Revision: 2, ClockOffset: &near})
	hear("silent", 21*time.Second, wire.Beat{Revision: 2})
	hear("old", time.Second, wire.Beat{Revision: 1, PlanError: "its controls are not understood"})
	hear("clock", time.Second, wire.Beat{Revision: 2, ClockOffset: &off})
	r.presence.hear(relay.Identity{Region: "tokyo", Prober: "ended"}, wire.Beat{Revision: 1, PlanError: "x"}, now)
	hear("full", time.Second, wire.Beat{Revision: 2, QueueBroken: true})
	hear("blind", time.Second, wire.Beat{Revision: 2, Faults: []string{"no control answers"}})
	ids[relay.Identity{Region: "tokyo", Prober: "new"}] = true
	r.presence.expect(ids, now)
	text := strings.Join(sentences(r.faults()), "\n")
	for _, want := range []string{
		"prober silent in region tokyo has been silent since", "prober old in region tokyo cannot follow the newest plan: its controls are not understood",
		"the clock of prober clock in region tokyo is off by -0.700 s", "prober blind in region tokyo: no control answers",
		"prober full in region tokyo: its queue takes nothing",
		"prober new in region tokyo is enrolled and has not been heard of since the aggregator started",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the faults lack %q:\n%s", want, text)
		}
	}
	for _, p := range r.Present() {
		if (p.State == web.ProberRevoked) != (p.Prober == "ended") {
			t.Errorf("prober %s is %s; only the one that is not enrolled any more was revoked", p.Prober, p.State)
		}
	}
	if strings.Contains(text, "fine") || strings.Count(text, "\n") != 5 {
		t.Errorf("the faults are\n%s\nwant six, none of them of the prober that is fine or of the one whose key was ended", text)
	}
}

// Heartbeats of the first version and of a newer one are heard alike.
func TestHeartbeatsOfAnyVersion(t *testing.T) {
	r := &roster{presence: newPresence(time.Now()), log: slog.New(slog.DiscardHandler), plans: map[string]int64{"tokyo": 9}}
	dir := filepath.Join("..", "..", "probe", "wire", "testdata")
	for name, file := range map[string]string{"old": "v1-beat.json", "new": "newer/beat.json"} {
		beat, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		r.hear("tokyo", name, beat)
	}
	r.presence.expect(map[relay.Identity]bool{{Region: "tokyo", Prober: "old"}: true, {Region: "tokyo", Prober: "new"}: true}, time.Now())
	ps := r.Present()
	if len(ps) != 2 || ps[0].State != web.ProberPresent || ps[0].Version != "v9.1" || ps[1].State != web.ProberPresent || ps[1].Version != "v1" || ps[1].Revision != 7 {
		t.Errorf("got %+v, want both present, with what they say", ps)
	}
}
