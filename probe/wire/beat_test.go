package wire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/probe/wire"
)

func TestBeats(t *testing.T) {
	offset := -0.25
	want := wire.Beat{Version: "v1", Started: time.Unix(1, 0).UTC(), Sent: time.Unix(2, 0).UTC(), Revision: 7, Checks: 3, ClockOffset: &offset, Faults: []string{"blind"}}
	got, err := wire.ReadBeat(want.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, want, got)
	answer := wire.BeatAnswer{Now: time.Unix(3, 5).UTC(), Revision: 8}
	back, err := wire.ReadBeatAnswer(answer.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, answer, back)
}

// A beat of a newer version is read; one that is too long is cut; one that is none is an error.
func TestOddBeats(t *testing.T) {
	if b, err := wire.ReadBeat([]byte(`{"version":"v9","mood":"good","revision":4}`)); err != nil || b.Revision != 4 {
		t.Errorf("from a newer version: got %+v, error %v, want revision 4", b, err)
	}
	long := wire.Beat{Version: strings.Repeat("v", 1000), Faults: make([]string, 100)}
	long.Faults[0] = strings.Repeat("f", 1000)
	if b, err := wire.ReadBeat(long.Marshal()); err != nil || len(b.Version) != 300 || len(b.Faults) != 16 || len(b.Faults[0]) != 300 {
		t.Errorf("too long: got a version of %d bytes and %d faults, error %v, want 300 and 16", len(b.Version), len(b.Faults), err)
	}
	for _, bad := range []string{"", "null x", `{"sent":"yesterday"}`, "[]"} {
		if _, err := wire.ReadBeat([]byte(bad)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%q: got error %v, want a malformed message", bad, err)
		}
		if _, err := wire.ReadBeatAnswer([]byte(bad)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%q as an answer: got error %v, want a malformed message", bad, err)
		}
	}
	if _, err := wire.ReadBeatAnswer([]byte("{}")); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("an answer without a time: got error %v, want a malformed message", err)
	}
}

func FuzzBeat(f *testing.F) {
	f.Add(wire.Beat{Version: "v1", Faults: []string{"blind"}}.Marshal())
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := wire.ReadBeat(data)
		if err != nil {
			return
		}
		if len(b.Faults) > 16 || len(b.Version) > 300 {
			t.Fatalf("got %d faults, a version of %d bytes", len(b.Faults), len(b.Version))
		}
		_, _ = wire.ReadBeatAnswer(data)
	})
}
