package probe

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// epoch is an instant without meaning.
var epoch = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

// TestStretchAgainstOracle compares with trying every piece, a millisecond apart.
func TestStretchAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var by []sighting
		when := 0
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			when += rapid.IntRange(0, 30).Draw(t, "gap")
			by = append(by, sighting{at: at(when), host: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "host")})
		}
		quorum := rapid.IntRange(1, 3).Draw(t, "quorum")
		piece := rapid.IntRange(1, 60).Draw(t, "piece")
		from := rapid.IntRange(0, 50).Draw(t, "from")
		to := from + piece + rapid.IntRange(0, 80).Draw(t, "more")
		s := stretch{from: at(from), to: at(to), piece: time.Duration(piece) * time.Millisecond}
		want := true
		// Whole pieces, and those that begin just after a whole millisecond.
		for x := 2 * from; x <= 2*(to-piece); x++ {
			begin := at(x / 2).Add(time.Duration(x%2) * time.Nanosecond)
			if end := begin.Add(s.piece); end.After(s.to) {
				break
			}
			hosts := map[string]bool{}
			for _, b := range by {
				if !b.at.Before(begin) && !b.at.After(begin.Add(s.piece)) {
					hosts[b.host] = true
				}
			}
			want = want && len(hosts) >= quorum
		}
		if got := s.covered(by, quorum); got != want {
			t.Fatalf("covered: got %v, want %v", got, want)
		}
	})
}

func TestMemory(t *testing.T) {
	var m memory
	see := func(ms int, host string) { m.note(sighting{at: at(ms), host: host, control: true}) }
	count := func(from, to int, target string) int {
		return len(m.between(at(from), at(to), sighting{host: target}))
	}
	if got := count(0, 1000, ""); got != 0 {
		t.Errorf("an empty memory has %d sightings", got)
	}
	see(1000, "a")
	see(900, "b") // attempts end in any order
	see(1050, "c")
	for _, r := range []struct {
		from, to int
		target   string
		want     int
	}{{900, 1050, "", 3}, {901, 1049, "", 1}, {900, 1050, "a", 2}, {1051, 9000, "", 0}, {-1e6, 2000, "", 3}} {
		if got := count(r.from, r.to, r.target); got != r.want {
			t.Errorf("between %d and %d but %q: %d, want %d", r.from, r.to, r.target, got, r.want)
		}
	}
	span := bucketCount * int(bucketTime/time.Millisecond)
	see(1000+span, "d") // where a and c were
	see(1000, "late")
	if got := count(1000+span, 1000+span, ""); got != 1 {
		t.Errorf("after a whole turn: %d sightings, want 1; one of long past must not displace it", got)
	}
	if got := count(0, 2000, ""); got != 1 {
		t.Errorf("after a whole turn: %d sightings of the last one, want the one whose place was not needed", got)
	}
}

// TestMemoryIsBounded: a million sightings by checks in a second take no more room than a few, and leave a quorum
// for every target.
func TestMemoryIsBounded(t *testing.T) {
	var m memory
	for i := range 100000 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i % 50), byte(i % 200)})
		m.glimpse(sighting{at: at(i / 100), host: fmt.Sprint("h", i%200), addr: addr}, 4)
	}
	all := m.between(at(0), at(1000), sighting{})
	if len(all) > 4*11 {
		t.Errorf("%d sightings kept of a second", len(all))
	}
	for h := range 200 {
		target := sighting{host: fmt.Sprint("h", h), addr: netip.AddrFrom4([4]byte{10, 0, byte(h % 50), byte(h)})}
		if !m.covered(stretch{from: at(0), to: at(990), piece: half}, target, 2) {
			t.Errorf("no quorum is left for %v", target.host)
		}
	}
	for i := range 3 * blindCount {
		m.noteBlind(at(i))
	}
	if len(m.blind) > blindCount {
		t.Errorf("%d blind instants kept", len(m.blind))
	}
}

func TestDistinct(t *testing.T) {
	ip := netip.MustParseAddr
	ss := []sighting{{host: "a", addr: ip("192.0.2.1")}, {host: "b", addr: ip("192.0.2.1")}, {host: "a", addr: ip("192.0.2.2")}, {host: "c"}, {host: "d"}}
	if got := distinct(ss, 9); got != 3 {
		t.Errorf("got %d, want 3: a name or an address in common makes one host", got)
	}
	if got := distinct(ss, 2); got != 2 {
		t.Errorf("got %d, want to stop at 2", got)
	}
}

// TestBlindInstants: a round without any answer spoils a stretch, unless checks saw on both sides of it.
func TestBlindInstants(t *testing.T) {
	rows := []struct {
		name  string
		extra []int
		want  bool
	}{
		{"nothing near it", nil, false},
		{"seen just before", []int{480}, false},
		{"seen just after", []int{520}, false},
		{"seen on both sides", []int{480, 520}, true},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			var m memory
			for _, ms := range append([]int{100, 900}, r.extra...) {
				m.note(sighting{at: at(ms), host: "a"})
			}
			m.noteBlind(at(500))
			if got := m.covered(stretch{from: at(0), to: at(1000), piece: time.Second}, sighting{}, 1); got != r.want {
				t.Errorf("got %v, want %v", got, r.want)
			}
		})
	}
}

// TestSeenBy: an attempt counts if it began late enough, and from when it was over.
func TestSeenBy(t *testing.T) {
	const ms = time.Millisecond
	seen := func(host string, from int, took time.Duration) sighting {
		return sighting{at: at(from), host: host, took: took}
	}
	rows := []struct {
		name  string
		seen  []sighting
		blind []int
		want  int // zero: not at all
	}{
		{"nobody", nil, nil, 0},
		{"too few", []sighting{seen("a", 100, 0), seen("a", 200, 0)}, nil, 0},
		{"two", []sighting{seen("a", 100, 0), seen("b", 200, 0), seen("c", 300, 0)}, nil, 200},
		{"the first of them began before", []sighting{seen("a", -1, 200*ms), seen("b", 200, 0), seen("c", 300, 0)}, nil, 300},
		{"the first of them was over last", []sighting{seen("a", 100, 900*ms), seen("b", 200, 5*ms), seen("c", 300, 5*ms)}, nil, 305},
		{"too late", []sighting{seen("a", 100, 0), seen("b", 2001, 0)}, nil, 0},
		{"the target itself", []sighting{seen("a", 100, 0), seen("target", 200, 0)}, nil, 0},
		{"blind before", []sighting{seen("a", 500, 0), seen("b", 600, 0)}, []int{300}, 0},
		{"blind between the two", []sighting{seen("a", 100, 0), seen("b", 600, 0)}, []int{300}, 0},
		{"blind after", []sighting{seen("a", 100, 0), seen("b", 200, 0)}, []int{300}, 200},
		{"dead controls among busy checks", []sighting{seen("a", -100, 0), seen("b", -50, 0), seen("a", 60, 0), seen("b", 80, 0)}, []int{50}, 80},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			var m memory
			for _, s := range r.seen {
				m.note(s)
			}
			for _, ms := range r.blind {
				m.noteBlind(at(ms))
			}
			got := m.seenBy(at(0), at(2000), sighting{host: "target"}, 2)
			if got.IsZero() != (r.want == 0) || !got.IsZero() && !got.Equal(at(r.want)) {
				t.Errorf("got %v, want %v", got, at(r.want))
			}
		})
	}
}
