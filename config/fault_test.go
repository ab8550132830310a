package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNearest(t *testing.T) {
	keys := []string{"interval", "timeout", "expect", "dns", "http", "tcp", "id"}
	for word, want := range map[string]string{
		"intervall": "interval", "inetrval": "interval", "Interval": "interval", "tiemout": "timeout", "time_out": "timeout", "dsn": "dns",
		"htp": "http", "https": "http", "icmp": "", "colour": "", "": "", "x": "", "expectation": "", "ids": "id",
		strings.Repeat("interval", 20): "",
	} {
		if got := nearest(word, keys); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "", 1},
		{"", "abc", 3},
		{"abc", "abc", 0},
		{"abc", "acb", 1},
		{"abcd", "abdc", 1},
		{"ca", "abc", 3},
		{"kitten", "sitting", 3},
		{"timeout", "tiemout", 1},
		{"flaw", "lawn", 2},
	} {
		if got, back := distance(row.a, row.b), distance(row.b, row.a); got != row.want || back != row.want {
			t.Errorf("distance of %q and %q = %d and %d, want %d", row.a, row.b, got, back, row.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]struct {
		d     time.Duration
		again string
	}{
		"0s": {0, "0s"}, "30s": {30 * time.Second, "30s"}, "1h30m": {90 * time.Minute, "1h30m"}, "90m": {90 * time.Minute, "1h30m"},
		"28d": {28 * day, "28d"}, "4w": {28 * day, "28d"}, "1y": {365 * day, "365d"}, "400d": {400 * day, "400d"},
		"1d1ms": {day + time.Millisecond, "1d1ms"}, "1500ms": {1500 * time.Millisecond, "1s500ms"}, "0m5s": {5 * time.Second, "5s"},
	} {
		d, err := ParseDuration(text)
		if err != nil || d != want.d || FormatDuration(d) != want.again {
			t.Errorf("%s: got %v as %s, %v; want %v as %s", text, d, FormatDuration(d), err, want.d, want.again)
		}
	}
	for _, text := range []string{"", "0", "30", "-30s", "+30s", "1.5h", "1h 30m", " 30s", "30s ", "30S", "30sec", "1m1h", "1s1s", "1us", "s", "300y", "9999999999999999999999s"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, d)
		}
	}
}

// TestFaults: faults are told one a line in the order of the file, and each can be got at.
func TestFaults(t *testing.T) {
	fs := Faults{
		{File: "f", Line: 3, Column: 1, Message: "third"},
		{File: "f", Line: 2, Column: 9, Path: "a.b", Message: "second", Hint: "do that"},
		{File: "f", Line: 2, Column: 3, Message: "first"},
	}
	fs.sort()
	const want = "f:2:3: first\nf:2:9: a.b: second (do that)\nf:3:1: third"
	if diff := cmp.Diff(want, fs.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	var one Fault
	if !errors.As(error(fs), &one) || one.Message != "first" {
		t.Errorf("errors.As: got %+v, want the first fault", one)
	}
}

// TestLineEnds: how lines end, and a mark at the beginning of the file, change nothing.
func TestLineEnds(t *testing.T) {
	want := mustParse(t, changeable)
	for name, text := range map[string]string{
		"CRLF": strings.ReplaceAll(changeable, "\n", "\r\n"),
		"BOM":  "\ufeff" + changeable,
		"end":  strings.TrimSuffix(changeable, "\n"),
		"mark": "---\n" + changeable + "...\n",
	} {
		if diff := cmp.Diff(want, mustParse(t, text), alike()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestEscapes(t *testing.T) {
	for text, want := range map[string]string{"$${a}": "${a}", "$$${a}": "$${a}", "a$b{c}": "a$b{c}", "$${$${": "${${", "$$": "$$", "$${{": "${{"} {
		f := mustParse(t, strings.Replace(changeable, `name: x`, `name: x
    labels: {l: '`+text+`'}`, 1))
		if got := f.Check("x").Labels["l"]; got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
