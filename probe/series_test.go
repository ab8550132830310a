package probe

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/internal/bubble"
)

// A series is a blip while checks look again and again, at targets that are all well.
type series struct {
	kind     string // as in a scene
	interval time.Duration
	timeouts []time.Duration // of checks on one target
	apart    time.Duration   // their slots
	begins   time.Duration   // of the blip, after the first slot
	lasts    time.Duration
	others   int           // checks on other hosts
	local    time.Duration // what controls and others take before their first packet, as for finding an address
}

// play returns the rows of the target.
func (s series) play(t *testing.T) (rows []*slotRow) {
	bubble.Test(t, func(t *testing.T) {
		start := time.Now().Add(5 * time.Second)
		net := &blip{from: start.Add(s.begins), to: start.Add(s.begins + s.lasts)}
		var hidden atomic.Int64
		site := &site{net: net, rtt: sceneRTT, hidden: &hidden}
		do := map[string]func(context.Context) Attempt{"tcp": site.tcp, "udp": site.udp, "down": site.down}[s.kind]
		slow := func(ctx context.Context) Attempt {
			begun := time.Now()
			if !pause(ctx, s.local) {
				return Attempt{Reason: Timeout}
			}
			a := do(ctx)
			a.Spans = []Span{{Phase: PhaseResolve, For: s.local}, {Phase: PhaseConnect, At: s.local, For: time.Since(begun) - s.local}}
			return a
		}
		c := NewControls(ControlOptions{Targets: []Kind{
			&fake{target: host("192.0.2.1"), do: slow}, &fake{target: host("192.0.2.2"), do: slow},
		}})
		l := NewLooker(nil, c, "here")
		var wg sync.WaitGroup
		for i := range s.others {
			other := rowOf(Check{ID: fmt.Sprint("other", i), Interval: time.Second, Timeout: time.Second}, fmt.Sprintf("198.51.100.%d", i+1), slow)
			other.from, other.count = time.Duration(i)*370*time.Millisecond, 20
			wg.Go(func() { other.run(t.Context(), l) })
		}
		time.Sleep(time.Until(start))
		for i, timeout := range s.timeouts {
			row := rowOf(Check{ID: fmt.Sprint("c", i), Interval: s.interval, Timeout: timeout}, "203.0.113.1", do)
			row.from, row.count = time.Duration(i)*s.apart, int(12*time.Second/s.interval)
			rows = append(rows, row)
			wg.Go(func() { row.run(t.Context(), l) })
		}
		wg.Wait()
		time.Sleep(15 * time.Second) // let everything end
	})
	return rows
}

// told reports whether a dead interface told of itself and was back within atOnce, which is as near as a round can look.
func (s series) told(r slotRecord, start time.Time) bool {
	since := start.Add(s.begins + s.lasts).Sub(r.ended)
	return r.Reason == NetworkUnreachable && since > 0 && since <= atOnce
}

// booked are the slots in which a blip was made the target's failure; undecided ones in a row are counted.
func (s series) booked(t *testing.T) (booked []string, inARow int) {
	rows := s.play(t)
	for _, row := range rows {
		for i, slot := range row.slots {
			if slot.Outcome == Down && !s.told(slot, rows[0].slots[0].begun) {
				booked = append(booked, fmt.Sprintf("slot %d of %s", i, row.check.ID))
			}
			if i > 0 && slot.Outcome == Inconclusive && row.slots[i-1].Outcome == Inconclusive {
				inARow++
			}
		}
	}
	return booked, inARow
}

// anySeries draws one, but for its kind and what is local.
func anySeries(rt *rapid.T) series {
	ms := func(label string, from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(rt, label)) * time.Millisecond
	}
	s := series{
		interval: ms("interval", 1000, 5000),
		apart:    ms("apart", 0, 900),
		begins:   ms("begins", -1000, 5000),
		lasts:    ms("lasts", 500, 4000),
		others:   rapid.SampledFrom([]int{0, 0, 1, 3, 6}).Draw(rt, "others"),
	}
	if rapid.Bool().Draw(rt, "aimed") { // from before the first slot into the second, or a later one
		s.interval = ms("short interval", 1000, 3000)
		slots := time.Duration(rapid.IntRange(1, int(3*time.Second/s.interval)).Draw(rt, "slots"))
		s.begins = -ms("early", 0, 500)
		s.lasts = slots*s.interval - s.begins + ms("into", 0, 500)
	}
	for i := range rapid.IntRange(1, 4).Draw(rt, "checks") {
		s.timeouts = append(s.timeouts, ms(fmt.Sprint("timeout", i), 300, 1399))
	}
	return s
}

// TestAnyBlipOverSlots: a blip of ours is not booked to a target because it made a check fail twice, wherever it
// lies, however long it is, and whoever else looks. Nor because others that look find addresses first, and reach out later.
func TestAnyBlipOverSlots(t *testing.T) {
	inARow := 0
	rapid.Check(t, func(rt *rapid.T) {
		s := anySeries(rt)
		for _, s.kind = range []string{"tcp", "udp", "down"} {
			for _, s.local = range []time.Duration{0, 200 * time.Millisecond, 700 * time.Millisecond} {
				booked, n := s.booked(t)
				if inARow += n; len(booked) > 0 {
					rt.Fatalf("%+v: booked to the target: %v", s, booked)
				}
			}
		}
	})
	t.Logf("%d slots undecided after an undecided one", inARow)
	if inARow == 0 {
		t.Error("no blip made a check fail twice")
	}
}

// TestBlipsOverSlots: scenes in which a rule that asks for less would have booked a blip.
func TestBlipsOverSlots(t *testing.T) {
	const ms = time.Millisecond
	const s = time.Second
	for name, s := range map[string]series{
		"three seconds of blip over slots every second":     {kind: "tcp", interval: s, timeouts: []time.Duration{500 * ms}, begins: 800 * ms, lasts: 3 * s},
		"an interface that is down for three slots":         {kind: "down", interval: s, timeouts: []time.Duration{500 * ms}, begins: 800 * ms, lasts: 3 * s},
		"over within the second slot, where others ask":     {kind: "tcp", interval: 2600 * ms, timeouts: []time.Duration{900 * ms, 300 * ms}, begins: -100 * ms, lasts: 2950 * ms},
		"the same, and others were seen just before":        {kind: "tcp", interval: 2600 * ms, timeouts: []time.Duration{900 * ms, 300 * ms}, begins: -100 * ms, lasts: 2950 * ms, others: 6},
		"others that began within it had names to find":     {kind: "tcp", interval: s, timeouts: []time.Duration{300 * ms}, begins: 131 * ms, lasts: 1870 * ms, others: 3, local: 700 * ms},
		"four seconds over queries, where somebody is seen": {kind: "udp", interval: 1100 * ms, timeouts: []time.Duration{900 * ms, 800 * ms, 700 * ms}, begins: 100 * ms, lasts: 4 * s, others: 1},
	} {
		t.Run(name, func(t *testing.T) {
			booked, inARow := s.booked(t)
			if len(booked) > 0 || inARow == 0 {
				t.Errorf("booked to the target: %v; %d slots undecided after an undecided one, want some", booked, inARow)
			}
		})
	}
}
