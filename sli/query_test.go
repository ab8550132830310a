package sli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

func TestAsOf(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 7, 25, 123_999_999, time.FixedZone("", 9*3600))
	want := time.Date(2026, 11, 23, 1, 7, 0, 123_000_000, time.UTC)
	if got := sli.AsOf(now, 10*time.Second); got != want {
		t.Errorf("want %v, got %v", want, got)
	}
}

func TestResolve(t *testing.T) {
	asOf := time.UnixMilli(1_000_000_500)
	ms := func(x int64) time.Time { return time.UnixMilli(1_000_000_000 + x) }
	window := func(from, to int64, settled bool) sli.Window {
		return sli.Window{From: 1_000_000_000 + from, To: 1_000_000_000 + to, AsOf: 1_000_000_500, Settled: settled}
	}
	for _, test := range []struct {
		name string
		q    sli.Query
		want sli.Window
	}{
		{"a length", sli.Query{Window: 300 * time.Millisecond}, window(200, 500, true)},
		{"past", sli.Query{From: ms(100), To: ms(400)}, window(100, 400, true)},
		{"up to as_of", sli.Query{From: ms(100), To: ms(500)}, window(100, 500, true)},
		{"beyond as_of", sli.Query{From: ms(100), To: ms(501)}, window(100, 500, false)},
		{"without an end", sli.Query{From: ms(100)}, window(100, 500, true)},
		{"empty", sli.Query{From: ms(100), To: ms(100)}, window(100, 100, true)},
		{"from as_of on", sli.Query{From: ms(500), To: ms(900)}, window(500, 500, false)},
		{"later than as_of", sli.Query{From: ms(700), To: ms(900)}, window(700, 700, false)},
		{"later, without an end", sli.Query{From: ms(700)}, window(700, 700, true)},
		{"as then", sli.Query{Window: 100 * time.Millisecond, AsOf: ms(400)}, sli.Window{From: ms(300).UnixMilli(), To: ms(400).UnixMilli(), AsOf: ms(400).UnixMilli(), Settled: true}},
		{"beyond the as_of of then", sli.Query{From: ms(100), To: ms(450), AsOf: ms(400)}, sli.Window{From: ms(100).UnixMilli(), To: ms(400).UnixMilli(), AsOf: ms(400).UnixMilli()}},
		{"as of what is to come", sli.Query{Window: 100 * time.Millisecond, AsOf: ms(600)}, window(400, 500, true)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.q.Resolve(asOf)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name string
		q    sli.Query
		want string
	}{
		{"nothing", sli.Query{}, "give a length such as 1h, or from and to"},
		{"everything", sli.Query{Window: time.Hour, From: now, To: now}, "not both"},
		{"a length and an end", sli.Query{Window: time.Hour, To: now}, "not both"},
		{"negative", sli.Query{Window: -time.Hour}, "-1h0m0s is negative"},
		{"no beginning", sli.Query{To: now}, "to is given without from"},
		{"backwards", sli.Query{From: now.Add(1), To: now}, "from 2026-11-23T00:00:00Z is after to 2026-11-23T00:00:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := test.q.Resolve(now); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want an error with %q, got %v", test.want, err)
			}
		})
	}
}
