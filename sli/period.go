package sli

import (
	"errors"
	"fmt"
	"sort"
	"time"
)

// A Period is how long the steps of a series are: a length, or a calendar unit in a time zone. Exactly one of Length and Unit is set.
type Period struct {
	Length time.Duration  // whole seconds; steps begin at its multiples since 1970 in UTC
	Unit   string         // day, week, month or quarter, as Calendar has them
	Zone   *time.Location // of Unit
}

// MaxSteps is how many steps a window may have.
const MaxSteps = 5000

// ErrTooMany is wrapped where more is asked for than one answer has room for.
var ErrTooMany = errors.New("too many")

// Cuts returns the instants (Unix ms) between which the steps of [from, to) lie: from, every beginning of a step after it, and to. The first
// and the last step may be cut short. An empty window has no step and one cut. The error wraps ErrTooMany, or tells of a unit that there
// is not.
func (p Period) Cuts(from, to int64) ([]int64, error) {
	cuts := []int64{from}
	for at := from; ; {
		next, err := p.next(at)
		if err != nil {
			return nil, err
		}
		if at = next; at >= to {
			break
		}
		if cuts = append(cuts, at); len(cuts) > MaxSteps {
			return nil, fmt.Errorf("%w steps of %s, want at most %d: take a longer step or a shorter window", ErrTooMany, p, MaxSteps)
		}
	}
	if from < to {
		cuts = append(cuts, to)
	}
	return cuts, nil
}

// next is the first beginning of a step after an instant.
func (p Period) next(at int64) (int64, error) {
	if p.Unit == "" {
		ms := p.Length.Milliseconds()
		return at - (at%ms+ms)%ms + ms, nil
	}
	_, to, err := Calendar(p.Unit, p.Zone, time.UnixMilli(at))
	// Where a zone puts its clocks back over midnight the day that the clock shows may be over already.
	for err == nil && to.UnixMilli() <= at {
		_, to, err = Calendar(p.Unit, p.Zone, to)
	}
	return to.UnixMilli(), err
}

// Validate reports what is wrong with a period.
func (p Period) Validate() error {
	switch {
	case p.Unit == "" && (p.Length < time.Second || p.Length%time.Second != 0):
		return fmt.Errorf("got a step of %v, want whole seconds, or day, week, month or quarter", p.Length)
	case p.Unit == "" && p.Zone != nil:
		return fmt.Errorf("got a time zone with a step of %v, want day, week, month or quarter: a length has none", p.Length)
	case p.Unit != "" && p.Zone == nil:
		return fmt.Errorf("got a step of a %s without a time zone", p.Unit)
	case p.Unit != "" && p.Length != 0:
		return fmt.Errorf("got a step of a %s and of %v, want one of them", p.Unit, p.Length)
	}
	_, err := p.next(0)
	return err
}

// String is the unit and its zone, or the length.
func (p Period) String() string {
	if p.Unit == "" {
		return p.Length.String()
	}
	return fmt.Sprintf("a %s (%s)", p.Unit, p.Zone)
}

// StepOf is the step between cuts that an instant lies in; −1 if it is in none.
func StepOf(cuts []int64, at int64) int {
	i := sort.Search(len(cuts), func(i int) bool { return cuts[i] > at })
	if i == len(cuts) {
		return -1
	}
	return i - 1
}
