package timeline

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
)

// day20000 is a UTC day in 2024.
const day20000 = 20000

func newTestCodec(tb testing.TB) *codec {
	tb.Helper()
	c, err := newCodec(&probers{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.close)
	return c
}

// fullDay is a day of slots of one prober with a latency spread of 10 % around 100 ms.
func fullDay(r *rand.Rand, p proberID, interval int64) slots {
	var s slots
	for at := int64(day20000*dayMillis) + 25; at < (day20000+1)*dayMillis; at += interval {
		x := 0.1 * math.Exp(0.1*r.NormFloat64())
		l := probe.LatencyIndex(math.Ceil(math.Log(x) / math.Log(101.0/99)))
		s.entries = append(s.entries, entry{at: at, rec: record{
			outcome: probe.Up, latency: l, attempts: 1, under: x < 0.12, prober: p,
		}})
	}
	return s
}

func slotsEqual(t interface {
	Helper()
	Fatalf(string, ...any)
}, want, got slots,
) {
	t.Helper()
	if slices.Equal(want.entries, got.entries) && slices.Equal(want.gaps, got.gaps) {
		return
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(slots{}, entry{}, record{}, gap{})); d != "" {
		t.Fatalf("slots (-want +got):\n%s", d)
	}
}

func TestBlockRoundTripOfADay(t *testing.T) {
	c := newTestCodec(t)
	for _, interval := range []int64{10_000, 60_000} {
		s := fullDay(rand.New(rand.NewPCG(1, 2)), c.probers.id("p"), interval)
		b := c.encode(day20000, s)
		got, err := c.decode(day20000, b)
		if err != nil {
			t.Fatal(err)
		}
		slotsEqual(t, s, got)
		t.Logf("interval %d ms: %d slots, %.3f bytes a slot", interval, len(s.entries), float64(len(b))/float64(len(s.entries)))
	}
}

// recordGen draws records of two probers, close enough to each other to collide.
func recordGen(p *probers) *rapid.Generator[record] {
	return rapid.Custom(func(t *rapid.T) record {
		return record{
			outcome:   rapid.SampledFrom(probe.Outcomes()).Draw(t, "outcome"),
			reason:    rapid.SampledFrom(probe.Reasons()).Draw(t, "reason"),
			latency:   probe.LatencyIndex(rapid.OneOf(rapid.IntRange(-120, -100), rapid.IntRange(math.MinInt16, math.MaxInt16)).Draw(t, "latency")),
			attempts:  rapid.Byte().Draw(t, "attempts"),
			under:     rapid.Bool().Draw(t, "under"),
			unvouched: rapid.Bool().Draw(t, "unvouched"),
			prober:    p.id(rapid.SampledFrom([]string{"p", "q", "r"}).Draw(t, "prober")),
		}
	})
}

func slotsGen(c *codec) *rapid.Generator[slots] {
	j := &joiner{check: "shop", region: "tokyo", probers: c.probers}
	return rapid.Custom(func(t *rapid.T) slots {
		var s slots
		instant := rapid.OneOf(
			rapid.Map(rapid.Int64Range(0, 8639), func(n int64) int64 { return n * 10_000 }),
			rapid.Int64Range(0, dayMillis-1),
		)
		for range rapid.IntRange(0, 60).Draw(t, "slots") {
			s.put(j, entry{at: day20000*dayMillis + instant.Draw(t, "at"), rec: recordGen(c.probers).Draw(t, "record")})
		}
		for range rapid.IntRange(0, 5).Draw(t, "gaps") {
			from := instant.Draw(t, "from")
			s.gaps = append(s.gaps, gap{
				from:   day20000*dayMillis + from,
				to:     day20000*dayMillis + rapid.Int64Range(from+1, dayMillis).Draw(t, "to"),
				prober: c.probers.id(rapid.SampledFrom([]string{"p", "q"}).Draw(t, "prober")),
				reason: rapid.SampledFrom([]probe.Reason{probe.Stopped, probe.Late}).Draw(t, "reason"),
			})
		}
		s.gaps = normalise(c.probers, s.gaps)
		if len(s.gaps) == 0 {
			s.gaps = nil
		}
		return s
	})
}

func TestBlockRoundTrip(t *testing.T) {
	c := newTestCodec(t)
	checkAll(t, func(t *rapid.T) { testRoundTrip(t, c, slotsGen(c).Draw(t, "slots")) })
}

// testRoundTrip has blocks of both versions say what they were made of, and be made in one way only, whatever the codec did
// before.
func testRoundTrip(t *rapid.T, c *codec, s slots) {
	t.Helper()
	block := c.encode(day20000, s)
	got, err := c.decode(day20000, block)
	if err != nil {
		t.Fatal(err)
	}
	slotsEqual(t, s, got)
	if got, err = c.decode(day20000, c.encode1(day20000, s)); err != nil {
		t.Fatalf("version 1: %v", err)
	}
	slotsEqual(t, s, got)
	fresh, err := newCodec(c.probers)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.close()
	for _, d := range []*codec{c, fresh} {
		if !bytes.Equal(block, d.encode(day20000, s)) {
			t.Fatalf("the same slots are written in two ways")
		}
	}
}

// dayGen draws days as checks have them: on grids that change, seen by one or two probers, with holes, retries,
// failures, spikes, a course, and a spread from none to wild.
func dayGen(p *probers) *rapid.Generator[slots] {
	return rapid.Custom(func(t *rapid.T) slots {
		var s slots
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		sometimes := func(what string) func() bool {
			oneIn := rapid.SampledFrom([]int{0, 0, 2, 10, 100}).Draw(t, what+", one in")
			return func() bool { return oneIn > 0 && random.IntN(oneIn) == 0 }
		}
		second, hole, retry, fails, spike := sometimes("second prober"), sometimes("hole"), sometimes("retry"), sometimes("failure"), sometimes("spike")
		spread := rapid.SampledFrom([]float64{0, 0.005, 0.02, 0.1, 0.4, 3}).Draw(t, "spread")
		course := rapid.SampledFrom([]float64{0, 0, 0.3, 2}).Draw(t, "course")
		at, end := int64(day20000*dayMillis)+rapid.Int64Range(0, dayMillis-1).Draw(t, "start"), int64(day20000+1)*dayMillis
		for range rapid.SampledFrom([]int{0, 1, 1, 2, 3}).Draw(t, "grids") {
			interval := rapid.SampledFrom([]int64{1, 250, 1000, 10_000, 60_000, 3_600_000}).Draw(t, "interval")
			n := rapid.SampledFrom([]int{1, 2, 20, 300, 1200}).Draw(t, "slots")
			for i := 0; i < n && at < end; i++ {
				x := 0.1 * math.Exp(spread*random.NormFloat64()+course*math.Sin(float64(i)/150))
				if spike() {
					x *= 50 * random.Float64()
				}
				rec := record{outcome: probe.Up, latency: probe.IndexOf(time.Duration(x * 1e9)), attempts: 1, under: x < 0.12, prober: p.id("p")}
				if fails() {
					rec = record{outcome: probe.Down, reason: probe.Timeout, latency: probe.NoLatency, attempts: 3, prober: p.id("p")}
				}
				if retry() {
					rec.attempts++
				}
				if second() {
					rec.prober = p.id("q")
				}
				if !hole() {
					s.entries = append(s.entries, entry{at: at, rec: rec})
				}
				at += interval
			}
		}
		return s
	})
}

func TestBlockRoundTripOfEveryKindOfDay(t *testing.T) {
	c := newTestCodec(t)
	checkAll(t, func(t *rapid.T) { testRoundTrip(t, c, dayGen(c.probers).Draw(t, "day")) })
}

// Nothing that can be said of a day is too much for a block: a prober gone wild fills it with slots in more states than are
// ever named as recent ones, with latencies as far apart as there are.
func TestBlockRoundTripOfTheWildestDay(t *testing.T) {
	c := newTestCodec(t)
	p, random := c.probers.id("p"), rand.New(rand.NewPCG(1, 2))
	var s slots
	for i := range int64(maxEntries / 16) {
		s.entries = append(s.entries, entry{at: day20000*dayMillis + i*300 + i%2, rec: record{
			outcome: probe.Outcomes()[random.IntN(6)], reason: probe.Reason(random.IntN(256)), attempts: uint8(random.IntN(256)),
			latency: probe.LatencyIndex(math.MinInt16 + random.IntN(1<<16)), under: random.IntN(2) == 0, unvouched: random.IntN(2) == 0, prober: p,
		}})
	}
	block := c.encode(day20000, s)
	got, err := c.decode(day20000, block)
	if err != nil {
		t.Fatal(err)
	}
	slotsEqual(t, s, got)
}

func TestNumbersRoundTrip(t *testing.T) {
	c := newTestCodec(t)
	for v := range uint32(numberLimit) {
		token, open := tokenOf(v)
		if token >= tokenLimit || open != openBits(token) || open > 17 {
			t.Fatalf("%d: got token %d, which leaves %d bits open, want less than %d and %d", v, token, open, tokenLimit, openBits(token))
		}
	}
	checkAll(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Uint32Max(rapid.SampledFrom([]uint32{0, 3, 63, 64, 1000, numberLimit - 1}).Draw(t, "greatest")), 0, 300).Draw(t, "numbers")
		var n numbers
		n.reset(len(want))
		for i, v := range want {
			n.set(i, v)
		}
		r := blockReader{b: c.appendColumn(nil, &n), codec: c}
		got := r.column("numbers", len(want), nil)
		r.end("end")
		if r.err != nil || !slices.Equal(want, got) {
			t.Fatalf("got %v, error %v, want %v", got, r.err, want)
		}
	})
}

// A recency is the slow truth with a bound: the place of a thing in the order in which all were last there.
func TestRecencyNamesWhatWasThere(t *testing.T) {
	checkAll(t, func(t *rapid.T) {
		things := rapid.IntRange(2, 3*recentThings).Draw(t, "things")
		order := make([]uint32, things)
		for i := range order {
			order[i] = uint32(i)
		}
		write, read := newRecency(things), newRecency(things)
		last := uint32(0)
		for range rapid.IntRange(0, 300).Draw(t, "runs") {
			thing := uint32(rapid.IntRange(0, things-1).Draw(t, "thing"))
			if thing == last {
				continue
			}
			last = thing
			at := slices.Index(order, thing)
			name := write.name(thing)
			if things <= recentThings && name != uint32(at-1) {
				t.Fatalf("got name %d, want %d", name, at-1)
			}
			order = slices.Insert(slices.Delete(order, at, at+1), 0, thing)
			if got, ok := read.thing(name); !ok || got != thing {
				t.Fatalf("name %d: got thing %d, %t, want %d", name, got, ok, thing)
			}
		}
	})
}

// What a day costs is promised: a byte a slot at 10 s and a spread of 10 % with all that a store needs around it, and
// below 0.7 for the latencies. With a course of the day it must not cost more.
func TestBytesOfASlot(t *testing.T) {
	c := newTestCodec(t)
	s := fullDay(rand.New(rand.NewPCG(1, 2)), c.probers.id("p"), 10_000)
	if got := float64(len(c.encode(day20000, s))) / float64(len(s.entries)); got > 0.57 {
		t.Errorf("got %.3f bytes a slot, want at most 0.57", got)
	}
	for i := range s.entries {
		rec := &s.entries[i].rec
		rec.latency += probe.LatencyIndex(15 * math.Sin(float64(i)/8640*2*math.Pi))
		rec.under = rec.latency < -90
	}
	if got := float64(len(c.encode(day20000, s))) / float64(len(s.entries)); got > 0.58 {
		t.Errorf("with a course of the day: got %.3f bytes a slot, want at most 0.58", got)
	}
}
