package sli_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

const month = 28 * 24 * 3600 * 1000 // ms

// aMonth is 28 days of slots of 10 s: latencies spread by half, a failure in a thousand, a hole now and then.
func aMonth() []sli.Slot {
	segs := sli.Timetable([]sli.Epoch{{Prober: "p", Interval: 10_000}})
	var slots []sli.Slot
	for at, cell := range sli.Due(segs, 0, month) {
		s := sli.Slot{At: at, Cell: cell, Outcome: sli.Up, Latency: sli.Index(-160 + len(slots)%50), Under: true, Attempts: 1}
		switch {
		case len(slots)%1000 == 7:
			s.Outcome, s.Reason, s.Latency, s.Under = sli.Down, "timeout", sli.NoLatency, false
		case len(slots)%5000 == 9:
			s.Outcome, s.Latency, s.Under = sli.NoData, sli.NoLatency, false
		}
		slots = append(slots, s)
	}
	return slots
}

func aWeekly() []sli.Span {
	m := sli.Maintenance{Cron: "0 3 * * SUN", For: 2 * time.Hour}
	spans, err := m.Occurrences(0, month)
	if err != nil {
		panic(err)
	}
	return spans
}

// All figures of a check in a region over 28 days at 10 s, from raw slots.
func BenchmarkMonthOfSlots(b *testing.B) {
	slots, spans := aMonth(), aWeekly()
	b.ReportAllocs()
	for b.Loop() {
		var t sli.Tally
		t.AddAll(slices.Values(slots), spans)
		sli.RegionReport(sli.Window{}, sli.Subject{Under: time.Second}, sli.Part{Tally: &t})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(slots)), "ns/slot")
}

// The same from a tally a day, which is what a store may keep.
func BenchmarkMonthOfDays(b *testing.B) {
	const days = 28
	slots, spans := aMonth(), aWeekly()
	var tallies []*sli.Tally
	for day := range slices.Chunk(slots, len(slots)/days) {
		tallies = append(tallies, tallyOf(day, spans))
	}
	b.ReportAllocs()
	for b.Loop() {
		sli.RegionReport(sli.Window{}, sli.Subject{Under: time.Second}, sli.Part{Tally: merge(tallies...)})
	}
}

func BenchmarkDue(b *testing.B) {
	segs := sli.Timetable([]sli.Epoch{{Prober: "p", Interval: 10_000}})
	n := 0
	for b.Loop() {
		for range sli.Due(segs, 0, month) {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/slot")
}
