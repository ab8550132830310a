package timeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Snapshots say of every transaction what PostgreSQL says, and marks say the same.
func TestSnapshotsSeeWhatPostgreSQLSees(t *testing.T) {
	db := admin(t, place{Options{Database: cluster.Database(t)}})
	checkAll(t, func(rt *rapid.T) {
		xmin := rapid.SampledFrom([]int64{3, 1000, 1<<32 - 20, 1<<32 + 3, 3<<32 + 3, 1<<40 + 3}).Draw(rt, "xmin") + rapid.Int64Range(0, 3).Draw(rt, "more")
		xmax := xmin + rapid.Int64Range(0, 12).Draw(rt, "span")
		running := map[int64]bool{}
		if xmax > xmin {
			running[xmin] = true // or it would not be xmin
			for range rapid.IntRange(0, 5).Draw(rt, "running") {
				running[rapid.Int64Range(xmin, xmax-1).Draw(rt, "runs")] = true
			}
		}
		var list []string
		for x := xmin; x < xmax; x++ {
			if running[x] {
				list = append(list, fmt.Sprint(x))
			}
		}
		s, err := parseSnapshot(fmt.Sprintf("%d:%d:%s", xmin, xmax, strings.Join(list, ",")))
		if err != nil {
			rt.Fatalf("parse: %v", err)
		}
		for x := max(xmin-3, 1); x < xmax+3; x++ {
			var want bool
			query := "SELECT pg_visible_in_snapshot($1::text::xid8, $2::text::pg_snapshot)"
			if err := db.QueryRowContext(t.Context(), query, fmt.Sprint(x), s.text).Scan(&want); err != nil {
				rt.Fatalf("%s: %v", s.text, err)
			}
			if got := s.sees(x); got != want {
				rt.Errorf("snapshot %s sees %d: got %t, want %t", s.text, x, got, want)
			}
			if got := s.seesMark(mark(x)); got != want {
				rt.Errorf("snapshot %s sees the mark of %d: got %t, want %t", s.text, x, got, want)
			}
		}
	})
}

func TestSnapshotsThatAreNone(t *testing.T) {
	for _, text := range []string{"", "1", "1:2", "1:2:3:4", "a:2:", "1:b:", "1:5:2,c", "1:5:,"} {
		if s, err := parseSnapshot(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, s)
		}
	}
	s := before(7)
	if got, err := parseSnapshot(s.text); err != nil || got.xmin != 7 || got.xmax != 7 || !slices.Equal(got.running, s.running) && len(got.running) > 0 {
		t.Errorf("before(7): got %+v, error %v", got, err)
	}
	if !s.sees(6) || s.sees(7) || s.sees(8) {
		t.Error("before(7): want what is below 7 to be seen, and nothing else")
	}
}
