package timeline

import (
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"testing"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/internal/pgtest"
)

// cluster is the PostgreSQL of this package's tests, started when the first of them needs it.
var cluster pgtest.Cluster

// A place is where the stores of a test are: what one leaves there, the next one finds.
type place struct{ Options }

// everywhere runs a test in each database. Whatever holds of one holds of the other, in the same words.
func everywhere(t *testing.T, f func(t *testing.T, p place)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, place{Options{Dir: t.TempDir()}}) })
	t.Run("postgres", func(t *testing.T) { f(t, place{Options{Database: cluster.Database(t)}}) })
}

func (p place) open(tb testing.TB, c *clock) *Store {
	tb.Helper()
	o := p.Options
	o.Now, o.Logger = c.Now, slog.New(slog.NewTextHandler(tb.Output(), nil))
	s, err := Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// store opens a store at noon, closed when the test ends.
func (p place) store(tb testing.TB) *Store {
	tb.Helper()
	s := p.open(tb, &clock{noon})
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// A property is tried in rounds of a few draws each, so that tests side by side, for which the number of draws is one
// and the same, can try different numbers of them: see TestMain.
const (
	allRounds  = 20 // what -rapid.checks asks for
	mostRounds = 12 // for what others wait for
	someRounds = 6  // for what takes longer
	fewRounds  = 2  // for properties that try much with each draw
)

// checkAll tries a property of no place.
func checkAll(t *testing.T, property func(rt *rapid.T)) {
	t.Helper()
	for range allRounds {
		rapid.Check(t, property)
	}
}

// check tries a property in rooms of the place. An empty database takes longer to make than an empty folder, so there
// are fewer of them.
func (p place) check(t *testing.T, rounds int, property func(rt *rapid.T, room place)) {
	t.Helper()
	if p.Database != "" {
		rounds = max(rounds/4, 1)
	}
	rooms := 0
	for range rounds {
		rapid.Check(t, func(rt *rapid.T) {
			rooms++
			property(rt, p.room(t, rooms))
		})
	}
}

// beside opens a store for reading while another one is open: in a folder that is all it may do.
func (p place) beside(tb testing.TB, c *clock) *Store {
	tb.Helper()
	if p.Database != "" {
		return p.open(tb, c)
	}
	s, err := OpenReadOnly(tb.Context(), p.Dir)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// room is an empty place of the same kind.
func (p place) room(tb testing.TB, n int) place {
	tb.Helper()
	if p.Database == "" {
		return place{Options{Dir: fmt.Sprintf("%s/%d", p.Dir, n)}}
	}
	db, err := sql.Open("pgx", p.Database)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	schema := fmt.Sprintf("room%d", n)
	if _, err := db.ExecContext(tb.Context(), "CREATE SCHEMA "+schema); err != nil {
		tb.Fatal(err)
	}
	return place{Options{Database: withSetting(tb, p.Database, "search_path", schema)}}
}

func withSetting(tb testing.TB, address, name, value string) string {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}
