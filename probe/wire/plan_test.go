package wire_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

func planned(i int) probe.PlannedCheck {
	id := fmt.Sprintf("check-%05d", i)
	return probe.PlannedCheck{
		ID: id, Interval: 30 * time.Second, Budget: 10 * time.Second, Under: 300 * time.Millisecond, Of: probe.OfUp, Expected: i%2 == 0,
		Block: []byte("name: " + id + "\nhttp:\n  url: https://" + id + ".example.com/\n"),
	}
}

func samplePlan(checks int) *probe.Plan {
	p := &probe.Plan{Region: "tokyo", Ordinal: 3, Revision: 7, Activation: 1_790_000_000_000, Controls: []byte("controls: none\n")}
	for i := range checks {
		p.Checks = append(p.Checks, planned(i))
	}
	return p
}

// from opens a pack by its own chunks.
func from(p *wire.Pack) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		data, ok := p.Chunks[name]
		if !ok {
			return nil, fmt.Errorf("there is no chunk %s", name)
		}
		return data, nil
	}
}

func TestPlanTravels(t *testing.T) {
	for _, n := range []int{0, 1, 3000} {
		want := samplePlan(n)
		shuffled := *want
		shuffled.Checks = slices.Clone(want.Checks)
		slices.Reverse(shuffled.Checks)
		pack, err := wire.PackPlan(&shuffled)
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range pack.Chunks {
			if len(data) > wire.MaxChunk {
				t.Errorf("%d checks: chunk %s has %d bytes, want at most %d", n, name, len(data), wire.MaxChunk)
			}
		}
		m, err := wire.ReadManifest(pack.Manifest.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Open(from(pack))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%d checks (-want +got):\n%s", n, d)
		}
	}
}

// A change of one check is a change of one chunk, wherever it is.
func TestPlanChangesLittle(t *testing.T) {
	before, err := wire.PackPlan(samplePlan(3000))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(before.Chunks); n < 10 || n > 100 {
		t.Fatalf("3000 checks: got %d chunks, want a few dozen", n)
	}
	// Packing takes long enough that only so many are tried; which, another time others.
	for _, i := range []int{0, 1, 2998, 2999, rand.IntN(3000), rand.IntN(3000), rand.IntN(3000)} {
		for _, how := range []string{"changed", "removed", "added"} {
			changesLittle(t, before, i, how)
		}
	}
}

// changesLittle compares a plan with one of which a check is another.
func changesLittle(t *testing.T, before *wire.Pack, i int, how string) {
	t.Helper()
	p := samplePlan(3000)
	switch how {
	case "changed":
		p.Checks[i].Block = append(p.Checks[i].Block, "timeout: 5s\n"...)
	case "removed":
		p.Checks = slices.Delete(p.Checks, i, i+1)
	case "added":
		x := planned(i)
		x.ID += "-b"
		p.Checks = append(p.Checks, x)
	}
	after, err := wire.PackPlan(p)
	if err != nil {
		t.Fatal(err)
	}
	fresh := 0
	for name := range after.Chunks {
		if _, known := before.Chunks[name]; !known {
			fresh++
		}
	}
	if fresh < 1 || fresh > 2 || wire.SamePlan(before.Manifest, after.Manifest) {
		t.Errorf("check %d %s: got %d new chunks of %d, want 1, or 2 where a cut moved", i, how, fresh, len(after.Chunks))
	}
}

func TestPlanTooLarge(t *testing.T) {
	p := samplePlan(2)
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = "0123456789abcdef"[(i*i*31+i*7+i>>5)%16]
	}
	p.Checks[1].Block = []byte(strings.Repeat(string(noise), 9))
	if _, err := wire.PackPlan(p); err == nil || !strings.Contains(err.Error(), "check-00001") {
		t.Errorf("got error %v, want one that names the check", err)
	}
}

func TestGoldenPlan(t *testing.T) {
	want := samplePlan(3)
	pack, err := wire.PackPlan(want)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("testdata", "plan-v1")
	if _, err := os.Stat(dir); *update && errors.Is(err, os.ErrNotExist) {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "manifest.json"), pack.Manifest.Marshal())
		for name, data := range pack.Chunks {
			writeFile(t, filepath.Join(dir, name), data)
		}
	}
	golden, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.ReadManifest(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Open(func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, name)) })
	if err != nil {
		t.Fatal(err)
	}
	diff(t, want, got)
}

func chunkName(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBadManifests(t *testing.T) {
	good := `{"version":1,"region":"tokyo","ordinal":0,"revision":1,"activation_ms":0,"chunks":["` + strings.Repeat("ab", 32) + `"]}`
	if _, err := wire.ReadManifest([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ old, new, want string }{
		{good, "", "unexpected end"},
		{`"version":1`, `"version":2`, "got version 2, want 1"},
		{`"tokyo"`, `"To kyo"`, "want [a-z0-9]"},
		{`"revision":1`, `"revision":0`, "want at least 1"},
		{`"ordinal":0`, `"ordinal":-1`, "want at least 0"},
		{`"activation_ms":0`, `"activation_ms":-1`, "Unix ms"},
		{`abab`, `abzz`, "want a SHA-256 in hex"},
		{`["` + strings.Repeat("ab", 32) + `"]`, `[]`, "got 0 chunks"},
	} {
		_, err := wire.ReadManifest([]byte(strings.Replace(good, x.old, x.new, 1)))
		if !errors.Is(err, wire.ErrMalformed) || !strings.Contains(fmt.Sprint(err), x.want) {
			t.Errorf("%s: got error %v, want %q", x.new, err, x.want)
		}
	}
}

func TestBadChunks(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := func(body string) []byte { return enc.EncodeAll([]byte(body), []byte{wire.PlanVersion}) }
	check := `{"id":"a","interval_ns":1000000000,"budget_ns":1,"of":"up","expected":true,"block":""}`
	for _, x := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "got 0 bytes"},
		{"a newer version", []byte{9, 1, 2}, "begin with 09"},
		{"no frame", []byte{1, 2, 3}, "decompress"},
		{"no JSON", packed("checks:"), "invalid character"},
		{"a bad id", packed(strings.Replace(`{"checks":[`+check+`]}`, `"a"`, `"A b"`, 1)), "want [a-z0-9]"},
		{"no interval", packed(strings.Replace(`{"checks":[`+check+`]}`, `1000000000`, `0`, 1)), "interval of at least 1ms"},
		{"another population", packed(strings.Replace(`{"checks":[`+check+`]}`, `"up"`, `"all"`, 1)), `found "all"`},
		{"a check twice", packed(`{"checks":[` + check + `,` + check + `]}`), "want them in order"},
		{"a bomb", packed(`{"controls":"` + strings.Repeat("x", 9<<20) + `"}`), "decompress"},
	} {
		pack := &wire.Pack{Chunks: map[string][]byte{}}
		m := wire.Manifest{Version: 1, Region: "tokyo", Revision: 1}
		name := chunkName(x.data)
		m.Chunks, pack.Chunks[name] = []string{name}, x.data
		if _, err := m.Open(from(pack)); !errors.Is(err, wire.ErrMalformed) || !strings.Contains(fmt.Sprint(err), x.want) {
			t.Errorf("%s: got error %v, want %q", x.name, err, x.want)
		}
	}
	m := wire.Manifest{Version: 1, Region: "tokyo", Revision: 1, Chunks: []string{chunkName([]byte("x"))}}
	if _, err := m.Open(func(string) ([]byte, error) { return []byte("y"), nil }); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("another chunk: got error %v, want a malformed one", err)
	}
	if _, err := m.Open(func(string) ([]byte, error) { return nil, os.ErrPermission }); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a chunk that cannot be had: got error %v, want why", err)
	}
}

func TestPlanQuestions(t *testing.T) {
	pack, err := wire.PackPlan(samplePlan(2))
	if err != nil {
		t.Fatal(err)
	}
	s := wire.Plans{Manifest: func() (wire.Manifest, error) { return pack.Manifest, nil }, Chunk: from(pack)}
	if m, err := wire.ReadManifestAnswer(s.Answer(wire.AskManifest(7))); m != nil || err != nil {
		t.Errorf("with the newest revision: got %v, error %v, want neither", m, err)
	}
	m, err := wire.ReadManifestAnswer(s.Answer(wire.AskManifest(0)))
	if err != nil {
		t.Fatal(err)
	}
	diff(t, &pack.Manifest, m)
	for name, want := range pack.Chunks {
		got, err := wire.ReadChunkAnswer(name, s.Answer(wire.AskChunk(name)))
		if err != nil {
			t.Fatal(err)
		}
		diff(t, want, got)
		if _, err := wire.ReadChunkAnswer(name, s.Answer(wire.AskManifest(0))); err == nil {
			t.Error("a manifest was taken for a chunk")
		}
		if _, err := wire.ReadManifestAnswer(s.Answer(wire.AskChunk(name))); err == nil {
			t.Error("a chunk was taken for a manifest")
		}
	}
	for _, q := range []string{"", "manifest", "manifest x", "chunk", "chunk ../../etc/passwd", "plan 7", strings.Repeat("x", 1000)} {
		if _, err := wire.ReadManifestAnswer(s.Answer([]byte(q))); err == nil || !strings.Contains(err.Error(), "the aggregator answers") {
			t.Errorf("%.30q: got error %v, want the aggregator's", q, err)
		}
	}
	s.Manifest = func() (wire.Manifest, error) { return wire.Manifest{}, errors.New("no plan yet") }
	if _, err := wire.ReadManifestAnswer(s.Answer(wire.AskManifest(0))); err == nil || !strings.Contains(err.Error(), "no plan yet") {
		t.Errorf("got error %v, want why there is no plan", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version":1,"region":"tokyo","revision":1,"chunks":["` + strings.Repeat("ab", 32) + `"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := wire.ReadManifest(data)
		if err != nil {
			return
		}
		again, err := wire.ReadManifest(m.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		diff(t, m, again)
	})
}

// FuzzChunk takes the body of a chunk for input: few changes of a frame decompress.
func FuzzChunk(f *testing.F) {
	f.Add([]byte(`{"controls":"controls: none\n","checks":[{"id":"a","interval_ns":1000000000,"budget_ns":1,"of":"up","expected":true,"block":"x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer enc.Close()
		for _, data := range [][]byte{body, enc.EncodeAll(body, []byte{wire.PlanVersion})} {
			m := wire.Manifest{Version: 1, Region: "tokyo", Revision: 1, Chunks: []string{chunkName(data)}}
			p, err := m.Open(func(string) ([]byte, error) { return data, nil })
			if err != nil {
				if !errors.Is(err, wire.ErrMalformed) {
					t.Fatalf("%v is not a malformed message", err)
				}
				continue
			}
			pack, err := wire.PackPlan(p)
			if err != nil {
				continue // larger once it is written with everything
			}
			again, err := pack.Manifest.Open(from(pack))
			if err != nil {
				t.Fatal(err)
			}
			diff(t, p, again)
		}
	})
}
