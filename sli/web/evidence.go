package web

import (
	"time"

	"github.com/gaikei/gaikei/probe"
)

// An evidenceView is a piece of evidence as the page shows it. Every text in it comes from a hostile place;
// the templates escape it.
type evidenceView struct {
	probe.Evidence
	Region    string
	Glyph     glyph
	State     state
	At        time.Time
	Ago       string
	Summary   string // one line: what a person would say
	Waterfall []bar
	Total     string
}

func viewEvidence(region string, e probe.Evidence, now time.Time) evidenceView {
	at := time.UnixMilli(e.Slot).UTC()
	g := glyphNamed(e.Outcome)
	v := evidenceView{
		Evidence: e, Region: region, Glyph: g, State: stateOf(g), At: at, Ago: ago(now.Sub(at)),
		Summary: e.Summary(), Waterfall: waterfall(e), Total: shortDuration(attemptLength(e)),
	}
	return v
}

// A bar is a phase in a waterfall.
type bar struct {
	Phase    string
	Hop      int
	At, For  string
	X, Width int // of waterfallWidth
}

// waterfallWidth is the width of a waterfall in its own units.
const waterfallWidth = 1000

// waterfall lays the phases of an attempt out over its length.
func waterfall(e probe.Evidence) []bar {
	total := attemptLength(e)
	if total <= 0 {
		return nil
	}
	scale := func(d time.Duration) int {
		return int(float64(min(max(d, 0), total)) / float64(total) * waterfallWidth)
	}
	var bars []bar
	for _, s := range e.Spans {
		x := min(scale(s.At), waterfallWidth-4)
		// However short, a phase that happened can be seen.
		width := min(max(scale(s.For), 4), waterfallWidth-x)
		bars = append(bars, bar{Phase: s.Phase, Hop: s.Hop, At: shortDuration(s.At), For: shortDuration(s.For), X: x, Width: width})
	}
	return bars
}

// attemptLength is how long the attempt took, whatever part of it is its latency.
func attemptLength(e probe.Evidence) time.Duration {
	total := e.Latency
	for _, s := range e.Spans {
		total = max(total, s.At+s.For)
	}
	return total
}
