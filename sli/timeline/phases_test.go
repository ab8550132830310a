package timeline

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// withPhases is a result whose phases follow from its prober and slot alone, as those of a real one do: a slot is
// probed once.
func withPhases(prober string, at time.Time) probe.Result {
	r := up("shop", at)
	n := probe.LatencyIndex(at.Unix()/10%7) + probe.LatencyIndex(len(prober))
	r.Phases[probe.PhaseConnect], r.Phases[probe.PhaseWait] = -200+n, -100-n
	if n%2 == 0 {
		r.Phases[probe.PhaseTLS] = -150
	}
	return r
}

// countedPhases is what a report should say, from every result that was ever sent.
func countedPhases(sent map[string]map[int64]probe.Result, w sli.Window) []sli.Histogram {
	hs := make([]sli.Histogram, probe.NumPhases)
	for _, slots := range sent {
		for at, r := range slots {
			for p, i := range r.Phases {
				if at >= w.From && at < w.To && r.Outcome == probe.Up {
					hs[p].Add(sli.Index(i), 1)
				}
			}
		}
	}
	return hs
}

// However results come, repeated, out of order, across folds and restarts, each is counted once.
func TestPhasesAreCountedOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, testPhasesAreCountedOnce)
}

func testPhasesAreCountedOnce(t *testing.T, p place) {
	p.check(t, someRounds, func(rt *rapid.T, p place) {
		c := &clock{noon}
		s := p.open(t, c)
		defer func() { _ = s.Close() }()
		epoch := follow("shop")
		epoch.From = midnight.Add(-24 * time.Hour).UnixMilli()
		ingest(t, s, message(rt, "p", probe.Batch{Epochs: []probe.Epoch{epoch}}))
		sent := map[string]map[int64]probe.Result{"p": {}, "other": {}}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"send", "send", "send", "fold", "restart"}).Draw(rt, "step") {
			case "send":
				prober := rapid.SampledFrom([]string{"p", "other"}).Draw(rt, "prober")
				var b probe.Batch
				for range rapid.IntRange(1, 8).Draw(rt, "results") {
					at := midnight.Add(time.Duration(rapid.IntRange(-400, 400).Draw(rt, "slot")) * 10 * time.Second)
					r := withPhases(prober, at)
					if at.Unix()/10%5 == 0 {
						r.Outcome, r.Reason, r.Latency = probe.Down, probe.Status, probe.NoLatency
					}
					sent[prober][r.Slot] = r
					b.Results = append(b.Results, r)
				}
				ingest(t, s, message(rt, prober, b))
			case "fold":
				foldAll(t, s)
			case "restart":
				if err := s.Close(); err != nil {
					rt.Fatalf("close: %v", err)
				}
				s = p.open(t, c)
			}
		}
		hour := time.Duration(rapid.IntRange(-2, 1).Draw(rt, "hour")) * time.Hour
		q := sli.Query{From: midnight.Add(hour + time.Minute), To: midnight.Add(hour + 2*time.Hour)}
		got, err := s.Phases(t.Context(), q)
		if err != nil {
			rt.Fatalf("phases: %v", err)
		}
		w := sli.Window{From: midnight.Add(hour).UnixMilli(), To: q.To.UnixMilli(), AsOf: got[0].AsOf.UnixMilli()}
		want := sli.NewPhaseReport(w, sli.Series{Check: "shop", Region: "tokyo"}, phaseNames(), countedPhases(sent, w))
		if d := cmp.Diff([]sli.PhaseReport{want}, got); d != "" {
			rt.Fatalf("phases (-want +got):\n%s", d)
		}
	})
}

// Messages that come again do not fill the memory.
func TestPhasesOfRepeatedMessages(t *testing.T) { everywhere(t, testPhasesOfRepeatedMessages) }

func testPhasesOfRepeatedMessages(t *testing.T, p place) {
	s := p.store(t)
	m := message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{withPhases("p", noon.Add(-time.Hour))}})
	for range 5 {
		ingest(t, s, m)
	}
	if n := len(s.timelines.of(sli.Series{Check: "shop", Region: "tokyo"}).rest().looks); n != 1 {
		t.Errorf("got %d looks in memory, want 1", n)
	}
}

func TestDamagedPhasesAreSetAside(t *testing.T) { everywhere(t, testDamagedPhasesAreSetAside) }

func testDamagedPhasesAreSetAside(t *testing.T, p place) {
	s := p.store(t)
	at := noon.Add(-time.Hour)
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{withPhases("p", at)}}))
	foldAll(t, s)
	if _, err := s.db.write.ExecContext(t.Context(), "UPDATE phases SET data = $1", []byte{7}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Phases(t.Context(), sli.Query{Window: 2 * time.Hour}); err == nil || !strings.Contains(err.Error(), "want version 1") {
		t.Errorf("report over a damaged row: got error %v, want one about its version", err)
	}
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{withPhases("p", at.Add(10*time.Second))}}))
	foldAll(t, s)
	if n := rows(t, s, "rejected"); n != 1 {
		t.Errorf("got %d rows put aside, want 1", n)
	}
	got, err := s.Phases(t.Context(), sli.Query{Window: 2 * time.Hour})
	if err != nil || len(got) != 1 || got[0].Phases[0].Count != 1 {
		t.Errorf("after it was put aside: got %+v, error %v, want one slot", got, err)
	}
}

// goldenPhases are what testdata/phases-v1 holds.
func goldenPhases(p *probers) *phases {
	one, two := p.id("p1"), p.id("p2")
	d := new(phases)
	var looks []look
	for i := range 2000 {
		at := int64(day20000*dayMillis) + int64(i)*40_000
		l := look{at: at, prober: one, phases: noPhases()}
		if i%10 != 3 {
			l.phases[probe.PhaseConnect] = probe.LatencyIndex(-200 + i%7)
			l.phases[probe.PhaseRead] = probe.LatencyIndex(-690 + i%11*130)
		}
		looks = append(looks, l)
	}
	odd := look{at: int64(day20000 * dayMillis), prober: two, phases: noPhases()}
	odd.phases[probe.PhaseExchange], odd.phases[probe.PhaseResolve] = 32767, -32767
	d.take(append(looks, odd))
	return d
}

func phasesText(p *probers, d *phases) string {
	var b strings.Builder
	for _, s := range d.seen {
		for _, r := range runsOf(s.entries) {
			fmt.Fprintf(&b, "seen by %s: %d slots from %d every %d ms\n", p.name(s.prober), r.count, r.first, r.step)
		}
	}
	for _, x := range d.bins {
		fmt.Fprintf(&b, "hour %d %v index %d: %d slots\n", x.hour, x.phase, x.index, x.slots)
	}
	return b.String()
}

func TestGoldenPhases(t *testing.T) {
	c := newTestCodec(t)
	d := goldenPhases(c.probers)
	row := c.encodePhases(day20000, d)
	path := filepath.Join("testdata", "phases-v1")
	if *update {
		writeGolden(t, path+".bin", row)
		writeGolden(t, path+".txt", []byte(phasesText(c.probers, d)))
	}
	stored, err := os.ReadFile(path + ".bin")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(body(t, c, stored), body(t, c, row)) {
		t.Error("phases are written differently now: that needs a new version")
	}
	got, err := c.decodePhases(day20000, stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), phasesText(c.probers, got)); diff != "" {
		t.Errorf("as read (-want +got):\n%s", diff)
	}
}

func TestDamagedPhasesAreErrors(t *testing.T) {
	c := newTestCodec(t)
	packed := func(b ...byte) []byte { return c.enc.EncodeAll(b, []byte{phasesVersion}) }
	good := body(t, c, c.encodePhases(day20000, goldenPhases(c.probers)))
	for _, x := range []struct {
		name string
		row  []byte
		want string
	}{
		{"nothing", nil, "want version 1"},
		{"a newer version", []byte{9, 1}, "got 09…, want version 1"},
		{"a damaged frame", []byte{phasesVersion, 1, 2, 3}, "decompress"},
		{"cut columns", packed(good[:len(good)-1]...), "the bytes end within a number"},
		{"more than columns", packed(append(slices.Clone(good), 0)...), "1 bytes are left over"},
		{"hour 24", packed(0, 1, 24, 0, 0, 0, 0, 0), "hour 24"},
		{"a group twice", packed(0, 2, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0), "ascending order"},
		{"too many bins", packed(0, 1, 1, 1, 0, 200, 1, 0), "want at most"},
		{"an index that is none", packed(0, 1, 1, 1, 0xff, 0xff, 0x03, 0, 0), "got index -32768"},
	} {
		if _, err := c.decodePhases(day20000, x.row); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got error %v, want %q", x.name, err, x.want)
		}
	}
}

func FuzzPhases(f *testing.F) {
	p := &probers{}
	c, err := newCodec(p)
	if err != nil {
		f.Fatal(err)
	}
	b, err := c.dec.DecodeAll(c.encodePhases(day20000, goldenPhases(p))[1:], nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{1, 1, 'p', 1, 0, 10, 3, 1, 5, 2, 3, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, columns []byte) {
		c := newTestCodec(t)
		_, _ = c.decodePhases(day20000, columns)
		d, err := c.decodePhases(day20000, c.enc.EncodeAll(columns, []byte{phasesVersion}))
		if err != nil {
			return
		}
		if !slices.IsSortedFunc(d.bins, compareBins) {
			t.Fatalf("bins are out of order: %+v", d.bins)
		}
		read := phasesText(c.probers, d)
		again := newTestCodec(t)
		again.probers = c.probers
		e, err := again.decodePhases(day20000, c.encodePhases(day20000, d))
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		if diff := cmp.Diff(sortedLines(read), sortedLines(phasesText(c.probers, e))); diff != "" {
			t.Fatalf("written again (-want +got):\n%s", diff)
		}
	})
}

func sortedLines(text string) []string { return slices.Sorted(strings.Lines(text)) }
