package timeline

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/sli"
)

// SLOs reports on SLOs, in their order, at one as_of. Their checks must be ids. The zero time means now.
func (s *Store) SLOs(ctx context.Context, list []sli.SLO, now time.Time) ([]sli.SLOReport, error) {
	if now.IsZero() {
		now = s.o.Now()
	}
	asOf := sli.AsOf(now, s.budget(now))
	reports := make([]sli.SLOReport, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range list {
		g.Go(func() (err error) {
			reports[i], err = s.slo(ctx, &list[i], asOf)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("report on SLOs: %w", err)
	}
	return reports, nil
}

func (s *Store) slo(ctx context.Context, o *sli.SLO, asOf time.Time) (sli.SLOReport, error) {
	w, err := o.WindowAt(asOf, s.cellOf(o, asOf.UnixMilli()))
	if err != nil {
		return sli.SLOReport{}, err
	}
	return s.sloIn(ctx, o, w)
}

// sloIn reports on a window of an SLO.
func (s *Store) sloIn(ctx context.Context, o *sli.SLO, w sli.SLOWindow) (_ sli.SLOReport, err error) {
	w.NotBefore(s.cutoff())
	m := s.members(o, &w)
	if m.corrections, err = s.corrections(ctx, m.begin(), w.To); err != nil {
		return sli.SLOReport{}, err
	}
	b, err := m.blend(ctx)
	if err != nil {
		return sli.SLOReport{}, fmt.Errorf("SLO %s: %w", o.Name, err)
	}
	var observed *sli.Blend
	if m.corrected {
		m.corrections = nil
		if observed, err = m.blend(ctx); err != nil {
			return sli.SLOReport{}, fmt.Errorf("SLO %s: %w", o.Name, err)
		}
	}
	r := sli.NewSLOReport(o, w, b, observed)
	r.Checks, r.Regions = o.Checks, m.regions
	return r, nil
}

// members are the timelines that an SLO is about, and how to make a blend of them.
type members struct {
	s           *Store
	slo         *sli.SLO
	w           *sli.SLOWindow
	views       []view // by check and region
	regions     []string
	weights     map[string]float64
	corrections []sli.Correction
	corrected   bool     // one of them has a say
	read        *reading // nil: nothing was read ahead
}

func (s *Store) members(o *sli.SLO, w *sli.SLOWindow) *members {
	m := &members{s: s, slo: o, w: w, regions: []string{}, weights: map[string]float64{}}
	stored := s.weightsNow()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.chosen(sli.Query{Checks: o.Checks, Regions: o.Regions}, sli.Window{From: w.Cuts[0], To: w.To}) {
		weight := weightIn(o, t.Region, stored)
		if weight == 0 {
			continue
		}
		m.weights[t.Region] = weight
		m.views = append(m.views, s.view(t, w.Cuts[0]-longestCell(t.due()), w.To))
		if !slices.Contains(m.regions, t.Region) {
			m.regions = append(m.regions, t.Region)
		}
	}
	slices.Sort(m.regions)
	return m
}

// weightIn is what a region weighs in an SLO, given the weights that regions have; 0: it has no part.
func weightIn(o *sli.SLO, region string, stored map[string]float64) float64 {
	if given, ok := o.Weights[region]; ok {
		return given
	}
	weight, known := stored[region]
	if !known || weight == 0 && slices.Contains(o.Regions, region) { // named: it is to count
		return 1
	}
	return weight
}

// cellOf is the longest interval that the checks of an SLO have at an instant, in the regions that have a part.
func (s *Store) cellOf(o *sli.SLO, at int64) time.Duration {
	stored := s.weightsNow()
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := sli.Window{From: at, To: at}
	longest := int64(0)
	for _, t := range s.chosen(sli.Query{Checks: o.Checks, Regions: o.Regions}, now) {
		if weightIn(o, t.Region, stored) > 0 {
			longest = max(longest, cellIn(t.due(), now))
		}
	}
	return time.Duration(longest) * time.Millisecond
}

// begin is the first instant whose slots may have a cell between the cuts.
func (m *members) begin() int64 {
	earliest := m.w.Cuts[0]
	for i := range m.views {
		earliest = min(earliest, m.w.Cuts[0]-longestCell(m.views[i].due))
	}
	return earliest
}

// longestCell is how far before an instant the slot can be whose cell it is in.
func longestCell(due []sli.Segment) int64 {
	longest := int64(0)
	for _, seg := range due {
		longest = max(longest, seg.Interval)
	}
	return longest
}

func (m *members) measure(v *view) sli.Measure {
	e, _ := atEnd(v.epochs, m.w.To)
	return sli.Measure{Indicator: m.slo.Indicator, Of: subject(v.Series, e).Of}
}

// blend makes the amounts of every part and says how they make one.
func (m *members) blend(ctx context.Context) (*sli.Blend, error) {
	switch {
	case m.slo.Group == sli.GroupAll:
		return m.together(ctx)
	case m.slo.Combine.Quorum != nil:
		return m.quorums(ctx)
	}
	lines := make([]sli.Blend, len(m.views))
	for i := range m.views {
		line, err := m.line(ctx, &m.views[i])
		if err != nil {
			return nil, err
		}
		lines[i] = *line
	}
	if m.slo.Group == sli.GroupWorst {
		checks := m.by(lines, func(v *view) string { return v.Check }, func(v *view) (string, float64) { return v.Region, m.weights[v.Region] })
		for i := range checks {
			checks[i].Worst = m.worst()
		}
		return &sli.Blend{Worst: true, Parts: checks}, nil
	}
	regions := m.by(lines, func(v *view) string { return v.Region }, func(v *view) (string, float64) { return v.Check, m.checkWeight(v.Check) })
	for i := range regions {
		regions[i].Weight = m.weights[regions[i].Name]
	}
	return &sli.Blend{Worst: m.worst(), Parts: regions}, nil
}

func (m *members) worst() bool { return m.slo.Combine.Rule == "worst" }

func (m *members) checkWeight(check string) float64 {
	if w, ok := m.slo.CheckWeights[check]; ok {
		return w
	}
	return 1
}

// by sorts lines, one for each view, into named parts of which each is a pool.
func (m *members) by(lines []sli.Blend, part func(*view) string, within func(*view) (string, float64)) []sli.Blend {
	parts := []sli.Blend{}
	for i := range lines {
		name := part(&m.views[i])
		k := slices.IndexFunc(parts, func(b sli.Blend) bool { return b.Name == name })
		if k < 0 {
			k = len(parts)
			parts = append(parts, sli.Blend{Name: name, Weight: 1, Parts: []sli.Blend{}})
		}
		lines[i].Name, lines[i].Weight = within(&m.views[i])
		parts[k].Parts = append(parts[k].Parts, lines[i])
	}
	return parts
}

// line counts the slots of a timeline between the cuts.
func (m *members) line(ctx context.Context, v *view) (*sli.Blend, error) {
	_, still := sli.CountDue(v.due, m.w.To, m.w.End)
	b := &sli.Blend{Still: float64(still)}
	if m.read != nil {
		b.Line = m.read.line(population{v.Series, m.measure(v)}, m.w.Cuts)
		return b, nil
	}
	spans, err := m.spans(ctx, v)
	if err != nil {
		return nil, err
	}
	b.Line, err = m.amounts(ctx, v, spans, m.measure(v))
	return b, err
}

// amounts counts the slots of a timeline between the cuts. Latencies are in tallies only.
func (m *members) amounts(ctx context.Context, v *view, spans []sli.Span, x sli.Measure) ([]sli.Amount, error) {
	if x.Indicator != sli.IndicatorLatency {
		var err error
		line := sli.Amounts(m.s.runs(ctx, *v, m.w.Cuts[0], m.w.To, &err), spans, x, m.w.Cuts)
		return line, err
	}
	ts, err := m.s.tallies(ctx, *v, m.w.Cuts, spans)
	line := make([]sli.Amount, len(ts))
	for i := range ts {
		line[i] = ts[i].Amount(x)
	}
	return line, err
}

func (m *members) spans(ctx context.Context, v *view) ([]sli.Span, error) {
	from := m.w.Cuts[0] - longestCell(v.due)
	spans, err := m.s.aside(ctx, v, from, m.w.To)
	corrected := sli.CorrectionSpans(m.corrections, v.Series, from, m.w.To)
	m.corrected = m.corrected || slices.ContainsFunc(corrected, func(x sli.Span) bool { return x.To > m.w.From })
	return append(spans, corrected...), err
}

// track reads how a timeline fared from the slot on whose cell the first cut is in.
func (m *members) track(ctx context.Context, v *view) (sli.Track, error) {
	if m.read != nil {
		return m.read.tracks[population{v.Series, m.measure(v)}], nil
	}
	spans, err := m.spans(ctx, v)
	if err != nil {
		return nil, err
	}
	t := sli.NewTrackOfRuns(m.runs(ctx, v, m.w.Cuts[0]-longestCell(v.due), &err), spans, m.measure(v))
	return t, err
}

// runs reads the slots of a timeline from an instant on: one by one where latencies matter.
func (m *members) runs(ctx context.Context, v *view, from int64, failed *error) iter.Seq[sli.Run] {
	if m.slo.Indicator == sli.IndicatorLatency {
		return sli.Single(m.s.slots(ctx, *v, from, m.w.To, failed))
	}
	return m.s.runs(ctx, *v, from, m.w.To, failed)
}

// tracks reads all timelines, by what key says of each.
func (m *members) tracks(ctx context.Context, key func(*view) string) (names []string, tracks map[string][]sli.Track, err error) {
	tracks = map[string][]sli.Track{}
	for i := range m.views {
		t, err := m.track(ctx, &m.views[i])
		if err != nil {
			return nil, nil, err
		}
		k := key(&m.views[i])
		if tracks[k] == nil {
			names = append(names, k)
		}
		tracks[k] = append(tracks[k], t)
	}
	return names, tracks, nil
}

// along is the line of a track.
func (m *members) along(name string, weight float64, t sli.Track) sli.Blend {
	b := sli.Blend{Name: name, Weight: weight, Still: float64(m.w.End - m.w.To)}
	for i := range len(m.w.Cuts) - 1 {
		b.Line = append(b.Line, t.Amount(m.w.Cuts[i], m.w.Cuts[i+1]))
	}
	return b
}

// quorums makes one track of each check over its regions.
func (m *members) quorums(ctx context.Context) (*sli.Blend, error) {
	checks, tracks, err := m.tracks(ctx, func(v *view) string { return v.Check })
	if err != nil {
		return nil, err
	}
	b := &sli.Blend{Worst: m.slo.Group == sli.GroupWorst, Parts: []sli.Blend{}}
	for _, check := range checks {
		b.Parts = append(b.Parts, m.along(check, m.checkWeight(check), m.slo.Combine.Quorum.Combined(tracks[check])))
	}
	return b, nil
}

// together makes one track of each region, which is good while all checks are.
func (m *members) together(ctx context.Context) (*sli.Blend, error) {
	regions, tracks, err := m.tracks(ctx, func(v *view) string { return v.Region })
	if err != nil {
		return nil, err
	}
	all := sli.Quorum{All: true}
	b := &sli.Blend{Worst: m.worst(), Parts: []sli.Blend{}}
	var votes []sli.Track
	for _, region := range regions {
		t := all.Combined(tracks[region])
		votes = append(votes, t)
		b.Parts = append(b.Parts, m.along(region, m.weights[region], t))
	}
	if q := m.slo.Combine.Quorum; q != nil {
		b.Parts = []sli.Blend{m.along("", 1, q.Combined(votes))}
	}
	return b, nil
}
