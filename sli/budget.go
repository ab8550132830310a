package sli

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A Span of an SLO: the window that it is about now, the one before, and those whose burn rates are told. All cuts lie in Cuts,
// ascending, so that one pass over the timelines counts for all of them.
type SLOWindow struct {
	Window
	Before [2]int64      // the window before it, [from, to) in Unix ms
	End    int64         // when a calendar's unit is over; To of a rolling window
	Length time.Duration // of the window, of a calendar's unit about
	Burns  []BurnWindow
	Cuts   []int64
}

// A BurnWindow is a pair of windows that end at as_of. An alert is due while both burn faster than Factor times the rate at which
// the budget lasts exactly for the SLO's window: the long one says that it matters, the short one that it still goes on.
type BurnWindow struct {
	Long, Short time.Duration
	Factor      float64
	Severity    string // "page" or "ticket"
}

// burnWindows are the pairs for a window of 30 days; they scale with it, and so each stands for the same share of the budget.
//
// Source: Beyer et al., "The Site Reliability Workbook", 2018, chapter 5, table 5-8.
var burnWindows = []BurnWindow{
	{time.Hour, 5 * time.Minute, 14.4, severityPage},
	{6 * time.Hour, 30 * time.Minute, 6, severityPage},
	{24 * time.Hour, 2 * time.Hour, 3, severityTicket},
	{72 * time.Hour, 6 * time.Hour, 1, severityTicket},
}

// BurnWindows are the pairs for an SLO over a window of this length, in whole minutes. None is shorter than a cell: there would
// mostly be no slot in it.
func BurnWindows(length, cell time.Duration) []BurnWindow {
	const of = 30 * 24 * time.Hour
	scaled := func(d time.Duration) time.Duration {
		minutes := (int64(d/time.Minute)*int64(length/time.Minute) + int64(of/time.Minute)/2) / int64(of/time.Minute)
		return max(1, time.Duration(minutes)) * time.Minute
	}
	least := (cell + time.Minute - 1).Truncate(time.Minute)
	bs := slices.Clone(burnWindows)
	for i := range bs {
		bs[i].Long, bs[i].Short = max(least, scaled(bs[i].Long)), max(least, scaled(bs[i].Short))
	}
	return bs
}

// Length is how long the SLO's window is; of a calendar's unit about.
func (s *SLO) Length() time.Duration {
	if s.Calendar != "" {
		return nominal(s.Calendar)
	}
	return s.Window
}

// WindowAt resolves the window of the SLO at as_of, for checks whose longest cell is given. It fails only where Validate does.
func (s *SLO) WindowAt(asOf time.Time, cell time.Duration) (SLOWindow, error) {
	w := SLOWindow{Window: Window{To: asOf.UnixMilli(), AsOf: asOf.UnixMilli(), Settled: true}, Length: s.Length()}
	if s.Calendar == "" {
		w.From, w.End = w.To-s.Window.Milliseconds(), w.To
		w.Before = [2]int64{w.From - s.Window.Milliseconds(), w.From}
	} else {
		zone, err := time.LoadLocation(s.Timezone)
		if err != nil {
			return w, fmt.Errorf("SLO %s: timezone %q: %w", s.Name, s.Timezone, err)
		}
		from, end, err := Calendar(s.Calendar, zone, asOf)
		if err != nil {
			return w, fmt.Errorf("SLO %s: %w", s.Name, err)
		}
		before, _, err := Calendar(s.Calendar, zone, from.Add(-time.Millisecond))
		if err != nil {
			return w, fmt.Errorf("SLO %s: %w", s.Name, err)
		}
		w.From, w.End = from.UnixMilli(), end.UnixMilli()
		w.Before = [2]int64{before.UnixMilli(), w.From}
	}
	w.Burns = BurnWindows(w.Length, cell)
	w.cut()
	return w, nil
}

func (w *SLOWindow) cut() {
	w.Cuts = []int64{w.Before[0], w.From, w.To}
	for _, b := range w.Burns {
		w.Cuts = append(w.Cuts, max(w.Before[0], w.To-b.Long.Milliseconds()), max(w.Before[0], w.To-b.Short.Milliseconds()))
	}
	slices.Sort(w.Cuts)
	w.Cuts = slices.Compact(w.Cuts)
}

// NotBefore leaves out what is before an instant, which was deleted and must not count as no data. A window before that is not
// whole is none.
func (w *SLOWindow) NotBefore(at int64) {
	w.From = min(w.To, max(w.From, at))
	if w.Before[0] < at {
		w.Before = [2]int64{w.From, w.From}
	}
	w.cut()
}

// between is the amount of a blend in [from, to), which must both be cuts.
func (w *SLOWindow) between(b *Blend, from, to int64) (Amount, string) {
	i, _ := slices.BinarySearch(w.Cuts, from)
	k, _ := slices.BinarySearch(w.Cuts, to)
	return b.Between(i, k)
}

// An SLOReport tells how an SLO stands at as_of. Undefined figures are null.
type SLOReport struct {
	SchemaVersion int       `json:"schema_version"`
	Name          string    `json:"slo"`
	Indicator     string    `json:"indicator"`
	Checks        []string  `json:"checks"`
	Regions       []string  `json:"regions"`
	Combine       string    `json:"combine"` // pooled, worst, or quorum and how many
	Group         string    `json:"group"`   // pooled, worst or all
	Objective     float64   `json:"objective"`
	Provisional   bool      `json:"provisional"`
	Calendar      *string   `json:"calendar"` // null: the window rolls along
	From          time.Time `json:"from"`
	To            time.Time `json:"to"`
	End           time.Time `json:"end"` // when the window is over; to, if it rolls along
	AsOf          time.Time `json:"as_of"`

	SLI             *float64 `json:"sli"`
	IfUndecidedBad  *float64 `json:"if_undecided_bad"`
	IfUndecidedGood *float64 `json:"if_undecided_good"`
	Decided         *float64 `json:"decided"`  // the share of the time that is not excluded which came to a verdict
	Standing        *string  `json:"standing"` // the region or check that stands for all, where the worst one does
	Before          *float64 `json:"before"`   // the SLI of the window before
	Observed        *float64 `json:"observed"` // the SLI without corrections; null if there are none

	Budget     Budget     `json:"budget"`
	Burn       []BurnRate `json:"burn"`
	Exhaustion *float64   `json:"exhaustion_seconds"` // until the budget is spent at the rate of the third burn window; null: it lasts for the window
	Decision   Decision   `json:"decision"`
}

// A Budget is how much may go wrong. Left is 1 when nothing did, 0 when all is spent, and negative beyond.
type Budget struct {
	Left         *float64 `json:"left"`
	LeftBefore   *float64 `json:"left_before"`   // of the window before, at its end
	TotalSeconds *float64 `json:"total_seconds"` // of full outage, as a clock shows it
	SpentSeconds *float64 `json:"spent_seconds"`
	TotalSlots   *float64 `json:"total_slots"` // of all regions and checks; null of a quorum, where all must hold, and of latency
	SpentSlots   *int64   `json:"spent_slots"`
}

// A BurnRate is how fast the budget was spent; 1 is the rate at which it lasts exactly for the window. Null: nothing was valid.
type BurnRate struct {
	LongSeconds  float64  `json:"long_seconds"`
	ShortSeconds float64  `json:"short_seconds"`
	Long         *float64 `json:"long"`
	Short        *float64 `json:"short"`
	Factor       float64  `json:"factor"`
	Severity     string   `json:"severity"`
	Alert        bool     `json:"alert"` // both are at or above the factor
}

// NewSLOReport computes everything about an SLO from a blend over the cuts of its window. observed is the same without corrections,
// nil if there are none.
func NewSLOReport(s *SLO, w SLOWindow, b, observed *Blend) SLOReport {
	now, standing := w.between(b, w.From, w.To)
	before, _ := w.between(b, w.Before[0], w.Before[1])
	r := SLOReport{
		SchemaVersion: SchemaVersion, Name: s.Name, Indicator: s.Indicator, Combine: s.Combine.String(), Group: s.group(),
		Objective: float64(s.Objective), Provisional: s.Provisional,
		From: utc(w.From), To: utc(w.To), End: utc(w.End), AsOf: utc(w.AsOf),
		SLI: now.Ratio(), Before: before.Ratio(),
	}
	i, _ := slices.BinarySearch(w.Cuts, w.From)
	k, _ := slices.BinarySearch(w.Cuts, w.To)
	ifBad, _ := b.as(i, k, func(a Amount) Amount { return a.undecidedAs(Bad) })
	ifGood, _ := b.as(i, k, func(a Amount) Amount { return a.undecidedAs(Good) })
	r.IfUndecidedBad, r.IfUndecidedGood, r.Decided = ifBad.Ratio(), ifGood.Ratio(), b.decided(i, k)
	if s.Calendar != "" {
		r.Calendar = &s.Calendar
	}
	if standing != "" {
		r.Standing = &standing
	}
	if observed != nil {
		plain, _ := w.between(observed, w.From, w.To)
		r.Observed = plain.Ratio()
	}
	still := b.still(i, k)
	r.Budget = s.budget(now, before, still, b.share(i, k))
	for _, x := range w.Burns {
		r.Burn = append(r.Burn, s.burn(&w, b, x))
	}
	r.Exhaustion = s.exhaustion(&r, &w)
	r.Decision = s.decide(&r, s.left(ifBad, still), s.left(ifGood, still))
	return r
}

// left is how much of the budget is left. With a rolling window it is 1 − (bad ÷ valid) ÷ (1 − objective), so that nothing is left
// exactly if the SLI is not above the objective. A calendar's budget is for all of its unit: what is valid so far and what is
// still due; so nothing can be spent by time alone.
func (s *SLO) left(a Amount, still float64) *float64 {
	if a.Valid() == 0 {
		return nil
	}
	if s.Calendar == "" {
		still = 0
	}
	left := 1 - a.Bad/((1-float64(s.Objective))*(a.Valid()+still))
	if math.Abs(left) < sameBudget {
		left = 0
	}
	return &left
}

// sameBudget is a share of a budget that is none: 0.999 as a binary fraction is a little off, and what is spent to the last
// slot must come to 0.
const sameBudget = 1e-9

func (s *SLO) budget(now, before Amount, still, share float64) Budget {
	b := Budget{Left: s.left(now, still), LeftBefore: s.left(before, 0)}
	if b.Left == nil {
		return b
	}
	if s.Calendar == "" {
		still = 0
	}
	allowed := 1 - float64(s.Objective)
	total, spent := allowed*(now.Valid()+still)/share/1000, now.Bad/share/1000
	b.TotalSeconds, b.SpentSeconds = &total, &spent
	if slots := now.GoodSlots + now.BadSlots; slots > 0 {
		total := allowed * float64(slots) * (1 + still/now.Valid())
		b.TotalSlots, b.SpentSlots = &total, &now.BadSlots
	}
	return b
}

func (s *SLO) burn(w *SLOWindow, b *Blend, x BurnWindow) BurnRate {
	rate := func(d time.Duration) *float64 {
		a, _ := w.between(b, max(w.Before[0], w.To-d.Milliseconds()), w.To)
		return ratio(a.Bad, a.Valid()*(1-float64(s.Objective)))
	}
	r := BurnRate{
		LongSeconds: x.Long.Seconds(), ShortSeconds: x.Short.Seconds(), Factor: x.Factor, Severity: x.Severity,
		Long: rate(x.Long), Short: rate(x.Short),
	}
	r.Alert = r.Long != nil && r.Short != nil && *r.Long >= x.Factor && *r.Short >= x.Factor
	return r
}

// exhaustion is the time in seconds until nothing is left, if it goes on as in the third burn window, which is a day of 30. A calendar's
// budget is for what was valid so far and what is still due. Null if it lasts until the window is over, when a calendar's begins anew,
// and of one that rolls along all that is spent by now has rolled out.
func (s *SLO) exhaustion(r *SLOReport, w *SLOWindow) *float64 {
	left, rate := r.Budget.Left, r.Burn[2].Long
	switch {
	case left == nil:
		return nil
	case *left <= 0:
		return new(0.0)
	case rate == nil || *rate == 0:
		return nil
	}
	base := w.Length.Seconds()
	rest := base
	if s.Calendar != "" {
		base, rest = *r.Budget.TotalSeconds/(1-float64(s.Objective)), seconds(w.End-w.To)
	}
	lasts := *left * base / *rate
	if lasts > rest {
		return nil
	}
	return &lasts
}
