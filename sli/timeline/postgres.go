package timeline

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

//go:embed schema_pg.sql
var schemaPGSQL string

//go:embed schema7_pg.sql
var schema7PGSQL string

//go:embed queries_pg.sql
var queriesPGSQL string

// Bounds of what is asked of PostgreSQL.
const (
	writers  = 4               // transactions at a time, besides the one that folds
	patience = 2 * time.Minute // longest transaction
	oldestPG = 140000          // as server_version_num has it
)

// settings are those that a session has unless the address says otherwise. A process that is stopped in mid-course or
// has lost its network must not keep transactions open, which everybody would wait for.
var settings = map[string]string{
	"idle_in_transaction_session_timeout": "60000", // ms
	"tcp_keepalives_idle":                 "15",    // s
	"tcp_keepalives_interval":             "5",     // s
	"tcp_keepalives_count":                "3",
}

// described says which database it is, for people: without the password.
func described(cfg *pgx.ConnConfig) string {
	return fmt.Sprintf("PostgreSQL database %s on %s", cfg.Database, net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
}

// parseAddress reads the address of a database. Errors of pgx and of net/url may hold all of it, and so the password,
// which is why none is passed on.
func parseAddress(address string) (*pgx.ConnConfig, error) {
	const want = "want postgres://USER@HOST:PORT/DATABASE, with settings after a question mark"
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return nil, fmt.Errorf("the database's address does not begin with postgres://: %s", want)
	}
	if _, err := url.Parse(address); err != nil {
		return nil, fmt.Errorf("the database's address is no URL (it is not shown, for it may hold a password): %s", want)
	}
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("the database's address has a part that is not known (it is not shown, for it may hold a password): %s", want)
	}
	if !strings.Contains(address, "connect_timeout") {
		cfg.ConnectTimeout = 5 * time.Second
	}
	if _, ok := cfg.RuntimeParams["application_name"]; !ok {
		cfg.RuntimeParams["application_name"] = "gaikei"
	}
	return cfg, nil
}

// openPostgres opens the database at an address, making or migrating what is in it if need be.
func openPostgres(ctx context.Context, address string) (_ *database, where string, err error) {
	cfg, err := parseAddress(address)
	if err != nil {
		return nil, "", err
	}
	where = described(cfg)
	db := newDatabase(queriesPGSQL, schemaPGSQL, schema5SQL, schema6SQL, schema7SQL, schema8SQL, schema9SQL, schema10SQL+schema7PGSQL, schema11SQL, schema12SQL)
	db.patience = patience
	db.write = stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(setUp(settings)))
	db.write.SetMaxOpenConns(writers)
	db.write.SetMaxIdleConns(writers)
	own := maps.Clone(settings)
	own["idle_session_timeout"] = idleSession
	db.own = stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(setUp(own)))
	db.own.SetMaxIdleConns(-1)
	db.read = stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(setUp(settings)))
	db.read.SetMaxOpenConns(readers)
	db.read.SetMaxIdleConns(readers)
	if err = oldEnough(ctx, db.read); err == nil {
		err = db.migrate(ctx)
	}
	if err == nil {
		err = db.transact(ctx, rebase)
	}
	if err != nil {
		return nil, where, errors.Join(err, db.close())
	}
	return db, where, nil
}

// rebase sets right what is left of the transactions of another server, if the database is a copy of one there.
func rebase(tx *transaction) error {
	if err := tx.exec("lock schema"); err != nil {
		return err
	}
	return tx.exec("rebase journal")
}

// setUp gives a session its settings, but for those that the address gave it, and makes sure that a commit is on the disk
// when it returns, whatever the server's default is. It does so by statements, since poolers refuse most of these when
// a session begins.
func setUp(settings map[string]string) func(ctx context.Context, c *pgx.Conn) error {
	return func(ctx context.Context, c *pgx.Conn) error {
		text := "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';"
		for name, value := range settings {
			if _, given := c.Config().RuntimeParams[name]; !given {
				text += " SET " + name + " = " + value + ";"
			}
		}
		_, err := c.Exec(ctx, text)
		return err
	}
}

// An unreached database is told in one line: every address of it that was tried has one, and the last one says it all.
type unreached struct{ err error }

func (u *unreached) Unwrap() error { return u.err }

func (u *unreached) Error() string {
	lines := strings.Split(u.err.Error(), "\n")
	return "it cannot be reached: " + strings.TrimSpace(lines[len(lines)-1])
}

func oldEnough(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return &unreached{err}
	}
	if version < oldestPG {
		return fmt.Errorf("PostgreSQL is of version %d, want at least %d", version/10000, oldestPG/10000)
	}
	return nil
}

// lacksPartition reports whether a row of the journal found no partition: nobody had made one ahead.
func lacksPartition(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23514" && pg.ConstraintName == "" && strings.Contains(pg.TableName+pg.Message, "journal")
}
