package web

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/sli"
)

// A state sums up a timeline or a check, by what came last.
type state uint8

// The states, the most urgent first: this is the order of the page.
const (
	stateBad   state = iota // the last verdict is bad
	stateBlind              // the last slot has no verdict
	stateGood               // the last verdict is good
	stateNew                // nothing is known yet
	stateOff                // not looked at: disabled, or no longer configured
)

// Class is the state's class in the stylesheet.
func (s state) Class() string {
	return [...]string{"bad", "blind", "good", "new", "off"}[s]
}

// Words say what the state means.
func (s state) Words() string {
	return [...]string{"not as expected", "we cannot tell", "as expected", "nothing known yet", "not looked at"}[s]
}

// A row is one check in one region as the page shows it.
type row struct {
	Check, Region string
	Expect        string // empty if not in the configuration
	State         state
	Now           glyph  // what came last
	NowReason     string // and why
	Strip         strip
	Report        *sli.Report // nil: nothing was due in the window
	Availability  figure
	Coverage      figure
	P50, P95      figure
	Failure       *evidenceView // the last one, if any is known
}

// newRow makes a row out of what is known of a timeline.
func newRow(x sli.Series, report *sli.Report, marks []mark) row {
	r := row{Check: x.Check, Region: x.Region, State: stateNew, Report: report, Strip: stripOf(marks, recentSlots)}
	for i := len(marks) - 1; i >= 0 && r.State == stateNew; i-- {
		r.Now, r.NowReason = marks[i].glyph, marks[i].Reason
		r.State = stateOf(r.Now)
	}
	if report == nil {
		report = &sli.Report{}
	}
	r.Availability, r.Coverage = availability(report), coverage(report)
	r.P50, r.P95 = quantile(report, "0.5"), quantile(report, "0.95")
	if report.Slots.Scheduled == 0 && len(marks) > 0 {
		r.Availability.Why = "nothing has settled yet"
	}
	return r
}

func stateOf(g glyph) state {
	switch g {
	case glyphUp, glyphUnreachable:
		return stateGood
	case glyphDown, glyphUnexpected:
		return stateBad
	case glyphPending:
		return stateNew
	}
	return stateBlind
}

// recentSlots is how many slots a strip of the front page shows.
const recentSlots = 60

// troubled reports whether anything in sight was not good, so that there may be evidence to show.
func (r *row) troubled() bool {
	if r.Report != nil && r.Report.Slots.Bad+r.Report.Slots.Inconclusive > 0 {
		return true
	}
	for _, run := range r.Strip.Runs {
		if run.Glyph == glyphDown || run.Glyph == glyphUnexpected || run.Glyph == glyphInconclusive {
			return true
		}
	}
	return false
}

// A view is the moment that a page is about.
type view struct {
	now     time.Time
	asOf    int64 // Unix ms
	changes map[sli.Series][]sli.Change
}

// changesFor is how far back changes are looked for: strips are seldom longer.
const changesFor = 24 * time.Hour

// newView reads what the configuration changed of these checks of late; of all if none is named.
func (s *server) newView(ctx context.Context, now time.Time, asOf int64, checks ...string) (view, error) {
	v := view{now: now, asOf: asOf, changes: map[sli.Series][]sli.Change{}}
	changes, err := s.Source.Changes(ctx, sli.Query{Checks: checks, From: now.Add(-changesFor), To: now.Add(time.Minute), Now: now})
	for _, c := range changes {
		x := sli.Series{Check: c.Check, Region: c.Region}
		v.changes[x] = append(v.changes[x], c)
	}
	return v, err
}

// rows reads the rows of these timelines, several at a time.
func (s *server) rows(ctx context.Context, all []sli.Series, reports map[sli.Series]*sli.Report, v view) ([]row, error) {
	out := make([]row, len(all))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, x := range all {
		g.Go(func() error {
			marks, err := s.recent(ctx, x, recentSlots, v)
			if err != nil {
				return err
			}
			out[i] = newRow(x, reports[x], marks)
			if !out[i].troubled() {
				return nil
			}
			out[i].Failure, err = s.lastFailure(ctx, x, v.now)
			return err
		})
	}
	return out, g.Wait()
}

// recent reads the last n slots and how they are drawn.
func (s *server) recent(ctx context.Context, x sli.Series, n int, v view) ([]mark, error) {
	slots, err := s.Source.Recent(ctx, x.Check, x.Region, n)
	if err != nil || len(slots) == 0 {
		return nil, err
	}
	spans, err := s.Source.Spans(ctx, x, slots[0].At, slots[len(slots)-1].At+1)
	marks := marksOf(slots, spans, v.asOf)
	tell(marks, v.changes[x])
	return marks, err
}

// lookBack is how many pieces of evidence are searched for the last failure: recoveries leave evidence too.
const lookBack = 8

func (s *server) lastFailure(ctx context.Context, x sli.Series, now time.Time) (*evidenceView, error) {
	es, err := s.Source.Evidence(ctx, x.Check, x.Region, lookBack)
	if err != nil {
		return nil, err
	}
	for _, e := range es {
		if stateOf(glyphNamed(e.Outcome)) != stateGood {
			v := viewEvidence(x.Region, e, now)
			return &v, nil
		}
	}
	return nil, nil
}

// byTimeline sorts reports out: those of one region, and those over the regions by check.
func byTimeline(reports []sli.Report) (single map[sli.Series]*sli.Report, pooled map[string]*sli.Report) {
	single, pooled = map[sli.Series]*sli.Report{}, map[string]*sli.Report{}
	for i := range reports {
		r := &reports[i]
		if r.Region != nil {
			single[sli.Series{Check: r.Check, Region: *r.Region}] = r
		} else {
			pooled[r.Check] = r
		}
	}
	return single, pooled
}

// asOfOf returns the as_of of reports, or another instant if there is none.
func asOfOf(reports []sli.Report, otherwise time.Time) int64 {
	if len(reports) == 0 {
		return otherwise.UnixMilli()
	}
	return reports[0].AsOf.UnixMilli()
}

// asOf is that of the reports. Just after the first start there is none, and yet the slots that are being
// probed must not be shown as holes.
func (s *server) asOf(reports []sli.Report, now time.Time) int64 {
	var longest time.Duration
	for _, c := range s.Catalog() {
		longest = max(longest, c.Timeout)
	}
	return asOfOf(reports, sli.AsOf(now, longest))
}
