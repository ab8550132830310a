package timeline

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// sloPart is where in table counted the SLOs are.
const sloPart = -1

// An sloCount is what was counted for SLOs.
type sloCount struct {
	upTo, written int64 // Unix ms
	slos          map[string]*objectiveCount
}

// An objectiveCount is time of the clock by how it counts for an SLO. Each time is counted once, when it settles; what is found
// to be different since is late, as for slots. What was found of each day is in table counted_slo, but of the one that goes on.
type objectiveCount struct {
	born     int64 // Unix ms
	ms       clockTime
	mark     uint64 // of what the SLO is about
	since    int64  // Unix ms: from then on it was counted by that
	compared int64  // Unix ms: when it was last compared with the timelines
	day      int64  // that goes on
	found    clockTime
	late     []lateTime
}

// A clockTime is time of the clock in ms, by sli.Verdict.
type clockTime [numVerdicts]float64

// A lateTime is time that was counted as one thing and came to be another.
type lateTime struct {
	was, is standing
	born    int64 // Unix ms
	ms      float64
}

// SetObjectives says for which SLOs is counted from now on. Their checks must be ids. What was counted for one that goes
// on by the same name stays. Those whose amounts cannot be added up are not counted.
func (s *Store) SetObjectives(list []sli.SLO) {
	list = slices.DeleteFunc(slices.Clone(list), func(o sli.SLO) bool { return !o.Additive() })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slos, s.objective = list, true
}

// countObjectives counts for SLOs what settled since the last time, and compares some with the timelines.
func (s *Store) countObjectives(ctx context.Context) error {
	s.mu.RLock()
	list, known := s.slos, s.objective
	s.mu.RUnlock()
	if !known || !s.leading() {
		return nil
	}
	now := s.o.Now()
	asOf := sli.AsOf(now, s.budget(now)).UnixMilli()
	c, gen, err := s.readSLOCount(ctx)
	if err != nil {
		return fmt.Errorf("count for SLOs: %w", err)
	}
	if gen == 0 {
		c = &sloCount{upTo: asOf}
	}
	// As_of may go back for a while, when a check with a longer time budget is added.
	r := sloRound{s: s, was: c, now: now.UnixMilli(), to: max(asOf, c.upTo), slos: map[string]*objectiveCount{}}
	for i := range list {
		if err := r.count(ctx, &list[i]); err != nil {
			return fmt.Errorf("count for SLO %s: %w", list[i].Name, err)
		}
	}
	if err := r.compareSome(ctx, list); err != nil {
		return err
	}
	return r.write(ctx, gen)
}

// An sloRound counts once for all SLOs.
type sloRound struct {
	s    *Store
	was  *sloCount
	now  int64                      // Unix ms
	to   int64                      // Unix ms: time before it has settled
	slos map[string]*objectiveCount // that are counted from now on
	anew []string                   // SLOs of whose days nothing is kept
	days []sloDay                   // to keep
}

// An sloDay is as what the time of a day was counted for an SLO, or found since.
type sloDay struct {
	slo   string
	day   int64
	found clockTime
}

// count counts what has settled since the last round. What settled over lateAfter before, as when nobody counted, is counted as
// undecided, and as what it is when it is compared.
func (r *sloRound) count(ctx context.Context, o *sli.SLO) error {
	from := r.was.upTo
	x := r.was.slos[o.Name]
	if x == nil {
		x = &objectiveCount{born: r.now}
	}
	r.slos[o.Name] = x
	if mark := markOfSLO(o); x.mark != mark {
		x.mark, x.since, x.compared, x.day, x.found = mark, from, r.now, dayOf(from), clockTime{}
		r.anew = append(r.anew, o.Name)
	}
	if from >= r.to {
		return nil
	}
	late := r.to - lateAfter.Milliseconds()
	cuts := r.s.cutsOf(o, from, r.to, max(from, late))
	amounts, err := r.s.clockAmounts(ctx, o, cuts)
	if err != nil {
		return err
	}
	for i, a := range amounts {
		if cuts[i] < late {
			a = sli.Amount{None: a.Good + a.Bad + a.None, Excluded: a.Excluded}
		}
		if day := dayOf(cuts[i]); day != x.day {
			r.days = append(r.days, sloDay{o.Name, x.day, x.found})
			x.day, x.found = day, clockTime{}
		}
		x.ms.add(a)
		x.found.add(a)
	}
	return nil
}

func (t *clockTime) add(a sli.Amount) {
	t[sli.Good] += a.Good
	t[sli.Bad] += a.Bad
	t[sli.None] += a.None
	t[sli.Excluded] += a.Excluded
}

func (t clockTime) amount() sli.Amount {
	return sli.Amount{Good: t[sli.Good], Bad: t[sli.Bad], None: t[sli.None], Excluded: t[sli.Excluded]}
}

// markOfSLO tells apart what SLOs are about.
func markOfSLO(o *sli.SLO) uint64 {
	about := sli.SLO{
		Checks: o.Checks, Regions: o.Regions, Weights: o.Weights, Indicator: o.Indicator, Combine: o.Combine,
		Group: o.Group, CheckWeights: o.CheckWeights,
	}
	h := fnv.New64a()
	_ = json.NewEncoder(h).Encode(about) // a hash takes everything
	return h.Sum64()
}

// cutsOf are the ends of an interval, the midnights and another instant in it, and all instants in it at which a timeline of
// the SLO begins, ends or changes its grid: between two of them, time of the clock is made of the same timelines.
func (s *Store) cutsOf(o *sli.SLO, from, to, at int64) []int64 {
	cuts := []int64{from, to, at}
	for day := dayOf(from) + 1; day*dayMillis < to; day++ {
		cuts = append(cuts, day*dayMillis)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.chosen(sli.Query{Checks: o.Checks, Regions: o.Regions}, sli.Window{From: from, To: to}) {
		for _, seg := range t.due() {
			for _, at := range []int64{seg.From, seg.To} {
				if from < at && at < to {
					cuts = append(cuts, at)
				}
			}
		}
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// clockAmounts tells of an SLO, which must be additive, how the slots between each cut and the next count, in ms of the clock however
// many regions and checks there are. All must have settled.
func (s *Store) clockAmounts(ctx context.Context, o *sli.SLO, cuts []int64) ([]sli.Amount, error) {
	pasts := make([]past, len(cuts)-1)
	for i := range pasts {
		w := sli.SLOWindow{Window: sli.Window{From: cuts[i], To: cuts[i+1]}, End: cuts[i+1], Cuts: cuts[i : i+2]}
		pasts[i] = past{SLOWindow: w, begin: cuts[i]}
	}
	all := spanning(pasts)
	m := s.members(o, &all)
	var err error
	if m.corrections, err = s.corrections(ctx, m.begin(), all.To); err != nil {
		return nil, err
	}
	if m.read, err = m.readOnce(ctx, pasts); err != nil {
		return nil, err
	}
	amounts := make([]sli.Amount, len(pasts))
	for i := range pasts {
		b, err := m.at(&pasts[i]).blend(ctx)
		if err != nil {
			return nil, err
		}
		amounts[i] = b.Clock()
	}
	return amounts, nil
}

func (s *Store) readSLOCount(ctx context.Context) (c *sloCount, gen int64, err error) {
	var data []byte
	err = s.db.read.QueryRowContext(ctx, s.db.queries["count"], sloPart).Scan(&gen, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err == nil {
		c, err = decodeSLOCount(data)
	}
	return c, gen, err
}

// write writes all that was counted and found, if nobody else has counted meanwhile.
func (r *sloRound) write(ctx context.Context, gen int64) error {
	c := &sloCount{upTo: r.to, written: r.now, slos: r.slos}
	for name := range r.was.slos {
		if r.slos[name] == nil {
			r.anew = append(r.anew, name)
		}
	}
	r.s.writing.Lock()
	defer r.s.writing.Unlock()
	err := r.s.folding(ctx, func(tx *transaction) error {
		if err := writeCount(tx, sloPart, gen, c.encode()); err != nil {
			return err
		}
		for _, name := range r.anew {
			if err := tx.exec("forget slo", name); err != nil {
				return err
			}
		}
		for _, d := range r.days {
			if err := tx.exec("put slo day", d.slo, d.day, d.found.encode()); err != nil {
				return err
			}
		}
		return nil
	})
	if r.s.health.note(err) != nil {
		return fmt.Errorf("count for SLOs: %w", err)
	}
	return nil
}

// leading reports whether this process is the one that folds, as far as it knows.
func (s *Store) leading() bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.shared == nil || s.shared.leads
}
