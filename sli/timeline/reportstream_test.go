package timeline

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

func TestEachReport(t *testing.T) { everywhere(t, testEachReport) }

// testEachReport: the reports are the same as all at once, whatever the number of checks that are read at once.
func testEachReport(t *testing.T, p place) {
	s := p.store(t)
	if _, err := s.Ordinals(t.Context(), []Region{{Name: "tokyo", Weight: 3}, {Name: "osaka", Weight: 1}}); err != nil {
		t.Fatal(err)
	}
	at := noon.Add(-time.Hour)
	const checks = 2*reportedAtOnce + 3
	for i, region := range []string{"tokyo", "osaka"} {
		b := probe.Batch{}
		for k := i; k < checks; k++ { // osaka does not have the first
			name := fmt.Sprintf("check-%03d", k)
			b.Epochs = append(b.Epochs, follow(name))
			if k%3 > 0 {
				b.Results = append(b.Results, up(name, at), down(name, at.Add(10*time.Second)))
			}
		}
		ingest(t, s, in(region, message(t, "p", b)))
	}
	catchUp(t, s)
	foldAll(t, s)
	correct(t, s, corrected("", at, at.Add(10*time.Second), "exclude"))
	q := sli.Query{From: at, To: at.Add(30 * time.Second)}
	collect := func(q sli.Query, from string) []sli.Report {
		t.Helper()
		all := []sli.Report{}
		for of, err := range s.EachReport(t.Context(), q, from) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range of {
				if of[i].Check != of[0].Check {
					t.Errorf("reports of %s and %s came at once", of[i].Check, of[0].Check)
				}
			}
			all = append(all, of...)
		}
		return all
	}
	want, err := s.Reports(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, collect(q, "")); d != "" || len(want) != 3*checks-1 {
		t.Errorf("of %d reports (-Reports +EachReport):\n%s", len(want), d)
	}
	if d := cmp.Diff(want[3*70-1:], collect(q, "check-070")); d != "" {
		t.Errorf("from check-070 on (-Reports +EachReport):\n%s", d)
	}
	q.Regions = []string{"osaka"}
	if d := cmp.Diff(2*(checks-1), len(collect(q, ""))); d != "" {
		t.Errorf("reports of one region (-want +got):\n%s", d)
	}
	for range s.EachReport(t.Context(), q, "") {
		break // who has seen enough holds nothing back
	}
	if rs := collect(q, "check-999"); len(rs) != 0 {
		t.Errorf("got %d reports after the last check", len(rs))
	}
}

func TestEachReportEndsWithAnError(t *testing.T) {
	s := openStore(t, t.TempDir(), &clock{noon})
	defer s.Close()
	for _, q := range []sli.Query{{}, {Window: time.Hour}} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		n, last := 0, error(nil)
		for _, err := range s.EachReport(ctx, q, "") {
			n, last = n+1, err
		}
		if n != 1 || last == nil || q.Window > 0 && !errors.Is(last, context.Canceled) {
			t.Errorf("%+v: given %d times, at last the error %v, want one error", q, n, last)
		}
	}
}
