package schedule

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// A recorder is a Runner that writes its calls down, in words: "a 30s", "a 40s..1m0s late". Times are since start,
// and a range is written with its last slot.
type recorder struct {
	start int64        // Unix ms
	shift atomic.Int64 // of the wall clock, ns

	look func(ctx context.Context, id string, slot int64) // nil: at once

	mu      sync.Mutex
	records []string
	lags    []int64 // ms, of the runs
	slots   map[string][]int64
	missed  []probe.MissedRange
}

func newRecorder() *recorder {
	return &recorder{start: time.Now().UnixMilli(), slots: map[string][]int64{}}
}

func (r *recorder) since(ms int64) string {
	return (time.Duration(ms-r.start) * time.Millisecond).String()
}

func (r *recorder) wall() int64 {
	return time.Now().Add(r.shifted()).Round(time.Millisecond).UnixMilli()
}

func (r *recorder) shifted() time.Duration { return time.Duration(r.shift.Load()) }

func (r *recorder) step(d time.Duration) { r.shift.Add(int64(d)) }

func (r *recorder) Run(ctx context.Context, id string, slot int64) {
	r.mu.Lock()
	r.records = append(r.records, id+" "+r.since(slot))
	r.lags = append(r.lags, r.wall()-slot)
	r.slots[id] = append(r.slots[id], slot)
	r.mu.Unlock()
	if r.look != nil {
		r.look(ctx, id, slot)
	}
}

func (r *recorder) Missed(id string, from, to int64, why probe.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, fmt.Sprintf("%s %s..%s %s", id, r.since(from), r.since(to-1), why))
	r.missed = append(r.missed, probe.MissedRange{Check: id, From: from, To: to, Reason: why})
}

// told returns the records since it was last called, in the order of the calls.
func (r *recorder) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	rs := slices.Clone(r.records)
	r.records = nil
	return rs
}

func (r *recorder) options() Options {
	return Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Shift: r.shifted}
}

// A stage is a scheduler at work in a bubble, where time starts at midnight UTC: a slot of every grid of
// whole seconds without offset.
type stage struct {
	*recorder
	*Scheduler
	stop func()
}

// start starts a scheduler in a bubble; it is stopped with the test.
func start(t *testing.T, change func(*recorder, *Options)) *stage {
	t.Helper()
	rec := newRecorder()
	o := rec.options()
	if change != nil {
		change(rec, &o)
	}
	s := New(rec, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	synctest.Wait()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return &stage{recorder: rec, Scheduler: s, stop: stop}
}

// until lets time pass to d after the start, and everything due then happen.
func (s *stage) until(d time.Duration) {
	time.Sleep(time.Until(time.UnixMilli(s.recorder.start).Add(d)))
	synctest.Wait()
}

// every is a task with one slot every d, offset by off.
func every(id string, d, off time.Duration) Task {
	return Task{ID: id, Grid: probe.Grid{Interval: d.Milliseconds(), Offset: off.Milliseconds()}}
}
