package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// How long something must last before it is called a fault of its own.
const (
	blindAfter = 5 * time.Minute // a region whose controls do not show its network alive
	aloneAfter = 24 * time.Hour  // a control that fails while others succeed
)

// sightEvery is how often the regions' sight is looked at for the log.
const sightEvery = 15 * time.Second

// faults says what keeps the regions from seeing: one sentence a fault, the same for the log, the page and whoever is told.
func (s *station) faults() []sli.Fault {
	var fs []sli.Fault
	now := time.Now()
	for _, p := range s.now() {
		add := func(format string, args ...any) {
			fs = append(fs, sli.Fault{Region: p.region, Prober: s.opts.prober, Sentence: fmt.Sprintf(format, args...)})
		}
		status := p.eyes.Load().controls.Status()
		for _, sight := range status.Sights {
			if !sight.BlindSince.IsZero() && now.Sub(sight.BlindSince) > blindAfter {
				add("region %s has been blind (%s) since %s: its controls do not answer, so failures there have no verdict", p.region, sight.Name, stamp(sight.BlindSince))
			}
		}
		for _, k := range status.Controls {
			if !k.FailingAlone.IsZero() && now.Sub(k.FailingAlone) > aloneAfter {
				add("control %s has failed alone in region %s since %s: replace it, or the quorum is lost with the next one", k.Target, p.region, stamp(k.FailingAlone))
			}
		}
	}
	return fs
}

// tellFaults logs each fault when it begins and when it is over, until ctx ends.
func (s *station) tellFaults(ctx context.Context) error {
	return everySight(ctx, s.log, func(ctx context.Context) []string {
		s.recheck(ctx)
		return sentences(s.faults())
	})
}

func sentences(fs []sli.Fault) []string {
	var out []string
	for _, f := range fs {
		out = append(out, f.Sentence)
	}
	return out
}

// everySight asks for the faults now and then, and logs each when it begins and when it is over, until ctx ends.
func everySight(ctx context.Context, log *slog.Logger, faults func(context.Context) []string) error {
	tick := time.NewTicker(sightEvery)
	defer tick.Stop()
	known := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			known = tellChanges(log, known, faults(ctx))
		}
	}
}

// recheck lets regions that are blind find out whether they still are.
func (s *station) recheck(ctx context.Context) {
	for _, p := range s.now() {
		p.eyes.Load().controls.Recheck(ctx)
	}
}

// tellChanges logs what is new among the faults and what is over, and returns those there are.
func tellChanges(log *slog.Logger, known map[string]bool, faults []string) map[string]bool {
	now := map[string]bool{}
	for _, f := range faults {
		now[f] = true
		if !known[f] {
			log.Error(f)
		}
	}
	for f := range known {
		if !now[f] {
			log.Info("over: " + f)
		}
	}
	return now
}
