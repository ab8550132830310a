package timeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

func TestOutlook(t *testing.T) { everywhere(t, testOutlook) }

// The outlook follows the newest verdicts: what is late, has no verdict or is old does not count.
func testOutlook(t *testing.T, p place) {
	c := &clock{noon}
	s := p.open(t, c)
	defer s.Close()
	at := func(n int) time.Time { return noon.Add(time.Duration(n) * 10 * time.Second) }
	said := func(region string, rs ...probe.Result) Message {
		return in(region, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}, Results: rs}))
	}
	none := probe.Result{Check: "shop", Slot: at(-1).UnixMilli(), Outcome: probe.Inconclusive, Reason: probe.NoVouch, Latency: probe.NoLatency, Phases: noPhases()}
	ingest(t, s, said("osaka", up("shop", at(-2)), up("shop", at(-1))))
	ingest(t, s, said("tokyo", down("shop", at(-3)), down("shop", at(-2)), none), said("tokyo", up("shop", at(-9))))
	outlook := func(want ...sli.Peninsula) {
		t.Helper()
		got, err := s.Outlook(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sli.Outlook{Islands: []sli.Island{}, Peninsulas: append([]sli.Peninsula{}, want...)}, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	if got, want := s.NewestVerdict(), at(-1); !got.Equal(want) {
		t.Errorf("newest verdict: got %v, want %v", got, want)
	}
	outlook(sli.Peninsula{Check: "shop", Bad: []string{"tokyo"}, Good: []string{"osaka"}})
	foldAll(t, s)
	outlook(sli.Peninsula{Check: "shop", Bad: []string{"tokyo"}, Good: []string{"osaka"}})
	c.now = noon.Add(20 * time.Second) // tokyo's is older than three intervals and the budget
	outlook()
	ingest(t, s, said("tokyo", up("shop", at(1))))
	outlook()
	ingest(t, s, said("tokyo", down("shop", at(2))))
	outlook()
}
