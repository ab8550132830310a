package timeline

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// asInRuns compares the runs of a view with its slots, and returns how many days of it came from outlines.
func asInRuns(t tester, s *Store, v view, from, to int64) int {
	t.Helper()
	var err error
	var want, got []sli.Slot
	for slot := range s.slots(t.Context(), v, from, to, &err) {
		slot.Latency, slot.Under, slot.Attempts = sli.NoLatency, false, 0
		want = append(want, slot)
	}
	if err != nil {
		t.Fatalf("slots: %v", err)
	}
	for r := range s.runs(t.Context(), v, from, to, &err) {
		r.Latency, r.Under, r.Attempts = sli.NoLatency, false, 0
		for range r.N {
			got = append(got, r.Slot)
			r.At += r.Cell
		}
	}
	if err != nil {
		t.Fatalf("runs: %v", err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s in %s from %s to %s (-slots +runs):\n%s", v.Check, v.Region, time.UnixMilli(from).UTC(), time.UnixMilli(to).UTC(), d)
	}
	if from >= to {
		return 0
	}
	first, last := between(from, to)
	pages, err := s.pages(t.Context(), []int64{v.id}, first, last)
	if err != nil {
		t.Fatalf("outlines: %v", err)
	}
	bodies := v.outlines(nil, pages[v.id], first, last)
	return len(slices.DeleteFunc(bodies, func(b []byte) bool { return b == nil }))
}

// outlined is how many days of "shop" in Tokyo come from outlines, whose runs must be as their slots.
func outlined(t *testing.T, s *Store, from, to time.Time) int {
	t.Helper()
	s.mu.RLock()
	v := s.view(s.timelines.of(sli.Series{Check: "shop", Region: "tokyo"}), from.UnixMilli(), to.UnixMilli())
	s.mu.RUnlock()
	return asInRuns(t, s, v, from.UnixMilli(), to.UnixMilli())
}

// A day that goes on is in runs, too, with what is in memory of it; what changes what is known of a day leaves its outline aside
// until the next fold.
func TestOutlines(t *testing.T) { everywhere(t, testOutlines) }

func testOutlines(t *testing.T, p place) {
	s := fourDays(t, p)
	send := func(name string, b probe.Batch, want int) {
		t.Helper()
		if !b.Empty() {
			m := message(t, "p", b)
			m.Received = noon
			ingest(t, s, m)
		}
		if got := outlined(t, s, on(0, 0), on(6, 0)); got != want {
			t.Errorf("%s: got %d days from outlines, want %d", name, got, want)
		}
	}
	send("four days", probe.Batch{}, 4)
	send("a slot of a day to come", probe.Batch{Results: []probe.Result{up("shop", on(4, 2*time.Hour))}}, 4)
	foldAll(t, s)
	send("a day that goes on", probe.Batch{Results: []probe.Result{down("shop", on(4, 6*time.Hour))}}, 5)
	send("a late slot", probe.Batch{Results: []probe.Result{down("shop", on(1, 6*time.Hour))}}, 5)
	foldAll(t, s)
	send("folded", probe.Batch{}, 5)
	end := everyTwoHours(on(3, 0))
	end.Grid = probe.Grid{}
	send("the check ended on the fourth day", probe.Batch{Epochs: []probe.Epoch{end}}, 3)
}

// What happens all the time has no outline, and is read from the block.
func TestNoOutlineOfTooMuch(t *testing.T) { everywhere(t, testNoOutlineOfTooMuch) }

func testNoOutlineOfTooMuch(t *testing.T, p place) {
	s := p.store(t)
	at := on(0, 0)
	b := probe.Batch{Epochs: []probe.Epoch{follow("shop")}}
	b.Epochs[0].From = at.UnixMilli()
	for i := range 1000 {
		r := up("shop", at.Add(time.Duration(i)*10*time.Second))
		if i%2 == 0 {
			r = down("shop", time.UnixMilli(r.Slot))
		}
		b.Results = append(b.Results, r)
	}
	quiet := up("shop", on(1, 0))
	b.Results = append(b.Results, quiet)
	ingest(t, s, message(t, "p", b))
	foldAll(t, s)
	if got := outlined(t, s, on(0, 0), on(2, 0)); got != 1 {
		t.Errorf("got %d days from outlines, want the second one alone", got)
	}
}

func TestOutlinesAreSealed(t *testing.T) { everywhere(t, testOutlinesAreSealed) }

func testOutlinesAreSealed(t *testing.T, p place) {
	s := fourDays(t, p)
	tl := s.timelines.of(sli.Series{Check: "shop", Region: "tokyo"})
	g := groundsOf(tl.epochs(), tl.due())
	day := dayOf(on(2, 0).UnixMilli())
	number := pageOf(day)
	tooMany := []byte{200, 1, byte(probe.Up)} // 200 slots of 12
	for _, x := range []struct {
		name string
		row  []byte
		want int // days that are taken; with an outline that fits and is wrong, of more than was due, its day is not read by it
	}{
		{"nothing", []byte{}, 0},
		{"another version", []byte{9}, 0},
		{"cut", dayPage{{day, g.sealed(day, []byte{12, byte(probe.Up)})}}.encode()[:6], 0},
		{"another day's seal", dayPage{{day, append(g.outlineSeal(day+1, []byte{12, 1}), 12, 1)}}.encode(), 0},
		{"more slots than are due", dayPage{{day, g.sealed(day, tooMany)}}.encode(), 1},
		{"no run", dayPage{{day, g.sealed(day, []byte{12})}}.encode(), 1},
	} {
		err := s.db.transact(t.Context(), func(tx *transaction) error { return tx.exec("put outline", tl.id, number, x.row) })
		if err != nil {
			t.Fatal(err)
		}
		if got := outlined(t, s, on(0, 0), on(4, 0)); got != x.want {
			t.Errorf("%s: got %d days from outlines, want %d", x.name, got, x.want)
		}
	}
	// One that fits is believed.
	forged := dayPage{{day, g.sealed(day, []byte{12, byte(probe.Missed)})}}.encode()
	if err := s.db.transact(t.Context(), func(tx *transaction) error { return tx.exec("put outline", tl.id, number, forged) }); err != nil {
		t.Fatal(err)
	}
	var err error
	var first sli.Run
	v := view{Series: tl.Series, id: tl.id, epochs: tl.epochs(), due: tl.due()}
	for first = range s.runs(t.Context(), v, on(2, 0).UnixMilli(), on(3, 0).UnixMilli(), &err) {
		break
	}
	if err != nil || first.N != 12 || first.Outcome != sli.Missed {
		t.Errorf("got %+v and error %v, want a run of 12 missed slots", first, err)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte{})
	f.Add(dayPage{{3, append(make([]byte, sealSize), 12, 1, 3, 0x1a, 7)}, {31, append(make([]byte, sealSize), 200, 1, 1)}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readPage(0, b)
		if err != nil {
			return
		}
		for _, o := range p {
			due := sli.DueRuns(nil, []sli.Segment{{To: 1 << 60, Interval: 60_000}}, o.day*dayMillis, (o.day+1)*dayMillis)
			runs, upTo, err := expand(nil, o.data[sealSize:], due)
			if err != nil {
				continue
			}
			n := int64(0)
			for _, r := range runs {
				n += r.N
			}
			if n > 1440 || upTo > (o.day+1)*dayMillis {
				t.Errorf("got %d slots up to %d, want at most those of the day", n, upTo)
			}
		}
		again, err := readPage(0, p.encode())
		if err != nil || !bytes.Equal(again.encode(), p.encode()) {
			t.Errorf("a page does not come back: %v", err)
		}
	})
}
