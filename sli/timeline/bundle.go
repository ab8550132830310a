package timeline

import (
	"database/sql"
	"fmt"
)

// dayKey is where a row of a series and a day is.
type dayKey struct{ series, day int64 }

// A bundle asks for all rows of days that a fold needs with one statement a table, and puts those that it makes with
// another: each way to a server and back takes as long as the work on some series.
type bundle struct {
	rows map[string]map[dayKey][]byte // by the statement that asks for one of them
	puts map[string]*dayRows          // by the statement that puts one of them
}

type dayRows struct {
	series, days []int64
	data         [][]byte
}

// Statements about one row, and those that do the same for many. What is put first comes first: a block that is put takes
// its summary away.
var (
	manyOf  = map[string]string{"block": "many blocks", "day phases": "many phases", "outline": "many outlines", "day count": "many day counts"}
	putMany = [][2]string{
		{"put block", "put many blocks"},
		{"put summaries", "put many summaries"},
		{"put phases", "put many phases"},
		{"put outline", "put many outlines"},
		{"put day count", "put many day counts"},
	}
)

// readAhead asks for what a fold is going to read, if that is far away. A series that has no id in memory may have
// one, and blocks, all the same.
func (s *Store) readAhead(t *transaction, fs []folding) error {
	if s.shared == nil {
		return nil
	}
	b := &bundle{rows: map[string]map[dayKey][]byte{}, puts: map[string]*dayRows{}}
	var days, pages dayRows
	for i := range fs {
		if err := s.identify(t, &fs[i]); err != nil {
			return err
		}
		for day := range fs[i].days {
			days.series, days.days = append(days.series, fs[i].id), append(days.days, day)
			pages.series, pages.days = append(pages.series, fs[i].id), append(pages.days, pageOf(day))
		}
	}
	for one, many := range manyOf {
		wanted := &days
		if one == "outline" {
			wanted = &pages
		}
		rows := map[dayKey][]byte{}
		err := s.db.each(t.ctx, t, many, []any{wanted.series, wanted.days}, func(scan func(...any) error) error {
			var k dayKey
			var data []byte
			err := scan(&k.series, &k.day, &data)
			rows[k] = data
			return err
		})
		if err != nil {
			return err
		}
		b.rows[one] = rows
	}
	t.bundle = b
	return nil
}

// day reads the row of a day; sql.ErrNoRows if there is none.
func (t *transaction) day(name string, k dayKey, data *[]byte) error {
	if t.bundle == nil {
		return t.one(name, []any{k.series, k.day}, data)
	}
	row, ok := t.bundle.rows[name][k]
	if !ok {
		return fmt.Errorf("%s: %w", name, sql.ErrNoRows)
	}
	*data = row
	return nil
}

// put puts the row of a day, in a bundle when that is put. Each at most once.
func (t *transaction) put(name string, k dayKey, data []byte) error {
	if t.bundle == nil {
		return t.exec(name, k.series, k.day, data)
	}
	r := t.bundle.puts[name]
	if r == nil {
		r = &dayRows{}
		t.bundle.puts[name] = r
	}
	r.series, r.days, r.data = append(r.series, k.series), append(r.days, k.day), append(r.data, data)
	return nil
}

// putBundle puts what waits in the bundle.
func (t *transaction) putBundle() error {
	if t.bundle == nil {
		return nil
	}
	for _, names := range putMany {
		if r := t.bundle.puts[names[0]]; r != nil {
			if err := t.exec(names[1], r.series, r.days, r.data); err != nil {
				return err
			}
		}
	}
	return nil
}
