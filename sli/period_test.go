package sli_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestPeriodCuts(t *testing.T) {
	for _, tc := range []struct {
		name     string
		period   sli.Period
		from, to string
		want     string // what lies between
	}{
		{"hours", sli.Period{Length: time.Hour}, "2026-11-28T12:30:00Z", "2026-11-28T15:00:00Z", "2026-11-28T13:00:00Z 2026-11-28T14:00:00Z"},
		{"whole hours", sli.Period{Length: time.Hour}, "2026-11-28T12:00:00Z", "2026-11-28T13:00:00Z", ""},
		{"before 1970", sli.Period{Length: time.Hour}, "1969-12-31T22:30:00Z", "1970-01-01T00:30:00Z", "1969-12-31T23:00:00Z 1970-01-01T00:00:00Z"},
		{"shorter than a step", sli.Period{Length: 24 * time.Hour}, "2026-11-28T12:00:00Z", "2026-11-28T13:00:00Z", ""},
		{"days as the clocks go forward", sli.Period{Unit: "day", Zone: zone(t, "Europe/Berlin")}, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z"},
		{"days as the clocks go back", sli.Period{Unit: "day", Zone: zone(t, "Europe/Berlin")}, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", "2026-10-24T22:00:00Z 2026-10-25T23:00:00Z"},
		{"a day that was left out", sli.Period{Unit: "day", Zone: zone(t, "Pacific/Apia")}, "2011-12-29T12:00:00Z", "2012-01-01T00:00:00Z", "2011-12-30T10:00:00Z 2011-12-31T10:00:00Z"},
		{"the hour before midnight, again", sli.Period{Unit: "day", Zone: zone(t, "America/St_Johns")}, "2010-11-07T03:00:00Z", "2010-11-09T00:00:00Z", "2010-11-08T03:30:00Z"},
		{"weeks", sli.Period{Unit: "week", Zone: time.UTC}, "2026-11-28T00:00:00Z", "2026-12-08T00:00:00Z", "2026-11-30T00:00:00Z 2026-12-07T00:00:00Z"},
		{"months", sli.Period{Unit: "month", Zone: zone(t, "Asia/Tokyo")}, "2026-01-31T15:00:00Z", "2026-03-31T00:00:00Z", "2026-02-28T15:00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.period.Validate(); err != nil {
				t.Fatal(err)
			}
			cuts, err := tc.period.Cuts(instantAt(t, tc.from).UnixMilli(), instantAt(t, tc.to).UnixMilli())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, ms := range cuts {
				got = append(got, time.UnixMilli(ms).UTC().Format(time.RFC3339))
			}
			want := strings.Fields(tc.from + " " + tc.want + " " + tc.to)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("cuts (-want +got):\n%s", d)
			}
		})
	}
	if cuts, err := (sli.Period{Length: time.Hour}).Cuts(5, 5); len(cuts) != 1 || err != nil {
		t.Errorf("of an empty window: got cuts %v, %v, want one", cuts, err)
	}
	if _, err := (sli.Period{Length: time.Second}).Cuts(0, 5_001_000); !errors.Is(err, sli.ErrTooMany) || !strings.Contains(err.Error(), "steps of 1s") {
		t.Errorf("of 5001 steps: got %v, want too many", err)
	}
}

// Cuts ascend and all their steps but the first and the last are whole, in every zone.
func TestPeriodCutsAscend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := sli.Period{
			Unit: rapid.SampledFrom([]string{"day", "week", "month", "quarter"}).Draw(t, "unit"),
			Zone: zone(t, rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/Havana", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "America/Sao_Paulo"}).Draw(t, "zone")),
		}
		from := rapid.Int64Range(time.Date(1995, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()).Draw(t, "from")
		to := from + rapid.Int64Range(0, (400*24*time.Hour).Milliseconds()).Draw(t, "for")
		cuts, err := p.Cuts(from, to)
		if err != nil || cuts[0] != from || cuts[len(cuts)-1] != to {
			t.Fatalf("got %v, %v, want cuts from %d to %d", cuts, err, from, to)
		}
		for i := 1; i < len(cuts); i++ {
			if cuts[i] <= cuts[i-1] {
				t.Fatalf("cut %d is %d after %d", i, cuts[i], cuts[i-1])
			}
			if k := sli.StepOf(cuts, cuts[i]-1); k != i-1 || sli.StepOf(cuts, cuts[i-1]) != i-1 {
				t.Fatalf("the last ms of step %d is said to be in step %d", i-1, k)
			}
			begin, _, err := sli.Calendar(p.Unit, p.Zone, time.UnixMilli(cuts[i]))
			if err != nil || i < len(cuts)-1 && begin.UnixMilli() != cuts[i] {
				t.Fatalf("cut %d is %d, and the %s of it begins at %d, %v", i, cuts[i], p.Unit, begin.UnixMilli(), err)
			}
		}
		if sli.StepOf(cuts, from-1) != -1 || sli.StepOf(cuts, to) != -1 {
			t.Fatal("what is outside is said to be in a step")
		}
	})
}

func TestPeriodValidate(t *testing.T) {
	for _, x := range []struct {
		period sli.Period
		says   string
	}{
		{sli.Period{}, "whole seconds"},
		{sli.Period{Length: 1500 * time.Millisecond}, "whole seconds"},
		{sli.Period{Length: time.Hour, Zone: time.UTC}, "a length has none"},
		{sli.Period{Unit: "day"}, "without a time zone"},
		{sli.Period{Unit: "day", Zone: time.UTC, Length: time.Hour}, "one of them"},
		{sli.Period{Unit: "year", Zone: time.UTC}, "want day, week, month or quarter"},
	} {
		if err := x.period.Validate(); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%+v: got %v, want %s", x.period, err, x.says)
		}
	}
}
