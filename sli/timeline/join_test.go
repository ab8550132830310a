package timeline

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
)

// closeRecords draws records that differ in few things, so that each part of the order is reached.
func closeRecords(p *probers) *rapid.Generator[record] {
	return rapid.Custom(func(t *rapid.T) record {
		return record{
			outcome:   rapid.SampledFrom(probe.Outcomes()).Draw(t, "outcome"),
			reason:    rapid.SampledFrom([]probe.Reason{probe.ReasonNone, probe.Timeout}).Draw(t, "reason"),
			latency:   rapid.SampledFrom([]probe.LatencyIndex{probe.NoLatency, -100, -99}).Draw(t, "latency"),
			attempts:  rapid.SampledFrom([]uint8{1, 2}).Draw(t, "attempts"),
			under:     rapid.Bool().Draw(t, "under"),
			unvouched: rapid.Bool().Draw(t, "unvouched"),
			prober:    p.id(rapid.SampledFrom([]string{"p", "q", "r"}).Draw(t, "prober")),
		}
	})
}

func TestJoinLaws(t *testing.T) {
	p := &probers{}
	j := &joiner{check: "shop", region: "tokyo", probers: p}
	checkAll(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, 3).Draw(t, "at")
		a, b, c := closeRecords(p).Draw(t, "a"), closeRecords(p).Draw(t, "b"), closeRecords(p).Draw(t, "c")
		if got, want := j.join(at, a, b), j.join(at, b, a); got != want {
			t.Errorf("not commutative: got %+v, want %+v", got, want)
		}
		if got, want := j.join(at, j.join(at, a, b), c), j.join(at, a, j.join(at, b, c)); got != want {
			t.Errorf("not associative: got %+v, want %+v", got, want)
		}
		if got := j.join(at, a, a); got != a {
			t.Errorf("not idempotent: got %+v, want %+v", got, a)
		}
		if got := j.join(at, a, record{}); got != a {
			t.Errorf("no data is not the least: got %+v, want %+v", got, a)
		}
	})
}

func TestJoinPrefersWhatSaysMore(t *testing.T) {
	p := &probers{}
	j := &joiner{check: "shop", region: "tokyo", probers: p}
	ascending := []probe.Outcome{0, probe.Missed, probe.Inconclusive, probe.Down}
	for at := range int64(100) {
		for i, less := range ascending {
			for _, more := range ascending[i+1:] {
				a, b := record{outcome: less, prober: p.id("p"), attempts: 9}, record{outcome: more, prober: p.id("q")}
				if got := j.join(at, a, b); got != b {
					t.Fatalf("slot %d: %v ⊔ %v: got %v", at, less, more, got.outcome)
				}
			}
		}
	}
}

// The coin must not prefer the good or the bad, nor one prober.
func TestTieIsACoinToss(t *testing.T) {
	p := &probers{}
	j := &joiner{check: "shop", region: "tokyo", probers: p}
	good, bad := record{outcome: probe.Up, prober: p.id("p")}, record{outcome: probe.Down, prober: p.id("q")}
	n := 0
	for i := range int64(10_000) {
		if j.join(i*10_000, good, bad) == good {
			n++
		}
	}
	// Six standard deviations of 10,000 fair tosses.
	if n < 4700 || n > 5300 {
		t.Errorf("good won %d of 10000 tosses, want about half", n)
	}
}

// The tie is published: check id, region, slot in ms and prober, NUL-separated, SHA-256, first two bytes.
func TestTieAsPublished(t *testing.T) {
	p := &probers{}
	j := &joiner{check: "shop", region: "tokyo", probers: p}
	// printf 'shop\000tokyo\0001770000000000\000p1' | sha256sum
	if got, want := j.tie(1770000000000, p.id("p1")), uint16(0x9093); got != want {
		t.Errorf("got %#04x, want %#04x", got, want)
	}
}
