package wire_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe/wire"
)

// TestGoldenBeats: what a prober and an aggregator of the first version say to each other is understood for ever, and
// said in the same words.
func TestGoldenBeats(t *testing.T) {
	offset := -0.25
	beat := wire.Beat{
		Version: "v1", Started: time.Unix(1_700_000_000, 0).UTC(), Sent: time.Unix(1_700_000_010, 500).UTC(), Revision: 7, Checks: 3, Refused: 1,
		PlanError: "not understood", Running: 2, MaxRunning: 1024, QueuePending: 4, QueueAge: 1.5, QueueBytes: 5, QueueMax: 6, QueueHeld: 7,
		QueueBroken: true, Dropped: 8, ClockOffset: &offset, Faults: []string{"blind"},
	}
	answer := wire.BeatAnswer{Now: time.Unix(1_700_000_020, 5).UTC(), Revision: 8}
	got, err := wire.ReadBeat(goldenText(t, "v1-beat.json", beat.Marshal()))
	if err != nil {
		t.Fatal(err)
	}
	diff(t, beat, got)
	back, err := wire.ReadBeatAnswer(goldenText(t, "v1-beat-answer.json", answer.Marshal()))
	if err != nil {
		t.Fatal(err)
	}
	diff(t, answer, back)
}

// goldenText returns the content of a golden file, which must be what is written now.
func goldenText(t *testing.T, name string, now []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if _, err := os.Stat(path); err != nil && *update {
		if err := os.WriteFile(path, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, string(golden), string(now))
	return golden
}
