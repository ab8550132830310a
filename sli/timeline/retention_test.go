package timeline

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/gaikei/gaikei/internal/bubble"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

func evidence(t *testing.T, slot time.Time) Message {
	t.Helper()
	body, err := json.Marshal(probe.Evidence{Check: "shop", Slot: slot.UnixMilli(), Outcome: "down", Reason: "timeout", Target: "<b>shop"})
	if err != nil {
		t.Fatal(err)
	}
	return Message{Region: "tokyo", Prober: "p", Received: noon, Payload: body}
}

func TestRetention(t *testing.T) { everywhere(t, testRetention) }

func testRetention(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	defer func() { _ = s.Close() }()
	setMaintenance(t, s, once("m", 0, 1, "shop"))
	end := follow("gone")
	end.From, end.Grid = noon.UnixMilli(), probe.Grid{}
	ingest(t, s, message(t, "p", probe.Batch{
		Epochs:  []probe.Epoch{follow("shop"), follow("gone"), end},
		Results: []probe.Result{up("shop", noon), up("gone", noon.Add(-time.Minute))},
	}))
	if err := s.IngestEvidence(t.Context(), []Message{evidence(t, noon)}); err != nil {
		t.Fatal(err)
	}
	foldAll(t, s)

	c.now = noon.Add(DefaultRetention)
	if err := s.expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"block": 2, "maintenance": 1, "epoch": 3, "series": 2, "evidence": 0} {
		if got := rows(t, s, table); got != want {
			t.Errorf("on the last day: %s has %d rows, want %d", table, got, want)
		}
	}
	c.now = noon.Add(DefaultRetention + 24*time.Hour)
	if err := s.expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"block": 0, "maintenance": 0, "epoch": 1, "series": 1} {
		if got := rows(t, s, table); got != want {
			t.Errorf("a day later: %s has %d rows, want %d", table, got, want)
		}
	}
	xs, _ := s.Series(t.Context())
	if len(xs) != 1 || xs[0] != (sli.Series{Check: "shop", Region: "tokyo"}) {
		t.Errorf("series: got %v, want that which is still followed", xs)
	}
	// What was deleted was not "no data": the window begins with what is kept.
	rs, err := s.Reports(t.Context(), sli.Query{From: noon, To: c.now})
	if err != nil {
		t.Fatal(err)
	}
	if want := time.UnixMilli(s.cutoff()); !rs[0].From.Equal(want) {
		t.Errorf("window: got from %v, want %v", rs[0].From, want)
	}
}

func TestEvidenceIsBounded(t *testing.T) { everywhere(t, testEvidenceIsBounded) }

func testEvidenceIsBounded(t *testing.T, p place) {
	s := p.store(t)
	for i := range 3 * evidenceKept {
		if err := s.IngestEvidence(t.Context(), []Message{evidence(t, noon.Add(time.Duration(i)*time.Second))}); err != nil {
			t.Fatal(err)
		}
	}
	bad := evidence(t, noon)
	bad.Payload = []byte("{")
	if err := s.IngestEvidence(t.Context(), []Message{bad, evidence(t, noon.Add(-40*24*time.Hour))}); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, s, "rejected"); n != 2 {
		t.Errorf("got %d rejected, want the unreadable and the old one", n)
	}
	if n := rows(t, s, "evidence"); n != evidenceKept {
		t.Errorf("got %d pieces, want %d", n, evidenceKept)
	}
	es, err := s.Evidence(t.Context(), "shop", "tokyo", 3)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, e := range es {
		got += fmt.Sprint(time.UnixMilli(e.Slot).Sub(noon), " ", e.Target, " ")
	}
	wantText(t, "evidence", "2m29s <b>shop 2m28s <b>shop 2m27s <b>shop ", got)
}

func TestRunFoldsWithinTenMinutes(t *testing.T) {
	dir := t.TempDir()
	bubble.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		m := message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", noon)}})
		done := make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		go func() { done <- s.Run(ctx) }()
		ingest(t, s, m)
		time.Sleep(foldParts*foldTick + time.Second)
		if n := rows(t, s, "journal"); n != 0 {
			t.Errorf("after ten minutes: got %d rows in the journal, want none", n)
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
