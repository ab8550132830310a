//go:build chaos

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// findings are what is wrong, by kind, with the first of each kind in words.
type findings struct {
	counts map[string]int
	lines  []string
}

func (f *findings) add(kind, format string, args ...any) {
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	f.counts[kind]++
	if f.counts[kind] <= 25 {
		f.lines = append(f.lines, kind+": "+fmt.Sprintf(format, args...))
	}
}

func (f *findings) total() (n int) {
	for _, c := range f.counts {
		n += c
	}
	return n
}

// A reckoning compares what the centre has with what the probers wrote down, in [from, to).
type reckoning struct {
	arena    *arena
	puts     []*put
	heard    map[sli.Series]*heard
	from, to time.Time

	findings
	slots map[sli.Outcome]int64 // compared
	both  int64                 // slots that two probers looked at with a verdict
	apart int64                 // of these, with another one
	found map[sli.Series][]sli.Slot
}

// reckon reads the journals, and compares the timelines in the database with them.
func (s *arena) reckon(ctx context.Context, from, to time.Time) (*reckoning, error) {
	r := &reckoning{arena: s, from: from, to: to, slots: map[sli.Outcome]int64{}, found: map[sli.Series][]sli.Slot{}}
	for _, p := range s.probers {
		puts, err := readJournal(s.journal + "-" + p.name)
		if err != nil {
			return nil, err
		}
		for _, x := range puts {
			if x.region != p.region || x.prober != p.prober {
				r.add("wrong name", "%s/%s put something in the name of %s/%s", p.region, p.prober, x.region, x.prober)
			}
		}
		r.puts = append(r.puts, puts...)
	}
	r.heard = hearAll(r.puts)
	store, err := timeline.Open(ctx, timeline.Options{Database: s.database})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	series, err := store.Series(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range series {
		if r.heard[x] == nil {
			r.add("invented", "the database has %s in %s, which no prober speaks of", x.Check, x.Region)
		}
	}
	for x, h := range r.heard {
		got, err := store.Recent(ctx, x.Check, x.Region, 1<<20)
		if err != nil {
			return nil, err
		}
		r.found[x] = slices.DeleteFunc(got, func(slot sli.Slot) bool { return slot.At < from.UnixMilli() || slot.At >= to.UnixMilli() })
		r.timeline(h, r.found[x])
	}
	return r, nil
}

// timeline compares one timeline, slot by slot.
func (r *reckoning) timeline(h *heard, got []sli.Slot) {
	due := h.due(r.from.UnixMilli(), r.to.UnixMilli(), "")
	where := fmt.Sprintf("%s in %s", h.check, h.region)
	seen := map[int64]bool{}
	for _, slot := range got {
		cell, there := due[slot.At]
		switch {
		case seen[slot.At]:
			r.add("doubled", "%s has %s twice", where, ago(slot.At))
		case !there:
			r.add("invented", "%s has %s as %v, and no prober followed a grid that has it", where, ago(slot.At), slot.Outcome)
		default:
			r.slot(where, h, slot, cell)
		}
		seen[slot.At] = true
	}
	for at := range due {
		if !seen[at] {
			r.add("lost", "%s lacks %s, which was due", where, ago(at))
		}
	}
}

func (r *reckoning) slot(where string, h *heard, got sli.Slot, cell int64) {
	r.slots[got.Outcome]++
	may := h.may(got.At, cell)
	if !slices.Contains(may, got) {
		kind := "wrong"
		if got.Outcome == sli.NoData {
			kind = "lost"
		}
		r.add(kind, "%s at %s: got %+v, want %+v%s", where, ago(got.At), got, may, r.whose(h, got.At))
	}
	certain, _ := h.claims(got.At)
	verdicts := map[string]bool{}
	good := map[bool]bool{}
	for _, c := range certain {
		if rank(c.r.Outcome) == 2 {
			verdicts[c.prober] = true
			good[sli.Outcome(c.r.Outcome).Verdict() == sli.Good] = true
		}
	}
	if len(verdicts) > 1 {
		r.both++
	}
	if len(good) > 1 {
		r.apart++
	}
}

// whose says who said something of a slot, and when that was put.
func (r *reckoning) whose(h *heard, at int64) (text string) {
	for _, p := range r.puts {
		if p.region == h.region && slices.ContainsFunc(p.batch.Results, func(x probe.Result) bool { return x.Check == h.check && x.Slot == at }) {
			text += fmt.Sprintf("; put by %s at %s", p.prober, p.begun.UTC().Format("15:04:05.000"))
		}
	}
	return text
}

// query is the window, for the API.
func (r *reckoning) query() string {
	return url.Values{"from": {r.from.UTC().Format(time.RFC3339)}, "to": {r.to.UTC().Format(time.RFC3339)}}.Encode()
}

// reports holds the figures of both aggregators, and of a store that was given the probers' messages in another order,
// against each other and against sums of the slots.
func (r *reckoning) reports(ctx context.Context, random *rand.Rand) error {
	var texts []string
	for _, c := range r.arena.centres {
		code, text := c.get("/api/v1/sli?" + r.query())
		if code != http.StatusOK {
			return fmt.Errorf("%s answers %d: %s", c.name, code, text)
		}
		reports, err := readReports(text)
		if err != nil {
			return err
		}
		r.sums(c.name, reports)
		texts = append(texts, printed(reports))
	}
	out, err := r.arena.gaikei(ctx, "sli", "--data", r.arena.centres[0].data, "--from", r.from.UTC().Format(time.RFC3339), "--to", r.to.UTC().Format(time.RFC3339), "-o", "json")
	if err != nil {
		return err
	}
	var said []sli.Report
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		return fmt.Errorf("read what gaikei sli printed: %w: %.300s", err, out)
	}
	shuffled, err := r.shuffled(ctx, random)
	if err != nil {
		return err
	}
	for i, text := range append(texts[1:], printed(said), printed(shuffled)) {
		who := []string{"centre2", "gaikei sli", "SQLite, of messages in another order"}[i]
		if text != texts[0] {
			r.add("differs", "%s and centre1 report otherwise: %s", who, firstDifference(text, texts[0]))
		}
	}
	return nil
}

// sums holds reports against sums.
func (r *reckoning) sums(who string, reports []sli.Report) {
	want := map[sli.Series]*sum{}
	for x, h := range r.heard {
		s := new(sum)
		due := h.due(r.from.UnixMilli(), r.to.UnixMilli(), "")
		for _, slot := range r.found[x] {
			slot.Cell = due[slot.At]
			s.add(slot)
		}
		if s.slots > 0 {
			want[x] = s
		}
	}
	for i := range reports {
		if reports[i].Region == nil {
			continue
		}
		x := sli.Series{Check: reports[i].Check, Region: *reports[i].Region}
		s := want[x]
		if s == nil {
			s = new(sum)
		}
		if d := s.differs(&reports[i]); d != "" {
			r.add("sum", "%s reports of %s in %s: %s", who, x.Check, x.Region, d)
		}
		delete(want, x)
	}
	for x := range want {
		r.add("sum", "%s has no report of %s in %s", who, x.Check, x.Region)
	}
}

// shuffled gives all messages to a store of its own, in any order and some twice, folds, and reports.
func (r *reckoning) shuffled(ctx context.Context, random *rand.Rand) (reports []sli.Report, err error) {
	dir := r.arena.path("shuffled")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	store, err := timeline.Open(ctx, timeline.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if _, err := store.Ordinals(ctx, []timeline.Region{{Name: "tokyo", Weight: 1}, {Name: "osaka", Weight: 2}, {Name: "paris", Weight: 1}}); err != nil {
		return nil, err
	}
	var ms []timeline.Message
	for _, p := range r.puts {
		for range 1 + random.IntN(2) {
			if p.stored || r.arrived(p) {
				ms = append(ms, timeline.Message{Region: p.region, Prober: p.prober, Received: p.begun, Payload: p.payload})
			}
		}
	}
	random.Shuffle(len(ms), func(i, k int) { ms[i], ms[k] = ms[k], ms[i] })
	for group := range slices.Chunk(ms, 500) {
		if err := store.Ingest(ctx, group); err != nil {
			return nil, err
		}
	}
	return store.Reports(ctx, sli.Query{From: r.from, To: r.to})
}

// arrived reports whether a put of which nobody knows is in the timelines.
func (r *reckoning) arrived(p *put) bool {
	for _, x := range p.batch.Results {
		h := r.heard[sli.Series{Check: x.Check, Region: p.region}]
		for _, slot := range r.found[sli.Series{Check: x.Check, Region: p.region}] {
			if slot.At != x.Slot {
				continue
			}
			may := h.may(slot.At, slot.Cell)
			if slot == may[0] {
				break
			}
			return slot == slotSaid(slot.At, slot.Cell, x)
		}
	}
	return false
}

func readReports(text string) ([]sli.Report, error) {
	var list struct{ Items []sli.Report }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read the reports: %w: %.300s", err, text)
	}
	return list.Items, nil
}

// printed is JSON without what differs between two moments of asking.
func printed(reports []sli.Report) string {
	var b strings.Builder
	for _, r := range reports {
		r.AsOf = time.Time{}
		line, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return as[i] + "\nagainst\n" + bs[i]
		}
	}
	return fmt.Sprintf("%d reports against %d", len(as), len(bs))
}
