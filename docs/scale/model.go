package main

import (
	"fmt"
	"math"
	"time"
)

// costs are what single things cost. Rates are of a machine with two cores; memory is of the process where it says resident,
// and of the heap else.
type costs struct {
	probe       time.Duration // of a processor, for an HTTP probe: schedule, judge, queue and all
	proberBase  float64       // bytes resident of a prober with few checks
	proberCheck float64       // bytes resident for each check more
	idle        [2]float64    // bytes of live heap for each idle check: of `gaikei run`, and of a prober alone
	message     float64       // bytes of a result in a message of 1,000
	journal     float64       // bytes of it in the journal
	ingest      [2]float64    // results a second from the far queue to a commit, by store
	storeBase   float64       // bytes resident of an aggregator with few timelines
	timeline    float64       // bytes of a timeline whose tail is empty
	tailResult  float64       // bytes of a result in a tail
	slot        [2]float64    // bytes of the disk for a slot, at 10 s and at 60 s
	phases      [2]float64    // bytes of the disk for its phases
	sustained   [2]float64    // parts of a core that 20,000 results a second take, fold and all, by store
}

// The stores, as indices.
const (
	sqlite = iota
	postgres
)

// sustainedRate is how many results a second costs.sustained is for.
const sustainedRate = 20_000

// Assumptions of ours, as opposed to what is measured.
const (
	tailTime  = 10 * time.Minute // of results in memory, see ARCHITECTURE.md
	kept      = 400              // days
	headroom  = 1.5              // how many times more everything could bear than it is planned for
	collected = 2                // resident memory over live heap, with Go's usual garbage collection
	mostStore = 64e9             // bytes of memory of an aggregator's machine
	mostCores = 8                // of a prober's machine
	oneFile   = 100e9            // bytes of a SQLite file that is still easily copied for a backup
)

// A workload is what is to be watched.
type workload struct {
	checks, regions int
	interval        time.Duration
}

// A plan is what to deploy. All but rate is of one installation.
type plan struct {
	workload
	rate          float64 // results a second, in all
	installations int     // that share the checks, each with a prober or two in every region

	store        int
	proberCores  float64
	proberMemory float64 // bytes
	linkBytes    float64 // a second, from one prober
	storeCores   float64
	storeMemory  float64 // bytes
	disk         float64 // bytes
	journalHour  float64 // bytes
}

// plan finds the fewest installations that bear a workload with room to spare.
func (c costs) plan(w workload) plan {
	for n := 1; ; n = next(n) {
		if p := c.divided(w, n); p.fits(c) {
			return p
		}
	}
}

// next is where to look on: every number at first, and then in steps of a tenth.
func next(n int) int { return n + max(1, n/10) }

// divided is the plan for n installations, whether they bear it or not.
func (c costs) divided(w workload, n int) plan {
	seconds := w.interval.Seconds()
	checks := math.Ceil(float64(w.checks) / float64(n))
	series := checks * float64(w.regions)
	rate := series / seconds
	size := c.slot[nearest(w.interval)] + c.phases[nearest(w.interval)]
	p := plan{
		workload: w, installations: n,
		rate:         float64(w.checks) * float64(w.regions) / seconds,
		proberCores:  headroom * checks / seconds * c.probe.Seconds(),
		proberMemory: c.proberBase + checks*c.proberCheck,
		linkBytes:    checks / seconds * c.message,
		storeMemory:  c.storeBase + collected*series*(c.timeline+tailTime.Seconds()/seconds*c.tailResult),
		disk:         series * 86_400 / seconds * kept * size,
		journalHour:  rate * 3600 * c.journal,
	}
	if p.disk > oneFile || headroom*rate > c.atMost(sqlite) {
		p.store = postgres
	}
	p.storeCores = headroom * rate * c.sustained[p.store] / sustainedRate
	return p
}

// nearest is the index of costs that were measured at 10 s and at 60 s.
func nearest(interval time.Duration) int {
	if interval < 30*time.Second {
		return 0
	}
	return 1
}

// atMost is how many results a second a store can take in and fold for ever, which one writer does on one core.
func (c costs) atMost(store int) float64 {
	return min(c.ingest[store], sustainedRate/c.sustained[store])
}

// fits reports whether the installation bears its part.
func (p plan) fits(c costs) bool {
	rate := p.rate / float64(p.installations)
	return headroom*rate <= c.atMost(p.store) && p.storeMemory <= mostStore && p.proberCores <= mostCores
}

// kind says what an installation consists of.
func (p plan) kind() string {
	if p.store == sqlite {
		return "SQLite, one aggregator, its own queue"
	}
	return "PostgreSQL, two aggregators, NATS cluster of three"
}

// A line is a cost as it is shown.
type line struct{ what, value, source string }

func (c costs) lines() []line {
	perStore := func(x [2]float64) string {
		return fmt.Sprintf("%s/s with SQLite, %s/s with PostgreSQL", number(x[sqlite], ""), number(x[postgres], ""))
	}
	perInterval := func(x [2]float64) string { return fmt.Sprintf("%.2f B at 10 s, %.2f B at 60 s", x[0], x[1]) }
	return []line{
		{"an HTTP probe, all in", fmt.Sprintf("%d µs of a processor", c.probe.Microseconds()), "`BenchmarkProbeCost`"},
		{"a prober with 1,000 checks", number(c.proberBase+1000*c.proberCheck, "B"), "`BenchmarkProberMemory`"},
		{"each check more", number(c.proberCheck, "B"), "the same with `GAIKEI_BENCH_CHECKS=10000`"},
		{"an idle check, live heap", fmt.Sprintf("%s in `gaikei run`, %s in a prober alone", number(c.idle[0], "B"), number(c.idle[1], "B")), "`BenchmarkIdleCheck`"},
		{"a result on its way", fmt.Sprintf("%.0f B", c.message), "`BenchmarkMarshal`, 1,000 results a message"},
		{"the same in the journal, packed", fmt.Sprintf("%.0f B", c.journal), "`BenchmarkIngestMessages`"},
		{"from the far queue to a commit, two cores", perStore(c.ingest), "`BenchmarkEndToEnd`"},
		{"20,000 results a second, fold and all", fmt.Sprintf("%.2f of a core with SQLite, %.2f with PostgreSQL beside it", c.sustained[sqlite], c.sustained[postgres]), "`BenchmarkSustained`"},
		{"an aggregator with few timelines", number(c.storeBase, "B"), "`BenchmarkProberMemory`"},
		{"a timeline in memory", fmt.Sprintf("%.0f B", c.timeline), "`BenchmarkSustained`, `BenchmarkTimelineMemory`"},
		{"a result in a tail", fmt.Sprintf("%.0f B", c.tailResult), "`BenchmarkSustained`"},
		{"a slot on the disk", perInterval(c.slot), "`BenchmarkDiskPerSlot`"},
		{"its phases", perInterval(c.phases), "`BenchmarkDiskPerSlot`"},
	}
}
