//go:build chaos

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// vouchLimit is how long a verdict may wait for its vouchers.
const vouchLimit = 10 * time.Second

// A truth holds what each prober said against what the world did.
type truth struct {
	arena  *arena
	harms  []harm
	visits map[[2]string][]visit // by target and who came, in order
	ports  map[string][]visit    // by target: when it opened and closed
	to     time.Time

	findings
	told   map[string]int64 // verdicts and silences, by what can be said of them
	upheld map[upheld]int64 // verdicts as the script has them
}

// upheld is a behaviour of a target.
type upheld struct {
	target string
	fine   bool
}

func (s *arena) truth(harms []harm, to time.Time) (*truth, error) {
	t := &truth{arena: s, harms: harms, visits: map[[2]string][]visit{}, ports: map[string][]visit{}, to: to, told: map[string]int64{}, upheld: map[upheld]int64{}}
	data, err := os.ReadFile(s.path("access"))
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(data) {
		var v visit
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, err
		}
		if v.Port != "" {
			t.ports[v.Target] = append(t.ports[v.Target], v)
			continue
		}
		k := [2]string{v.Target, v.From}
		t.visits[k] = append(t.visits[k], v)
	}
	for _, vs := range t.visits {
		slices.SortFunc(vs, func(a, b visit) int { return int(a.At - b.At) })
	}
	return t, nil
}

// during reports whether a victim suffers something of certain kinds that may matter to [from, to).
func (t *truth) during(name string, from, to time.Time, kinds ...spoil) bool {
	return slices.ContainsFunc(t.harms, func(h harm) bool {
		return h.victim == name && slices.Contains(kinds, h.spoils) && h.from.Before(to) && h.to.After(from)
	})
}

// blind reports whether a victim saw nothing from a moment until long enough after another for nobody to vouch for what
// happened meanwhile.
func (t *truth) blind(name string, from, to time.Time) bool {
	const vouching = 2 * time.Second
	return slices.ContainsFunc(t.harms, func(h harm) bool {
		return h.victim == name && h.spoils == spoilsSight && h.struck.Before(from) && h.ended.After(to.Add(vouching))
	})
}

// nearClock reports whether a slot may have been looked at by a clock that is off, at another time than its own. A clock that is
// 15s behind may also begin a grid by so much in the past, of which it then skips what it has looked at by the old one.
func (t *truth) nearClock(p *proberNode, slot time.Time) bool {
	return t.during(p.name, slot.Add(-25*time.Second), slot.Add(18*time.Second), spoilsClock)
}

// say holds everything that a prober said against the script.
func (t *truth) say(p *proberNode, puts []*put) {
	for _, x := range puts {
		for _, r := range x.batch.Results {
			at := time.UnixMilli(r.Slot)
			switch {
			case t.nearClock(p, at):
				t.told["near a clock that is off"]++
			case r.Outcome.Verdict():
				t.verdict(p, r, at)
			default:
				t.told["no verdict, "+t.excuse(p, r, at)]++
			}
		}
	}
}

// excuse is why a prober may have had no verdict.
func (t *truth) excuse(p *proberNode, r probe.Result, at time.Time) string {
	from, to := at.Add(-5*time.Second), at.Add(r.Lag+vouchLimit)
	switch {
	case t.during(p.name, from, to, spoilsSight, spoilsProof, spoilsPart):
		return "and the network was impaired"
	case t.during(p.name, from, to, spoilsPace, spoilsLife):
		return "and the prober did not run"
	}
	return "in peace"
}

// verdict holds a result with a verdict against the script.
func (t *truth) verdict(p *proberNode, r probe.Result, at time.Time) {
	target := targetOf(r.Check)
	begun, end := at.Add(r.Lag), at.Add(r.Lag+target.timeout())
	says := fmt.Sprintf("%s says that %s was %s{%s} at %s (lag %v)", p.name, r.Check, r.Outcome, r.Reason, ago(r.Slot), r.Lag)
	fine, known := t.act(target, at, end)
	visited, answered := t.visit(p, r, at, end)
	around := func(kinds ...spoil) bool {
		return t.during(p.name, at.Add(-time.Second), end.Add(vouchLimit), kinds...)
	}
	switch {
	case t.blind(p.name, begun, end):
		t.add("unproven", "%s, and it saw nothing then", says)
	case !known:
		t.told["a verdict as the target changed"]++
	case r.Outcome == probe.Up && !visited && !t.during(p.name, at, end, spoilsPace, spoilsLife):
		t.add("not seen", "%s, and the world was not asked", says)
	case r.Outcome.String() == target.outcome(fine) && (fine || !r.Under):
		t.told["a verdict as the script has it"]++
		t.upheld[upheld{r.Check, fine}]++
	case around(spoilsPart):
		t.told["a false verdict while some packets were lost"]++
	case sli.Outcome(r.Outcome).Verdict() == sli.Bad && !answered && !around(spoilsSight, spoilsProof, spoilsPace, spoilsLife):
		t.told["a false verdict, and the world was too slow"]++
	default:
		t.add("false", "%s, and it was %s", says, target.outcome(fine))
	}
}

// idle says of which behaviour of which target no verdict was held against the script.
func (t *truth) idle() {
	for _, target := range chaosTargets() {
		for _, fine := range []bool{true, false} {
			if t.upheld[upheld{target.name, fine}] == 0 && (fine || target.changes) {
				t.add("idle", "no prober ever said that %s is %s", target.name, target.outcome(fine))
			}
		}
	}
}

// act is what the script has from a moment before until a moment after a probe; false if that is not one thing.
func (t *truth) act(target target, from, to time.Time) (fine, known bool) {
	const margin = time.Second
	if !target.changes {
		return true, true
	}
	a := t.arena.script.at(target.name, from)
	if from.Before(a.from.Add(margin)) || to.After(a.to.Add(-margin)) {
		return false, false
	}
	// A port opens and closes a little later than the script says.
	for _, v := range t.ports[target.name] {
		if at := time.Unix(0, v.At); at.After(from.Add(-margin)) && at.Before(to.Add(margin)) {
			return false, false
		}
	}
	return a.fine, true
}

// visit reports whether the world was asked by a prober in the time of a probe, and answered well within it.
func (t *truth) visit(p *proberNode, r probe.Result, at, end time.Time) (visited, answered bool) {
	if !targetOf(r.Check).seen() {
		return true, true
	}
	for _, v := range t.visits[[2]string{r.Check, p.home}] {
		when := time.Unix(0, v.At)
		if when.Before(at.Add(-100*time.Millisecond)) || when.After(end) {
			continue
		}
		visited = true
		if v.Answered > 0 && time.Unix(0, v.Answered).Before(end.Add(-200*time.Millisecond)) {
			answered = true
		}
	}
	return visited, answered
}

// losses finds the slots that a prober followed and never spoke of. Only a kill may cost any, and of what was over by the last
// message before it none.
func (t *truth) losses(p *proberNode, h *heard, puts []*put) (lost int) {
	budget := 2 * time.Second // at most, of any check, with its lag
	spoken := map[int64]bool{}
	for _, said := range []map[int64][]claim{h.certain, h.possible} {
		for at, cs := range said {
			spoken[at] = spoken[at] || slices.ContainsFunc(cs, func(c claim) bool { return c.prober == p.prober })
		}
	}
	for at := range h.due(0, t.to.UnixMilli(), p.prober) {
		missed := slices.ContainsFunc(h.holes, func(g hole) bool { return g.prober == p.prober && g.from <= at && at < g.to })
		if spoken[at] || missed {
			continue
		}
		when := time.UnixMilli(at)
		if t.nearClock(p, when) {
			t.told["a slot of nobody near a clock that is off"]++
			continue
		}
		lost++
		if !t.atKill(p, when, budget, puts) {
			t.add("forgotten", "%s followed %s at %s, and said nothing of it; no kill explains that", p.name, h.check, ago(at))
		}
	}
	return lost
}

// atKill reports whether a slot was running, or not put yet, when its prober was killed.
func (t *truth) atKill(p *proberNode, at time.Time, budget time.Duration, puts []*put) bool {
	return slices.ContainsFunc(t.harms, func(k harm) bool {
		if k.victim != p.name || k.spoils != spoilsLife || at.After(k.to) {
			return false
		}
		last := time.Time{}
		for _, x := range puts {
			if x.stored && x.begun.Before(k.struck) && len(x.batch.Results) > 0 {
				last = x.begun
			}
		}
		return at.Add(budget + vouchLimit).After(last)
	})
}

// clocks holds that a prober that knows that its clock is off says nothing of any target.
func (t *truth) clocks(p *proberNode, puts []*put) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range t.harms {
		if h.victim != p.name || h.spoils != spoilsClock {
			continue
		}
		i := slices.IndexFunc(p.offClock, func(at time.Time) bool { return at.After(h.struck) && at.Before(h.ended) })
		if i < 0 {
			t.told["clocks that were off and nobody told"]++
			continue
		}
		t.told["clocks that were off and noticed"]++
		by := 20 * time.Second
		if h.fault == "clock 15s behind" {
			by = -15 * time.Second
		}
		for _, x := range puts {
			for _, r := range x.batch.Results {
				begun := time.UnixMilli(r.Slot).Add(r.Lag - by)
				before := !time.UnixMilli(r.Slot).After(h.struck) // it was looked at by the right clock, and put later
				if before || begun.Before(p.offClock[i].Add(time.Second)) || begun.After(h.ended) || x.begun.Before(p.offClock[i]) || x.begun.After(h.ended) {
					continue
				}
				t.told["slots by a clock that is known to be off"]++
				if r.Outcome.Verdict() {
					t.add("clock", "%s says that %s was %s at %s, by a clock that it knows to be off", p.name, r.Check, r.Outcome, ago(r.Slot))
				}
			}
		}
	}
}
