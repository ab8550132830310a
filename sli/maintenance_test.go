package sli_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the binary brings its own too

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOccurrences(t *testing.T) {
	for _, test := range []struct {
		name, cron, zone string
		length           time.Duration
		from, to         string
		want             []string // from/to, UTC
	}{
		{
			"weekly in Tokyo", "0 3 * * SUN", "Asia/Tokyo", 2 * time.Hour, "2026-11-16T00:00:00Z", "2026-11-30T00:00:00Z",
			[]string{"2026-11-21T18:00:00Z/2026-11-21T20:00:00Z", "2026-11-28T18:00:00Z/2026-11-28T20:00:00Z"},
		},
		{
			"begins in [from, to) only", "0 * * * *", "", 90 * time.Minute, "2026-11-16T01:00:00Z", "2026-11-16T03:00:00Z",
			[]string{"2026-11-16T01:00:00Z/2026-11-16T02:30:00Z", "2026-11-16T02:00:00Z/2026-11-16T03:30:00Z"},
		},
		{
			"New York, skipped: at the end of the gap", "30 2 * * *", "America/New_York", time.Hour, "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z",
			[]string{"2026-03-07T07:30:00Z/2026-03-07T08:30:00Z", "2026-03-08T07:00:00Z/2026-03-08T08:00:00Z", "2026-03-09T06:30:00Z/2026-03-09T07:30:00Z"},
		},
		{
			"New York, several skipped: once", "*/20 2 8 3 *", "America/New_York", time.Hour, "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z",
			[]string{"2026-03-08T07:00:00Z/2026-03-08T08:00:00Z"},
		},
		{
			"New York, skipped and at the end of the gap: once", "30 2,3 8 3 *", "America/New_York", time.Hour, "2026-03-08T07:00:00Z", "2026-03-10T00:00:00Z",
			[]string{"2026-03-08T07:00:00Z/2026-03-08T08:00:00Z", "2026-03-08T07:30:00Z/2026-03-08T08:30:00Z"},
		},
		{
			"New York, doubled: the first; its length is elapsed time", "30 1 * * *", "America/New_York", 2 * time.Hour, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z",
			[]string{"2026-11-01T05:30:00Z/2026-11-01T07:30:00Z"},
		},
		{
			"New York, hourly: the doubled hour once", "0 * 1 11 *", "America/New_York", time.Hour, "2026-11-01T04:00:00Z", "2026-11-01T08:00:00Z",
			[]string{"2026-11-01T04:00:00Z/2026-11-01T05:00:00Z", "2026-11-01T05:00:00Z/2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z/2026-11-01T08:00:00Z"},
		},
		{
			"Berlin, skipped", "0 2 * * SUN", "Europe/Berlin", 3 * time.Hour, "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z",
			[]string{"2026-03-29T01:00:00Z/2026-03-29T04:00:00Z"},
		},
		{
			"Berlin, doubled", "30 2 * * SUN", "Europe/Berlin", 3 * time.Hour, "2026-10-24T12:00:00Z", "2026-10-26T00:00:00Z",
			[]string{"2026-10-25T00:30:00Z/2026-10-25T03:30:00Z"},
		},
		{
			"Lord Howe, half an hour skipped", "15 2 * * *", "Australia/Lord_Howe", time.Hour, "2026-10-03T12:00:00Z", "2026-10-04T23:00:00Z",
			[]string{"2026-10-03T15:30:00Z/2026-10-03T16:30:00Z", "2026-10-04T15:15:00Z/2026-10-04T16:15:00Z"},
		},
		{
			"Lord Howe, half an hour doubled", "45 1 * * *", "Australia/Lord_Howe", time.Hour, "2026-04-04T12:00:00Z", "2026-04-05T12:00:00Z",
			[]string{"2026-04-04T14:45:00Z/2026-04-04T15:45:00Z"},
		},
		{
			"Samoa, a day left out", "0 12 * * *", "Pacific/Apia", time.Hour, "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z",
			[]string{"2011-12-29T22:00:00Z/2011-12-29T23:00:00Z", "2011-12-30T10:00:00Z/2011-12-30T11:00:00Z", "2011-12-30T22:00:00Z/2011-12-30T23:00:00Z"},
		},
		{"never", "0 0 30 2 *", "UTC", time.Hour, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := sli.Maintenance{Cron: test.cron, Timezone: test.zone, For: test.length}
			spans, err := m.Occurrences(at(t, test.from).UnixMilli(), at(t, test.to).UnixMilli())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, texts(spans)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func texts(spans []sli.Span) []string {
	var out []string
	for _, s := range spans {
		if s.Effect != sli.InMaintenance {
			out = append(out, fmt.Sprintf("effect %d", s.Effect))
		}
		from, to := time.UnixMilli(s.From).UTC(), time.UnixMilli(s.To).UTC()
		out = append(out, from.Format(time.RFC3339)+"/"+to.Format(time.RFC3339))
	}
	return out
}

func TestOnceOccursWhereItBegins(t *testing.T) {
	begin, end := at(t, "2026-11-23T10:00:00+09:00"), at(t, "2026-11-23T12:00:00+09:00")
	m := sli.Maintenance{From: begin, To: end}
	whole := []sli.Span{{From: begin.UnixMilli(), To: end.UnixMilli(), Effect: sli.InMaintenance}}
	for _, test := range []struct {
		name     string
		from, to time.Time
		want     []sli.Span
	}{
		{"around", begin.Add(-time.Hour), end.Add(time.Hour), whole},
		{"less than a millisecond", begin, begin.Add(1), nil},
		{"a millisecond at its beginning", begin, begin.Add(time.Millisecond), whole},
		{"up to its beginning", begin.Add(-time.Hour), begin, nil},
		{"within", begin.Add(time.Minute), end, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := m.Occurrences(test.from.UnixMilli(), test.to.UnixMilli())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// bruteOccurrences walks the wall clock minute by minute. What it shows for the first time at an instant,
// what it skipped to get there included, comes true there.
func bruteOccurrences(zone *time.Location, matches func(hour, minute int) bool, from, to time.Time) []int64 {
	shown := func(t time.Time) time.Time {
		_, offset := t.In(zone).Zone()
		return t.UTC().Add(time.Duration(offset) * time.Second)
	}
	begin := from.Add(-3 * 24 * time.Hour)
	latest := shown(begin)
	var out []int64
	for now := begin; now.Before(to); now = now.Add(time.Minute) {
		due := false
		for ; latest.Before(shown(now)); latest = latest.Add(time.Minute) {
			next := latest.Add(time.Minute)
			due = due || matches(next.Hour(), next.Minute())
		}
		if due && !now.Before(from) {
			out = append(out, now.UnixMilli())
		}
	}
	return out
}

func TestOccurrencesAgainstBruteForce(t *testing.T) {
	changes := map[string][]string{
		"America/New_York":    {"2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"},
		"Europe/Berlin":       {"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"},
		"Australia/Lord_Howe": {"2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"},
		"Asia/Tokyo":          {"2026-06-01T00:00:00Z"},
		"Pacific/Apia":        {"2011-12-30T10:00:00Z"},
	}
	names := []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Tokyo", "Pacific/Apia"}
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom(names).Draw(r, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			r.Fatal(err)
		}
		change := at(t, rapid.SampledFrom(changes[name]).Draw(r, "change"))
		from := change.Add(time.Duration(rapid.IntRange(-2000, 200).Draw(r, "from")) * time.Minute)
		to := from.Add(time.Duration(rapid.IntRange(0, 3000).Draw(r, "length")) * time.Minute)
		hours := rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 1, 3, rapid.ID[int]).Draw(r, "hours")
		every := rapid.SampledFrom([]int{1, 7, 15, 45}).Draw(r, "every")

		cron := fmt.Sprintf("*/%d %s * * *", every, strings.Trim(strings.ReplaceAll(fmt.Sprint(hours), " ", ","), "[]"))
		m := sli.Maintenance{Cron: cron, Timezone: name, For: time.Minute}
		spans, err := m.Occurrences(from.UnixMilli(), to.UnixMilli())
		if err != nil {
			r.Fatal(err)
		}
		var got []int64
		for _, s := range spans {
			got = append(got, s.From)
		}
		want := bruteOccurrences(zone, func(h, m int) bool { return slices.Contains(hours, h) && m%every == 0 }, from, to)
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatalf("%q in %s (-want +got):\n%s", cron, name, diff)
		}
	})
}

func TestValidateMaintenance(t *testing.T) {
	now := at(t, "2026-11-23T12:00:00Z")
	hour := time.Hour
	for _, test := range []struct {
		name string
		m    sli.Maintenance
		want string // in the error; empty: none
	}{
		{"cron", sli.Maintenance{Cron: "0 3 * * SUN", For: hour, Timezone: "Asia/Tokyo"}, ""},
		{"cron without a zone", sli.Maintenance{Cron: "0 3 * * *", For: hour}, ""},
		{"leap days", sli.Maintenance{Cron: "0 3 29 2 *", For: hour}, ""},
		{"to come", sli.Maintenance{From: now.Add(hour), To: now.Add(2 * hour)}, ""},
		{"under way", sli.Maintenance{From: now.Add(-hour), To: now.Add(hour)}, ""},
		{"nothing", sli.Maintenance{}, "give cron and for, or from and to"},
		{"both", sli.Maintenance{Cron: "0 3 * * *", For: hour, From: now, To: now.Add(hour)}, "not both"},
		{"for without cron", sli.Maintenance{For: hour}, "without cron"},
		{"cron without for", sli.Maintenance{Cron: "0 3 * * *"}, "for is missing"},
		{"negative", sli.Maintenance{Cron: "0 3 * * *", For: -hour}, "want a positive duration"},
		{"no cron", sli.Maintenance{Cron: "every night", For: hour}, `cron "every night"`},
		{"six fields", sli.Maintenance{Cron: "0 0 3 * * *", For: hour}, `cron "0 0 3 * * *"`},
		{"a descriptor", sli.Maintenance{Cron: "@daily", For: hour}, `cron "@daily"`},
		{"never", sli.Maintenance{Cron: "0 3 31 4 *", For: hour}, "never comes"},
		{"a zone in cron", sli.Maintenance{Cron: "TZ=UTC 0 3 * * *", For: hour}, "set the zone with timezone"},
		{"an unknown zone", sli.Maintenance{Cron: "0 3 * * *", For: hour, Timezone: "Asia/Atlantis"}, `timezone "Asia/Atlantis"`},
		{"the machine's zone", sli.Maintenance{Cron: "0 3 * * *", For: hour, Timezone: "Local"}, "depends on the machine"},
		{"no to", sli.Maintenance{From: now}, "without to"},
		{"no from", sli.Maintenance{To: now}, "without from"},
		{"backwards", sli.Maintenance{From: now.Add(hour), To: now}, "is not after from"},
		{"empty", sli.Maintenance{From: now, To: now}, "is not after from"},
		{"past", sli.Maintenance{From: now.Add(-2 * hour), To: now}, "corrections"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.m.Validate(now)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("want an error with %q, got %v", test.want, err)
			}
			if isPast := errors.Is(err, sli.ErrPast); isPast != (test.name == "past") {
				t.Errorf("ErrPast: got %v", isPast)
			}
		})
	}
}

func TestMaintenanceCovers(t *testing.T) {
	some, all := sli.Maintenance{Checks: []string{"shop"}}, sli.Maintenance{Checks: []string{"all"}}
	if !some.Covers("shop") || some.Covers("zone") || !all.Covers("zone") {
		t.Errorf("want true, false, true; got %v, %v, %v", some.Covers("shop"), some.Covers("zone"), all.Covers("zone"))
	}
}

// Whatever is written as cron is refused or can be walked, and never panics.
func FuzzCron(f *testing.F) {
	for _, seed := range []string{"0 3 * * SUN", "*/5 1-3,7 29 2 ?", "TZ= 1 2 3 4 5", "99 * * * *", "* * * * * *", "1-0 * * * *", "*/0 * * * *"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cron string) {
		m := sli.Maintenance{Cron: cron, For: time.Minute, Timezone: "Australia/Lord_Howe"}
		if cron == "" || m.Validate(time.Unix(0, 0)) != nil {
			return
		}
		const from, day = 1_790_000_000_000, 24 * 3600 * 1000
		spans, err := m.Occurrences(from, from+day)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range spans {
			if s.From < from || s.From >= from+day || i > 0 && s.From <= spans[i-1].From {
				t.Fatalf("span %d begins at %d", i, s.From)
			}
		}
	})
}
