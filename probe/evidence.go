package probe

import (
	"fmt"
	"hash/fnv"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// maxStack bounds the text of a panic in evidence.
const maxStack = 8 << 10

// panicked makes an attempt of a panic in a kind. It is called while recovering.
func panicked(p any) Attempt {
	what := fmt.Sprint(p)
	text := fmt.Sprintf("panic: %s\n%s", what[:min(len(what), maxStack/4)], debug.Stack())
	return Attempt{Reason: Internal, Detail: Detail{Error: strings.ToValidUTF8(text[:min(len(text), maxStack)], "?")}}
}

// evidenceOf is what a person needs to see why the attempt came to the verdict.
func evidenceOf(v Verdict, a *Attempt) *Evidence {
	ev := &Evidence{
		Outcome: v.Outcome.String(), Reason: v.Reason.String(), Suspected: v.Suspected.String(),
		Latency: a.Latency, Expires: a.Expires, Detail: a.Detail,
	}
	if v.Reason == NoVouch && v.Suspected == ReasonNone && ev.Detail.Error == "" {
		ev.Detail.Error = a.doubted()
	}
	ev.Detail.fit()
	if a.Addr.IsValid() {
		ev.Dialled = a.Addr.String()
	}
	if len(a.Spans) > 0 {
		ev.Spans = make([]SpanDetail, len(a.Spans))
	}
	for i, s := range a.Spans {
		ev.Spans[i] = SpanDetail{Phase: s.Phase.String(), Hop: s.Hop, At: s.At, For: s.For}
	}
	return ev
}

// longestSummary bounds a summary, in runes.
const longestSummary = 160

// Summary is a line for people: the assertion that failed, else the error, else a warning, else what was answered. Part of it
// may be the target's words.
func (e *Evidence) Summary() string {
	for _, o := range e.Detail.Assertions {
		if !o.Held {
			return inLine(fmt.Sprintf("%s: got %s, want %s", o.What, o.Got, o.Want))
		}
	}
	switch {
	case e.Detail.Error != "":
		return inLine(e.Detail.Error)
	case len(e.Detail.Warnings) > 0:
		return inLine(e.Detail.Warnings[0])
	case e.Detail.StatusLine != "":
		return inLine(e.Detail.StatusLine)
	case e.Reason == Reached.String():
		return inLine("something answers at " + e.Dialled)
	}
	return inLine(e.Detail.Message)
}

func inLine(s string) string {
	if rs := []rune(s); len(rs) > longestSummary {
		return string(rs[:longestSummary-1]) + "…"
	}
	return s
}

// An EvidenceGate says which evidence is worth sending: on a change of a check's outcome, reason or warnings, or of what
// its target announces, and otherwise one in five minutes. The zero value is ready; it may be used by many goroutines at a time.
// Its memory is bounded: with more checks than gateSize, some are let through more often.
type EvidenceGate struct {
	mu     sync.Mutex // guards what is below
	recent map[string]passed
	older  map[string]passed // is dropped when recent is full
}

type passed struct {
	said said
	at   time.Time
}

// said is what evidence is sent for if it changes.
type said struct {
	outcome   Outcome
	reason    Reason
	announced bool
	warnings  uint64 // their sum; zero: none
}

func saidIn(r *Result, e *Evidence) said {
	s := said{outcome: r.Outcome, reason: r.Reason, announced: r.Announced}
	if len(e.Detail.Warnings) > 0 {
		h := fnv.New64a()
		for _, w := range e.Detail.Warnings {
			_, _ = h.Write(append([]byte(w), 0)) // a hash takes everything
		}
		s.warnings = h.Sum64()
	}
	return s
}

const (
	evidenceEvery = 5 * time.Minute
	gateSize      = 1 << 17
)

// Pass reports whether the evidence of a result may be sent, and remembers that it was.
func (g *EvidenceGate) Pass(r Result, e *Evidence, now time.Time) bool {
	next := saidIn(&r, e)
	g.mu.Lock()
	defer g.mu.Unlock()
	last, known := g.recent[r.Check]
	if !known {
		last = g.older[r.Check]
	}
	pass := last.said != next || now.Sub(last.at) >= evidenceEvery
	if pass {
		last = passed{said: next, at: now}
	}
	if pass || !known {
		g.keep(r.Check, last)
	}
	return pass
}

func (g *EvidenceGate) keep(check string, p passed) {
	if g.recent == nil || len(g.recent) >= gateSize {
		g.older, g.recent = g.recent, make(map[string]passed)
	}
	g.recent[check] = p
}
