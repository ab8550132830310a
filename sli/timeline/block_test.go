package timeline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

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
	rapid.Check(t, func(t *rapid.T) {
		s := slotsGen(c).Draw(t, "slots")
		got, err := c.decode(day20000, c.encode(day20000, s))
		if err != nil {
			t.Fatal(err)
		}
		slotsEqual(t, s, got)
	})
}
