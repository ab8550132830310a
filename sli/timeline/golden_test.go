package timeline

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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

// goldenCourses are days that version 1 had nothing for: a course of the day, probers that take turns, spikes and runs of
// failures, and many gaps. What is drawn are whole numbers, so that the days are the same on every machine.
func goldenCourses(p *probers) map[string]slots {
	const start = int64(day20000 * dayMillis)
	random := rand.New(rand.NewPCG(8, 8))
	two := []proberID{p.id("p1"), p.id("p2")}
	var course, turns slots
	for i := range 480 {
		l := probe.LatencyIndex(-120 + i/13 + random.IntN(9) + random.IntN(9))
		if random.IntN(50) == 0 {
			l += probe.LatencyIndex(random.IntN(300))
		}
		rec := record{outcome: probe.Up, latency: l, attempts: 1, under: l < -90, prober: two[0]}
		course.entries = append(course.entries, entry{at: start + int64(i)*180_000, rec: rec})
		rec.prober, rec.attempts = two[random.IntN(2)], uint8(1+random.IntN(20)/19)
		if i/20%7 == 3 {
			rec = record{outcome: probe.Down, reason: probe.Timeout, latency: probe.NoLatency, attempts: 3, prober: rec.prober}
		}
		turns.entries = append(turns.entries, entry{at: start + int64(i)*30_000 + 7, rec: rec})
		if i%20 == 0 {
			at := start + int64(i)*180_000
			turns.gaps = append(turns.gaps, gap{from: at, to: at + 1000 + int64(random.IntN(9000)), prober: two[1], reason: probe.Late})
		}
	}
	return map[string]slots{"course": course, "turns": turns}
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

// A golden is a day as a block of a version holds it.
type golden struct {
	name  string
	since int // the first version that has it, and tells it in words
	slots slots
	block []byte
}

// goldens reads what each version of the encoding is held by.
func goldens(tb testing.TB, p *probers, version int) []golden {
	tb.Helper()
	var gs []golden
	for i, days := range []map[string]slots{goldenBlocks(p), goldenCourses(p)}[:version] {
		for name, s := range days {
			block, err := os.ReadFile(goldenPath(version, name) + ".bin")
			if err != nil {
				tb.Fatal(err)
			}
			gs = append(gs, golden{name, i + 1, s, block})
		}
	}
	return gs
}

func goldenPath(version int, name string) string {
	return filepath.Join("testdata", fmt.Sprintf("block-v%d-%s", version, name))
}

func TestGoldenBlocks(t *testing.T) {
	c := newTestCodec(t)
	if *update {
		days := goldenBlocks(c.probers)
		maps.Copy(days, goldenCourses(c.probers))
		for name, s := range days {
			writeGolden(t, goldenPath(blockVersion, name)+".bin", c.encode(day20000, s))
		}
		for name, s := range goldenCourses(c.probers) {
			writeGolden(t, goldenPath(blockVersion, name)+".txt", []byte(text(c.probers, s)))
		}
	}
	for version := 1; version <= blockVersion; version++ {
		for _, g := range goldens(t, c.probers, version) {
			if g.block[0] != byte(version) {
				t.Errorf("version %d, %s: got a block of version %d", version, g.name, g.block[0])
			}
			want, err := os.ReadFile(goldenPath(g.since, g.name) + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.decode(day20000, g.block)
			if err != nil {
				t.Fatalf("version %d, %s: %v", version, g.name, err)
			}
			if d := cmp.Diff(string(want), text(c.probers, got)); d != "" {
				t.Errorf("version %d, %s as read (-want +got):\n%s", version, g.name, d)
			}
		}
	}
}

// The compressors may change their minds; the columns may not.
func TestBlocksAreWrittenAsTheyWere(t *testing.T) {
	c := newTestCodec(t)
	for _, g := range goldens(t, c.probers, blockVersion) {
		if d := cmp.Diff(columnsOf(t, c, g.block), columnsOf(t, c, c.encode(day20000, g.slots))); d != "" {
			t.Errorf("%s: it is written differently now, which needs a new version (-was +is):\n%s", g.name, d)
		}
	}
	for _, g := range goldens(t, c.probers, 1) {
		if !bytes.Equal(body(t, c, g.block), body(t, c, c.encode1(day20000, g.slots))) {
			t.Errorf("%s: version 1 is written differently in tests than it was", g.name)
		}
	}
}

// columnsOf is what is in the parts of a block, unpacked.
func columnsOf(t *testing.T, c *codec, block []byte) map[string]any {
	t.Helper()
	r := blockReader{b: block, codec: c, probers: c.probers}
	r.check()
	packed := r.number("head", 1<<20)
	head := r.bytes("head", int(packed>>1))
	if packed&1 == 1 {
		head = r.unzipped("head", head)
	}
	head, columns := bytes.Clone(head), r.b
	s, err := c.decode(day20000, block)
	if err != nil {
		t.Fatal(err)
	}
	latencies := 0
	for _, e := range s.entries {
		if e.rec.latency != probe.NoLatency {
			latencies++
		}
	}
	r.b = columns
	runs := r.number("sequence", maxEntries)
	m := map[string]any{"head": head, "runs": runs}
	for _, name := range []string{"states", "lengths"} {
		m[name] = slices.Clone(r.column(name, max(int(runs), 1)-1, nil))
	}
	m["base"], m["threshold"], m["shift"] = r.signed("base"), r.signed("threshold"), r.number("shift", shiftLimit)
	m["latencies"] = slices.Clone(r.column("latencies", latencies, nil))
	m["bits"] = bytes.Clone(r.b)
	if r.err != nil {
		t.Fatal(r.err)
	}
	return m
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
	for _, x := range []struct {
		name  string
		block []byte
		want  string
	}{
		{"nothing", nil, "want a version"},
		{"no version", append([]byte{0}, good[1:]...), "got version 0, want 1 to 2"},
		{"a newer version", append([]byte{3}, good[1:]...), "got version 3, want at most 2: a newer program wrote it"},
		{"a cut checksum", good[:4], "checksum: got 4 bytes"},
		{"a flipped bit", append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), "checksum: got"},
		{"a cut end", good[:len(good)-1], "checksum: got"},
		{"nothing else", sealed(), "head: the bytes end"},
		{"a cut head", sealed(4, 0), "head: got 1 bytes, want 2"},
		{"a head that is no frame", sealed(5, 1, 2), "head: decompress"},
		{"more than a head", sealed(10, 0, 0, 0, 0, 0), "head: 1 bytes are left over"},
		{"no sequence", sealed(8, 0, 0, 0, 0), "sequence: the bytes end"},
		{"more than columns", sealed(8, 0, 0, 0, 0, 0, 0, 0, 0, 0), "end: 1 bytes are left over"},
		{"a slot twice", sealed(10, 0, 1, 5, 0, 2), "not ascending"},
		{"a day too long", sealed(20, 0, 1, 0, 0x80, 0xdd, 0xdb, 0x01, 0xff, 0xff, 0x07), "it ends after the day"},
		{"slots without states", sealed(14, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0), "got 0 runs of 0 states"},
		{"an unknown outcome", sealed(24, 1, 1, 'p', 1, 0, 0, 1, 1, 9, 0, 0, 1), "outcome(9)"},
		{"unknown flags", sealed(24, 1, 1, 'p', 1, 0, 0, 1, 1, 1, 0, 0x80, 1), "flags 0x80"},
		{"more runs than slots", twoSlots(3), "sequence: got 3, want at most 2"},
		{"an unknown coding", twoSlots(2, 3), "sequence: got 3, want at most 2"},
		{"no column", twoSlots(2), "sequence: the bytes end"},
		{"an unknown state", twoSlots(2, columnOne, 1, columnOne, 0), "sequence: got name 1, want one of a state"},
		{"a state out of reach", twoSlots(2, columnPlain, 64, 2, columnOne, 0), "sequence: got name 66, want one of a state"},
		{"too long a run", twoSlots(2, columnOne, 0, columnOne, 2), "sequence: got a run of 3 slots, want 1 to 2"},
		{"no last run", twoSlots(2, columnOne, 0, columnOne, 1), "sequence: got a run of 0 slots, want 1 to 0"},
		{"an unknown token", twoSlots(2, columnOne, tokenLimit), "sequence: got token 120, want less than 120"},
		{"a cut rest", twoSlots(1, 0, 0, 0, columnOne, 64), "latencies: got 0 bytes, want 1"},
		{"too great a shift", twoSlots(1, 0, 0, 17), "latency shift: got 17, want at most 16"},
		{"no tokens", twoSlots(1, 0, 0, 0, columnPlain, 1), "latencies: got 1 bytes, want 2"},
		{"no such entropy", twoSlots(1, 0, 0, 0, columnEntropy, 4, 0, 0, 0, 0), "latencies: decompress"},
		{"no such index", twoSlots(1, 0xff, 0xff, 0x03, 0, 0, columnOne, 1), "latencies: got index -32769"},
		{"no latency that is one", twoSlots(1, 0xff, 0xff, 0x03, 0, 0, columnOne, 0), "latencies: got index -32768"},
		{"no threshold bits", twoSlots(1, 0, 0, 0, columnOne, 0), "threshold bits: got 0 bytes, want 1"},
	} {
		if _, err := c.decode(day20000, x.block); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got error %v, want %q", x.name, err, x.want)
		}
	}
	if _, err := c.decode(day20000, twoSlots(2, columnOne, 0, columnOne, 0, 0, 0, 0, columnOne, 0, 0)); err != nil {
		t.Errorf("two slots: %v", err) // else what is said above of columns would be said of something before them
	}
}

// sealed is a block with the right checksum.
func sealed(rest ...byte) []byte {
	b := append([]byte{blockVersion}, binary.LittleEndian.AppendUint32(nil, checksum(rest))...)
	return append(b, rest...)
}

// twoSlots is a block of two slots that may be in two states, both with a latency, and these columns.
func twoSlots(columns ...byte) []byte {
	head := []byte{1, 1, 'p', 1, 0, 1, 2, 2, 1, 0, flagLatency, 1, 0, 1, 0, flagLatency, 2, 0, 0}
	return sealed(append(append([]byte{byte(2 * len(head))}, head...), columns...)...)
}

func TestDamagedBlocksOfVersion1AreErrors(t *testing.T) {
	c := newTestCodec(t)
	good := c.encode1(day20000, goldenBlocks(c.probers)["odd"])
	packed := func(b ...byte) []byte { return c.enc.EncodeAll(b, []byte{1}) }
	columns := body(t, c, good)
	for _, x := range []struct {
		name  string
		block []byte
		want  string
	}{
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
// being written again. The input is what a checksum and a compressor would hide: few changes of those can be read.
func FuzzBlock(f *testing.F) {
	p := &probers{}
	c, err := newCodec(p)
	if err != nil {
		f.Fatal(err)
	}
	for _, g := range goldens(f, p, 1) {
		b, err := c.dec.DecodeAll(g.block[1:], nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(1), b)
	}
	for _, g := range goldens(f, p, 2) {
		f.Add(byte(2), g.block[checkedFrom:])
	}
	f.Fuzz(func(t *testing.T, version byte, columns []byte) {
		c := newTestCodec(t)
		_, _ = c.decode(day20000, columns)
		block := sealed(columns...)
		if version == 1 {
			block = c.enc.EncodeAll(columns, []byte{1})
		}
		s, err := c.decode(day20000, block)
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
