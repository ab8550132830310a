package web

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// noon is the now of most tests.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// budget is the longest that a slot may take here; as_of is that and 15 s before now.
const budget = 10 * time.Second

// memory is a Source in memory. Its figures are computed by sli, as those of a store are. Change it only
// between requests.
type memory struct {
	now      time.Time
	order    []sli.Series
	lines    map[sli.Series]*line
	spans    map[string][]sli.Span
	counters []sli.Counter
	counts   *sli.Totals // nil: nothing is counted
	changes  []sli.Change
	rejected []sli.Rejected
	outlook  sli.Outlook
	err      error // what every method fails with
}

// line is one timeline: slots every interval from an instant on, at offset 0.
type line struct {
	from, interval int64
	under          time.Duration
	slots          map[int64]sli.Slot
	evidence       []probe.Evidence // newest first
}

func newMemory() *memory {
	return &memory{now: noon, lines: map[sli.Series]*line{}, spans: map[string][]sli.Span{}}
}

// follow begins a timeline.
func (m *memory) follow(check, region string, from time.Time, interval time.Duration) *line {
	x := sli.Series{Check: check, Region: region}
	m.order = append(m.order, x)
	m.lines[x] = &line{from: from.UnixMilli(), interval: interval.Milliseconds(), slots: map[int64]sli.Slot{}}
	return m.lines[x]
}

// record stores the slots at every interval from at on.
func (l *line) record(at time.Time, slots ...sli.Slot) {
	t := at.UnixMilli()
	for _, s := range slots {
		s.At = t
		l.slots[t] = s
		t += l.interval
	}
}

// fill stores the same slot for the whole of [from, to).
func (l *line) fill(from, to time.Time, s sli.Slot) {
	for t := from; t.Before(to); t = t.Add(time.Duration(l.interval) * time.Millisecond) {
		l.record(t, s)
	}
}

func (l *line) segments() []sli.Segment {
	return sli.Timetable([]sli.Epoch{{Prober: "p", From: l.from, Interval: l.interval}})
}

func (l *line) due(from, to int64) []sli.Slot {
	var out []sli.Slot
	for at, cell := range sli.Due(l.segments(), from, to) {
		s, ok := l.slots[at]
		if !ok {
			s = sli.Slot{At: at, Latency: sli.NoLatency}
		}
		s.Cell = cell
		s.Under = l.under > 0 && s.Outcome == sli.Up && s.Latency.Seconds() < l.under.Seconds()
		out = append(out, s)
	}
	return out
}

func (m *memory) window(q sli.Query) (sli.Window, error) {
	return q.Resolve(sli.AsOf(q.Now, budget))
}

func (m *memory) tally(x sli.Series, w sli.Window) *sli.Tally {
	t := new(sli.Tally)
	t.AddAll(slices.Values(m.lines[x].due(w.From, w.To)), m.spans[x.Check])
	return t
}

func (m *memory) Reports(_ context.Context, q sli.Query) ([]sli.Report, error) {
	w, err := m.window(q)
	if err = errors.Join(err, m.err); err != nil {
		return nil, err
	}
	var out []sli.Report
	var parts []sli.Part
	order := slices.SortedFunc(slices.Values(m.order), func(a, b sli.Series) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Region, b.Region))
	})
	for i, x := range order {
		subject := sli.Subject{Check: x.Check, Region: x.Region, Under: m.lines[x].under}
		if wanted(q.Checks, x.Check) && wanted(q.Regions, x.Region) {
			parts = append(parts, sli.Part{Region: x.Region, Weight: 1, Tally: m.tally(x, w)})
			out = append(out, sli.RegionReport(w, subject, parts[len(parts)-1]))
		}
		if last := i == len(order)-1 || order[i+1].Check != x.Check; last && len(parts) > 0 {
			out = append(out, sli.Pooled(w, subject, parts))
			parts = nil
		}
	}
	return out, nil
}

func (m *memory) Counts(_ context.Context, x sli.Series, q sli.Query, step time.Duration) (sli.Counts, error) {
	w, err := m.window(q)
	if err = errors.Join(err, m.err); err != nil {
		return sli.Counts{}, err
	}
	c := sli.NewCounts(x, w, step)
	if l := m.lines[x]; l != nil {
		c.Steps = sli.CountSteps(sli.Single(slices.Values(l.due(w.From, w.To))), m.spans[x.Check], w, step.Milliseconds())
	}
	return c, nil
}

// Phases takes the latency of a slot for its phase "wait".
func (m *memory) Phases(_ context.Context, q sli.Query) ([]sli.PhaseReport, error) {
	w, err := m.window(q)
	if err = errors.Join(err, m.err); err != nil {
		return nil, err
	}
	w = w.Hours()
	var out []sli.PhaseReport
	for _, x := range m.order {
		if wanted(q.Checks, x.Check) && wanted(q.Regions, x.Region) {
			hs := make([]sli.Histogram, 1)
			for _, s := range m.lines[x].due(w.From, w.To) {
				hs[0].Add(s.Latency, 1)
			}
			out = append(out, sli.NewPhaseReport(w, x, []string{"wait"}, hs))
		}
	}
	return out, nil
}

func (m *memory) Outlook(context.Context) (sli.Outlook, error) { return m.outlook, m.err }

func (m *memory) Rejected(_ context.Context, q sli.Query) ([]sli.Rejected, error) {
	if _, err := m.window(q); err != nil || m.err != nil {
		return nil, errors.Join(err, m.err)
	}
	return slices.DeleteFunc(slices.Clone(m.rejected), func(r sli.Rejected) bool { return !wanted(q.Regions, r.Region) }), nil
}

func (m *memory) Changes(_ context.Context, q sli.Query) ([]sli.Change, error) {
	if _, err := m.window(q); err != nil || m.err != nil {
		return nil, errors.Join(err, m.err)
	}
	var out []sli.Change
	for _, c := range m.changes {
		if wanted(q.Checks, c.Check) && wanted(q.Regions, c.Region) {
			out = append(out, c)
		}
	}
	return out, nil
}

func wanted(names []string, name string) bool {
	return len(names) == 0 || slices.Contains(names, name)
}

func (m *memory) Probers(_ context.Context, q sli.Query) ([]sli.ProberReport, error) {
	w, err := m.window(q)
	if err = errors.Join(err, m.err); err != nil {
		return nil, err
	}
	var out []sli.ProberReport
	for _, region := range regionsIn(m.order) {
		var ts []*sli.Tally
		for _, x := range m.order {
			if x.Region == region && wanted(q.Regions, region) {
				ts = append(ts, m.tally(x, w))
			}
		}
		if len(ts) > 0 {
			out = append(out, sli.NewProberReport(w, region, ts))
		}
	}
	return out, nil
}

func (m *memory) Recent(_ context.Context, check, region string, n int) ([]sli.Slot, error) {
	l := m.lines[sli.Series{Check: check, Region: region}]
	if l == nil || m.err != nil {
		return nil, m.err
	}
	to := m.now.UnixMilli() + 1
	due := l.due(max(l.from, to-int64(n+1)*l.interval), to)
	return due[max(0, len(due)-n):], nil
}

func (m *memory) Evidence(_ context.Context, check, region string, n int) ([]probe.Evidence, error) {
	l := m.lines[sli.Series{Check: check, Region: region}]
	if l == nil || m.err != nil {
		return nil, m.err
	}
	return l.evidence[:min(n, len(l.evidence))], nil
}

func (m *memory) Spans(_ context.Context, x sli.Series, _, _ int64) ([]sli.Span, error) {
	return m.spans[x.Check], m.err
}

func (m *memory) Series(context.Context) ([]sli.Series, error) { return m.order, m.err }

func (m *memory) Totals(context.Context) (*sli.Totals, error) {
	if m.counts == nil {
		return &sli.Totals{}, m.err
	}
	return m.counts, m.err
}

func (m *memory) Counters() []sli.Counter { return m.counters }

// Slots as they are stored.
func up(latency time.Duration) sli.Slot {
	return sli.Slot{Outcome: sli.Up, Latency: sli.Index(probe.IndexOf(latency)), Attempts: 1}
}

func notUp(o sli.Outcome, r probe.Reason) sli.Slot {
	return sli.Slot{Outcome: o, Reason: r.String(), Latency: sli.NoLatency, Attempts: 1}
}

// EachReport gives the reports check by check, by id.
func (m *memory) EachReport(ctx context.Context, q sli.Query, from string) iter.Seq2[[]sli.Report, error] {
	return func(yield func([]sli.Report, error) bool) {
		all, err := m.Reports(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		for len(all) > 0 {
			n := slices.IndexFunc(all, func(r sli.Report) bool { return r.Check != all[0].Check })
			if n < 0 {
				n = len(all)
			}
			if all[0].Check >= from && !yield(all[:n], nil) {
				return
			}
			all = all[n:]
		}
	}
}
