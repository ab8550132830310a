package web

import (
	"context"
	"math"
	"runtime"
	"sort"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/sli"
)

// latencyBounds are the buckets of the latency histogram, in seconds. None is a whole number: those are
// written "1" in one format of Prometheus and "1.0" in the other, and a rule that names one misses the other.
var latencyBounds = [...]float64{.005, .01, .02, .03, .05, .075, .1, .15, .2, .3, .5, .75, 1.5, 2.5, 5.5, 10.5}

// totals add up slots that settled. The zero totals are empty.
type totals struct {
	slots     [numVerdicts]int64
	ms        [numVerdicts]int64 // the time they stand for
	due, told int64              // ms as observed, whatever was excluded: all, and with a verdict
	buckets   [len(latencyBounds) + 1]uint64
	latency   float64 // sum, in seconds
}

// numVerdicts is the number of values that sli.Verdict has.
const numVerdicts = int(sli.Excluded) + 1

func (t *totals) add(o *totals) {
	for i := range t.slots {
		t.slots[i] += o.slots[i]
		t.ms[i] += o.ms[i]
	}
	for i := range t.buckets {
		t.buckets[i] += o.buckets[i]
	}
	t.due += o.due
	t.told += o.told
	t.latency += o.latency
}

// totalsOf takes over the counts of a report. Cells are whole milliseconds, and stay so.
func totalsOf(r *sli.Report) totals {
	var t totals
	s := r.Slots
	t.slots[sli.Good], t.slots[sli.Bad], t.slots[sli.Excluded] = s.Good, s.Bad, s.Excluded
	t.slots[sli.None] = s.Inconclusive + s.Missed + s.NoData
	t.ms[sli.Good], t.ms[sli.Bad] = millis(r.Seconds.Good), millis(r.Seconds.Bad)
	t.ms[sli.None], t.ms[sli.Excluded] = millis(r.Seconds.Undecided), millis(r.Seconds.Excluded)
	t.due, t.told = millis(r.Seconds.Due), millis(r.Seconds.Verdict)
	return t
}

func millis(seconds float64) int64 { return int64(math.Round(seconds * 1000)) }

// observe adds the latency of an up slot.
func (t *totals) observe(i sli.Index) {
	x := i.Seconds()
	t.buckets[sort.SearchFloat64s(latencyBounds[:], x)]++
	t.latency += x
}

// read makes totals of reports from an instant on, with the latencies of their up slots.
func (c *Collector) read(ctx context.Context, from int64, now time.Time, reports []sli.Report) (map[sli.Series]totals, error) {
	single, _ := byTimeline(reports)
	out := make([]totals, len(reports))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i := range reports {
		r := &reports[i]
		if r.Region == nil {
			continue
		}
		out[i] = totalsOf(r)
		if r.Outcomes.Up == 0 {
			continue
		}
		g.Go(func() error { return c.latencies(ctx, &out[i], r, recentEnough(r, now)) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	settled := make(map[sli.Series]totals, len(single))
	for i, r := range reports {
		if r.Region != nil {
			settled[sli.Series{Check: r.Check, Region: *r.Region}] = out[i]
		}
	}
	return settled, nil
}

// recentEnough is how many of the last slots reach back to the beginning of a report.
func recentEnough(r *sli.Report, now time.Time) int {
	cell := r.Seconds.Due / float64(r.Slots.Scheduled)
	unsettled := now.Sub(r.To).Seconds() / max(cell, .001)
	return int(r.Slots.Scheduled) + int(unsettled) + 2
}

// latencies observes the up slots of a report, among the last n or as many more as it takes.
func (c *Collector) latencies(ctx context.Context, t *totals, r *sli.Report, n int) error {
	from, to := r.From.UnixMilli(), r.To.UnixMilli()
	for {
		slots, err := c.src.Recent(ctx, r.Check, *r.Region, n)
		if err != nil {
			return err
		}
		// A shorter interval since then puts more slots after the report than were thought.
		if len(slots) == n && slots[0].At >= from {
			n *= 2
			continue
		}
		for _, s := range slots {
			if s.At >= from && s.At < to && s.Outcome == sli.Up {
				t.observe(s.Latency)
			}
		}
		return nil
	}
}
