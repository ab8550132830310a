package timeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

func importInto(t tester, dir string, p place) Imported {
	t.Helper()
	o := p.Options
	o.Now = func() time.Time { return noon }
	done, err := Import(t.Context(), dir, o)
	if err != nil {
		t.Fatalf("import: %v", err)
	}
	return done
}

func TestImport(t *testing.T) {
	source, p := t.TempDir(), place{Options{Database: cluster.Database(t)}}
	s := openStore(t, source, &clock{noon})
	setMaintenance(t, s, once("m", 0, 1, "shop"))
	fillAll(t, s)
	announceOne(t, s)
	correct(t, s, corrected("kept", on(0, 0), on(0, 5*time.Hour), "bad"))
	correct(t, s, corrected("ended", on(1, 0), on(1, 5*time.Hour), "good"))
	revoke(t, s, "ended")
	want, summaries := everythingSaid(t, s), asFromSlots(t, s, on(0, 0), on(4, 0))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := contents(t, source)
	want["connect"] = "K1 K2! 1:m c:d shop:added"
	for _, what := range []string{"once", "twice"} {
		done := importInto(t, source, p)
		if d := cmp.Diff(Imported{Series: 4, Days: 12, Epochs: 4, Messages: 2}, done); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		to := p.open(t, &clock{noon})
		said := everythingSaid(t, to)
		said["connect"] = whoMayConnect(t, to)
		if d := cmp.Diff(want, said); d != "" {
			t.Errorf("%s (-folder +database):\n%s", what, d)
		}
		if n := asFromSlots(t, to, on(0, 0), on(4, 0)); n != summaries || n == 0 {
			t.Errorf("%s: got %d days from summaries, want %d", what, n, summaries)
		}
		foldAll(t, to)
		said = everythingSaid(t, to)
		said["connect"] = want["connect"]
		if d := cmp.Diff(want, said); d != "" {
			t.Errorf("%s and folded (-folder +database):\n%s", what, d)
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(before, contents(t, source)); d != "" {
		t.Errorf("the folder before and after (-before +after):\n%s", d)
	}
	if _, err := Import(t.Context(), t.TempDir(), p.Options); err == nil {
		t.Error("of an empty folder: got no error")
	}
}

// whoMayConnect is in short what probers elsewhere need: keys, those that are revoked with a mark, and the plan of tokyo.
func whoMayConnect(t *testing.T, s *Store) string {
	t.Helper()
	var all []string
	cs, err := s.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		if !c.Revoked.IsZero() {
			c.Key += "!"
		}
		all = append(all, c.Key)
	}
	p, err := s.Plan(t.Context(), "tokyo")
	if err != nil {
		t.Fatal(err)
	}
	chunk, err := s.PlanChunk(t.Context(), "tokyo", "c")
	if err != nil {
		t.Fatal(err)
	}
	changes, err := s.Changes(t.Context(), sli.Query{From: on(0, 0), To: on(1, 0)})
	if err != nil || len(changes) != 1 {
		t.Fatalf("got changes %v, error %v, want one", changes, err)
	}
	return fmt.Sprintf("%s %d:%s c:%s %s:%s", strings.Join(all, " "), p.Revision, p.Manifest, chunk, changes[0].Check, changes[0].What)
}

// Whatever a folder and a database that is in use know of the same slots, after an import the database knows all of it.
func TestAnyImport(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	p := place{Options{Database: cluster.Database(t)}}
	n := 0
	p.check(t, mostRounds, func(rt *rapid.T, room place) {
		n++
		source := place{Options{Dir: base}}.room(t, n)
		from, to := source.open(t, &clock{noon}), room.open(t, &clock{noon})
		defer func() { _ = errors.Join(from.Close(), to.Close()) }()
		m := newModel()
		e := follow("shop")
		e.From, e.Under = midnight.Add(-2*time.Minute).UnixMilli(), time.Second
		for i := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			s := rapid.SampledFrom([]*Store{from, to}).Draw(rt, "where")
			switch rapid.SampledFrom([]string{"send", "send", "send", "fold", "import"}).Draw(rt, "step") {
			case "send":
				b := batchGen().Draw(rt, "batch")
				b.Epochs = append(b.Epochs, e)
				msg := message(rt, rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "prober"), b)
				msg.Received = noon.Add(time.Duration(i) * time.Second)
				m.take(msg.Prober, msg.Received, &b)
				ingest(t, s, msg)
			case "fold":
				foldAll(t, s)
			case "import":
				importInto(rt, source.Dir, room)
			}
		}
		importInto(rt, source.Dir, room)
		from1, to1 := midnight.Add(-2*time.Minute), midnight.Add(2*time.Minute)
		catchUp(t, to)
		compare(rt, to, m, from1, to1)
		foldAll(t, to)
		compare(rt, to, m, from1, to1)
	})
}

// A block that an import has just made is not lost in a fold by who does not know of it yet.
func TestAFoldAfterAnImport(t *testing.T) {
	source, p := t.TempDir(), place{Options{Database: cluster.Database(t)}}
	from, to := openStore(t, source, &clock{noon}), p.store(t)
	at := noon.Add(-time.Minute)
	epoch := probe.Batch{Epochs: []probe.Epoch{follow("shop")}}
	ingest(t, from, message(t, "p", epoch), message(t, "p", probe.Batch{Results: []probe.Result{withPhases("p", at)}}))
	foldAll(t, from)
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	foldAll(t, to) // so that it leads
	ingest(t, to, message(t, "q", epoch), message(t, "q", probe.Batch{Results: []probe.Result{down("shop", at.Add(10*time.Second))}}))
	importInto(t, source, p)
	foldAll(t, to)
	wantText(t, "folded", "up down{timeout} no_data", outcomes(t, to, at, at.Add(30*time.Second)))
	rs, err := to.Phases(t.Context(), sli.Query{Window: 2 * time.Hour})
	if err != nil || len(rs) != 1 || rs[0].Phases[0].Count != 1 {
		t.Errorf("phases: got %+v, error %v, want one slot", rs, err)
	}
}

func TestImportKeepsOrdinals(t *testing.T) {
	for _, x := range []struct {
		what   string
		stored map[string]int
		from   []Region
		want   map[string]int
		moved  []string
	}{
		{"into nothing", nil, []Region{explicit("a", 0), explicit("b", 7)}, map[string]int{"a": 0, "b": 7}, nil},
		{"the same", map[string]int{"a": 0, "b": 7}, []Region{explicit("a", 0), explicit("b", 7)}, map[string]int{}, nil},
		{"known as another", map[string]int{"a": 3}, []Region{explicit("a", 0)}, map[string]int{}, []string{"a"}},
		{"taken", map[string]int{"x": 0, "y": 1}, []Region{explicit("a", 0), explicit("b", 2)}, map[string]int{"a": 3, "b": 2}, []string{"a"}},
	} {
		fresh, moved := adopt(x.stored, x.from)
		got := map[string]int{}
		for _, r := range fresh {
			got[r.Name] = *r.Ordinal
		}
		if d := cmp.Diff(x.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.what, d)
		}
		if d := cmp.Diff(x.moved, moved); d != "" {
			t.Errorf("%s, moved (-want +got):\n%s", x.what, d)
		}
	}
}

// Histograms of one day are added up only if no result can be in both.
func TestImportedPhases(t *testing.T) {
	source, p := t.TempDir(), place{Options{Database: cluster.Database(t)}}
	from, to := openStore(t, source, &clock{noon}), p.store(t)
	at := noon.Add(-time.Hour)
	epoch := probe.Batch{Epochs: []probe.Epoch{follow("shop")}}
	two := probe.Batch{Results: []probe.Result{withPhases("p", at), withPhases("p", at.Add(10*time.Second))}}
	ingest(t, from, message(t, "p", epoch), message(t, "p", two))
	foldAll(t, from)
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	counted := func() uint64 {
		t.Helper()
		catchUp(t, to)
		rs, err := to.Phases(t.Context(), sli.Query{Window: 2 * time.Hour})
		if err != nil || len(rs) != 1 {
			t.Fatalf("got %d reports, error %v", len(rs), err)
		}
		return uint64(rs[0].Phases[0].Count)
	}
	ingest(t, to, message(t, "q", probe.Batch{Results: []probe.Result{withPhases("q", at.Add(20*time.Second))}}))
	foldAll(t, to)
	for _, what := range []string{"once", "twice"} {
		importInto(t, source, p)
		if n := counted(); n != 3 {
			t.Errorf("%s: got %d results in the histogram, want 3", what, n)
		}
	}
}
