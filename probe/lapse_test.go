package probe

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gaikei/gaikei/internal/bubble"
)

// A slotRecord is what one slot of a check came to.
type slotRecord struct {
	Result
	begun, ended time.Time // of its only attempt
}

// A row of slots looks at a check again and again, from an instant on.
type slotRow struct {
	check *Check
	from  time.Duration // of its first slot, after the beginning
	count int

	mu    sync.Mutex // guards what is below
	begun []time.Time
	ended []time.Time
	slots []slotRecord
}

// rowOf makes a row of a target that does something.
func rowOf(c Check, address string, do func(context.Context) Attempt) *slotRow {
	r := &slotRow{check: &c}
	r.check.Kind = &fake{target: host(address), do: func(ctx context.Context) Attempt {
		begun := time.Now()
		a := do(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.begun, r.ended = append(r.begun, begun), append(r.ended, time.Now())
		return a
	}}
	return r
}

// run looks at all slots, each when it is due, whether the one before has been judged or not. It returns when all have.
func (r *slotRow) run(ctx context.Context, l *Looker) {
	start := time.Now()
	results := make([]Result, r.count)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			if pause(ctx, time.Until(start.Add(r.from+time.Duration(i)*r.check.Interval))) {
				results[i], _ = lookNow(ctx, l, r.check)
			}
		})
	}
	wg.Wait()
	for i := range results {
		rec := slotRecord{Result: results[i]}
		if r.check.Client.Retries == 0 {
			rec.begun, rec.ended = r.begun[i], r.ended[i]
		}
		r.slots = append(r.slots, rec)
	}
}

// texts are the verdicts of all slots.
func (r *slotRow) texts() []string {
	var texts []string
	for _, s := range r.slots {
		texts = append(texts, verdictText(Verdict{Outcome: s.Outcome, Reason: s.Reason}))
	}
	return texts
}

// An outage is one target that checks, with time-outs of 300, 400 … ms, find silent in every slot.
type outage struct {
	check    Check
	checks   int  // at most seven
	count    int  // slots of each
	controls Kind // one more than the two that answer in 20 ms; or nil
}

// play returns a row for each check, and when rounds began.
func (o outage) play(t *testing.T) (rows []*slotRow, rounds []time.Duration) {
	bubble.Test(t, func(t *testing.T) {
		d := newDiary()
		answer := after(20*time.Millisecond, ReasonNone)
		controls := []Kind{d.control(host("192.0.2.1"), answer), &fake{target: host("192.0.2.2"), do: answer}}
		if o.controls != nil {
			controls = append(controls, o.controls)
		}
		l := NewLooker(nil, NewControls(ControlOptions{Targets: controls}), "here")
		var wg sync.WaitGroup
		for i := range o.checks {
			check := o.check
			check.ID, check.Timeout = fmt.Sprint("c", i), time.Duration(300+100*i)*time.Millisecond
			row := rowOf(check, "203.0.113.1", after(time.Hour, ReasonNone))
			row.from, row.count = time.Duration(i)*83*time.Millisecond, o.count
			rows = append(rows, row)
			wg.Go(func() { row.run(t.Context(), l) })
		}
		wg.Wait()
		time.Sleep(3 * time.Second)
		rounds = d.times()
	})
	return rows, rounds
}

// TestOutageUnderASecond: where several checks with short time-outs fail together, at most the first slot of each is
// undecided; where slots follow one another so closely that no round falls between two, the first few. There is a
// round a second at most.
func TestOutageUnderASecond(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	const down = "down{timeout}"
	hangs := &fake{target: host("192.0.2.3"), do: after(time.Hour, ReasonNone)}
	expected := Expect{Unreachable: []string{All}, By: []Reason{Timeout}}
	rows := []struct {
		name   string
		outage outage
		from   int // the first slot that must be decided
		want   string
	}{
		{"every two seconds", outage{check: Check{Interval: 2 * s}, checks: 7, count: 6}, 1, down},
		{"every five seconds", outage{check: Check{Interval: 5 * s}, checks: 7, count: 4}, 1, down},
		{"every hour", outage{check: Check{Interval: time.Hour}, checks: 7, count: 4}, 1, down},
		{"every second", outage{check: Check{Interval: s}, checks: 7, count: 8}, 2, down},
		{"twice a second, overlapping", outage{check: Check{Interval: s / 2, Overlap: true}, checks: 7, count: 12}, 4, down},
		{"expected", outage{check: Check{Interval: 2 * s, Expect: expected}, checks: 7, count: 6}, 1, "expected_unreachable{timeout}"},
		{"tried again at once", outage{check: Check{Interval: 3 * s, Client: Client{Retries: 1, After: 100 * ms}}, checks: 7, count: 6}, 1, down},
		{"tried again after a second", outage{check: Check{Interval: 5 * s, Client: Client{Retries: 2, After: s}}, checks: 7, count: 4}, 1, down},
		{"beside a control that hangs", outage{check: Check{Interval: 3 * s}, checks: 7, count: 6, controls: hangs}, 1, down},
		{"two beside a control that hangs", outage{check: Check{Interval: 3 * s}, checks: 2, count: 6, controls: hangs}, 1, down},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			played, rounds := r.outage.play(t)
			undecided := 0
			for _, row := range played {
				got := row.texts()
				for i, text := range got {
					switch {
					case text == "inconclusive{no_vouch}" && i < r.from:
						undecided++
					case text != r.want:
						t.Errorf("slot %d with a time-out of %v: %s, want %s; all: %v", i, row.check.Timeout, text, r.want, got)
					}
				}
			}
			if undecided == 0 {
				t.Error("no slot was undecided: the checks take no rounds from one another")
			}
			for i := 1; i < len(rounds); i++ {
				if gap := rounds[i] - rounds[i-1]; gap < roundEvery {
					t.Errorf("rounds %v apart, want at least %v", gap, roundEvery)
				}
			}
			t.Logf("%d slots undecided, %d rounds", undecided, len(rounds))
		})
	}
}

// TestLapses: what makes two lapses a run, and from when on others count who were seen.
func TestLapses(t *testing.T) {
	const s = time.Second
	web, other := &fake{target: host("203.0.113.1")}, &fake{target: host("203.0.113.2")}
	c := &Check{ID: "c", Kind: web, Interval: 10 * s}
	moved := &Check{ID: "c", Kind: other, Interval: 10 * s}
	lapseAt := func(ms int, t track) *lapse { return &lapse{track: t, end: at(ms)} }
	rows := []struct {
		name  string
		play  func(ls *lapses) *lapse // returns the last one's before
		since int                     // of that, in ms; zero: there is none
	}{
		{"the first", func(ls *lapses) *lapse { return ls.follow(c, lapseAt(500, trackIPv4)) }, 0},
		{"the second", func(ls *lapses) *lapse {
			ls.follow(c, lapseAt(500, trackIPv4))
			return ls.follow(c, lapseAt(10500, trackIPv4))
		}, 500},
		{"the third", func(ls *lapses) *lapse {
			ls.follow(c, lapseAt(500, trackIPv4))
			ls.follow(c, lapseAt(10500, trackIPv4))
			return ls.follow(c, lapseAt(20500, trackIPv4))
		}, 9300},
		{"the third, soon", func(ls *lapses) *lapse {
			ls.follow(c, lapseAt(500, trackIPv4))
			ls.follow(c, lapseAt(1000, trackIPv4))
			return ls.follow(c, lapseAt(1500, trackIPv4))
		}, 500},
		{"after something else", func(ls *lapses) *lapse {
			ls.follow(c, lapseAt(500, trackIPv4))
			ls.follow(c, nil)
			return ls.follow(c, lapseAt(10500, trackIPv4))
		}, 0},
		{"in another family", func(ls *lapses) *lapse {
			ls.follow(c, lapseAt(500, trackIPv6))
			return ls.follow(c, lapseAt(10500, trackIPv4))
		}, 0},
		{"of another check", func(ls *lapses) *lapse {
			ls.follow(&Check{ID: "d", Kind: web, Interval: 10 * s}, lapseAt(500, trackIPv4))
			return ls.follow(c, lapseAt(10500, trackIPv4))
		}, 0},
		{"of another target", func(ls *lapses) *lapse {
			ls.follow(moved, lapseAt(500, trackIPv4))
			return ls.follow(c, lapseAt(10500, trackIPv4))
		}, 0},
		{"as a check of the same is loaded anew", func(ls *lapses) *lapse {
			ls.follow(c, lapseAt(500, trackIPv4))
			again := *c
			return ls.follow(&again, lapseAt(10500, trackIPv4))
		}, 500},
		{"long after", func(ls *lapses) *lapse {
			ls.follow(c, lapseAt(500, trackIPv4))
			return ls.follow(c, lapseAt(30501, trackIPv4))
		}, 0},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			before := r.play(new(lapses))
			switch {
			case (before == nil) != (r.since == 0):
				t.Errorf("got %+v, want one: %v", before, r.since != 0)
			case before != nil && !before.since().Equal(at(r.since)):
				t.Errorf("others count from %v on, want %v", before.since(), at(r.since))
			}
		})
	}
}

// TestLapsesAreBounded: checks that are gone are forgotten.
func TestLapsesAreBounded(t *testing.T) {
	var ls lapses
	most := 0
	for i := range 10000 {
		c := &Check{ID: fmt.Sprint("c", i), Kind: &fake{target: host("203.0.113.1")}, Interval: time.Second}
		ls.follow(c, &lapse{end: at(100 * i)})
		most = max(most, len(ls.last))
	}
	// Ten a second, each of use for twelve seconds, and swept once a minute.
	if most > 10*(12+60)+1 {
		t.Errorf("%d lapses were kept at a time", most)
	}
}

// TestLapseOutlivesMemory: what was seen after a lapse is known for as long as the check's next slot may be away.
func TestLapseOutlivesMemory(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := NewLooker(nil, healthy(), "here")
		c := checkOf(&fake{target: host("203.0.113.1"), do: after(time.Hour, ReasonNone)}, 500*time.Millisecond)
		c.Interval = time.Hour
		busy := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); pause(t.Context(), bucketTime) {
				l.controls.saw(&Attempt{Start: time.Now(), Family: IPv4, Host: "198.51.100.1"})
			}
		}
		// Rounds that nobody here waits for, so that none begins at once after the check fails.
		starve := func() {
			l.controls.join(t.Context(), trackIPv4)
			pause(t.Context(), 200*time.Millisecond)
			l.controls.leave(trackIPv4)
		}
		for slot, want := range []Outcome{Inconclusive, Down} {
			starve()
			if got, _ := lookNow(t.Context(), l, c); got.Outcome != want {
				t.Errorf("slot %d: %v{%v}, want %v", slot, got.Outcome, got.Reason, want)
			}
			busy(2 * bucketTime * bucketCount)
		}
	})
}
