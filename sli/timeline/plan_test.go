package timeline

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

func TestPlansSucceedEachOther(t *testing.T) { everywhere(t, testPlansSucceedEachOther) }

func testPlansSucceedEachOther(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	set := func(want bool, p Plan, changes ...sli.Change) {
		t.Helper()
		if got, err := s.SetPlan(t.Context(), p, changes); got != want || err != nil {
			t.Errorf("plan %d of %s: got %t, error %v, want %t", p.Revision, p.Region, got, err, want)
		}
	}
	plan := func(region string, revision int64, chunks ...string) Plan {
		p := Plan{Region: region, Revision: revision, Manifest: []byte(region), Chunks: map[string][]byte{}}
		for _, c := range chunks {
			p.Chunks[c] = []byte("data of " + c)
		}
		return p
	}
	if p, err := s.Plan(t.Context(), "tokyo"); p.Revision != 0 || err != nil {
		t.Errorf("before any: got revision %d, error %v, want none", p.Revision, err)
	}
	change := sli.Change{Check: "shop", Region: "tokyo", Revision: 2, At: noon, What: "interval, http.url"}
	set(false, plan("tokyo", 2, "a"), change)
	set(true, plan("tokyo", 1, "a", "b"))
	set(false, plan("tokyo", 1, "z"))
	set(true, plan("tokyo", 2, "b", "c"), change)
	set(false, plan("tokyo", 2, "z"))
	set(false, plan("tokyo", 4, "z"))
	set(true, plan("osaka", 1, "d"))
	chunks := func() map[string]string {
		t.Helper()
		got := map[string]string{}
		for _, name := range []string{"a", "b", "c", "d", "e", "z"} {
			data, err := s.PlanChunk(t.Context(), "tokyo", name)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
			if err == nil {
				got[name] = string(data)
			}
		}
		return got
	}
	if d := cmp.Diff(map[string]string{"a": "data of a", "b": "data of b", "c": "data of c"}, chunks()); d != "" {
		t.Errorf("chunks of two revisions (-want +got):\n%s", d)
	}
	set(true, plan("tokyo", 3, "c", "e"), sli.Change{Check: "mail", Region: "tokyo", Revision: 3, At: noon.Add(time.Minute), What: "removed"})
	if d := cmp.Diff(map[string]string{"b": "data of b", "c": "data of c", "e": "data of e"}, chunks()); d != "" {
		t.Errorf("chunks after a third (-want +got):\n%s", d)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = p.open(t, c)
	defer s.Close()
	if p, err := s.Plan(t.Context(), "tokyo"); p.Revision != 3 || string(p.Manifest) != "tokyo" || err != nil {
		t.Errorf("after a restart: got %+v, error %v, want revision 3", p, err)
	}
	for _, x := range []struct {
		q    sli.Query
		want int
	}{
		{sli.Query{From: noon, To: noon.Add(time.Hour)}, 2},
		{sli.Query{From: noon, To: noon.Add(time.Minute)}, 1},
		{sli.Query{From: noon.Add(-time.Hour), To: noon.Add(time.Hour), Checks: []string{"shop"}}, 1},
		{sli.Query{From: noon.Add(-time.Hour), To: noon.Add(time.Hour), Regions: []string{"osaka"}}, 0},
		{sli.Query{Window: time.Hour, Now: noon.Add(2 * time.Minute)}, 2},
	} {
		got, err := s.Changes(t.Context(), x.q)
		if err != nil || len(got) != x.want {
			t.Errorf("changes of %+v: got %v, error %v, want %d", x.q, got, err, x.want)
		}
	}
	c.now = noon.Add(DefaultRetention + 48*time.Hour)
	if err := s.expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, s, "change"); n != 0 {
		t.Errorf("after the retention: got %d changes, want none", n)
	}
}

func TestCredentials(t *testing.T) { everywhere(t, testCredentials) }

func testCredentials(t *testing.T, p place) {
	s := p.store(t)
	add := func(key, region, prober string, at time.Time) error {
		return s.AddCredential(t.Context(), Credential{Key: key, Region: region, Prober: prober, Created: at})
	}
	for _, err := range []error{add("K2", "tokyo", "p", noon.Add(time.Second)), add("K1", "tokyo", "p", noon), add("K3", "osaka", "q", noon)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := add("K1", "osaka", "thief", noon); err == nil {
		t.Error("a key that is there: got no error, want one")
	}
	revoked := noon.Add(time.Hour)
	for i, want := range []bool{true, false} {
		if got, err := s.RevokeCredential(t.Context(), "K1", revoked.Add(time.Duration(i)*time.Hour)); got != want || err != nil {
			t.Errorf("revoke, time %d: got %t, error %v, want %t", i, got, err, want)
		}
	}
	if got, err := s.RevokeCredential(t.Context(), "K9", revoked); got || err != nil {
		t.Errorf("revoke an unknown key: got %t, error %v, want neither", got, err)
	}
	got, err := s.Credentials(t.Context())
	want := []Credential{
		{Key: "K3", Region: "osaka", Prober: "q", Created: noon},
		{Key: "K1", Region: "tokyo", Prober: "p", Created: noon, Revoked: revoked},
		{Key: "K2", Region: "tokyo", Prober: "p", Created: noon.Add(time.Second)},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, d)
	}
}
