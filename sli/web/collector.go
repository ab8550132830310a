package web

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/sli"
)

// A Collector shows timelines to Prometheus. Nothing is counted until somebody scrapes; then every slot that
// settled since the last scrape is counted once, in the state it had settled in. What arrives or is changed
// after that is not counted: it would be a burst into now. Counting starts at the as_of of the Collector's
// making. Every series is born at 0 and what it missed by that comes with the next scrape, since Prometheus
// cannot see the increase of a series that is born with it.
//
//	gaikei_sli_slots_total{check,region,verdict}       slots by how they count: good, bad, none, excluded
//	gaikei_sli_seconds_total{check,region,verdict}     the time they stand for
//	gaikei_latency_seconds{check,region}               classic histogram of up slots, maintenance included
//	gaikei_prober_sli_seconds_total{region,verdict}    due time for which the region came to a verdict (good) or not (bad)
//	gaikei_sli_as_of_timestamp_seconds                 how far the counting has come
//	gaikei_sli_read_failures_total                     scrapes that could not read the timelines and repeated old values
//	gaikei_results_total{check,region,outcome,reason}  arrivals since the start; for diagnosis only
//	gaikei_off_plan_results_total{check,region}        arrivals off the grid in force, never in an SLI
//	gaikei_disagreements_total{check,region}           slots that two probers of a region saw differently
//	gaikei_rejected_messages_total{reason}             messages put aside
//
// availability is good ÷ (good + bad), of gaikei_sli_seconds_total. It is safe for concurrent use.
type Collector struct {
	src  Source
	now  func() time.Time
	made time.Time
	desc descs

	mu       sync.Mutex // guards all below
	started  bool
	asOf     int64 // Unix ms: slots before it are counted
	failures float64
	series   map[sli.Series]*counted
	regions  map[string]*counted
}

// NewCollector makes a Collector of src. It reads nothing yet.
func NewCollector(src Source) *Collector { return newCollector(src, time.Now) }

func newCollector(src Source, now func() time.Time) *Collector {
	return &Collector{
		src: src, now: now, made: now(), desc: newDescs(),
		series: map[sli.Series]*counted{}, regions: map[string]*counted{},
	}
}

// readLimit bounds the reading of one scrape; Prometheus gives up after 10 s by default.
const readLimit = 8 * time.Second

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	// The interface hands over no context.
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.advance(ctx); err != nil {
		// The old values stay true for their as_of; an error here would take all other metrics down as well.
		c.failures++
	}
	c.send(ch)
}

// advance counts what settled since the last time. After an error nothing has changed.
func (c *Collector) advance(ctx context.Context) error {
	now := c.now()
	from, err := c.from(ctx)
	if err != nil {
		return err
	}
	there, err := c.src.Series(ctx)
	if err != nil {
		return err
	}
	reports, err := c.src.Reports(ctx, sli.Query{From: time.UnixMilli(from), To: now, Now: now})
	if err != nil {
		return err
	}
	settled, err := c.read(ctx, from, now, reports)
	if err != nil {
		return err
	}
	c.started, c.asOf = true, from
	if len(reports) > 0 {
		c.asOf = reports[0].To.UnixMilli()
	}
	count(c.series, there, settled)
	byRegion, names := probersOf(there, settled)
	count(c.regions, names, byRegion)
	return nil
}

// from is the instant up to which all is counted: at first the as_of of the Collector's making.
func (c *Collector) from(ctx context.Context) (int64, error) {
	if c.started {
		return c.asOf, nil
	}
	reports, err := c.src.Reports(ctx, sli.Query{Window: time.Minute, Now: c.made})
	return asOfOf(reports, c.made), err
}

// A counted is what is shown of a series, and what is held back until it has been seen at 0.
type counted struct {
	shown, held totals
}

// count adds what settled to what is shown, or holds it back for those seen for the first time.
func count[K comparable](all map[K]*counted, there []K, settled map[K]totals) {
	for _, k := range there {
		t := settled[k]
		if x, ok := all[k]; ok {
			x.shown.add(&x.held)
			x.shown.add(&t)
			x.held = totals{}
		} else {
			all[k] = &counted{held: t}
		}
	}
}

// probersOf adds up by region what settled.
func probersOf(there []sli.Series, settled map[sli.Series]totals) (map[string]totals, []string) {
	sums := map[string]totals{}
	var names []string
	for _, x := range there {
		t, seen := sums[x.Region]
		if !seen {
			names = append(names, x.Region)
		}
		more := settled[x]
		t.due += more.due
		t.told += more.told
		sums[x.Region] = t
	}
	return sums, names
}
