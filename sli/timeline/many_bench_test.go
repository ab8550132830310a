package timeline

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// manyDays are a window of 28 days with half a day at either end.
const manyDays = 29

// BenchmarkTenThousandChecks asks for figures of 10,000 checks in five regions at 60 s over 28 days that begin and end in mid-day,
// as a window up to now does, and says how they are to what is promised: availability in a second, with quantiles in five. Two
// slots of a day fail. Of the days in between there are summaries and outlines and no blocks, which nobody reads.
func BenchmarkTenThousandChecks(b *testing.B) {
	s := openStore(b, b.TempDir(), &clock{time.UnixMilli((day20000+manyDays)*dayMillis - dayMillis/2)})
	defer s.Close()
	fillMany(b, s, 10_000, 5)
	q := sli.Query{From: time.UnixMilli(day20000*dayMillis + dayMillis/2)}
	for _, x := range []struct {
		name, figures string
		promised      time.Duration
	}{{"availability", sli.FiguresAvailability, time.Second}, {"quantiles", "", 5 * time.Second}} {
		b.Run(x.name, func(b *testing.B) {
			q.Figures = x.figures
			for b.Loop() {
				rs, err := s.Reports(b.Context(), q)
				if err != nil || len(rs) != 60_000 || rs[0].Slots.NoData > 1 {
					b.Fatalf("got %d reports, the first with %+v, error %v", len(rs), rs[0].Slots, err)
				}
			}
			took := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(took.Seconds(), "s/answer")
			b.ReportMetric(took.Seconds()/x.promised.Seconds(), "of-promise")
		})
	}
}

// fillMany makes a month of checks in regions, all alike.
func fillMany(b *testing.B, s *Store, checks, regions int) {
	day := fullDay(rand.New(rand.NewPCG(1, 2)), s.probers.id("p"), 60_000)
	for _, i := range []int{500, 1200} {
		day.entries[i].rec = record{outcome: probe.Down, reason: probe.Timeout, latency: probe.NoLatency, attempts: 1, prober: day.entries[i].rec.prober}
	}
	for r := range regions {
		var batch probe.Batch
		for i := range checks {
			batch.Epochs = append(batch.Epochs, probe.Epoch{
				Check: fmt.Sprintf("check-%05d", i), From: day.entries[0].at, Grid: probe.Grid{Interval: 60_000, Offset: 25},
				Budget: time.Second, Under: time.Second, Expected: true,
			})
			if len(batch.Epochs) == 1000 {
				m := in(fmt.Sprintf("region-%d", r), message(b, "p", batch))
				m.Received = time.UnixMilli(day20000 * dayMillis)
				ingest(b, s, m)
				batch.Epochs = batch.Epochs[:0]
			}
		}
	}
	var fs []folding
	for t := range s.timelines.all() {
		fs = append(fs, folding{t: t, id: t.id, days: map[int64]slots{day20000: day, day20000 + manyDays - 1: later29(day)}})
		if len(fs) == 500 {
			putMonth(b, s, fs)
			fs = fs[:0]
		}
	}
	putMonth(b, s, fs)
}

// later29 is the first half of a day as the last one of the month has it.
func later29(day slots) slots {
	var s slots
	for _, e := range day.entries[:len(day.entries)/2] {
		e.at += (manyDays - 1) * dayMillis
		s.entries = append(s.entries, e)
	}
	return s
}

// putMonth folds the days at the ends, and puts summaries and outlines of those in between that are like the first.
func putMonth(b *testing.B, s *Store, fs []folding) {
	putDays(b, s, fs)
	err := s.db.transact(b.Context(), func(tx *transaction) error {
		for i := range fs {
			if err := repeatDays(tx, s, &fs[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func repeatDays(tx *transaction, s *Store, f *folding) error {
	g := groundsOf(f.t.epochs(), f.t.due())
	first, err := s.readSummaries(tx, f.id, pageOf(day20000))
	if err != nil {
		return err
	}
	tally := first[0].data[sealSize:]
	pages, sums := map[int64]dayPage{}, map[int64]dayPage{pageOf(day20000): first}
	for n := range int64(manyDays) {
		day := day20000 + n
		p, ok := pages[pageOf(day)]
		if !ok {
			var err error
			if p, err = s.readOutlines(tx, f.id, pageOf(day)); err != nil {
				return err
			}
		}
		if n > 0 && n < manyDays-1 {
			p = p.with(day, g.sealed(day, p[0].data[sealSize:]))
			sums[pageOf(day)] = sums[pageOf(day)].with(day, append(g.seal(day, tally), tally...))
		}
		pages[pageOf(day)] = p
	}
	for number, p := range sums {
		if err := tx.put("put summaries", dayKey{f.id, number}, p.encode()); err != nil {
			return err
		}
	}
	for number, p := range pages {
		if err := tx.put("put outline", dayKey{f.id, number}, p.encode()); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkQuarter asks for the curve of user-uptime of a check in five regions at 10 s over a quarter that ends in mid-day, and says how
// that is to the promised 10 ms, the read included. Of each region two slots of a day fail.
func BenchmarkQuarter(b *testing.B) {
	const days = 92
	s := openStore(b, b.TempDir(), &clock{time.UnixMilli((day20000+days)*dayMillis - dayMillis/2)})
	defer s.Close()
	for r := range 5 {
		day := fullDay(rand.New(rand.NewPCG(1, uint64(r))), s.probers.id("p"), 10_000)
		for _, i := range []int{1000 + 7*r, 5000 + 300*r} {
			day.entries[i].rec = record{outcome: probe.Down, reason: probe.Timeout, latency: probe.NoLatency, attempts: 1, prober: day.entries[i].rec.prober}
		}
		region := fmt.Sprintf("region-%d", r)
		m := in(region, message(b, "p", probe.Batch{Epochs: []probe.Epoch{{
			Check: "shop", From: day.entries[0].at, Grid: probe.Grid{Interval: 10_000, Offset: 25}, Budget: time.Second, Under: time.Second, Expected: true,
		}}}))
		m.Received = time.UnixMilli(day20000 * dayMillis)
		ingest(b, s, m)
		t := s.timelines.of(sli.Series{Check: "shop", Region: region})
		for n := range int64(days) {
			putDays(b, s, []folding{{t: t, id: t.id, days: map[int64]slots{day20000 + n: day}}})
			for i := range day.entries {
				day.entries[i].at += dayMillis
			}
		}
	}
	q := sli.Query{From: time.UnixMilli(day20000*dayMillis + dayMillis/2)}
	for b.Loop() {
		rs, err := s.Uptimes(b.Context(), q, nil)
		if err != nil || len(rs) != 1 || len(rs[0].Points) < 18 || *rs[0].Points[0].MCR >= 1 {
			b.Fatalf("got %+v, error %v", rs, err)
		}
	}
	took := float64(b.Elapsed().Microseconds()) / float64(b.N) / 1000
	b.ReportMetric(took, "ms/answer")
	b.ReportMetric(took/10, "of-promise")
}
