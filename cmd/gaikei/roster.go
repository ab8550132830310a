package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
	"github.com/gaikei/gaikei/sli/web"
)

// A roster decides who may connect as a prober. The store has the list; here is a copy that answers at once, and that is
// made anew every rosterEvery, since others may write to the store too. It implements web.Roster.
type roster struct {
	store    *timeline.Store
	presence *presence
	planner  planner
	log      *slog.Logger
	hub      *relay.Hub // set, with urls, before anybody connects
	urls     []string   // where probers find it

	mu    sync.Mutex                // guards what follows
	admit map[string]relay.Identity // by public key
	plans map[string]int64          // newest revision by region
}

// rosterEvery is how soon what was changed elsewhere holds here.
const rosterEvery = 2 * time.Second

// refresh reads the list again, and ends the connections of keys that are no longer on it.
func (r *roster) refresh(ctx context.Context) error {
	all, err := r.store.Credentials(ctx)
	if err != nil {
		return err
	}
	plans, err := r.revisions(ctx)
	if err != nil {
		return err
	}
	admit, ids := map[string]relay.Identity{}, map[relay.Identity]bool{}
	for _, c := range all {
		if c.Revoked.IsZero() {
			id := relay.Identity{Region: c.Region, Prober: c.Prober}
			admit[c.Key], ids[id] = id, true
		}
	}
	r.mu.Lock()
	before := r.admit
	r.admit, r.plans = admit, plans
	r.mu.Unlock()
	r.presence.expect(ids, time.Now())
	for key, id := range before {
		if _, stays := admit[key]; !stays {
			r.log.Warn("a prober's key was revoked", "region", id.Region, "prober", id.Prober, "key", key)
			r.hub.Revoke(key)
		}
	}
	return nil
}

// revisions returns the newest revision of every region's plan.
func (r *roster) revisions(ctx context.Context) (map[string]int64, error) {
	regions, err := r.store.PlannedRegions(ctx)
	if err != nil {
		return nil, err
	}
	plans := make(map[string]int64, len(regions))
	for _, region := range regions {
		p, err := r.store.Plan(ctx, region)
		if err != nil {
			return nil, err
		}
		plans[region] = p.Revision
	}
	return plans, nil
}

// run keeps the copy fresh until ctx ends. That the store cannot be read is told once, and by the store.
func (r *roster) run(ctx context.Context) error {
	tick := time.NewTicker(rosterEvery)
	defer tick.Stop()
	faulty := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := r.refresh(ctx)
		if err != nil && !faulty && ctx.Err() == nil {
			r.log.Error("who may connect as a prober cannot be read; those who could, still can", "error", err)
		}
		faulty = err != nil
	}
}

// admits says whose key a key is. It answers from memory.
func (r *roster) admits(key string) (relay.Identity, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.admit[key]
	return id, ok
}

// beat answers a heartbeat; another aggregator may have been the one to.
func (r *roster) beat(_ context.Context, region, _ string, _ []byte) []byte {
	return wire.BeatAnswer{Now: time.Now(), Revision: r.newest(region)}.Marshal()
}

// hear takes in a heartbeat, whoever answers it.
func (r *roster) hear(region, prober string, data []byte) {
	b, err := wire.ReadBeat(data)
	if err != nil {
		r.log.Debug("heartbeat cannot be read", "region", region, "prober", prober, "error", err)
		return
	}
	if r.presence.hear(relay.Identity{Region: region, Prober: prober}, b, time.Now()) {
		r.log.Info("a prober is heard", "region", region, "prober", prober, "version", b.Version)
	}
}

func (r *roster) newest(region string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plans[region]
}

// Enrollments implements web.Roster.
func (r *roster) Enrollments(ctx context.Context) ([]web.Enrollment, error) {
	all, err := r.store.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	return enrollments(all), nil
}

func enrollments(all []timeline.Credential) []web.Enrollment {
	es := make([]web.Enrollment, len(all))
	for i, c := range all {
		es[i] = web.Enrollment{Key: c.Key, Region: c.Region, Prober: c.Prober, Created: c.Created}
		if !c.Revoked.IsZero() {
			es[i].Revoked = &c.Revoked
		}
	}
	return es
}

// Enroll implements web.Roster.
func (r *roster) Enroll(ctx context.Context, e web.Enrollment) error {
	if err := enroll(ctx, r.store, e); err != nil {
		return err
	}
	r.log.Info("a prober was enrolled", "region", e.Region, "prober", e.Prober, "key", e.Key)
	return r.refresh(ctx)
}

// enroll stores a key.
func enroll(ctx context.Context, store *timeline.Store, e web.Enrollment) error {
	if err := errors.Join(wire.CheckName(e.Region), wire.CheckName(e.Prober), relay.CheckKey(e.Key)); err != nil {
		return fmt.Errorf("enroll a prober: %w: %w", web.ErrRefused, err)
	}
	all, err := store.Credentials(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Key == e.Key {
			return fmt.Errorf("enroll a prober: %w: the key is that of prober %s in region %s", web.ErrRefused, c.Prober, c.Region)
		}
	}
	return store.AddCredential(ctx, timeline.Credential{Key: e.Key, Region: e.Region, Prober: e.Prober, Created: time.Now()})
}

// Revoke implements web.Roster.
func (r *roster) Revoke(ctx context.Context, key string) (bool, error) {
	done, err := r.store.RevokeCredential(ctx, key, time.Now())
	if err != nil || !done {
		return done, err
	}
	return true, r.refresh(ctx)
}

// Meeting implements web.Roster.
func (r *roster) Meeting() web.Meeting {
	return web.Meeting{URLs: r.urls, CA: string(r.hub.CA())}
}

// Present implements web.Roster.
func (r *roster) Present() []web.Presence {
	var ps []web.Presence
	for _, p := range r.presence.list(time.Now()) {
		b := p.Beat
		w := web.Presence{
			Region: p.Region, Prober: p.Prober, State: web.ProberPresent, Version: b.Version,
			Revision: b.Revision, Newest: r.newest(p.Region), PlanError: b.PlanError, Checks: b.Checks, Refused: b.Refused,
			Running: b.Running, MaxRunning: b.MaxRunning, QueuePending: b.QueuePending, QueueAge: b.QueueAge, Dropped: b.Dropped,
			ClockOffset: b.ClockOffset, Faults: faultsOf(b),
		}
		switch {
		case !p.enrolled:
			w.State = web.ProberRevoked
		case p.Heard.IsZero():
			w.State = web.ProberNever
		case p.now.Sub(p.awaited) > silentAfter:
			w.State = web.ProberSilent
		}
		if !p.Heard.IsZero() {
			heard := p.Heard.UTC()
			w.Heard = &heard
		}
		ps = append(ps, w)
	}
	return ps
}

// faultsOf says what is wrong at a prober, a sentence each.
func faultsOf(b wire.Beat) []string {
	fs := append([]string{}, b.Faults...)
	if b.QueueBroken {
		fs = append(fs, "its queue takes nothing, as with a full disk; what it sees is held in memory, and lost when that is full or it ends")
	}
	return fs
}

// ready tells why what probers send is not taken in, nil if it is.
func (r *roster) ready() error {
	s := r.hub.Status()
	if s.Broken {
		return fmt.Errorf("the far queue takes nothing since %s: %s", stamp(s.Since), s.LastError)
	}
	for _, l := range s.Lanes {
		if l.Lane == relay.Live && l.Oldest > staleAfter {
			return fmt.Errorf("the store has not taken results from %s ago", l.Oldest.Round(time.Second))
		}
	}
	return nil
}

// faults says which probers are silent, and which cannot follow their plan: a sentence each, for the log and the page.
func (r *roster) faults() []sli.Fault {
	var fs []sli.Fault
	for _, p := range r.Present() {
		name := "prober " + p.Prober + " in region " + p.Region
		add := func(sentence string) {
			fs = append(fs, sli.Fault{Region: p.Region, Prober: p.Prober, Sentence: sentence})
		}
		switch p.State {
		case web.ProberRevoked:
			continue
		case web.ProberNever:
			if time.Since(r.presence.since) > silentAfter {
				add(name + " is enrolled and has not been heard of since the aggregator started")
			}
			continue
		case web.ProberSilent:
			add(name + " has been silent since " + stamp(*p.Heard) + ": its slots are no data from then on, until it is back and catches up")
			continue
		}
		if p.PlanError != "" {
			add(name + " cannot follow the newest plan: " + p.PlanError)
		}
		if p.ClockOffset != nil && math.Abs(*p.ClockOffset) >= clockWarning.Seconds() {
			add(fmt.Sprintf("the clock of %s is off by %.3f s", name, *p.ClockOffset))
		}
		for _, f := range p.Faults {
			add(name + ": " + f)
		}
	}
	return fs
}
