package sli_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

func encoded(t *sli.Tally) []byte {
	b, err := t.AppendBinary(nil)
	if err != nil {
		panic(err) // it says that there is none
	}
	return b
}

// A tally that was written and read gives the same figures to the last bit, alone and merged, and is written
// the same again.
func TestTallyEncodingRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := tallyOf(genSlots().Draw(t, "slots"), genSpans().Draw(t, "spans"))
		more := tallyOf(genSlots().Draw(t, "more"), nil)
		b := encoded(want)
		got := tallyOf(genSlots().Draw(t, "replaced"), nil)
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(report(want), report(got)); d != "" {
			t.Fatalf("figures (-want +got):\n%s", d)
		}
		if d := cmp.Diff(report(merge(want, more)), report(merge(got, more))); d != "" {
			t.Fatalf("figures once merged (-want +got):\n%s", d)
		}
		if again := encoded(got); !bytes.Equal(b, again) {
			t.Fatalf("written again (-want +got):\n-%x\n+%x", b, again)
		}
	})
}

// goldenTally holds something of everything.
func goldenTally() *sli.Tally {
	var t sli.Tally
	maintenance := []sli.Span{{From: 60_000, To: 70_000, Effect: sli.InMaintenance}}
	for i, o := range []sli.Outcome{
		sli.Up, sli.Up, sli.Down, sli.ExpectedUnreachable, sli.Unexpected, sli.Inconclusive, sli.Missed, sli.NoData,
	} {
		s := sli.Slot{At: int64(i) * 10_000, Cell: 10_000, Outcome: o, Latency: sli.NoLatency}
		switch o {
		case sli.Up:
			s.Latency, s.Under = sli.Index(-115-100*i), i == 0
		case sli.Down:
			s.Reason, s.Unvouched = "timeout", true
		case sli.Missed:
			s.Reason = "late"
		}
		t.Add(s, maintenance)
	}
	return &t
}

// What is stored by one version is read by the next.
func TestTallyEncodingIsStable(t *testing.T) {
	const golden = "01" + "02046c61746501" + "0774696d656f757401" + // version, reasons
		"0080cab5ee01" + "65a9fe01904e" + // squares, bins
		"01020101010101" + "02030201" + "a09c01b0ea01a09c01904e" + // seen, slots, ms
		"0100030100" + "0101" + "80f104d0860301" + // none and excluded, due, verdict, unvouched
		"0201a09c01904e904e" + "01006201" // latencies, bins
	got := hex.EncodeToString(encoded(goldenTally()))
	if got != golden {
		t.Errorf("encoding (-want +got): that needs a new version\n-%s\n+%s", golden, got)
	}
}

func TestDamagedTalliesAreErrors(t *testing.T) {
	good := encoded(goldenTally())
	for _, x := range []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "want version 1"},
		{"a later version", append([]byte{2}, good[1:]...), "want version 1"},
		{"cut", good[:len(good)-1], "the bytes end"},
		{"cut within a reason", good[:5], "got 4, want at most 3"},
		{"a reason longer than the rest", []byte{1, 2, 2, 'a'}, "the bytes end within a reason"},
		{"more", append(bytes.Clone(good), 0), "1 bytes and 0 zeros are left over"},
		{"too many zeros", []byte{1, 0, 0, 0, 0, 0, 200, 1}, "zeros are left over"},
		{"bins beyond the indexes", []byte{1, 0, 0, 0, 2, 0xff, 0xff, 3, 1}, "got 65535, want at most 65534"},
	} {
		tally := goldenTally()
		err := tally.UnmarshalBinary(x.b)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got error %v, want %q", x.name, err, x.want)
		}
		if !bytes.Equal(encoded(&sli.Tally{}), encoded(tally)) {
			t.Errorf("%s: the tally is not empty", x.name)
		}
	}
}

// FuzzTally looks for panics and for tallies that are read differently once they were written again.
func FuzzTally(f *testing.F) {
	f.Add(encoded(goldenTally()))
	f.Add(encoded(&sli.Tally{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var tally, again sli.Tally
		if tally.UnmarshalBinary(b) != nil {
			return
		}
		want := encoded(&tally)
		if err := again.UnmarshalBinary(want); err != nil {
			t.Fatalf("written again: %v", err)
		}
		if got := encoded(&again); !bytes.Equal(want, got) {
			t.Fatalf("written twice (-want +got):\n-%x\n+%x", want, got)
		}
		again.Merge(&tally)
	})
}
