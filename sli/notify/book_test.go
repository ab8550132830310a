package notify

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

const page = "https://gaikei.example.com"

// noon is when tests take place unless they say otherwise.
var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func decision(slo, state string) sli.Notice {
	return sli.Notice{
		Matter: sli.Matter{Kind: sli.NoticeDecision, SLO: slo, Severity: "ticket"}, State: state, Sentence: "It is " + state + ".",
		Report: &sli.SLOReport{Name: slo, AsOf: noon},
	}
}

func burning(slo string) sli.Notice {
	return sli.Notice{Matter: sli.Matter{Kind: sli.NoticeBurn, SLO: slo, Severity: "page"}, State: sli.NoticeBurning, Report: &sli.SLOReport{Name: slo}}
}

func calm(slo string) sli.Notice {
	n := burning(slo)
	n.State = sli.NoticeOK
	return n
}

func blind(region string) sli.Notice {
	return sli.FaultNotices([]sli.Fault{{Region: region, Sentence: "it is blind"}})[0]
}

// openBook opens a book with a webhook called hook, as a start of the process does.
func openBook(t *testing.T, path string) (*book, *sender) {
	t.Helper()
	n := New(Options{File: path, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	s := n.newSender(Receiver{Name: "hook", Kind: Webhook})
	n.book.load()
	n.book.serve([]*sender{s})
	return n.book, s
}

// waiting takes all events out of the webhook's queue, in short.
func waiting(t *testing.T, b *book) []string {
	t.Helper()
	var list []string
	for e, there := b.first("hook"); there; e, there = b.first("hook") {
		var x Event
		if err := json.Unmarshal(e.Body, &x); err != nil || x.ID != e.ID {
			t.Fatalf("event %s: id %s, error %v", e.Body, x.ID, err)
		}
		text := func(p *string) string {
			if p == nil {
				return "null"
			}
			return *p
		}
		list = append(list, fmt.Sprintf("%s %s%s: %s → %s", x.Kind, strings.TrimSuffix(text(x.SLO), "null"), strings.TrimSuffix(text(x.Region), "null"), text(x.Before), text(x.After)))
		b.remove("hook", e.ID)
	}
	return list
}

// told are alerts in short: name, what tells them apart, since when, and how long from at on.
func told(alerts []Alert, at time.Time) []string {
	var list []string
	for _, a := range alerts {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s%s %s %v %v", a.Labels["alertname"], a.Labels["slo"], a.Labels["region"], a.Labels["decision"], at.Sub(a.StartsAt), a.EndsAt.Sub(at))))
	}
	return list
}

// TestBook follows matters through rounds: what is new, what changes, what ends and what is no more, over restarts too.
func TestBook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.json")
	b, _ := openBook(t, path)
	for i, x := range []struct {
		name    string
		restart bool
		after   time.Duration // since noon
		notices []sli.Notice
		events  []string
		alerts  []string
	}{
		{
			"what is as it should be is no news, the rest is", false, 0,
			[]sli.Notice{decision("a", "ok"), decision("b", "watch"), burning("b")},
			[]string{"decision b: null → watch", "burn_rate b: null → burning"},
			[]string{"GaikeiBurnRate b  0s 4m0s"},
		},
		{
			"it lasts", false, 15 * time.Second,
			[]sli.Notice{decision("a", "ok"), decision("b", "watch"), burning("b")},
			nil,
			[]string{"GaikeiBurnRate b  15s 4m0s"},
		},
		{
			"it changes", false, time.Minute,
			[]sli.Notice{decision("a", "investigate"), decision("b", "ok"), calm("b")},
			[]string{"decision a: ok → investigate", "decision b: watch → ok", "burn_rate b: burning → ok"},
			[]string{"GaikeiDecision a investigate 0s 4m0s", "GaikeiBurnRate b  1m0s 0s"},
		},
		{
			"a graver decision is another alert", false, 2 * time.Minute,
			[]sli.Notice{decision("a", "exhausted"), decision("b", "ok"), calm("b")},
			[]string{"decision a: investigate → exhausted"},
			[]string{"GaikeiDecision a exhausted 0s 4m0s", "GaikeiBurnRate b  2m0s -1m0s", "GaikeiDecision a investigate 1m0s 0s"},
		},
		{
			"a restart tells nothing as new", true, 3 * time.Minute,
			[]sli.Notice{decision("a", "exhausted"), decision("b", "ok"), calm("b")},
			nil,
			[]string{"GaikeiDecision a exhausted 1m0s 4m0s"},
		},
		{
			"and loses no change", true, time.Hour,
			[]sli.Notice{decision("a", "ok"), decision("b", "ok"), burning("b"), blind("tokyo")},
			[]string{"decision a: exhausted → ok", "burn_rate b: ok → burning", "fault tokyo: ok → faulty"},
			[]string{"GaikeiBurnRate b  0s 4m0s", "GaikeiFault tokyo  0s 4m0s", "GaikeiDecision a exhausted 58m0s 0s"},
		},
		{
			"an SLO is no more, and a fault is over", false, time.Hour + time.Minute,
			[]sli.Notice{decision("a", "ok")},
			[]string{"burn_rate b: burning → null", "fault tokyo: faulty → ok"},
			[]string{"GaikeiBurnRate b  1m0s 0s", "GaikeiDecision a exhausted 59m0s -1m0s", "GaikeiFault tokyo  1m0s 0s"},
		},
		{
			"it is back: the alert that had ended begins anew", false, time.Hour + 2*time.Minute,
			[]sli.Notice{decision("a", "ok"), burning("b")},
			[]string{"burn_rate b: null → burning"},
			[]string{"GaikeiBurnRate b  0s 4m0s", "GaikeiDecision a exhausted 1h0m0s -2m0s", "GaikeiFault tokyo  2m0s -1m0s"},
		},
		{
			"what has ended is told for a quarter of an hour", false, time.Hour + 16*time.Minute,
			[]sli.Notice{decision("a", "ok"), burning("b")},
			nil,
			[]string{"GaikeiBurnRate b  14m0s 4m0s", "GaikeiFault tokyo  16m0s -15m0s"},
		},
	} {
		if x.restart {
			b, _ = openBook(t, path)
		}
		alerts := b.update(noon.Add(x.after), page, x.notices)
		if d := cmp.Diff(x.alerts, told(alerts, noon.Add(x.after))); d != "" {
			t.Errorf("%d, %s: alerts (-want +got):\n%s", i, x.name, d)
		}
		if d := cmp.Diff(x.events, waiting(t, b)); d != "" {
			t.Errorf("%d, %s: events (-want +got):\n%s", i, x.name, d)
		}
	}
}

// TestBookKeepsWhatWaits: what a webhook was not told survives a restart, with its ids and in its order; the oldest goes when too
// many wait, and is counted; a webhook that is removed leaves nothing behind.
func TestBookKeepsWhatWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.json")
	b, s := openBook(t, path)
	var changes []sli.Notice
	for i := range mostPending + 10 {
		changes = append(changes, decision(fmt.Sprintf("s%d", i), "watch"))
	}
	b.update(noon, page, changes)
	if got := s.dropped.Load(); got != 10 || s.waiting.Load() != mostPending {
		t.Errorf("got %d dropped and %d waiting, want 10 and %d", got, s.waiting.Load(), mostPending)
	}
	first, _ := b.first("hook")
	if tenth := newEvent(noon, page, "", changes[10]); first.ID != tenth.ID {
		t.Errorf("the oldest is %s, want that of the eleventh change: %s", first.ID, tenth.ID)
	}
	b.remove("hook", "evt_of_one_that_was_dropped")
	again, s := openBook(t, path)
	if got, _ := again.first("hook"); !cmp.Equal(got, first) || s.waiting.Load() != mostPending {
		t.Errorf("after a restart the first of %d is %s, want %s of %d", s.waiting.Load(), got.ID, first.ID, mostPending)
	}
	again.serve(nil)
	again.serve([]*sender{s})
	if _, there := again.first("hook"); there {
		t.Error("a webhook that was removed and added again is told of what was before")
	}
}

// TestIDs: the same for the same change, whoever sees it; another for any other.
func TestIDs(t *testing.T) {
	base := func() (string, string, time.Time, sli.Notice) { return page, "ok", noon, decision("a", "watch") }
	id := func(page, before string, at time.Time, n sli.Notice) string {
		e := newEvent(at, page, before, n)
		return e.ID
	}
	p, before, at, n := base()
	seen := map[string]string{id(base()): "the base"}
	n.Sentence, n.Report = "Figures differ.", nil
	if id(p, before, at, n) != id(base()) {
		t.Error("the sentence changes the id")
	}
	for name, other := range map[string]string{
		"page":   id("https://other.example.com", before, at, n),
		"before": id(p, "investigate", at, n),
		"after":  id(p, before, at, decision("a", "exhausted")),
		"time":   id(p, before, at.Add(15*time.Second), n),
		"SLO":    id(p, before, at, decision("b", "watch")),
		"kind":   id(p, before, at, sli.Notice{Matter: sli.Matter{Kind: sli.NoticeBurn, SLO: "a", Severity: "ticket"}, State: "watch"}),
	} {
		if seen[other] != "" {
			t.Errorf("another %s has the id of %s", name, seen[other])
		}
		seen[other] = name
	}
}

// TestBadFiles: a file that cannot be read is told, and all that stands is told as new; one that cannot be written changes nothing
// of what is told.
func TestBadFiles(t *testing.T) {
	for name, text := range map[string]string{"no JSON": "{", "another version": `{"version": 2}`} {
		path := filepath.Join(t.TempDir(), "notify.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		n := New(Options{File: path, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		n.book.load()
		if !strings.Contains(log.String(), "told as new") {
			t.Errorf("%s: the log says %q", name, &log)
		}
	}
	var log strings.Builder
	n := New(Options{File: filepath.Join(t.TempDir(), "none", "notify.json"), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	n.book.load()
	for range 2 {
		if got := n.book.update(noon, page, []sli.Notice{burning("a")}); len(got) != 1 {
			t.Errorf("got %d alerts, want one", len(got))
		}
		n.book.update(noon, page, nil)
	}
	if strings.Count(log.String(), "cannot be written down") != 1 {
		t.Errorf("the log says %q, want it told once", &log)
	}
}
