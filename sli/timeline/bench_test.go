package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// fillDay ingests a day of slots for a number of checks as a running system does: a message a minute, each
// series folded every ten minutes, staggered. It returns the number of slots.
func fillDay(tb testing.TB, s *Store, checks int, interval int64) int {
	tb.Helper()
	days := make([]slots, checks)
	grids := make([]probe.Epoch, checks)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range days {
		days[i] = fullDay(r, s.probers.id("p"), interval)
		grids[i] = probe.Epoch{
			Check: fmt.Sprintf("check-%d", i), From: days[i].entries[0].at, Grid: probe.Grid{Interval: interval, Offset: 25},
			Budget: time.Second, Under: time.Second, Expected: true,
		}
	}
	received := time.UnixMilli(day20000 * dayMillis)
	ingest(tb, s, Message{"tokyo", "p", received, message(tb, "p", probe.Batch{Epochs: grids}).Payload})
	n := 0
	for minute := range 24 * 60 {
		received = received.Add(time.Minute)
		var b probe.Batch
		for i := range days {
			es := days[i].entries
			for len(es) > 0 && es[0].at < received.UnixMilli() {
				b.Results = append(b.Results, probe.Result{
					Check: grids[i].Check, Slot: es[0].at, Outcome: probe.Up, Latency: es[0].rec.latency,
					Under: es[0].rec.under, Attempts: 1, Phases: somePhases(r),
				})
				es = es[1:]
				n++
			}
			days[i].entries = es
		}
		ingest(tb, s, Message{"tokyo", "p", received, message(tb, "p", b).Payload})
		for k := range 6 {
			if err := s.step(tb.Context(), uint32(minute*6+k)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	for k := range foldParts {
		if err := s.step(tb.Context(), uint32(k)); err != nil {
			tb.Fatal(err)
		}
	}
	return n
}

// somePhases are those of an HTTP probe over TLS, each spread by 10 %.
func somePhases(r *rand.Rand) [probe.NumPhases]probe.LatencyIndex {
	ps := noPhases()
	for p, ms := range map[probe.Phase]float64{probe.PhaseResolve: 2, probe.PhaseConnect: 20, probe.PhaseTLS: 30, probe.PhaseWait: 45, probe.PhaseRead: 3} {
		ps[p] = probe.IndexOf(time.Duration(ms * math.Exp(0.1*r.NormFloat64()) * float64(time.Millisecond)))
	}
	return ps
}

// tableSize is what a table and its indexes take of the file.
func tableSize(tb testing.TB, s *Store, table string) int64 {
	tb.Helper()
	var n int64
	err := s.db.read.QueryRowContext(tb.Context(),
		"SELECT SUM(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = $1)", table).Scan(&n)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// fileSize is the size of the database in the folder after a checkpoint, free pages included.
func fileSize(tb testing.TB, s *Store) int64 {
	tb.Helper()
	if _, err := s.db.write.ExecContext(tb.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		tb.Fatal(err)
	}
	i, err := os.Stat(filepath.Join(s.o.Dir, databaseName))
	if err != nil {
		tb.Fatal(err)
	}
	return i.Size()
}

// BenchmarkDiskPerSlot tells how much of the disk a slot takes after a day was taken in and folded, and apart from
// that what the histograms of its phases take.
func BenchmarkDiskPerSlot(b *testing.B) {
	for _, interval := range []int64{10_000, 30_000, 60_000} {
		b.Run(fmt.Sprintf("interval=%ds", interval/1000), func(b *testing.B) {
			for b.Loop() {
				s := openStore(b, b.TempDir(), &clock{time.UnixMilli((day20000 + 1) * dayMillis)})
				n := fillDay(b, s, 200, interval)
				phases := tableSize(b, s, "phases")
				b.ReportMetric(float64(fileSize(b, s)-phases)/float64(n), "B/slot")
				b.ReportMetric(float64(phases)/float64(n), "phases-B/slot")
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReport reports on a day of one check at 10 s from its block.
func BenchmarkReport(b *testing.B) {
	s := openStore(b, b.TempDir(), &clock{time.UnixMilli((day20000 + 1) * dayMillis)})
	defer s.Close()
	fillDay(b, s, 1, 10_000)
	q := sli.Query{Window: 24 * time.Hour}
	for b.Loop() {
		if _, err := s.Reports(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/8640, "ns/slot")
}

// fillMonth makes 28 days of slots at 10 s of a number of checks, all alike, and returns the window they fill but
// for half a day at either end.
func fillMonth(tb testing.TB, s *Store, checks int) sli.Query {
	tb.Helper()
	const days = 28
	day := fullDay(rand.New(rand.NewPCG(1, 2)), s.probers.id("p"), 10_000)
	var b probe.Batch
	for i := range checks {
		b.Epochs = append(b.Epochs, probe.Epoch{
			Check: fmt.Sprintf("check-%d", i), From: day.entries[0].at, Grid: probe.Grid{Interval: 10_000, Offset: 25},
			Budget: time.Second, Under: time.Second, Expected: true,
		})
	}
	m := message(tb, "p", b)
	m.Received = time.UnixMilli(day20000 * dayMillis)
	ingest(tb, s, m)
	for n := range int64(days + 1) {
		var fs []folding
		for i := range checks {
			t := s.timelines.of(sli.Series{Check: fmt.Sprintf("check-%d", i), Region: "tokyo"})
			fs = append(fs, folding{t: t, id: t.id, days: map[int64]slots{day20000 + n: day}})
		}
		putDays(tb, s, fs)
		for i := range day.entries {
			day.entries[i].at += dayMillis
		}
	}
	from := time.UnixMilli(day20000 * dayMillis).Add(12 * time.Hour)
	return sli.Query{From: from, To: from.AddDate(0, 0, days)}
}

// putDays folds one day of each series.
func putDays(tb testing.TB, s *Store, fs []folding) {
	tb.Helper()
	err := s.db.transact(tb.Context(), func(tx *transaction) error {
		for i := range fs {
			if err := s.foldOne(tx, &fs[i]); err != nil {
				return err
			}
			fs[i].t.id = fs[i].id
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkMonth reports on 28 days at 10 s that begin and end within a day, as a window up to now does. From slots
// alone, on two cores, one check took 13 ms and 1,000 took 6.5 s.
func BenchmarkMonth(b *testing.B) {
	for _, checks := range []int{1, 1000} {
		b.Run(fmt.Sprintf("checks=%d", checks), func(b *testing.B) {
			s := openStore(b, b.TempDir(), &clock{time.UnixMilli((day20000 + 30) * dayMillis)})
			defer s.Close()
			q := fillMonth(b, s, checks)
			for b.Loop() {
				if _, err := s.Reports(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/report")
		})
	}
}

// BenchmarkBlock encodes and decodes a day at 10 s.
func BenchmarkBlock(b *testing.B) {
	c := newTestCodec(b)
	s := fullDay(rand.New(rand.NewPCG(1, 2)), c.probers.id("p"), 10_000)
	block := c.encode(day20000, s)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			block = c.encode(day20000, s)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.decode(day20000, block); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkIngest takes in messages of 100 results of as many checks, as 1,000 checks at 10 s send them.
func BenchmarkIngest(b *testing.B) {
	s := openStore(b, b.TempDir(), &clock{noon})
	defer s.Close()
	var batch probe.Batch
	for i := range 100 {
		batch.Results = append(batch.Results, up(fmt.Sprintf("check-%d", i), noon))
	}
	for n := 0; b.Loop(); n++ {
		for i := range batch.Results {
			batch.Results[i].Slot += 10_000
		}
		m := message(b, "p", batch)
		m.Received = noon.Add(time.Duration(n) * 10 * time.Second)
		ingest(b, s, m)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/result")
}

// ingestMessages is how many messages a benchmark has the store take in at a time, as the queue hands them over, and
// ingestRounds how often.
const (
	ingestMessages = 64
	ingestRounds   = 10
)

// secondsOf makes messages of 1,000 checks with one result each, as probers send them that probe as many a second: one
// message for each second. How long they and their phases took is random, since how small messages become counts.
func secondsOf(tb testing.TB, from, n int) []Message {
	tb.Helper()
	var b probe.Batch
	ms := make([]Message, n)
	random := rand.New(rand.NewPCG(uint64(from), uint64(n)))
	for k := range ms {
		at := time.UnixMilli(day20000 * dayMillis).Add(time.Duration(from+k) * time.Second)
		b.Results = b.Results[:0]
		for i := range 1000 {
			r := up(fmt.Sprintf("shop-%04d.frontend", i), at)
			r.Latency = probe.IndexOf(time.Duration((20 + 200*random.Float64()) * float64(time.Millisecond)))
			for p := range 5 {
				r.Phases[p] = r.Latency - probe.LatencyIndex(20+random.IntN(100))
			}
			b.Results = append(b.Results, r)
		}
		ms[k] = message(tb, "p", b)
		ms[k].Received = at.Add(time.Second)
	}
	return ms
}

// BenchmarkIngestMessages takes in messages of 1,000 results of as many checks, commits included, until readers see them,
// and says how many results a second that is, and what part of the promise: 1,000,000 with SQLite and 500,000 with
// PostgreSQL, on two cores. What a fold costs is told beside it: how often it comes is a matter of time, not of results.
func BenchmarkIngestMessages(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkIngest(b, place{Options{Dir: b.TempDir()}}, 1_000_000) })
	b.Run("postgres", func(b *testing.B) { benchmarkIngest(b, place{Options{Database: cluster.Database(b)}}, 500_000) })
}

func benchmarkIngest(b *testing.B, p place, promised float64) {
	s := p.open(b, &clock{time.UnixMilli((day20000 + 1) * dayMillis)})
	defer s.Close()
	n, folds := 0, time.Duration(0)
	round := func() {
		b.StopTimer()
		ms := secondsOf(b, n, ingestMessages)
		begun := time.Now()
		foldAll(b, s)
		folds += time.Since(begun)
		b.StartTimer()
		ingest(b, s, ms...)
		n += ingestMessages
	}
	for b.Loop() {
		for range ingestRounds {
			round()
		}
	}
	rate := float64(n) * 1000 / b.Elapsed().Seconds()
	b.ReportMetric(float64(folds.Nanoseconds())/float64(n)/1000, "fold-ns/result")
	b.ReportMetric(rate, "results/s")
	b.ReportMetric(rate/promised, "of-promise")
	b.ReportMetric(float64(len(new(packer).pack(secondsOf(b, 0, 1)[0].Payload)))/1000, "journal-B/result")
}

// BenchmarkFiveRegions asks for figures of one check in five regions at 10 s over 28 days that end in mid-day: the report, with
// quantiles, an SLO by quorum, and the curve of user-uptime.
func BenchmarkFiveRegions(b *testing.B) {
	now := time.UnixMilli((day20000+29)*dayMillis + 7*3_600_000)
	s := openStore(b, b.TempDir(), &clock{now})
	defer s.Close()
	random := rand.New(rand.NewPCG(1, 2))
	for r := range 5 {
		region := fmt.Sprintf("region-%d", r)
		for day := range int64(30) {
			batch := fullBatch(random, (day20000+day)*dayMillis, int64(r)*2000)
			if day > 0 {
				batch.Epochs = nil
			}
			for len(batch.Results) > 0 {
				part := probe.Batch{Epochs: batch.Epochs, Results: batch.Results[:min(2000, len(batch.Results))]}
				batch.Epochs, batch.Results = nil, batch.Results[len(part.Results):]
				m := in(region, message(b, "p", part))
				m.Received = time.UnixMilli((day20000+day)*dayMillis + dayMillis - 1)
				ingest(b, s, m)
			}
			foldAll(b, s)
		}
	}
	q := sli.Query{Window: 28 * 24 * time.Hour}
	quorum := sli.SLO{Name: "s", Checks: []string{"shop"}, Indicator: "availability", Objective: 0.99, Window: q.Window, Combine: sli.Combine{Rule: "quorum", Quorum: &sli.Quorum{Count: 3}}}
	pooled := quorum
	pooled.Combine = sli.Combine{Rule: "pooled"}
	for name, ask := range map[string]func() error{
		"report":    func() error { _, err := s.Reports(b.Context(), q); return err },
		"pooled":    func() error { _, err := s.SLOs(b.Context(), []sli.SLO{pooled}, now); return err },
		"quorum":    func() error { _, err := s.SLOs(b.Context(), []sli.SLO{quorum}, now); return err },
		"uptime":    func() error { _, err := s.Uptimes(b.Context(), q, nil); return err },
		"incidents": func() error { _, err := s.Incidents(b.Context(), q, sli.Quorum{}, nil); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/answer")
		})
	}
}

// fullBatch is a day of a check at 10 s, of which one slot in a thousand fails.
func fullBatch(random *rand.Rand, from, offset int64) probe.Batch {
	e := probe.Epoch{Check: "shop", From: from + offset, Grid: probe.Grid{Interval: 10_000, Offset: offset}, Budget: time.Second, Expected: true}
	b := probe.Batch{Epochs: []probe.Epoch{e}}
	for at := from + offset; at < from+dayMillis; at += 10_000 {
		x := up("shop", time.UnixMilli(at))
		if random.IntN(1000) == 0 {
			x = down("shop", time.UnixMilli(at))
		}
		x.Latency += probe.LatencyIndex(random.IntN(10))
		b.Results = append(b.Results, x)
	}
	return b
}
