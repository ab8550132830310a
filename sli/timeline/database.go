package timeline

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

//go:embed queries.sql
var queriesSQL string

// ErrSchema is wrapped by errors about a database of another version than this program's.
var ErrSchema = errors.New("the timelines are of another version of gaikei")

// A database is SQLite or PostgreSQL, spoken to through one set of queries and a few of its own.
type database struct {
	write    *sql.DB // one connection to SQLite, several to PostgreSQL; nil if read-only
	read     *sql.DB
	own      *sql.DB // of PostgreSQL: for the one connection that tails and folds
	queries  map[string]string
	schemas  []string            // each migrates from the version before, the first one from nothing; their number is the version
	prepares bool                // preparing the statements of a transaction pays; a driver may do better by itself
	patience time.Duration       // longest time of a transaction; zero: any
	reading  statements          // of read, if preparing pays
	commit   func(*sql.Tx) error // (*sql.Tx).Commit but in tests of its failures
}

func newDatabase(own string, schemas ...string) *database {
	return &database{queries: namedQueries(queriesSQL, own), schemas: schemas, commit: (*sql.Tx).Commit}
}

// newest is the version of the schema that this program works with.
func (db *database) newest() int64 { return int64(len(db.schemas)) }

// errReadOnly answers whoever wants to change a store that was opened for reading.
var errReadOnly = errors.New("the store was opened for reading only")

// migrate brings the database to the newest schema, all or nothing.
func (db *database) migrate(ctx context.Context) error {
	v, err := db.version(ctx, db.write)
	if err != nil || v == db.newest() {
		return err
	}
	return db.transact(ctx, func(tx *transaction) error {
		if err := tx.exec("lock schema"); err != nil {
			return err
		}
		v, err := db.version(ctx, tx) // another process may have been faster
		if err != nil {
			return err
		}
		if v > db.newest() {
			return fmt.Errorf("%w: got version %d, want at most %d: use a newer program", ErrSchema, v, db.newest())
		}
		for i, schema := range db.schemas[v:] {
			if _, err := tx.ExecContext(ctx, schema); err != nil {
				return fmt.Errorf("bring the schema to version %d: %w", v+int64(i)+1, err)
			}
		}
		return tx.exec("set meta", "schema_version", db.newest())
	})
}

// version returns the schema's version; 0 for an empty database.
func (db *database) version(ctx context.Context, on rower) (int64, error) {
	var tables int
	if err := on.QueryRowContext(ctx, db.queries["has schema"]).Scan(&tables); err != nil {
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
	for _, d := range []*sql.DB{db.read, db.write, db.own} {
		if d != nil {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}

// A transaction runs named statements.
type transaction struct {
	*sql.Tx
	ctx      context.Context
	queries  map[string]string
	prepared map[string]*sql.Stmt // each once; nil: the driver does that better
	bundle   *bundle              // nil: rows of days are read and put one by one
	counts   *book                // nil: what changes is not counted by this transaction
}

// beginner is *sql.DB or *sql.Conn.
type beginner interface {
	BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error)
}

// transact runs f in one writing transaction, which is on the disk when nil is returned. After an error it
// may or may not be: the commit itself can fail either way.
func (db *database) transact(ctx context.Context, f func(*transaction) error) error {
	if db.write == nil {
		return errReadOnly
	}
	return db.transactOn(ctx, db.write, f)
}

func (db *database) transactOn(ctx context.Context, on beginner, f func(*transaction) error) error {
	if db.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, db.patience, fmt.Errorf("the database took longer than %v", db.patience))
		defer cancel()
	}
	tx, err := on.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	t := &transaction{Tx: tx, ctx: ctx, queries: db.queries}
	if db.prepares {
		t.prepared = map[string]*sql.Stmt{}
	}
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
	var r sql.Result
	var err error
	if t.prepared == nil {
		r, err = t.ExecContext(t.ctx, t.queries[name], args...)
	} else {
		var s *sql.Stmt
		if s, err = t.stmt(name); err != nil {
			return 0, err
		}
		r, err = s.ExecContext(t.ctx, args...)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return r.RowsAffected()
}

// one reads the single row of a statement into dest; sql.ErrNoRows if there is none.
func (t *transaction) one(name string, args []any, dest ...any) error {
	var row *sql.Row
	if t.prepared == nil {
		row = t.QueryRowContext(t.ctx, t.queries[name], args...)
	} else {
		s, err := t.stmt(name)
		if err != nil {
			return err
		}
		row = s.QueryRowContext(t.ctx, args...)
	}
	if err := row.Scan(dest...); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// querier and rower are *sql.DB, *sql.Conn or *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

type rower interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// each calls f for every row of a statement.
func (db *database) each(ctx context.Context, on querier, name string, args []any, f func(scan func(...any) error) error) (err error) {
	rows, err := db.query(ctx, on, name, args)
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

// query asks; what is asked again and again of those that only read is prepared once.
func (db *database) query(ctx context.Context, on querier, name string, args []any) (*sql.Rows, error) {
	if on != querier(db.read) || !db.prepares {
		return on.QueryContext(ctx, db.queries[name], args...)
	}
	s, err := db.reading.of(ctx, db.read, db.queries[name])
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// statements are prepared ones, by their text. The zero value has none.
type statements struct {
	mu  sync.Mutex
	all map[string]*sql.Stmt // guarded by mu
}

func (s *statements) of(ctx context.Context, db *sql.DB, text string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.all[text]; st != nil {
		return st, nil
	}
	st, err := db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if s.all == nil {
		s.all = map[string]*sql.Stmt{}
	}
	s.all[text] = st
	return st, nil
}

// namedQueries cuts the texts after each "-- name:" line.
func namedQueries(texts ...string) map[string]string {
	queries := map[string]string{}
	for _, text := range texts {
		for _, part := range strings.Split(text, "-- name: ")[1:] {
			name, query, _ := strings.Cut(part, "\n")
			queries[name] = strings.TrimSpace(query)
		}
	}
	return queries
}
