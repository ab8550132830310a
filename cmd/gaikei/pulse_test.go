package main

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
)

// An offset is what a heartbeat's way there and back cannot explain.
func TestOffClock(t *testing.T) {
	sent := time.Now()
	for _, tt := range []struct {
		name   string
		trip   time.Duration
		theirs time.Duration // after sent, by the other clock
		want   time.Duration
	}{
		{"the same clock", 100 * time.Millisecond, 20 * time.Millisecond, 0},
		{"answered at either end", 100 * time.Millisecond, 100 * time.Millisecond, 0},
		{"ahead", 0, -time.Second, time.Second},
		{"behind", 0, time.Second, -time.Second},
		{"ahead, as far as is sure", 100 * time.Millisecond, -time.Second, time.Second},
		{"behind, as far as is sure", 100 * time.Millisecond, time.Second, -900 * time.Millisecond},
	} {
		var c offClock
		received := sent.Add(tt.trip)
		c.measure(sent, received, sent.Add(tt.theirs))
		if got := c.ahead; got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A clock that is off by a quarter of a second is told of once, and once that it agrees again; a measurement is
// forgotten after a while.
func TestOffClockTells(t *testing.T) {
	var c offClock
	if d, known := c.offset(); known || d != 0 || c.aheadBy() != 0 {
		t.Errorf("before any answer: got %v, known %v", d, known)
	}
	now := time.Now()
	for i, tt := range []struct {
		ahead   time.Duration
		changed bool
	}{
		{0, false},
		{249 * time.Millisecond, false},
		{250 * time.Millisecond, true},
		{251 * time.Millisecond, false},
		{249 * time.Millisecond, true},
		{-249 * time.Millisecond, false},
		{-250 * time.Millisecond, true},
		{-time.Second, false},
		{250 * time.Millisecond, false},
		{0, true},
		{0, false},
	} {
		if got := c.measure(now, now, now.Add(-tt.ahead)); got != tt.changed {
			t.Errorf("measurement %d, ahead by %v: told %v, want %v", i, tt.ahead, got, tt.changed)
		}
	}
	old := now.Add(-clockForgets - time.Second)
	c.measure(old, old, old.Add(-time.Minute))
	if d, known := c.offset(); known || d != 0 {
		t.Errorf("long after a measurement: got %v, known %v; want that it is forgotten", d, known)
	}
}

// What a heartbeat measures decides the slots: beyond half an interval or five seconds, on either side, nothing is
// decided, and at that border or nearer everything is.
func TestOffClockDecides(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct{ interval, border time.Duration }{
		{time.Second, 500 * time.Millisecond}, {9 * time.Second, 4500 * time.Millisecond}, {10 * time.Second, 5 * time.Second}, {time.Hour, 5 * time.Second},
	} {
		file, err := config.Parse("gaikei.yaml", fmt.Appendf(nil, "regions: {here: {}}\ncontrols: none\nchecks:\n  - {name: open, interval: %s, timeout: 1s, tcp: {address: %q}}\n", tt.interval, l.Addr()), config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, beyond := range []time.Duration{-time.Millisecond, 0, time.Millisecond} {
			for _, side := range []time.Duration{1, -1} {
				var c offClock
				now := time.Now()
				c.measure(now, now, now.Add(-side*(tt.border+beyond)))
				looker := probe.NewLooker(c.world(nil)("here"), probe.NewControls(file.Controls.Options()), "here")
				r, _ := looker.Look(t.Context(), file.Checks[0], time.Now().UnixMilli())
				if clock := r.Outcome == probe.Inconclusive && r.Reason == probe.Clock; clock != (beyond > 0) || !clock && r.Outcome != probe.Up {
					t.Errorf("every %v, off by %v: got %v (%v); the border is %v", tt.interval, side*(tt.border+beyond), r.Outcome, r.Reason, tt.border)
				}
			}
		}
	}
}
