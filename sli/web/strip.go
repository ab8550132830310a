package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A strip is the recent slots of one timeline, oldest first, as runs of what looks the same. Runs keep the
// page small: a thousand healthy timelines are a thousand rectangles.
type strip struct {
	Width int    // of the drawing, in its own units
	Label string // everything that the drawing shows, in words
	Runs  []run
	Ticks []tick
}

// A tick is where the configuration of a check changed: before the slot at its right.
type tick struct {
	X     int
	Title string
}

// A run is a series of slots that came to the same.
type run struct {
	X, Width int
	Glyph    glyph
	Title    string
}

// slotWidth is the width of a slot in a strip; the patterns of tmpl/defs.html repeat at it.
const slotWidth = 6

// A glyph is a way to draw a slot: the id of a pattern in tmpl/defs.html and a class of static/style.css.
type glyph string

// The glyphs: the six outcomes, and what a slot can be beside.
const (
	glyphUp           glyph = "up"
	glyphDown         glyph = "down"
	glyphUnreachable  glyph = "expected_unreachable"
	glyphUnexpected   glyph = "unexpected"
	glyphInconclusive glyph = "inconclusive"
	glyphMissed       glyph = "missed"
	glyphNoData       glyph = "no_data"
	glyphPending      glyph = "pending" // may still arrive
	glyphMaintenance  glyph = "maintenance"
)

// Words says what a glyph stands for.
func (g glyph) Words() string {
	switch g {
	case glyphUnreachable:
		return "unreachable, as expected"
	case glyphNoData:
		return "no data"
	case glyphPending:
		return "not in yet"
	}
	return string(g)
}

// glyphNamed is the glyph of an outcome by its name. Evidence comes from afar: what is not an outcome is
// drawn as no data.
func glyphNamed(outcome string) glyph {
	for _, o := range probe.Outcomes() {
		if o.String() == outcome {
			return glyph(outcome)
		}
	}
	return glyphNoData
}

// A legendEntry explains a glyph.
type legendEntry struct {
	Glyph       glyph
	Name, Means string
}

func legend() []legendEntry {
	return []legendEntry{
		{glyphUp, "up", "answered, and every assertion held"},
		{glyphDown, "down", "failed, and it was not us"},
		{glyphUnreachable, "unreachable, as expected", "closed, as it should be"},
		{glyphUnexpected, "unexpected", "should be closed: it answered, or failed in another way"},
		{glyphInconclusive, "inconclusive", "the prober cannot prove that it could see"},
		{glyphMissed, "missed", "not probed in time"},
		{glyphNoData, "no data", "due, and nothing ever arrived"},
		{glyphPending, "not in yet", "due just now; its result may still arrive"},
		{glyphMaintenance, "maintenance", "planned, or taken out by a correction; does not count"},
	}
}

// glyphOf tells how to draw a slot. A slot from asOf on that has not arrived may still do so, and must not
// be shown as a hole.
func glyphOf(s sli.Slot, asOf int64) glyph {
	switch s.Outcome {
	case sli.Up:
		return glyphUp
	case sli.Down:
		return glyphDown
	case sli.ExpectedUnreachable:
		return glyphUnreachable
	case sli.Unexpected:
		return glyphUnexpected
	case sli.Inconclusive:
		return glyphInconclusive
	case sli.Missed:
		return glyphMissed
	}
	if s.At >= asOf {
		return glyphPending
	}
	return glyphNoData
}

// A mark is a slot and how it is drawn.
type mark struct {
	sli.Slot
	glyph   glyph
	effect  sli.Effect
	changes []string // what the configuration changed, of which this is the first slot
}

// marksOf decides how slots are drawn, in these spans.
func marksOf(slots []sli.Slot, spans []sli.Span, asOf int64) []mark {
	marks := make([]mark, len(slots))
	for i, s := range slots {
		marks[i] = mark{Slot: s, glyph: glyphOf(s, asOf), effect: sli.EffectAt(spans, s.At)}
		if e := marks[i].effect; e == sli.Announced && !e.Excludes(s.Outcome) {
			marks[i].effect = 0
		}
	}
	return marks
}

// tell notes the changes at the first slots that follow them, but for what came before all of them.
func tell(marks []mark, changes []sli.Change) {
	for _, c := range changes {
		at := c.At.UnixMilli()
		i, _ := slices.BinarySearchFunc(marks, at, func(m mark, at int64) int { return cmp.Compare(m.At, at) })
		if i < len(marks) && (i > 0 || marks[0].At == at) {
			marks[i].changes = append(marks[i].changes, c.What)
		}
	}
}

// drawn is what is seen of the mark: what was observed, unless it does not count.
func (m mark) drawn() glyph {
	if m.effect.Excludes(m.Outcome) {
		return glyphMaintenance
	}
	return m.glyph
}

// effectWords say what a title adds about an effect.
var effectWords = map[sli.Effect]string{
	sli.InMaintenance: ", in maintenance", sli.Announced: ", in maintenance as the target said", sli.CorrectedExcluded: ", taken out by a correction",
	sli.CorrectedBad: ", counted bad by a correction", sli.CorrectedGood: ", counted good by a correction",
}

// like reports whether two marks belong to one run.
func (m mark) like(o mark) bool {
	return m.glyph == o.glyph && m.effect == o.effect && m.Reason == o.Reason
}

// stripOf draws the last n slots, the newest at the right end.
func stripOf(marks []mark, n int) strip {
	st := strip{Width: n * slotWidth, Label: labelOf(marks)}
	x := (n - len(marks)) * slotWidth
	for i, m := range marks {
		if len(m.changes) > 0 {
			st.Ticks = append(st.Ticks, tick{X: x + i*slotWidth, Title: "configuration, " + clock(m.At) + ": " + strings.Join(m.changes, "; ")})
		}
	}
	for from := 0; from < len(marks); {
		to := from + 1
		for to < len(marks) && marks[to].like(marks[from]) {
			to++
		}
		w := (to - from) * slotWidth
		st.Runs = append(st.Runs, run{X: x, Width: w, Glyph: marks[from].drawn(), Title: titleOf(marks[from:to])})
		x += w
		from = to
	}
	return st
}

// titleOf says what a run of like slots was, and when.
func titleOf(marks []mark) string {
	first, last := marks[0], marks[len(marks)-1]
	var b strings.Builder
	if len(marks) > 1 {
		fmt.Fprintf(&b, "%d × ", len(marks))
	}
	b.WriteString(first.glyph.Words())
	if first.Reason != "" {
		b.WriteString(": " + first.Reason)
	}
	b.WriteString(effectWords[first.effect])
	b.WriteString(", " + clock(first.At))
	if len(marks) > 1 {
		b.WriteString(" to " + clock(last.At))
	}
	return b.String()
}

// labelOf tells a strip in words, for those who do not see it.
func labelOf(marks []mark) string {
	if len(marks) == 0 {
		return "no slot was due yet"
	}
	counts := map[glyph]int{}
	changes := 0
	for _, m := range marks {
		counts[m.drawn()]++
		changes += len(m.changes)
	}
	var parts []string
	for _, e := range legend() {
		if n := counts[e.Glyph]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, e.Name))
		}
	}
	if changes > 0 {
		parts = append(parts, fmt.Sprintf("configuration changed %d ×", changes))
	}
	return fmt.Sprintf("last %d slots since %s: %s", len(marks), clock(marks[0].At), strings.Join(parts, ", "))
}

// clock is the time of day of an instant in Unix ms, UTC.
func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("15:04:05Z") }
