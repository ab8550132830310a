package wire_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

// The files in testdata/newer are what a program of the next minor version could say: fields that this one does not
// have, at every depth. They are kept as they are, so that what is let pass today is let pass by all that follows.

// TestNewerAggregator: the plan and the answers of a newer aggregator are read by a prober of this version. What it may
// not overlook is in the checks' blocks, which travel as they are and are decoded strictly, each for itself.
func TestNewerAggregator(t *testing.T) {
	dir := filepath.Join("testdata", "newer")
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil && *update {
		writeNewerPlan(t, dir)
	}
	manifest := readFile(t, filepath.Join(dir, "manifest.json"))
	m, err := wire.ReadManifestAnswer(append([]byte("manifest\n"), manifest...))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Open(func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, name)) })
	if err != nil {
		t.Fatal(err)
	}
	diff(t, &probe.Plan{
		Region: "tokyo", Ordinal: 2, Revision: 9, Activation: 1_790_000_000_000, Controls: []byte("controls: none\n"),
		Checks: []probe.PlannedCheck{
			{ID: "known", Interval: time.Minute, Budget: 10 * time.Second, Of: probe.OfValid, Expected: true, Block: []byte(newerBlocks()[0])},
			{ID: "newer", Interval: time.Minute, Budget: 10 * time.Second, Of: probe.OfValid, Expected: true, Block: []byte(newerBlocks()[1])},
		},
	}, got)
	a, err := wire.ReadBeatAnswer(readFile(t, filepath.Join(dir, "beat-answer.json")))
	if err != nil || a.Revision != 9 || a.Now.IsZero() {
		t.Errorf("answer to a heartbeat: got %+v, error %v, want revision 9 and a time", a, err)
	}
}

// newerBlocks are the checks of the plan: one as of this version, one with a key that it does not have.
func newerBlocks() []string {
	return []string{
		"name: known\ninterval: 1m\ntimeout: 10s\ntcp:\n  address: 127.0.0.1:9\n",
		"name: newer\ninterval: 1m\ntimeout: 10s\ntcp:\n  address: 127.0.0.1:9\n  fast_open: true\n",
	}
}

// writeNewerPlan makes the files of the plan.
func writeNewerPlan(t *testing.T, dir string) {
	t.Helper()
	check := func(id, block string) map[string]any {
		return map[string]any{"id": id, "interval_ns": int64(time.Minute), "budget_ns": int64(10 * time.Second), "of": "valid", "expected": true, "block": block, "mood": "good"}
	}
	body, err := json.Marshal(map[string]any{
		"controls": "controls: none\n", "checks": []any{check("known", newerBlocks()[0]), check("newer", newerBlocks()[1])}, "weather": []int{1},
	})
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	chunk := enc.EncodeAll(body, []byte{wire.PlanVersion})
	manifest, err := json.Marshal(map[string]any{
		"version": wire.PlanVersion, "region": "tokyo", "ordinal": 2, "revision": 9, "activation_ms": 1_790_000_000_000, "chunks": []string{chunkName(chunk)}, "signed_by": "nobody",
	})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, chunkName(chunk)), chunk)
	writeFile(t, filepath.Join(dir, "manifest.json"), manifest)
}

// TestNewerProber: the heartbeat of a newer prober is read by an aggregator of this version.
func TestNewerProber(t *testing.T) {
	b, err := wire.ReadBeat(readFile(t, filepath.Join("testdata", "newer", "beat.json")))
	if err != nil || b.Version != "v9.1" || b.Revision != 9 || b.Checks != 2 || len(b.Faults) != 1 {
		t.Errorf("got %+v, error %v, want version v9.1 on revision 9 with 2 checks and a fault", b, err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
