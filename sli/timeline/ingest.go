package timeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unique"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
)

// A Message is one message of a queue. Region and Prober are the queue's word, never the payload's.
type Message struct {
	Region, Prober string
	Received       time.Time // when the queue stored it, the same at every delivery; zero: now
	Payload        []byte    // of probe/wire, or the JSON of a probe.Evidence
}

// ahead is how far in the future a result may lie when its message was received.
const ahead = time.Hour

// A rejection is why a message, or a part of it, was put aside.
type rejection struct {
	Message
	reason, detail string
}

// incoming is a message that was read.
type incoming struct {
	Message
	batch  *probe.Batch
	packed []byte // the payload, as it goes into the journal; nil of what comes from there
	seq    int64  // in the journal; of a shared one, the transaction that inserted it
}

// Ingest takes in messages, and folds where tails are crowded by it. When it returns nil, every one of them is on the disk
// and visible to readers, or was put aside as unreadable, which is no error: redelivery would not help. In a shared database
// readers, also those of this Store, see them when its Run next tails the journal, which is within a second. After an error
// nothing is promised and everything may be delivered again. It returns an error while the disk is full or the database cannot
// be reached, and works again by itself.
func (s *Store) Ingest(ctx context.Context, ms []Message) error {
	return s.ingestWithin(ctx, ms, 1)
}

// IngestFresh is Ingest for what is not to wait for a backlog that others take in: it folds only where tails are twice as
// crowded as Ingest bears.
func (s *Store) IngestFresh(ctx context.Context, ms []Message) error {
	return s.ingestWithin(ctx, ms, 2)
}

// ingestWithin takes in messages and sees to it that no more waits for its fold than so many times what is usual.
func (s *Store) ingestWithin(ctx context.Context, ms []Message, times int) error {
	switch {
	case len(ms) == 0:
		return nil
	case s.shared == nil:
		return s.ingestOwn(ctx, ms, times)
	}
	if err := s.awaitRoom(ctx, times); err != nil {
		return fmt.Errorf("ingest %d messages: %w", len(ms), err)
	}
	return s.ingestShared(ctx, ms)
}

func (s *Store) ingestOwn(ctx context.Context, ms []Message, times int) error {
	in, out := s.siftAll(ms) // before, so that others can be committed meanwhile
	if err := s.commit(ctx, in, out); err != nil {
		return fmt.Errorf("ingest %d messages: %w", len(ms), err)
	}
	defer s.writing.Unlock()
	if len(in) > 0 {
		if err := s.replay(ctx, s.applied, in[0].seq); err != nil {
			return fmt.Errorf("ingest: rows of a commit that was taken for failed: %w", err)
		}
	}
	s.take(in, out)
	// What was taken in is safe; if the fold fails, the next one repeats it.
	_ = s.relieve(ctx, times)
	return nil
}

// commit appends messages to the journal. If that went well it returns under writing, so that what is in the journal is
// taken in its order; the next ones may be committed meanwhile.
func (s *Store) commit(ctx context.Context, in []incoming, out []rejection) error {
	s.appending.Lock()
	defer s.appending.Unlock()
	announced := s.announcements(in)
	err := s.db.transact(ctx, func(tx *transaction) error {
		for i := range in {
			if err := journal(tx, &in[i]); err != nil {
				return err
			}
		}
		if err := s.putAnnounced(tx, announced); err != nil {
			return err
		}
		return putRejected(tx, out)
	})
	if s.health.note(err) == nil {
		s.writing.Lock()
	}
	return err
}

// siftAll reads messages, on as many processors as there are.
func (s *Store) siftAll(ms []Message) (in []incoming, out []rejection) {
	in = make([]incoming, len(ms))
	rejected := make([][]rejection, len(ms))
	var next atomic.Int64
	var g errgroup.Group
	for range min(runtime.GOMAXPROCS(0), len(ms)) {
		g.Go(func() error {
			var p packer
			for i := int(next.Add(1)) - 1; i < len(ms); i = int(next.Add(1)) - 1 {
				in[i].Message = ms[i]
				if in[i].Received.IsZero() {
					in[i].Received = s.o.Now()
				}
				in[i].batch, rejected[i] = s.sift(in[i].Message)
				if in[i].batch != nil {
					in[i].packed = p.pack(in[i].Payload)
				}
			}
			return nil
		})
	}
	_ = g.Wait() // there are no errors
	in = slices.DeleteFunc(in, func(m incoming) bool { return m.batch == nil })
	return in, slices.Concat(rejected...)
}

// sift reads a message and takes out what cannot be kept. It depends on nothing but the message, so that a
// replay sifts the same. The batch is nil if nothing is left.
func (s *Store) sift(m Message) (*probe.Batch, []rejection) {
	for _, name := range []string{m.Region, m.Prober} {
		if err := wire.CheckName(name); err != nil {
			return nil, []rejection{{m, "off_subject", err.Error()}}
		}
	}
	b, err := wire.Unmarshal(m.Payload)
	if err != nil {
		return nil, []rejection{{m, "malformed", err.Error()}}
	}
	f := filter{oldest: m.Received.Add(-s.o.Retention).UnixMilli(), newest: m.Received.Add(ahead).UnixMilli()}
	b.Results = f.results(b.Results)
	b.Missed = f.missed(b.Missed)
	var rs []rejection
	if f.old > 0 {
		rs = append(rs, rejection{m, "too_old", fmt.Sprintf("%d results or ranges are from before the retention of %v", f.old, s.o.Retention)})
	}
	if f.future > 0 {
		rs = append(rs, rejection{m, "future", fmt.Sprintf("%d results or ranges are over %v ahead", f.future, ahead)})
	}
	if b.Empty() {
		return nil, rs
	}
	return b, rs
}

// A filter takes out what is too old or too far ahead, and counts it.
type filter struct {
	oldest, newest int64 // Unix ms
	old, future    int
}

func (f *filter) results(rs []probe.Result) []probe.Result {
	kept := rs[:0]
	for _, r := range rs {
		switch {
		case r.Slot < f.oldest:
			f.old++
		case r.Slot > f.newest:
			f.future++
		default:
			kept = append(kept, r)
		}
	}
	return kept
}

// missed cuts ranges rather than dropping them, which also bounds how many days one can touch.
func (f *filter) missed(rs []probe.MissedRange) []probe.MissedRange {
	kept := rs[:0]
	for _, r := range rs {
		r.From, r.To = max(r.From, f.oldest), min(r.To, f.newest)
		switch {
		case r.From < r.To:
			kept = append(kept, r)
		case r.From >= f.newest:
			f.future++
		default:
			f.old++
		}
	}
	return kept
}

func putEpoch(tx *transaction, x sli.Series, e epoch) error {
	t, expected := e.terms(), 0
	if t.expected {
		expected = 1
	}
	return tx.exec("put epoch", x.Check, x.Region, t.prober, e.start, e.announced, t.interval, e.offset,
		t.budget, int64(t.under), int64(t.of), expected)
}

// storedEpoch is the i-th epoch of a message. Its place in the message counts as nanoseconds, so that of two
// about the same slot the later word counts.
func storedEpoch(m Message, i int, e probe.Epoch) epoch {
	return epoch{
		start: e.From, announced: m.Received.UnixNano() + int64(i), offset: e.Grid.Offset,
		kept: unique.Make(terms{
			prober: m.Prober, interval: e.Grid.Interval, budget: e.Budget.Milliseconds(), under: e.Under, of: e.Of, expected: e.Expected,
		}),
	}
}

// replay takes the rows of the journal between two others into memory. Rows that already are do no harm.
func (s *Store) replay(ctx context.Context, after, before int64) error {
	if before <= after+1 {
		return nil
	}
	on := s.db.read
	if s.db.write != nil {
		on = s.db.write
	}
	return s.db.readJournal(ctx, on, after, before, func(seq int64, m Message) error {
		in := incoming{Message: m, seq: seq}
		if in.batch, _ = s.sift(m); in.batch != nil {
			s.mu.Lock()
			s.apply(&in, func(*timeline, entry, record) {})
			s.mu.Unlock()
		}
		s.applied = max(s.applied, seq)
		return nil
	})
}

// take makes what was committed visible, and counts it.
func (s *Store) take(in []incoming, out []rejection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// What is about the same series is applied together, and in its order, while they are in the processor's cache.
	slices.SortStableFunc(in, func(a, b incoming) int { return strings.Compare(a.Region, b.Region) })
	for i := range in {
		s.apply(&in[i], (*timeline).count)
		s.applied = max(s.applied, in[i].seq)
	}
	for _, r := range out {
		s.counters[sli.Counter{What: sli.CountRejected, Reason: r.reason}]++
	}
}

// apply puts a message into the tails. seen hears of every result with the record that its slot had in the tail.
func (s *Store) apply(in *incoming, seen func(t *timeline, e entry, was record)) {
	p := s.probers.id(in.Prober)
	j := joiner{region: in.Region, probers: &s.probers}
	for i, e := range in.batch.Epochs {
		s.timelineOf(sli.Series{Check: e.Check, Region: in.Region}).announce(storedEpoch(in.Message, i, e))
	}
	order := order{s: s, region: in.Region}
	for i := range in.batch.Results {
		r := &in.batch.Results[i]
		t := order.next(r.Check)
		rest := t.open(in.seq)
		before := rest.size()
		e := entry{r.Slot, recordOf(r, p), mark(in.seq)}
		j.check = t.Check
		was := rest.put(&j, e)
		if was.outcome == 0 || was.prober != p { // else it comes again
			rest.looks = append(rest.looks, lookOf(r, p, mark(in.seq)))
		}
		s.unfolded += rest.size() - before
		t.newest.see(e)
		seen(t, e, was)
	}
	for _, r := range in.batch.Missed {
		t := s.timelineOf(sli.Series{Check: r.Check, Region: in.Region})
		rest := t.open(in.seq)
		rest.gaps = append(rest.gaps, gap{from: r.From, to: r.To, prober: p, reason: r.Reason, mark: mark(in.seq)})
		s.unfolded++
	}
}

func (s *Store) joiner(t *timeline) *joiner {
	return &joiner{check: t.Check, region: t.Region, probers: &s.probers}
}

// IngestEvidence takes in messages of evidence, whose payload is the JSON of a probe.Evidence. What cannot be
// read is put aside. Evidence may be lost, so after an error nobody needs to deliver it again.
func (s *Store) IngestEvidence(ctx context.Context, ms []Message) error {
	if len(ms) == 0 {
		return nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	var out []rejection
	err := s.db.transact(ctx, func(tx *transaction) error {
		if err := tx.exec("lock evidence"); err != nil {
			return err
		}
		out = out[:0]
		for _, m := range ms {
			if m.Received.IsZero() {
				m.Received = s.o.Now()
			}
			err := putEvidence(tx, m)
			var bad *badEvidence
			if errors.As(err, &bad) {
				out = append(out, rejection{m, bad.reason, bad.Error()})
				continue
			}
			if err != nil {
				return err
			}
		}
		return putRejected(tx, out)
	})
	if s.health.note(err) != nil {
		return fmt.Errorf("ingest %d pieces of evidence: %w", len(ms), err)
	}
	s.take(nil, out)
	return nil
}
