package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/internal/pgtest"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// Tests of several stores that share a database, each as if in a process of its own.

// several is an empty database with n stores on it, each of whose connections goes by a name of its own.
func several(t *testing.T, n int) (place, []*Store) {
	t.Helper()
	p := place{Options{Database: cluster.Database(t)}}
	var all []*Store
	for i := range n {
		s := p.named(t, i).open(t, &clock{noon})
		t.Cleanup(func() { _ = s.Close() }) // many are killed
		all = append(all, s)
	}
	return p, all
}

func (p place) named(tb testing.TB, i int) place {
	tb.Helper()
	return place{Options{Database: withSetting(tb, p.Database, "application_name", fmt.Sprint("store", i))}}
}

// admin is a connection of nobody's store.
func admin(tb testing.TB, p place) *sql.DB {
	tb.Helper()
	db, err := sql.Open("pgx", p.Database)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

func must(tb interface {
	Helper()
	Fatalf(string, ...any)
}, db *sql.DB, statement string, args ...any,
) {
	tb.Helper()
	if _, err := db.ExecContext(context.Background(), statement, args...); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// cut ends every connection of a store at once, whatever they do.
const cut = `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1`

func tick(tb testing.TB, s *Store, n uint32) {
	tb.Helper()
	if err := s.step(tb.Context(), n); err != nil {
		tb.Fatal(err)
	}
}

func TestSeveralStoresAnswerAlike(t *testing.T) {
	_, all := several(t, 3)
	at := noon.Add(-time.Minute)
	for i, s := range all {
		b := probe.Batch{Results: []probe.Result{up("shop", at.Add(time.Duration(i)*10*time.Second))}}
		if i == 0 {
			b.Epochs = []probe.Epoch{follow("shop")}
		}
		if err := s.Ingest(t.Context(), []Message{message(t, "p", b)}); err != nil {
			t.Fatal(err)
		}
	}
	alike := func(what, want string) {
		t.Helper()
		for i, s := range all {
			catchUp(t, s)
			wantText(t, fmt.Sprintf("%s, store %d", what, i), want, outcomes(t, s, at, at.Add(50*time.Second)))
		}
	}
	alike("in the journal", "up up up no_data no_data")
	for _, s := range all {
		tick(t, s, 0)
	}
	foldAll(t, all[0])
	alike("folded by the first", "up up up no_data no_data")
	for i, s := range all {
		if s.unfolded != 0 || s.timelines.of(sli.Series{Check: "shop", Region: "tokyo"}).dirty() {
			t.Errorf("store %d: got %d entries in memory after another's fold, want none", i, s.unfolded)
		}
	}
	ingest(t, all[2], message(t, "p", probe.Batch{Results: []probe.Result{down("shop", at.Add(30*time.Second))}}))
	alike("one more", "up up up down{timeout} no_data")

	var got int64
	for _, s := range all {
		for _, c := range s.Counters() {
			if c.What == sli.CountResults {
				got += c.N
			}
		}
	}
	if got != 4 {
		t.Errorf("counters of all stores: got %d results, want each of the 4 once", got)
	}
}

// A transaction that got its number early and commits late is not skipped, whatever was read and folded in between.
func TestALateCommitIsNotSkipped(t *testing.T) {
	p, all := several(t, 2)
	at := noon.Add(-time.Minute)
	ingest(t, all[0], message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}}))
	late := message(t, "p", probe.Batch{Results: []probe.Result{up("shop", at)}})
	tx, err := admin(t, p).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.ExecContext(t.Context(), `INSERT INTO journal (taker, region, prober, received, payload) VALUES (0, $1, $2, $3, $4)`,
		late.Region, late.Prober, late.Received.UnixNano(), late.Payload)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		ingest(t, all[1], message(t, "p", probe.Batch{Results: []probe.Result{up("shop", at.Add(time.Duration(n+1)*10*time.Second))}}))
		catchUp(t, all[0])
		foldAll(t, all[0])
		catchUp(t, all[1])
	}
	for i, s := range all {
		wantText(t, fmt.Sprintf("while it is open, store %d", i), "no_data up up up", outcomes(t, s, at, at.Add(40*time.Second)))
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	fresh := p.open(t, &clock{noon})
	defer fresh.Close()
	for i, s := range append(all, fresh) {
		catchUp(t, s)
		wantText(t, fmt.Sprintf("committed, store %d", i), "up up up up", outcomes(t, s, at, at.Add(40*time.Second)))
	}
	foldAll(t, all[0])
	for i, s := range append(all, fresh) {
		catchUp(t, s)
		wantText(t, fmt.Sprintf("folded, store %d", i), "up up up up", outcomes(t, s, at, at.Add(40*time.Second)))
	}
}

// One store folds at a time. When its connection is lost another takes over, and what it was about to commit is not.
func TestAnotherTakesOver(t *testing.T) {
	p, all := several(t, 2)
	db := admin(t, p)
	first, second := all[0], all[1]
	at := noon.Add(-time.Minute)
	ingest(t, first, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at)}}))
	tick(t, first, 0)
	tick(t, second, 0)
	if !first.shared.leads || second.shared.leads {
		t.Fatalf("folding: got %v and %v, want the first alone", first.shared.leads, second.shared.leads)
	}
	tookOver := false
	first.db.commit = func(tx *sql.Tx) error {
		must(t, db, `SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4`)
		ingest(t, second, message(t, "p", probe.Batch{Results: []probe.Result{down("shop", at.Add(10*time.Second))}}))
		foldAll(t, second)
		tookOver = true
		return tx.Commit()
	}
	first.writing.Lock()
	err := first.fold(t.Context(), everything)
	first.writing.Unlock()
	if err == nil || !tookOver {
		t.Fatalf("a fold whose connection was lost: got error %v, want one", err)
	}
	first.db.commit = (*sql.Tx).Commit
	_ = first.follow(t.Context()) // it finds its connection cut, and makes another one
	for i, s := range all {
		catchUp(t, s)
		wantText(t, fmt.Sprintf("store %d", i), "up down{timeout} no_data", outcomes(t, s, at, at.Add(30*time.Second)))
	}
	if first.shared.leads || !second.shared.leads {
		t.Errorf("folding: got %v and %v, want the second alone", first.shared.leads, second.shared.leads)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	for !first.shared.leads { // once the server has seen that the second's session is over
		tick(t, first, 0)
	}
	foldAll(t, first)
}

// A process that is stopped in mid-course keeps its connections, and does not keep the others from folding.
func TestAFrozenLeaderIsReplaced(t *testing.T) {
	p, all := several(t, 1)
	frozen := place{Options{Database: withSetting(t, p.Database, "idle_session_timeout", "1s")}}.store(t)
	at := noon.Add(-time.Minute)
	ingest(t, frozen, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at)}}))
	tick(t, frozen, 0)
	ingest(t, all[0], message(t, "p", probe.Batch{Results: []probe.Result{down("shop", at.Add(10*time.Second))}}))
	for !all[0].shared.leads { // a second later
		tick(t, all[0], 0)
	}
	foldAll(t, all[0])
	// It comes to itself, in the belief that it still leads.
	frozen.writing.Lock()
	err := frozen.fold(t.Context(), everything)
	frozen.writing.Unlock()
	if err == nil {
		t.Error("a fold by who was replaced: got no error")
	}
	_ = frozen.follow(t.Context()) // it finds its connection gone
	for what, s := range map[string]*Store{"frozen": frozen, "other": all[0]} {
		catchUp(t, s)
		wantText(t, what, "up down{timeout} no_data", outcomes(t, s, at, at.Add(30*time.Second)))
	}
}

// A commit is on the disk when it returns, also where the server's default is to be faster.
func TestCommitsAreDurable(t *testing.T) {
	p := place{Options{Database: cluster.Database(t)}}
	u, err := url.Parse(p.Database)
	if err != nil {
		t.Fatal(err)
	}
	must(t, admin(t, p), "ALTER DATABASE "+u.Path[1:]+" SET synchronous_commit = off")
	s := p.store(t)
	for name, db := range map[string]*sql.DB{"writing": s.db.write, "folding": s.db.own} {
		var got, idle string
		if err := db.QueryRowContext(t.Context(), "SELECT current_setting('synchronous_commit'), current_setting('idle_in_transaction_session_timeout')").Scan(&got, &idle); err != nil {
			t.Fatal(err)
		}
		if got != "on" || idle != "1min" {
			t.Errorf("%s: got synchronous_commit %s and a limit of %s, want on and 1min", name, got, idle)
		}
	}
}

// Who takes over folds by what is in the database then, and not by what it knew.
func TestWhoTakesOverKnowsWhatWasForgotten(t *testing.T) {
	p, all := several(t, 1)
	first, c := all[0], &clock{noon}
	second := p.named(t, 1).open(t, c)
	defer second.Close()
	end := follow("shop")
	end.From, end.Grid = noon.UnixMilli(), probe.Grid{}
	ingest(t, first, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop"), end}, Results: []probe.Result{up("shop", noon.Add(-time.Minute))}}))
	foldAll(t, first)
	catchUp(t, second)

	later := noon.Add(DefaultRetention + 24*time.Hour)
	c.now, first.o.Now = later, c.Now
	if err := first.expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, first, "series"); n != 0 {
		t.Fatalf("got %d series, want it forgotten", n)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := follow("shop")
	again.From = later.Add(-time.Minute).UnixMilli()
	m := message(t, "p", probe.Batch{Epochs: []probe.Epoch{again}, Results: []probe.Result{up("shop", later.Add(-time.Minute))}})
	m.Received = later
	// It has seen the message, and not what was forgotten before.
	known := second.shared.known
	ingest(t, second, m)
	second.shared.known = known
	second.timelines.of(sli.Series{Check: "shop", Region: "tokyo"}).id = 1
	foldAll(t, second)
	fresh := p.open(t, c)
	defer fresh.Close()
	for what, s := range map[string]*Store{"who folded": second, "a new one": fresh} {
		wantText(t, what, "up no_data", outcomes(t, s, later.Add(-time.Minute), later.Add(-40*time.Second)))
	}
}

// hours has the server's clock, as the journal sees it, say an hour.
func hours(tb testing.TB, db *sql.DB, hour int) {
	tb.Helper()
	must(tb, db, fmt.Sprintf(`CREATE OR REPLACE FUNCTION journal_hour() RETURNS BIGINT LANGUAGE sql VOLATILE AS 'SELECT %d::bigint'`, hour))
}

func partitions(tb testing.TB, db *sql.DB) string {
	tb.Helper()
	var names string
	err := db.QueryRowContext(tb.Context(), `SELECT coalesce(string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text), '')
		FROM pg_inherits WHERE inhparent = 'journal'::regclass`).Scan(&names)
	if err != nil {
		tb.Fatal(err)
	}
	return names
}

func TestPartitionsAreMadeAheadAndDropped(t *testing.T) {
	p, all := several(t, 1)
	s, db := all[0], admin(t, p)
	at := noon.Add(-time.Minute)
	send := func(n int) Message {
		return message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at.Add(time.Duration(n)*10*time.Second))}})
	}
	hours(t, db, 100)
	ingest(t, s, send(0))
	wantText(t, "made on demand", "journal_100 journal_101 journal_102", partitions(t, db))
	hours(t, db, 101)
	tick(t, s, 1)
	wantText(t, "kept while it is not folded, and made ahead", "journal_100 journal_101 journal_102 journal_103", partitions(t, db))

	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := send(1)
	_, err = tx.ExecContext(t.Context(), `INSERT INTO journal (hour, taker, region, prober, received, payload) VALUES (100, 0, $1, $2, $3, $4)`,
		m.Region, m.Prober, m.Received.UnixNano(), m.Payload)
	if err != nil {
		t.Fatal(err)
	}
	foldAll(t, s)
	tick(t, s, 2)
	wantText(t, "kept while a row may still come", "journal_100 journal_101 journal_102 journal_103", partitions(t, db))
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	catchUp(t, s)
	foldAll(t, s)
	tick(t, s, 3)
	wantText(t, "dropped when all of it is folded", "journal_101 journal_102 journal_103", partitions(t, db))
	wantText(t, "slots", "up up no_data", outcomes(t, s, at, at.Add(30*time.Second)))
	hours(t, db, 200)
	ingest(t, s, send(2))
	hours(t, db, 99) // the server's clock is set back
	ingest(t, s, send(3))
	wantText(t, "slots", "up up up up", outcomes(t, s, at, at.Add(40*time.Second)))
}

func TestManyOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	p := place{Options{Database: cluster.Database(t)}}
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() {
			s, err := Open(t.Context(), p.Options)
			if err == nil {
				_, err = s.Ordinals(t.Context(), regions(fmt.Sprint("r", i), "common"))
				err = errors.Join(err, s.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s := p.store(t)
	got, err := s.Ordinals(t.Context(), regions("common"))
	if err != nil || len(got) != 1 {
		t.Errorf("got %v, error %v", got, err)
	}
	if n := rows(t, s, "region"); n != len(errs)+1 {
		t.Errorf("got %d regions, want %d, each with an ordinal of its own", n, len(errs)+1)
	}
}

// A dump that is restored on a server whose transactions have lower numbers keeps everything, also what comes after.
func TestARestoredDump(t *testing.T) {
	p, all := several(t, 1)
	db := admin(t, p)
	at := noon.Add(-time.Minute)
	ingest(t, all[0], message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at)}}))
	foldAll(t, all[0])
	ingest(t, all[0], message(t, "p", probe.Batch{Results: []probe.Result{down("shop", at.Add(10*time.Second))}}))
	if err := all[0].Close(); err != nil {
		t.Fatal(err)
	}
	// What was written down as there, in numbers of there.
	must(t, db, `UPDATE journal SET xid = (xid::text::bigint + 1000000)::text::xid8`)
	must(t, db, `UPDATE folded SET xid = (xid::text::bigint + 1000000)::text::xid8, seen =
		concat(pg_snapshot_xmin(seen)::text::bigint + 1000000, ':', pg_snapshot_xmax(seen)::text::bigint + 1000000, ':')::pg_snapshot`)
	s := p.open(t, &clock{noon})
	wantText(t, "opened there", "up down{timeout} no_data", outcomes(t, s, at, at.Add(30*time.Second)))
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{up("shop", at.Add(20*time.Second))}}))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = p.store(t)
	wantText(t, "and again", "up down{timeout} up", outcomes(t, s, at, at.Add(30*time.Second)))
	foldAll(t, s)
	wantText(t, "folded", "up down{timeout} up", outcomes(t, s, at, at.Add(30*time.Second)))
	if s.unfolded != 0 {
		t.Errorf("got %d entries in memory, want none", s.unfolded)
	}
}

// While the database cannot be reached nothing is taken in, which is told once; then it goes on by itself.
func TestADatabaseThatGoesAway(t *testing.T) {
	p, all := several(t, 1)
	u, err := url.Parse(p.Database)
	if err != nil {
		t.Fatal(err)
	}
	s, name := all[0], u.Path[1:]
	u.Path = "/postgres"
	db := admin(t, place{Options{Database: u.String()}})
	at := noon.Add(-time.Minute)
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at)}}))
	second := message(t, "p", probe.Batch{Results: []probe.Result{down("shop", at.Add(10*time.Second))}})

	must(t, db, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	must(t, db, cut, "store0")
	for range 3 {
		err := s.Ingest(t.Context(), []Message{second})
		if err == nil {
			t.Fatal("ingest: got no error without a database")
		}
		if strings.Contains(err.Error(), pgtest.Password) {
			t.Errorf("the password is in the error: %v", err)
		}
		if err := s.step(t.Context(), 0); err == nil {
			t.Error("step: got no error without a database")
		}
		if err := s.follow(t.Context()); err == nil {
			t.Error("follow: got no error without a database")
		}
	}
	if !s.health.bad || !s.reading.bad {
		t.Errorf("noted: writing %v, reading %v, want both bad", s.health.bad, s.reading.bad)
	}
	_, err = Open(t.Context(), p.Options)
	if err == nil || strings.Contains(err.Error(), pgtest.Password) || !strings.Contains(err.Error(), name+" on 127.0.0.1:") {
		t.Errorf("open: got error %v, want one that names the database and not the password", err)
	}
	must(t, db, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
	ingest(t, s, second)
	foldAll(t, s)
	wantText(t, "after it came back", "up down{timeout} no_data", outcomes(t, s, at, at.Add(30*time.Second)))
	if s.health.bad || s.reading.bad {
		t.Errorf("noted: writing bad %v, reading bad %v, want neither", s.health.bad, s.reading.bad)
	}
}

func TestAddressesThatAreWrongDoNotShowThePassword(t *testing.T) {
	for _, address := range []string{
		"host=localhost password=open-sesame-7", "postgres://me:open-sesame-7@[::1", "postgres://me:open-sesame-7@host:port/db",
		"postgres://me:open-sesame-7@host/db?sslmode=open-sesame-7", "postgres://me:open-sesame-7@127.0.0.1:1/db",
		"postgres://me:open%2Dsesame%2D7%zz@host/db",
	} {
		_, err := Open(t.Context(), Options{Database: address})
		if err == nil || strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got error %v, want one in one line and without the password", err)
		}
		t.Log(err)
	}
}

// Whatever several stores do, and whichever of them are killed at whatever moment, each says what the model says.
func TestSeveralStoresAndKills(t *testing.T) {
	t.Parallel()
	p := place{Options{Database: cluster.Database(t)}}
	p.check(t, allRounds, func(rt *rapid.T, room place) {
		g := &group{t: t, rt: rt, room: room, db: admin(t, room), model: newModel()}
		for i := range rapid.IntRange(2, 3).Draw(rt, "stores") {
			g.stores = append(g.stores, room.named(t, i).open(t, &clock{noon}))
		}
		defer g.close()
		e := follow("shop")
		e.From, e.Under = midnight.Add(-2*time.Minute).UnixMilli(), time.Second
		for _, prober := range []string{"p", "q"} {
			g.deliver(0, prober, noon.Add(-time.Hour), probe.Batch{Epochs: []probe.Epoch{e}})
		}
		for n := range rapid.IntRange(1, 20).Draw(rt, "steps") {
			g.step(n)
		}
		g.compare()
	})
}

// A group is stores of one database, and what they should say.
type group struct {
	t      *testing.T
	rt     *rapid.T
	room   place
	db     *sql.DB
	stores []*Store
	model  *model
	sent   []Message
	late   *sql.Tx // holds a message that is not committed; nil: none
}

func (g *group) close() {
	if g.late != nil {
		_ = g.late.Rollback()
	}
	for _, s := range g.stores {
		_ = s.Close()
	}
	_ = g.db.Close()
}

func (g *group) step(n int) {
	i := rapid.IntRange(0, len(g.stores)-1).Draw(g.rt, "store")
	s := g.stores[i]
	switch rapid.SampledFrom([]string{"send", "send", "send", "again", "tail", "tail", "fold", "fold", "tick", "refresh", "cut", "cut in a fold", "restart", "late", "commit"}).Draw(g.rt, "step") {
	case "send":
		if b := batchGen().Draw(g.rt, "batch"); !b.Empty() {
			received := noon.Add(time.Duration(rapid.IntRange(-5, 5).Draw(g.rt, "received")*20+n) * time.Second)
			g.deliver(i, rapid.SampledFrom([]string{"p", "q"}).Draw(g.rt, "prober"), received, b)
		}
	case "again":
		g.put(i, g.sent[rapid.IntRange(0, len(g.sent)-1).Draw(g.rt, "which")])
	case "tail":
		_ = s.follow(g.t.Context()) // its connection may have been cut
	case "fold":
		g.fold(s, (*sql.Tx).Commit)
	case "tick":
		_ = s.step(g.t.Context(), uint32(n))
	case "refresh":
		s.writing.Lock()
		s.shared.known = before(firstXID)
		s.writing.Unlock()
	case "cut":
		g.cut(i)
	case "cut in a fold":
		g.fold(s, func(tx *sql.Tx) error {
			g.cut(i)
			return tx.Commit()
		})
	case "restart":
		g.cut(i)
		_ = s.Close()
		g.stores[i] = g.room.named(g.t, i).open(g.t, &clock{noon})
	case "late":
		g.begin(n)
	case "commit":
		g.commit()
	}
}

func (g *group) cut(i int) {
	// Rooms are schemas of one database, whose stores have the same names; only one is in use at a time.
	must(g.rt, g.db, cut, fmt.Sprint("store", i))
}

// fold has a store fold everything, if it is the one that folds.
func (g *group) fold(s *Store, commit func(*sql.Tx) error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if led, _ := s.lead(g.t.Context()); !led {
		return
	}
	s.db.commit = commit
	_ = s.fold(g.t.Context(), everything)
	s.db.commit = (*sql.Tx).Commit
}

// deliver has a store take in a batch, however often that takes.
func (g *group) deliver(i int, prober string, received time.Time, b probe.Batch) {
	m := message(g.rt, prober, b)
	m.Received = received
	g.model.take(prober, received, &b)
	g.sent = append(g.sent, m)
	g.put(i, m)
}

func (g *group) put(i int, m Message) {
	var err error
	for range writers + 2 { // all of its idle connections may have been cut
		if err = g.stores[i].Ingest(g.t.Context(), []Message{m}); err == nil {
			return
		}
	}
	g.rt.Fatalf("ingest: %v", err)
}

// begin inserts a message in a transaction that stays open.
func (g *group) begin(n int) {
	if g.late != nil {
		return
	}
	b := probe.Batch{Results: []probe.Result{down("shop", midnight.Add(time.Duration(n)*10*time.Second))}}
	m := message(g.rt, "q", b)
	tx, err := g.db.BeginTx(g.t.Context(), nil)
	if err == nil {
		_, err = tx.ExecContext(g.t.Context(), `INSERT INTO journal (taker, region, prober, received, payload) VALUES (0, $1, $2, $3, $4)`,
			m.Region, m.Prober, m.Received.UnixNano(), m.Payload)
	}
	if err != nil {
		g.rt.Fatalf("a late message: %v", err)
	}
	g.late = tx
	g.model.take(m.Prober, m.Received, &b)
}

func (g *group) commit() {
	if g.late == nil {
		return
	}
	if err := g.late.Commit(); err != nil {
		g.rt.Fatalf("commit: %v", err)
	}
	g.late = nil
}

// compare holds every store, and a new one, against the model, before and after a fold.
func (g *group) compare() {
	g.commit()
	all := append(g.stores, g.room.named(g.t, 9).open(g.t, &clock{noon}))
	g.stores = all
	from, to := midnight.Add(-2*time.Minute), midnight.Add(2*time.Minute)
	for range 2 {
		for _, s := range all {
			if err := s.follow(g.t.Context()); err != nil {
				_ = s.follow(g.t.Context()) // it was cut before
			}
			compare(g.rt, s, g.model, from, to)
		}
		led := 0
		for _, s := range all {
			g.fold(s, (*sql.Tx).Commit)
			if s.shared.leads {
				led++
			}
		}
		if led != 1 {
			g.rt.Fatalf("got %d stores that fold, want 1", led)
		}
	}
	for i, s := range all {
		catchUp(g.t, s)
		if s.unfolded != 0 {
			g.rt.Fatalf("store %d: got %d entries in memory, want all folded", i, s.unfolded)
		}
		if d := cmp.Diff(all[0].timelines.of(sli.Series{Check: "shop", Region: "tokyo"}).id, s.timelines.of(sli.Series{Check: "shop", Region: "tokyo"}).id); d != "" {
			g.rt.Fatalf("store %d: the series has another id (-want +got):\n%s", i, d)
		}
	}
}
