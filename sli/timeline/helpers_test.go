package timeline

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
)

// noon is when tests take place unless they say otherwise.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// A clock is set by hand.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func openStore(tb testing.TB, dir string, c *clock) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), Options{Dir: dir, Now: c.Now, Logger: slog.New(slog.NewTextHandler(tb.Output(), nil))})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// message is one message of a prober, received at noon.
func message(tb interface {
	Helper()
	Fatalf(string, ...any)
}, prober string, b probe.Batch,
) Message {
	tb.Helper()
	ms, err := wire.Marshal(&b)
	if err != nil || len(ms) != 1 {
		tb.Fatalf("marshal: got %d messages, error %v, want one message", len(ms), err)
	}
	return Message{Region: "tokyo", Prober: prober, Received: noon, Payload: ms[0]}
}

func ingest(tb testing.TB, s *Store, ms ...Message) {
	tb.Helper()
	if err := s.Ingest(tb.Context(), ms); err != nil {
		tb.Fatal(err)
	}
	catchUp(tb, s)
}

// catchUp has a store see what was committed, as its Run does every second.
func catchUp(tb testing.TB, s *Store) {
	tb.Helper()
	if s.shared == nil {
		return
	}
	if err := s.follow(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func foldAll(tb testing.TB, s *Store) {
	tb.Helper()
	s.writing.Lock()
	defer s.writing.Unlock()
	if led, err := s.lead(tb.Context()); !led {
		tb.Fatalf("lead: got %v, %v, want nobody else to", led, err)
	}
	if err := s.fold(tb.Context(), everything); err != nil {
		tb.Fatal(err)
	}
}

var tenSeconds = probe.Grid{Interval: 10_000}

// follow is the epoch of a check on a grid of ten seconds, from the midnight before noon.
func follow(check string) probe.Epoch {
	return probe.Epoch{
		Check: check, From: noon.Add(-12 * time.Hour).UnixMilli(), Grid: tenSeconds, Budget: 5 * time.Second,
		Under: 300 * time.Millisecond, Expected: true,
	}
}

func up(check string, at time.Time) probe.Result {
	return probe.Result{
		Check: check, Slot: at.UnixMilli(), Outcome: probe.Up, Latency: probe.IndexOf(100 * time.Millisecond), Under: true,
		Attempts: 1, Phases: noPhases(),
	}
}

func down(check string, at time.Time) probe.Result {
	return probe.Result{
		Check: check, Slot: at.UnixMilli(), Outcome: probe.Down, Reason: probe.Timeout, Latency: probe.NoLatency,
		Attempts: 1, Phases: noPhases(),
	}
}

func noPhases() (ps [probe.NumPhases]probe.LatencyIndex) {
	for i := range ps {
		ps[i] = probe.NoLatency
	}
	return ps
}

// outcomes lists the due slots of the check "shop" in [from, to) in short: "up down no_data".
func outcomes(tb testing.TB, s *Store, from, to time.Time) string {
	tb.Helper()
	s.mu.RLock()
	t := s.timelines.of(sli.Series{Check: "shop", Region: "tokyo"})
	if t == nil {
		s.mu.RUnlock()
		return ""
	}
	v := s.view(t, from.UnixMilli(), to.UnixMilli())
	s.mu.RUnlock()
	text := ""
	err := s.walk(tb.Context(), v, from.UnixMilli(), to.UnixMilli(), func(x *sli.Slot) bool {
		if text != "" {
			text += " "
		}
		text += probe.Outcome(x.Outcome).String()
		if x.Reason != "" {
			text += "{" + x.Reason + "}"
		}
		return true
	})
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func wantText(tb testing.TB, what, want, got string) {
	tb.Helper()
	if d := cmp.Diff(want, got); d != "" {
		tb.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// unfolded counts the rows of a shared journal that are still of use.
const unfolded = `SELECT COUNT(*) FROM journal WHERE EXISTS (SELECT 1 FROM folded WHERE NOT pg_visible_in_snapshot(journal.xid, seen))`

// rows counts the rows of a table; of the journal those that are still of use.
func rows(tb testing.TB, s *Store, table string) int {
	tb.Helper()
	var n int
	query := "SELECT COUNT(*) FROM " + table
	if table == "journal" && s.shared != nil {
		query = unfolded
	}
	if err := s.db.read.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
		tb.Fatal(fmt.Errorf("count %s: %w", filepath.Base(table), err))
	}
	return n
}
