package timeline

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// banner is what a prober says of a target that announces maintenance in slots every ten seconds.
func banner(from, to time.Time) probe.Batch {
	var b probe.Batch
	for at := from; at.Before(to); at = at.Add(10 * time.Second) {
		r := down("shop", at)
		r.Reason, r.Announced = probe.Status, true
		b.Results = append(b.Results, r)
	}
	return b
}

// What a target announces is taken out up to the limit, in every figure, however often and in whatever order it comes, before and after
// folds and restarts; and what is down without a word is not.
func TestAnnounced(t *testing.T) { everywhere(t, testAnnounced) }

func testAnnounced(t *testing.T, p place) {
	c := &clock{on(0, 0)}
	s := p.counter(t, c)
	defer s.Close()
	s.SetAnnounced(map[string]time.Duration{"shop": 20 * time.Minute})
	o := objective("a")
	s.SetObjectives([]sli.SLO{o})
	e := follow("shop")
	e.From = on(0, 0).UnixMilli()
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{e}}))
	countNow(t, s, c, c.now)
	if err := s.countObjectives(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, second := banner(on(0, 22*time.Hour), on(0, 22*time.Hour+10*time.Minute)), banner(on(1, time.Hour), on(1, time.Hour+15*time.Minute))
	plain := banner(on(1, 2*time.Hour), on(1, 2*time.Hour+5*time.Minute))
	for i := range plain.Results {
		plain.Results[i].Announced = false
	}
	plain.Results[5] = up("shop", time.UnixMilli(plain.Results[5].Slot))
	c.now = on(1, 2*time.Hour+10*time.Minute)
	for _, b := range []probe.Batch{second, plain, second} {
		ingest(t, s, message(t, "p", b))
	}
	ask := func(what string, want sli.ExcludedCounts, bad int64) {
		t.Helper()
		q := sli.Query{From: on(0, 0), To: on(1, 2*time.Hour+5*time.Minute)}
		reports, err := s.Reports(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		r := reports[0]
		if d := cmp.Diff(want, r.Excluded); d != "" || r.Slots.Bad != bad || r.Slots.Good != 1 {
			t.Errorf("%s: excluded (-want +got):\n%s\ngot %d bad, %d good, want %d, 1", what, d, r.Slots.Bad, r.Slots.Good, bad)
		}
		asFromSlots(t, s, q.From, q.To)
		steps, err := s.Steps(t.Context(), q, sli.Period{Length: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		sum := sli.ExcludedCounts{}
		for _, x := range steps {
			if x.Region != nil {
				sum.Announced += x.Excluded.Announced
				sum.Maintenance += x.Excluded.Maintenance
			}
		}
		if sum != want {
			t.Errorf("%s: steps add up to %+v, want %+v", what, sum, want)
		}
	}
	ask("in memory", sli.ExcludedCounts{Announced: 90}, 29)
	countNow(t, s, c, c.now)
	foldAll(t, s)
	ask("folded", sli.ExcludedCounts{Announced: 90}, 29)
	// What comes of the day before leaves less for the second banner, and what is counted knows of it.
	ingest(t, s, message(t, "p", first))
	ask("late", sli.ExcludedCounts{Announced: 60 + 60}, 29+30)
	foldAll(t, s)
	countNow(t, s, c, c.now.Add(time.Minute))
	ask("late and folded", sli.ExcludedCounts{Announced: 60 + 60}, 29+30)
	_, now, _ := reckoned(t, s)
	if got := now[0]; got[sli.Excluded] != 120 || got[sli.Bad] != 59 || got[sli.Good] != 1 {
		t.Errorf("counted: got %v, want 120 excluded, 59 bad, 1 good", got)
	}
	c.now = c.now.Add(2 * compareEvery)
	if err := s.countObjectives(t.Context()); err != nil {
		t.Fatal(err)
	}
	maintain(t, s, on(1, time.Hour), on(1, time.Hour+5*time.Minute))
	ask("in maintenance", sli.ExcludedCounts{Maintenance: 30, Announced: 90}, 59)
	incidents, err := s.Incidents(t.Context(), sli.Query{From: on(0, 0), To: on(1, 2*time.Hour+5*time.Minute)}, sli.Quorum{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(incidents, func(x sli.Incident) bool { return x.From.Equal(on(1, time.Hour+10*time.Minute)) }) {
		t.Errorf("got %+v, want an incident as soon as the limit is reached", incidents)
	}
}

// Of several words about the same slot the first is kept, and slots that follow each other are one row.
func TestAnnouncedRows(t *testing.T) { everywhere(t, testAnnouncedRows) }

func testAnnouncedRows(t *testing.T, p place) {
	s := p.store(t)
	e := follow("shop")
	e.From = on(0, 0).UnixMilli()
	at := func(minute int) time.Time { return on(0, time.Duration(minute)*time.Minute) }
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{e}}), message(t, "q", probe.Batch{Epochs: []probe.Epoch{e}}))
	for _, m := range []Message{
		message(t, "p", banner(at(3), at(4))), message(t, "p", banner(at(1), at(2))), message(t, "q", banner(at(1), at(3))), message(t, "p", banner(at(1), at(2))),
		message(t, "p", banner(at(10), at(11))), message(t, "r", banner(at(20), at(20).Add(time.Second))), // of whose grid nothing is known
	} {
		ingest(t, s, m)
	}
	s.SetAnnounced(map[string]time.Duration{"shop": time.Hour})
	ingest(t, s, message(t, "p", banner(at(4), at(5))), message(t, "p", banner(at(10), at(12))), message(t, "q", banner(at(1), at(2))))
	got, err := s.db.announcedIn(t.Context(), s.db.read, []any{"shop", "tokyo", 0, int64(maxInstant)})
	if err != nil {
		t.Fatal(err)
	}
	four, one := sli.AnnouncedLimit.Milliseconds(), time.Hour.Milliseconds()
	ms := func(minute int) int64 { return at(minute).UnixMilli() }
	want := []sli.Announcement{
		{From: ms(1), To: ms(4), Step: 10000, Limit: four},
		{From: ms(4), To: ms(5), Step: 10000, Limit: one},
		{From: ms(10), To: ms(11), Step: 10000, Limit: four},
		{From: ms(11), To: ms(12), Step: 10000, Limit: one},
		{From: ms(20), To: ms(20) + 1, Step: 1, Limit: four},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
}

// announceOne has a target announce a slot of what fillAll has put into a store: of the down ones one counts no more.
func announceOne(t *testing.T, s *Store) {
	t.Helper()
	r := down("zone", on(2, 4*time.Hour))
	r.Reason, r.Announced = probe.Status, true
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{r}}))
	reports, err := s.Reports(t.Context(), sli.Query{From: on(-1, 0), To: on(4, 0), Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(reports, func(r sli.Report) bool { return r.Excluded.Announced == 1 }) {
		t.Fatal("got no slot that is announced")
	}
}

// Announcements as version 11 of the store has them, as intervals, hold for all slots in them.
func TestAnnouncedOfVersion11(t *testing.T) { everywhere(t, testAnnouncedOfVersion11) }

func testAnnouncedOfVersion11(t *testing.T, p place) {
	c := &clock{on(0, time.Hour)}
	s := p.open(t, c)
	version := s.db.newest() - 1
	e := follow("shop")
	e.From = on(0, 0).UnixMilli()
	b := banner(on(0, 0), on(0, 10*time.Minute))
	for i := range b.Results {
		b.Results[i].Announced = false
	}
	b.Epochs = []probe.Epoch{e}
	ingest(t, s, message(t, "p", b))
	must(t, s.db.write, "DROP TABLE announced")
	must(t, s.db.write, schema11SQL)
	must(t, s.db.write, "INSERT INTO announced VALUES ('shop', 'tokyo', $1, $2, 240000)", on(0, time.Minute).UnixMilli(), on(0, 6*time.Minute).UnixMilli())
	must(t, s.db.write, "UPDATE meta SET value = $1 WHERE name = 'schema_version'", version)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = p.open(t, c)
	defer s.Close()
	reports, err := s.Reports(t.Context(), sli.Query{From: on(0, 0), To: on(0, 10*time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if got := reports[0].Excluded.Announced; got != 24 || reports[0].Slots.Bad != 36 {
		t.Errorf("got %d announced, %d bad, want 24 (4 min of 5), 36", got, reports[0].Slots.Bad)
	}
}

// What a check announced that has been taken out of the configuration since is under the limit that it had, also after a restart.
func TestAnnouncedOfARemovedCheck(t *testing.T) { everywhere(t, testAnnouncedOfARemovedCheck) }

func testAnnouncedOfARemovedCheck(t *testing.T, p place) {
	c := &clock{on(0, time.Hour)}
	s := p.open(t, c)
	s.SetAnnounced(map[string]time.Duration{"shop": time.Minute})
	b := banner(on(0, 0), on(0, 30*time.Second))
	e := follow("shop")
	e.From = on(0, 0).UnixMilli()
	b.Epochs = []probe.Epoch{e}
	ingest(t, s, message(t, "p", b))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = p.open(t, c)
	defer s.Close()
	s.SetAnnounced(nil)
	ingest(t, s, message(t, "p", banner(on(0, 30*time.Second), on(0, 10*time.Minute))))
	catchUp(t, s)
	reports, err := s.Reports(t.Context(), sli.Query{From: on(0, 0), To: on(0, 10*time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if got := reports[0].Excluded.Announced; got != 6 {
		t.Errorf("got %d announced, want 6, which are a minute", got)
	}
}
