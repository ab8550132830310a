package timeline

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite" // the driver of SQLite
)

//go:embed schema.sql
var schemaSQL string

//go:embed schema2.sql
var schema2SQL string

//go:embed schema3.sql
var schema3SQL string

//go:embed schema4.sql
var schema4SQL string

//go:embed schema5.sql
var schema5SQL string

//go:embed schema6.sql
var schema6SQL string

//go:embed schema7.sql
var schema7SQL string

//go:embed schema8.sql
var schema8SQL string

//go:embed schema9.sql
var schema9SQL string

//go:embed schema10.sql
var schema10SQL string

//go:embed schema10_sqlite.sql
var schema10SQLiteSQL string

//go:embed schema11.sql
var schema11SQL string

//go:embed schema12.sql
var schema12SQL string

//go:embed queries_sqlite.sql
var queriesSQLiteSQL string

// databaseName is the database's file in the folder.
const databaseName = "gaikei.db"

func newSQLite() *database {
	db := newDatabase(queriesSQLiteSQL, schemaSQL, schema2SQL, schema3SQL, schema4SQL, schema5SQL, schema6SQL, schema7SQL, schema8SQL, schema9SQL, schema10SQL+schema10SQLiteSQL, schema11SQL, schema12SQL)
	db.prepares = true
	return db
}

// The connections' settings. A commit is on the disk when it returns (synchronous FULL); readers see the last
// commit and never wait for the writer (WAL, which must be set after the size of a page). Small pages waste little
// behind a block that grows all day: a day at 10 s took, with blocks of version 1, 0.79 bytes a slot in pages of 1 KiB, 0.87 in these, and 1.08 in
// those of 4 KiB; but each is written by itself, so that with those of 1 KiB taking in is slower by an eighth. Caches are small:
// blocks are read once, and the system caches too.
var (
	writerPragmas = []string{
		"busy_timeout(10000)", "page_size(2048)", "synchronous(FULL)", "cache_size(-4096)", "temp_store(MEMORY)",
		"wal_autocheckpoint(4000)", "journal_size_limit(8388608)",
	}
	readerPragmas = []string{"busy_timeout(10000)", "query_only(1)", "cache_size(-512)", "temp_store(MEMORY)"}
)

// readers is how many reports are read at a time.
const readers = 2

func dsn(path string, pragmas []string, extra ...string) string {
	v := url.Values{}
	for _, p := range pragmas {
		v.Add("_pragma", p)
	}
	for i := 0; i < len(extra); i += 2 {
		v.Set(extra[i], extra[i+1])
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: v.Encode()}).String()
}

// openDatabase opens the file read-write, making it if need be.
func openDatabase(ctx context.Context, path string) (*database, error) {
	db := newSQLite()
	var err error
	if db.write, err = sql.Open("sqlite", dsn(path, writerPragmas, "_txlock", "immediate", "_journal_mode", "WAL")); err != nil {
		return nil, err
	}
	db.write.SetMaxOpenConns(1)
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	if db.read, err = sql.Open("sqlite", dsn(path, readerPragmas)); err != nil {
		return nil, errors.Join(err, db.close())
	}
	db.read.SetMaxOpenConns(readers)
	return db, nil
}

// openReadOnly opens the file so that nothing can change it, of whatever version it is. extra are pairs of URI
// parameters.
func openReadOnly(path string, extra ...string) (_ *database, err error) {
	db := newSQLite()
	if db.read, err = sql.Open("sqlite", dsn(path, readerPragmas, append(extra, "mode", "ro")...)); err != nil {
		return nil, err
	}
	db.read.SetMaxOpenConns(readers)
	return db, nil
}

// upToDate makes sure that a database that is not to be migrated need not be.
func (db *database) upToDate(ctx context.Context) error {
	v, err := db.version(ctx, db.read)
	switch {
	case err != nil:
		return err
	case v > db.newest():
		return fmt.Errorf("%w: got version %d, want at most %d: use the program that wrote it, or a newer one", ErrSchema, v, db.newest())
	case v < db.newest():
		return fmt.Errorf("%w: got version %d, want %d: run `gaikei run` on it once, which brings it up to date", ErrSchema, v, db.newest())
	}
	return nil
}
