package web

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

func TestParseQuery(t *testing.T) {
	hour := sli.Query{Now: noon, Window: time.Hour}
	for _, c := range []struct {
		window, from, to string
		want             sli.Query
	}{
		{"", "", "", hour},
		{"1h", "", "", hour},
		{"1h0m0s", "", "", hour},
		{"28d", "", "", sli.Query{Now: noon, Window: 28 * 24 * time.Hour}},
		{"1.5s", "", "", sli.Query{Now: noon, Window: 1500 * time.Millisecond}},
		{"", "-1h", "", sli.Query{Now: noon, From: noon.Add(-time.Hour)}},
		{"", "-1d", "-1h30m", sli.Query{Now: noon, From: noon.AddDate(0, 0, -1), To: noon.Add(-90 * time.Minute)}},
		{"", "2026-11-23T00:00:00Z", "now", sli.Query{Now: noon, From: noon.Truncate(24 * time.Hour), To: noon}},
		{"", "2026-11-23T00:00:00.5+09:00", "", sli.Query{Now: noon, From: time.Date(2026, 11, 22, 15, 0, 0, 5e8, time.UTC)}},
		{"", "2026-11-23T00:00:00 09:00", "", sli.Query{Now: noon, From: time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)}},
	} {
		got, err := ParseQuery(c.window, c.from, c.to, noon)
		if err != nil {
			t.Errorf("%q %q %q: %v", c.window, c.from, c.to, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q %q %q (-want +got):\n%s", c.window, c.from, c.to, diff)
		}
	}
}

func TestParseQueryRefuses(t *testing.T) {
	for _, c := range []struct{ window, from, to, want string }{
		{"1", "", "", `window: got "1", want a length`},
		{"0", "", "", `window: got "0", want at least 1ms`},
		{"-1h", "", "", `window: got "-1h", want at least 1ms`},
		{"1ns", "", "", `want at least 1ms`},
		{"200y", "", "", `want at most ten years`},
		{"", "yesterday", "", `from: got "yesterday", want RFC 3339`},
		{"", "-1h", "2026-11-23", `to: got "2026-11-23", want RFC 3339`},
		{"", "--1h", "", `from: got "-1h"`},
		{"", "-", "", `from: got "", want a length`},
		{"", "-999y", "", `from: got "999y"`},
	} {
		if _, err := ParseQuery(c.window, c.from, c.to, noon); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %q %q: error %v, want one with %q", c.window, c.from, c.to, err, c.want)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add("28d", "", "")
	f.Add("", "-1h", "now")
	f.Add("", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00+09:00")
	f.Fuzz(func(t *testing.T, window, from, to string) {
		q, err := ParseQuery(window, from, to, noon)
		if err == nil && (q.Window < 0 || q.Window > longestDuration) {
			t.Errorf("%q: window %v", window, q.Window)
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"check", "region", "window", "from", "to"}
	for s, want := range map[string]string{
		"chekc": "check", "Region": "region", "windows": "window", "form": "from", "frm": "from", "t": "to",
		"severity": "", "": "to", strings.Repeat("x", 5000): "",
	} {
		if got := nearest(s, names); got != want {
			t.Errorf("nearest(%.20q) = %q, want %q", s, got, want)
		}
	}
}
