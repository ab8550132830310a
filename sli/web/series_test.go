package web

import (
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

func TestSeriesAPI(t *testing.T) {
	m, catalog := scene()
	o := &oracle{}
	h := NewHandler(Options{Source: m, Analyst: o, Catalog: func() []Check { return catalog }, Now: func() time.Time { return noon }})
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name, path string
		status     int
		says       string
		period     sli.Period
	}{
		{"hours by default", "series?window=1d", 200, `"check":"shop"`, sli.Period{Length: time.Hour}},
		{"a length", "series?window=28d&step=1d&check=shop", 200, `"items":[`, sli.Period{Length: 24 * time.Hour}},
		{"days", "series?window=28d&step=day", 200, `"items":[`, sli.Period{Unit: "day", Zone: time.UTC}},
		{"of a zone", "series?window=28d&step=week&timezone=Asia/Tokyo", 200, `"items":[`, sli.Period{Unit: "week", Zone: tokyo}},
		{"an unknown zone", "series?step=day&timezone=Tokyo", 400, "want one of the IANA list", sli.Period{}},
		{"a zone of a length", "series?step=1h&timezone=Asia/Tokyo", 400, "a length has none", sli.Period{}},
		{"no step", "series?step=often", 400, "or day, week, month or quarter", sli.Period{}},
		{"of part of a second", "series?step=10ms", 400, "want whole seconds", sli.Period{}},
		{"too many", "series?step=1s&window=28d", 400, "too many steps of 1s, want at most 5000", sli.Period{Length: time.Second}},
		{"history", "slos/history", 200, `"slo":"","indicator"`, sli.Period{Length: 24 * time.Hour}},
		{"of some", "slos/history?slo=a&slo=b&step=month&window=400d", 200, `"slo":"a+b","indicator"`, sli.Period{Unit: "month", Zone: time.UTC}},
		{"its step", "slos/history?slo=a", 200, `"step":{"from":"2026-`, sli.Period{Length: 24 * time.Hour}},
		{"of an unknown one", "slos/history?slo=aa", 400, `did you mean \"a\"?`, sli.Period{}},
		{"too many points", "slos/history?step=1s", 400, "too many steps", sli.Period{Length: time.Second}},
		{"no check", "slos/history?check=shop", 400, "unknown here", sli.Period{}},
		{"a typo", "series?stepp=1h", 400, `"nearest":"step"`, sli.Period{}},
		{"an unknown check", "series?check=shopp", 400, `did you mean \"shop\"?`, sli.Period{}},
	} {
		t.Run(x.name, func(t *testing.T) {
			o.period = sli.Period{}
			status, got := tryOn(t, h, "GET", "/api/v1/"+x.path, "")
			if status != x.status || !strings.Contains(got, x.says) || o.period.String() != x.period.String() {
				t.Errorf("got %d %s by %v, want %d and %s by %v", status, got, o.period, x.status, x.says, x.period)
			}
		})
	}
}
