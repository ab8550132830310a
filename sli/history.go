package sli

import (
	"fmt"
	"slices"
	"time"
)

// An SLOPoint is how an SLO stood at the end of a step, as it is known now, and what the step itself did to it. With a calendar the
// point at the end of a unit is about the unit that ends.
type SLOPoint struct {
	SLOReport
	Step SLOStep `json:"step"`
}

// An SLOStep is what happened within a step. Undefined figures are null.
type SLOStep struct {
	From  time.Time `json:"from"`
	SLI   *float64  `json:"sli"`   // of the step alone
	Spent *float64  `json:"spent"` // the share of the budget of the window at the end of the step that is bad in the step
}

// WindowEnding resolves the window of the SLO that ends or goes on at an instant: as WindowAt does, but where a calendar's unit ends it is
// that one, and not the next, of which nothing is known yet.
func (s *SLO) WindowEnding(at time.Time, cell time.Duration) (SLOWindow, error) {
	if s.Calendar == "" {
		return s.WindowAt(at, cell)
	}
	w, err := s.WindowAt(at.Add(-time.Millisecond), cell)
	if err != nil {
		return w, fmt.Errorf("window that ends at %s: %w", stamped(at), err)
	}
	w.To, w.AsOf = at.UnixMilli(), at.UnixMilli()
	w.cut()
	return w, nil
}

// Cut makes an instant before the window's end a cut too.
func (w *SLOWindow) Cut(at int64) {
	if i, found := slices.BinarySearch(w.Cuts, at); !found {
		w.Cuts = slices.Insert(w.Cuts, i, at)
	}
}

// NewSLOPoint computes a point as NewSLOReport does, from a blend over cuts of which the beginning of the step (Unix ms) is one.
func NewSLOPoint(s *SLO, w SLOWindow, step int64, b, observed *Blend) SLOPoint {
	p := SLOPoint{SLOReport: NewSLOReport(s, w, b, observed), Step: SLOStep{From: utc(step)}}
	a, _ := w.between(b, step, w.To)
	p.Step.SLI = a.Ratio()
	if total := p.Budget.TotalSeconds; total != nil && *total > 0 && a.Valid() > 0 {
		i, _ := slices.BinarySearch(w.Cuts, w.From)
		k, _ := slices.BinarySearch(w.Cuts, w.To)
		spent := a.Bad / b.share(i, k) / 1000 / *total
		p.Step.Spent = &spent
	}
	return p
}
