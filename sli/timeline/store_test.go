package timeline

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

func TestProbeAndSLIAgree(t *testing.T) {
	pairs := map[probe.Outcome]sli.Outcome{
		0: sli.NoData, probe.Up: sli.Up, probe.Down: sli.Down, probe.ExpectedUnreachable: sli.ExpectedUnreachable,
		probe.Unexpected: sli.Unexpected, probe.Inconclusive: sli.Inconclusive, probe.Missed: sli.Missed,
	}
	for p, s := range pairs {
		if uint8(p) != uint8(s) {
			t.Errorf("%v: got %d in probe and %d in sli, want the same", p, p, s)
		}
	}
	if len(pairs) != len(probe.Outcomes())+1 {
		t.Errorf("got %d outcomes, want %d", len(probe.Outcomes()), len(pairs)-1)
	}
	if int64(probe.NoLatency) != int64(sli.NoLatency) {
		t.Errorf("no latency: got %d in probe and %d in sli", probe.NoLatency, sli.NoLatency)
	}
	for d := time.Microsecond; d < time.Hour; d = d*11/10 + 1 {
		v := sli.Index(probe.IndexOf(d)).Seconds()
		if e := v/d.Seconds() - 1; e > 0.0101 || e < -0.0101 {
			t.Fatalf("%v: index %d stands for %v s, want it within 1 %%: the gammas differ", d, probe.IndexOf(d), v)
		}
	}
}

func TestIngestIsVisibleBeforeAndAfterFoldAndRestart(t *testing.T) {
	everywhere(t, testIngestIsVisibleBeforeAndAfterFoldAndRestart)
}

func testIngestIsVisibleBeforeAndAfterFoldAndRestart(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	at := noon.Add(-time.Minute)
	ingest(t, s, message(t, "p", probe.Batch{
		Epochs:  []probe.Epoch{follow("shop")},
		Results: []probe.Result{up("shop", at), down("shop", at.Add(20*time.Second))},
		Missed:  []probe.MissedRange{{Check: "shop", From: at.Add(30 * time.Second).UnixMilli(), To: at.Add(50 * time.Second).UnixMilli(), Reason: probe.Stopped}},
	}))
	const want = "up no_data down{timeout} missed{stopped} missed{stopped} no_data"
	wantText(t, "in the tail", want, outcomes(t, s, at, noon))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = p.open(t, c)
	wantText(t, "replayed", want, outcomes(t, s, at, noon))
	foldAll(t, s)
	wantText(t, "folded", want, outcomes(t, s, at, noon))
	if n := rows(t, s, "journal"); n != 0 {
		t.Errorf("journal after a fold: got %d rows, want none", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = p.open(t, c)
	defer s.Close()
	wantText(t, "folded and reopened", want, outcomes(t, s, at, noon))
	s2 := p.beside(t, c)
	defer s2.Close()
	wantText(t, "read beside the writer", want, outcomes(t, s2, at, noon))
}

func TestOpenLocksTheFolder(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, &clock{noon})
	_, err := Open(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), holder(dir+"/"+lockName)) {
		t.Errorf("second open: got %v, want an ErrLocked that names %s and the process", err, dir)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatalf("open after close: %v", err)
	}
	_ = s.Close()
}

func TestStaggeredFoldsFreeTheJournal(t *testing.T) { everywhere(t, testStaggeredFoldsFreeTheJournal) }

func testStaggeredFoldsFreeTheJournal(t *testing.T, p place) {
	s := p.store(t)
	checks := []string{"a", "b", "c", "d", "shop"}
	for n := range 2 * foldParts {
		at := noon.Add(time.Duration(n) * 10 * time.Second)
		var b probe.Batch
		for _, c := range checks {
			b.Results = append(b.Results, up(c, at))
		}
		ingest(t, s, message(t, "p", b))
		if err := s.step(t.Context(), uint32(n)); err != nil {
			t.Fatal(err)
		}
		if n := rows(t, s, "journal"); n > foldParts+1 {
			t.Fatalf("tick %d: got %d rows in the journal, want at most those of one round", n, n)
		}
	}
	if n := rows(t, s, "journal"); n == 0 {
		t.Error("got an empty journal, want the rows of unfolded series to be kept")
	}
}

func TestCrowdedTailIsFolded(t *testing.T) { everywhere(t, testCrowdedTailIsFolded) }

func testCrowdedTailIsFolded(t *testing.T, p place) {
	s := p.store(t)
	var b probe.Batch
	for i := range 5000 {
		b.Results = append(b.Results, up("shop", noon.Add(-time.Duration(i)*time.Second)))
	}
	m := message(t, "p", b)
	b.Results = nil
	for n := 0; ; n++ {
		ms := make([]Message, 4)
		for k := range ms {
			ms[k] = m
			ms[k].Region = "r" + string(rune('a'+n)) + string(rune('a'+k))
		}
		ingest(t, s, ms...)
		if s.unfolded > tailLimit+1000*tailPerSeries {
			t.Fatalf("got %d entries in memory, want them folded", s.unfolded)
		}
		if rows(t, s, "block") > 0 {
			break
		}
	}
	if s.crowded(1) {
		t.Errorf("after the fold: got %d entries in memory, want less", s.unfolded)
	}
}

func TestReject(t *testing.T) { everywhere(t, testReject) }

func testReject(t *testing.T, p place) {
	s := p.store(t)
	good := message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", noon)}})
	poison := Message{Region: "tokyo", Prober: "p", Received: noon, Payload: []byte("\x01no such thing")}
	strange := good
	strange.Region = "../tokyo"
	old := message(t, "p", probe.Batch{Results: []probe.Result{up("shop", noon.Add(-DefaultRetention-time.Second)), up("shop", noon.Add(-10*time.Second))}})
	future := message(t, "p", probe.Batch{Results: []probe.Result{up("shop", noon.Add(time.Hour+time.Second))}})
	ingest(t, s, poison, strange, old, good, future)
	wantText(t, "what could be read", "up up", outcomes(t, s, noon.Add(-10*time.Second), noon.Add(time.Second)))
	got := map[string]int64{}
	for _, c := range s.Counters() {
		if c.What == sli.CountRejected {
			got[c.Reason] = c.N
		}
	}
	for _, reason := range []string{"malformed", "off_subject", "too_old", "future"} {
		if got[reason] != 1 {
			t.Errorf("rejected %s: got %d, want 1", reason, got[reason])
		}
	}
	if n := rows(t, s, "rejected"); n != 4 {
		t.Errorf("got %d rejected rows, want 4", n)
	}
	list, err := s.Rejected(t.Context(), sli.Query{From: noon, To: noon.Add(time.Second), Regions: []string{"tokyo"}})
	if err != nil || len(list) != 3 || list[2].Reason != "malformed" || string(list[2].Head) != "\x01no such thing" || !list[2].ReceivedAt.Equal(noon) {
		t.Errorf("got %+v, %v, want the three of the region, the poison first to come and so the last", list, err)
	}
	for _, around := range []time.Duration{-time.Second, time.Second} {
		q := sli.Query{From: noon.Add(around), To: noon.Add(around + 500*time.Millisecond)}
		if list, err := s.Rejected(t.Context(), q); err != nil || len(list) != 0 {
			t.Errorf("%v from then: got %+v, %v, want nothing", around, list, err)
		}
	}
	for range 3 {
		ms := make([]Message, rejectedKept)
		for i := range ms {
			ms[i] = poison
		}
		ingest(t, s, ms...)
	}
	if n := rows(t, s, "rejected"); n != rejectedKept {
		t.Errorf("after a flood: got %d rejected rows, want %d", n, rejectedKept)
	}
}

func TestReadOnlyOfNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(t.Context(), dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want an error that names %s", err, dir)
	}
	if es, _ := os.ReadDir(dir); len(es) > 0 {
		t.Errorf("got %v in the folder, want it untouched", es)
	}
}

// Of two words about one slot the later one counts, also if it arrives first and the store is reopened between.
func TestTheLastWordAboutAnEpochCounts(t *testing.T) {
	everywhere(t, testTheLastWordAboutAnEpochCounts)
}

func testTheLastWordAboutAnEpochCounts(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	twenty := follow("shop")
	twenty.Grid.Interval = 20_000
	late := message(t, "p", probe.Batch{Epochs: []probe.Epoch{twenty}})
	early := message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}})
	early.Received = noon.Add(-time.Second)
	ingest(t, s, late)
	ingest(t, s, early)
	const want = "no_data no_data no_data"
	wantText(t, "in memory", want, outcomes(t, s, noon.Add(-time.Minute), noon))
	foldAll(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = p.open(t, c)
	defer s.Close()
	wantText(t, "reopened", want, outcomes(t, s, noon.Add(-time.Minute), noon))
}

// Results find their timelines in whatever order a prober sends its checks, also after one has gone and come back.
func TestResultsInAnyOrder(t *testing.T) { everywhere(t, testResultsInAnyOrder) }

func testResultsInAnyOrder(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	defer s.Close()
	want := map[string]int64{}
	n := 0
	send := func(region string, checks ...string) {
		t.Helper()
		n++
		var b probe.Batch
		for _, check := range checks {
			b.Results = append(b.Results, up(check, c.now.Add(time.Duration(n)*10*time.Second)))
			want[check+" "+region]++
		}
		m := in(region, message(t, "p", b))
		m.Received = c.now
		ingest(t, s, m)
	}
	send("tokyo", "a", "b", "c")
	send("osaka", "c", "b", "a")
	send("tokyo", "a", "b", "c")
	send("tokyo", "b", "a", "d", "c", "c")
	send("osaka", "a")
	foldAll(t, s)
	c.now = noon.Add(DefaultRetention + 48*time.Hour)
	if err := s.expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	catchUp(t, s)
	if s.timelines.len() != 0 {
		t.Fatalf("got %d timelines, want all forgotten", s.timelines.len())
	}
	send("tokyo", "b", "a", "d", "c")
	got := map[string]int64{}
	for _, x := range s.Counters() {
		if x.What == sli.CountResults {
			got[x.Check+" "+x.Region] += x.N
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("results by check and region (-want +got):\n%s", d)
	}
	if s.timelines.len() != 4 {
		t.Errorf("got %d timelines, want 4", s.timelines.len())
	}
}

// Every statement is there, is used, and is SQL.
func TestQueries(t *testing.T) { everywhere(t, testQueries) }

func testQueries(t *testing.T, p place) {
	s := p.store(t)
	var source strings.Builder
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for name, query := range s.db.queries {
		if !strings.Contains(source.String(), `"`+name+`"`) {
			t.Errorf("query %q is never used", name)
		}
		stmt, err := s.db.read.PrepareContext(t.Context(), query)
		if err != nil {
			t.Errorf("query %q: %v", name, err)
			continue
		}
		_ = stmt.Close()
	}
	calls := regexp.MustCompile(`(?:exec|one|read)\("([a-z ]+)"|(?:(?:each|dayRows)\([^"\n]*|queries\[)"([a-z ]+)"`)
	found := calls.FindAllStringSubmatch(source.String(), -1)
	all := namedQueries(queriesSQL, queriesSQLiteSQL, queriesPGSQL)
	for _, m := range found {
		if name := m[1] + m[2]; all[name] == "" {
			t.Errorf("query %q is used and does not exist", name)
		}
	}
	if len(found) < len(all) {
		t.Errorf("got %d calls in the source, want at least one for each of %d queries", len(found), len(all))
	}
}

// A block of a newer version is not taken for a damaged one: nothing is folded into it, what was seen waits in the journal,
// and who asks is told.
func TestNewerBlocksAreLeftAlone(t *testing.T) { everywhere(t, testNewerBlocksAreLeftAlone) }

func testNewerBlocksAreLeftAlone(t *testing.T, p place) {
	s := p.store(t)
	at := noon.Add(-time.Hour)
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at)}}))
	foldAll(t, s)
	newer := []byte{blockVersion + 1, 1, 2, 3}
	must(t, s.db.write, "UPDATE block SET data = $1", newer)
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{up("shop", at.Add(10*time.Second))}}))

	s.writing.Lock()
	_, err := s.lead(t.Context())
	if err == nil {
		err = s.fold(t.Context(), everything)
	}
	s.writing.Unlock()
	if !errors.Is(err, errNewer) || !strings.Contains(err.Error(), "shop in tokyo: day") {
		t.Errorf("fold: got %v, want an error about shop's newer block", err)
	}
	if _, err := s.Reports(t.Context(), sli.Query{Window: 2 * time.Hour}); !errors.Is(err, errNewer) {
		t.Errorf("report: got %v, want an error about a newer block", err)
	}
	var data []byte
	if err := s.db.read.QueryRowContext(t.Context(), "SELECT data FROM block").Scan(&data); err != nil || !bytes.Equal(data, newer) {
		t.Errorf("got block %x, error %v, want %x as it was", data, err, newer)
	}
	if n, waiting := rows(t, s, "rejected"), rows(t, s, "journal"); n != 0 || waiting != 1 {
		t.Errorf("got %d rows put aside and %d in the journal, want 0 and 1", n, waiting)
	}
}
