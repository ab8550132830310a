package main

import (
	"testing"
	"time"
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
		{0, false}, {249 * time.Millisecond, false}, {250 * time.Millisecond, true}, {-time.Second, false}, {-100 * time.Millisecond, true}, {0, false},
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
