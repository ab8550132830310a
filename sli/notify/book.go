package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/gaikei/gaikei/sli"
)

// mostPending bounds the events that wait for one webhook.
const mostPending = 256

// A book is what was told of how matters stand, and what webhooks are still to be told. It is on disk before anything of it is
// sent, so that a restart repeats nothing as new and loses no change; if the disk takes nothing it goes on in memory. Safe for
// concurrent use.
type book struct {
	path    string
	lapse   time.Duration
	mu      sync.Mutex // guards what follows; held while the file is written, never while something is sent
	known   map[sli.Matter]known
	queues  map[string]*queue // by the name of the webhook
	ended   map[string]Alert  // by the labels; alerts that are over and still told so
	trouble trouble
}

// A known is how a matter stood when it was last looked at, and since when.
type known struct {
	State string    `json:"state"`
	Since time.Time `json:"since"`
}

// A queue is the events that wait for a webhook, oldest first.
type queue struct {
	events []pending
	of     *sender // whom to wake and what to count; nil: nobody
}

// A pending event as it is sent, however often.
type pending struct {
	ID   string          `json:"id"`
	Time time.Time       `json:"time"`
	Body json.RawMessage `json:"body"`
}

// A stored book, version 1.
type stored struct {
	Version int                  `json:"version"`
	Known   []storedKnown        `json:"known"`
	Pending map[string][]pending `json:"pending"`
}

type storedKnown struct {
	sli.Matter
	known
}

func newBook(path string, lapse time.Duration, log *slog.Logger) *book {
	return &book{
		path: path, lapse: lapse, known: map[sli.Matter]known{}, queues: map[string]*queue{}, ended: map[string]Alert{},
		trouble: trouble{log: log, begins: "what was told cannot be written down; a restart would tell it again, or not at all", over: "what was told is written down again"},
	}
}

// load reads the file. Without a readable one nothing was told before.
func (b *book) load() {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var s stored
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err == nil && s.Version != 1 {
		err = fmt.Errorf("got version %d, want 1", s.Version)
	}
	if err != nil {
		b.trouble.log.Error("what was told before cannot be read, so all that stands is told as new", "file", b.path, "error", err)
		return
	}
	for _, k := range s.Known {
		b.known[k.Matter] = k.known
	}
	for name, events := range s.Pending {
		b.queues[name] = &queue{events: events}
	}
}

// save writes the file.
func (b *book) save() {
	s := stored{Version: 1, Known: []storedKnown{}, Pending: map[string][]pending{}}
	for m, k := range b.known {
		s.Known = append(s.Known, storedKnown{m, k})
	}
	for name, q := range b.queues {
		if len(q.events) > 0 {
			s.Pending[name] = q.events
		}
	}
	data, err := json.Marshal(s)
	if err == nil {
		err = renameio.WriteFile(b.path, data, 0o600)
	}
	b.trouble.note(err)
}

// serve says who is there to be told. What waits for a webhook that is no more is forgotten.
func (b *book) serve(senders []*sender) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.queues
	b.queues = map[string]*queue{}
	for _, s := range senders {
		if s.Kind != Webhook {
			continue
		}
		q := before[s.Name]
		if q == nil {
			q = &queue{}
		}
		q.of = s
		s.waiting.Store(int64(len(q.events)))
		b.queues[s.Name] = q
	}
}

// update notes how matters stand, puts an event for every change into the queues, and returns all alerts there are, those that
// are over included.
func (b *book) update(at time.Time, page string, notices []sli.Notice) []Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	var events []Event
	changed := false
	seen := map[sli.Matter]bool{}
	for _, n := range notices {
		seen[n.Matter] = true
		k, had := b.known[n.Matter]
		if had && k.State == n.State {
			continue
		}
		changed = true
		b.known[n.Matter] = known{n.State, at}
		if had || n.State != sli.NoticeOK { // what is new and as it should be is no news
			events = append(events, newEvent(at, page, k.State, n))
		}
		b.end(n, k, at, page)
	}
	for _, n := range b.gone(seen) {
		k := b.known[n.Matter]
		changed = true
		delete(b.known, n.Matter)
		if k.State != sli.NoticeOK {
			events = append(events, newEvent(at, page, k.State, n))
		}
		b.end(n, k, at, page)
	}
	b.queue(events)
	if changed {
		b.save()
	}
	return b.alerts(at, page, notices)
}

// gone are notices of matters that are no more, in some order that stays.
func (b *book) gone(seen map[sli.Matter]bool) []sli.Notice {
	var list []sli.Notice
	for m := range b.known {
		if seen[m] {
			continue
		}
		n := sli.Notice{Matter: m, Sentence: "Nothing is due for this SLO any more, or it is not configured any more."}
		if m.Kind == sli.NoticeFault {
			n.State, n.Sentence = sli.NoticeOK, "The fault is over."
		}
		list = append(list, n)
	}
	slices.SortFunc(list, func(x, y sli.Notice) int { return compareMatters(x.Matter, y.Matter) })
	return list
}

// end notes that the alert is over that a matter had before.
func (b *book) end(n sli.Notice, before known, at time.Time, page string) {
	if !n.Alerts(before.State) || before.State == "" {
		return
	}
	a := newAlert(page, before.State, n)
	a.StartsAt, a.EndsAt, a.over = before.Since, at, true
	b.ended[a.key()] = a
}

// alerts are those that stand and those that are over since not too long.
func (b *book) alerts(at time.Time, page string, notices []sli.Notice) []Alert {
	list := []Alert{} // none are told, too: as []
	for _, n := range notices {
		if !n.Alerts(n.State) {
			continue
		}
		a := newAlert(page, n.State, n)
		a.StartsAt, a.EndsAt = b.known[n.Matter].Since, at.Add(b.lapse)
		delete(b.ended, a.key())
		list = append(list, a)
	}
	maps.DeleteFunc(b.ended, func(_ string, a Alert) bool { return at.Sub(a.EndsAt) > toldEnded })
	for _, key := range slices.Sorted(maps.Keys(b.ended)) {
		list = append(list, b.ended[key])
	}
	return list
}

// queue puts events into all queues, and drops the oldest where one is full.
func (b *book) queue(events []Event) {
	for _, q := range b.queues {
		for i := range events {
			q.events = append(q.events, events[i].pending())
		}
		if over := len(q.events) - mostPending; over > 0 {
			q.events = slices.Clone(q.events[over:])
			q.of.dropped.Add(int64(over))
		}
		q.of.waiting.Store(int64(len(q.events)))
	}
}

// first is the oldest event that waits for a webhook.
func (b *book) first(name string) (pending, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.queues[name]; q != nil && len(q.events) > 0 {
		return q.events[0], true
	}
	return pending{}, false
}

// remove takes an event out of a webhook's queue: it was told or given up. While it was being told it may have been dropped.
func (b *book) remove(name, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.queues[name]; q != nil && len(q.events) > 0 && q.events[0].ID == id {
		q.events = q.events[1:]
		q.of.waiting.Store(int64(len(q.events)))
		b.save()
	}
}
