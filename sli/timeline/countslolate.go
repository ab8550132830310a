package timeline

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// Each SLO is compared with the timelines once in compareEvery, as far back as the days of its window; comparedAtOnce of how many there are is
// how many are at a time.
const (
	compareEvery   = 10 * time.Minute
	comparedAtOnce = 60
)

// compareSome compares the SLOs whose turn it is.
func (r *sloRound) compareSome(ctx context.Context, list []sli.SLO) error {
	var turn []*sli.SLO
	for i := range list {
		if r.now-r.slos[list[i].Name].compared >= compareEvery.Milliseconds() {
			turn = append(turn, &list[i])
		}
	}
	slices.SortStableFunc(turn, func(a, b *sli.SLO) int { return cmp.Compare(r.slos[a.Name].compared, r.slos[b.Name].compared) })
	for _, o := range turn[:min(len(turn), len(list)/comparedAtOnce+1)] {
		if err := r.compare(ctx, o); err != nil {
			return fmt.Errorf("compare what was counted for SLO %s: %w", o.Name, err)
		}
	}
	return nil
}

// compare compares day by day what was counted, or found since, with what the timelines say now. What differs is late.
func (r *sloRound) compare(ctx context.Context, o *sli.SLO) error {
	x := r.slos[o.Name]
	x.compared = r.now
	from, err := r.comparedFrom(o, x)
	if err != nil || from >= r.to {
		return err
	}
	before, err := r.foundBefore(ctx, o.Name, dayOf(from))
	if err != nil {
		return err
	}
	before[x.day] = x.found
	cuts := r.s.cutsOf(o, from, r.to, from)
	amounts, err := r.s.clockAmounts(ctx, o, cuts)
	if err != nil {
		return err
	}
	for i := 0; i < len(amounts); {
		day := dayOf(cuts[i])
		var found clockTime
		for ; i < len(amounts) && dayOf(cuts[i]) == day; i++ {
			found.add(amounts[i])
		}
		was, ok := before[day]
		switch {
		case ok && !was.differs(found):
			continue
		case ok:
			x.become(was, found, r.now)
		}
		if day == x.day {
			x.found = found
		} else {
			r.days = append(r.days, sloDay{o.Name, day, found})
		}
	}
	return nil
}

// comparedFrom is the instant from which an SLO is compared: since it is counted, or from the day on in which its window begins.
func (r *sloRound) comparedFrom(o *sli.SLO, x *objectiveCount) (int64, error) {
	w, err := o.WindowAt(time.UnixMilli(r.to), 0)
	if err != nil {
		return 0, err
	}
	return max(x.since, dayOf(max(w.From, r.s.cutoff()))*dayMillis), nil
}

// foundBefore reads what was found of days from one on. A day that cannot be read is taken for what it is now.
func (r *sloRound) foundBefore(ctx context.Context, slo string, from int64) (map[int64]clockTime, error) {
	days := map[int64]clockTime{}
	err := r.s.dayRows(ctx, r.s.db.read, "slo days", []any{slo, from}, func(day int64, data []byte) error {
		found, err := decodeClockTime(data)
		if err != nil {
			r.s.o.Logger.Error("what was counted of a day is damaged and taken for what it is now", "slo", slo, "day", day, "error", err)
			return nil
		}
		days[day] = found
		return nil
	})
	for i := range r.days { // which this round has ended
		if d := &r.days[i]; d.slo == slo {
			days[d.day] = d.found
		}
	}
	return days, err
}

// differs reports whether two are apart by more than rounding.
func (t clockTime) differs(u clockTime) bool {
	const rounding = 0.5 // ms, of thousands of sums
	for v := range t {
		if math.Abs(t[v]-u[v]) > rounding {
			return true
		}
	}
	return false
}

// become counts as late the least time that must have become another thing for one to become the other. Which of several that are
// less now became which of those that are more is not known: they are told in the order of their numbers.
func (x *objectiveCount) become(was, is clockTime, now int64) {
	var less, more [notDue + 1]float64
	sum := 0.0
	for v := range was {
		d := is[v] - was[v]
		less[v], more[v] = max(-d, 0), max(d, 0)
		sum += d
	}
	less[notDue], more[notDue] = max(sum, 0), max(-sum, 0)
	for w := range less {
		for v := range more {
			if n := min(less[w], more[v]); n > 0 {
				less[w] -= n
				more[v] -= n
				x.add(lateTime{standing(w), standing(v), now, n})
			}
		}
	}
}

func (x *objectiveCount) add(l lateTime) {
	i := slices.IndexFunc(x.late, func(o lateTime) bool { return o.was == l.was && o.is == l.is })
	if i < 0 {
		x.late = append(x.late, l)
		return
	}
	x.late[i].ms += l.ms
}
