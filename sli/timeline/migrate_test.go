package timeline

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A folder of any earlier version is brought up to date, says what it said, and is then as one of today.
func TestMigrationFromEveryVersion(t *testing.T) {
	source := t.TempDir()
	s := openStore(t, source, &clock{noon})
	fillAll(t, s)
	want, schema, summaries := everythingSaid(t, s), schemaOf(t, s), summarised(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for v := range newSQLite().newest() {
		t.Run(fmt.Sprintf("version %d", v), func(t *testing.T) {
			dir := t.TempDir()
			if v == 0 {
				if err := os.WriteFile(filepath.Join(dir, databaseName), nil, 0o644); err != nil {
					t.Fatal(err)
				}
				s := openStore(t, dir, &clock{noon})
				defer s.Close()
				if d := cmp.Diff(schema, schemaOf(t, s)); d != "" {
					t.Errorf("schema (-made at once +migrated):\n%s", d)
				}
				return
			}
			makeOld(t, filepath.Join(dir, databaseName), v, filepath.Join(source, databaseName))
			s := openStore(t, dir, &clock{noon})
			defer s.Close()
			if d := cmp.Diff(want, everythingSaid(t, s)); d != "" {
				t.Errorf("what is said (-before +after):\n%s", d)
			}
			if d := cmp.Diff(schema, schemaOf(t, s)); d != "" {
				t.Errorf("schema (-made at once +migrated):\n%s", d)
			}
			if got := summarised(t, s); v > 1 && got != summaries {
				t.Errorf("got %d summaries, want %d", got, summaries)
			}
			foldAll(t, s)
			if d := cmp.Diff(want, everythingSaid(t, s)); d != "" {
				t.Errorf("what is said after a fold (-before +after):\n%s", d)
			}
		})
	}
}

// fillAll puts something into every table: blocks, a journal, epochs, maintenance, regions, evidence and rejects.
func fillAll(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.Ordinals(t.Context(), []Region{{Name: "tokyo", Weight: 3}, {Name: "osaka", Weight: 1}}); err != nil {
		t.Fatal(err)
	}
	b := probe.Batch{Epochs: []probe.Epoch{everyTwoHours(on(0, 0)), everyTwoHours(on(0, 0))}}
	b.Epochs[1].Check = "zone"
	for at := on(0, 0); at.Before(on(3, 0)); at = at.Add(2 * time.Hour) {
		b.Results = append(b.Results, up("shop", at), down("zone", at))
	}
	b.Missed = []probe.MissedRange{{Check: "zone", From: on(2, 0).UnixMilli(), To: on(2, time.Hour).UnixMilli(), Reason: probe.Stopped}}
	ingest(t, s, message(t, "p", b), in("osaka", message(t, "q", b)), Message{Region: "tokyo", Prober: "p", Received: noon, Payload: []byte("?")})
	if err := s.IngestEvidence(t.Context(), []Message{evidence(t, noon)}); err != nil {
		t.Fatal(err)
	}
	plan := Plan{Region: "tokyo", Revision: 1, Manifest: []byte("m"), Chunks: map[string][]byte{"c": []byte("d")}}
	if _, err := s.SetPlan(t.Context(), plan, []sli.Change{{Check: "shop", Region: "tokyo", Revision: 1, At: on(0, 0), What: "added"}}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"K1", "K2"} {
		if err := s.AddCredential(t.Context(), Credential{Key: key, Region: "tokyo", Prober: "p", Created: noon}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.RevokeCredential(t.Context(), "K2", noon); err != nil {
		t.Fatal(err)
	}
	maintain(t, s, on(1, 0), on(1, 3*time.Hour))
	foldAll(t, s)
	ingest(t, s, message(t, "q", probe.Batch{Results: []probe.Result{down("shop", on(0, 2*time.Hour)), up("zone", on(3, 0))}}))
}

// everythingSaid is what a store says, of everything.
func everythingSaid(t *testing.T, s *Store) map[string]any {
	t.Helper()
	q := sli.Query{From: on(-1, 0), To: on(4, 0), Now: noon}
	said := map[string]any{}
	ask := func(what string, answer any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		said[what] = answer
	}
	reports, err := s.Reports(t.Context(), q)
	ask("reports", reports, err)
	probers, err := s.Probers(t.Context(), q)
	ask("probers", probers, err)
	pieces, err := s.Evidence(t.Context(), "shop", "tokyo", 10)
	ask("evidence", pieces, err)
	recent, err := s.Recent(t.Context(), "zone", "osaka", 100_000)
	ask("recent", recent, err)
	series, err := s.Series(t.Context())
	ask("series", series, err)
	corrections, err := s.Corrections(t.Context(), q)
	ask("corrections", corrections, err)
	ordinals, err := s.Ordinals(t.Context(), []Region{{Name: "tokyo", Weight: 3}, {Name: "osaka", Weight: 1}})
	ask("ordinals", ordinals, err)
	if len(reports) < 6 || len(pieces) != 1 || len(recent) < 10 {
		t.Fatalf("got %d reports, %d pieces of evidence, %d slots: too little to compare", len(reports), len(pieces), len(recent))
	}
	return said
}

// schemaOf is what the tables, indexes and triggers of a folder were made by.
func schemaOf(t *testing.T, s *Store) map[string]string {
	t.Helper()
	made := map[string]string{}
	rows, err := s.db.read.QueryContext(t.Context(), "SELECT name, coalesce(sql, '') FROM sqlite_master")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, by string
		if err := rows.Scan(&name, &by); err != nil {
			t.Fatal(err)
		}
		made[name] = by
	}
	if err := rows.Err(); err != nil || len(made) < 10 {
		t.Fatalf("got %d things in the schema, error %v", len(made), err)
	}
	return made
}

// makeOld makes a database of an earlier version from the schema files of then, with the rows of another in all the
// tables that there were.
func makeOld(t *testing.T, path string, version int64, source string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, writerPragmas))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, schema := range newSQLite().schemas[:version] {
		must(t, db, schema)
	}
	must(t, db, "ATTACH DATABASE $1 AS source", source)
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		switch {
		case table == "journal" && version < 5:
			unpackJournal(t, db)
			continue
		case table == "summary", table == "announced": // see TestAnnouncedOfVersion11
			continue
		}
		must(t, db, "INSERT INTO "+table+" SELECT * FROM source."+table)
	}
	if version < 7 {
		rewriteBlocks(t, db)
	}
	if slices.Contains(tables, "summary") { // last: putting a block takes its own away
		unpackSummaries(t, db, "source.summaries")
	}
	must(t, db, "UPDATE meta SET value = $1 WHERE name = 'schema_version'", version)
}

// rewriteBlocks makes blocks of version 1 of all. Their summaries stay as they are, since blocks say the same.
func rewriteBlocks(t *testing.T, db *sql.DB) {
	t.Helper()
	c := newTestCodec(t)
	rows, err := db.QueryContext(t.Context(), "SELECT series, day, data FROM block")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[dayKey][]byte{}
	for rows.Next() {
		var k dayKey
		var data []byte
		if err := rows.Scan(&k.series, &k.day, &data); err != nil {
			t.Fatal(err)
		}
		s, err := c.decode(k.day, data)
		if err != nil {
			t.Fatal(err)
		}
		blocks[k] = c.encode1(k.day, s)
	}
	if err := rows.Close(); err != nil || len(blocks) == 0 {
		t.Fatalf("got %d blocks, error %v", len(blocks), err)
	}
	for k, data := range blocks {
		must(t, db, "UPDATE block SET data = $1 WHERE series = $2 AND day = $3", data, k.series, k.day)
	}
}

// unpackSummaries puts summaries that are in pages into table summary, as they were before.
func unpackSummaries(t *testing.T, db *sql.DB, from string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT series, page, void, data FROM "+from)
	if err != nil {
		t.Fatal(err)
	}
	days := map[dayKey][]byte{}
	for rows.Next() {
		var series int64
		var row pageRow
		if err := rows.Scan(&series, &row.number, &row.void, &row.data); err != nil {
			t.Fatal(err)
		}
		if err := row.each(func(d dayPart) { days[dayKey{series, d.day}] = d.data }); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Close(); err != nil || len(days) == 0 {
		t.Fatalf("got %d summaries, error %v", len(days), err)
	}
	for k, data := range days {
		must(t, db, "INSERT INTO summary (series, day, data) VALUES ($1, $2, $3)", k.series, k.day, data)
	}
}

// unpackJournal copies the journal of a database that is attached as it was before it was packed.
func unpackJournal(t *testing.T, db *sql.DB) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT seq, payload FROM source.journal WHERE packed")
	if err != nil {
		t.Fatal(err)
	}
	payloads := map[int64][]byte{}
	for rows.Next() {
		var seq int64
		var packed []byte
		if err := rows.Scan(&seq, &packed); err != nil {
			t.Fatal(err)
		}
		if payloads[seq], err = unpackMessage(packed); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Close(); err != nil || len(payloads) == 0 {
		t.Fatalf("got %d rows of the journal, error %v", len(payloads), err)
	}
	for seq, payload := range payloads {
		must(t, db, "INSERT INTO journal SELECT seq, region, prober, received, $2 FROM source.journal WHERE seq = $1", seq, payload)
	}
}

// A database of version 1 has messages in its journal as they came; they are folded like those that come after.
func TestMigrationOfPostgreSQL(t *testing.T) {
	p := place{Options{Database: cluster.Database(t)}}
	at := noon.Add(-time.Minute)
	first := message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", at)}})
	s := p.open(t, &clock{noon})
	ingest(t, s, first)
	must(t, s.db.write, "UPDATE journal SET payload = $1", first.Payload)
	must(t, s.db.write, "ALTER TABLE journal DROP COLUMN packed")
	must(t, s.db.write, "DROP TABLE correction, revocation, outline, counted, counted_day, counted_correction, counted_slo, recount, summaries, announced")
	must(t, s.db.write, "CREATE TABLE summary (series BIGINT, day BIGINT, data BYTEA)")
	must(t, s.db.write, "UPDATE meta SET value = 1 WHERE name = 'schema_version'")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = p.store(t)
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{down("shop", at.Add(10*time.Second))}}))
	const want = "up down{timeout} no_data"
	wantText(t, "in memory", want, outcomes(t, s, at, at.Add(30*time.Second)))
	foldAll(t, s)
	wantText(t, "folded", want, outcomes(t, s, at, at.Add(30*time.Second)))
}

// Summaries of before version 10, a row each, are on pages afterwards, of days before 1970 too. One that is longer than any tally is
// left out.
func TestSummariesBecomePages(t *testing.T) { everywhere(t, testSummariesBecomePages) }

func testSummariesBecomePages(t *testing.T, p place) {
	s := p.open(t, &clock{noon})
	version := s.db.newest() - 3
	want := map[dayKey]string{}
	must(t, s.db.write, "DROP TABLE summaries")
	must(t, s.db.write, "DROP TABLE counted_slo")
	must(t, s.db.write, "DROP TABLE announced")
	must(t, s.db.write, "CREATE TABLE summary (series BIGINT, day BIGINT, data "+map[bool]string{true: "BYTEA", false: "BLOB"}[p.Database != ""]+")")
	for i, size := range []int{8, 9, 127, 128, 300, 5000, 16383, 16384} {
		for series := range int64(2) {
			k := dayKey{series, 31*int64(i) - 60}
			data := bytes.Repeat([]byte{byte(i), 0xff}, 8192)[:size]
			must(t, s.db.write, "INSERT INTO summary VALUES ($1, $2, $3)", k.series, k.day, data)
			if size < 16384 {
				want[k] = string(data)
			}
		}
	}
	must(t, s.db.write, "UPDATE meta SET value = $1 WHERE name = 'schema_version'", version)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = p.open(t, &clock{noon})
	defer s.Close()
	got := map[dayKey]string{}
	for series := range int64(2) {
		v := view{id: series}
		err := s.summaryRows(t.Context(), &v, -100, 300, func(d dayPart) { got[dayKey{series, d.day}] = string(d.data) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("summaries (-rows +pages):\n%s", d)
	}
	if n := len(got); n != 14 {
		t.Errorf("got %d summaries, want 14", n)
	}
}
