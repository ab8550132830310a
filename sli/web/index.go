package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// The front page: every check by region.

// An indexPage is what tmpl/index.html shows.
type indexPage struct {
	frame
	Faults  []string // of Gaikei itself
	Probers []proberRow
	Present []presenceRow
	Outlook []string // what regions see together, a sentence each
	SLOs    []sloRow
	Counts  []stateCount
	Blocks  []block
	Hidden  int // checks that the filter leaves out
	Filter  filter
	Regions []string // to choose from
	Groups  []string // likewise; none if no check has any
	Slots   int
}

// A proberRow tells whether a region was able to see.
type proberRow struct {
	Region string
	Report sli.ProberReport
	SLI    figure
	Full   bool // every due slot came to a verdict
}

// A stateCount counts checks by state.
type stateCount struct {
	State state
	N     int
}

// A block is one check with its regions.
type block struct {
	Check        Check
	Labels       []string
	State        state
	Gone         bool // in the timelines, and no longer in the configuration
	Pooled       *sli.Report
	Availability figure
	Coverage     figure
	Rows         []row
}

// A filter says which checks to show. The zero filter shows all.
type filter struct {
	Text      string // in id, name, target, groups or labels
	Group     string
	Region    string
	Attention string // "attention": only those that are not as expected
}

func (f filter) wants(b *block) bool {
	if f.Attention != "" && b.State == stateGood {
		return false
	}
	if f.Group != "" && !slices.Contains(b.Check.Groups, f.Group) {
		return false
	}
	text := strings.Join(slices.Concat([]string{b.Check.ID, b.Check.Name, b.Check.Target}, b.Check.Groups, b.Labels), "\n")
	return strings.Contains(strings.ToLower(text), strings.ToLower(f.Text))
}

func (s *server) index(w http.ResponseWriter, r *http.Request) {
	page, err := s.indexPage(r)
	if err != nil {
		s.fail(w, problemOf(err))
		return
	}
	s.render(w, http.StatusOK, "index.html", page)
}

func (s *server) indexPage(r *http.Request) (*indexPage, error) {
	v, err := values(r, indexParameters...)
	if err != nil {
		return nil, err
	}
	f, err := filterOf(v)
	if err != nil {
		return nil, err
	}
	q, err := s.query(url.Values{"window": v["window"]})
	if err != nil {
		return nil, err
	}
	page := &indexPage{Filter: f, Slots: recentSlots, Faults: s.Faults()}
	return page, s.fillIndex(r.Context(), page, q, v)
}

func filterOf(v url.Values) (filter, error) {
	f := filter{Text: v.Get("q"), Region: v.Get("region"), Group: v.Get("group")}
	switch show := v.Get("show"); show {
	case "", "all":
	case "attention":
		f.Attention = show
	default:
		p := badParameter("show", show, "unknown value")
		p.Want = "all or attention"
		return f, p
	}
	return f, nil
}

func (s *server) fillIndex(ctx context.Context, page *indexPage, q sli.Query, v url.Values) error {
	all, err := s.series(ctx)
	if err != nil {
		return err
	}
	page.Regions = regionsIn(all)
	if f := page.Filter.Region; f != "" {
		if err := known("region", f, page.Regions); err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(x sli.Series) bool { return x.Region != f })
	}
	page.Groups = groupsIn(s.Catalog())
	if f := page.Filter.Group; f != "" {
		if err := known("group", f, page.Groups); err != nil {
			return err
		}
	}
	reports, err := s.Source.Reports(ctx, q)
	if err != nil {
		return err
	}
	probers, err := s.Source.Probers(ctx, q)
	if err != nil {
		return err
	}
	asOf := s.asOf(reports, q.Now)
	single, pooled := byTimeline(reports)
	seen, err := s.newView(ctx, q.Now, asOf)
	if err != nil {
		return err
	}
	rows, err := s.rows(ctx, all, single, seen)
	if err != nil {
		return err
	}
	page.Probers = proberRows(probers, page.Regions)
	page.Present = s.presenceRows(q.Now)
	outlook, err := s.Source.Outlook(ctx)
	if err != nil {
		return err
	}
	page.Outlook = sentences(outlook)
	if page.SLOs, err = s.sloRows(ctx, q.Now); err != nil {
		return err
	}
	page.fillBlocks(s.blocks(rows, pooled))
	page.frame = s.frame(frameOptions{title: "Gaikei", now: q.Now, asOf: asOf, query: v, rows: len(rows)})
	return nil
}

// sentences says what an outlook amounts to.
func sentences(o sli.Outlook) []string {
	var out []string
	for _, i := range o.Islands {
		out = append(out, fmt.Sprintf("Region %s may be an island: %d of %d checks are bad from there alone and good from everywhere else, so look at the region and its network first.", i.Region, i.Alone, i.Of))
	}
	for _, p := range o.Peninsulas {
		out = append(out, fmt.Sprintf("Check %s has a partial outage: bad from %s, good from %s.", p.Check, strings.Join(p.Bad, ", "), strings.Join(p.Good, ", ")))
	}
	return out
}

// A presenceRow is how a prober elsewhere fares.
type presenceRow struct {
	Presence
	Class string // of the stylesheet
	Heard string // how long ago
	Plan  string
	Clock string
	Queue string
}

// presenceRows shows the probers elsewhere, none if there are none.
func (s *server) presenceRows(now time.Time) []presenceRow {
	if s.Roster == nil {
		return nil
	}
	var rows []presenceRow
	for _, p := range s.Roster.Present() {
		r := presenceRow{Presence: p, Class: "full", Heard: "never", Plan: fmt.Sprintf("plan %d", p.Revision), Queue: fmt.Sprintf("%d queued", p.QueuePending)}
		if p.State != ProberPresent {
			r.Class = "none"
		} else if p.Revision != p.Newest || p.Refused > 0 || p.PlanError != "" || len(p.Faults) > 0 {
			r.Class = "part"
		}
		if p.Heard != nil {
			r.Heard = ago(now.Sub(*p.Heard)) + " ago"
		}
		if p.Revision != p.Newest {
			r.Plan += fmt.Sprintf(" of %d", p.Newest)
		}
		if p.ClockOffset != nil {
			r.Clock = fmt.Sprintf("clock %+.3f s", *p.ClockOffset)
		}
		rows = append(rows, r)
	}
	return rows
}

// proberRows shows the regions in the order in which the checks have them.
func proberRows(reports []sli.ProberReport, order []string) []proberRow {
	var rows []proberRow
	for _, r := range reports {
		rows = append(rows, proberRow{Region: r.Region, Report: r, SLI: proberSLI(&r), Full: r.Ratio != nil && *r.Ratio == 1})
	}
	slices.SortStableFunc(rows, func(a, b proberRow) int {
		return slices.Index(order, a.Region) - slices.Index(order, b.Region)
	})
	return rows
}

// blocks groups rows by check: those configured in their order, then those that only have a past.
func (s *server) blocks(rows []row, pooled map[string]*sli.Report) []block {
	var blocks []block
	at := map[string]int{}
	for _, c := range s.Catalog() {
		at[c.ID] = len(blocks)
		blocks = append(blocks, newBlock(c, pooled[c.ID]))
	}
	for _, r := range rows {
		i, ok := at[r.Check]
		if !ok {
			i = len(blocks)
			at[r.Check] = i
			blocks = append(blocks, newBlock(Check{ID: r.Check, Name: r.Check}, pooled[r.Check]))
			blocks[i].Gone = true
		}
		r.Expect = blocks[i].Check.Expect[r.Region]
		blocks[i].Rows = append(blocks[i].Rows, r)
	}
	for i := range blocks {
		blocks[i].State = blockState(&blocks[i])
	}
	return blocks
}

func newBlock(c Check, pooled *sli.Report) block {
	b := block{Check: c, Pooled: pooled}
	for _, k := range sortedKeys(c.Labels) {
		b.Labels = append(b.Labels, k+"="+c.Labels[k])
	}
	if pooled == nil {
		pooled = &sli.Report{}
	}
	b.Availability, b.Coverage = availability(pooled), coverage(pooled)
	return b
}

// blockState is that of the most urgent region.
func blockState(b *block) state {
	if b.Gone || !b.Check.Enabled {
		return stateOff
	}
	st := stateNew
	for _, r := range b.Rows {
		st = min(st, r.State)
	}
	return st
}

// fillBlocks counts all checks, and shows those that are wanted, the most urgent first.
func (p *indexPage) fillBlocks(blocks []block) {
	counts := map[state]int{}
	for _, b := range blocks {
		// A region was chosen, and this check is not looked at from there.
		if p.Filter.Region != "" && len(b.Rows) == 0 {
			continue
		}
		counts[b.State]++
		if p.Filter.wants(&b) {
			p.Blocks = append(p.Blocks, b)
		} else {
			p.Hidden++
		}
	}
	slices.SortStableFunc(p.Blocks, func(a, b block) int { return int(a.State) - int(b.State) })
	for st := stateBad; st <= stateOff; st++ {
		if counts[st] > 0 {
			p.Counts = append(p.Counts, stateCount{st, counts[st]})
		}
	}
}

// groupsIn returns the groups of these checks by name.
func groupsIn(all []Check) []string {
	var groups []string
	for _, c := range all {
		groups = append(groups, c.Groups...)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// regionsIn returns the regions of these timelines in order of first sight.
func regionsIn(all []sli.Series) []string {
	var regions []string
	for _, x := range all {
		if !slices.Contains(regions, x.Region) {
			regions = append(regions, x.Region)
		}
	}
	return regions
}
