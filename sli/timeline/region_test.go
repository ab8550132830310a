package timeline

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func regions(names ...string) []Region {
	var rs []Region
	for _, n := range names {
		rs = append(rs, Region{Name: n, Weight: 1})
	}
	return rs
}

func explicit(name string, ordinal int) Region {
	return Region{Name: name, Ordinal: &ordinal, Weight: 1}
}

func TestOrdinals(t *testing.T) { everywhere(t, testOrdinals) }

func testOrdinals(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	defer func() { _ = s.Close() }()
	for _, step := range []struct {
		what  string
		given []Region
		want  map[string]int
		err   string
	}{
		{what: "file order", given: regions("tokyo", "frankfurt"), want: map[string]int{"tokyo": 0, "frankfurt": 1}},
		{what: "order changed", given: regions("frankfurt", "tokyo"), want: map[string]int{"tokyo": 0, "frankfurt": 1}},
		{what: "one gone, one new", given: regions("osaka", "tokyo"), want: map[string]int{"tokyo": 0, "osaka": 2}},
		{what: "it returns", given: regions("frankfurt"), want: map[string]int{"frankfurt": 1}},
		{what: "explicit", given: []Region{{Name: "auto"}, explicit("office", 7)}, want: map[string]int{"office": 7, "auto": 8}},
		{what: "explicit, as stored", given: []Region{explicit("tokyo", 0)}, want: map[string]int{"tokyo": 0}},
		{what: "contradiction", given: []Region{explicit("tokyo", 3)}, err: "has had 0"},
		{what: "taken by one that has gone", given: []Region{explicit("lima", 2)}, err: "region osaka"},
		{what: "twice in one file", given: []Region{explicit("a", 20), explicit("b", 20)}, err: "region a"},
		{what: "negative", given: []Region{explicit("a", -1)}, err: "want 0 or more"},
		{what: "nothing was stored by an error", given: regions("lima"), want: map[string]int{"lima": 9}},
	} {
		got, err := s.Ordinals(t.Context(), step.given)
		if (err != nil) != (step.err != "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("%s: got error %v, want %q", step.what, err, step.err)
		}
		if err != nil && !errors.Is(err, ErrOrdinals) {
			t.Errorf("%s: got error %v, want it to be ErrOrdinals", step.what, err)
		}
		if d := cmp.Diff(step.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, d)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = p.open(t, c)
	}
}
