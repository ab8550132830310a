package sli_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

func TestCalendar(t *testing.T) {
	for _, tc := range []struct{ unit, zone, at, from, to string }{
		{"day", "UTC", "2026-11-28T12:00:00Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"},
		{"day", "Asia/Tokyo", "2026-11-28T15:00:00Z", "2026-11-28T15:00:00Z", "2026-11-29T15:00:00Z"},
		{"day", "Asia/Tokyo", "2026-11-28T14:59:59.999Z", "2026-11-27T15:00:00Z", "2026-11-28T15:00:00Z"},
		{"week", "UTC", "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"}, // a Sunday
		{"week", "UTC", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"}, // a Monday
		{"week", "UTC", "2027-01-01T00:00:00Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"}, // week 53 of 2026
		{"month", "UTC", "2028-02-29T01:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{"quarter", "UTC", "2026-12-31T23:59:59Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"quarter", "UTC", "2026-05-05T00:00:00Z", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"},
		// The clocks go forward in the night to 29 March, and back in that to 25 October.
		{"day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"month", "Europe/Berlin", "2026-03-31T22:30:00Z", "2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"},
		{"month", "Europe/Berlin", "2026-03-15T00:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"},
		// Midnight did not exist in São Paulo on 15 October 2017: the day began at one o'clock.
		{"day", "America/Sao_Paulo", "2017-10-15T12:00:00Z", "2017-10-15T03:00:00Z", "2017-10-16T02:00:00Z"},
		{"day", "America/Sao_Paulo", "2017-10-14T12:00:00Z", "2017-10-14T03:00:00Z", "2017-10-15T03:00:00Z"},
		// The hour before midnight came twice in Havana on 1 November 2026, as did midnight: the day began the first time.
		{"day", "America/Havana", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
	} {
		t.Run(tc.unit+" "+tc.zone+" "+tc.at, func(t *testing.T) {
			zone, err := time.LoadLocation(tc.zone)
			if err != nil {
				t.Fatal(err)
			}
			from, to, err := sli.Calendar(tc.unit, zone, instantAt(t, tc.at))
			if err != nil || !from.Equal(instantAt(t, tc.from)) || !to.Equal(instantAt(t, tc.to)) {
				t.Errorf("got %v to %v, %v, want %s to %s", from, to, err, tc.from, tc.to)
			}
		})
	}
	if _, _, err := sli.Calendar("fortnight", time.UTC, time.Now()); err == nil {
		t.Error("fortnight: got no error")
	}
}

func instantAt(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Whatever the zone: an instant is in its unit, and where one ends the next begins, with the same answer from within.
func TestCalendarUnitsFollowEachOther(t *testing.T) {
	zones := []string{"UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Africa/Cairo", "Pacific/Apia", "America/Havana", "Asia/Kathmandu"}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		unit := rapid.SampledFrom([]string{"day", "week", "month", "quarter"}).Draw(t, "unit")
		at := time.UnixMilli(rapid.Int64Range(0, 2e12).Draw(t, "at"))
		from, to, err := sli.Calendar(unit, zone, at)
		if err != nil || from.After(at) || !at.Before(to) {
			t.Fatalf("%v of %v in %v: got %v to %v, %v", unit, at, zone, from, to, err)
		}
		for _, within := range []time.Time{from, to.Add(-time.Millisecond)} {
			if f, u, _ := sli.Calendar(unit, zone, within); !f.Equal(from) || !u.Equal(to) {
				t.Fatalf("asked at %v: got %v to %v, want %v to %v", within, f, u, from, to)
			}
		}
		if f, _, _ := sli.Calendar(unit, zone, to); !f.Equal(to) {
			t.Fatalf("the next one begins at %v, want %v", f, to)
		}
	})
}
