package timeline

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
)

var update = flag.Bool("update", false, "write the golden files of the newest block version")

// goldenBlocks are what the golden files hold. Files of a version are never written again once it is released.
func goldenBlocks(p *probers) map[string]slots {
	const start = int64(day20000 * dayMillis)
	one, two := p.id("p1"), p.id("p2")
	rec := func(o probe.Outcome, r probe.Reason, l probe.LatencyIndex, who proberID) record {
		return record{outcome: o, reason: r, latency: l, attempts: 1, under: l != probe.NoLatency && l < -100, prober: who}
	}
	unvouched := rec(probe.Down, probe.Timeout, probe.NoLatency, one)
	unvouched.unvouched, unvouched.attempts = true, 255
	every := slots{}
	for i, o := range probe.Outcomes() {
		every.entries = append(every.entries, entry{at: start + int64(i)*60_000, rec: rec(o, probe.Reason(3*i), probe.NoLatency, one)})
	}
	day := fullDay(rand.New(rand.NewPCG(7, 7)), one, 60_000)
	day.entries = append(day.entries[:700], day.entries[703:]...)
	return map[string]slots{
		"empty":    {},
		"day":      day,
		"outcomes": every,
		"odd": {
			entries: []entry{
				{at: start, rec: rec(probe.Up, probe.ReasonNone, -101, one)},
				{at: start + 1, rec: rec(probe.Up, probe.ReasonNone, -100, two)},
				{at: start + 10_000, rec: rec(probe.Up, probe.ReasonNone, math.MaxInt16, two)},
				{at: start + 20_000, rec: rec(probe.Up, probe.ReasonNone, math.MinInt16+1, one)},
				{at: start + 30_000, rec: unvouched},
				{at: start + dayMillis - 1, rec: rec(probe.Inconclusive, probe.Reason(200), probe.NoLatency, two)},
			},
			gaps: []gap{
				{from: start, to: start + 60_000, prober: one, reason: probe.Stopped},
				{from: start + 80_000, to: start + dayMillis, prober: one, reason: probe.Stopped},
				{from: start + 5, to: start + 6, prober: two, reason: probe.Late},
			},
		},
	}
}

// text writes slots down for people, one line a slot.
func text(p *probers, s slots) string {
	var b strings.Builder
	for _, e := range s.entries {
		r := e.rec
		fmt.Fprintf(&b, "slot %d %v reason=%d latency=%d under=%t unvouched=%t attempts=%d prober=%s\n",
			e.at, r.outcome, r.reason, r.latency, r.under, r.unvouched, r.attempts, p.name(r.prober))
	}
	for _, g := range s.gaps {
		fmt.Fprintf(&b, "gap %d-%d reason=%d prober=%s\n", g.from, g.to, g.reason, p.name(g.prober))
	}
	return b.String()
}

func TestGoldenBlocks(t *testing.T) {
	c := newTestCodec(t)
	for name, s := range goldenBlocks(c.probers) {
		path := filepath.Join("testdata", "block-v1-"+name)
		if *update {
			writeGolden(t, path+".bin", c.encode(day20000, s))
			writeGolden(t, path+".txt", []byte(text(c.probers, s)))
		}
		block, err := os.ReadFile(path + ".bin")
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(path + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.decode(day20000, block)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(string(want), text(c.probers, got)); d != "" {
			t.Errorf("%s as read (-want +got):\n%s", name, d)
		}
		// The compressor may change its mind; the columns may not.
		if !bytes.Equal(body(t, c, block), body(t, c, c.encode(day20000, s))) {
			t.Errorf("%s: it is written differently now: that needs a new version", name)
		}
	}
}

func writeGolden(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func body(t *testing.T, c *codec, block []byte) []byte {
	t.Helper()
	b, err := c.dec.DecodeAll(block[1:], nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDamagedBlocksAreErrors(t *testing.T) {
	c := newTestCodec(t)
	good := c.encode(day20000, goldenBlocks(c.probers)["odd"])
	packed := func(b ...byte) []byte { return c.enc.EncodeAll(b, []byte{blockVersion}) }
	columns := body(t, c, good)
	for _, x := range []struct {
		name  string
		block []byte
		want  string
	}{
		{"nothing", nil, "want a version"},
		{"a newer version", append([]byte{2}, good[1:]...), "got version 2, want 1"},
		{"a damaged frame", append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), "decompress"},
		{"cut columns", packed(columns[:len(columns)-1]...), "gap"},
		{"more than columns", packed(append(bytes.Clone(columns), 0)...), "1 bytes are left over"},
		{"no columns", packed(), "probers"},
		{"a slot twice", packed(0, 1, 5, 0, 2), "not ascending"},
		{"a day too long", packed(0, 1, 0, 0x80, 0xdd, 0xdb, 0x01, 0xff, 0xff, 0x07), "it ends after the day"},
		{"states without slots", packed(1, 1, 'p', 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0), "got 1, want at most 0"},
		{"slots without states", packed(0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0), "got states of 0 slots, want of 1"},
		{"an unknown outcome", packed(1, 1, 'p', 1, 0, 0, 1, 1, 9, 0, 0, 1, 0), "outcome(9)"},
		{"unknown flags", packed(1, 1, 'p', 1, 0, 0, 1, 1, 1, 0, 0x80, 1, 0), "flags 0x80"},
	} {
		if _, err := c.decode(day20000, x.block); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got error %v, want %q", x.name, err, x.want)
		}
	}
}

// FuzzBlock looks for panics, for blocks that read as something that cannot be, and for what does not survive
// being written again. The input is the columns, since few changes of a compressed frame decompress.
func FuzzBlock(f *testing.F) {
	p := &probers{}
	c, err := newCodec(p)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range goldenBlocks(p) {
		b, err := c.dec.DecodeAll(c.encode(day20000, s)[1:], nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, columns []byte) {
		c := newTestCodec(t)
		_, _ = c.decode(day20000, columns)
		s, err := c.decode(day20000, c.enc.EncodeAll(columns, []byte{blockVersion}))
		if err != nil {
			return
		}
		for i, e := range s.entries {
			if dayOf(e.at) != day20000 || i > 0 && s.entries[i-1].at >= e.at || !e.rec.outcome.Valid() {
				t.Fatalf("entry %d is %+v after %+v", i, e, s.entries[max(0, i-1)])
			}
		}
		d := newTestCodec(t)
		d.probers = c.probers
		again, err := d.decode(day20000, c.encode(day20000, s))
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		slotsEqual(t, s, again)
	})
}
