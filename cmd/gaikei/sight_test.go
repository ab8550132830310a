package main

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/internal/bubble"
	"github.com/gaikei/gaikei/probe"
)

// TestBlindRegionIsAFault: a region whose controls have been silent for more than five minutes is told in the
// log once, shown on the page, and told again when it is over.
func TestBlindRegionIsAFault(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		dead := true
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			if dead {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			near, far := net.Pipe()
			far.Close()
			return near, nil
		}
		tcp := func(address string) probe.Kind {
			k := &probe.TCP{Address: address}
			if ps := k.Validate(); len(ps) > 0 {
				t.Fatal(ps)
			}
			return k
		}
		p := &prober{region: "here", world: &probe.World{Dial: dial}}
		p.open(probe.ControlOptions{Targets: []probe.Kind{tcp("192.0.2.1:443"), tcp("192.0.2.2:443")}})
		check := &probe.Check{ID: "shop", Kind: tcp("192.0.2.10:443"), Interval: 30 * time.Second, Timeout: 5 * time.Second, Enabled: true}
		var log strings.Builder
		c := &station{log: slog.New(slog.NewTextHandler(&log, nil))}
		c.running.Store(&[]*prober{p})
		look := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(check.Interval) {
				p.eyes.Load().looker.Look(t.Context(), check, time.Now().UnixMilli())
			}
		}

		look(3 * time.Minute)
		known := tellChanges(c.log, nil, sentences(c.faults()))
		if len(known) != 0 {
			t.Errorf("after three minutes the faults are %v, want none yet", known)
		}
		look(3 * time.Minute)
		known = tellChanges(c.log, known, sentences(c.faults()))
		known = tellChanges(c.log, known, sentences(c.faults()))
		if len(known) != 1 || strings.Count(log.String(), "region here has been blind (ipv4)") != 1 {
			t.Errorf("after six minutes the faults are %v, want one, told once:\n%s", known, &log)
		}
		dead = false
		c.recheck(t.Context())
		if known = tellChanges(c.log, known, sentences(c.faults())); len(known) != 0 || !strings.Contains(log.String(), "over: region here") {
			t.Errorf("when it sees again the faults are %v, want none, and that told:\n%s", known, &log)
		}
	})
}
