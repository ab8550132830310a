package timeline

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // the database's driver
)

//go:embed schema.sql
var schemaSQL string

//go:embed schema2.sql
var schema2SQL string

//go:embed schema3.sql
var schema3SQL string

//go:embed schema4.sql
var schema4SQL string

//go:embed queries.sql
var queriesSQL string

// schemaVersion is the version of the newest schema file. Each migrates from the version before, the first one from
// nothing; a later version adds a file of its own.
const schemaVersion = 4

// databaseName is the database's file in the folder.
const databaseName = "gaikei.db"

// ErrSchema is wrapped by errors about a database of another version than this program's.
var ErrSchema = errors.New("the data folder is of another version of gaikei")

// A database is SQLite, spoken to through one writer and a few readers.
type database struct {
	write   *sql.DB // one connection; nil if read-only
	read    *sql.DB
	queries map[string]string
	commit  func(*sql.Tx) error // (*sql.Tx).Commit but in tests of its failures
}

// errReadOnly answers whoever wants to change a store that was opened for reading.
var errReadOnly = errors.New("the store was opened for reading only")

// The connections' settings. A commit is on the disk when it returns (synchronous FULL); readers see the last
// commit and never wait for the writer (WAL, which must be set after the size of a page). Small pages waste little
// behind a block that grows all day: a day at 10 s takes 0.70 bytes a slot, and 1.08 in pages of 4 KiB. Caches are
// small: blocks are read once, and the system caches too.
var (
	writerPragmas = []string{
		"busy_timeout(10000)", "page_size(1024)", "synchronous(FULL)", "cache_size(-4096)", "temp_store(MEMORY)",
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
	db := &database{queries: namedQueries(queriesSQL), commit: (*sql.Tx).Commit}
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

// openDatabaseReadOnly opens the file so that nothing can change it. extra are pairs of URI parameters.
func openDatabaseReadOnly(ctx context.Context, path string, extra ...string) (*database, error) {
	db := &database{queries: namedQueries(queriesSQL), commit: (*sql.Tx).Commit}
	var err error
	if db.read, err = sql.Open("sqlite", dsn(path, readerPragmas, append(extra, "mode", "ro")...)); err != nil {
		return nil, err
	}
	db.read.SetMaxOpenConns(readers)
	v, err := db.version(ctx, db.read)
	switch {
	case err != nil:
	case v > schemaVersion:
		err = fmt.Errorf("%w: got version %d, want at most %d: use the program that wrote it, or a newer one", ErrSchema, v, schemaVersion)
	case v < schemaVersion:
		err = fmt.Errorf("%w: got version %d, want %d: run `gaikei run` on it once, which brings it up to date", ErrSchema, v, schemaVersion)
	}
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

// migrate brings the database to schemaVersion, all or nothing.
func (db *database) migrate(ctx context.Context) error {
	v, err := db.version(ctx, db.write)
	switch {
	case err != nil:
		return err
	case v == schemaVersion:
		return nil
	case v > schemaVersion:
		return fmt.Errorf("%w: got version %d, want at most %d: use a newer program", ErrSchema, v, schemaVersion)
	}
	return db.transact(ctx, func(tx *transaction) error {
		for i, schema := range []string{schemaSQL, schema2SQL, schema3SQL, schema4SQL}[v:] {
			if _, err := tx.ExecContext(ctx, schema); err != nil {
				return fmt.Errorf("bring the schema to version %d: %w", v+int64(i)+1, err)
			}
		}
		return tx.exec("set meta", "schema_version", schemaVersion)
	})
}

// version returns the schema's version; 0 for an empty database.
func (db *database) version(ctx context.Context, on *sql.DB) (int64, error) {
	var tables int
	if err := on.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master WHERE name = 'meta'`).Scan(&tables); err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	if tables == 0 {
		return 0, nil
	}
	var v int64
	if err := on.QueryRowContext(ctx, db.queries["meta"], "schema_version").Scan(&v); err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return v, nil
}

func (db *database) close() error {
	var errs []error
	for _, d := range []*sql.DB{db.read, db.write} {
		if d != nil {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}

// A transaction runs named statements, preparing each once.
type transaction struct {
	*sql.Tx
	ctx      context.Context
	queries  map[string]string
	prepared map[string]*sql.Stmt
}

// transact runs f in one writing transaction, which is on the disk when nil is returned. After an error it
// may or may not be: the commit itself can fail either way.
func (db *database) transact(ctx context.Context, f func(*transaction) error) error {
	if db.write == nil {
		return errReadOnly
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	t := &transaction{Tx: tx, ctx: ctx, queries: db.queries, prepared: map[string]*sql.Stmt{}}
	if err := f(t); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := db.commit(tx); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), ignoreDone(tx.Rollback()))
	}
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

func (t *transaction) stmt(name string) (*sql.Stmt, error) {
	if s, ok := t.prepared[name]; ok {
		return s, nil
	}
	s, err := t.PrepareContext(t.ctx, t.queries[name])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	t.prepared[name] = s
	return s, nil
}

func (t *transaction) exec(name string, args ...any) error {
	_, err := t.change(name, args...)
	return err
}

// change returns how many rows a statement changed.
func (t *transaction) change(name string, args ...any) (int64, error) {
	s, err := t.stmt(name)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return r.RowsAffected()
}

// one reads the single row of a statement into dest; sql.ErrNoRows if there is none.
func (t *transaction) one(name string, args []any, dest ...any) error {
	s, err := t.stmt(name)
	if err != nil {
		return err
	}
	if err := s.QueryRowContext(t.ctx, args...).Scan(dest...); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// querier is *sql.DB or *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls f for every row of a statement.
func (db *database) each(ctx context.Context, on querier, name string, args []any, f func(scan func(...any) error) error) (err error) {
	rows, err := on.QueryContext(ctx, db.queries[name], args...)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// namedQueries cuts the text after each "-- name:" line.
func namedQueries(text string) map[string]string {
	queries := map[string]string{}
	for _, part := range strings.Split(text, "-- name: ")[1:] {
		name, query, _ := strings.Cut(part, "\n")
		queries[name] = strings.TrimSpace(query)
	}
	return queries
}
