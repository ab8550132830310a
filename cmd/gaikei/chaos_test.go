//go:build chaos

package main

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// settling is how long everything has to arrive: on a busy machine a backlog takes its time.
const settling = 6 * time.Minute

// TestChaos lets a whole arena live through everything that can happen to it, for the time that CHAOS says, five minutes by
// default, and then compares every slot of every timeline with what the probers wrote down as promised, and every
// figure with sums of the slots. What happens is drawn from SEED.
func TestChaos(t *testing.T) {
	length, seed := settings(t)
	fmt.Printf("CHAOS=%v SEED=%d\n", length, seed)
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	over := time.AfterFunc(length+20*time.Minute, func() { panic("TestChaos does not come to an end") })
	defer over.Stop()
	s := openArena(t, ctx, seed)
	s.wait(t, "every prober has begun", 3*time.Minute, s.begun)
	rest(ctx, 10*time.Second)

	sc := s.plague(t, seed)
	sc.suffer(ctx, s.victims(), time.Now().Add(length))
	rest(ctx, 12*time.Second) // slots of afterwards, too
	if ctx.Err() != nil {
		t.Fatal("interrupted")
	}
	from, to := s.script.begun.Truncate(time.Second), time.Now().Add(-4*time.Second).Truncate(time.Second)
	r := s.settle(t, from, to)
	rest(ctx, 3*time.Second) // within a second every server knows what another has taken last
	s.wait(t, "the window is settled", 2*time.Minute, func() bool { return time.Since(to) > 20*time.Second })
	t.Log("settled after ", time.Since(to).Round(time.Second))
	tr, err := s.truth(sc.harms, to)
	if err != nil {
		t.Fatal(err)
	}
	lost := s.judge(tr, r)
	for _, err := range append(sc.errs, s.isRead(ctx), r.reports(ctx, rand.New(rand.NewPCG(seed, 3)))) {
		if err != nil {
			t.Error(err)
		}
	}
	fmt.Print(account(sc, r, tr, lost))
	// After the account, so that the last lines of a log say what is wrong.
	for _, line := range slices.Concat(s.fallen(), r.lines, tr.lines) {
		t.Error(line)
	}
	fmt.Printf("repeat it with CHAOS=%v SEED=%d make chaos\n", length, seed)
}

// victims are all that suffer.
func (s *arena) victims() []victim {
	source := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(s.script.seed, n)) }
	all := []victim{s.clusterVictim(source(1)), s.databaseVictim(), s.operatorVictim(source(2))}
	for _, c := range s.centres {
		all = append(all, s.centreVictim(c))
	}
	for _, p := range s.probers {
		all = append(all, s.proberVictim(p))
	}
	return all
}

// plague is a scourge with a diary.
func (s *arena) plague(t *testing.T, seed uint64) *scourge {
	diary, err := os.Create(s.path("harms"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { diary.Close() })
	return &scourge{seed: seed, diary: diary}
}

// settings are those of the environment.
func settings(t *testing.T) (length time.Duration, seed uint64) {
	length, err := time.ParseDuration(cmp.Or(os.Getenv("CHAOS"), "5m"))
	if err != nil {
		t.Fatalf("CHAOS: %v", err)
	}
	if text := os.Getenv("SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
		return length, seed
	}
	return length, rand.Uint64N(1_000_000)
}

// keptFolder is a folder that stays if the test fails.
func keptFolder(t *testing.T) string {
	dir, err := os.MkdirTemp("", "gaikei-chaos-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs and journals are kept in %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// begun reports whether every prober has put results.
func (s *arena) begun() bool {
	for _, p := range s.probers {
		puts, err := readJournal(s.journal + "-" + p.name)
		if err != nil || !slices.ContainsFunc(puts, func(x *put) bool { return x.stored && len(x.batch.Results) > 0 }) {
			return false
		}
	}
	return true
}

// settle compares until there is nothing to be found any more, or too much time has passed: then what is found stands.
func (s *arena) settle(t *testing.T, from, to time.Time) *reckoning {
	t.Helper()
	for told := false; ; {
		r, err := s.reckon(s.ctx, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if slow := time.Since(to) > settling/6; slow && !told && r.total() > 0 {
			told = true
			t.Logf("after %v there is still missing: %v; far queue: %v\n%s", time.Since(to), r.counts, s.isRead(s.ctx), strings.Join(r.lines[:min(6, len(r.lines))], "\n"))
		}
		if r.total() == 0 || time.Since(to) > settling || s.ctx.Err() != nil {
			return r
		}
		rest(s.ctx, 2*time.Second)
	}
}

// judge holds everything that was said against the world, and returns how many slots each prober lost.
func (s *arena) judge(tr *truth, r *reckoning) map[string]int {
	lost := map[string]int{}
	for _, p := range s.probers {
		puts := slices.DeleteFunc(slices.Clone(r.puts), func(x *put) bool { return x.region != p.region || x.prober != p.prober })
		tr.say(p, puts)
		tr.clocks(p, puts)
		for x, h := range r.heard {
			if x.Region == p.region {
				lost[p.name] += tr.losses(p, h, puts)
			}
		}
	}
	tr.idle()
	return lost
}

// account is what happened and what came of it, a line a kind of fault.
func account(sc *scourge, r *reckoning, tr *truth, lost map[string]int) string {
	type line struct {
		times   int
		victims map[string]bool
		total   time.Duration
	}
	lines := map[string]*line{}
	for _, h := range sc.harms {
		kind := strings.TrimRight(h.victim, "0123456789")
		if slices.ContainsFunc(r.arena.probers, func(p *proberNode) bool { return p.name == h.victim }) {
			kind = "prober"
		}
		k := kind + ": " + h.fault
		if lines[k] == nil {
			lines[k] = &line{victims: map[string]bool{}}
		}
		lines[k].times++
		lines[k].victims[h.victim] = true
		lines[k].total += h.to.Sub(h.from)
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&b, "%-45s %3d times on %d, %6.1fs in all\n", k, lines[k].times, len(lines[k].victims), lines[k].total.Seconds())
	}
	for _, k := range slices.Sorted(maps.Keys(tr.told)) {
		fmt.Fprintf(&b, "%7d  %s\n", tr.told[k], k)
	}
	stored, unknown := 0, 0
	for _, x := range r.puts {
		if x.stored {
			stored++
		} else {
			unknown++
		}
	}
	total := int64(0)
	for _, n := range r.slots {
		total += n
	}
	fmt.Fprintf(&b, "%d messages promised, %d of which nobody can know; slots that no prober speaks of after kills: %v\n", stored, unknown, lost)
	fmt.Fprintf(&b, "%d slots compared (up %d, down %d, expected_unreachable %d, unexpected %d, inconclusive %d, missed %d, no data %d)\n", total,
		r.slots[sli.Up], r.slots[sli.Down], r.slots[sli.ExpectedUnreachable], r.slots[sli.Unexpected], r.slots[sli.Inconclusive], r.slots[sli.Missed], r.slots[sli.NoData])
	fmt.Fprintf(&b, "%d slots with verdicts of two probers, %d of them with another one\n", r.both, r.apart)
	fmt.Fprintf(&b, "findings: %v %v\n", r.counts, tr.counts)
	return b.String()
}
