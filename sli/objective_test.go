package sli

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRatioText: a percentage is read as the decimal it is, and written as the shortest that is read the same.
func TestRatioText(t *testing.T) {
	for text, want := range map[string]struct {
		value Ratio
		again string
	}{
		"99.9%": {0.999, "99.9%"}, "99.99%": {0.9999, "99.99%"}, "99.999 %": {0.99999, "99.999%"}, "0%": {0, "0%"},
		"100%": {1, "100%"}, "50.0%": {0.5, "50%"}, "-5%": {-0.05, "-5%"}, "0.0000001%": {1e-9, "0.0000001%"}, "33.3%": {0.333, "33.3%"},
	} {
		var got Ratio
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want.value || got.String() != want.again {
			t.Errorf("%s: got %v as %s, %v; want %v as %s", text, float64(got), got, err, float64(want.value), want.again)
		}
	}
	for _, text := range []string{"", "%", "99.9", "0.999", "99,9%", "1e2%", "1/2%", "99.9%%", "ninety%", "Inf%", "1000000000000000000000%", "0x10%"} {
		var got Ratio
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestRatioRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decimal := strconv.FormatFloat(float64(rapid.IntRange(0, 1e9).Draw(t, "n"))/1e7, 'f', -1, 64) + "%"
		var first, second Ratio
		if err := first.UnmarshalText([]byte(decimal)); err != nil {
			t.Fatal(err)
		}
		if err := second.UnmarshalText([]byte(first.String())); err != nil || second != first {
			t.Fatalf("%s: read %v, written %s, read again %v, %v", decimal, float64(first), first, float64(second), err)
		}
	})
	if got := Ratio(math.Inf(1)).String(); got != "+Inf" {
		t.Errorf("infinity: got %s", got)
	}
}

func TestQuorumText(t *testing.T) {
	for text, want := range map[string]Quorum{"2": {Count: 2}, "all": {All: true}, "any": {Any: true}, "66.7%": {Share: 0.667}, "100%": {Share: 1}} {
		var got Quorum
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		if again, err := got.MarshalText(); err != nil || string(again) != text {
			t.Errorf("%s: written %s, %v", text, again, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "0%", "101%", "most", "1.5"} {
		var got Quorum
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

// TestSLOValidate names the field of each contradiction; the words are held by the configuration's tests.
func TestSLOValidate(t *testing.T) {
	good := SLO{Indicator: "availability", Objective: 0.999, Window: 28 * 24 * time.Hour, Timezone: "UTC"}
	for _, row := range []struct {
		name   string
		change func(*SLO)
		want   []string
	}{
		{"nothing", func(*SLO) {}, nil},
		{"calendar", func(s *SLO) { s.Window, s.Calendar, s.Timezone = 0, "month", "Asia/Tokyo" }, nil},
		{"indicator", func(s *SLO) { s.Indicator = "uptime" }, []string{"indicator"}},
		{"objective 0", func(s *SLO) { s.Objective = 0 }, []string{"objective"}},
		{"objective 1", func(s *SLO) { s.Objective = 1 }, []string{"objective"}},
		{"neither window", func(s *SLO) { s.Window = 0 }, []string{""}},
		{"both windows", func(s *SLO) { s.Calendar = "day" }, []string{"calendar"}},
		{"short", func(s *SLO) { s.Window = time.Minute }, []string{"window"}},
		{"unit", func(s *SLO) { s.Window, s.Calendar = 0, "decade" }, []string{"calendar"}},
		{"zone of the machine", func(s *SLO) { s.Timezone = "Local" }, []string{"timezone"}},
		{"no zone", func(s *SLO) { s.Timezone = "" }, []string{"timezone"}},
		{"a policy in order", func(s *SLO) { s.Policy = []Step{{1, "watch"}, {0.5, "investigate"}, {0, "exhausted"}} }, nil},
		{"a policy upside down", func(s *SLO) { s.Policy = []Step{{0, "exhausted"}, {0.5, "watch"}} }, []string{"policy[1].budget_below", "policy[1].decide"}},
		{"a policy of nonsense", func(s *SLO) { s.Policy = []Step{{2, "panic"}} }, []string{"policy[0].decide", "policy[0].budget_below"}},
		{"all at once", func(s *SLO) { *s = SLO{Indicator: "x"} }, []string{"indicator", "objective", "", "timezone"}},
	} {
		s := good
		row.change(&s)
		var got []string
		for _, p := range s.Validate() {
			got = append(got, p.Field)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}
